"""The recurrence by chunks: the second route, and the form that fast kernels have.

Inside a chunk that starts after step s0, with m(t, s) the decay from s to t,

    y(t) = sum_{s <= t} [m(t, s) o (v(s) k(s)')] q(t) + [m(t, s0) o S(s0)] q(t)

and the state is passed from chunk to chunk.  With an erase S~ - p(t) d(t)', p(t) = S~ c(t), the
erased values p of a chunk solve a triangular system (the WY form of a product of I - c d'),

    p(t) + sum_{s < t} [(m(t, s) o d(s))' c(t)] p(s) = U(t) c(t)

with U(t) what S~ would be without an erase in the chunk; they then join the writes as
-p(s) d(s)'.  The two ways to get m are

    product   m(t, s) = a(s+1) ... a(t)
    logdiff   m(t, s) = exp(L(t) - L(s)),   L = cumulative sum of the log decay,

equal in exact arithmetic.  The difference loses |L| units in the last place,
which is all of them under strong decay: it is what makes segmented sums inexact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import phi1
from realization.layers.recurrence import Run
from realization.layers.recurrence.transition import at, complex_phi1, erasing, packed, share, zeros


def chunked(*, chunk: int, decay: str = "product", states: bool = False, **arrays: Any) -> Run:
    """Run the recurrence by chunks; other arguments as for `recurrence`, arrays of floats only.

    Parameters
    ----------
    chunk : int
        Length of a chunk.
    decay : {"product", "logdiff"}
        How the decay over several steps is formed.
    states : bool
        Return the state after every step as well.
    **arrays
        The arguments of `recurrence`.

    Returns
    -------
    Run
        y, final and states.

    Raises
    ------
    ShapeError
        If `decay` is unknown or `chunk` is not positive.
    """
    if decay not in ("product", "logdiff") or chunk < 1:
        raise ShapeError(
            f"decay={decay!r}, chunk={chunk} given; 'product' or 'logdiff' and a positive length are needed"
        )
    names = ("log_decay", "rate", "angle", "spin", "reset", "initial")
    given = {**dict.fromkeys(names), "hold": False, **arrays}
    c, d = erasing(given.pop("erase", None), given["key"], given["value"].shape[-2], given["angle"], given["hold"])
    return _run(**given, erase_key=c, erase_value=d, chunk=chunk, decay=decay, states=states)


@packed
def _run(
    *, value: Any, key: Any, query: Any, log_decay: Any, rate: Any, angle: Any, spin: Any,
    erase_key: Any, erase_value: Any, hold: bool, reset: Any, initial: Any, states: bool, chunk: int, decay: str,
) -> Run:  # fmt: skip
    T = value.shape[-3]
    g, key, read, S, back = factors(value, key, query, log_decay, rate, angle, spin, hold, initial)
    write, read = key * value[..., :, None], read[..., None, :]
    reset = np.zeros((*value.shape[:-3], T), bool) if reset is None else reset
    ys, after = [], []
    for start in range(0, T, chunk):
        steps = slice(start, min(start + chunk, T))
        m = decays(at(g, steps, 3), at(reset, steps, 0), decay)
        writes = at(write, steps, 3)
        if erase_key is not None:
            c, d = (share(at(x, steps, 2), value.shape[-2]) for x in (erase_key, erase_value))
            writes = writes - erased_values(m, writes, S, c, d)[..., None] * d[..., None, :]
        inside = (m[..., 1:, :, :, :] * writes[..., None, :, :, :, :]).sum(-4)
        S_steps = inside + m[..., 0, :, :, :] * S[..., None, :, :, :]
        ys.append((S_steps * at(read, steps, 3)).sum(-1).real)
        after.append(S_steps)
        S = S_steps[..., -1, :, :, :]
    y = np.concatenate(ys, axis=-3) if T else np.zeros(value.shape)
    shape = (*value.shape[:-3], 0, *S.shape[-3:])
    return Run(y, back(S), back(np.concatenate(after, axis=-4) if T else np.zeros(shape, S.dtype)) if states else None)


def erased_values(m: Any, writes: Any, S: Any, c: Any, d: Any) -> Any:
    """The p (*b, t, H, V) of a chunk that S enters, by forward substitution; c, d (*b, t, H, K)."""
    q = c.shape[-3]
    before = (np.arange(q)[:, None] > np.arange(q))[..., None, None, None]
    reach = np.where(before, m[..., 1:, :, :, :], 0.0)
    U = (reach * writes[..., None, :, :, :, :]).sum(-4) + m[..., 0, :, :, :] * S[..., None, :, :, :]
    L = (reach * (d[..., None, :, :, None, :] * c[..., :, None, :, None, :])).sum(-1)
    p = (U * c[..., None, :]).sum(-1)
    for t in range(1, q):
        p[..., t, :, :] -= (L[..., t, :t, :, :] * p[..., :t, :, :]).sum(-3)
    return p


def factors(
    value: Any, key: Any, query: Any, log_decay: Any, rate: Any, angle: Any, spin: Any, hold: bool, initial: Any,
    columns: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """Log decay, keys with the weight of the write (*b, T, H, V|1, K), queries, initial state, and the way back.

    With `columns` the weight must not differ between values, and keys are (*b, T, H, K).
    """
    H = value.shape[-2]
    g = _log(log_decay, rate, angle, spin, value)
    key, read = share(key, H)[..., None, :], share(query, H)
    S = zeros(value, key) if initial is None else initial
    if angle is not None:  # complex numbers here, pairs in the definition: two routes
        key, S, read = _complex(key), _complex(S), _complex(read).conj()
    if hold:
        key = key * (_phi(g) if angle is not None else phi1(g))
    return g, key[..., 0, :] if columns else key, read, S, (lambda x: x) if angle is None else _real


def decays(g: Any, reset: Any, decay: str) -> Any:
    """m(t, s) for s = s0 and all s of the chunk: (*b, t, 1 + s, H, V, K); 0 for s > t and across a reset."""
    q = g.shape[-4]
    t, s = np.arange(q)[:, None], np.arange(-1, q)[None, :]
    count = np.cumsum(reset, axis=-1)
    before = np.concatenate([np.zeros_like(count[..., :1]), count], axis=-1)
    linked = (s <= t) & (count[..., :, None] == before[..., None, :])
    if decay == "logdiff":
        L = np.cumsum(g, axis=-4)
        L = np.concatenate([np.zeros_like(L[..., :1, :, :, :]), L], axis=-4)
        logs = L[..., 1:, None, :, :, :] - L[..., None, :, :, :, :]
        m = np.exp(np.where(linked[..., None, None, None], logs, 0.0))
    else:
        a, m = np.exp(g), np.ones((*g.shape[:-4], q, q + 1, *g.shape[-3:]), g.dtype)
        for i in range(q):
            m[..., i, : i + 1, :, :, :] = a[..., i, None, :, :, :] * (m[..., i - 1, : i + 1, :, :, :] if i else 1.0)
    return np.where(linked[..., None, None, None], m, 0.0)


def _log(log_decay: Any, rate: Any, angle: Any, spin: Any, value: Any) -> Any:
    """The logarithm of the transition, complex where it turns."""
    none = np.zeros((*value.shape[:-1], 1, 1), value.dtype)
    g = none if log_decay is None else log_decay if rate is None else log_decay * rate
    return g if angle is None else g + 1j * (angle if spin is None else angle * spin)


def _phi(z: Any) -> Any:
    pair = complex_phi1(z.real, z.imag)
    return pair.real + 1j * pair.imag


def _complex(S: Any) -> Any:
    P = S.shape[-1] // 2
    return S[..., :P] + 1j * S[..., P:]


def _real(S: Any) -> Any:
    return np.concatenate([S.real, S.imag], axis=-1)
