"""The softmax read-out over keys in view: y = sum p v,  p = exp(s) / (sum exp(s) + exp(sink)).

Arrays are laid out (batch, head, query, key).  A softmax under way is a `Part`; it takes one block
of keys after the other (all keys at once: the plain softmax), and finished parts are combined by
the logarithms of their denominators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .arithmetic import rounded, widened
from .plan import Plan
from .stages import LOG2E, exponential


@dataclass(frozen=True)
class Stream:
    """Keys, and the queries that look at them."""

    query: np.ndarray  # (b, h, T, k)
    key: np.ndarray  # (b, h, S, k)
    value: np.ndarray  # (b, h, S, v)
    seen: np.ndarray  # (b | 1, 1, T, S), how often a key counts: 0, 1, and in a mutant 2
    scale: float
    softcap: float | None = None
    bias: np.ndarray | None = None  # (b | 1, h, T, S)

    def keys(self, low: int, high: int) -> Stream:
        bias = None if self.bias is None else self.bias[..., low:high]
        return replace(self, key=self.key[..., low:high, :], value=self.value[..., low:high, :],
                       seen=self.seen[..., low:high], bias=bias)


@dataclass(frozen=True)
class Part:
    """A softmax under way: the largest score, the sum of exp(score - top), that of exp(...) value."""

    top: np.ndarray
    total: np.ndarray
    value: np.ndarray


def log2e(plan: Plan) -> np.ndarray:
    return rounded(np.float64(LOG2E), plan.formats.get("log2e", plan.work))


def bounded(plan: Plan, s: np.ndarray, softcap: float | None) -> np.ndarray:
    """softcap tanh(s / softcap)"""
    if softcap is None or plan.fault == "soft cap forgotten":
        return s
    cap = plan.at("softcap", softcap)
    if plan.fault == "soft cap clips":
        return np.clip(s, -cap, cap)
    bounded = plan.at("tanh", np.tanh(plan.at("quotient", s / cap)))
    return bounded if plan.fault == "soft cap not multiplied back" else plan.at("score", cap * bounded)


def scores(plan: Plan, stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Scores, -inf for a key out of view, and the factor that makes them exponents.  A kernel with
    exp2 leaves scale and log2(e) to that factor wherever nothing stands between."""
    s = plan.dot(stream.query, np.swapaxes(stream.key, -1, -2))
    scale = plan.at("scale", 1.0 if plan.scale_in == "query" else stream.scale)
    unit = plan.at("unit", log2e(plan) if plan.base2 else 1.0)
    bias = 0 if stream.bias is None else plan.at("bias", stream.bias)
    if plan.base2 and stream.softcap is None and stream.bias is None and scale > 0:
        unit = plan.at("unit", scale * unit)
    elif plan.fault == "soft cap after the bias":
        s = bounded(plan, plan.at("score", s * scale + bias), stream.softcap)
    elif plan.fault == "soft cap before the scale":
        s = bounded(plan, s, stream.softcap) * scale + bias
    elif plan.fault == "bias scaled with the scores":
        s = bounded(plan, (s + bias) * scale, stream.softcap)
    else:
        s = plan.at("score", bounded(plan, plan.at("score", s * scale), stream.softcap) + bias)
    return np.where(stream.seen > 0, s, plan.at("score", -np.inf)), unit


