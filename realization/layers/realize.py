"""as_realization: a layer as a bilinear system, driven by a schedule and read without memory.

    x(t+1) = sum_i a_i(t) N_i x(t) + w(t),      y(t) = x(t+1),      x = vec S

The inputs of the system are the decays a and the writes w = v k', which a memoryless
schedule computes from the data; the layer's own output is a memoryless read-out of y.
Nothing of this depends on the data: the system is built before they are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from realization.core.pair import Pair
from realization.layers.recurrence.transition import erased, erasing, share, times, transition
from realization.systems import BilinearSSM, LinearSSM


class Realization(NamedTuple):
    """A layer in three parts.

    Parameters
    ----------
    schedule : callable
        Data (keywords) -> inputs u (*b, T, m) of the system.
    system : BilinearSSM or LinearSSM
        Its state is the layer's, read after the update; linear where the layer selects nothing.
    readout : callable
        (system outputs, data) -> outputs of the layer, memoryless.
    start : callable
        The layer's initial state -> that of the system.
    """

    schedule: Callable[..., np.ndarray]
    system: BilinearSSM | LinearSSM
    readout: Callable[..., np.ndarray]
    start: Callable[[Any], np.ndarray]


def diagonal_system(n: int, *, rotating: bool = False) -> BilinearSSM:
    """The system with x(t+1) = a o x(t) + w, inputs (a, w) or, rotating, (Re a, Im a, w) for pairs of states.

    Parameters
    ----------
    n : int
        Number of real states; rotating, the first half are real parts.
    rotating : bool
        Whether the decays are complex.

    Returns
    -------
    BilinearSSM
        With commuting N_i: diagonal, or 2x2 blocks [[1, 0], [0, 1]] and [[0, -1], [1, 0]].
    """
    E = np.eye(n)
    diagonal = E[:, :, None] * E[:, None, :]
    if rotating:
        P = n // 2
        xx, xy, yx, yy = (a[:, :, None] * b[:, None, :] for a in (E[:P], E[P:]) for b in (E[:P], E[P:]))
        diagonal = np.concatenate([xx + yy, yx - xy])
    N = np.concatenate([diagonal, np.zeros((n, n, n))])
    B = np.concatenate([np.zeros((n, len(diagonal))), E], axis=1)
    return BilinearSSM(A=np.zeros((n, n)), N=N, B=B, C=np.zeros((n, n)), M=N, D=B)


def erasing_system(shape: tuple[int, int, int]) -> BilinearSSM:
    """The system with S(t+1) = S F + W for each head, S: (V, K), inputs (F, W) entry by entry.

    Parameters
    ----------
    shape : tuple of int
        H, V, K: H V K states and H K K + H V K inputs.

    Returns
    -------
    BilinearSSM
        The N of an entry F(i, j) moves column i of the states of a head to column j.
    """
    H, V, K = shape
    n = H * V * K
    E, F = np.eye(n).reshape(n, H, V, K), np.eye(H * K * K).reshape(-1, H, K, K)
    N = np.einsum("mhij, nhvj, lhvi -> mnl", F, E, E)
    N = np.concatenate([N, np.zeros((n, n, n))])
    B = np.concatenate([np.zeros((n, H * K * K)), np.eye(n)], axis=1)
    return BilinearSSM(A=np.zeros((n, n)), N=N, B=B, C=np.zeros((n, n)), M=N, D=B)


def transitions_and_writes(core: Mapping[str, Any], shape: tuple[int, int, int]) -> np.ndarray:
    """The inputs (F, W) of that system, F = diag(a) (I - c d'), from the arguments of a recurrence.

    All values of a head share their decay.
    """
    H, _, K = shape
    value, key = core["value"], share(core["key"], H)
    c, d = (share(x, H) for x in erasing(core["erase"], core["key"], H, None, False))
    a, _ = transition(core.get("log_decay"), core.get("rate"), None, None, False)
    F = erased(np.broadcast_to(np.eye(K), (*value.shape[:-1], K, K)), c, d)
    F = F if a is None else F * np.swapaxes(a, -1, -2)
    write = value[..., :, None] * key[..., None, :]
    return np.concatenate([F.reshape(*value.shape[:-2], -1), vec(write, shape, rotating=False)], axis=-1)


def vec(S: np.ndarray, shape: tuple[int, int, int], *, rotating: bool) -> np.ndarray:
    """States (..., H, V, K), or (..., V, K) for one head, as vectors; rotating, all real parts come first."""
    H, V, K = shape
    S = S.reshape(*S.shape[: S.ndim - (2 if S.shape[-3:] != shape else 3)], H, V, K)
    parts = [S[..., : K // 2], S[..., K // 2 :]] if rotating else [S]
    return np.concatenate([part.reshape(*part.shape[:-3], H * V * part.shape[-1]) for part in parts], axis=-1)


def decays_and_writes(core: Mapping[str, Any], shape: tuple[int, int, int]) -> np.ndarray:
    """The inputs (a, w) of the system from the arguments of a recurrence with state (H, V, K)."""
    H, V, K = shape
    value, key = core["value"], share(core["key"], H)
    log_decay, rate, angle, spin = (core.get(name) for name in ("log_decay", "rate", "angle", "spin"))
    a, weight = transition(log_decay, rate, angle, spin, core.get("hold", False))
    write = times(value[..., :, None] * key[..., None, :], weight)
    P = K // 2 if isinstance(a, Pair) else K
    parts = [a.real, a.imag] if isinstance(a, Pair) else [1.0 if a is None else a]
    full = [np.broadcast_to(part, (*write.shape[:-1], P)).reshape(*write.shape[:-3], H * V * P) for part in parts]
    return np.concatenate([*full, vec(write, shape, rotating=P < K)], axis=-1)


def states(y: np.ndarray, shape: tuple[int, int, int], *, rotating: bool) -> np.ndarray:
    """Back from vectors to states: the inverse of `vec`."""
    H, V, K = shape
    parts = np.split(y, 2, axis=-1) if rotating else [y]
    return np.concatenate([part.reshape(*part.shape[:-1], H, V, -1) for part in parts], axis=-1)
