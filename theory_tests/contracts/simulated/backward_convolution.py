"""Gradients of the causal depthwise convolution: the transposed convolution, and sums over windows."""

from __future__ import annotations

import numpy as np

from .arithmetic import widened
from .convolution import spans, weighted, windows, with_past
from .gradients import cotangent, directions, over_batch, silu_gradient
from .plan import Plan


def causal_conv1d(
    plan, *, x, weight, bias=None, initial_state=None, seq_idx=None, cu_seqlens=None, activation=False,
    cotangent_y=None, cotangent_final_state=None,
):
    forward, plan = directions(plan)
    x, weight = plan.at("load", x), plan.at("load", weight)
    batch, length, channels = x.shape
    past, packed = weight.shape[1] - 1, cu_seqlens is not None
    dy = cotangent(plan, cotangent_y, x)
    dx, terms, dbias, starts = np.zeros_like(x), [], np.zeros_like(x), []
    for s, (low, high) in enumerate(spans(cu_seqlens, length)):
        history, run = with_past(forward, x, initial_state, seq_idx, (s, low, high), past, packed)
        met = windows(forward, history, run, past + 1)
        g = dy[:, low:high]
        if activation:
            pre = weighted(forward, met, weight, None if bias is None else forward.at("bias", bias))
            slope = silu_gradient(plan, pre)
            dbias[:, low:high] = g if plan.fault == "bias gradient without the activation" else g * slope
            g = g if plan.fault == "activation not differentiated" else plan.at("gate", g * slope)
        else:
            dbias[:, low:high] = g
        last = None
        if cotangent_final_state is not None and plan.fault != "final-state cotangent ignored":
            last = plan.at("load", cotangent_final_state[s : s + 1] if packed else cotangent_final_state)
        back = _transposed(plan, g, weight, run, last)
        starts.append(np.swapaxes(back[:, :past], 1, 2))
        dx[:, low:high] += back[:, past:]
        if plan.fault == "boundary ignored" and low >= past:  # what flows into the past lands in the rows before
            dx[:, low - past : low] += back[:, :past]
        terms.append(g[..., None] * _met(plan, forward, met, history, run, past))
    return _arguments(plan, terms, dx, dbias, starts, bias, initial_state)


def _met(plan: Plan, forward: Plan, met, history, run, past: int) -> np.ndarray:
    """What the taps met, as the weight gradient reads it."""
    match plan.fault:
        case "weight gradient across boundaries":
            return windows(forward, history, np.zeros_like(run), past + 1)
        case "weight gradient in reversed taps":
            return met[..., ::-1]
        case "weight gradient without the initial state":
            silent = history.copy()
            silent[:, :past] = 0
            return windows(forward, silent, run, past + 1)
        case "weight gradient one token late":
            return np.concatenate([np.zeros_like(met[:, :1]), met[:, :-1]], axis=1)
    return met


def _transposed(plan: Plan, g, weight, run, last) -> np.ndarray:
    """Gradient of the history (b, past + rows, d): sum over the taps, in the plan's order."""
    width, rows = weight.shape[1], g.shape[1]
    past = width - 1
    if plan.fault == "boundary ignored":
        run = np.zeros_like(run)
    back = np.zeros((g.shape[0], past + rows, g.shape[2]), g.dtype)
    taps = weight[:, ::-1] if plan.fault == "input gradient in reversed taps" else weight
    for i in range(width)[::-1] if plan.order == "reversed" else range(width):
        there = (run[:, i : i + rows] == run[:, past:])[..., None]
        if plan.fma:
            term = plan.at("sum", widened(g) * taps[:, i] + back[:, i : i + rows])
            back[:, i : i + rows] = np.where(there, term, back[:, i : i + rows])
        else:
            back[:, i : i + rows] = plan.at("accumulator", back[:, i : i + rows] + np.where(there, g * taps[:, i], 0))
    if plan.fault == "input gradient of the last w - 1 tokens lost" and past:
        back[:, -past:] = 0
    if last is not None and past:
        kept = (run[:, rows:] == run[:, -1:])[..., None]
        if plan.fault == "final-state cotangent newest first":
            last = last[..., ::-1]
        if plan.fault == "final-state cotangent of a short sequence lost" and rows < past:
            kept = kept & (np.arange(rows, rows + past) >= past)[:, None]
        back[:, rows:] += np.where(kept, np.swapaxes(last, 1, 2), 0)
    return back


def _arguments(plan: Plan, terms, dx, dbias, starts, bias, initial_state) -> dict[str, np.ndarray]:
    gradients = {"x": plan.out(dx)}
    if terms:
        gradients["weight"] = over_batch(plan, np.concatenate(terms, axis=1), (0, 1), "dweight")
    if bias is not None:
        gradients["bias"] = over_batch(plan, dbias, (0, 1), "dbias")
    if initial_state is not None:
        gradients["initial_state"] = np.concatenate(starts)
        if plan.fault == "initial-state gradient missing":
            gradients["initial_state"] = np.zeros_like(gradients["initial_state"])
        if plan.fault == "initial-state gradient newest first":
            gradients["initial_state"] = gradients["initial_state"][..., ::-1]
    return gradients
