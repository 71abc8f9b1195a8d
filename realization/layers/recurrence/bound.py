"""How far a kernel of a given claim may be from the recurrence: a worst-case bound.

Every number that a kernel computes is a sum of products of its inputs with factors
(1 + delta), |delta| <= u.  So carry beside |S| an envelope H and an error E,

    H(t) = |a| H(t-1) + |v| |k|'                      the same recurrence in absolute values
    E(t) = A E(t-1) + (A - |a|) H(t-1) + e(v k')       A = (|a| + e(a)) (1 + u)^r

where e(a) holds the error of the exponential and of its argument, and r the roundings
of one step.  The order in which the terms are summed changes no more than the number of
roundings of a term, which the read-out charges once:

    e(y) = (|q| + e(q))' E + e(q)' H + kappa (|q| + e(q))' (H + E)
    kappa = (K + chunk + log2 T + splits + 3) u + 4 u(operand)

(q, k, v and the score q'k or the state may each be cast.)

A rotation is bounded by the modulus of its complex numbers, since entrywise absolute
values would grow by up to sqrt(2) at each step.

A kernel that forms decays as exp(L(t) - L(s)) from cumulative sums L of a chunk has a
further relative error u R(t) in every term, R = 2 (D + L), with D the error of the sums:
the `slack` below.  With a state stored more coarsely than it is summed, its rounding
enters at each step, or at each end of a chunk.

What underflows is lost before it meets the other factors of its term: a decay over many
steps before |v| |k|', a score before |v|.  Hence eta times their sums without decay.
Where the envelope may overflow there is no bound, from there to the next reset.

With an erase errors are carried by rows: see `rows`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization.certify.err import Err, gamma
from realization.core.claim import Claim
from realization.core.functions import stack
from realization.core.pair import Pair
from realization.core.rounding import format_of
from realization.layers.recurrence import Run, rows
from realization.layers.recurrence.transition import at, packed, share, times, transition, zeros

NOT_NUMBERS = ("hold", "reset", "offsets", "states")


def run(*, offsets: Any = None, **arrays: Any) -> Run:
    """Read the recurrence with `Err` (see `recurrence` for the arguments)."""
    claim = next(x.claim for x in arrays.values() if isinstance(x, Err))
    lift = lifted(arrays, claim)
    grid = chunks(lift, offsets, claim)
    return sequence(**lift, offsets=offsets, slack=grid["slack"], ends=grid["ends"], claim=claim)


def lifted(arrays: dict[str, Any], claim: Claim) -> dict[str, Any]:
    """All arrays of numbers as `Err`."""
    plain = {name for name, x in arrays.items() if name in NOT_NUMBERS or x is None or isinstance(x, Err)}
    return {name: x if name in plain else Err(x, claim=claim) for name, x in arrays.items()}


@packed
@np.errstate(over="ignore", invalid="ignore", under="ignore")
def sequence(
    *, value: Err, key: Err, query: Err, log_decay: Any, rate: Any, angle: Any, spin: Any, hold: bool,
    reset: Any, initial: Any, states: bool, slack: Any, ends: Any, claim: Claim,
    erase_key: Any = None, erase_value: Any = None,
) -> Run:  # fmt: skip
    """Read one sequence, with the slack and the ends of its chunks (see `chunks`)."""
    if erase_key is not None:
        return rows.sequence(
            value=value, key=key, query=query, log_decay=log_decay, rate=rate, erase_key=erase_key,
            erase_value=erase_value, reset=reset, initial=initial, states=states, slack=slack, ends=ends, claim=claim,
        )  # fmt: skip
    *_, T, heads, _ = value.shape
    size = np.abs if angle is None else _modulus
    u, eta = claim.u, claim.accumulator.tiny
    once = claim.splits + (claim.chunk or 0) + math.ceil(math.log2(T + 1)) + 3
    kappa_y = gamma((once + query.shape[-1]) * u + 4 * claim.u_operand)
    kappa_S = gamma(once * u + 2 * claim.u_operand)
    start = Err(zeros(value, key), claim=claim) if initial is None else initial
    S, H, E = start.value, size(start.value), size(start.error)
    late, writes, lost, casts = E, H, np.zeros(1), _Casts(claim, size)
    eta_state = claim.state_format.tiny if claim.u_state else 0.0
    ys, after = [], []

    def state() -> Err:
        error = _bounded(late + kappa_S * (H + late), H, claim)
        return Err(S, error if angle is None else np.concatenate([error, error], axis=-1), claim=claim)

    for t in range(T):
        v, k, q = at(value, t, 2), share(at(key, t, 2), heads), share(at(query, t, 2), heads)
        a, w = transition(at(log_decay, t, 3), rate, at(angle, t, 3), spin, hold)
        write = times(v[..., :, None] * k[..., None, :], w)
        if reset is not None:
            again = at(reset, t, 0)[..., None, None, None]
            S, H, E = (np.where(again, 0.0, x) for x in (S, H, E))

        decay, decay_error, r = _decay(a)
        S = times(S, _value(a)) + write.value
        growth = (1 + u) ** r - 1
        excess = decay_error * (1 + growth) + decay * growth  # A - |a|
        local = (1 + u) * size(write.error) + u * size(write.value) + 3 * eta
        E = _bounded((decay + excess) * E + excess * H + local, H, claim)
        H, writes = decay * H + size(write.value), writes + size(write.value)
        lost = lost + casts.write(v, k, _step(at(log_decay, t, 3), rate))

        # Late errors: of decays that are differences, and of storing the state, from which it is then read.
        late = E + np.expm1(u * at(slack, t, 3)) * (H + E) + eta * writes + lost
        end = at(ends, t, 0)[..., None, None, None]
        late = _bounded(np.where(end, late + claim.u_state * (H + late) + eta_state, late), H, claim)
        E, lost = np.where(end, late, E), np.where(end, 0.0, lost)
        Q, q_error = size(q.value)[..., None, :], size(q.error)[..., None, :]
        error = ((Q + q_error) * (late + kappa_y * (H + late)) + q_error * H).sum(-1)
        error = error + (query.shape[-1] + 1) * eta * (1 + casts.values) + casts.read(q, H)
        ys.append(Err((S * q.value[..., None, :]).sum(-1), _bounded(error, (Q * H).sum(-1), claim), claim=claim))
        if states:
            after.append(state())
    y = stack(ys, axis=-3) if T else Err(np.zeros(value.shape), claim=claim)
    none = np.zeros((*value.shape[:-3], 0, *S.shape[-3:]))
    everything = (stack(after, axis=-4) if T else Err(none, claim=claim)) if states else None
    return Run(y, state(), everything)


class _Casts:
    """What casts of operands cost beyond their relative rounding, and sums of what was cast.

    A kernel casts q, the state, one factor of a write, and the scores q'k of all steps so far;
    the step size in v = step x may stand with any of these, or be cast alone.  Below the normal
    range of the format a cast errs by half of its smallest number, which then meets the other
    factors; beyond its range there is no bound.
    """

    def __init__(self, claim: Claim, size: Any) -> None:
        form = format_of(claim.operand) if claim.operand and claim.u_operand else None
        self.eta, self.largest = (form.smallest, form.largest / 2) if form else (0.0, math.inf)
        self.size, self.values, self.keys, self.steps = size, np.zeros(1), np.zeros(1), np.ones(1)

    def write(self, v: Err, k: Err, step: Any) -> Any:
        """Error of the write v k' of one step, (*b, H, V, K); step (*b, H, V|1, 1).

        A kernel may cast a factor after it has decayed to the end of the chunk: this error does not decay.
        """
        v_size, k_size = np.abs(v.value)[..., None], self.size(k.value)[..., None, :]
        x_size = v_size / np.where((v_size == 0) | (step == 0), 1.0, np.minimum(step, 1.0))
        self.values = self.values + x_size[..., 0]
        self.keys, self.steps = np.maximum(self.keys, k_size), np.maximum(self.steps, step)
        inside = np.maximum(np.maximum(v_size, step), k_size) < self.largest
        return np.where(inside, self.eta * (x_size + k_size + x_size * k_size), np.inf)

    def read(self, q: Err, H: Any) -> Any:
        """Error of the read-out S q of one step, (*b, H, V)."""
        Q = self.size(q.value)[..., None, :]
        scores = (Q * self.keys).sum(-1) * self.steps[..., 0]
        inside = np.maximum(scores, np.maximum(Q, H).max(-1, initial=0.0)) < self.largest
        return np.where(inside, self.eta * ((Q + H).sum(-1) + 1 + self.values), np.inf)


def chunks(lift: dict[str, Any], offsets: Any, claim: Claim) -> dict[str, Any]:
    """What follows from where a kernel cuts its chunks.

    A kernel may cut them from the beginning of the array or of each packed sequence: what
    is charged is the larger of both.

    Returns
    -------
    dict
        slack, the R of decays by difference (*b, T, H|1, V|1, K|1); later, the same at the end of
        the step's chunk, which meets what runs backwards; ends of chunks (*b, T); begins of
        chunks, apart for both ways to cut (2, *b, T).
    """
    *batch, T, _, _ = lift["value"].shape
    difference = claim.decay == "logdiff"
    chunk = claim.chunk or (T if difference else 1)
    g = _exponent(**{name: lift[name] for name in ("log_decay", "rate", "angle", "spin")})
    starts = np.zeros((2, *batch, T), bool)
    if offsets is not None:
        starts[1][..., [int(i) for i in offsets if i < T]] = True
    if lift["reset"] is not None:
        starts[1] |= lift["reset"]
    slack = np.zeros((2, *batch, T, *(g.shape[-3:] if difference and g is not None else (1, 1, 1))))
    ends, begins = np.zeros((2, *batch, T), bool), np.zeros((2, *batch, T), bool)
    position, L, total, errors = np.zeros((2, *batch), int), 0.0, 0.0, 0.0
    for t in range(T):
        fresh = starts[..., t] | (position == chunk)
        begins[..., t] = fresh
        ends[..., max(t - 1, 0)] |= fresh
        position = np.where(fresh, 0, position) + 1
        if difference and g is not None:
            keep = np.where(fresh, 0.0, 1.0)[..., None, None, None]
            L, total = keep * L + at(g, t, 3), keep * total + np.abs(at(g, t, 3))
            errors = keep * errors + np.abs(L)
            # one sum after the other, or a tree that is swept up and down
            D = np.maximum(errors, 2 * math.ceil(math.log2(chunk + 1)) * total)
            slack[..., t, :, :, :] = 2 * (D + total)
    if T and chunk == 1:
        ends[..., -1] = True
    later = slack.copy()
    for t in range(T - 2, -1, -1):
        later[..., t, :, :, :] = np.where(
            begins[..., t + 1, None, None, None], later[..., t, :, :, :], later[..., t + 1, :, :, :]
        )
    return {"slack": slack.max(0), "ends": ends.any(0), "later": later.max(0), "begins": begins}


def _exponent(log_decay: Any, rate: Any, angle: Any, spin: Any) -> Any:
    """|log a| of every step: the log decay, and the angle where there is one."""
    g = None if log_decay is None else log_decay.value if rate is None else log_decay.value * rate.value
    if angle is None:
        return g
    turn = np.abs(angle.value if spin is None else angle.value * spin.value)
    return turn if g is None else turn + np.abs(g)


def _step(log_decay: Any, rate: Any) -> Any:
    """The step size (*b, H, V|1, 1): with a rate, the factor that log decay and value share."""
    return np.ones(1) if log_decay is None or rate is None else np.abs(log_decay.value).max(-1, keepdims=True)


def _decay(a: Any) -> tuple[Any, Any, int]:
    """|a|, its error, and the roundings of a term in one step.

    A real step costs product and sum; a complex product has an error of sqrt(5) u in the modulus.
    """
    if a is None:
        return 1.0, 0.0, 2
    if isinstance(a, Pair):
        return np.hypot(a.real.value, a.imag.value), np.hypot(a.real.error, a.imag.error), 4
    return a.value, a.error, 2


def _value(a: Any) -> Any:
    return Pair(a.real.value, a.imag.value) if isinstance(a, Pair) else getattr(a, "value", a)


def _modulus(x: Any) -> Any:
    P = x.shape[-1] // 2
    return np.hypot(x[..., :P], x[..., P:])


def _bounded(error: Any, envelope: Any, claim: Claim) -> Any:
    """The error, infinite where the sum of absolute values may overflow."""
    largest = min(claim.accumulator.largest, claim.state_format.largest) / 2
    return np.where(envelope + error < largest, error, np.inf)
