"""How far a kernel of a given claim may be from the read-out: a worst-case bound.

Whatever the order, the block size and the base of its exponentials, a kernel computes

    y = sum_j w_j (1 + a_j) v_j / sum_j w_j (1 + b_j),      w_j = exp(z_j - m)

*Errors of a weight* that numerator and denominator share, |theta_j| <= rho_j, move the mean by

    | sum_j p_j theta_j (v_j - y) / (1 + sum_j p_j theta_j) |  <=  sum_j p_j rho_j |v_j - y| / (1 - sum_j p_j rho_j)

which is small where all values are alike, however large they are: a common factor of all weights does not matter,
nor does a common mean of all values.  With S = scale |q|'|k| they are

    rho = exp(eta) - 1,    eta = e(z) + (4 S + 2 |b| + 2 |z| + 2 |m|) u + (4 + 2 |z - m|) u + 4 r u

the error of the score (its sum of products, at most K u S); the roundings of scale, bias, log2 e and the
subtraction; the exponential; and of each of at most r rescalings when a larger score is met: r is the number n of
keys, or of the blocks of keys that the claim names as its chunk.  A score that was
rescaled has met maxima between z and m only, so their sizes are bounded by |z| and |m|.  Where partial
read-outs are combined, their lse lies between z and the common one: 4 (|z| + |lse| + 2) u more.

*Errors of their own* have the two sums: n + r + 3 roundings of every term, and the casts of the operands p
and v of the second product.  What underflows loses at most eta of a weight whose largest is 1.

The logarithm inherits -log(1 - sum_j p_j rho_j - kappa) and its own roundings.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from realization.certify.err import Err, cast_error, gamma
from realization.core.claim import Claim
from realization.core.functions import contract
from realization.core.rounding import format_of
from realization.layers.readout import Read, Source, log_sum, weights
from realization.layers.readout.definition import (
    biases,
    grouped,
    hidden,
    in_blocks,
    raw_scores,
    scores,
    values,
    visible,
    with_sink,
)


def run(sources: tuple[Source, ...], scale: float, softcap: float | None, sink: Any) -> Read:
    """Read out with `Err` (see `readout` for the arguments)."""
    numbers = [x for source in sources for x in source.numbers()] + [sink]
    claim = next(x.claim for x in numbers if isinstance(x, Err))
    lifted = tuple(
        dataclasses.replace(s, **{name: _lift(getattr(s, name), claim) for name in ("key", "value", "query", "bias")})
        for s in sources
    )
    with np.errstate(all="ignore"):
        return in_blocks(lifted, lambda part: block(part, scale, softcap, _lift(sink, claim), claim))


def block(sources: tuple[Source, ...], scale: float, softcap: float | None, sink: Any, claim: Claim) -> Read:
    """y (B, T, H, V) and lse (B, T, H) of a block of queries."""
    sources = tuple(scaled_operand(s, scale, claim) for s in sources)
    z, seen = with_sink([(charged(s, scale, softcap, claim), visible(s)) for s in sources], sink)
    v, u, eta, n = values(sources), claim.u, claim.accumulator.tiny, z.shape[-1]
    w, top, empty = weights(z.value, seen, axis=-1)
    total: Any = np.where(empty, 1.0, w.sum(-1))
    lse: Any = log_sum(total, top, empty)
    p = w / total[..., None]
    rescalings = n if claim.chunk is None else min(-(-n // claim.chunk) + 1, n)
    gap = np.where(seen, np.abs(z.value - top[..., None]), 0.0)
    late = np.where(seen, np.abs(z.value), 0.0) + np.where(empty, 0.0, np.abs(lse))[..., None] + 2
    roundings = 2 * np.abs(top)[..., None] + 4 + 2 * gap + 4 * rescalings + (4 * late if claim.splits > 1 else 0.0)
    rho: Any = np.where(seen, np.expm1(np.where(seen, z.error, 0.0) + u * roundings), 0.0)
    once = (n + rescalings + claim.splits + 3) * u
    kappa = gamma(once)

    moved = (p * rho).sum(-1)
    keys = v.shape[-2]
    P, R = (grouped(x[..., :keys], v)[..., None] for x in (p, rho))
    y = contract(P, v.value, -2)
    size, inherited = np.abs(v.value), v.error
    shared: Any = (P * R * np.abs(v.value - y[..., None, :])).sum(-2)
    if sink is not None:
        shared = shared + grouped(p[..., keys:] * rho[..., keys:], v) * np.abs(y)
    shared = shared / _positive(1 - grouped(moved[..., None], v))
    heavy = P * (1 + R)
    own = gamma(once + 2 * claim.u_operand) * (heavy * (size + inherited)).sum(-2) + (heavy * inherited).sum(-2)
    own = own + (cast_error(P, v.value, claim) + eta * (1 + size)).sum(-2)
    here = grouped(seen.any(-1, keepdims=True) * 1.0, v)
    error = here * (shared + own + (kappa + 3 * u) * (np.abs(y) + shared) + (n + 2) * eta * (1 + np.abs(y)))
    fits = (grouped(np.ones((*seen.shape[:-1], 1)), v) * (size + inherited).sum(-2)) < claim.accumulator.largest / 2
    y, error = (x.reshape(*total.shape, x.shape[-1]) for x in (y, np.where(fits, error, np.inf)))

    slip = -np.log1p(-np.minimum(moved + kappa, 1.0)) + n * eta
    lse_error = np.where(empty, 0.0, slip + 4 * u * (np.abs(np.where(empty, 0.0, lse)) + np.abs(top) + 2))
    return Read(Err(y, error, claim=claim), Err(lse, lse_error, claim=claim))


def scaled_operand(source: Source, scale: float, claim: Claim) -> Source:
    """The queries as operands: where they are scaled before the cast, only a power of two leaves them exact."""
    if claim.scaled is None or not claim.u_operand or abs(math.frexp(scale)[0]) in (0.0, 0.5):
        return source
    q = source.query
    return dataclasses.replace(source, query=Err(q.value, q.error + claim.u_operand * np.abs(q.value), claim=claim))


def charged(source: Source, scale: float, softcap: float | None, claim: Claim) -> Err:
    """Scores with the roundings that other orders of their factors have, and of the format they are kept in."""
    z, s = scores(source, scale, softcap), np.abs(raw_scores(source).value * scale)
    sizes = dataclasses.replace(source, query=np.abs(source.query.value), key=np.abs(source.key.value))
    reach = raw_scores(sizes) * abs(scale)  # a scale that is split between query and key rounds every term
    b = 0.0 if source.bias is None else np.where(hidden(source), 0.0, np.abs(biases(source).value))
    extra = claim.u * (4 * reach + 2 * b + 2 * np.abs(z.value))
    if claim.scores is not None:
        # product, scale and bias are each rounded; a soft cap is a quotient, a tanh and a product
        steps = 3 if softcap is None else 6
        form = format_of(claim.scores)
        extra = extra + gamma(steps * form.u) * (s + b) + steps * form.smallest
    return Err(z.value, z.error + extra, claim=claim)


def _positive(x: Any) -> Any:
    """x where it is positive, else 0: a quotient by it is then infinite, or 0 / 0."""
    return np.maximum(x, 0.0)


def _lift(x: Any, claim: Claim) -> Any:
    return x if x is None or isinstance(x, Err) else Err(x, claim=claim)
