"""The gradient of the read-out, for values of any number type: floats, `DD`, and `Err` for its bound.

With ybar and lbar the cotangents of y and lse,

    p(t, j) = exp(z(t, j) - lse(t)),     delta(t) = ybar(t)'y(t) - lbar(t)
    zbar(t, j) = p(t, j) (ybar(t)'v(j) - delta(t)),     vbar(j) = sum_t p(t, j) ybar(t)
    sbar = scale zbar (1 - tanh(s / cap)^2),            bbar = zbar
    qbar(t) = sum_j sbar(t, j) k(j),     kbar(j) = sum_t sbar(t, j) q(t),     sinkbar = - sum_t p(t, sink) delta(t)

Sums over t go over the queries that see the key and over the heads of its group.  This is what kernels do: they
keep y and lse, and form p again.  So a bound charges delta with the rounding of the stored y.

References: Dao et al. 2022, arXiv 2205.14135, appendix B.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from realization.certify.err import Err
from realization.certify.tape import Tape, gathered, joint, primal
from realization.core.functions import concatenate, contract, exp, tanh, where
from realization.layers.readout import Read, Source, readout, real_part
from realization.layers.readout.bound import charged, scaled_operand
from realization.layers.readout.definition import blocks, grouped, heads, merged, raw_scores, rows, scores, visible
from realization.layers.readout.definition import seen_tokens as tokens

Bars = Iterator[tuple[Any, Any]]


def run(sources: tuple[Source, ...], scale: float, softcap: float | None, sink: Any) -> Read:
    """Read out with `Tape` (see `readout` for the arguments)."""
    inner = tuple(
        dataclasses.replace(s, **{name: primal(getattr(s, name)) for name in ("key", "value", "query", "bias")})
        for s in sources
    )
    read = readout(sources=inner, scale=scale, softcap=softcap, sink=primal(sink))

    def pull(bars: dict[int, Any]) -> Bars:
        found = _pull(inner, scale, softcap, primal(sink), read, bars)
        tapes = [x for s in sources for x in (s.query, s.key, s.value, s.bias)] + [sink]
        return ((tapes[i], bar) for i, bar in found if isinstance(tapes[i], Tape))

    return Read(*joint(read, pull))


def _pull(
    sources: tuple[Source, ...], scale: float, softcap: float | None, sink: Any, read: Read, bars: dict[int, Any]
) -> Bars:  # fmt: skip
    """Cotangents of query, key, value and bias of every source in turn, and of the sink, by number."""
    whole = tuple(merged(s) for s in sources)
    B, T, H, _ = whole[0].query.shape
    y, lse = read.y.reshape(B, T, H, read.y.shape[-1]), read.lse.reshape(B, T, H)
    ybar, lbar = (bars[i].reshape(*x.shape) if i in bars else np.zeros(x.shape) for i, x in enumerate((y, lse)))
    of_queries: dict[int, list[Any]] = {}
    for steps in blocks(whole):
        bar, lse_here = ybar[:, steps], where(real_part(lse[:, steps]) != -np.inf, lse[:, steps], 0.0)
        delta = contract(bar, stored(y[:, steps]), -1) - lbar[:, steps]
        for i, s in enumerate(rows(s, steps) for s in whole):
            for j, x in enumerate(_source(s, scale, softcap, bar, lse_here, delta)):
                if j in (0, 3) and x is not None:  # one for each query: blocks stand side by side
                    of_queries.setdefault(4 * i + j, []).append(x)
                elif x is not None:
                    yield 4 * i + j, x.reshape(*(sources[i].key if j == 1 else sources[i].value).shape)
        if sink is not None:
            yield 4 * len(sources), -contract(exp(_late(sink - lse_here, lse_here)), delta, (0, 1))
    for i, parts in of_queries.items():
        original: Any = sources[i // 4].query if i % 4 == 0 else sources[i // 4].bias
        yield i, concatenate(parts, axis=1 if i % 4 == 0 else 2).reshape(*original.shape)


def _source(s: Source, scale: float, softcap: float | None, ybar: Any, lse: Any, delta: Any) -> Iterator[Any]:
    """Cotangents of query, key, value and bias for a block of queries."""
    if isinstance(lse, Err):
        s = scaled_operand(s, scale, lse.claim)
    key, value = tokens(s.key, s.places), tokens(s.value, s.places)
    bar = _at_groups(ybar, key)
    z, seen = _exponents(s, scale, softcap, lse), visible(s)
    p = where(seen, exp(where(seen, z, 0.0)), 0.0)
    zbar = p * (heads(contract(bar, value, -1)) - delta[..., None])
    sbar = zbar * scale
    if softcap is not None:
        t = tanh(raw_scores(s) * scale / softcap)
        sbar = sbar * (1.0 - t * t)
    sbar, p = (grouped(x, key)[..., None] for x in (sbar, p))
    yield contract(sbar, key, -2).reshape(*s.query.shape)
    yield _at_keys(contract(sbar, _at_groups(s.query, key), 3), s.places, s.key.shape)
    yield _at_keys(contract(p, bar, 3), s.places, s.value.shape)
    yield None if s.bias is None else _at_bias(zbar, s.places, s.bias.shape)


def _exponents(s: Source, scale: float, softcap: float | None, lse: Any) -> Any:
    """z - lse, with the roundings that a claim admits."""
    z = charged(s, scale, softcap, lse.claim) if isinstance(lse, Err) else scores(s, scale, softcap)
    return _late(z - lse[..., None], lse[..., None])


def _late(x: Any, lse: Any) -> Any:
    """x with the rounding of an lse that is stored, and brought to another base of the exponentials."""
    return Err(x.value, x.error + 4 * x.claim.u * np.abs(lse.value), claim=x.claim) if isinstance(x, Err) else x


def stored(y: Any) -> Any:
    """y as a kernel keeps it for the backward pass, in the format of its outputs."""
    if not isinstance(y, Err):
        return y
    form = y.claim.out_format
    return Err(y.value, y.error * (1 + form.u) + form.u * np.abs(y.value) + form.smallest, claim=y.claim)


def _at_groups(x: Any, key: Any) -> Any:
    """(B, T, H, V) as (B, T, G, H / G, 1, V)."""
    B, T, H, V = x.shape
    G = key.shape[2]
    return x.reshape(B, T, G, H // G, 1, V)


def _at_keys(x: Any, places: np.ndarray, shape: tuple[int, ...]) -> Any:
    """Sum (B, T, G, W, K) over the queries that see a key, (B, S, G, K)."""
    B, S, G, K = shape
    b, g, k = np.arange(B)[:, None, None, None, None], np.arange(G)[:, None, None], np.arange(K)
    j = places[:, :, None, :, None]
    place = np.where(j >= 0, ((b * S + j) * G + g) * K + k, -1)
    return gathered(x, np.broadcast_to(place, x.shape).ravel(), shape)


def _at_bias(x: Any, places: np.ndarray, shape: tuple[int, ...]) -> Any:
    """Sum (B, T, H, W) to the shape (B|1, H|1, T, S) of the bias."""
    B, H, T, S = shape
    b, h = np.minimum(np.arange(x.shape[0]), B - 1), np.minimum(np.arange(x.shape[2]), H - 1)
    j, t = places[:, :, None, :], np.arange(T)[:, None, None]
    place = ((b[:, None, None, None] * H + h[:, None]) * T + t) * S + j
    return gathered(x, np.broadcast_to(np.where(j >= 0, place, -1), x.shape).ravel(), shape)

