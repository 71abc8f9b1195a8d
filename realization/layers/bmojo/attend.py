"""B'MOJO's attention: one softmax over raw tokens of a window, selected tokens behind it, and fading tokens.

    places(i) = of the tokens that the innovation test admitted, those that the memory shows to query i
    y(i) = sum_j p(i, j) v(j) + sum_j p~(i, j) v~(j),      (p, p~) one softmax of (scale q'k, scale q~'k~)

The sums run over the key sets of `bmojo.sources`.  The statistics of the test are an input: they decide which keys
are seen, and have no gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from realization.core.ops import Op, Swap, defaults, operation
from realization.layers import attention_cases, conventions
from realization.layers.attention import NEEDS, check_heads, check_values, embed, factor, mean, whole
from realization.layers.bmojo import cases, select_op
from realization.layers.bmojo.as_system import as_realization
from realization.layers.bmojo.eidetic import eidetic, unsure, unsure_gradient
from realization.layers.bmojo.eidetic.faults import CONVENTIONS as SELECTED
from realization.layers.bmojo.sources import (
    FADING,
    Reach,
    check_fading,
    newest_first,
    oldest_first,
    slotted,
    union,
)
from realization.layers.packing import starts
from realization.layers.readings import complete
from realization.layers.readout import Read, readout
from realization.layers.readout.faults import CONVENTIONS, SECOND
from realization.layers.readout.kernel import kernel
from realization.memory.selection import Selection

SIGNATURE = (
    "query: *b T h k; key: *b S g k; value: *b S g v; surprise: *b S; fading_key?: *b S g k; fading_value?: *b S g v;"
    "fading_query?: *b T h k; cos?: S r | *b S r; sin?: S r | *b S r; query_norm?: k; key_norm?: k;"
    "fading_query_norm?: k; fading_key_norm?: k; seq_idx?: *b S -> y: *b T h v; lse: *b T h; places: *b T m"
)
SOME = (lambda x: whole(x) and x >= 0, "0 or a positive whole number of tokens")
LIKE_WINDOW = (lambda x: x is None or (whole(x) and x >= 0), "a whole number of tokens, or None for the window,")
OWN_NEEDS = NEEDS | {
    "window": SOME,
    "fading_lag": LIKE_WINDOW,
    "fading_width": LIKE_WINDOW,
    "slot_positions": (lambda x: isinstance(x, bool | np.bool_), "True or False"),
}


class Remembered(NamedTuple):
    """Outputs (*b, T, h, v), logarithms of the sums (*b, T, h), and which tokens were selected (*b, T, m)."""

    y: Any
    lse: Any
    places: Any


@operation(SIGNATURE, integers=("seq_idx",))
def bmojo(
    *, query: Any, key: Any, value: Any, surprise: Any, window: int, capacity: int, fading_key: Any = None,
    fading_value: Any = None, fading_query: Any = None, fading_lag: int | None = None, fading_width: int | None = None,
    rule: str = "running-top", threshold: float | None = None, count: int | None = None, eviction: str = "smallest",
    visibility: str = "next-chunk", chunk: int = 64, entry: str = "arrival", seed: int = 0,
    slot_positions: bool = True, scale: float | None = None, cos: Any = None, sin: Any = None,
    interleaved: bool = False, query_norm: Any = None, key_norm: Any = None, fading_query_norm: Any = None,
    fading_key_norm: Any = None, norm_eps: float = 1e-6, seq_idx: Any = None,
) -> Remembered:  # fmt: skip
    """y(i) = sum_j p(i, j) v(j) + sum_j p~(i, j) v~(j), (p, p~) one softmax of (scale q'k, scale q~'k~).

    Parameters
    ----------
    query : array_like
        (*b, T, h, k); the last T of S positions, so that query t stands at i = t + S - T.
    key, value : array_like
        Of the raw tokens, (*b, S, g, k) and (*b, S, g, v); g divides h.
    surprise : array_like
        Statistics of the innovation test, (*b, S); no gradient flows through them.
    window : int
        Query i sees the raw tokens i - window + 1 ... i; 0 shows none.
    capacity : int
        m, the number of places for selected tokens; 0 keeps none.
    fading_key, fading_value : array_like, optional
        Of the fading tokens, as key and value.  Default: there are none.
    fading_query : array_like, optional
        q~, for untied weights (*b, T, h, k).  Default: the query.
    fading_lag, fading_width : int, optional
        Query i sees the fading tokens i - lag - width + 1 ... i - lag.  Default: both the window.
    rule, threshold, count, eviction, visibility, chunk, entry, seed
        How the memory is filled, as for `Selection`.
    slot_positions : bool
        Whether selected keys are turned by the positions of their tokens, as those of the window are; else neither
        they nor their query are turned.
    scale : float, optional
        Factor of the scores.  Default: k^(-1/2).
    cos, sin : array_like, optional
        Tables of the rotary positions, (S, r) or (*b, S, r); a fading token has the position of its token.
    interleaved : bool
        Pairs of columns (2 i, 2 i + 1) are turned, and not (i, i + r).
    query_norm, key_norm : array_like, optional
        Weights (k,) of an RMS norm before the rotation.
    fading_query_norm, fading_key_norm : array_like, optional
        The same for untied weights.  Default: those of the raw tokens.
    norm_eps : float
        Added to the mean square.
    seq_idx : array_like of int, optional
        Document of each token, (*b, S): no other document is seen, and at every change the memory begins empty.

    Returns
    -------
    Remembered
        y (*b, T, h, v), lse (*b, T, h), the natural logarithm of the sum, and places (*b, T, m), positions of the
        selected tokens, newest first, -1 for none.  A query that sees nothing has y = 0 and lse = -inf.

    Raises
    ------
    ShapeError
        If a shape does not fit, g does not divide h, T > S, an option has no meaning, a statistic is NaN, or an
        array is complex.

    References
    ----------
    Zancato et al. 2024, arXiv 2407.06324.

    Examples
    --------
    One token is kept, the most surprising so far; equal scores give the mean of it and of the current one:

    >>> x, s = np.array([1.0, 2.0, 3.0, 5.0]).reshape(4, 1, 1), np.array([0.0, 9.0, 1.0, 2.0])
    >>> read = bmojo(query=0 * x, key=x, value=x, surprise=s, window=1, capacity=1, visibility="at-once")
    >>> read.y.ravel().tolist(), read.places.ravel().tolist()
    ([1.0, 2.0, 2.5, 3.5], [-1, -1, 1, 1])
    """
    return layer(readout, **locals())


def layer(
    core: Callable[..., Read], sources: Callable[..., Any] = union, *, surprise, window, capacity, fading_lag,
    fading_width, rule, threshold, count, eviction, visibility, chunk, entry, seed, slot_positions, scale, seq_idx,
    **streams,
) -> Remembered:  # fmt: skip
    """Selection, maps and core; the core is `readout`, or another route to the same, as the sources are `union`."""
    check_values(locals() | streams, OWN_NEEDS)
    check_heads(streams["query"], streams["key"])
    check_fading(streams["fading_query"], streams["fading_key"], streams["fading_value"])
    choice = Selection(capacity, rule, threshold, count, eviction, visibility, chunk, entry, window, seed)
    kept = eidetic(surprise=surprise, selection=choice, seq_idx=seq_idx)
    T, S = streams["query"].shape[-3], surprise.shape[-1]
    places = kept.places[..., S - T :, :]
    lag, width = (window if n is None else n for n in (fading_lag, fading_width))
    first = None if seq_idx is None else starts(seq_idx)
    streams |= {name: unsure_gradient(streams[name], kept.doubt) for name in ("key", "value")}
    reach = Reach(window, lag, width, places if capacity else None, first, slot_positions)
    read = core(sources=sources(reach, **streams), scale=factor(scale, streams["query"]))
    doubt = None if kept.doubt is None else kept.doubt[..., S - T :]
    return Remembered(*(unsure(x, doubt) for x in (*read, places)))


# the same with compiled loops over the keys
compiled = operation(SIGNATURE, integers=("seq_idx",), like=bmojo)(functools.partial(layer, kernel))


def direct(
    *, query, key, value, surprise, window, capacity, fading_key=None, fading_value=None, fading_query=None,
    fading_lag=None, fading_width=None, slot_positions=True, scale=None, cos=None, sin=None, interleaved=False,
    query_norm=None, key_norm=None, fading_query_norm=None, fading_key_norm=None, norm_eps=1e-6, seq_idx=None,
    **choice,
) -> Remembered:  # fmt: skip
    """The textbook loop over rows, heads and queries, behind that of the selection."""
    b, T, h, d = query.shape
    S, g = key.shape[1:3]
    lag, width = (window if n is None else n for n in (fading_lag, fading_width))
    s = d**-0.5 if scale is None else scale
    y, lse = np.zeros((b, T, h, value.shape[-1])), np.zeros((b, T, h))
    (places,) = select_op.direct(surprise=surprise, seq_idx=seq_idx, capacity=capacity, window=window, **choice)
    places = places[:, S - T :]
    q1 = query if fading_query is None else fading_query
    nq1, nk1 = (x if y is None else y for x, y in ((query_norm, fading_query_norm), (key_norm, fading_key_norm)))
    for row in range(b):
        tables = [None if x is None else x if x.ndim == 2 else x[row] for x in (cos, sin)]
        slots = tables if slot_positions else [None, None]
        for head in range(h):
            group = head // (h // g)
            for t in range(T):
                i = t + S - T
                first = 0 if seq_idx is None else max(j for j in range(i + 1) if _begins(seq_idx[row], j))
                raw, named = range(max(i - window + 1, first), i + 1), [j for j in places[row, t] if j >= 0]
                streams = [
                    (query, key, value, query_norm, key_norm, tables, raw),
                    (query, key, value, query_norm, key_norm, slots, named),
                ]
                if fading_key is not None:
                    old = range(max(i - lag - width + 1, first), i - lag + 1)
                    streams.append((q1, fading_key, fading_value, nq1, nk1, tables, old))
                z, v = [], []
                for q, k, u, nq, nk, turn, seen in streams:
                    at = embed(q[row, t, head], i, turn, interleaved, nq, norm_eps)
                    for j in seen:
                        z.append(s * (at @ embed(k[row, j, group], j, turn, interleaved, nk, norm_eps)))
                        v.append(u[row, j, group])
                y[row, t, head], lse[row, t, head] = mean(z, v)
    return Remembered(y, lse, places)


def _begins(names, j):
    """Whether a document begins at step j."""
    return j == 0 or names[j] != names[j - 1]


def by_slots(definition: Callable[..., Any], layer: Callable[..., Any]) -> tuple[Swap, ...]:
    """Selected keys turned by the numbers of their slots; the layer takes other `sources` than the definition has."""

    def turned(number: Callable[[np.ndarray], np.ndarray]) -> Any:
        sources = functools.partial(slotted, number)
        return lambda out, a: {**out, **layer(sources=sources, **defaults(definition) | a)._asdict()}

    def applies(a: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return a if a.get("cos") is not None and a.get("slot_positions", True) and a["capacity"] else None

    return tuple(
        Swap(f"positions of the slots, {order} token first",
             f"selected keys turned by the numbers of their slots, {order} token first, not by the positions of their "
             "tokens", applies, turned(number))
        for order, number in (("newest", newest_first), ("oldest", oldest_first))
    )  # fmt: skip


SWAPS = (
    *conventions.windows("window"),
    *conventions.scales("query", "scale"),
    *conventions.embeddings(conventions.STREAM, FADING),
    conventions.logarithm("lse"),
    conventions.exchanged("query", "key"),
    conventions.exchanged("key", "value"),
    *SELECTED,
    *CONVENTIONS,
    *SECOND,
    *by_slots(bmojo, functools.partial(layer, readout)),
)


BMOJO = complete(
    Op(
        name="bmojo",
        title="B'MOJO: attention over a window, selected tokens and fading tokens",
        signature=SIGNATURE,
        definition=bmojo,
        kernel=compiled,
        direct=direct,
        as_realization=as_realization,
        cases=cases.bmojo_cases,
        regimes=cases.BMOJO_REGIMES,
        options=cases.BMOJO_OPTIONS,
        properties=("causality", "cache", "packed", "batch", "repeat", "linearity", "rough"),
        linear=("value", "fading_value"),
        logarithms=("lse",),
        formats={"lse": "accumulator"},
        whole=("places",),
        typical="generic",
        envelope=attention_cases.envelope,
        reference="Zancato et al. 2024, arXiv 2407.06324",
        # kernels merge a pass for each key set
        claim={"splits": 3},
        swaps=SWAPS,
    )
)
