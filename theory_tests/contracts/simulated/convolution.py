"""The causal depthwise convolution, forward: y(t) = act(bias + sum_i weight[:, i] x(t - w + 1 + i))."""

from __future__ import annotations

import numpy as np

from .arithmetic import widened
from .plan import Plan
from .stages import silu


def spans(bounds, length: int) -> list[tuple[int, int]]:
    """(begin, end) of the packed sequences; all rows where nothing is packed."""
    bounds = [0, length] if bounds is None else [int(b) for b in bounds]
    return list(zip(bounds, bounds[1:], strict=False))


def runs(plan: Plan, seq_idx, batch: int, low: int, high: int, past: int) -> np.ndarray:
    """(batch, past + rows): number of the run of equal indices that each row belongs to; what came
    before the first token belongs with it."""
    run = np.zeros((batch, past + high - low), int)
    if seq_idx is not None and plan.fault != "boundary ignored":
        change = np.diff(np.asarray(seq_idx)[:, low:high], axis=1) != 0
        shift = {"boundary one token late": 1, "boundary one token early": -1}.get(plan.fault, 0)
        where = np.clip(np.arange(change.shape[1]) + 1 + shift, 0, high - low)
        for row, flags in zip(run, change, strict=True):
            for t in where[flags]:
                row[past + t :] += 1
    return run


def windows(plan: Plan, history: np.ndarray, run: np.ndarray, width: int) -> np.ndarray:
    """(batch, rows, d, w): what the taps meet, oldest first; 0 from across a boundary."""
    past = width - 1
    rows = history.shape[1] - past
    own = run[:, past:]
    met = []
    for i in range(width):
        there = (run[:, i : i + rows] == own)[..., None]
        met.append(np.where(there, history[:, i : i + rows], history.dtype.type(0)))
    return np.stack(met, axis=-1)


def last_inputs(history: np.ndarray, run: np.ndarray, past: int) -> np.ndarray:
    """(batch, d, w - 1): the last inputs, 0 from before the run of the last token."""
    size = history.shape[1]
    kept = history[:, size - past :] * (run[:, size - past :] == run[:, -1:])[..., None] if past else history[:, :0]
    return np.swapaxes(kept, 1, 2)


def weighted(plan: Plan, met: np.ndarray, weight: np.ndarray, bias) -> np.ndarray:
    """bias + sum over the taps, in the plan's order."""
    width = weight.shape[1]
    start = plan.at("sum", 0.0 if bias is None else bias)
    if plan.scheme == "matrix":
        return plan.at("sum", plan.inner(met, weight) + start)
    total = np.broadcast_to(start, met.shape[:-1])
    for i in range(width)[::-1] if plan.order == "reversed" else range(width):
        if plan.fma:
            total = plan.at("sum", widened(met[..., i]) * weight[:, i] + total)
        else:
            left, right = plan.at("operand", met[..., i]), plan.at("operand", weight[:, i])
            total = plan._accumulate(total, left, right)
    return total


def causal_conv1d(
    plan, *, x, weight, bias=None, initial_state=None, seq_idx=None, cu_seqlens=None, activation=False,
):
    x, weight = plan.at("load", x), plan.at("load", weight)
    batch, length, channels = x.shape
    past = weight.shape[1] - 1
    y, finals = np.zeros(x.shape, x.dtype), []
    for s, (low, high) in enumerate(spans(cu_seqlens, length)):
        history, run = with_past(plan, x, initial_state, seq_idx, (s, low, high), past, cu_seqlens is not None)
        met = windows(plan, history, run, past + 1)
        y[:, low:high] = _act(plan, met, weight, bias, activation)
        finals.append(_final(plan, history, run, past))
    final = np.concatenate(finals) if finals else np.zeros((0, channels, past), x.dtype)
    return plan.out(y), final


def with_past(plan, x, initial_state, seq_idx, span, past, packed):
    """The rows of a sequence behind the inputs that came before it, and their runs."""
    s, low, high = span
    batch, _, channels = x.shape
    if initial_state is None:
        before = np.zeros((batch, past, channels), x.dtype)
    else:
        if plan.fault == "first initial state for all sequences":
            s = 0
        state = initial_state[s : s + 1] if packed else initial_state
        before = np.swapaxes(plan.at("start", state), 1, 2)
    if plan.fault == "state read newest first":
        before = before[:, ::-1]
    if plan.fault == "state one token old" and past:
        before = np.concatenate([np.zeros_like(before[:, :1]), before[:, :-1]], axis=1)
    if plan.fault == "packed sequences see the one before" and low >= past:
        before = x[:, low - past : low]
    run = runs(plan, seq_idx, batch, low, high, past)
    if plan.fault == "initial state taken for another sequence" and seq_idx is not None:
        run[:, past:] += 1
    return np.concatenate([before, x[:, low:high]], axis=1), run


def _act(plan: Plan, met, weight, bias, activation: bool) -> np.ndarray:
    if plan.fault == "bias after the activation" and bias is not None:
        y = plan.at("before_gate", weighted(plan, met, weight, None))
        return (silu(plan, y) if activation else y) + plan.at("bias", bias)
    y = plan.at("before_gate", weighted(plan, met, weight, None if bias is None else plan.at("bias", bias)))
    return silu(plan, y) if activation else y


def _final(plan: Plan, history, run, past: int) -> np.ndarray:
    if plan.fault == "final state before the last token" and history.shape[1] > past:
        history, run = history[:, :-1], run[:, :-1]
    if plan.fault == "final state of a short sequence without its past" and history.shape[1] < 2 * past:
        history = np.concatenate([np.zeros_like(history[:, :past]), history[:, past:]], axis=1)
    if plan.fault == "final state keeps inputs from across a boundary":
        run = np.zeros_like(run)
    return last_inputs(history, run, past)
