"""Gradients of the gated delta rule: a reverse scan over saved states, and chunk by chunk in matrix form.

With the gradient G of S(t) and R = G - beta (G k) k' that of S~(t) = a S(t-1), e = v - S~ k,

    G(t) = g q' + a R(t+1),   dv = beta G k,   dq = S' g,   dbeta = e'G k,   dlog a = <R, S~>
    dk = beta (G'e - S~'G k)
"""

from __future__ import annotations

import numpy as np

from . import delta
from .delta import Tokens
from .gradients import cotangent, directions, over_members
from .plan import Plan

Found = dict[str, np.ndarray]


def gated_delta_rule(
    plan, *, query, key, value, beta, log_decay=None, scale=None, l2norm=False, norm_eps=1e-6, initial_state=None,
    seq_idx=None, cu_seqlens=None, cotangent_y=None, cotangent_final_state=None,
):
    forward, plan = directions(plan)
    x = delta.prepared(forward, query, key, value, beta, log_decay, scale, l2norm, norm_eps)
    batch, heads, length, width = x.v.shape
    packed = cu_seqlens is not None
    shape = (len(cu_seqlens) - 1 if packed else batch, heads, width, key.shape[3])
    start = plan.at("start", np.zeros(shape) if initial_state is None else initial_state)
    last = cotangent(plan, None if plan.fault == "final-state cotangent ignored" else cotangent_final_state, start)
    ybar = cotangent(plan, cotangent_y, plan.at("load", value)).transpose(0, 2, 1, 3)
    found = {name: np.zeros_like(a) for name, a in (("q", x.q), ("k", x.k), ("v", x.v), ("beta", x.beta), ("g", x.g))}
    dstart = np.zeros_like(start)
    for b, i, spans in _sequences(plan, batch, length, seq_idx, cu_seqlens):
        own = x.row(b)
        onward, states = last[i : i + 1], [start[i : i + 1]]
        for n, (low, high) in enumerate(spans):  # a state enters the first span only: the others are reset
            states.append(delta.segment(forward, own.rows(low, high), states[-1] if n == 0 else states[0] * 0)[1])
        for n, (low, high) in reversed([*enumerate(spans)]):
            entering = states[0] if n == 0 else states[0] * 0
            part, left = segment(forward, plan, own.rows(low, high), ybar[b : b + 1, :, low:high], entering, onward)
            for name, a in part.items():
                found[name][b : b + 1, :, low:high] = a
            onward = left if plan.fault == "boundary ignored" else left * 0
        dstart[i] = left[0] if spans else last[i]
    return _arguments(plan, found, dstart, query, key, log_decay, scale, l2norm, norm_eps, initial_state)


def _sequences(plan: Plan, batch: int, length: int, seq_idx, cu_seqlens):
    """(row, sequence, spans between resets) of every sequence; empty ones have no span."""
    if cu_seqlens is not None:
        for i, (low, high) in enumerate(zip(cu_seqlens, cu_seqlens[1:], strict=False)):
            yield 0, i, [(low, high)] if low < high else []
        return
    for b in range(batch):
        cuts = [] if seq_idx is None else [int(c) + 1 for c in np.flatnonzero(np.diff(np.asarray(seq_idx)[b]))]
        edges = [0, *cuts, length]
        yield b, b, [*zip(edges, edges[1:], strict=False)] if length else []


def _arguments(plan, found: Found, dstart, query, key, log_decay, scale, l2norm, norm_eps, initial_state) -> Found:
    """From heads back to groups, through the norms and the scale."""
    q, k, v, beta, g = (found[name] for name in ("q", "k", "v", "beta", "g"))
    groups, width = key.shape[2], key.shape[3]
    scale = plan.at("scale", np.asarray(width**-0.5 if scale is None else scale))
    if plan.fault != "dq without the scale":
        q = plan.at("query", q * scale)
    q, k = (over_members(plan, a.transpose(0, 2, 1, 3), groups, site) for a, site in ((q, "dq"), (k, "dk")))
    if l2norm:
        q, k = (_through_norm(plan, a, plan.at("load", x), norm_eps) for a, x in ((q, query), (k, key)))
    gradients = {"query": plan.out(q), "key": plan.out(k), "value": plan.out(v.transpose(0, 2, 1, 3)),
                 "beta": plan.out(beta.transpose(0, 2, 1))}
    if log_decay is not None:
        g = g.transpose(0, 2, 1, 3)
        gradients["log_decay"] = plan.out(g[..., 0] if np.ndim(log_decay) == 3 else g)
    if initial_state is not None:
        gradients["initial_state"] = plan.at("start", dstart)
    return gradients


