"""S_t = decay_t S_{t-1} + inject_t in the orders that kernels use, and the march over chunks.

Arrays carry the batch first and the rows (time) second; the remaining axes of decay and inject
broadcast against each other.  ``resets`` (batch, rows) marks rows that start from a zero state,
``restart`` maps a row to the state that replaces the current one before that row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .arithmetic import widened
from .plan import Plan
from .stages import exponential


@dataclass(frozen=True)
class Recurrence:
    exponent: np.ndarray
    inject: np.ndarray
    start: np.ndarray
    resets: np.ndarray | None = None
    restart: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def length(self) -> int:
        return self.inject.shape[1]


def like(flags: np.ndarray, array: np.ndarray) -> np.ndarray:
    """``flags`` with trailing axes added until it broadcasts against ``array``."""
    return flags.reshape(flags.shape + (1,) * (array.ndim - flags.ndim))


def decays(plan: Plan, r: Recurrence) -> np.ndarray:
    decay = exponential(plan, r.exponent)
    return decay if r.resets is None else np.where(like(r.resets, decay), 0, decay)


def states(plan: Plan, r: Recurrence) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """All states (batch, rows, ...), and the state after the first k rows, for k where known."""
    if plan.scheme == "chunked":
        return march(plan, r.length, r.start, r.restart, _chunk_of_states(plan, r))
    scan = {"sequential": _sequential, "hillis_steele": _hillis_steele, "blelloch": _blelloch}
    rows = scan[plan.scheme](plan, r)
    return rows, {0: r.start} | {k + 1: rows[:, k] for k in range(r.length)}


def _sequential(plan: Plan, r: Recurrence) -> np.ndarray:
    decay, inject, state = decays(plan, r), r.inject, r.start
    rows = np.empty_like(inject)
    for t in range(r.length):
        state = r.restart.get(t, state)
        if plan.fma:
            state = plan.at("state", widened(decay[:, t]) * state + inject[:, t])
        else:
            state = plan.at("state", plan.at("product", decay[:, t] * state) + inject[:, t])
        rows[:, t] = state
    return rows


def _hillis_steele(plan: Plan, r: Recurrence) -> np.ndarray:
    """log2(rows) sweeps over everything; the initial state rides in the first row."""
    decay, rows = decays(plan, r).copy(), r.inject.copy()
    if r.length:
        rows[:, 0] += decay[:, 0] * r.start
    stride = 1
    while stride < r.length:
        rows[:, stride:] = decay[:, stride:] * rows[:, :-stride] + rows[:, stride:]
        decay[:, stride:] = decay[:, stride:] * decay[:, :-stride]
        stride *= 2
    return rows


def _blelloch(plan: Plan, r: Recurrence) -> np.ndarray:
    """Up-sweep and down-sweep; the initial state enters through the product of all decays."""
    decay = decays(plan, r)
    size = 1 << max(r.length - 1, 0).bit_length()
    padding = [(0, 0), (0, size - r.length)] + [(0, 0)] * (r.inject.ndim - 2)
    a, v = np.pad(decay, padding, constant_values=1), np.pad(r.inject, padding)
    stride = 1
    while stride < size:
        left, right = np.s_[:, stride - 1 :: 2 * stride], np.s_[:, 2 * stride - 1 :: 2 * stride]
        v[right] = a[right] * v[left] + v[right]
        a[right] = a[right] * a[left]
        stride *= 2
    a[:, -1], v[:, -1] = 1, 0
    while stride > 1:
        stride //= 2
        left, right = np.s_[:, stride - 1 :: 2 * stride], np.s_[:, 2 * stride - 1 :: 2 * stride]
        a_left, v_left = a[left].copy(), v[left].copy()
        a[left], v[left] = a[right], v[right]
        a[right], v[right] = a_left * a[right], a_left * v[right] + v_left
    rows = decay * v[:, : r.length] + r.inject
    return rows + decay * a[:, : r.length] * r.start[:, None]


# -- chunks -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chunk:
    """One chunk, seen from the outside."""

    emit: Callable[[np.ndarray], np.ndarray]  # entering state -> the chunk's rows
    reach: np.ndarray  # (batch, rows, ...) decay of the entering state up to and including each row
    state: np.ndarray  # what the chunk's own tokens leave at its end


def march(plan, length, start, restart, enter, stops=()):
    """Chunk after chunk, the state carried over: all rows, and the states after each chunk.
    Cuts: a fixed grid, and wherever a state is replaced (restart) or asked for (stops)."""
    cuts = sorted({*range(0, length, plan.chunk), *restart, *stops, length})
    carry, stale, last_own = start, np.zeros_like(start), np.zeros_like(start)
    rows, after = [], {0: start}
    for low, high in zip(cuts, cuts[1:], strict=False):
        carry = restart.get(low, carry)
        chunk = enter(low, high)
        entering, leaving = carry, chunk.reach[:, -1]
        match plan.fault:
            case "carry dropped" if low:
                entering = np.zeros_like(carry)
            case "carry of the previous chunk":
                entering = stale
            case "carry decayed twice":
                entering = chunk.reach[:, 0] * carry
            case "chunk decay one step short":
                leaving = chunk.reach[:, -2] if high - low > 1 else np.ones_like(leaving)
            case "history of one chunk":
                leaving = np.zeros_like(leaving)
            case "chunk decay missing":
                leaving = np.ones_like(leaving)
        rows.append(chunk.emit(entering))
        stale, kept = carry, leaving * carry
        if plan.fault == "history of two chunks":
            kept, last_own = leaving * last_own, chunk.state
        if plan.fault == "state replaced by a short last chunk" and high - low < plan.chunk:
            kept = np.zeros_like(carry)
        carry = plan.at("carry", kept + chunk.state)
        after[high] = carry
    if plan.fault == "final state before the last chunk":
        after[length] = stale
    return (np.concatenate(rows, axis=1) if rows else None), after


def decay_tables(plan, exponent, resets) -> tuple[np.ndarray, np.ndarray]:
    """Within a chunk: decay from row j to row i as [batch, i, j, ...], zero unless j <= i and no
    reset between; and the reach, decay from the chunk's entry to each row."""
    size = exponent.shape[1]
    run = np.zeros(exponent.shape[:2], int) if resets is None else np.cumsum(resets, axis=1)
    if plan.decay == "product":
        within, reach = _tables_by_product(plan, exponent, resets)
    else:
        row, column = np.ogrid[:size, :size]
        causal = column <= row
        if plan.fault == "mask strict":
            causal = column < row
        if plan.fault == "mask one token ahead":
            causal = column <= row + 1
        same = like(causal & (run[:, :, None] == run[:, None, :]), exponent[:, None])
        total = plan.at("cumsum", np.cumsum(exponent, axis=1))
        if plan.segment_sums:
            later = like((column < row)[None], exponent[:, :, None])
            difference = np.cumsum(np.where(later, exponent[:, :, None], 0), axis=1)
        else:
            difference = plan.at("difference", total[:, :, None] - total[:, None, :])
        if plan.fault == "decay in the chunk clamped at -20":
            difference = np.maximum(difference, -20)
        if plan.fault == "mask by multiplication":
            within = exponential(plan, difference) * same
        elif plan.fault == "mask after exp":
            within = np.where(same, exponential(plan, difference), 0)
        else:
            within = exponential(plan, np.where(same, difference, -np.inf))
        reach = np.where(like(run == 0, total), exponential(plan, total), 0)
    if plan.fault == "entering decay one step short":
        reach = np.concatenate([np.ones_like(reach[:, :1]), reach[:, :-1]], axis=1)
    return plan.at("within", within), plan.at("reach", reach)


