"""The two operators of attention: who sees whom, norms, positions, groups; the softmax is `read_out`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .plan import Plan
from .read_out import Stream, attend

# -- rows to streams --------------------------------------------------------------------------


@dataclass(frozen=True)
class Positions:
    """Tables of rotary embeddings, one row per position, with a head axis; and how columns pair up."""

    cos: np.ndarray  # (S, 1, r) or (b, S, 1, r)
    sin: np.ndarray
    interleaved: bool

    @classmethod
    def of(cls, plan: Plan, cos, sin, interleaved: bool) -> Positions | None:
        if cos is None:
            return None
        cos, sin = plan.at("cos", cos)[..., None, :], plan.at("sin", sin)[..., None, :]
        return cls(cos, sin, interleaved)

    def rows(self, of: np.ndarray) -> Positions:
        return Positions(self.cos[..., of, :, :], self.sin[..., of, :, :], self.interleaved)


def rms_norm(plan: Plan, x: np.ndarray, weight, eps: float) -> np.ndarray:
    """x / sqrt(mean(x^2) + eps) weight"""
    if weight is None:
        return x
    axes = (-2, -1) if plan.fault == "norm over all heads" else (-1,)
    size = 1 if plan.fault == "norm by the sum of squares" else np.prod([x.shape[a] for a in axes])
    square = plan.at("square", x * x)
    if len(axes) == 2:
        square = square.sum(axis=-2, keepdims=True)
    mean = plan.total(square, "mean")[..., None] / x.dtype.type(size)
    if plan.fault == "eps outside the root":
        reciprocal = 1 / (np.sqrt(mean) + plan.at("eps", eps))
    else:
        reciprocal = 1 / np.sqrt(mean + plan.at("eps", eps))
    return plan.at("normed", plan.at("normed", x * plan.at("reciprocal_root", reciprocal)) * plan.at("weight", weight))


def pairs(x: np.ndarray, positions: Positions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and second members of the rotated pairs of columns, and the columns left alone."""
    r = positions.cos.shape[-1]
    turned, rest = x[..., : 2 * r], x[..., 2 * r :]
    if positions.interleaved:
        return turned[..., 0::2], turned[..., 1::2], rest
    return turned[..., :r], turned[..., r:], rest


def unpaired(first, second, rest, positions: Positions) -> np.ndarray:
    """The inverse of `pairs`."""
    if positions.interleaved:
        turned = np.stack([first, second], axis=-1).reshape(*first.shape[:-1], 2 * first.shape[-1])
    else:
        turned = np.concatenate([first, second], axis=-1)
    return np.concatenate([turned, rest], axis=-1)


def rotary(plan: Plan, x: np.ndarray, positions: Positions | None) -> np.ndarray:
    """(x1 cos - x2 sin, x2 cos + x1 sin) in every pair of columns."""
    if positions is None:
        return x
    cos, sin = positions.cos, positions.sin
    first, second, rest = pairs(x, positions)
    if plan.fault == "columns past the rotated ones lost":
        rest = np.zeros_like(rest)
    if plan.fault == "rotated in place":
        first = first * cos - second * sin
        return unpaired(first, second * cos + first * sin, rest, positions)
    return plan.at("rotated", unpaired(first * cos - second * sin, second * cos + first * sin, rest, positions))


def projected(plan: Plan, x, weight, positions: Positions | None, eps: float) -> np.ndarray:
    """Norm, then rotary, of queries or keys (b, rows, heads, k)."""
    x = plan.at("load", x)
    if plan.fault == "norm after rotary":
        return rms_norm(plan, rotary(plan, x, positions), weight, eps)
    return rotary(plan, rms_norm(plan, x, weight, eps), positions)


def by_head(plan: Plan, x: np.ndarray, heads: int) -> np.ndarray:
    """(b, S, g, k) to (b, h, S, k): head j reads group j // (h // g)."""
    members = heads // x.shape[2]
    grouped = np.tile(x, (1, 1, members, 1)) if plan.fault == "group h % g" else np.repeat(x, members, axis=2)
    return np.swapaxes(grouped, 1, 2)


