"""B'MOJO-F: one softmax over the raw tokens of a window and over fading tokens, the outputs of a state-space
model, in the window before it.

    raw      j in [i - W + 1, i]            scores q(i)'k(j),     values v(j)
    fading   j in [i - 2 W + 1, i - W]      scores q~(i)'k~(j),   values v~(j)

With identity fading tokens and tied weights it is a window of 2 W; with W >= S it is full attention.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import cast, where
from realization.core.ops import Op, Swap, operation
from realization.layers import attention_cases, conventions
from realization.layers.attention import NEEDS, check_heads, check_values, factor, whole
from realization.layers.bmojo import attend
from realization.layers.bmojo.sources import FADING, Reach, union
from realization.layers.maps import rms_norm
from realization.layers.readings import complete
from realization.layers.readout import Read, Source, merge, readout
from realization.layers.readout.faults import CONVENTIONS, SECOND
from realization.layers.readout.kernel import kernel
from realization.layers.readout.places import band
from realization.layers.realize import Realization
from realization.layers.register import register_system

SIGNATURE = (
    "query: *b T h k; key: *b S g k; value: *b S g v; fading_key: *b S g k; fading_value: *b S g v;"
    "fading_query?: *b T h k; cos?: S r | *b S r; sin?: S r | *b S r; query_norm?: k; key_norm?: k;"
    "fading_query_norm?: k; fading_key_norm?: k -> y: *b T h v; lse: *b T h"
)

# What the released layer does and the mathematics does not say.
QUIRKS = {
    "hidden-scale": "without norms the scores are scaled by (hidden_size / h)^(-1/2), and not by k^(-1/2)",
    "bfloat16-output": "with more than W tokens the output is rounded to bfloat16, whatever the inputs are",
    "nan-before-window": "a cached piece of several tokens that crosses position W gives NaN in the rows before W",
}
OWN_NEEDS = NEEDS | {
    "window": (lambda x: whole(x) and x >= 1, "a whole number of tokens, at least 1,"),
    "hidden_size": (lambda x: x is None or (whole(x) and x >= 1), "the width of the layer's input, or None,"),
    "quirks": (lambda x: isinstance(x, tuple | list) and all(quirk in tuple(QUIRKS) for quirk in x),
               f"a tuple of names out of {', '.join(QUIRKS)}"),
}  # fmt: skip


@operation(SIGNATURE)
def bmojo_f(
    *, query: Any, key: Any, value: Any, fading_key: Any, fading_value: Any, window: int, fading_query: Any = None,
    scale: float | None = None, cos: Any = None, sin: Any = None, interleaved: bool = False, query_norm: Any = None,
    key_norm: Any = None, fading_query_norm: Any = None, fading_key_norm: Any = None, norm_eps: float = 1e-6,
    hidden_size: int | None = None, quirks: tuple[str, ...] = (),
) -> Read:  # fmt: skip
    """y(i) = sum_j p(i, j) v(j) + sum_j p~(i, j) v~(j), (p, p~) one softmax of (scale q'k, scale q~'k~).

    Parameters
    ----------
    query : array_like
        (*b, T, h, k); the last T of S positions, so that query t stands at i = t + S - T.
    key, value : array_like
        Of the raw tokens, (*b, S, g, k) and (*b, S, g, v); g divides h.
    fading_key, fading_value : array_like
        Of the fading tokens, likewise.
    window : int
        W, at least 1; the layer reaches back over 2 W tokens.
    fading_query : array_like, optional
        q~, for untied weights (*b, T, h, k).  Default: the query.
    scale : float, optional
        Factor of the scores.  Default: k^(-1/2), see quirks.
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
    hidden_size : int, optional
        Needed by the quirk "hidden-scale".
    quirks : tuple of str
        Peculiarities of the released layer to reproduce, of `QUIRKS`: "hidden-scale", "bfloat16-output",
        "nan-before-window".

    Returns
    -------
    Read
        y (*b, T, h, v) and lse (*b, T, h), the natural logarithm of the sum.

    Raises
    ------
    ShapeError
        If a shape does not fit, g does not divide h, T > S, W < 1, an option has no meaning, or an array is complex.

    References
    ----------
    Zancato et al. 2024, arXiv 2407.06324, the variant with fading memory only, as the public repository
    awslabs/hybrid-model-factory computes it.

    Examples
    --------
    Identity fading tokens make the window twice as long:

    >>> from realization.layers.attention import sliding_window_attention
    >>> x = np.random.default_rng(0).standard_normal((1, 12, 1, 4))
    >>> one = bmojo_f(query=x, key=x, value=x, fading_key=x, fading_value=x, window=3)
    >>> two = sliding_window_attention(query=x, key=x, value=x, window=6)
    >>> bool(abs(one.y - two.y).max() < 1e-15)
    True
    """
    return layer(readout, **locals())


def layer(core: Callable[..., Read], *, window, scale, hidden_size, quirks, **streams) -> Read:
    """Maps and core; the core is `readout`, or another route to the same."""
    check_values(locals() | streams, OWN_NEEDS)
    query, key = streams["query"], streams["key"]
    check_heads(query, key)
    if "hidden-scale" in quirks and not hidden_size:
        raise ShapeError("the quirk hidden-scale needs hidden_size, the width of the layer's input")
    if "hidden-scale" in quirks and scale is None and streams["query_norm"] is None:
        scale = (hidden_size / query.shape[-2]) ** -0.5
    read = core(sources=union(Reach(window, window, window), **streams), scale=factor(scale, query))
    return peculiar(read, window, query.shape[-3], key.shape[-3], quirks)


# the same with compiled loops over the keys
compiled = operation(SIGNATURE, like=bmojo_f)(functools.partial(layer, kernel))


def by_parts(*, sources: tuple[Source, ...], **options: Any) -> Read:
    """Read each source out by itself and merge the two: the second route, and the form of the released kernel."""
    return merge([readout(sources=(source,), **options) for source in sources])


bmojo_f_two_pass = operation(SIGNATURE, like=bmojo_f)(functools.partial(layer, by_parts))


def peculiar(read: Read, window: int, T: int, S: int, quirks: tuple[str, ...]) -> Read:
    """What the released layer makes of a right result."""
    y = cast(read.y, "bfloat16") if "bfloat16-output" in quirks and window < S else read.y
    if "nan-before-window" in quirks and T < S and window < S:
        y = where((np.arange(S - T, S) < window)[:, None, None], np.nan, y)
    return Read(y, read.lse)


def direct(*, hidden_size=None, quirks=(), key, **given) -> Read:
    """The textbook loop of `bmojo` without selected tokens; without quirks."""
    read = attend.direct(key=key, surprise=np.zeros(key.shape[:2]), capacity=0, **given)
    return Read(read.y, read.lse)


# What the cases combine: arguments that are present, sizes (h, g, k, v), and W.
OPTIONS = (
    {"size": (4, 2, 16, 16), "width": 64, "with": ()},
    {"size": (4, 2, 16, 8), "width": 16, "with": ("fading_query", "past")},
    {"size": (4, 4, 8, 8), "width": 5, "with": ("cos", "sin", "query_norm", "key_norm", "past")},
    {"size": (6, 2, 8, 8), "width": 3, "with": ("fading_query", "cos", "sin", "query_norm", "key_norm",
                                                "fading_query_norm", "fading_key_norm")},
    {"size": (2, 1, 8, 8), "width": 2, "with": ("scale", "cos", "sin", "interleaved")},
    {"size": (2, 1, 8, 3), "width": 1, "with": ("fading_query", "scale", "past")},
)  # fmt: skip


def cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw the arguments of one case (see `layers.attention_cases`)."""
    (h, g, k, v), have, W = options["size"], frozenset(options["with"]), options["width"]
    draw = attention_cases.Draw(regime, rng, form)
    S = T + (chunk // 2 + 3 if "past" in have else 0)
    shape, one = (batch, S, g), {"window": W}
    out: dict[str, Any] = one | ({"scale": 0.3} if "scale" in have else {})
    if "cos" in have:
        out["cos"], out["sin"] = draw.turns(S, 3 * k // 8)
        out |= {"interleaved": True} if "interleaved" in have else {}
    if not regime.exact:
        out |= {name: draw.norm(k) for name in have if name.endswith("norm")}
    if regime.exact:
        streams = [(shape, band(T, S, W)[None]), (shape, band(T, S, W, shift=W)[None])]
        queries, keys = attention_cases.meet(rng, h, k, streams, tied="fading_query" not in have)
    else:
        queries, keys = [draw.queries((batch, T, h, k)) for _ in range(2)], [draw.keys((*shape, k)) for _ in range(2)]
    out |= {"query": queries[0], "key": keys[0], "fading_key": keys[1]}
    out |= {name: draw.values((*shape, v)) for name in ("value", "fading_value")}
    return out | ({"fading_query": queries[1]} if "fading_query" in have else {})


def as_realization(
    *, window: int, g: int, k: int, v: int, scale: float | None = None, key_norm: Any = None, query_norm: Any = None,
    fading_key_norm: Any = None, norm_eps: float = 1e-6,
) -> Realization:  # fmt: skip
    """Return schedule, register and read-out of a B'MOJO-F layer with these parameters, for given fading tokens.

    The register holds the last 2 W tokens of both streams, each with a flag that says whether there was one; its
    newer half is read for the raw tokens, its older half for the fading ones.  It is nilpotent of index 2 W.

    Parameters
    ----------
    window : int
        W.
    g, k, v : int
        Groups, widths of keys and values.
    scale, key_norm, query_norm, fading_key_norm, norm_eps
        As for `bmojo_f`.

    Returns
    -------
    Realization
        schedule(key=, value=, fading_key=, fading_value=), a linear system with 2 W (2 g (k + v) + 1) states, and
        readout(y, query=, fading_query=None).
    """
    sizes = np.cumsum([g * k, g * v, g * k, g * v])
    width = int(sizes[-1]) + 1

    def schedule(*, key: Any, value: Any, fading_key: Any, fading_value: Any) -> np.ndarray:
        norms = (key_norm, None, key_norm if fading_key_norm is None else fading_key_norm, None)
        given = [np.asarray(x) for x in (key, value, fading_key, fading_value)]
        parts = [x if n is None else rms_norm(x, n, norm_eps) for x, n in zip(given, norms, strict=True)]
        flat = [x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1]) for x in parts]
        return np.concatenate([*flat, np.ones((*flat[0].shape[:-1], 1))], axis=-1)

    def readout_(y: np.ndarray, *, query: Any, fading_query: Any = None) -> np.ndarray:
        slots = np.swapaxes(y.reshape(*y.shape[:-1], width, 2 * window), -1, -2)
        queries = [np.asarray(q) for q in (query, query if fading_query is None else fading_query)]
        queries = [q if query_norm is None else rms_norm(q, query_norm, norm_eps) for q in queries]
        parts = np.split(slots, sizes, axis=-1)
        hidden = np.where(parts[4] > 0, 0.0, -np.inf)
        sources = []
        for i, half in ((0, slice(window, None)), (1, slice(0, window))):
            K, U = (x[..., half, :].reshape(*x.shape[:-2], window, g, -1) for x in parts[2 * i : 2 * i + 2])
            seen, bias = np.arange(window)[None], np.moveaxis(hidden[..., half, :], -1, -2)[..., None, :]
            sources.append(Source(K, U, seen, queries[i][..., None, :, :], bias))
        return readout(sources=sources, scale=factor(scale, queries[0])).y[..., 0, :, :]

    return Realization(
        schedule, register_system(2 * window, width), readout_, lambda state: np.zeros(2 * window * width)
    )