def _tables_by_product(plan, exponent, resets) -> tuple[np.ndarray, np.ndarray]:
    decay = exponential(plan, exponent)
    if resets is not None:
        decay = np.where(like(resets, decay), 0, decay)
    size = exponent.shape[1]
    within = np.zeros((decay.shape[0], size, size, *decay.shape[2:]), decay.dtype)
    for i in range(size):
        if i:
            within[:, i, :i] = decay[:, i, None] * within[:, i - 1, :i]
        within[:, i, i] = 1
    return within, np.cumprod(decay, axis=1)


def _chunk_of_states(plan: Plan, r: Recurrence):
    """A chunk of the plain recurrence.  By product: each thread scans its own chunk from zero.
    By logarithms: every token is weighted with its decay to every later row."""

    def enter(low: int, high: int) -> Chunk:
        span = np.s_[:, low:high]
        inject = r.inject[span]
        resets = None if r.resets is None else r.resets[span]
        if plan.decay == "product":
            own = Recurrence(r.exponent[span], inject, np.zeros_like(r.start), resets)
            local, reach = _sequential(plan, own), np.cumprod(decays(plan, own), axis=1)
            if plan.fault == "entering decay one step short":
                reach = np.concatenate([np.ones_like(reach[:, :1]), reach[:, :-1]], axis=1)
        else:
            within, reach = decay_tables(plan, r.exponent[span], resets)
            local = (within * inject[:, None]).sum(axis=2)
        left = local[:, -1]
        if plan.fault == "boundary token lost":
            left = left - inject[:, -1]
        return Chunk(lambda entering: local + reach * entering[:, None], reach, left)

    return enter
