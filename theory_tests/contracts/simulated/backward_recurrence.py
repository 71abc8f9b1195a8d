"""Gradients of selective scan and SSD.

With S(t) = a(t) S(t-1) + v(t) B(t)',  y(t) = S(t) C(t)  and G(t) the gradient of S(t),

    G(t) = g(t) C(t)' + a(t+1) G(t+1),     G(T) = g(T) C(T)' + (that of the final state),
    dv = G B,  dB = G' v,  dC = S' g,  d log a(t) = a(t) <G(t), S(t-1)>

The adjoint is the same recurrence in reversed time and runs in the same orders.  Arrays are
(b, T, h, p, n).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .convolution import spans
from .gradients import cotangent, directions, over_batch, over_members, silu_gradient, softplus_gradient
from .plan import Plan
from .recurrence import Recurrence, decay_tables, decays, like, states
from .stages import log_decay, silu, softplus, step_size


@dataclass(frozen=True)
class Drive:
    """What enters the recurrence: v (b, T, h, p), B and C (b, T, h, n), log-decays, and where it restarts."""

    v: np.ndarray
    B: np.ndarray
    C: np.ndarray
    exponent: np.ndarray  # (b, T, h, 1, n | 1)
    resets: np.ndarray | None
    start: np.ndarray  # (b, h, p, n)

    def rows(self, low: int, high: int, start: np.ndarray) -> Drive:
        resets = None if self.resets is None else self.resets[:, low:high]
        return Drive(*(x[:, low:high] for x in (self.v, self.B, self.C, self.exponent)), resets, start)


@dataclass(frozen=True)
class Pullback:
    """Gradients of a Drive; that of the log-decay has the shape of the exponent."""

    v: np.ndarray
    B: np.ndarray
    C: np.ndarray
    exponent: np.ndarray
    start: np.ndarray


def recurrence(plan: Plan, d: Drive) -> tuple[np.ndarray, np.ndarray]:
    """All states and the last one."""
    inject = plan.at("inject", d.v[..., None] * d.B[..., None, :])
    rows, after = states(plan, Recurrence(d.exponent, inject, d.start, d.resets))
    length = d.v.shape[1]
    return (rows, after[length]) if length else (inject, d.start)


def reversed_states(plan: Plan, d: Drive, drive: np.ndarray, last: np.ndarray) -> np.ndarray:
    """G(t): the recurrence in reversed time, its decay that of the token after."""
    def shifted(x, first):
        back = x[:, ::-1]
        return np.concatenate([np.full_like(back[:, :1], first), back[:, :-1]], axis=1)

    resets = None if d.resets is None or plan.fault == "boundary ignored" else shifted(d.resets, False)
    exponent = d.exponent[:, ::-1] if plan.fault == "decay of the same token" else shifted(d.exponent, 0)
    if drive.shape[1] == 0:
        return drive
    rows, _ = states(plan, Recurrence(exponent, drive[:, ::-1], last, resets))
    return rows[:, ::-1]


def pull_back(forward: Plan, plan: Plan, d: Drive, g: np.ndarray, last: np.ndarray) -> Pullback:
    """Gradients by the reverse scan, from those of y (b, T, h, p) and of the final state."""
    rows, _ = recurrence(forward, d)
    previous = np.concatenate([d.start[:, None], rows[:, :-1]], axis=1) if rows.shape[1] else rows
    if plan.fault == "decay gradient reads the state after its token":
        previous = rows
    G = reversed_states(plan, d, plan.at("inject", g[..., None] * d.C[..., None, :]), last)
    decay = decays(forward, Recurrence(d.exponent, rows, d.start, d.resets))
    if plan.decay == "logdiff":
        e = _by_differences(plan, d, rows, G, g, last)
    else:
        e = plan.at("product", G * plan.at("product", decay * previous))
    e = e.sum(axis=-2, keepdims=True)
    if d.exponent.shape[-1] == 1:
        e = plan.total(e)[..., None]
    read = previous if plan.fault == "dC reads the state before its token" else rows
    start = decay[:, 0] * G[:, 0] if rows.shape[1] else last
    if plan.fault == "initial-state gradient not decayed" and rows.shape[1]:
        start = G[:, 0]
    for_B = G
    if plan.fault == "boundary ignored in dB only" and d.resets is not None:
        for_B = reversed_states(plan, replace(d, resets=None), g[..., None] * d.C[..., None, :], last)
    return Pullback(plan.inner(G, d.B[..., None, :]), (for_B * d.v[..., None]).sum(axis=-2),
                    (read * g[..., None]).sum(axis=-2), e, start)


def _by_differences(plan: Plan, d: Drive, rows, G, g, last) -> np.ndarray:
    """d log a(t) = sum over s >= t of (q dq - k dk)(s), and what the final state adds."""
    own = (g[..., None] * d.C[..., None, :]) * rows - G * (d.v[..., None] * d.B[..., None, :])
    if d.exponent.shape[-1] == 1:
        own = own.sum(axis=(-2, -1), keepdims=True)
        total = (last * rows[:, -1]).sum(axis=(-2, -1), keepdims=True) if rows.shape[1] else 0
    else:
        total = last * rows[:, -1] if rows.shape[1] else 0
    if plan.fault == "final state missing in the log-decay":
        total = 0 * total
    out = np.empty_like(own)
    for t in range(own.shape[1])[::-1]:
        total = plan.at("cumsum", total + own[:, t])
        if d.resets is not None:
            total = np.where(like(d.resets[:, t], total), total.dtype.type(0), total)
        out[:, t] = total
    return out


# -- the matrix form ----------------------------------------------------------------------------


def pull_back_matrix(forward: Plan, plan: Plan, d: Drive, g: np.ndarray, last: np.ndarray) -> Pullback:
    """The same for SSD, chunk by chunk from the last to the first; the states at their ends saved."""
    length = d.v.shape[1]
    cuts = [*range(0, length, plan.chunk), length]
    starts, start = [], d.start
    for low, high in zip(cuts, cuts[1:], strict=False):
        starts.append(start)
        start = _Chunk(forward, d.rows(low, high, start)).final()
    parts = []
    for low, high, start in [*zip(cuts, cuts[1:], starts, strict=False)][::-1]:
        part = _Chunk(plan, d.rows(low, high, start)).pull_back(g[:, low:high], last)
        last = np.zeros_like(part.start) if plan.fault == "carry dropped" else part.start
        parts.append(part)
    if not parts:
        return Pullback(d.v, d.B, d.C, d.exponent, last)
    joined = (np.concatenate([getattr(p, x) for p in parts[::-1]], axis=1) for x in ("v", "B", "C", "exponent"))
    return Pullback(*joined, last)


class _Chunk:
    """Y = M V + reach C S0',  M = L o (C B'),  S1 = reach S0 + (V to_end)' B; heads before rows."""

    def __init__(self, plan: Plan, d: Drive):
        self.plan = plan
        within, reach = decay_tables(plan, d.exponent[..., 0, 0], d.resets)
        self.L, self.reach = np.moveaxis(within, -1, 1), reach.transpose(0, 2, 1)
        self.to_end = self.L[:, :, -1]
        self.V, self.B, self.C = (np.swapaxes(x, 1, 2) for x in (d.v, d.B, d.C))
        self.start, self.d = d.start, d

    def final(self) -> np.ndarray:
        left = self.plan.dot(np.swapaxes(self.V, -1, -2), self.B * self.to_end[..., None])
        return self.plan.at("carry", self.reach[..., -1, None, None] * self.start + left)

    def pull_back(self, g: np.ndarray, last: np.ndarray) -> Pullback:
        plan, dot, transposed = self.plan, self.plan.dot, lambda x: np.swapaxes(x, -1, -2)
        g = np.swapaxes(g, 1, 2)
        M = plan.at("weights", dot(self.C, transposed(self.B)) * self.L)
        dM = dot(g, transposed(self.V))
        dCB = plan.at("weights", dM * self.L)
        back = self.to_end[..., None]
        dV = dot(transposed(M), g) + back * dot(self.B, transposed(last))
        dB = dot(transposed(dCB), self.C) + back * dot(self.V, last)
        history = dot(g, self.start)
        dC = dot(dCB, self.B) + self.reach[..., None] * history
        dstart = dot(transposed(g), self.C * self.reach[..., None]) + self.reach[..., -1, None, None] * last
        e = self._log_decay(dM * M, (history * self.C).sum(-1) * self.reach,
                            (dot(self.V, last) * self.B).sum(-1) * self.to_end,
                            (last * self.start).sum((-2, -1)) * self.reach[..., -1])
        rows = (np.swapaxes(x, 1, 2) for x in (dV, dB, dC))
        return Pullback(*rows, np.swapaxes(e, 1, 2)[..., None, None], dstart)

    def _log_decay(self, Q, history, left, through) -> np.ndarray:
        """Sum of what passes token t: pairs j < t <= i, history read at i >= t, what j < t leaves, and
        what goes right through.  By differences: row sums less column sums, added up from the end."""
        plan = self.plan
        if plan.fault == "log-decay gradient without the history":
            history = 0 * history
        if plan.decay == "logdiff":
            own = Q.sum(-1) - Q.sum(-2) + history - left
            total = plan.at("cumsum", left.sum(-1) + through)
            return self._masked(plan.at("cumsum", np.cumsum(own[..., ::-1], axis=-1)[..., ::-1] + total[..., None]))
        size = Q.shape[-1]
        later = np.cumsum(Q[..., ::-1, :], axis=-2)[..., ::-1, :]
        before = np.tri(size, size, -1, dtype=Q.dtype)
        e = (later * before).sum(-1) + np.cumsum(history[..., ::-1], axis=-1)[..., ::-1]
        earlier = (before @ left[..., None])[..., 0]
        return self._masked(e + earlier + through[..., None])

    def _masked(self, e: np.ndarray) -> np.ndarray:
        resets = self.d.resets
        return e if resets is None else np.where(resets[:, None], e.dtype.type(0), e)


