"""Queries, keys and values of the three memories of a layer, and which of them each query sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from realization.layers.attention import factor
from realization.layers.bmojo.front import Front
from realization.layers.bmojo.model import BMojo
from realization.layers.maps import rms_norm, rotary
from realization.layers.readout import Read, Source

Linear = Callable[[Any, Any, Any], Any]


class Heads(NamedTuple):
    """Queries (*b, T, h, k), keys (*b, T, g, k) and values (*b, T, g, v)."""

    query: Any
    key: Any
    value: Any


class Streams(NamedTuple):
    """Raw tokens, the same as they stand in the eidetic memory, and fading tokens."""

    raw: Heads
    selected: Heads | None
    fading: Heads | None


def ordered(x: Any, weight: Any, bias: Any) -> Any:
    """x W' + b of floats, in an order that is the same for blocks of any length."""
    from realization._kernels.ordered import linear  # loads numba

    return linear(x, weight, bias)


def streams(layer: BMojo, front: Front, linear: Linear = ordered) -> Streams:
    """Project, normalise and turn the tokens of a block, of any number type; None for a memory that is not there."""

    def stream(prefix: str, source: Any, positions: np.ndarray | None) -> Heads:
        query, key = (
            placed(layer, prefix, name, heads(layer, prefix, name, x, linear), positions)
            for name, x in (("query", front.tokens), ("key", source))
        )
        return Heads(query, key, heads(layer, prefix, "value", source, linear))

    raw = stream("", front.tokens, front.positions)
    selected = raw if layer.slot_positions else stream("", front.tokens, None)
    fading = stream("fading_", front.fading, front.positions) if layer.width else None
    return Streams(raw, selected if layer.capacity else None, fading)


def weight(layer: BMojo, prefix: str, name: str) -> Any:
    """A weight of the fading stream, or that of the raw tokens where they are tied."""
    own = getattr(layer, prefix + name)
    return getattr(layer, name) if own is None else own


def heads(layer: BMojo, prefix: str, name: str, x: Any, linear: Linear) -> Any:
    """W x + b for each head, (..., h, k)."""
    W, b = (weight(layer, prefix, f"{name}_{part}") for part in ("weight", "bias"))
    rows, k, d = W.shape
    y = linear(x, W.reshape(rows * k, d), None if b is None else b.reshape(rows * k))
    return y.reshape(*x.shape[:-1], rows, k)


def placed(layer: BMojo, prefix: str, name: str, x: Any, positions: np.ndarray | None) -> Any:
    """Queries or keys (..., h, k), normalised, and turned to their positions (...)."""
    norm = weight(layer, prefix, f"{name}_norm")
    x = x if norm is None else rms_norm(x, norm, layer.norm_eps)
    if layer.rotary is None or positions is None:
        return x
    return rotary(x, *layer.rotary.at(positions), layer.rotary.interleaved)


def span(front: Front, width: int, lag: int = 0, steps: slice = slice(None)) -> np.ndarray:
    """The keys i - lag - width + 1 ... i - lag of query i, -1 before its document, (T, width) or (*b, T, width)."""
    j = front.time[steps, None] - lag - np.arange(width)[::-1]
    begun = front.start[..., steps, None] if front.start.any() else 0
    return np.where(j >= begun, j, -1)


def sources(layer: BMojo, front: Front, s: Streams, steps: slice = slice(None)) -> tuple[Source, ...]:
    """The memories that are there, for the queries of some steps of a whole sequence."""
    T = front.time.size
    window = T if layer.window is None else min(layer.window, T)
    found = [_source(s.raw, span(front, window, 0, steps), steps)]
    if s.selected is not None:
        found.append(_source(s.selected, front.places[..., steps, :], steps))
    if s.fading is not None:
        found.append(_source(s.fading, span(front, min(layer.width, T), layer.lag, steps), steps))
    return tuple(found)


def _source(stream: Heads, places: np.ndarray, steps: slice) -> Source:
    return Source(stream.key, stream.value, places, stream.query[..., steps, :, :])


def scale(layer: BMojo) -> float:
    """Factor of the scores."""
    return factor(layer.scale, layer.query_weight.swapaxes(1, 2))


def output(layer: BMojo, read: Read, linear: Linear = ordered) -> Any:
    """Wo y + bo."""
    d, h, v = layer.output_weight.shape
    flat = read.y.reshape(*read.y.shape[:-2], h * v)
    return linear(flat, layer.output_weight.reshape(d, h * v), layer.output_bias)