def weights(plan: Plan, s: np.ndarray, top: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """exp((s - top) unit), 0 for s = -inf also where there is no key at all (top = -inf), or none but
    with the most negative number for a bias, which overflows in units of log2."""
    unguarded = plan.fault == "block without keys gives NaN"
    shift = plan.at("exponent", top * unit)[..., None]
    shift = shift if unguarded else np.where(np.isneginf(shift), shift.dtype.type(0), shift)
    product = widened(s) * unit if plan.fma else plan.at("exponent", s * unit)
    p = exponential(plan, plan.at("exponent", product - shift))
    return p if unguarded else np.where(np.isneginf(s), p.dtype.type(0), p)


def _largest(plan: Plan, part: Part, stream: Stream, s: np.ndarray) -> np.ndarray:
    match plan.fault:
        case "no maximum":
            return np.zeros_like(part.top)
        case "maximum over hidden keys too":
            s, _ = scores(plan, replace(stream, seen=np.ones_like(stream.seen)))
        case "maximum of the first block kept" if np.any(part.total):
            return part.top
    return np.maximum(part.top, s.max(axis=-1, initial=-np.inf))


def extend(plan: Plan, part: Part, stream: Stream) -> tuple[Part, np.ndarray]:
    """The part with a block of keys taken in, and the unit of its scores."""
    s, unit = scores(plan, stream)
    top = _largest(plan, part, stream, s)
    rescale = weights(plan, part.top[..., None], top, unit)[..., 0]
    p = weights(plan, s, part.top if plan.fault == "weights with the previous maximum" else top, unit)
    p = p * stream.seen if stream.seen.max(initial=0) > 1 else p
    old_total = part.total if plan.fault == "denominator not rescaled" else rescale * part.total
    old_value = part.value if plan.fault == "accumulator not rescaled" else rescale[..., None] * part.value
    if plan.fault == "accumulator rescaled twice":
        old_value = rescale[..., None] * old_value
    summed = plan.at("accumulator", old_value + plan.dot(plan.at("weights", p), stream.value))
    return Part(top, plan.at("total", old_total + plan.total(p)), summed), unit


def _start(plan: Plan, stream: Stream, sink) -> Part:
    shape = np.broadcast_shapes(stream.query.shape[:-1], stream.seen.shape[:-1])
    top, total = (-np.inf, 0.0) if sink is None else (sink[:, None], 1.0)
    return Part(plan.at("score", np.broadcast_to(top, shape)), plan.at("total", np.full(shape, total)),
                plan.at("sum", np.zeros((*shape, stream.value.shape[-1]))))


def sweep(plan: Plan, streams, spans, sink=None) -> Part:
    """All keys of the spans (low, high) of the streams, block after block; the largest score of
    the result is an exponent (of 2 for a kernel with exp2)."""
    part, unit = _start(plan, streams[0], sink), plan.at("unit", 1.0)
    for stream, (low, high) in zip(streams, spans, strict=True):
        size = plan.chunk or max(high - low, 1)
        if plan.fault == "last ragged block dropped":
            high = low + (high - low) // size * size
        for begin in range(low, high, size):
            block = stream.keys(begin, min(begin + size, high))
            if plan.fault == "padding of the last block counts" and high - begin < size:
                block = _padded(block, size - (high - begin))
            part, unit = extend(plan, part, block)
    return replace(part, top=plan.at("exponent", part.top * unit))


def _padded(block: Stream, rows: int) -> Stream:
    """Zero keys and values past the end, in view of every row that sees the block at all."""
    def longer(x, axis):
        width = [(0, 0)] * x.ndim
        width[axis] = (0, rows)
        return np.pad(x, width)

    touched = block.seen.max(axis=-1, keepdims=True)
    return replace(block, key=longer(block.key, -2), value=longer(block.value, -2),
                   seen=np.concatenate([block.seen, np.repeat(touched, rows, axis=-1)], axis=-1),
                   bias=None if block.bias is None else longer(block.bias, -1))


def with_sink(plan: Plan, part: Part, sink) -> Part:
    """The sink joins at the end: a score with weight in the denominator and no value."""
    if sink is None:
        return part
    exponent = sink if plan.fault == "sink not in units of log2" or not plan.base2 else sink * log2e(plan)
    exponent = plan.at("exponent", np.broadcast_to(exponent[:, None], part.top.shape))
    one = plan.at("unit", 1.0)
    top = np.maximum(part.top, exponent)
    if plan.fault == "maximum without the sink":
        top = part.top
    kept, own = (weights(plan, e[..., None], top, one)[..., 0] for e in (part.top, exponent))
    return Part(top, plan.at("total", kept * part.total + own), plan.at("sum", kept[..., None] * part.value))


def finish(plan: Plan, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """(y, lse): y = value / total, 0 without keys; lse = top + log(total), natural."""
    empty = part.total == 0
    if plan.fault == "row without keys gives NaN":
        empty = np.zeros_like(empty)
    reciprocal = plan.at("reciprocal", 1 / np.where(empty, 1, part.total))
    y = plan.at("sum", part.value * reciprocal[..., None])
    logarithm = np.log2(part.total) if plan.base2 else np.log(part.total)
    lse = logarithm if plan.fault == "lse without the maximum" else part.top + logarithm
    if plan.base2 and plan.fault != "lse in units of log2":
        lse = plan.at("lse", lse) * plan.at("unit", np.log(2))
    if plan.fault == "lse of a row without keys is +inf":
        lse = np.where(empty, np.inf, lse)
    if plan.fault == "empty part counts as one key":
        lse = np.where(empty, 0, lse)
    return y, plan.at("lse", lse)


def combine(plan: Plan, parts, sink) -> tuple[np.ndarray, np.ndarray]:
    """One softmax from the finished softmaxes of a partition of its keys."""
    parts = list(parts)
    if sink is not None:
        y, lse = parts[0]
        parts.append((np.zeros_like(y), np.broadcast_to(sink[:, None], lse.shape)))
    lse = np.stack([part[1] for part in parts])
    if plan.fault == "merge with the lse of the first part" and len(parts) > 1:
        lse[1] = np.where(np.isneginf(lse[1]), lse[1], lse[0])
    top = lse.max(axis=0)
    if plan.fault != "merge of empty parts gives NaN":
        top = np.where(np.isneginf(top), top.dtype.type(0), top)
    if plan.fault == "merge without maximum":
        top = np.zeros_like(top)
    share = np.exp2(lse - top) if plan.fault == "merge in powers of 2" else np.exp(lse - top)
    share = plan.at("share", share)
    if plan.fault == "merge as a mean":
        share = np.where(np.isneginf(lse), share.dtype.type(0), share.dtype.type(1))
    total = plan.at("total", share.sum(axis=0))
    summed = sum(w[..., None] * y for w, (y, _) in zip(share, parts, strict=True))
    guarded = np.where(total == 0, total.dtype.type(1), total)
    if plan.fault == "merge of empty parts gives NaN":
        guarded = total
    return plan.at("sum", summed / guarded[..., None]), plan.at("lse", top + np.log(total))


def attend(plan: Plan, streams: list[Stream], sink=None) -> tuple[np.ndarray, np.ndarray]:
    """y (b, h, T, v) and lse (b, h, T): one softmax over the keys of all streams and the sink."""
    sink = None if sink is None else plan.at("sink", sink)
    if plan.fault == "sink counted in every block" and sink is not None:
        sink = sink + plan.at("sink", np.log(max(-(-streams[0].key.shape[-2] // plan.chunk), 1)))
    if plan.scheme == "passes":
        parts = [([s], [(0, s.key.shape[-2])]) for s in streams]
    else:
        cuts = [[round(s.key.shape[-2] * i / plan.splits) for i in range(plan.splits + 1)] for s in streams]
        parts = [(streams, [(c[i], c[i + 1]) for c in cuts]) for i in range(plan.splits)]
    if len(parts) == 1:
        return _in_one_sweep(plan, *parts[0], sink)
    inside = sink if plan.fault == "sink counted in every part" else None
    finished = [finish(plan, with_sink(plan, sweep(plan, *part), inside)) for part in parts]
    return combine(plan, finished, None if inside is not None else sink)


def _in_one_sweep(plan: Plan, streams, spans, sink) -> tuple[np.ndarray, np.ndarray]:
    if plan.sink_at == "first":
        return finish(plan, sweep(plan, streams, spans, sink))
    part = sweep(plan, streams, spans)
    y, lse = finish(plan, with_sink(plan, part, sink))
    if plan.fault == "lse before the sink":
        lse = finish(plan, part)[1]
    if plan.fault == "sink reads the first value" and sink is not None:
        y = y + np.exp(sink[:, None] - lse)[..., None] * streams[0].value[..., :1, :]
    return y, lse