def scale_of(plan: Plan, scale: float | None, query: np.ndarray) -> float:
    heads, width = query.shape[2:]
    size = {"scale by the hidden size": heads * width, "scale by the number of heads": heads}.get(plan.fault, width)
    return size**-0.5 if scale is None else scale


def queries(plan: Plan, q: np.ndarray, scale: float) -> np.ndarray:
    """Heads first; a kernel may give the scale to the queries, which are shorter than the scores."""
    q = np.swapaxes(q, 1, 2)
    if plan.fault == "scale twice":
        q = q * plan.at("scale", scale)
    return plan.at("query", q * plan.at("scale", scale)) if plan.scale_in == "query" else q


# -- who sees whom ----------------------------------------------------------------------------


def band(plan: Plan, T: int, S: int, window: int | None, shift: int = 0) -> np.ndarray:
    """(T, S): key j is in view of position i = t + S - T if shift <= i - j < shift + window."""
    aligned_left = plan.fault == "mask aligned at the top left"
    age = np.arange(T)[:, None] + (0 if aligned_left else S - T) - np.arange(S) - shift
    window = S if window is None else window
    window += {"window one short": -1, "window one long": 1}.get(plan.fault, 0)
    first = -1 if plan.fault == "one token ahead" else 0
    seen = (age >= first) & (age < window)
    if plan.fault == "oldest block of the window unmasked" and T and S:
        row, column = np.arange(T)[:, None] // plan.chunk, np.arange(S) // plan.chunk
        oldest = np.where(seen.any(axis=1), seen.argmax(axis=1), S) // plan.chunk
        oldest = np.minimum.reduceat(oldest, np.arange(0, T, plan.chunk))[row[:, 0]]
        seen |= (column == oldest[:, None]) & (age >= 0)
    return seen


def sequences(plan: Plan, bounds, S: int) -> np.ndarray:
    """(S, S): whether two positions belong to one packed sequence; slack rows to none."""
    bounds = np.asarray(bounds)
    moved = {"boundary one token late": 1, "boundary one token early": -1}.get(plan.fault, 0)
    inner = np.clip(bounds[1:-1] + moved, 0, bounds[-1])
    index = np.searchsorted(inner, np.arange(S), side="right")
    inside = np.arange(S) < bounds[-1]
    return (index[:, None] == index) & inside & inside[:, None]


def with_selected(plan: Plan, seen: np.ndarray, selected) -> np.ndarray:
    """(b, T, S) with the keys that are named one by one; -1 names none."""
    selected = np.asarray(selected)
    columns = np.arange(seen.shape[-1])
    if plan.fault == "selected -1 read as the last key":
        selected = np.where(selected < 0, seen.shape[-1] - 1, selected)
    if plan.fault == "selected -1 read as the first key":
        selected = np.maximum(selected, 0)
    named = (selected[..., None] == columns).any(axis=-2)
    if plan.fault == "selected keys in the window count twice":
        return seen.astype(int) + named
    if plan.fault == "selected keys replace the window":
        return named
    return seen | named


def view(plan: Plan, T: int, S: int, window, cu_seqlens, selected) -> np.ndarray:
    """(b | 1, 1, T, S)"""
    seen = band(plan, T, S, window)[None]
    if selected is not None:
        seen = with_selected(plan, seen, selected)
    if cu_seqlens is not None:
        seen = seen * sequences(plan, cu_seqlens, S)[S - T :]
    return seen[:, None]


# -- operators --------------------------------------------------------------------------------


