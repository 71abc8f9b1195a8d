"""The gated delta rule: token by token, and by chunks in the WY form.

    S~ = exp(g) S,    e = beta (v - S~ k),    S = S~ + e k',    y = S (scale q)

By chunks, with D(t, s) the decay from s to t: A = beta (k k' o D) below the diagonal, T = inv(I + A),

    u = T beta v,   w = T beta (k decayed),   e = u - w S',   y = (q decayed) S' + tril(q k' o D) e

Arrays are (b, heads, rows, ...), states (b, heads, v, k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .plan import Plan


@dataclass(frozen=True)
class Tokens:
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    beta: np.ndarray  # (b, h, T)
    g: np.ndarray  # (b, h, T, 1 or k)

    def rows(self, low: int, high: int) -> Tokens:
        return Tokens(*(x[:, :, low:high] for x in (self.q, self.k, self.v, self.beta, self.g)))

    def row(self, b: int) -> Tokens:
        return Tokens(*(x[b : b + 1] for x in (self.q, self.k, self.v, self.beta, self.g)))


def gated_delta_rule(
    plan, *, query, key, value, beta, log_decay=None, scale=None, l2norm=False, norm_eps=1e-6, initial_state=None,
    seq_idx=None, cu_seqlens=None,
):
    heads, width, length = value.shape[2], key.shape[3], value.shape[1]
    tokens = prepared(plan, query, key, value, beta, log_decay, scale, l2norm, norm_eps)
    shape = (tokens.v.shape[0], heads, value.shape[3], width)
    y = np.zeros(tokens.v.shape, tokens.v.dtype)
    if cu_seqlens is not None:
        start = np.zeros((len(cu_seqlens) - 1, *shape[1:])) if initial_state is None else initial_state
        finals = []
        for i, (low, high) in enumerate(zip(cu_seqlens, cu_seqlens[1:], strict=False)):
            state = plan.at("start", start[0 if plan.fault == "first initial state for all sequences" else i])[None]
            if plan.fault == "packed sequences run on" and finals:
                state = finals[-1]
            y[:, :, low:high], after = segment(plan, tokens.rows(low, high), state)
            finals.append(after)
        final = np.concatenate(finals)
    else:
        state = plan.at("start", np.zeros(shape) if initial_state is None else initial_state)
        if seq_idx is None or plan.fault == "reset missing":
            y, final = segment(plan, tokens, state)
        else:
            final = state.copy()
            for b, index in enumerate(np.asarray(seq_idx)):
                cuts = [0, *(np.flatnonzero(np.diff(index)) + 1), length]
                if plan.fault == "reset one token late":
                    cuts = [0, *(min(c + 1, length) for c in cuts[1:-1]), length]
                own = final[b : b + 1]
                for n, (low, high) in enumerate(zip(cuts, cuts[1:], strict=False)):
                    part, own = segment(plan, tokens.row(b).rows(low, high), own * 0 if n else own)
                    y[b : b + 1, :, low:high] = part
                final[b] = own[0]
    return plan.out(y.transpose(0, 2, 1, 3)), plan.at("state", plan.at("carry", final))


def prepared(plan: Plan, query, key, value, beta, log_decay, scale, l2norm, norm_eps) -> Tokens:
    heads, groups, width = value.shape[2], key.shape[2], key.shape[3]
    member = np.arange(heads) // (heads // groups)
    if plan.fault == "group h % g":
        member = np.arange(heads) % groups
    q, k, v = (plan.at("load", x).transpose(0, 2, 1, 3) for x in (query, key, value))
    if l2norm and plan.fault != "norm forgotten":
        q, k = (normed(plan, x, norm_eps) for x in (q, k))
    scale = width**-0.5 if scale is None else scale
    if plan.fault == "scale forgotten":
        scale = 1.0
    q = plan.at("query", q * plan.at("scale", np.asarray(scale)))
    g = np.zeros((*value.shape[:3],)) if log_decay is None else log_decay
    g = plan.at("exponent", g)
    g = (g[..., None] if g.ndim == 3 else g).transpose(0, 2, 1, 3)
    if plan.fault == "decay of the next token":
        g = np.concatenate([g[:, :, 1:], g[:, :, -1:]], axis=2)
    b = plan.at("beta", beta).transpose(0, 2, 1)
    if plan.fault == "beta at most 1":
        b = np.minimum(b, 1)
    return Tokens(q[:, member], k[:, member], v, b, g)


def normed(plan: Plan, x: np.ndarray, eps: float) -> np.ndarray:
    total = plan.total(plan.at("square", x * x))
    if plan.fault == "eps outside the root":
        return plan.at("normed", x / (np.sqrt(total) + x.dtype.type(eps))[..., None])
    return plan.at("normed", x * plan.at("rsqrt", 1 / np.sqrt(total + x.dtype.type(eps)))[..., None])


def segment(plan: Plan, x: Tokens, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One sequence from a state: its outputs and the state it leaves."""
    if not x.v.shape[2]:
        return x.v, state
    return sequential(plan, x, state) if plan.scheme == "sequential" else chunked(plan, x, state)


