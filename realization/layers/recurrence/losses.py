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

and not against gbar(t).  No kernel of that form can avoid it; under "product" it is not charged.  The
errors of L are no part of it: the same sums serve rows and columns, and a term with another decay
cancels as well.  So S and P have here the bounds of decays without slack.  An erase adds rows c.cbar and
columns d.dbar, which are equal: -(S~ c)'(P d) both.

*Casts of scores.*  A chunked kernel casts ybar(t).v(s) before it meets k(s) or q(t): below the
normal range of the operand's format an absolute error, which the bound of S and P has not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from realization.certify.err import Err, gamma
from realization.certify.tape import unbroadcast
from realization.core.claim import Claim
from realization.core.rounding import format_of
from realization.layers.recurrence import bound, definition, rows
from realization.layers.recurrence.transition import at, flip, padded, share, shifted


def by_difference(moved: Any, S: Any, write: Any) -> Any:
    """Let a S(t-1) have the error of S(t) - w v k' where that is larger."""
    if not isinstance(moved, Err):
        return moved
    return Err(moved.value, np.maximum(moved.error, (S - write).error), claim=moved.claim)


def charged(
    bars: dict[str, Any], x: dict[str, Any], back: dict[str, Any], *, hold: bool, reset: Any, begins: Any, claim: Claim,
) -> dict[str, Any]:  # fmt: skip
    """Charge the last two to the cotangents of query and key, and of the exponents."""
    heads = x["value"].shape[-2] // x["key"].shape[-2]
    if claim.u_operand:
        for name, other, ways in (("query", "key", 1), ("key", "query", -1)):
            bars[name] = _worse(bars[name], heads * _cast_scores(x, back["value"], other, ways, claim))
    exponents = [name for name in bars if name.startswith("exponent")]
    if claim.decay == "logdiff" and exponents:
        loss = _by_sums(x, back, hold, reset, begins, claim)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for name in exponents:
                bars[name] = _worse(bars[name], loss(bars[name].shape))
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
    v, ybar = _sizes(x["value"]), forwards(_sizes(ybar_back), 2)
    largest = (v.max((-3,), keepdims=True, initial=0.0) * ybar.max((-3,), keepdims=True, initial=0.0)).sum(-1).max()
    return form.smallest * met if largest < form.largest / 2 else np.full(met.shape, np.inf)


def _by_sums(
    x: dict[str, Any], back: dict[str, Any], hold: bool, reset: Any, begins: Any, claim: Claim
) -> Callable[[tuple[int, ...]], Any]:
    """The error of summing rows and columns from the end of the chunk, for every step, as a function of its shape."""
    size = _moduli if x["angle"] is not None else (lambda y: y)
    begun = begins.any(0)
    last = np.concatenate([begun[..., 1:], np.ones_like(begun[..., :1])], axis=-1)
    S = _without_slack(x, hold, reset, last, claim)
    P = _without_slack(back, False, shifted(reset, 0), padded(begun, 0), claim)
    # the error of a complex number is at most that of its parts, together
    S_error, P_error = size(S.error), forwards(size(P.error), 3)
    S_size = _envelope(x, hold, reset, size, claim)
    P_size = forwards(_envelope(back, False, shifted(reset, 0), size, claim), 3)
    v, ybar = _sizes(x["value"]), forwards(_sizes(back["value"]), 2)
    k, q = size(_sizes(x["key"])), size(_sizes(x["query"]))
    erasing = x["erase_key"] is not None
    steps = min(claim.chunk or S.shape[-4], S.shape[-4])

    def loss(shape: tuple[int, ...]) -> Any:
        terms = math.prod(S.shape[-3:]) // math.prod(shape[-3:])
        relative = gamma((terms + 2) * claim.u + 4 * claim.u_operand) + gamma((steps + 2) * claim.u)
        sizes = {"ybar": ybar, "q": q, "v": v, "k": k, "S": (S_size, S_error), "P": (P_size, P_error)}
        total, error, edge, edge_error = _by_rows(x, sizes, shape) if erasing else _by_entries(sizes, shape)
        return _behind_sums(error + relative * total, edge_error + relative * edge, begins)

    return loss


