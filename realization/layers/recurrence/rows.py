"""The bound of a recurrence with an erase: 2-norms of the rows of a state.

A row s of the state goes to (s o a)(I - c d') + v k', and the errors of its entries belong together: entry
by entry they would grow by up to 1 + |c| |d| with every step.  So E is one number for each row,

    E(t) = |I - c d'| max|a| E(t-1) + local(t)

with the norm in closed form (`erase_norm`): max(1, |1 - b |k|^2|) for an erase of strength b.  Local are
the roundings of one step: 2 u (|S~| + |S|), and those of the innovation e that it writes along x.  A
kernel forms e = v - S~ d along x = k for a strength b, d = b k, and e = S~ c along x = d for a pair.

By chunks of q steps it solves A e = r, A(t, s) = (m(t, s) o x(s))' z(t) below a diagonal of 1, with
z = d or c, and r of v and of what the entering state holds.  If it forms inv(A), rounds it and multiplies
by it, the residual of step t, which is local again, is at most (Skeel)

    f sum_s (|A| |inv(A)|)(t, s) |r(s)|  +  f |z(t)| sum_s m(t, s) |x(s)| |e(s)|  +  3 u(operand) |r(t)|
    f = (K + q + ...) u + 2 u(operand)

since the inverse and a result in between, x, z and e, the factors of r and the state may be cast.  The read-out,
and the state at the end of a chunk, sum a state and up to q writes; their roundings are relative to

    N(t) = max over s0 of m(t, s0) |S(s0)|  +  sum over the last q steps of m(t, s) |x(s)| |e(s)|

With operands of 8 to 11 bits this is loose, as it takes norms of rows and every cast of a chunk at its worst
sign.  On the cases of the verdict right kernels stay below a third of it; decided are 10 to 15 % of their
outputs in bfloat16, 25 to 40 % in tf32, and of gradients in bfloat16 1 %.

Chunks may begin anywhere.  A kernel that multiplies transitions over more than a chunk is not covered.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization.certify.err import Err, gamma
from realization.core.claim import Claim
from realization.core.functions import contract, stack
from realization.core.rounding import format_of
from realization.layers.recurrence import Run
from realization.layers.recurrence.transition import at, erase_norm, share, transition, zeros


def sequence(
    *, value: Err, key: Err, query: Err, log_decay: Any, rate: Any, erase_key: Err, erase_value: Err, reset: Any,
    initial: Any, states: bool, slack: Any, ends: Any, claim: Claim,
) -> Run:  # fmt: skip
    """Read one sequence (see `bound.sequence`)."""
    *batch, T, H, _ = value.shape
    a = _decays(log_decay, rate, reset, (*batch, T, H, 1, 1), claim)
    k, q, c, d = (share(x, H) for x in (key, query, erase_key, erase_value))
    start = Err(zeros(value, key), claim=claim) if initial is None else initial
    y, S, everything, sizes = _path(value.value, k.value, q.value, c.value, d.value, a.value, start.value, states)
    drift = np.expm1(claim.u * slack.max(-1))
    N, local, growth = _local(value, k, c, d, a, _norm(start.value), sizes, drift, claim)
    lost = _lost(value.value, k.value, _norm(start.value), sizes[2], claim)
    E, kept = _carried(_norm(start.error), N, local, growth, drift, lost[0], sizes[1], ends, key.shape[-1], claim)
    final = kept[-1] if T else _norm(start.error)
    y_error = _read(q, E, N, sizes[1], lost[1], claim)
    return Run(
        Err(y, y_error, claim=claim),
        Err(S, final[..., None], claim=claim),
        Err(everything, stack(kept, -3)[..., None] if T else 0.0, claim=claim) if states else None,
    )


def envelope(
    *, value: Err, key: Err, log_decay: Any, rate: Any, erase_key: Err, erase_value: Err, reset: Any, initial: Any,
    claim: Claim, **rest: Any,
) -> Any:  # fmt: skip
    """The sizes N of what a chunk sums up to its states, (*b, T, H, V, 1), for decays without slack."""
    *batch, T, H, _ = value.shape
    a = _decays(log_decay, rate, reset, (*batch, T, H, 1, 1), claim)
    k, c, d = (share(x, H) for x in (key, erase_key, erase_value))
    start = Err(zeros(value, key), claim=claim) if initial is None else initial
    sizes = _path(value.value, k.value, k.value, c.value, d.value, a.value, start.value, False)[-1]
    return _local(value, k, c, d, a, _norm(start.value), sizes, 0.0, claim)[0][..., None]


def _norm(x: Any) -> Any:
    """2-norm along the last axis."""
    return np.hypot.reduce(x, axis=-1)


def decayed(S: Any, a: Any) -> Any:
    """S o a for states of which an `Err` has the error of the row in every entry."""
    if not isinstance(S, Err):
        return S * a
    alpha, wrong = a.value.max(-1, keepdims=True), a.error.max(-1, keepdims=True)
    error = S.error[..., :1] * (alpha + wrong)
    u, size = S.claim.u, _norm(S.value)[..., None]
    return Err(a.value * S.value, (error + wrong * size) * (1 + u) + u * alpha * size + S.claim.accumulator.tiny,
               claim=S.claim)  # fmt: skip


def written(S: Any, v: Any, k: Any) -> Any:
    """S + v k'; the same for errors."""
    if not isinstance(S, Err):
        return S + v[..., :, None] * k[..., None, :]
    claim, plain = S.claim, v.value[..., :, None] * k.value[..., None, :]
    (v_size, v_error), (k_size, k_error) = ((np.abs(v.value), v.error), (_norm(k.value), _norm(k.error)))
    k_size, k_error = k_size[..., None], k_error[..., None]
    error = v_size * k_error + v_error * (k_size + k_error) + (3 * claim.u + 2 * claim.u_operand) * v_size * k_size
    size = _norm(S.value) + S.error[..., 0]
    error = error + S.error[..., 0] * (1 + claim.u) + claim.u * size + 3 * claim.accumulator.tiny
    return Err(S.value + plain, error[..., None], claim=claim)


