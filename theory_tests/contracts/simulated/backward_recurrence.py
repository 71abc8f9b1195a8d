"""Gradients of selective scan and SSD: through steps, skip and gate to the adjoint of the recurrence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .adjoint import Drive, pull_back, pull_back_matrix, recurrence
from .convolution import spans
from .gradients import cotangent, directions, over_batch, over_members, silu_gradient, softplus_gradient
from .plan import Plan
from .stages import log_decay, silu, softplus, step_size


def step_gradient(plan: Plan, dstep, raw, bias, with_softplus: bool, limit=None):
    """Gradients of raw steps (b, T, h) and of their bias."""
    biased = raw if bias is None or plan.fault == "softplus' without the bias" else raw + plan.at("bias", bias)
    if limit is not None and plan.fault != "dt_limit ignored":
        step = softplus(replace(plan, fault=""), biased) if with_softplus else biased
        low, high = limit
        inside = (step >= low) & (step <= high)
        if plan.fault == "dt_limit: lower bound ignored":
            inside = step <= high
        dstep = np.where(inside, dstep, dstep.dtype.type(0))
    if with_softplus:
        dstep = plan.at("step", dstep * softplus_gradient(plan, biased))
    return dstep, over_batch(plan, dstep, (0, 1), "bias gradient")


# -- operators ------------------------------------------------------------------------------------


def ssd(
    plan, *, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, dt_limit=(0.0, np.inf),
    initial_state=None, seq_idx=None, cu_seqlens=None, cotangent_y=None, cotangent_final_state=None,
):
    forward, plan = directions(plan)
    x, raw, A, B, C = (plan.at("load", a) for a in (x, dt, A, B, C))
    batch, length, heads, width = x.shape
    between = spans(cu_seqlens, length)
    rates = A if A.ndim == 2 else A[:, None]  # (h, n), or (h, 1): one decay for each head
    step = step_size(forward, raw, dt_bias, dt_softplus, dt_limit)
    start = np.zeros((batch if cu_seqlens is None else len(between), heads, width, B.shape[3]), x.dtype)
    if initial_state is not None:
        start = plan.at("start", initial_state)
    members = heads // B.shape[2]
    d = Drive(step[..., None] * x, np.repeat(B, members, axis=2), np.repeat(C, members, axis=2),
              log_decay(forward, step[..., None], rates)[..., None, :], _resets(seq_idx), start)
    wide = None if D is None else plan.at("D", D if np.ndim(D) == 2 else np.asarray(D)[:, None])
    rows = {"g": cotangent(plan, cotangent_y, x), "x": x, "z": None if z is None else plan.at("gate_input", z)}
    last = cotangent(plan, None if plan.fault == "final-state cotangent ignored" else cotangent_final_state, start)
    found = _sequences(forward, plan, d, between, cu_seqlens is not None, last, wide, rows)
    joined = {name: _joined([f[name] for f in found], length) for name in found[0] if name != "start"}
    gradients = _arguments(plan, joined, x, step, rates, B.shape[2], D)
    gradients["A"] = gradients["A"].reshape(A.shape)
    gradients["dt"], bias = step_gradient(plan, joined["step"], raw, dt_bias, dt_softplus, dt_limit)
    gradients["dt"] = plan.out(gradients["dt"])
    absent = {"D": D, "z": z, "dt_bias": dt_bias, "initial_state": initial_state}
    gradients |= {"dt_bias": bias, "initial_state": np.concatenate([f["start"] for f in found])}
    return {name: g for name, g in gradients.items() if absent.get(name, 0) is not None}


def _resets(seq_idx) -> np.ndarray | None:
    if seq_idx is None:
        return None
    index = np.asarray(seq_idx)
    return np.diff(index, axis=1, prepend=index[:, :1]) != 0


def _sequences(forward: Plan, plan: Plan, d: Drive, between, packed: bool, last, D, rows) -> list[dict]:
    """Gradients of each packed sequence, found from the last to the first."""
    found, onward = [], np.zeros_like(last[:1])
    for s, (low, high) in reversed([*enumerate(between)]):
        own = slice(s, s + 1) if packed else slice(None)
        leak = onward if plan.fault == "boundary ignored" and packed else 0
        cut = {name: None if a is None else a[:, low:high] for name, a in rows.items()}
        found.append(_sequence(forward, plan, d.rows(low, high, d.start[own]), last[own] + leak, D, **cut))
        onward = found[-1]["start"]
    return found[::-1]


def _sequence(forward: Plan, plan: Plan, d: Drive, last, D, g, x, z) -> dict[str, np.ndarray]:
    """Gradients, row by row, of one sequence (or of all rows of a batch)."""
    sequential = replace(forward, scheme="sequential") if forward.scheme == "matrix" else forward
    states_, _ = recurrence(sequential, d)
    y = forward.inner(d.C[..., None, :], states_)
    dz = None
    if z is not None:
        ungated = y if D is None or plan.fault == "dz without the skip" else y + D * x
        dz = plan.at("gate", g * ungated * silu_gradient(plan, z))
        g = g if plan.fault == "gate missing in the gradient of y" else g * silu(replace(plan, fault=""), z)
    p = (pull_back_matrix if plan.scheme == "matrix" else pull_back)(forward, plan, d, g, last)
    return {"v": p.v, "B": p.B, "C": p.C, "e": p.exponent[..., 0, :], "g": g, "start": p.start} | (
        {} if dz is None else {"z": dz})


def _joined(parts: list[np.ndarray], length: int) -> np.ndarray:
    """Rows of the sequences behind one another; zero in slack rows."""
    rows = np.concatenate(parts, axis=1)
    return np.pad(rows, [(0, 0), (0, length - rows.shape[1])] + [(0, 0)] * (rows.ndim - 2))


def _arguments(plan: Plan, rows: dict, x, step, rates, groups: int, D) -> dict[str, np.ndarray]:
    """From gradients of v = step x, of the decays and of y to those of the arguments."""
    dv, e, g, dB = rows["v"], rows["e"], rows["g"], rows["B"]
    decay = 0 if plan.fault == "step gradient without the decay" else (e * rates).sum(-1)
    write = 0 if plan.fault == "step gradient without the write" else plan.inner(dv, x)
    rows["step"] = plan.at("step", decay + write)
    if plan.fault == "dB without the step":
        dB = dB / np.where(step == 0, 1, step)[..., None]
    dA = e if plan.fault == "dA without the step" else e * step[..., None]
    dx = dv if plan.fault == "dx without the step" else step[..., None] * dv
    gradients = {"B": plan.out(over_members(plan, dB, groups, "dB")),
                 "C": plan.out(over_members(plan, rows["C"], groups, "dC"))}
    if D is not None:
        wide = plan.at("D", D if np.ndim(D) == 2 else np.asarray(D)[:, None])
        dx = dx if plan.fault == "dx without the skip" else dx + plan.at("skip", wide * g)
        gradients["D"] = over_batch(plan, g * x, (0, 1) if np.ndim(D) == 2 else (0, 1, 3), "dD")
    if "z" in rows:
        gradients["z"] = plan.out(rows["z"])
    if plan.fault == "gradient of log(-A) for that of A":
        dA = dA * rates
    return gradients | {"x": plan.out(dx), "A": over_batch(plan, dA, (0, 1), "dA")}


def selective_scan(
    plan, *, u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, initial_state=None,
    cotangent_y=None, cotangent_final_state=None,
):
    """SSD with a head for every channel, p = 1, one group and a decay for every state."""
    def wide(array, axis):
        return None if array is None else np.expand_dims(array, axis)

    gradients = ssd(
        plan, x=wide(u, -1), dt=delta, A=A, B=wide(B, 2), C=wide(C, 2), D=D, z=wide(z, -1), dt_bias=delta_bias,
        dt_softplus=delta_softplus, initial_state=wide(initial_state, 2), cotangent_y=wide(cotangent_y, -1),
        cotangent_final_state=wide(cotangent_final_state, 2),
    )
    names = {"x": ("u", -1), "dt": ("delta", None), "B": ("B", 2), "C": ("C", 2), "z": ("z", -1),
             "dt_bias": ("delta_bias", None), "initial_state": ("initial_state", 2)}
    renamed = {}
    for name, gradient in gradients.items():
        name, axis = names.get(name, (name, None))
        renamed[name] = gradient if axis is None else gradient.squeeze(axis)
    return renamed
