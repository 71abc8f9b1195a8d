"""The gradient of the read-out, for values of any number type: floats, `DD`, and `Err` for its bound.

With ybar and lbar the cotangents of y and lse,

    p(t, j) = exp(z(t, j) - lse(t)),     pbar(t, j) = ybar(t)'v(j),     delta(t) = ybar(t)'y(t)
    zbar(t, j) = p(t, j) (pbar(t, j) - delta(t) + lbar(t)),     vbar(j) = sum_t p(t, j) ybar(t)
    sbar = scale zbar (1 - tanh(s / cap)^2),     bbar = zbar
    qbar(t) = sum_j sbar(t, j) k(j),     kbar(j) = sum_t sbar(t, j) q(t)
    sinkbar = sum_t p(t, sink) (lbar(t) - delta(t))

Sums over t go over the queries that see the key and over the heads of its group.

*Two forms of delta* are in use, and the bound is the larger of theirs.  Fused kernels keep y and lse, and form
p again: then delta = ybar'y has the rounding of the stored y, and of a sum over the channels of y.  The derivative of
a softmax by itself knows no y: it forms delta = sum_j p_j pbar_j, each pbar_j being a sum over the channels of v,

    | sum_j p^_j pbar^_j - delta |  <=  |ybar|'e(y) + sum_j (p_j + e(p_j)) e(pbar_j)

with ^ for what is computed.  Weights, and the sum over keys, err as they do in y, less the casts of operands;
e(pbar_j) is about V u sum_c |ybar_c| |v_jc|, more than V u sum_c |ybar_c| |y_c| by as much as y cancels.  Where a
kernel takes lbar from delta first, delta - lbar has a rounding of its own.

*Two weights* has a derivative by itself of an lse: p lbar has another exponential of the same scores.  So zbar errs as
p (pbar - delta + lbar) does, and by |lbar| p times what two p of the same scores may be apart: twice the roundings of
an exponential, those of the sum of n weights and of lse, and the roundings of both terms by |lbar| p more each.

*Scores in a coarse format* (`claim.scores`) belong to autograd, which rounds the result of every step: pbar, both
terms of zbar and their sum, the tanh, its square and 1 - t^2, the products by cap, slope, 1 / cap and scale, and of
heads that share a key the gradient of each.  The weights of zbar are then those that met the values: operands.

References: Dao et al. 2022, arXiv 2205.14135, appendix B.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from realization.certify.err import Err, gamma
from realization.certify.tape import Tape, gathered, joint, primal
from realization.core.functions import concatenate, contract, exp, tanh, where
from realization.core.rounding import Format, format_of
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
    ybar = bars[0].reshape(*y.shape) if 0 in bars else np.zeros(y.shape)
    lbar = bars[1].reshape(*lse.shape) if 1 in bars else None
    of_queries: dict[int, list[Any]] = {}
    for steps in blocks(whole):
        lse_here = where(real_part(lse[:, steps]) != -np.inf, lse[:, steps], 0.0)
        bar, lbar_here = ybar[:, steps], None if lbar is None else lbar[:, steps]
        weighed = [_weighed(rows(s, steps), scale, softcap, bar, lse_here) for s in whole]
        delta = _delta(weighed, bar, lbar_here, y[:, steps])
        keys = sum(s.places.shape[-1] for s in whole)
        for i, (s, p, pbar) in enumerate(weighed):
            zbar = _of_softmax(p, pbar, delta, lbar_here, _apart(p, lse_here, keys))
            for j, x in enumerate(_source(s, scale, softcap, bar, p, zbar)):
                if j in (0, 3) and x is not None:  # one for each query: blocks stand side by side
                    of_queries.setdefault(4 * i + j, []).append(x)
                elif x is not None:
                    yield 4 * i + j, x.reshape(*(sources[i].key if j == 1 else sources[i].value).shape)
        if sink is not None:
            yield 4 * len(sources), _of_sink(exp(_late(sink - lse_here, lse_here)), delta, lbar_here)
    for i, parts in of_queries.items():
        original: Any = sources[i // 4].query if i % 4 == 0 else sources[i // 4].bias
        yield i, concatenate(parts, axis=1 if i % 4 == 0 else 2).reshape(*original.shape)


def _weighed(s: Source, scale: float, softcap: float | None, ybar: Any, lse: Any) -> tuple[Source, Any, Any]:
    """A block of queries with p and pbar, (B, T, H, W)."""
    if isinstance(lse, Err):
        s = scaled_operand(s, scale, lse.claim)
    value = tokens(s.value, s.places)
    z, seen = _exponents(s, scale, softcap, lse), visible(s)
    p = where(seen, exp(where(seen, z, 0.0)), 0.0)
    return s, p, kept(heads(contract(_at_groups(ybar, value), value, -1)))


@np.errstate(invalid="ignore")
def _delta(weighed: list[tuple[Source, Any, Any]], ybar: Any, lbar: Any, y: Any) -> Any:
    """ybar'y, with the error of the worse of its two forms."""
    delta = contract(ybar, stored(y), -1)
    if not isinstance(delta, Err):
        return delta
    claim, keys = delta.claim, sum(p.shape[-1] for _, p, _ in weighed)
    # e(y) has casts of p and v: here v is cast in pbar alone, and p where autograd has kept the operand
    casts = (1 if claim.scores else 2) * claim.u_operand
    of_weights = (_size(ybar) * y.error).sum(-1)
    if casts:
        of_weights = of_weights - casts * sum((p.value * _reach(s, ybar)).sum(-1) for s, p, _ in weighed)
    of_slopes = sum(((p.value + p.error) * pbar.error).sum(-1) for _, p, pbar in weighed)
    either = np.maximum(delta.error, of_weights + of_slopes * (1 + gamma((keys + 1) * claim.u)))
    first = 0.0 if lbar is None else claim.u * (np.abs(delta.value) + either + _size(lbar))
    return _erring(delta, either + first)


