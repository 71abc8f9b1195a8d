"""B'MOJO: one softmax over window, selected tokens and fading tokens; and the layer that finds out which to select.

Selected keys are read as further keys of the window's stream (a mask), as a stream of their own, or from a
buffer into which a block of queries gathers them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .attention import Positions, by_head, of_queries, projected, queries, result, rotary, scale_of
from .plan import Plan
from .read_out import Stream, attend
from .selection import Choice, document_starts, places

CHOICES = ("capacity", "rule", "threshold", "count", "eviction", "visibility", "chunk", "entry", "seed")


@dataclass(frozen=True)
class Keys:
    """Projected queries and keys, heads first; and who sees whom."""

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    seen: np.ndarray  # (b, 1, T, S)
    scale: float
    slots: Positions | None = None  # of a mutant, which turns keys where they lie in the buffer

    def rows(self, low: int, high: int) -> Stream:
        return Stream(self.query[:, :, low:high], self.key, self.value, self.seen[:, :, low:high], self.scale)

    def gathered(self, plan: Plan, own: np.ndarray, fetched: np.ndarray, low: int, high: int) -> Stream:
        """A buffer of the keys `fetched` (b, N), -1 for an empty place, in view where those of `own` are."""
        seen = np.take_along_axis(self.seen[:, :, low:high], np.maximum(own, 0)[:, None, None], axis=-1)
        seen = np.where(own[:, None, None] < 0, 0, seen)
        key = at(self.key, fetched)
        if self.slots is not None:
            turned = rotary(plan, np.swapaxes(key, 1, 2), self.slots.rows(np.arange(key.shape[2])))
            key = np.swapaxes(turned, 1, 2)
        return Stream(self.query[:, :, low:high], key, at(self.value, fetched), seen, self.scale)


def at(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Rows `index` (b, N) of (b, h, S, k); -1 reads the first."""
    return np.take_along_axis(x, np.maximum(index, 0)[:, None, :, None], axis=2)


def ages(T: int, S: int) -> np.ndarray:
    """(T, S): how far key j lies behind query t."""
    return np.arange(S - T, S)[:, None] - np.arange(S)


def named(plan: Plan, chosen: np.ndarray, S: int) -> np.ndarray:
    """(b, T, S): how often each key is among the selected."""
    match plan.fault:
        case "empty place read as the first token":
            chosen = np.maximum(chosen, 0)
        case "empty place read as the last token":
            chosen = np.where(chosen < 0, S - 1, chosen)
        case "selected keys of the first batch row":
            chosen = np.repeat(chosen[:1], len(chosen), axis=0)
        case "selected keys of the row before":
            chosen = np.concatenate([chosen[:, :1], chosen[:, :-1]], axis=1)
        case "newest selected key lost":
            chosen = chosen[..., 1:]
        case "oldest selected key lost":
            chosen = chosen[..., : max(chosen.shape[-1] - 1, 0)]
        case "token after the selected one":
            chosen = np.where(chosen < 0, -1, np.minimum(chosen + 1, np.arange(S - chosen.shape[1], S)[:, None]))
        case "selected keys ignored":
            chosen = chosen[..., :0]
    count = (chosen[..., None] == np.arange(S)).sum(axis=-2)
    return count if plan.fault == "newest selected key twice" else np.minimum(count, 1)


def bmojo(plan, **arguments):
    keys, chosen = three_streams(plan, **arguments)
    return *result(plan, *attend_pieces(plan, keys)), chosen


