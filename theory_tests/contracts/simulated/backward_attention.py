"""Gradients of the two attention operators, from the saved logarithms of the denominators.

With p = exp(s - lse), dp = dy v' and delta = sum(dy y),

    ds = p (dp - delta + dlse),    dv = p' dy,    dq = scale ds k,    dk = scale ds' q,
    dsink = sum p_sink (dlse - delta)

block by block of keys and of queries; then back through soft cap, rotary, norm and groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .attention import Positions, both_streams, of_queries, pairs, rms_norm, unpaired, window_stream
from .backward_eager import eager_gradients
from .gradients import cotangent, directions, over_batch, over_members
from .plan import Plan
from .read_out import Stream, attend, finish, log2e, sweep
from .stages import exponential

# -- the read-out -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Saved:
    """What the softmax over a set of keys left, and its cotangents; all (b, h, T) or (b, h, T, v)."""

    lse: np.ndarray
    delta: np.ndarray
    dy: np.ndarray
    dlse: np.ndarray

    @classmethod
    def of(cls, plan: Plan, y, lse, dy, dlse) -> Saved:
        delta = plan.at("delta", (dy * plan.at("output", y)).sum(axis=-1))
        if plan.fault == "delta missing":
            delta = np.zeros_like(delta)
        if plan.fault == "delta of the neighbouring row":
            delta = np.roll(delta, 1, axis=-1)
        return cls(plan.at("lse", lse), delta, dy, dlse)


def scores_and_slopes(plan: Plan, stream: Stream):
    """Scores in view and the derivative of the soft cap."""
    scale = plan.at("scale", 1.0 if plan.scale_in == "query" else stream.scale)
    s = plan.at("score", plan.dot(stream.query, np.swapaxes(stream.key, -1, -2)) * scale)
    slope = None
    if stream.softcap is not None:
        cap = plan.at("softcap", stream.softcap)
        t = plan.at("tanh", np.tanh(s / cap))
        s, slope = plan.at("score", cap * t), 1 - t * t
    if stream.bias is not None:
        s = plan.at("score", s + plan.at("bias", stream.bias))
    return s, slope


def probabilities(plan: Plan, stream: Stream, s: np.ndarray, lse: np.ndarray) -> np.ndarray:
    """exp(s - lse) in view, 0 out of view and in rows without keys."""
    unit = plan.at("unit", log2e(plan) if plan.base2 else 1.0)
    lse = np.where(np.isneginf(lse), lse.dtype.type(0), lse)[..., None]
    p = exponential(plan, plan.at("exponent", (s - lse) * unit))
    return plan.at("p", np.where((stream.seen > 0) & ~np.isneginf(s), p, p.dtype.type(0)))


def tile_gradients(plan: Plan, stream: Stream, saved: Saved):
    """dq, dk, dv and the gradient of the scores, of one block of queries and keys."""
    s, slope = scores_and_slopes(plan, stream)
    p = probabilities(plan, stream, s, saved.lse)
    dp = plan.dot(saved.dy, np.swapaxes(stream.value, -1, -2))
    centred = plan.at("centred", dp - saved.delta[..., None])
    if plan.fault != "lse cotangent ignored":
        centred = centred + saved.dlse[..., None]
    ds = dp if plan.fault == "softmax not differentiated" else plan.at("ds", p * centred)
    dbias = ds
    if slope is not None and plan.fault != "soft cap derivative missing":
        ds = ds * (np.sqrt(slope) if plan.fault == "soft cap derivative without its square" else slope)
        dbias = ds if plan.fault == "bias gradient through the soft cap" else dbias
    scale = plan.at("scale", stream.scale)
    for_queries = ds if plan.fault == "scale missing in dq" else ds * scale
    keyed = plan.scale_in == "query" or plan.fault == "scale missing in dk"  # the saved queries are scaled
    for_keys = ds if keyed else ds * scale
    if plan.fault == "scale twice in dk":
        for_keys = for_keys * scale
    dv = plan.dot(np.swapaxes(p, -1, -2), saved.dy)
    return plan.dot(for_queries, stream.key), plan.dot(np.swapaxes(for_keys, -1, -2), stream.query), dv, dbias


def _queries(stream: Stream, saved: Saved, low: int, high: int) -> tuple[Stream, Saved]:
    own = np.s_[:, :, low:high]
    bias = None if stream.bias is None else stream.bias[own]
    block = replace(stream, query=stream.query[own], seen=stream.seen[own], bias=bias)
    return block, Saved(saved.lse[own], saved.delta[own], saved.dy[own], saved.dlse[own])


def stream_gradients(plan: Plan, stream: Stream, saved: Saved):
    """Query gradients added up over blocks of keys, key gradients over blocks of queries."""
    dq, dk, dv = (np.zeros_like(x) for x in (stream.query, stream.key, stream.value))
    T, S = stream.query.shape[-2], stream.key.shape[-2]
    ds = np.zeros((*stream.query.shape[:2], T, S), dq.dtype)
    size = plan.chunk or max(T, S, 1)
    blocks = [*range(0, T, size)]
    for low in blocks[::-1] if plan.order == "reversed" else blocks:
        rows = slice(low, min(low + size, T))
        block, own = _queries(stream, saved, rows.start, rows.stop)
        for begin in range(0, S, size):
            keys = slice(begin, min(begin + size, S))
            tile = block.keys(keys.start, keys.stop)
            if not tile.seen.any():
                continue
            dq_, dk_, dv_, ds[..., rows, keys] = tile_gradients(plan, tile, own)
            dq[..., rows, :] = plan.at("dq", dq[..., rows, :] + dq_)
            if plan.fault == "key gradients of the last block of queries only":
                dk[..., keys, :] = dv[..., keys, :] = 0
            dk[..., keys, :] = plan.at("dk", dk[..., keys, :] + dk_)
            dv[..., keys, :] = plan.at("dv", dv[..., keys, :] + dv_)
    return dq, dk, dv, ds


def _oldest(seen: np.ndarray) -> np.ndarray:
    """The oldest key in view of each row, as a mask."""
    return (seen > 0) & (np.cumsum(seen > 0, axis=-1) == 1)


def both_gradients(plan: Plan, stream: Stream, saved: Saved):
    """`stream_gradients`; a mutant sees other keys where it adds up those of keys and values."""
    dq, dk, dv, ds = stream_gradients(plan, stream, saved)
    seen = stream.seen
    match plan.fault:
        case "key gradient of a window one short":
            seen = (seen > 0) & ~_oldest(seen)
        case "key gradient of a window one long":
            seen = (seen > 0) | np.concatenate([_oldest(seen)[..., 1:], np.zeros_like(seen[..., :1])], axis=-1)
        case "key gradient of the next query":
            seen = np.concatenate([seen[..., :1, :], seen[..., :-1, :]], axis=-2)
        case "query gradient of a window one short":
            return stream_gradients(plan, replace(stream, seen=(seen > 0) & ~_oldest(seen)), saved)[0], dk, dv, ds
        case "key gradient shifted by S - T":
            shift = stream.query.shape[-2] - stream.key.shape[-2]
            return dq, np.roll(dk, shift, axis=-2), np.roll(dv, shift, axis=-2), ds
        case _:
            return dq, dk, dv, ds
    _, dk, dv, _ = stream_gradients(plan, replace(stream, seen=seen), saved)
    return dq, dk, dv, ds


def read_out_gradients(forward: Plan, plan: Plan, streams: list[Stream], sink, dy, dlse):
    """Per stream (dq, dk, dv, dscores), heads first, and the gradient of the sink."""
    if plan.scheme == "eager":
        return eager_gradients(plan, streams, sink, dy, dlse)
    y, lse = attend(forward, streams, sink)
    y = forward.out(y) if plan.io == plan.formats.get("out") else y  # a short output is saved as it was stored
    whole = Saved.of(plan, y, lse, dy, dlse)
    if plan.scheme == "passes":
        found = [both_gradients(plan, s, _of_pass(forward, plan, s, whole, y)) for s in streams]
    else:
        found = [both_gradients(plan, s, whole) for s in streams]
    dsink = None
    if sink is not None:
        p = np.exp(plan.at("sink", sink)[:, None] - whole.lse)
        sign = -1 if plan.fault == "sink gradient with the wrong sign" else 1
        through_lse = 0 if plan.fault == "sink gradient without that of the lse" else whole.dlse
        dsink = over_batch(plan, sign * p * (through_lse - whole.delta), (0, 2), "dsink")
        dsink = np.zeros_like(dsink) if plan.fault == "sink gradient missing" else dsink
    return found, dsink


def _of_pass(forward: Plan, plan: Plan, stream: Stream, whole: Saved, y: np.ndarray) -> Saved:
    """A pass of its own, behind the merge y = sum w y_i, w = exp(lse_i - lse): its share of the
    cotangents, dy_i = w dy and dlse_i = w (dy (y_i - y) + dlse)."""
    own, lse = finish(forward, sweep(forward, [stream], [(0, stream.key.shape[-2])]))
    share = np.exp(lse - np.where(np.isneginf(whole.lse), lse.dtype.type(0), whole.lse))
    dlse = share * ((whole.dy * (own - y)).sum(axis=-1) + whole.dlse)
    if plan.fault == "path through the lse of the merge missing":
        dlse = np.zeros_like(dlse)
    if plan.fault == "merge weights not differentiated":
        dlse = share * whole.dlse
    if plan.fault == "share missing in the cotangent of a pass":
        share = np.ones_like(share)
    return Saved.of(plan, own, lse, share[..., None] * whole.dy, dlse)


# -- positions and norms ------------------------------------------------------------------------


def rotary_gradient(plan: Plan, dy, x, positions: Positions | None):
    """The rotation back, and the gradients of cos and sin, summed over the heads."""
    if positions is None:
        return dy, None, None
    cos, sin = positions.cos, positions.sin
    d1, d2, rest = pairs(dy, positions)
    x1, x2, _ = pairs(x, positions)
    dcos, dsin = (d1 * x1 + d2 * x2).sum(axis=-2), (d2 * x1 - d1 * x2).sum(axis=-2)
    if plan.fault == "not rotated back":
        return dy, dcos, dsin
    if plan.fault == "rotated on, not back":
        sin = -sin
    return plan.at("rotated", unpaired(d1 * cos + d2 * sin, d2 * cos - d1 * sin, rest, positions)), dcos, dsin


def norm_gradient(plan: Plan, dy, x, weight, eps: float):
    """dx = r (dy w - n mean(dy w n)) and the terms of dw = dy n, with r = 1 / sqrt(mean x^2 + eps), n = x r."""
    if weight is None:
        return dy, None
    weight = plan.at("weight", weight)
    r = plan.at("reciprocal_root", 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + plan.at("eps", eps)))
    n = plan.at("normed", x * r)
    inner = dy * weight
    along = n * (inner * n).mean(axis=-1, keepdims=True)
    match plan.fault:
        case "norm gradient without its projection":
            along = 0 * along
        case "norm gradient projected by a sum":
            along = along * x.dtype.type(x.shape[-1])
        case "norm gradient without the weight":
            inner = dy
    terms = dy * n * weight if plan.fault == "norm weight gradient through the weight" else dy * n
    if plan.fault == "norm weight gradient of raw inputs":
        terms = dy * x
    return plan.at("sum", r * (inner - along)), terms


class Gradients(dict):
    """Gradients by argument name; what reaches an argument twice is added."""

    def add(self, name: str, gradient) -> None:
        if gradient is not None:
            self[name] = self[name] + gradient if name in self else gradient


def into_arguments(plan: Plan, out: Gradients, dx, name: str, norm: str, arguments: dict, positions, rows) -> None:
    """From projected queries or keys (b, rows, heads, k) back to the argument, its norm and the rows of
    the tables that turned it."""
    x, weight, eps = plan.at("load", arguments[name]), arguments.get(norm), arguments.get("norm_eps", 1e-6)
    normed = rms_norm(replace(plan, fault=""), x, weight, eps)
    dx, dcos, dsin = rotary_gradient(plan, dx, normed, positions)
    dx, terms = norm_gradient(plan, dx, x, weight, eps)
    if terms is not None:
        if plan.fault == "norm weight gradient of the last head only":
            terms = terms[:, :, -1:]
        out.add(norm, over_batch(plan, terms, (0, 1, 2), "dnorm"))
    out.add(name, dx)
    for table, terms in (("cos", dcos), ("sin", dsin)):
        if terms is not None:
            terms = over_batch(plan, terms, (0,), "dtable") if np.ndim(arguments[table]) == 2 else terms
            whole = np.zeros(np.shape(arguments[table]), terms.dtype)
            whole[..., rows, :] = terms
            out.add(table, whole)


# -- operators ------------------------------------------------------------------------------------


def _cotangents(plan: Plan, arguments: dict, value, cotangent_y, cotangent_lse):
    batch, T, heads = arguments["query"].shape[:3]
    like = plan.at("load", np.zeros((batch, T, heads, value.shape[-1])))
    dy, dlse = cotangent(plan, cotangent_y, like), cotangent(plan, cotangent_lse, like[..., 0])
    return np.swapaxes(dy, 1, 2), np.swapaxes(dlse, 1, 2)


def _stream_into(plan: Plan, out: Gradients, found, names: dict, arguments: dict) -> None:
    """Gradients of one stream, reduced over groups, into its query, key and value."""
    dq, dk, dv, _ = (np.swapaxes(x, 1, 2) for x in found)
    T, S, groups = dq.shape[1], dk.shape[1], arguments[names["key"]].shape[2]
    positions = Positions.of(plan, arguments.get("cos"), arguments.get("sin"), arguments.get("interleaved", False))
    if plan.fault == "query gradient of the other stream lost" and names["key"] != "key":
        dq = np.zeros_like(dq)
    turned = of_queries(plan, positions, T, S)
    into_arguments(plan, out, dq, names["query"], names["query_norm"], arguments, turned, slice(S - T, S))
    dk = over_members(plan, dk, groups, "dk")
    into_arguments(plan, out, dk, names["key"], names["key_norm"], arguments, positions, slice(0, S))
    out.add(names["value"], over_members(plan, dv, groups, "dv"))


_RAW = {name: name for name in ("query", "key", "value", "query_norm", "key_norm")}


def _short(plan: Plan, gradients: Gradients) -> dict[str, np.ndarray]:
    """Gradients of tokens in the output format, those of parameters as they were summed."""
    tokens = {"query", "key", "value", "fading_query", "fading_key", "fading_value"}
    return {name: plan.out(g) if name in tokens else g for name, g in gradients.items()}


def sliding_window_attention(plan, *, sink=None, cotangent_y=None, cotangent_lse=None, **arguments):
    forward, plan = directions(plan)
    stream = window_stream(forward, **arguments)
    dy, dlse = _cotangents(plan, arguments, stream.value, cotangent_y, cotangent_lse)
    (found,), dsink = read_out_gradients(forward, plan, [stream], sink, dy, dlse)
    out = Gradients()
    _stream_into(plan, out, found, _RAW, arguments)
    bias = arguments.get("bias")
    if bias is not None:
        shared = np.ndim(bias) == 3
        out.add("bias", over_batch(plan, found[3], (0,), "dbias") if shared else found[3])
    out.add("sink", dsink)
    return _short(plan, out)


def bmojo_f(plan, *, cotangent_y=None, cotangent_lse=None, **arguments):
    forward, plan = directions(plan)
    streams = both_streams(forward, **arguments)
    dy, dlse = _cotangents(plan, arguments, streams[0].value, cotangent_y, cotangent_lse)
    found, _ = read_out_gradients(forward, plan, streams, None, dy, dlse)
    # What the fading stream shares with the raw one gets the gradients of both.
    fading = {name: f"fading_{name}" if arguments.get(f"fading_{name}") is not None else name for name in _RAW}
    out = Gradients()
    for gradients, names in zip(found, (_RAW, fading), strict=True):
        _stream_into(plan, out, gradients, names, arguments)
    return _short(plan, out)