def _by_entries(sizes: dict[str, Any], shape: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    """Rows and columns, and <S, P>: their sizes and errors, as sum over the entries of a state."""
    ybar, q, v, k = (sizes[name] for name in ("ybar", "q", "v", "k"))
    (S, S_error), (P, P_error) = sizes["S"], sizes["P"]

    def inner(row: Any, column: Any, state: Any) -> Any:
        return unbroadcast(row[..., :, None] * share(column, S.shape[-3])[..., None, :] * state, shape)

    total = inner(ybar, q, S) + inner(v, k, P)
    error = inner(ybar, q, S_error) + inner(v, k, P_error)
    return total, error, unbroadcast(S * P, shape), unbroadcast(S * P_error + P * S_error + S_error * P_error, shape)


def _by_rows(x: dict[str, Any], sizes: dict[str, Any], shape: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    """The same where a state is known by the 2-norms of its rows; each of the keys may have all of it."""
    c, d, q, k = (_row(share(y, sizes["v"].shape[-2])) for y in (_sizes(x["erase_key"]), _sizes(x["erase_value"]),
                                                                 sizes["q"], sizes["k"]))  # fmt: skip
    ybar, v = sizes["ybar"][..., None], sizes["v"][..., None]
    (S, S_error), (P, P_error) = ((y[..., :1], e[..., :1]) for y, e in (sizes["S"], sizes["P"]))
    P = P + ybar * q
    summed = (*shape[:-1], 1)

    def spread(y: Any) -> Any:
        return np.broadcast_to(unbroadcast(y, summed), shape)

    both = S * P_error + P * S_error + S_error * P_error
    total = ybar * q * S + v * k * P + 2 * c * d * S * P
    error = ybar * q * S_error + v * k * P_error + 2 * c * d * both
    return spread(total), spread(error), spread(S * P), spread(both)


def _row(x: Any) -> Any:
    """2-norms of keys, for all values."""
    return np.hypot.reduce(x, -1)[..., None, None]


def _without_slack(x: dict[str, Any], hold: bool, reset: Any, ends: Any, claim: Claim) -> Err:
    """The states, bounded as with decays that are products."""
    slack = np.zeros((*ends.shape, 1, 1, 1))
    run = bound.sequence(
        **bound.lifted(x, claim), hold=hold, reset=reset, states=True, slack=slack, ends=ends, claim=claim
    )
    return run.states


def _behind_sums(each: Any, edge: Any, begins: Any) -> Any:
    """sum over s = t ... end of the chunk of each(s), and edge there; the larger for both ways to cut chunks."""
    T = each.shape[-4]
    out, tail = np.zeros((2, *each.shape)), np.zeros((2, *at(each, 0, 3).shape))
    for t in range(T - 1, -1, -1):
        last = at(begins, t + 1, 0)[..., None, None, None] if t + 1 < T else True
        tail = at(each, t, 3) + np.where(last, at(edge, t, 3), tail)
        out[..., t, :, :, :] = tail
    return out.max(0)


def _envelope(x: dict[str, Any], hold: bool, reset: Any, size: Any, claim: Claim) -> Any:
    """The states of the recurrence in absolute values; |phi1(g + i turn)| <= phi1(g).  With an erase, of its rows."""
    if x["erase_key"] is not None:
        return rows.envelope(**bound.lifted(x, claim), reset=reset, claim=claim)
    g, rate = (getattr(x[name], "value", x[name]) for name in ("log_decay", "rate"))
    sizes = {name: size(_sizes(x[name])) for name in ("key", "query")}
    start = None if x["initial"] is None else size(_sizes(x["initial"]))
    return definition.run(
        **sizes, value=_sizes(x["value"]), log_decay=g, rate=rate, angle=None, spin=None,
        hold=hold and g is not None, reset=reset, initial=start, states=True,
    ).states  # fmt: skip


def forwards(x: Any, behind: int) -> Any:
    """What ran backwards, in the order of time, without the step that leads to S(-1)."""
    return flip(at(x, slice(0, -1), behind), behind)


def _moduli(x: Any) -> Any:
    n = x.shape[-1] // 2
    return np.hypot(x[..., :n], x[..., n:])