def three_streams(
    plan, *, query, key, value, surprise, window, capacity, fading_key=None, fading_value=None, fading_query=None,
    fading_lag=None, fading_width=None, cos=None, sin=None, query_norm=None, key_norm=None, fading_query_norm=None,
    fading_key_norm=None, seq_idx=None, scale=None, norm_eps=1e-6, interleaved=False, slot_positions=True, **choice,
) -> tuple[dict[str, Keys], np.ndarray]:
    """The streams by name, and the places of each query."""
    T, S, heads = query.shape[1], key.shape[1], query.shape[2]
    tables = Positions.of(plan, cos, sin, interleaved)
    scale = scale_of(plan, scale, query)
    chosen = places(plan, surprise, seq_idx, Choice(capacity, window=window, **choice), T)

    def stream(q, k, v, q_norm, k_norm, seen, turned, towards) -> Keys:
        q = projected(plan, q, q_norm, of_queries(plan, towards, T, S), norm_eps)
        k = projected(plan, k, k_norm, turned, norm_eps)
        v = by_head(plan, plan.at("load", v), heads)
        return Keys(queries(plan, q, scale), by_head(plan, k, heads), v, seen[:, None], scale)

    near, memory, fading = views(plan, T, S, chosen, window, fading_lag, fading_width, seq_idx)
    keys = {"window": stream(query, key, value, query_norm, key_norm, near, tables, tables)}
    own = tables if slot_positions else None
    turned = selected_positions(plan, own)
    apart = own is not tables or turned is not own or plan.fault in ("selected keys not normed", *_WRONG_STREAM)
    if apart:
        norm = None if plan.fault == "selected keys not normed" else key_norm
        k, v = _selected_from(plan, key, value, fading_key, fading_value)
        keys["memory"] = stream(query, k, v, query_norm, norm, memory, turned, own)
        if plan.fault == "selected keys rotated as of their slot":
            keys["memory"] = replace(keys["memory"], slots=own)
    else:
        keys["memory"] = replace(keys["window"], seen=memory[:, None])
    if fading_key is not None:
        keys["fading"] = stream(
            query if fading_query is None else fading_query, fading_key, fading_value,
            query_norm if fading_query_norm is None else fading_query_norm,
            key_norm if fading_key_norm is None else fading_key_norm, fading,
            None if plan.fault == "fading keys not rotated" else tables, tables)
    return keys, chosen


_WRONG_STREAM = ("selected keys from the fading stream", "selected values from the fading stream")


def _selected_from(plan: Plan, key, value, fading_key, fading_value):
    if fading_key is not None and plan.fault == "selected keys from the fading stream":
        return fading_key, value
    if fading_key is not None and plan.fault == "selected values from the fading stream":
        return key, fading_value
    return key, value


def views(plan: Plan, T: int, S: int, chosen, window: int, lag, width, seq_idx):
    """Who sees whom, (b | 1, T, S) each: in the window, in the memory, among the fading tokens."""
    age, same = ages(T, S)[None], documents(plan, seq_idx, S, T)
    reach = window + {"window one short": -1, "window one long": 1}.get(plan.fault, 0)
    near = (age >= (-1 if plan.fault == "one token ahead" else 0)) & (age < reach)
    near = near & (True if plan.fault == "window of the document before" else same)
    memory = named(plan, chosen, S)
    if plan.fault not in TWICE:
        memory = np.where(near, 0, memory)
    lag, width = window if lag is None else lag, window if width is None else width
    match plan.fault:
        case "fading keys as many as the window":
            width = window
        case "fading lag ignored":
            lag = window
        case "fading keys one more":
            width += 1
        case "fading keys one less":
            width -= 1
        case "fading keys one older":
            lag += 1
        case "fading keys one younger":
            lag -= 1
    fading = (age >= max(lag, 0)) & (age < lag + width)
    return near, memory, fading & (True if plan.fault == "fading keys of the document before" else same)


#: Faults under which a key may be in the window and in the memory at once.
TWICE = frozenset({"window not hidden", "oldest of the window not hidden", "current chunk visible",
                   "newest selected key twice", "window one long", "one token ahead"})


def documents(plan: Plan, seq_idx, S: int, T: int) -> np.ndarray:
    """(b | 1, T, S): whether two tokens belong to one document."""
    if seq_idx is None or plan.fault == "reset missing":
        return np.ones((1, T, S), bool)
    start = document_starts(plan, seq_idx, S)
    return start[:, S - T :, None] == start[:, None, :]