def result(plan: Plan, y: np.ndarray, lse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(b, T, h, v) in the output format and (b, T, h) in that of the sums."""
    return plan.out(np.swapaxes(y, 1, 2)), np.swapaxes(lse, 1, 2)


def sliding_window_attention(plan, *, sink=None, **arguments):
    return result(plan, *attend(plan, [window_stream(plan, **arguments)], sink))


def window_stream(
    plan, *, query, key, value, cos=None, sin=None, query_norm=None, key_norm=None, bias=None, selected=None,
    cu_seqlens=None, window=None, scale=None, softcap=None, norm_eps=1e-6, interleaved=False,
) -> Stream:
    T, S, heads = query.shape[1], key.shape[1], query.shape[2]
    positions = Positions.of(plan, cos, sin, interleaved)
    q = projected(plan, query, query_norm, of_queries(plan, positions, T, S), norm_eps)
    k = projected(plan, key, key_norm, None if plan.fault == "keys not rotated" else positions, norm_eps)
    if bias is not None:
        bias = np.asarray(bias) if np.ndim(bias) == 4 else np.asarray(bias)[None]
        if plan.fault == "bias transposed":  # rows read down the columns of what lies in memory
            bias = np.swapaxes(bias.reshape(*bias.shape[:2], S, T), -1, -2)
        if plan.fault == "bias -inf as -1e4":
            bias = np.maximum(bias, -1e4)
    scale = scale_of(plan, scale, query)
    seen = view(plan, T, S, window, cu_seqlens, selected)
    v = by_head(plan, plan.at("load", value), heads)
    return Stream(queries(plan, q, scale), by_head(plan, k, heads), v, seen, scale, softcap, bias)


def of_queries(plan: Plan, positions: Positions | None, T: int, S: int) -> Positions | None:
    """The positions of the queries: the last T of S."""
    if positions is None:
        return None
    rows = np.arange(S - T, S)
    if plan.fault == "queries take the first positions":
        rows = np.arange(T)
    if plan.fault == "queries rotated one position ahead":
        rows = np.minimum(rows + 1, S - 1)
    return positions.rows(rows)


def bmojo_f(plan, **arguments):
    return result(plan, *attend(plan, both_streams(plan, **arguments)))


def both_streams(
    plan, *, query, key, value, fading_key, fading_value, window, fading_query=None, cos=None, sin=None,
    query_norm=None, key_norm=None, fading_query_norm=None, fading_key_norm=None, scale=None, norm_eps=1e-6,
    interleaved=False,
) -> list[Stream]:
    """Raw tokens in the window, fading tokens in the window before it."""
    T, S, heads = query.shape[1], key.shape[1], query.shape[2]
    positions = Positions.of(plan, cos, sin, interleaved)
    scale = scale_of(plan, scale, query)
    fading_query = query if fading_query is None else fading_query
    fading_query_norm = query_norm if fading_query_norm is None else fading_query_norm
    fading_key_norm = key_norm if fading_key_norm is None else fading_key_norm
    shift = window + {"fading window one older": 1, "fading window one younger": -1}.get(plan.fault, 0)
    reach = 2 * window if plan.fault == "fading window twice as long" else window
    fading = band(plan, T, S, reach, shift)
    if plan.fault == "fading tokens from the start":
        fading = band(plan, T, S, None, shift)
    if plan.fault == "no fading tokens up to twice the window" and 2 * window >= S:
        fading = np.zeros_like(fading)

    def stream(q, k, v, q_norm, k_norm, seen, turned) -> Stream:
        q = projected(plan, q, q_norm, of_queries(plan, positions, T, S), norm_eps)
        k = projected(plan, k, k_norm, turned, norm_eps)
        v = by_head(plan, plan.at("load", v), heads)
        return Stream(queries(plan, q, scale), by_head(plan, k, heads), v, seen[None, None], scale)

    turned = positions
    if plan.fault == "fading keys not rotated":
        turned = None
    if plan.fault == "fading keys rotated as of their place in the cache" and positions is not None:
        # The trimmed cache starts at W, and the table was trimmed with it.
        turned = Positions(*(np.roll(x, -window, axis=-3) for x in (positions.cos, positions.sin)), interleaved)
    return [
        stream(query, key, value, query_norm, key_norm, band(plan, T, S, window), positions),
        stream(fading_query, fading_key, fading_value, fading_query_norm, fading_key_norm, fading, turned),
    ]
