"""Queries, keys and values of the three memories of a layer, and which of them each query sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from realization.layers.attention import factor, positioned
from realization.layers.bmojo.front import Front
from realization.layers.bmojo.model import BMojo
from realization.layers.bmojo.released_layer import product
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


def streams(layer: BMojo, front: Front, linear: Linear = product) -> Streams:
    """Project, normalise and turn the tokens of a block, of any number type; None for a memory that is not there."""
    tables = (None, None, False)
    if layer.rotary is not None:
        tables = (*layer.rotary.at(front.positions), layer.rotary.interleaved)
    raw = _projected(layer, linear, "", front.tokens, front.tokens)
    plain = None if layer.slot_positions else _placed(layer, "", raw, (None, None, False))
    raw = _placed(layer, "", raw, tables)
    fading = None
    if layer.width:
        fading = _placed(layer, "fading_", _projected(layer, linear, "fading_", front.tokens, front.fading), tables)
    return Streams(raw, (plain or raw) if layer.capacity else None, fading)


def weight(layer: BMojo, prefix: str, name: str) -> Any:
    """A weight of the fading stream, or that of the raw tokens where they are tied."""
    own = getattr(layer, prefix + name)
    return getattr(layer, name) if own is None else own


def _projected(layer: BMojo, linear: Linear, prefix: str, x: Any, source: Any) -> Heads:
    """Wq x, Wk f, Wv f with biases: queries are always of the raw tokens."""

    def heads(name: str, x: Any) -> Any:
        W, b = (weight(layer, prefix, f"{name}_{part}") for part in ("weight", "bias"))
        rows, k, d = W.shape
        y = linear(x, W.reshape(rows * k, d), None if b is None else b.reshape(rows * k))
        return y.reshape(*x.shape[:-1], rows, k)

    return Heads(heads("query", x), heads("key", source), heads("value", source))


def _placed(layer: BMojo, prefix: str, stream: Heads, tables: Any) -> Heads:
    norms = (weight(layer, prefix, name) for name in ("query_norm", "key_norm"))
    return Heads(*positioned(stream.query, stream.key, *tables, *norms, layer.norm_eps), stream.value)


def span(front: Front, width: int, lag: int = 0, steps: slice = slice(None)) -> np.ndarray:
    """The keys i - lag - width + 1 ... i - lag of query i, -1 before its document, (T, width) or (*b, T, width)."""
    j = front.index[steps, None] - lag - np.arange(width)[::-1]
    begun = front.start[..., steps, None] if front.start.any() else 0
    return np.where(j >= begun, j, -1)


def sources(layer: BMojo, front: Front, s: Streams, steps: slice = slice(None)) -> tuple[Source, ...]:
    """The memories that are there, for the queries of some steps of a whole sequence."""
    T = front.index.size
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


def output(layer: BMojo, read: Read, linear: Linear = product) -> Any:
    """Wo y + bo."""
    d, h, v = layer.output_weight.shape
    flat = read.y.reshape(*read.y.shape[:-2], h * v)
    return linear(flat, layer.output_weight.reshape(d, h * v), layer.output_bias)