def _through_norm(plan: Plan, a: np.ndarray, x: np.ndarray, eps: float) -> np.ndarray:
    """x / |x|: the part of the gradient along x goes."""
    if plan.fault == "norm taken for a constant":
        return a / np.sqrt(plan.total(x * x) + x.dtype.type(eps))[..., None]
    r = plan.at("rsqrt", 1 / np.sqrt(plan.total(x * x) + x.dtype.type(eps)))[..., None]
    n = plan.at("normed", x * r)
    return plan.at("normed", r * (a - n * plan.total(n * a)[..., None]))


def segment(forward: Plan, plan: Plan, x: Tokens, ybar, state, last) -> tuple[Found, np.ndarray]:
    return (by_steps if plan.scheme == "sequential" else by_chunks)(forward, plan, x, ybar, state, last)


def by_steps(forward: Plan, plan: Plan, x: Tokens, ybar, state, G) -> tuple[Found, np.ndarray]:
    n, saved = x.v.shape[2], []
    for t in range(n):
        old = plan.at("product", state * delta.exp(forward, x.g[:, :, t])[..., None, :])
        held = plan.inner(old, x.k[:, :, t][..., None, :])
        e = plan.at("innovation", x.v[:, :, t] - held)
        before, state = state, old + (x.beta[:, :, t, None] * e)[..., None] * x.k[:, :, t][..., None, :]
        saved.append((before, old, e, state))
    found = {name: np.zeros_like(a) for name, a in (("q", x.q), ("k", x.k), ("v", x.v), ("beta", x.beta), ("g", x.g))}
    for t in range(n)[::-1]:
        before, old, e, after = saved[t]
        k, b = x.k[:, :, t], x.beta[:, :, t, None]
        G = plan.at("state", G + ybar[:, :, t][..., None] * x.q[:, :, t][..., None, :])
        met = plan.inner(G, k[..., None, :])
        found["v"][:, :, t] = met if plan.fault == "dv without beta" else b * met
        read = old if plan.fault == "dq reads the state before its token" else after
        found["q"][:, :, t] = (read * ybar[:, :, t][..., None]).sum(-2)
        found["beta"][:, :, t] = plan.total(met * (x.v[:, :, t] if plan.fault == "dbeta of the write only" else e))
        erased = 0 if plan.fault == "dk of the write only" else (old * met[..., None]).sum(-2)
        written = x.v[:, :, t] if plan.fault == "dk without the prediction" else e
        found["k"][:, :, t] = b * ((G * written[..., None]).sum(-2) - erased)
        R = G if plan.fault == "erase missing on the way back" else G - (b * met)[..., None] * k[..., None, :]
        for_decay = G if plan.fault == "decay gradient before the erase" else R
        own = plan.at("product", for_decay * (before if plan.fault == "decay gradient undecayed" else old)).sum(-2)
        found["g"][:, :, t] = plan.total(own)[..., None] if x.g.shape[-1] == 1 else own
        kept = plan.fault == "decay missing on the way back"
        G = R if kept else plan.at("state", R * delta.exp(forward, x.g[:, :, t])[..., None, :])
    return found, G


