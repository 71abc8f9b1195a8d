"""B'MOJO's attention as a bilinear system: registers that move in time, and one that moves when a token is admitted.

    r(t+1) = S r(t) + B u(t)                                window and fading tokens, nilpotent in time
    m(t+1) = (1 - s(t)) m(t) + s(t) (S m(t) + B u(t))       memory, nilpotent in the number of writes (s = 1)

The word s of admissions is an input, like the tokens; place j holds the j-th last token that was admitted.  So the
system is the same for all data: what is surprising decides when it writes, not what it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.layers.attention import factor
from realization.layers.maps import rms_norm
from realization.layers.readout import Source, readout
from realization.layers.realize import Realization
from realization.layers.register import register_system
from realization.systems import BilinearSSM
from realization.systems.bilinear_library import gated_register


def as_realization(
    *, window: int, capacity: int, g: int, k: int, v: int, fading_lag: int | None = None,
    fading_width: int | None = None, scale: float | None = None, query_norm: Any = None, key_norm: Any = None,
    fading_key_norm: Any = None, norm_eps: float = 1e-6,
) -> Realization:  # fmt: skip
    """Return schedule, system and read-out for a memory that is a queue, read at once (eviction "fifo").

    Parameters
    ----------
    window, capacity : int
        W and M.
    g, k, v : int
        Groups, widths of keys and values.
    fading_lag, fading_width : int, optional
        As for `bmojo`.
    scale, query_norm, key_norm, fading_key_norm, norm_eps
        As for `bmojo`.

    Returns
    -------
    Realization
        schedule(key=, value=, admitted=, fading_key=None, fading_value=None) with the word of admissions (*b, T), a
        bilinear system of (W + lag + width + M) tokens, and readout(y, query=, fading_query=None).
    """
    lag, width = (window if n is None else n for n in (fading_lag, fading_width))
    entry = g * (k + v) + 2  # with a flag that says whether there is one, and its position
    lengths = (window, lag + width, capacity)
    sizes = np.cumsum([n * entry for n in lengths])

    def entries(key: Any, value: Any, weight: Any) -> np.ndarray:
        key = np.asarray(key) if weight is None else rms_norm(np.asarray(key), weight, norm_eps)
        *lead, T = key.shape[:-2]
        place = np.broadcast_to(np.arange(T, dtype=float)[:, None], (*lead, T, 1))
        flat = (x.reshape(*lead, T, g * n) for x, n in ((key, k), (np.asarray(value), v)))
        return np.concatenate([*flat, np.ones(place.shape), place], axis=-1)

    def schedule(
        *, key: Any, value: Any, admitted: Any, fading_key: Any = None, fading_value: Any = None
    ) -> np.ndarray:
        raw, s = entries(key, value, key_norm), np.asarray(admitted, float)[..., None]
        weight = key_norm if fading_key_norm is None else fading_key_norm
        fading = np.zeros(raw.shape) if fading_key is None else entries(fading_key, fading_value, weight)
        return np.concatenate([raw, fading, s, s * raw], axis=-1)

    def readout_(y: np.ndarray, *, query: Any, fading_query: Any = None) -> np.ndarray:
        parts = np.split(y, sizes[:-1], axis=-1)
        raw, fading = (
            np.swapaxes(x.reshape(*y.shape[:-1], entry, n), -1, -2) for x, n in zip(parts[:2], lengths[:2], strict=True)
        )
        memory = parts[2].reshape(*y.shape[:-1], capacity, entry)
        behind = (memory[..., -1] <= (np.arange(y.shape[-2]) - window)[:, None]) & (memory[..., -2] > 0)
        queries = [np.asarray(q) for q in (query, query if fading_query is None else fading_query)]
        queries = [q if query_norm is None else rms_norm(q, query_norm, norm_eps) for q in queries]
        fading = fading[..., :width, :]
        shown = ((raw, raw[..., -2] > 0, 0), (fading, fading[..., -2] > 0, 1), (memory, behind, 0))
        sources = [source(slots, there, queries[i], g, k, v) for slots, there, i in shown]
        return readout(sources=sources, scale=factor(scale, queries[0])).y[..., 0, :, :]

    return Realization(schedule, system(*lengths, entry), readout_, lambda state: np.zeros(int(sizes[-1])))


def source(slots: np.ndarray, there: np.ndarray, query: np.ndarray, g: int, k: int, v: int) -> Source:
    """The slots (*b, T, n, entry) of each step, for the query of the step by itself."""
    n, lead = slots.shape[-2], slots.shape[:-1]
    key, value = slots[..., : g * k].reshape(*lead, g, k), slots[..., g * k : -2].reshape(*lead, g, v)
    hidden = np.where(there, 0.0, -np.inf)[..., None, None, :]
    return Source(key, value, np.arange(n)[None], query[..., None, :, :], hidden)


def system(window: int, fading: int, capacity: int, entry: int) -> BilinearSSM:
    """Registers of the last raw and fading tokens and a gated one, side by side, read after their update.

    Inputs are a raw entry, a fading entry, s and s times a raw entry.
    """
    blocks = [_moving(window, entry), _moving(fading, entry), _gated(capacity, entry)]
    n, m = sum(len(a) for a, _, _ in blocks), 3 * entry + 1
    A, B, N, i, j = np.zeros((n, n)), np.zeros((n, m)), np.zeros((m, n, n)), 0, 0
    for a, b, turned in blocks:
        rows, columns = slice(i, i + len(a)), slice(j, j + b.shape[1])
        A[rows, rows], B[rows, columns], N[columns, rows, rows] = a, b, turned
        i, j = rows.stop, columns.stop
    return BilinearSSM(A=A, N=N, B=B, C=A, M=N, D=B)


def _moving(n: int, entry: int) -> tuple[Any, Any, Any]:
    """A, B and N of a register of n tokens; none has no states."""
    if not n:
        return np.zeros((0, 0)), np.zeros((0, entry)), 0.0
    register = register_system(n, entry)
    return register.A, register.B, 0.0


def _gated(n: int, entry: int) -> tuple[Any, Any, Any]:
    if not n:
        return np.zeros((0, 0)), np.zeros((0, 1 + entry)), 0.0
    register = gated_register(n, entry)
    return register.A, register.B, register.N