def read(S: Any, q: Any) -> Any:
    """S q; the same for errors."""
    if not isinstance(S, Err):
        return contract(S, q[..., None, :])
    claim, K = S.claim, S.shape[-1]
    E, size, q_size, q_error = S.error[..., 0], _norm(S.value), _norm(q.value)[..., None], _norm(q.error)[..., None]
    kappa = gamma((K + claim.splits + 1) * claim.u + 4 * claim.u_operand)
    error = (q_size + q_error) * (E + kappa * (size + E)) + q_error * size + K * claim.accumulator.tiny
    return Err((S.value * q.value[..., None, :]).sum(-1), error, claim=claim)


def _casts(claim: Claim) -> tuple[float, float, float]:
    """Unit roundoff, smallest normal and half the largest number of the operands' format.

    A cast errs by at most u (|x| + smallest).
    """
    form = format_of(claim.operand) if claim.operand and claim.u_operand else None
    return (claim.u_operand, form.tiny, form.largest / 2) if form else (0.0, 0.0, math.inf)


def _decays(log_decay: Any, rate: Any, reset: Any, shape: tuple[int, ...], claim: Claim) -> Err:
    """The decays; 0 where the state is set to 0."""
    a, _ = transition(log_decay, rate, None, None, False)
    a = Err(np.ones(shape), claim=claim) if a is None else a
    if reset is None:
        return a
    again = reset[..., None, None, None]
    return Err(np.where(again, 0.0, a.value), np.where(again, 0.0, a.error), claim=claim)


def _path(v: Any, k: Any, q: Any, c: Any, d: Any, a: Any, S: Any, states: bool) -> Any:
    """Outputs and states in float64, the sizes of S~ and S, and S~ c, (*b, T, H, V)."""
    ys, after, sizes = [], [], []
    for t in range(v.shape[-3]):
        old = at(a, t, 3) * S
        p = (old * at(c, t, 2)[..., None, :]).sum(-1)
        S = old - p[..., None] * at(d, t, 2)[..., None, :] + at(v, t, 2)[..., None] * at(k, t, 2)[..., None, :]
        ys.append((S * at(q, t, 2)[..., None, :]).sum(-1))
        sizes.append((_norm(old), _norm(S), p))
        if states:
            after.append(S)
    if not ys:
        return v, S, np.zeros((*v.shape[:-3], 0, *S.shape[-3:])), (v, v, v)
    everything = np.stack(after, -4) if states else None
    return np.stack(ys, -3), S, everything, tuple(np.stack(x, -3) for x in zip(*sizes, strict=True))