# -- steps, skip and gate -------------------------------------------------------------------------


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
    found, onward = [], np.zeros_like(last[:1])
    for s, (low, high) in reversed([*enumerate(between)]):
        own = slice(None) if cu_seqlens is None else slice(s, s + 1)
        leak = onward if plan.fault == "boundary ignored" and cu_seqlens is not None else 0
        cut = {name: None if a is None else a[:, low:high] for name, a in rows.items()}
        found.append(_sequence(forward, plan, d.rows(low, high, start[own]), last[own] + leak, wide, **cut))
        onward = found[-1]["start"]
    joined = {name: _joined([f[name] for f in found], length) for name in found[0] if name != "start"}
    gradients = _arguments(plan, joined, x, step, rates, B.shape[2], D)
    gradients["A"] = gradients["A"].reshape(A.shape)
    gradients["dt"], bias = step_gradient(plan, joined["step"], raw, dt_bias, dt_softplus, dt_limit)
    gradients["dt"] = plan.out(gradients["dt"])
    absent = {"D": D, "z": z, "dt_bias": dt_bias, "initial_state": initial_state}
    gradients |= {"dt_bias": bias, "initial_state": np.concatenate([f["start"] for f in found[::-1]])}
    return {name: g for name, g in gradients.items() if absent.get(name, 0) is not None}


def _resets(seq_idx) -> np.ndarray | None:
    if seq_idx is None:
        return None
    index = np.asarray(seq_idx)
    return np.diff(index, axis=1, prepend=index[:, :1]) != 0


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
    """Rows of the sequences, last first, laid in order again; zero in slack rows."""
    rows = np.concatenate(parts[::-1], axis=1)
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
