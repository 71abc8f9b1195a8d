"""The adjoint of the recurrence, as a reverse scan and in matrix form.

With S(t) = a(t) S(t-1) + v(t) B(t)',  y(t) = S(t) C(t)  and G(t) the gradient of S(t),

    G(t) = g(t) C(t)' + a(t+1) G(t+1),     G(T) = g(T) C(T)' + (that of the final state),
    dv = G B,  dB = G' v,  dC = S' g,  d log a(t) = a(t) <G(t), S(t-1)>

It is the same recurrence in reversed time and runs in the same orders.  Arrays are (b, T, h, p, n).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .plan import Plan
from .recurrence import Recurrence, decay_tables, decays, like, states


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


# -- the matrix form --------------------------------------------------------------------------


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