def by_chunks(forward: Plan, plan: Plan, x: Tokens, ybar, state, last) -> tuple[Found, np.ndarray]:
    """States of chunks forward, then the chunks from the last to the first."""
    n, c = x.v.shape[2], plan.chunk
    starts, found = [], {name: np.zeros_like(getattr(x, name)) for name in ("q", "k", "v", "beta", "g")}
    for low in range(0, n, c):
        starts.append(state)
        state = plan.at("carry", delta.one_chunk(forward, x.rows(low, min(low + c, n)), state)[1])
    stale = last
    for i, low in reversed([*enumerate(range(0, n, c))]):
        rows = slice(low, min(low + c, n))
        coming = {"carry dropped": last * 0, "carry of the next chunk": stale}.get(plan.fault, last)
        stale = last
        entering = last if rows.stop == n else coming
        part, last = one_chunk(forward, plan, x.rows(rows.start, rows.stop), ybar[:, :, rows], starts[i], entering)
        for name, a in part.items():
            found[name][:, :, rows] = a
    return found, last


def one_chunk(forward: Plan, plan: Plan, x: Tokens, ybar, state, last) -> tuple[Found, np.ndarray]:
    D, entering, leaving = delta.tables(forward, x.g)
    n, b, turn = x.v.shape[2], x.beta[..., None], lambda a: np.swapaxes(a, -1, -2)
    strict, S = np.tri(n, k=-1, dtype=x.v.dtype), turn(state)
    met = delta.scores(forward, x.k, x.k, D)
    W = delta.scores(forward, x.q, x.k, D) * np.tri(n, dtype=x.v.dtype)
    q_in, k_in, k_out = x.q * entering, x.k * entering, x.k * leaving
    T = delta.inverse(forward, b * met * strict)
    error = plan.at("innovation", x.v - plan.dot(k_in, S))
    e = plan.dot(T, b * error)

    ebar = plan.dot(turn(W), ybar) + plan.dot(k_out, turn(last))
    rbar = plan.dot(T if plan.fault == "inverse not transposed" else turn(T), ebar)
    Wbar = plan.dot(ybar, turn(e)) * np.tri(n, dtype=x.v.dtype)
    Abar = -plan.dot(rbar, turn(e)) * strict
    if plan.fault == "gradient of the inverse missing":
        Abar = Abar * 0
    read, left, held = plan.dot(ybar, state), plan.dot(e, last), -plan.dot(b * rbar, state)
    found = {"v": b * rbar, "beta": plan.total(rbar * error) + plan.total(Abar * met)}
    found["q"] = entering * read + _spread(plan, Wbar, D, x.k)
    both = b * Abar
    found["k"] = (
        _spread(plan, turn(Wbar), np.swapaxes(D, 2, 3), x.q) + leaving * left + entering * held
        + _spread(plan, both, D, x.k) + _spread(plan, turn(both), np.swapaxes(D, 2, 3), x.k)
    )
    # the cumulative log decay, at both ends of every term
    pairs = (Wbar[..., None] * x.q[:, :, :, None] + both[..., None] * x.k[:, :, :, None]) * x.k[:, :, None] * D
    out = k_out * left
    at = q_in * read + k_in * held - out
    edge = out.sum(2) + (state * entering[:, :, -1][..., None, :] * last).sum(-2)
    if plan.fault == "state missing in the decay gradient":
        edge = out.sum(2)
    if x.g.shape[-1] == 1:
        pairs, at, edge = (plan.total(a)[..., None] for a in (pairs, at, edge))
    L = pairs.sum(3) - pairs.sum(2) + at
    L[:, :, -1] += edge
    found["g"] = plan.at("cumsum", np.cumsum(L[:, :, ::-1], axis=2, dtype=L.dtype)[:, :, ::-1])
    before = last * entering[:, :, -1][..., None, :] + plan.dot(turn(ybar), q_in)
    if plan.fault != "carry not erased on the way back":
        before = before - plan.dot(turn(b * rbar), k_in)
    return found, plan.at("carry", before)


def _spread(plan: Plan, weights, D, x) -> np.ndarray:
    """sum over s of weights(t, s) D(t, s) x(s)."""
    if D.shape[-1] == 1:
        return plan.dot(weights * D[..., 0], x)
    return (weights[..., None] * D * x[:, :, None]).sum(3)