def _hidden_scale(a: Mapping[str, Any]) -> Mapping[str, Any] | None:
    normed = a.get("scale") is not None or a.get("query_norm") is not None
    return None if normed or not a.get("hidden_size") else {**a, "quirks": (*a.get("quirks", ()), "hidden-scale")}


def _exchanged(a: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**a, **{name: a[f"fading_{name}"] for name in ("key", "value")},
            "fading_key": a["key"], "fading_value": a["value"]}  # fmt: skip


SWAPS = (
    *conventions.windows("window"),
    *conventions.scales("query", "scale"),
    Swap("hidden-scale", "the scale (hidden_size / h)^(-1/2)", arguments=_hidden_scale),
    Swap("streams exchanged", "raw and fading tokens exchanged", arguments=_exchanged),
    *conventions.embeddings(conventions.STREAM, FADING),
    conventions.logarithm("lse"),
    conventions.exchanged("query", "key"),
    conventions.exchanged("key", "value"),
    *CONVENTIONS,
    *SECOND,
)


BMOJO_F = complete(
    Op(
        name="bmojo_f",
        title="B'MOJO-F: attention over a window and the fading tokens before it",
        signature=SIGNATURE,
        definition=bmojo_f,
        kernel=compiled,
        direct=direct,
        as_realization=as_realization,
        cases=cases,
        regimes=attention_cases.REGIMES,
        options=OPTIONS,
        properties=("causality", "cache", "batch", "repeat", "linearity", "rough"),
        linear=("value", "fading_value"),
        logarithms=("lse",),
        formats={"lse": "accumulator"},
        typical="generic",
        envelope=attention_cases.envelope,
        reference="Zancato et al. 2024, arXiv 2407.06324; awslabs/hybrid-model-factory",
        # the released kernel merges two passes
        claim={"splits": 2},
        swaps=SWAPS,
    )
)
