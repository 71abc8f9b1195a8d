"""The read-out as it is defined: scores of the keys that are seen, their exponentials, the weighted mean.

Plain array arithmetic: the same lines run on floats, on balls and on `DD`.  Queries go through in blocks, so that
no array is much larger than `BLOCK` numbers; the cost is that of the (query, key) pairs that `places` names.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from realization.core.functions import arrange, concatenate, contract, tanh, where
from realization.layers.readout import Read, Source, log_sum, real_part, weights
from realization.layers.readout.places import tokens

BLOCK = 2_000_000


def run(sources: tuple[Source, ...], scale: float, softcap: float | None, sink: Any) -> Read:
    """Read out (see `readout` for the arguments)."""
    return in_blocks(sources, lambda part: block(part, scale, softcap, sink))


def block(sources: tuple[Source, ...], scale: float, softcap: float | None, sink: Any) -> Read:
    """y (B, T, H, V) and lse (B, T, H) of a block of queries."""
    return weighted([scores(s, scale, softcap) for s in sources], sources, sink)


def weighted(scored: list[Any], sources: tuple[Source, ...], sink: Any) -> Read:
    """The mean of the values, with the weights of these scores (B, T, H, W)."""
    z, seen = with_sink([(z, visible(s)) for z, s in zip(scored, sources, strict=True)], sink)
    w, top, empty = weights(z, seen, axis=-1)
    v, total = shown(values(sources), seen), w.sum(-1)
    y = contract(grouped(w[..., : v.shape[-2]], v)[..., None], v, -2)
    return Read(y.reshape(*total.shape, y.shape[-1]) / where(empty, 1.0, total)[..., None], log_sum(total, top, empty))


# Scores (B, T, H, W) and values (B, T, G, 1, W, V) of the keys that each query sees ---------------


def raw_scores(source: Source) -> Any:
    """q(t)'k(j)."""
    key = seen_tokens(source.key, source.places)
    B, T, H, K = source.query.shape
    q = source.query.reshape(B, T, key.shape[2], H // key.shape[2], 1, K)
    return heads(contract(q, key, -1))


def scores(source: Source, scale: float, softcap: float | None) -> Any:
    """cap tanh(scale q'k / cap) + b."""
    s = raw_scores(source) * scale
    if softcap is not None:
        s = tanh(s / softcap) * softcap
    return s if source.bias is None else s + where(hidden(source), 0.0, biases(source))


def visible(source: Source) -> np.ndarray:
    """Where there is a key that is not hidden, (B, T, 1|H, W)."""
    there = source.places[:, :, None, :] >= 0
    return there if source.bias is None else there & ~hidden(source)


def hidden(source: Source) -> np.ndarray:
    """Where the bias is -inf."""
    return real_part(biases(source)) == -np.inf


def biases(source: Source) -> Any:
    """b(t, j), (B|1, T, H|1, W)."""
    B, H, T, S = source.bias.shape
    b, t, h = (np.arange(n).reshape([-1 if i == j else 1 for j in range(4)]) for i, n in ((0, B), (1, T), (2, H)))
    return source.bias.reshape(-1)[((b * H + h) * T + t) * S + np.maximum(source.places[:, :, None, :], 0)]


def with_sink(parts: Any, sink: Any) -> tuple[Any, np.ndarray]:
    """Scores of all sources side by side, the sink's last, and where they count: a score of -inf does not."""
    z, seen = [z for z, _ in parts], [np.broadcast_to(seen, z.shape) for z, seen in parts]
    if sink is not None:
        lead = z[0].shape[:-1]
        z.append(arrange(lambda x: np.broadcast_to(x[0][:, None], (*lead, 1)), [sink]))
        seen.append(np.ones((*lead, 1), bool))
    whole = concatenate(z, axis=-1)
    return whole, np.concatenate(seen, axis=-1) & (real_part(whole) != -np.inf)


def values(sources: tuple[Source, ...]) -> Any:
    """v(j), (B, T, G, 1, W, V)."""
    return concatenate([seen_tokens(s.value, s.places) for s in sources], axis=-2)


def shown(v: Any, seen: np.ndarray) -> Any:
    """v with 0 for what is not seen, where something is not finite: a weight of 0 would not take a NaN away."""
    if np.isfinite(real_part(v)).all():
        return v  # one for all heads
    return where(grouped(seen[..., : v.shape[-2]], v)[..., None], v, 0.0)


def seen_tokens(x: Any, places: np.ndarray) -> Any:
    """(B, S, G, K) at places, as (B, T, G, 1, W, K)."""
    return arrange(lambda parts: np.moveaxis(parts[0], 2, -2)[:, :, :, None], [tokens(x, places)])


def grouped(x: Any, like: Any) -> Any:
    """(B, T, H, W) as (B, T, G, H / G, W), with the G of (B, T, G, ...)."""
    B, T, H, W = x.shape
    return x.reshape(B, T, like.shape[2], H // like.shape[2], W)


def heads(x: Any) -> Any:
    """(B, T, G, H / G, W) as (B, T, H, W)."""
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3], x.shape[-1])


# Blocks of queries --------------------------------------------------------------------------------


def in_blocks(sources: tuple[Source, ...], function: Any) -> Read:
    """Apply a function of a block of queries to all of them, and give the results their batch axes."""
    *batch, T, H, _ = sources[0].query.shape
    V = sources[0].value.shape[-1]
    whole = tuple(merged(s) for s in sources)
    parts = [function(tuple(rows(s, steps) for s in whole)) for steps in blocks(whole)]
    if not parts:
        return Read(*(_nothing(shape, sources[0].value) for shape in ((*batch, T, H, V), (*batch, T, H))))
    y, lse = (concatenate([part[i] for part in parts], axis=1) for i in (0, 1))
    return Read(y.reshape(*batch, T, H, V), lse.reshape(*batch, T, H))


def merged(source: Source) -> Source:
    """One batch axis in front."""
    batch = source.query.shape[:-3]
    B = math.prod(batch)
    arrays = [x.reshape(B, *x.shape[-3:]) for x in (source.key, source.value, source.query)]
    shape = source.places.shape
    places = source.places.reshape(math.prod(shape[:-2]), *shape[-2:])
    bias = source.bias
    if bias is not None:
        bias = bias.reshape(B if len(bias.shape) > 3 else 1, *bias.shape[-3:])
    return Source(arrays[0], arrays[1], places, arrays[2], bias)


def blocks(sources: tuple[Source, ...]) -> list[slice]:
    """Steps of a few queries at a time; none where there is nothing to compute."""
    B, T, H, K = sources[0].query.shape
    pairs = B * H * sum(s.places.shape[-1] for s in sources)
    step = max(1, BLOCK // max(pairs * max(K, sources[0].value.shape[-1]), 1))
    return [slice(start, start + step) for start in range(0, T if B else 0, step)]


def rows(source: Source, steps: slice) -> Source:
    """The queries of some steps, with all keys."""
    bias = None if source.bias is None else source.bias[:, :, steps]
    return dataclasses.replace(source, places=source.places[:, steps], query=source.query[:, steps], bias=bias)


def _nothing(shape: tuple[int, ...], like: Any) -> Any:
    """An array without entries, of the number type of `like`."""
    return arrange(lambda parts: np.zeros(shape, parts[0].dtype), [like])