def _local(v: Err, k: Err, c: Err, d: Err, a: Err, start: Any, sizes: Any, drift: Any, claim: Claim) -> Any:
    """The envelope N, the error that a step makes, and the factor that it gives to errors, (*b, T, H, V)."""
    u, (u_cast, tiny, _), K = claim.u, _casts(claim), k.shape[-1]
    floor, chunk = tiny * math.sqrt(K), _length(v, claim)
    old, new, p = sizes
    k_size, c_size, d_size = (_norm(x.value)[..., None] + floor for x in (k, c, d))
    k_error, c_error, d_error = (_norm(x.error)[..., None] for x in (k, c, d))
    v_size = np.abs(v.value) + tiny
    alpha, wrong = a.value.max(-1), a.error.max(-1)
    before = np.concatenate([start[..., None, :, :], new], -3)[..., : v.shape[-3], :, :] + floor
    strength = _is_strength(k, c, d)
    e_size = (np.abs(v.value - p * _along(d.value, k.value)) if strength else np.abs(p)) + tiny
    write = e_size * k_size if strength else v_size * k_size + e_size * d_size
    W, strict = _envelope(before, write, alpha, chunk)
    x, z = (k, d) if strength else (d, c)
    x_size, z_size = (k_size, d_size) if strength else (d_size, c_size)
    rhs = v_size + d_size * W if strength else c_size * strict
    residual = _solved(x.value, z.value, a.value, rhs, chunk, tiny)
    f = gamma((K + chunk + claim.splits + 4) * u + 2 * u_cast)
    local = x_size * ((f + drift) * (residual + (z_size * strict if chunk > 1 else 0.0)) + 3 * u_cast * rhs)
    local = local + x_size * u_cast * (e_size + (z_size * strict if chunk > 1 else 0.0))
    local = local + 2 * u * (old + new + v_size * k_size) + wrong * before * (1 + c_size * d_size)
    local = local + old * (c_error * d_size + c_size * d_error + c_error * d_error)
    local = local + np.abs(v.value) * k_error + v.error * (k_size + k_error)
    local = local + (K + 4) * math.sqrt(K) * claim.accumulator.tiny * (1 + c_size) * (1 + d_size)
    growth = erase_norm(c.value, d.value, c.error, d.error)[..., None] * (alpha + wrong) * (1 + u) ** 4
    return strict + write, local, growth + f * x_size * d_size * (alpha + wrong)


def _length(v: Any, claim: Claim) -> int:
    """Steps of a chunk."""
    T = max(v.shape[-3], 1)
    return min(claim.chunk or (T if claim.decay == "logdiff" else 1), T)


def _is_strength(k: Err, c: Err, d: Err) -> bool:
    """Whether c = k and d = b k."""
    if not np.array_equal(k.value, c.value):
        return False
    off = d.value * (k.value * k.value).sum(-1, keepdims=True) - k.value * (k.value * d.value).sum(-1, keepdims=True)
    return bool((_norm(off) <= 1e-12 * _norm(k.value) ** 2 * _norm(d.value)).all())


def _along(d: Any, k: Any) -> Any:
    """The strength b of d = b k, (..., 1)."""
    return (d * k).sum(-1, keepdims=True) / np.maximum((k * k).sum(-1, keepdims=True), 1e-300)


def _lagged(x: Any, j: int) -> Any:
    """x(t - j); 0 before the beginning."""
    if not j:
        return x
    T = x.shape[-3]
    return np.concatenate([np.zeros((*x.shape[:-3], min(j, T), *x.shape[-2:])), x[..., : max(T - j, 0), :, :]], -3)


def _envelope(before: Any, write: Any, alpha: Any, chunk: int) -> tuple[Any, Any]:
    """The largest m(t, s0) |S(s0)| of the last chunk, and with it the sum of m(t, s) write(s), s < t."""
    reach, W, total = 1.0, np.zeros(write.shape), np.zeros(write.shape)
    for j in range(chunk):
        total = total + (reach * _lagged(write, j) if j else 0.0)
        reach = reach * _lagged(alpha, j)
        W = np.maximum(W, reach * _lagged(before, j))
    return W, W + total