def selected_positions(plan: Plan, tables: Positions | None) -> Positions | None:
    """Selected keys keep the positions of their tokens."""
    if tables is None or plan.fault in ("selected keys not rotated", "selected keys rotated as of their slot"):
        return None
    if plan.fault == "selected keys rotated one position ahead":
        return Positions(*(np.roll(x, -1, axis=-3) for x in (tables.cos, tables.sin)), tables.interleaved)
    return tables


@dataclass(frozen=True)
class Piece:
    """A block of queries and the streams it reads, by name; and whose keys lie in its buffer (b, N)."""

    low: int
    high: int
    streams: dict[str, Stream]
    gathered: np.ndarray | None = None


def pieces(plan: Plan, keys: dict[str, Keys]):
    """All queries at once, or by blocks that gather their memory."""
    T = keys["window"].query.shape[2]
    if plan.memory != "gathered" or T == 0:
        streams = {name: k.rows(0, T) for name, k in keys.items()}
        if plan.memory == "mask" and keys["memory"].key is keys["window"].key:
            seen = streams["window"].seen + streams.pop("memory").seen
            streams["window"] = replace(streams["window"], seen=seen)
        yield Piece(0, T, streams)
        return
    size, last = plan.rows or 16, None
    for low in range(0, T, size):
        high = min(low + size, T)
        own = gather(keys["memory"].seen[:, 0, low:high])
        fetched = fitted(last, own) if plan.fault == "buffer of the block before" and last is not None else own
        last = own
        streams = {name: k.rows(low, high) for name, k in keys.items()}
        streams["memory"] = keys["memory"].gathered(plan, own, fetched, low, high)
        yield Piece(low, high, streams, fetched)