# -- token by token ---------------------------------------------------------------------------


def sequential(plan: Plan, x: Tokens, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ys, before = [], state
    for t in range(x.v.shape[2]):
        k, v, q, b = x.k[:, :, t], x.v[:, :, t], x.q[:, :, t], x.beta[:, :, t, None]
        before = state
        old = plan.at("product", state * exp(plan, x.g[:, :, t])[..., None, :])
        if plan.fault == "initial state not decayed" and t == 0:
            old = state
        held = plan.inner(read_at(plan, x, t, state, old, k), erase_key(plan, x, t)[..., None, :])
        state = plan.at("state", updated(plan, old, held, v, b, k, erase_key(plan, x, t)))
        read = before if plan.fault == "output reads the state before its token" else state
        ys.append(plan.inner(read, q[..., None, :]))
    return np.stack(ys, 2), before if plan.fault == "final state before the last token" else state


def read_at(plan, x, t, state, old, k):
    if plan.fault == "erase of the undecayed state":
        return state
    if plan.fault == "erase after the write":
        return old + (x.beta[:, :, t, None] * x.v[:, :, t])[..., None] * k[..., None, :]
    return old


def erase_key(plan, x, t):
    return x.k[:, :, max(t - 1, 0)] if plan.fault == "erase with the previous key" else x.k[:, :, t]


def updated(plan, old, held, v, b, k, probe):
    fault = plan.fault
    if fault == "no erase":
        return old + (b * v)[..., None] * k[..., None, :]
    if fault == "erase added":
        return old + (b * (v + held))[..., None] * k[..., None, :]
    if fault in ("beta missing in the erase", "beta missing in the write", "erase with the previous key",
                 "erase after the write"):
        erase = held if fault == "beta missing in the erase" else b * held
        write = v if fault == "beta missing in the write" else b * v
        return (old - erase[..., None] * probe[..., None, :]) + write[..., None] * k[..., None, :]
    if plan.order == "reversed":  # erase, then write
        erase, write = (plan.at("product", b * x)[..., None] * k[..., None, :] for x in (held, v))
        return plan.at("sum", (old - erase) + write)
    e = plan.at("innovation", b * plan.at("innovation", v - held))
    return plan.at("sum", old + plan.at("product", e[..., None] * k[..., None, :]))


def exp(plan: Plan, g: np.ndarray) -> np.ndarray:
    if plan.base2:
        return plan.at("decay", np.exp2(plan.at("exponent", g * g.dtype.type(np.log2(np.e)))))
    return plan.at("decay", np.exp(g))


# -- by chunks --------------------------------------------------------------------------------


def chunked(plan: Plan, x: Tokens, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length, ys, stale = x.v.shape[2], [], state
    for low in range(0, length, plan.chunk):
        part = x.rows(low, min(low + plan.chunk, length))
        entering = state
        if low and plan.fault == "carry dropped":
            entering = state * 0
        if low and plan.fault == "carry of the previous chunk":
            entering = stale
        y, after = one_chunk(plan, part, entering)
        if plan.fault == "state replaced by a short last chunk" and part.v.shape[2] < plan.chunk:
            after = one_chunk(plan, part, entering * 0)[1]
        stale, state = state, plan.at("carry", after)
        ys.append(y)
    return np.concatenate(ys, 2), stale if plan.fault == "final state before the last chunk" else state


def tables(plan: Plan, g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """D (b, h, t, s, 1|k), decays from the start (b, h, t, 1|k) and to the end of the chunk."""
    n = g.shape[2]
    lower = (np.arange(n)[:, None] >= np.arange(n))[..., None]
    if plan.decay == "logdiff":
        L = plan.at("cumsum", np.cumsum(g, axis=2, dtype=g.dtype))
        D = exp(plan, np.where(lower, L[:, :, :, None] - L[:, :, None], 0))
        return np.where(lower, D, 0), exp(plan, L), exp(plan, L[:, :, -1:] - L)
    a, D = exp(plan, g), np.zeros((*g.shape[:2], n, n, g.shape[3]), g.dtype)
    for t in range(n):
        D[:, :, t, :t] = plan.at("decay", a[:, :, t, None] * D[:, :, t - 1, :t]) if t else 0
        D[:, :, t, t] = 1
    return D, plan.at("decay", D[:, :, :, 0] * a[:, :, :1]), D[:, :, -1]


def scores(plan: Plan, left: np.ndarray, right: np.ndarray, D: np.ndarray) -> np.ndarray:
    """left right' o D, the decay inside the sum where every key has its own."""
    if D.shape[-1] == 1:
        return plan.at("score", plan.dot(left, np.swapaxes(right, -1, -2), plan.splits) * D[..., 0])
    return plan.inner(left[:, :, :, None] * D, right[:, :, None])


def inverse(plan: Plan, A: np.ndarray) -> np.ndarray:
    """inv(I + A) by rows, or to first order where that is the slip."""
    n = A.shape[-1]
    eye = np.eye(n, dtype=A.dtype)
    if plan.fault == "inverse to first order":
        return eye - A
    T = np.zeros_like(A) + eye
    for t in range(1, n):
        T[..., t, :t] = -plan.at("sum", (A[..., t, None, :t] @ T[..., :t, :t])[..., 0, :])
    return plan.at("inverse", np.swapaxes(T, -1, -2) if plan.fault == "inverse transposed" else T)


def one_chunk(plan: Plan, x: Tokens, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, fault = x.v.shape[2], plan.fault
    D, entering, leaving = tables(plan, x.g)
    b = x.beta[..., None]
    strict = np.tri(n, k=-1, dtype=x.v.dtype)
    across = np.where(D > 0, 1, 0).astype(D.dtype) if fault == "triangle without decay" else D
    if fault == "beta of the other token":
        A = np.swapaxes(b, -1, -2) * scores(plan, x.k, x.k, across) * strict
    else:
        A = plan.at("score", b * scores(plan, x.k, x.k, across)) * strict
    decayed = x.k if fault == "entering state undecayed in the erase" else plan.at("product", x.k * entering)
    S = np.swapaxes(state, -1, -2)
    if plan.order == "sequential":  # solved for this state, no inverse
        e = plan.at("innovation", b * plan.at("innovation", x.v - plan.dot(decayed, S)))
        for t in range(1, n):
            e[:, :, t] -= plan.at("sum", (A[:, :, t, None, :t] @ e[:, :, :t])[:, :, 0])
    else:
        T = inverse(plan, A)
        u, w = plan.dot(T, plan.at("product", b * x.v)), plan.dot(T, plan.at("product", b * decayed))
        e = u if fault == "entering state not erased" else plan.at("innovation", u - plan.dot(w, S))
    if fault == "no erase":
        e = b * x.v
    W = scores(plan, x.q, x.k, D) * np.tri(n, k=-1 if fault == "mask strict" else 0, dtype=x.v.dtype)
    y = plan.dot(plan.at("product", x.q * entering), S) + plan.dot(W, e)
    kept = x.k if fault == "writes undecayed in the carry" else plan.at("product", x.k * leaving)
    if fault == "boundary token lost":
        e = np.concatenate([e[:, :, :-1], e[:, :, -1:] * 0], axis=2)
    whole = np.ones_like(entering[:, :, -1]) if fault == "chunk decay missing" else entering[:, :, -1]
    if fault == "chunk decay one step short" and n > 1:
        whole = entering[:, :, -2]
    after = plan.at("product", state * whole[..., None, :]) + plan.dot(np.swapaxes(e, -1, -2), kept)
    return y, plan.at("sum", after)