def _solved(x: Any, z: Any, a: Any, rhs: Any, chunk: int, tiny: float) -> Any:
    """sum over s of (|A| |inv(A)| + tiny)(t, s) rhs(s), over the last chunk; rhs (*b, T, H, V)."""
    if chunk == 1:
        return rhs * (1 + tiny)
    T, out = rhs.shape[-3], np.zeros(rhs.shape)
    lead = (*rhs.shape[:-3], rhs.shape[-2], a.shape[-2])
    inverse = np.zeros((*lead, chunk, chunk))  # [i, j]: inv(A) at (t - i, t - j)
    fading = np.zeros((chunk, *lead, a.shape[-1]))  # m(t, t - j) for j = 1 ... chunk
    for t in range(T):
        fading = np.concatenate([np.ones_like(fading[:1]), fading[:-1]]) * at(a, t, 3)
        near = np.arange(min(chunk - 1, t))
        met = at(x, t - 1 - near, 2)[..., None, :] * at(z, t, 2)[..., None, :, None, :]
        row = np.zeros((*lead, chunk))
        row[..., 0] = 1.0
        row[..., 1 : len(near) + 1] = np.moveaxis((np.moveaxis(met, -4, 0) * fading[: len(near)]).sum(-1), 0, -1)
        inverse[..., 1:, 1:] = inverse[..., :-1, :-1].copy()
        inverse[..., 0] = 0.0
        inverse[..., 0, 0] = 1.0
        inverse[..., 0, 1:] = -(row[..., None, 1:] @ inverse[..., 1:, 1:])[..., 0, :]
        weights = (np.abs(row[..., None, :]) @ np.abs(inverse))[..., 0, :] + tiny
        recent = np.moveaxis(rhs[..., t - np.arange(len(near) + 1), :, :], -3, -1)  # (*b, H, V, lag)
        out[..., t, :, :] = (weights[..., : len(near) + 1] * recent).sum(-1)
    return out


def _lost(v: Any, k: Any, start: Any, p: Any, claim: Claim) -> tuple[Any, Any]:
    """What underflows before it meets its other factors: in the state, and in the outputs for each unit of q.

    A decay over many steps before |x| |e|, a cast key or score before e: sums without decay.
    """
    (u_cast, tiny, _), eta, K = _casts(claim), claim.accumulator.tiny, k.shape[-1]
    values = np.cumsum(np.abs(v) + np.abs(p), -3)
    held = start[..., None, :, :] + values * (1 + _norm(k).max((-2, -1), keepdims=True, initial=0.0)[..., None])
    return eta * held + u_cast * tiny * math.sqrt(K) * values, (K * eta + u_cast * tiny) * (1 + values)


def _read(q: Err, E: Any, N: Any, new: Any, lost: Any, claim: Claim) -> Any:
    """The error of the outputs."""
    (u_cast, tiny, largest), K = _casts(claim), q.shape[-1]
    q_size, q_error = _norm(q.value)[..., None] + tiny * math.sqrt(K), _norm(q.error)[..., None]
    kappa = gamma((K + _length(N, claim) + claim.splits + 3) * claim.u + 4 * u_cast)
    error = (q_size + q_error) * (E + kappa * (N + E)) + q_error * new + lost
    largest = min(largest, claim.accumulator.largest / 2)
    fits = np.maximum((q_size + q_error) * (N + E), q_size) + error < largest
    return np.where(fits, error, np.inf)


def _carried(
    E: Any, N: Any, local: Any, growth: Any, drift: Any, lost: Any, new: Any, ends: Any, K: int, claim: Claim
) -> tuple[Any, list[Any]]:
    """Errors of S(t) where it is read, and where it is handed out."""
    (u_cast, _, largest), chunk, spread = _casts(claim), _length(N, claim), math.sqrt(K)
    kappa = gamma((chunk + claim.splits + 3) * claim.u + 3 * u_cast) if chunk > 1 else 0.0
    coarse = claim.state_format.tiny * spread if claim.u_state else 0.0
    read, kept = [], []
    largest = min(largest, claim.accumulator.largest / 2, claim.state_format.largest / 2)
    for t in range(N.shape[-3]):
        n, end = at(N, t, 2), at(ends, t, 0)[..., None, None]
        E = at(growth, t, 2) * E + at(local, t, 2)
        late = E + at(drift, t, 2) * (n + E) + at(lost, t, 2)
        left = late + kappa * (n + late)
        left = np.where(end, left + claim.u_state * (at(new, t, 2) + left) + coarse, left)
        left = np.where(n + left < largest, left, np.inf)
        E = np.where(end, left, E)
        read.append(np.where(end, left, late))
        kept.append(left)
    return (np.stack(read, -3) if read else np.zeros(N.shape)), kept
