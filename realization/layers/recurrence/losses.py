"""What a backward kernel may lose beyond the bounds of S, of P and of the products with them.

*A decayed state by difference.*  Kernels that have S(t) at hand form a S(t-1) as S(t) - w v k': the
error is that of S(t), which is not small against a S(t-1) where the decay is strong.

*The gradient of the decay by cumulative sums* (claim "logdiff").  With decays exp(L(t) - L(s)) the
gradient of L is read off at both ends of every term, and that of g is its sum from behind,

    gbar(t) = sum over s = t ... end of the chunk of (rows(s) - columns(s)) + edge
    rows = q.qbar,    columns = k.kbar,    edge = <S, P> at the end of the chunk

Terms that do not span t cancel in exact arithmetic only.  What remains is the error of all rows and columns
behind t, and u for each of their additions: small against their envelopes

    sum of |ybar|' |S| |q| + |v|' |P| |k|,      |S| and |P| the recurrences in absolute values

and not against gbar(t).  No kernel of that form can avoid it; under "product" it is not charged.

*Casts of scores.*  A chunked kernel casts ybar(t).v(s) before it meets k(s) or q(t): below the
normal range of the operand's format an absolute error, which the bound of S and P has not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization.certify.err import Err, gamma
from realization.certify.tape import unbroadcast
from realization.core.claim import Claim
from realization.core.rounding import format_of
from realization.layers.recurrence import definition
from realization.layers.recurrence.transition import at, share


def by_difference(moved: Any, S: Any, write: Any) -> Any:
    """Let a S(t-1) have the error of S(t) - w v k' where that is larger."""
    if not isinstance(moved, Err):
        return moved
    return Err(moved.value, np.maximum(moved.error, (S - write).error), claim=moved.claim)


def charged(
    bars: dict[str, Any], x: dict[str, Any], back: dict[str, Any], S: Err, P: Err, *,
    hold: bool, reset: Any, begins: Any, claim: Claim,
) -> dict[str, Any]:  # fmt: skip
    """Charge the last two to the cotangents of query and key, and of the exponents."""
    heads = S.shape[-3] // x["key"].shape[-2]
    if claim.u_operand:
        for name, other, ways in (("query", "key", 1), ("key", "query", -1)):
            bars[name] = _worse(bars[name], heads * _cast_scores(x, back["value"], other, ways, claim))
    exponents = [name for name in bars if name.startswith("exponent")]
    if claim.decay == "logdiff" and exponents:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for name in exponents:
                shape = bars[name].shape
                bars[name] = _worse(bars[name], _by_sums(x, back, S, P, shape, hold, reset, begins, claim))
    return bars


def _worse(x: Err, loss: Any) -> Err:
    return Err(x.value, x.error + loss, claim=x.claim)


def _sizes(x: Any) -> Any:
    """|x| with its error, of floats and of `Err`."""
    return np.abs(x.value) + x.error if isinstance(x, Err) else np.abs(x)


def _cast_scores(x: dict[str, Any], ybar_back: Any, other: str, ways: int, claim: Claim) -> Any:
    """Half a smallest number of the format for every score, which meets a key before or a query behind."""
    form = format_of(claim.operand or "")
    past = np.flip if ways < 0 else lambda y, axis: y
    met = past(np.cumsum(past(_sizes(x[other]), -3), axis=-3), -3)
    v, ybar = _sizes(x["value"]), np.flip(_sizes(ybar_back), -3)
    largest = (v.max((-3,), keepdims=True, initial=0.0) * ybar.max((-3,), keepdims=True, initial=0.0)).sum(-1).max()
    return form.smallest * met if largest < form.largest / 2 else np.full(met.shape, np.inf)


def _by_sums(
    x: dict[str, Any], back: dict[str, Any], S: Err, P: Err, shape: tuple[int, ...],
    hold: bool, reset: Any, begins: Any, claim: Claim,
) -> Any:  # fmt: skip
    """The error of summing rows and columns from the end of the chunk, for every step: of that shape."""
    rotating, H, T = x["angle"] is not None, S.shape[-3], S.shape[-4]
    size = _moduli if rotating else (lambda y: y)
    v, k, q, ybar = (_sizes(y) for y in (x["value"], x["key"], x["query"], np.flip(_sizes(back["value"]), -3)))
    k, q = size(k), size(q)
    states = _envelope(v, k, q, x, hold, reset, x["initial"], size)
    cotangents = np.flip(
        _envelope(
            np.flip(ybar, -3), np.flip(q, -3), np.flip(k, -3), back, False, _behind(reset), back["initial"], size
        ),
        -4,
    )
    # the error of a complex number is at most that of its parts, together
    S_error, P_error = (size(y.error) for y in (S, P))

    def inner(row: Any, column: Any, state: Any) -> Any:
        return unbroadcast(row[..., :, None] * share(column, H)[..., None, :] * state, shape)

    own = gamma((math.prod(S.shape[-3:]) + 2) * claim.u + 4 * claim.u_operand)
    total = inner(ybar, q, states) + inner(v, k, cotangents)
    error = inner(ybar, q, S_error) + inner(v, k, P_error) + own * total
    edge = unbroadcast(states * cotangents, shape)
    edge_error = unbroadcast(states * P_error + cotangents * S_error + S_error * P_error, shape) + own * edge
    additions = gamma((min(claim.chunk or T, T) + 2) * claim.u)
    return _behind_sums(error + additions * total, edge_error + additions * edge, begins)


def _behind_sums(each: Any, edge: Any, begins: Any) -> Any:
    """sum over s = t ... end of the chunk of each(s), and edge there; the larger for both ways to cut chunks."""
    T = each.shape[-4]
    out, tail = np.zeros((2, *each.shape)), np.zeros((2, *at(each, 0, 3).shape))
    for t in range(T - 1, -1, -1):
        last = at(begins, t + 1, 0)[..., None, None, None] if t + 1 < T else True
        tail = at(each, t, 3) + np.where(last, at(edge, t, 3), tail)
        out[..., t, :, :, :] = tail
    return out.max(0)


def _envelope(v: Any, k: Any, q: Any, x: dict[str, Any], hold: bool, reset: Any, initial: Any, size: Any) -> Any:
    """The states of the recurrence in absolute values; |phi1(g + i turn)| <= phi1(g)."""
    g, rate = (None if x[n] is None else getattr(x[n], "value", x[n]) for n in ("log_decay", "rate"))
    start = None if initial is None else size(_sizes(initial))
    return definition.run(
        value=v, key=k, query=q, log_decay=g, rate=rate, angle=None, spin=None, hold=hold and g is not None,
        reset=reset, initial=start, states=True,
    ).states  # fmt: skip


def _behind(reset: Any) -> Any:
    if reset is None:
        return None
    return np.concatenate([np.zeros_like(reset[..., :1]), np.flip(reset, -1)[..., :-1]], axis=-1)


def _moduli(x: Any) -> Any:
    n = x.shape[-1] // 2
    return np.hypot(x[..., :n], x[..., n:])