def fitted(stale: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The places of another block, as many as this one has."""
    out = np.full_like(own, -1)
    width = min(own.shape[1], stale.shape[1])
    out[:, :width] = stale[:, :width]
    return out


def gather(seen: np.ndarray) -> np.ndarray:
    """(b, N): the keys that some query of the block has selected, newest first; -1 fills up."""
    wanted = [np.flatnonzero(rows.max(axis=0, initial=0))[::-1] for rows in seen]
    out = np.full((len(wanted), max((len(w) for w in wanted), default=0)), -1)
    for line, w in zip(out, wanted, strict=True):
        line[: len(w)] = w
    return out


def attend_pieces(plan: Plan, keys: dict[str, Keys]):
    """y (b, h, T, v) and lse (b, h, T)."""
    found = [attend(plan, list(piece.streams.values())) for piece in pieces(plan, keys)]
    return tuple(np.concatenate(x, axis=2) for x in zip(*found, strict=True))


# -- the layer --------------------------------------------------------------------------------

#: What goes into the projections and the test; all else goes on to the read-out.
_TESTED = ("features", "predictor_weight", "statistic")


def maps(given) -> dict[str, tuple[str, str, str]]:
    """By stream: whose tokens, which weight, which bias.  The fading stream shares what it does not own."""
    found = {name: ("x", f"{name}_weight", f"{name}_bias") for name in ("query", "key", "value")}
    for name, (_, *parts) in [*found.items()]:
        own = [part if given.get(f"fading_{part}") is None else f"fading_{part}" for part in parts]
        if name != "query" or own != parts:
            found[f"fading_{name}"] = ("x" if name == "query" else "fading", *own)
    return found


def layer_streams(plan: Plan, given) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Arguments of the read-out, and the statistics."""
    streams = {name: heads(plan, given[x], given[weight], given.get(bias))
               for name, (x, weight, bias) in maps(given).items()}
    s = surprise(plan, given["x"], *(given.get(name) for name in _TESTED), given.get("seq_idx"))
    rest = {name: a for name, a in given.items()
            if name not in ("x", "fading", *_TESTED) and not name.endswith(("weight", "bias"))}
    return streams | rest, s


def bmojo_layer(plan, *, output_weight, output_bias=None, **given):
    """Projections, the test, and the read-out."""
    streams, s = layer_streams(plan, given)
    keys, chosen = three_streams(plan, surprise=s, **streams)
    y = affine(plan, joined(attend_pieces(plan, keys)[0]), flat(output_weight), output_bias)
    return plan.out(y), plan.at("surprise_out", s), chosen


def joined(y: np.ndarray) -> np.ndarray:
    """(b, h, T, v) as (b, T, h v)"""
    b, h, T, v = y.shape
    return np.swapaxes(y, 1, 2).reshape(b, T, h * v)


def flat(output_weight) -> np.ndarray:
    """(d, h, v) as a matrix."""
    return np.reshape(output_weight, (len(output_weight), -1))


def affine(plan: Plan, x, weight, bias) -> np.ndarray:
    """W x + b"""
    y = plan.dot(plan.at("load", x), np.swapaxes(plan.at("load", weight), 0, 1))
    return plan.at("projected", y if bias is None else y + plan.at("load", bias))


def heads(plan: Plan, x, weight, bias) -> np.ndarray:
    """(b, T, h, k)"""
    h, k, d = np.shape(weight)
    y = affine(plan, x, np.reshape(weight, (h * k, d)), None if bias is None else np.reshape(bias, h * k))
    return y.reshape(*y.shape[:-1], h, k)


def features_before(plan: Plan, features, seq_idx) -> np.ndarray:
    """f(t - 1) at t, and 0 at the first token of a document."""
    f = plan.at("load", features)
    before = np.concatenate([np.zeros_like(f[:, :1]), f[:, :-1]], axis=1)
    if seq_idx is not None and plan.fault != "predictor not reset":
        before = np.where(begins(plan, seq_idx, f.shape[1])[..., None], before.dtype.type(0), before)
    if plan.fault == "predictor reads its own token":
        before = f
    if plan.fault == "predictor two tokens behind":
        before = np.concatenate([np.zeros_like(f[:, :1]), before[:, :-1]], axis=1)
    c = plan.chunk or 16
    if plan.fault == "predictor state stale at the first token of a chunk":
        before[:, c::c] = before[:, c - 1 : -1 : c]
    if plan.fault == "predictor state lost at the first token of a chunk":
        before[:, c::c] = 0
    return before


def begins(plan: Plan, seq_idx, T: int) -> np.ndarray:
    """(b, T): whether a document begins."""
    return document_starts(plan, seq_idx, T) == np.arange(T)


def prediction(plan: Plan, x, features, weight, seq_idx) -> np.ndarray:
    """W features(t - 1)"""
    if features is None or not x.shape[1]:
        return np.zeros_like(x)
    before = features_before(plan, features, seq_idx)
    predicted = plan.at("predicted", plan.dot(before, np.swapaxes(plan.at("load", weight), 0, 1)))
    return -predicted if plan.fault == "sign of the prediction" else predicted


def surprise(plan: Plan, x, features, weight, statistic, seq_idx) -> np.ndarray:
    """|x - W features(t - 1)|^2, relative: divided by |x|^2, and 0 for a token of 0."""
    x = plan.at("load", x)
    predicted = prediction(plan, x, features, weight, seq_idx)
    e = plan.at("innovation", x - predicted)
    total = plan.total(plan.at("square", e * e), "surprise_sum")
    if plan.fault == "norm without its square":
        total = np.sqrt(total)
    if plan.fault == "sum of sizes":
        total = plan.total(np.abs(e))
    if plan.fault == "mean for the sum":
        total = total / total.dtype.type(max(x.shape[-1], 1))
    if statistic == "relative" and plan.fault != "relative statistic not divided":
        by = predicted if plan.fault == "divided by the prediction" else x
        size = plan.total(plan.at("square", by * by), "surprise_sum")
        if plan.fault == "relative statistic with a 1 below":
            size = size + 1
        total = plan.at("quotient", np.where(size == 0, size.dtype.type(0), total / size))
    return plan.at("surprise", total)
