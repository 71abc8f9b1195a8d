"""Attention over a sliding window, with what released layers add to it.

    q, k = rotary(norm(query)), rotary(norm(key))
    y(t) = sum_j p(t, j) v(j),   p = softmax of cap tanh(scale q'k / cap) + b over window, selected keys and sink

The window of w tokens, the current one included, is a register: a nilpotent system of index w that is read
after its update; without a window it is causal attention over all that is past.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.ops import Op, operation
from realization.core.pair import Pair
from realization.layers import attention_cases, conventions, regimes
from realization.layers.maps import rms_norm, rotary
from realization.layers.packing import check_offsets
from realization.layers.readings import complete
from realization.layers.readout import Read, Source, readout, real_part
from realization.layers.readout.faults import CONVENTIONS, WITH_BIAS
from realization.layers.readout.kernel import kernel
from realization.layers.readout.places import band, starts, with_selected
from realization.layers.realize import Realization
from realization.layers.register import register_system

SIGNATURE = (
    "query: *b T h k; key: *b S g k; value: *b S g v; cos?: S r | *b S r; sin?: S r | *b S r; query_norm?: k;"
    "key_norm?: k; bias?: h T S | *b h T S; sink?: h; selected?: *b T m; cu_seqlens?: s1"
    "-> y: *b T h v; lse: *b T h"
)
INTEGERS = ("selected", "cu_seqlens")


@operation(SIGNATURE, integers=INTEGERS)
def sliding_window_attention(
    *, query: Any, key: Any, value: Any, window: int | None = None, scale: float | None = None,
    softcap: float | None = None, cos: Any = None, sin: Any = None, interleaved: bool = False,
    query_norm: Any = None, key_norm: Any = None, norm_eps: float = 1e-6, bias: Any = None, sink: Any = None,
    selected: Any = None, cu_seqlens: Any = None,
) -> Read:  # fmt: skip
    """y(t) = sum_j p(t, j) v(j),  p = softmax of cap tanh(scale q(t)'k(j) / cap) + b(t, j).

    Parameters
    ----------
    query : array_like
        (*b, T, h, k); the last T of S positions, so that query t stands at i = t + S - T.
    key, value : array_like
        (*b, S, g, k) and (*b, S, g, v); g divides h, head j uses group j // (h // g).
    window : int, optional
        Query i sees the keys i - window + 1 ... i.  Default: all up to i.  0 shows none.
    scale : float, optional
        Factor of the scores.  Default: k^(-1/2), rounded once to float64.
    softcap : float, optional
        Positive bound of the scores.  Default: none.
    cos, sin : array_like, optional
        Tables of the rotary positions, (S, r) or (*b, S, r), 2 r <= k; their rounding belongs to the input.
    interleaved : bool
        Pairs of columns (2 i, 2 i + 1) are turned, and not (i, i + r).
    query_norm, key_norm : array_like, optional
        Weights (k,) of an RMS norm before the rotation.
    norm_eps : float
        Added to the mean square.
    bias : array_like, optional
        Added to the scores, (h, T, S) or (*b, h, T, S); -inf hides a key, of which nothing is read.
    sink : array_like, optional
        A logit per head (h,) that takes part in the sum and has no value; -inf for none.
    selected : array_like of int, optional
        Further keys of each query, (*b, T, m); -1 for none.  A key counts once.
    cu_seqlens : array_like of int, optional
        Offsets of packed sequences, which do not see each other; S = T and a batch of 1.

    Returns
    -------
    Read
        y (*b, T, h, v) and lse (*b, T, h), the natural logarithm of the sum.  A query that sees nothing, or
        nothing but scores of -inf, has y = 0 and lse = -inf.

    Raises
    ------
    ShapeError
        If a shape does not fit, g does not divide h, T > S, an option or a sink has no meaning, an array is complex,
        one of cos and sin is missing, or a selected key lies in the future.

    References
    ----------
    Vaswani et al. 2017, arXiv 1706.03762, equation 1; Beltagy et al. 2020, arXiv 2004.05150, section 3.

    Examples
    --------
    A window of one token returns its value, whatever the scores:

    >>> x = np.arange(6.0).reshape(1, 3, 1, 2)
    >>> bool((sliding_window_attention(query=x, key=x, value=x, window=1).y == x).all())
    True
    """
    return layer(
        readout, query=query, key=key, value=value, window=window, scale=scale, softcap=softcap, cos=cos, sin=sin,
        interleaved=interleaved, query_norm=query_norm, key_norm=key_norm, norm_eps=norm_eps, bias=bias, sink=sink,
        selected=selected, cu_seqlens=cu_seqlens,
    )  # fmt: skip


def layer(core: Callable[..., Read], *, scale, softcap, sink, **arguments) -> Read:
    """Map and core; the core is `readout`, or another route to the same."""
    check_values(arguments | {"scale": scale, "softcap": softcap, "sink": sink})
    return core(sources=(source(**arguments),), scale=factor(scale, arguments["query"]), softcap=softcap, sink=sink)


# the same with compiled loops over the keys
compiled = operation(SIGNATURE, integers=INTEGERS, like=sliding_window_attention)(functools.partial(layer, kernel))


def source(
    query, key, value, window, cos, sin, interleaved, query_norm, key_norm, norm_eps, bias, selected, cu_seqlens
) -> Source:
    """The keys of one stream, normalised and turned, and the places that each query sees."""
    check_heads(query, key)
    T, S = query.shape[-3], key.shape[-3]
    q, k = positioned(query, key, cos, sin, interleaved, query_norm, key_norm, norm_eps)
    if cu_seqlens is not None:
        check_offsets(cu_seqlens, query.shape[:-3], T, None)
        if S != T:
            raise ShapeError(f"cu_seqlens was given with S={S} keys and T={T} queries; they must be equal")
    first = None if cu_seqlens is None else starts(cu_seqlens, S)
    places = band(T, S, window, first=first)
    if selected is not None:
        places = with_selected(places, selected, S, first)
    return Source(k, value, places, q, bias)


def positioned(query, key, cos, sin, interleaved, query_norm, key_norm, norm_eps) -> tuple[Any, Any]:
    """Norm, then rotation, of queries and keys."""
    if query_norm is not None:
        query = rms_norm(query, query_norm, norm_eps)
    if key_norm is not None:
        key = rms_norm(key, key_norm, norm_eps)
    if (cos is None) != (sin is None):
        raise ShapeError(f"{'cos' if cos is None else 'sin'} is missing; both tables or none are needed")
    if cos is None:
        return query, key
    T, S = query.shape[-3], key.shape[-3]
    if 2 * cos.shape[-1] > key.shape[-1]:
        raise ShapeError(f"cos has {cos.shape[-1]} columns, keys {key.shape[-1]}; at most half as many are needed")
    return rotary(query, cos[..., S - T :, :], sin[..., S - T :, :], interleaved), rotary(key, cos, sin, interleaved)


def factor(scale: float | None, query: Any) -> float:
    """The scale of the scores; k^(-1/2) by default."""
    return float(max(query.shape[-1], 1) ** -0.5 if scale is None else scale)


def whole(x: Any) -> bool:
    """Whether x is an integer, which True is not."""
    return not isinstance(x, bool) and isinstance(x, Integral)


def finite(x: Any) -> bool:
    """Whether x is a real number."""
    return not isinstance(x, bool) and isinstance(x, Real) and math.isfinite(x)


# Which values an option may have, and how that is said.
Needs = dict[str, tuple[Callable[[Any], bool], str]]
NEEDS: Needs = {
    "window": (lambda x: x is None or (whole(x) and x >= 0),
               "0, a positive whole number of tokens, or None for all that is past,"),
    "scale": (lambda x: x is None or finite(x), "a finite number, or None for k^(-1/2),"),
    "softcap": (lambda x: x is None or (finite(x) and x > 0), "a finite positive number, or None for no cap,"),
    "norm_eps": (lambda x: finite(x) and x >= 0, "a finite number that is not negative, such as 1e-6,"),
    "interleaved": (lambda x: isinstance(x, bool | np.bool_), "True or False"),
    "sink": (lambda x: x is None or not (real_part(x) == np.inf).any(),
             "a logit below +inf for each head, or -inf for no sink,"),
}  # fmt: skip


def check_values(given: Mapping[str, Any], needs: Needs = NEEDS) -> None:
    """Refuse complex arrays, and options without a meaning.

    Raises
    ------
    ShapeError
        With what came and what is needed.
    """
    for name, x in given.items():
        if isinstance(x, Pair):
            raise ShapeError(f"{name} is complex; real numbers are needed, and a rotation as cos and sin")
        if name in needs and not needs[name][0](x):
            raise ShapeError(f"{name}={x!r} given; {needs[name][1]} is needed")


def check_heads(query, key) -> None:
    """Refuse groups that do not divide the heads, and more queries than keys."""
    (T, heads), (S, groups) = query.shape[-3:-1], key.shape[-3:-1]
    if groups == 0 or heads % groups:
        raise ShapeError(f"key has {groups} groups, query {heads} heads; the groups must divide the heads")
    if T > S:
        raise ShapeError(f"query has T={T} steps, key S={S}; queries are the last T of S positions, T <= S is needed")


def direct(
    *, query, key, value, window=None, scale=None, softcap=None, cos=None, sin=None, interleaved=False,
    query_norm=None, key_norm=None, norm_eps=1e-6, bias=None, sink=None, selected=None, cu_seqlens=None,
) -> Read:  # fmt: skip
    """The textbook loop over rows, heads and queries."""
    b, T, h, _ = query.shape
    S, g = key.shape[1:3]
    y, lse = np.zeros((b, T, h, value.shape[-1])), np.zeros((b, T, h))
    sequence = np.zeros(S, int) if cu_seqlens is None else np.searchsorted(cu_seqlens, np.arange(S), side="right")
    inside = S if cu_seqlens is None else cu_seqlens[-1]
    for row in range(b):
        tables = [None if x is None else x if x.ndim == 2 else x[row] for x in (cos, sin)]
        for head in range(h):
            group = head // (h // g)
            k = [embed(key[row, j, group], j, tables, interleaved, key_norm, norm_eps) for j in range(S)]
            for t in range(T):
                i = t + S - T
                q = embed(query[row, t, head], i, tables, interleaved, query_norm, norm_eps)
                first = 0 if window is None else max(0, i - window + 1)
                seen = set(range(first, i + 1)) | set(() if selected is None else selected[row, t]) - {-1}
                z, v = [-np.inf if sink is None else sink[head]], [np.zeros(value.shape[-1])]
                for j in sorted(j for j in seen if sequence[j] == sequence[i] and i < inside):
                    b_j = 0.0 if bias is None else np.broadcast_to(bias, (b, h, T, S))[row, head, t, j]
                    if b_j == -np.inf:
                        continue
                    s = q @ k[j] * (query.shape[-1] ** -0.5 if scale is None else scale)
                    z.append(b_j + (s if softcap is None else softcap * np.tanh(s / softcap)))
                    v.append(value[row, j, group])
                y[row, t, head], lse[row, t, head] = mean(z, v)
    return Read(y, lse)


def mean(z, v):
    """That of the vectors v with the weights exp z, and the logarithm of their sum; -inf is not counted, NaN is."""
    counted = [(x, u) for x, u in zip(z, v, strict=True) if x != -np.inf]
    if not counted:
        return 0.0, -np.inf
    z, v = (np.array(part) for part in zip(*counted, strict=True))
    e = np.exp(z - z.max())
    return e @ v / e.sum(), z.max() + np.log(e.sum())


def embed(x, i, tables, interleaved, weight, eps):
    """One query or key at position i, normalised and turned, in complex numbers."""
    x = x if weight is None else x / np.sqrt((x * x).mean() + eps) * weight
    if tables[0] is None:
        return x
    turn = tables[0][i] + 1j * tables[1][i]
    r = len(turn)
    first, second = (np.s_[0 : 2 * r : 2], np.s_[1 : 2 * r : 2]) if interleaved else (np.s_[:r], np.s_[r : 2 * r])
    turned, z = x.copy(), (x[first] + 1j * x[second]) * turn
    turned[first], turned[second] = z.real, z.imag
    return turned


# What the cases combine: arguments that are present, sizes (h, g, k, v), and the window.
OPTIONS = (
    {"size": (4, 2, 16, 8), "width": 64, "with": ("window",)},
    {"size": (4, 2, 16, 8), "width": 33, "with": ("window", "cos", "sin", "query_norm", "key_norm", "past")},
    {"size": (4, 4, 8, 6), "width": 5, "with": ("window", "softcap", "sink")},
    {"size": (2, 1, 16, 8), "width": None, "with": ("scale", "sink")},
    {"size": (6, 2, 16, 4), "width": 24, "with": ("window", "bias", "scale", "past")},
    {"size": (4, 2, 8, 4), "width": 9, "with": ("window", "bias", "softcap", "scale")},
    {"size": (4, 2, 16, 8), "width": 16, "with": ("window", "selected", "softcap")},
    {"size": (4, 2, 8, 8), "width": 17, "with": ("window", "cu_seqlens", "cos", "sin", "interleaved", "sink")},
    {"size": (2, 2, 8, 3), "width": 1, "with": ("window", "past")},
)


def cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw the arguments of one case (see `layers.attention_cases`)."""
    (h, g, k, v), have = options["size"], frozenset(options["with"])
    draw = attention_cases.Draw(regime, rng, form)
    b = 1 if "cu_seqlens" in have else batch
    S = T + (chunk // 2 + 3 if "past" in have else 0)
    out: dict[str, Any] = {"window": options["width"]} if "window" in have else {}
    if "scale" in have:
        out["scale"] = 0.3
    if "softcap" in have:
        out["softcap"] = 2048.0 if regime.exact else 15.0 if "bias" not in have else 1.5
    if "sink" in have:
        out["sink"] = draw.sink(h)
    if "selected" in have:
        out["selected"] = draw.selected(b, T, S, 6)
    if "cu_seqlens" in have:
        out["cu_seqlens"] = regimes.offsets(T, chunk, rng)
    if "bias" in have:
        # on exact inputs all heads see the same keys
        out["bias"] = np.broadcast_to(draw.bias((1 if regime.exact else h, T, S)), (h, T, S)).copy()
    if "cos" in have:
        out["cos"], out["sin"] = draw.turns(S, 3 * k // 8)
        out |= {"interleaved": True} if "interleaved" in have else {}
    if "query_norm" in have and not regime.exact:
        out["query_norm"], out["key_norm"] = draw.norm(k), draw.norm(k)
    if regime.exact:
        (query,), (key,) = attention_cases.meet(rng, h, k, [((b, S, g), _places(out, b, T, S))])
    else:
        query, key = draw.queries((b, T, h, k)), draw.keys((b, S, g, k))
    return out | {"query": query, "key": key, "value": draw.values((b, S, g, v))}


def _places(arguments: dict[str, Any], b: int, T: int, S: int) -> np.ndarray:
    """Keys that each query of the case sees, (b|1, T, W)."""
    offsets, bias = arguments.get("cu_seqlens"), arguments.get("bias")
    first = None if offsets is None else starts(offsets, S)
    places = band(T, S, arguments.get("window"), first=first)
    if "selected" in arguments:
        places = with_selected(places, arguments["selected"], S, first)
    if bias is not None:
        shown = np.take_along_axis(bias[0], np.maximum(places, 0), -1) > -np.inf
        places = np.where(shown, places, -1)
    return places if places.ndim == 3 else places[None]


def as_realization(
    *, window: int, g: int, k: int, v: int, scale: float | None = None, softcap: float | None = None,
    key_norm: Any = None, query_norm: Any = None, norm_eps: float = 1e-6, sink: Any = None,
) -> Realization:  # fmt: skip
    """Return schedule, register and read-out of a window of attention with these parameters.

    The register holds the last `window` keys and values, each with a flag that says whether there was one;
    it is read after its update, so the current token is in it.  Its matrix is nilpotent of index `window`.

    Parameters
    ----------
    window : int
        Length of the window, at least 1.
    g, k, v : int
        Groups, widths of keys and values.
    scale, softcap, key_norm, query_norm, norm_eps, sink
        As for `sliding_window_attention`.

    Returns
    -------
    Realization
        schedule(key=, value=), a linear system with window g (k + v) + window states, and readout(y, query=).
    """
    width = g * (k + v) + 1

    def schedule(*, key: Any, value: Any) -> np.ndarray:
        key = np.asarray(key) if key_norm is None else rms_norm(np.asarray(key), key_norm, norm_eps)
        batch = key.shape[:-2]
        parts = [key.reshape(*batch, g * k), np.asarray(value).reshape(*batch, g * v), np.ones((*batch, 1))]
        return np.concatenate(parts, axis=-1)

    def readout_(y: np.ndarray, *, query: Any) -> np.ndarray:
        query = np.asarray(query) if query_norm is None else rms_norm(np.asarray(query), query_norm, norm_eps)
        slots = np.swapaxes(y.reshape(*y.shape[:-1], width, window), -1, -2)
        keys, values = slots[..., : g * k], slots[..., g * k : -1]
        key, value = keys.reshape(*y.shape[:-1], window, g, k), values.reshape(*y.shape[:-1], window, g, v)
        # each step by itself: its query against the slots that are taken
        hidden = np.where(slots[..., -1] > 0, 0.0, -np.inf)[..., None, None, :]
        seen = np.arange(window)[None]
        return readout(
            sources=(Source(key, value, seen, query[..., None, :, :], hidden),),
            scale=factor(scale, query), softcap=softcap, sink=sink,
        ).y[..., 0, :, :]  # fmt: skip

    return Realization(schedule, register_system(window, width), readout_, lambda state: np.zeros(window * width))


SWAPS = (
    *conventions.windows("window"),
    *conventions.scales("query", "scale"),
    *conventions.embeddings(conventions.STREAM),
    conventions.logarithm("lse"),
    conventions.exchanged("query", "key"),
    conventions.exchanged("key", "value"),
    *CONVENTIONS,
    *WITH_BIAS,
)


SLIDING_WINDOW_ATTENTION = complete(
    Op(
        name="sliding_window_attention",
        title="Attention over a sliding window, or over all that is past",
        signature=SIGNATURE,
        definition=sliding_window_attention,
        kernel=compiled,
        direct=direct,
        as_realization=as_realization,
        cases=cases,
        regimes=attention_cases.REGIMES,
        options=OPTIONS,
        properties=("causality", "cache", "packed", "batch", "repeat", "linearity", "rough"),
        linear=("value",),
        logarithms=("lse",),
        masks=("bias",),
        formats={"lse": "accumulator"},
        typical="generic",
        envelope=attention_cases.envelope,
        reference="Vaswani et al. 2017, arXiv 1706.03762, equation 1; Beltagy et al. 2020, arXiv 2004.05150",
        swaps=SWAPS,
    )
)
