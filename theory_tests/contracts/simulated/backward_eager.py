"""Gradients of the softmax read-out as autograd composes them: one operation after the other, on whole rows.

No output is kept.  The derivative of a softmax reads the weights alone,

    ds = p (dp - sum_j p_j dp_j),    dp = dy v'

and the result of every operation is stored, in the format of the scores where they have one: score, dp,
ds and what they pass through (site "score"), weights (site "p"), and the gradients of keys and values of
each head (site "head") before those of a group are added.
"""

from __future__ import annotations

import numpy as np

from .gradients import over_batch
from .plan import Plan
from .read_out import Stream


def _scores(plan: Plan, stream: Stream):
    """Scores, -inf out of view, and the tanh of the soft cap."""
    s = plan.at("score", plan.dot(stream.query, np.swapaxes(stream.key, -1, -2)))
    s, t = plan.at("score", s * plan.at("scale", stream.scale)), None
    if stream.softcap is not None:
        cap = plan.at("softcap", stream.softcap)
        t = plan.at("score", np.tanh(plan.at("score", s / cap)))
        s = plan.at("score", t * cap)
    if stream.bias is not None:
        s = plan.at("score", s + plan.at("bias", stream.bias))
    return np.where(stream.seen > 0, s, s.dtype.type(-np.inf)), t


def _softmax(plan: Plan, s: np.ndarray):
    """Weights, and the derivative of the logarithm of their sum, which exponentiates again."""
    top = s.max(axis=-1, keepdims=True, initial=-np.inf)
    top = np.where(np.isneginf(top), top.dtype.type(0), top)
    e = plan.at("exponential", np.exp(s - top))
    total = plan.total(e)[..., None]
    total = np.where(total == 0, total.dtype.type(1), total)
    return plan.at("p", e / total), plan.at("exponential", np.exp(s - plan.at("lse", top + np.log(total))))


def _score_gradients(plan: Plan, s: np.ndarray, dp: np.ndarray, dlse: np.ndarray):
    p, slope = _softmax(plan, s)
    delta = plan.total(plan.at("product", p * dp))
    ds = plan.at("score", p * (dp - delta[..., None]))
    return p, plan.at("score", ds + plan.at("score", slope * dlse[..., None]))


def _through_cap(plan: Plan, ds: np.ndarray, t, softcap):
    if t is None:
        return ds
    cap = plan.at("softcap", softcap)
    slope = plan.at("score", 1 - plan.at("score", t * t))
    return plan.at("score", plan.at("score", plan.at("score", ds * cap) * slope) / cap)


def eager_gradients(plan: Plan, streams: list[Stream], sink, dy, dlse):
    """Per stream (dq, dk, dv, dscores), heads first, and the gradient of the sink."""
    scored = [_scores(plan, stream) for stream in streams]
    dps = [plan.at("score", plan.dot(dy, np.swapaxes(stream.value, -1, -2))) for stream in streams]
    columns, slopes = [s for s, _ in scored], list(dps)
    if sink is not None:
        own = plan.at("sink", sink)[:, None, None]
        columns.append(np.broadcast_to(own, (*dlse.shape, 1)))
        slopes.append(np.zeros((*dlse.shape, 1), dy.dtype))
    every, of_every = (np.concatenate(x, axis=-1) for x in (columns, slopes))
    cuts = np.cumsum([s.shape[-1] for s, _ in scored])
    ps, dss = (np.split(x, cuts, axis=-1) for x in _score_gradients(plan, every, of_every, dlse))
    found = []
    for stream, (_, t), p, ds in zip(streams, scored, ps, dss, strict=False):
        g = plan.at("score", _through_cap(plan, ds, t, stream.softcap) * plan.at("scale", stream.scale))
        dk, dv = (plan.at("head", plan.dot(np.swapaxes(x, -1, -2), y)) for x, y in ((g, stream.query), (p, dy)))
        found.append((plan.dot(g, stream.key), dk, dv, ds))
    return found, None if sink is None else over_batch(plan, dss[-1][..., 0], (0, 2), "dsink")