def _reach(s: Source, ybar: Any) -> Any:
    """|ybar(t)|'|v(j)|"""
    value, bar = (np.abs(x.value if isinstance(x, Err) else x) for x in (tokens(s.value, s.places), ybar))
    return heads(contract(_at_groups(bar, value), value, -1))


@np.errstate(invalid="ignore")
def _of_softmax(p: Any, pbar: Any, delta: Any, lbar: Any, apart: Any) -> Any:
    """zbar."""
    centred = pbar - delta[..., None]
    if lbar is None:
        return kept(_saved(p) * centred)
    zbar = kept(kept(_saved(p) * (centred + lbar[..., None])))
    if not isinstance(zbar, Err):
        return zbar
    reach = _size(lbar)[..., None]
    return _erring(zbar, zbar.error + reach * (apart * _size(p) + zbar.claim.accumulator.tiny))


def _apart(p: Any, lse: Any, keys: int) -> Any:
    """How far two computed p of the same scores may be apart, with the roundings of p (pbar - delta) and p lbar."""
    if not isinstance(p, Err):
        return None
    claim = p.claim
    exponent = np.abs(np.log(np.maximum(p.value, claim.accumulator.tiny)))
    share = claim.u * (2 * (4 + 2 * exponent) + 4 * np.abs(lse.value)[..., None] + keys + 5)
    of_steps = 2 * format_of(claim.scores).u + claim.u_operand if claim.scores else 0.0
    return np.where(share < 1, share / np.maximum(1 - share, claim.u), np.inf) * (1 + of_steps) + of_steps


def _of_sink(p: Any, delta: Any, lbar: Any) -> Any:
    """sinkbar, whose terms are the zbar of a key without a value."""
    bar = -contract(p, kept(kept(delta)), (0, 1))
    return bar if lbar is None else bar + contract(p, kept(kept(lbar)), (0, 1))


def _source(s: Source, scale: float, softcap: float | None, ybar: Any, p: Any, zbar: Any) -> Iterator[Any]:
    """Cotangents of query, key, value and bias for a block of queries."""
    key = tokens(s.key, s.places)
    bar = _at_groups(ybar, key)
    sbar = kept((zbar if softcap is None else _through_cap(zbar, s, scale, softcap)) * scale)
    sbar, p = (grouped(x, key)[..., None] for x in (sbar, p))
    yield contract(sbar, key, -2).reshape(*s.query.shape)
    if sbar.shape[3] > 1:
        sbar, p = kept(sbar), kept(p)
    yield _at_keys(contract(sbar, _at_groups(s.query, key), 3), s.places, s.key.shape)
    yield _at_keys(contract(p, bar, 3), s.places, s.value.shape)
    yield None if s.bias is None else _at_bias(zbar, s.places, s.bias.shape)


def _through_cap(zbar: Any, s: Source, scale: float, softcap: float) -> Any:
    """zbar cap (1 - t^2) / cap, t = tanh(scale q'k / cap)."""
    t = kept(tanh(kept(kept(kept(raw_scores(s)) * scale) / softcap)))
    slope = kept(1.0 - kept(t * t))
    return kept(kept(kept(zbar * softcap) * slope) / softcap)


def _exponents(s: Source, scale: float, softcap: float | None, lse: Any) -> Any:
    """z - lse, with the roundings that a claim admits."""
    z = charged(s, scale, softcap, lse.claim) if isinstance(lse, Err) else scores(s, scale, softcap)
    return _late(z - lse[..., None], lse[..., None])


def _late(x: Any, lse: Any) -> Any:
    """x with the rounding of an lse that is stored, and brought to another base of the exponentials."""
    return Err(x.value, x.error + 4 * x.claim.u * np.abs(lse.value), claim=x.claim) if isinstance(x, Err) else x


def stored(y: Any) -> Any:
    """y as a kernel keeps it for the backward pass, in the format of its outputs."""
    return rounded(y, y.claim.out_format) if isinstance(y, Err) else y


def kept(x: Any) -> Any:
    """x as autograd passes it on, in the format that a claim names for scores."""
    return rounded(x, format_of(x.claim.scores)) if isinstance(x, Err) and x.claim.scores else x


def _saved(p: Any) -> Any:
    """Weights that autograd has kept from the product with the values."""
    return rounded(p, format_of(p.claim.operand)) if isinstance(p, Err) and p.claim.scores and p.claim.operand else p


def rounded(x: Err, form: Format) -> Err:
    """x with one rounding to a format."""
    return Err(x.value, x.error * (1 + form.u) + form.u * np.abs(x.value) + form.smallest, claim=x.claim)


def _erring(x: Err, error: Any) -> Err:
    """x with this error; where sums keep no digit it is infinite, and so is 0 of it."""
    return Err(x.value, np.where(np.isnan(error), np.inf, error), claim=x.claim)


def _size(x: Any) -> Any:
    """How large x may be where it is computed."""
    return np.abs(x.value) + x.error if isinstance(x, Err) else np.abs(x)


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
