"""The B'MOJO-F layer from its tokens on: projections of raw and fading tokens, one softmax, the output's projection.

    q = Wq x + bq,   k = Wk x + bk,   v = Wv x + bv,      k~ = Wk f + bk,   v~ = Wv f + bv     (tied weights)
    y = Wo bmojo_f(q, k, v, k~, v~) + bo

Untied, the fading stream has weights, biases and norms of its own, for its queries (of the raw tokens x) too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from realization.core.functions import stack
from realization.core.ops import Op, operation
from realization.layers import attention_cases
from realization.layers.attention import check_values
from realization.layers.bmojo import released
from realization.layers.maps import linear
from realization.layers.readings import complete
from realization.layers.readout import Read, readout
from realization.layers.readout.kernel import kernel
from realization.layers.realize import Realization

STREAMS = ("query", "key", "value")
SIGNATURE = (
    "x: *b T d; fading: *b T d; query_weight: h k d; key_weight: g k d; value_weight: g v d; output_weight: d h v;"
    "query_bias?: h k; key_bias?: g k; value_bias?: g v; output_bias?: d;"
    "fading_query_weight?: h k d; fading_key_weight?: g k d; fading_value_weight?: g v d;"
    "fading_query_bias?: h k; fading_key_bias?: g k; fading_value_bias?: g v; cos?: T r | *b T r; sin?: T r | *b T r;"
    "query_norm?: k; key_norm?: k; fading_query_norm?: k; fading_key_norm?: k -> y: *b T d"
)


class Tokens(NamedTuple):
    """Output tokens (*b, T, d)."""

    y: Any


@operation(SIGNATURE)
def bmojo_f_layer(
    *, x: Any, fading: Any, query_weight: Any, key_weight: Any, value_weight: Any, output_weight: Any, window: int,
    query_bias: Any = None, key_bias: Any = None, value_bias: Any = None, output_bias: Any = None,
    fading_query_weight: Any = None, fading_key_weight: Any = None, fading_value_weight: Any = None,
    fading_query_bias: Any = None, fading_key_bias: Any = None, fading_value_bias: Any = None,
    scale: float | None = None, cos: Any = None, sin: Any = None, interleaved: bool = False, query_norm: Any = None,
    key_norm: Any = None, fading_query_norm: Any = None, fading_key_norm: Any = None, norm_eps: float = 1e-6,
    quirks: tuple[str, ...] = (),
) -> Tokens:  # fmt: skip
    """y = Wo bmojo_f(Wq x, Wk x, Wv x, Wk f, Wv f), with biases, for tokens x and fading tokens f.

    Parameters
    ----------
    x, fading : array_like
        Tokens, and what a state-space model has made of them, (*b, T, d).
    query_weight, key_weight, value_weight : array_like
        (h, k, d), (g, k, d) and (g, v, d); g divides h.
    output_weight : array_like
        (d, h, v).
    window : int
        W, at least 1.
    query_bias, key_bias, value_bias, output_bias : array_like, optional
        (h, k), (g, k), (g, v) and (d,).
    fading_query_weight, fading_key_weight, fading_value_weight : array_like, optional
        Untied weights of the fading stream.  Default: those of the raw tokens.
    fading_query_bias, fading_key_bias, fading_value_bias : array_like, optional
        The same for the biases, each by itself.
    scale, cos, sin, interleaved, query_norm, key_norm, fading_query_norm, fading_key_norm, norm_eps
        As for `bmojo_f`.
    quirks : tuple of str
        As for `bmojo_f`; the hidden size is d, and an output that is rounded is projected afterwards.

    Returns
    -------
    Tokens
        y (*b, T, d).

    Raises
    ------
    ShapeError
        If a shape does not fit, g does not divide h, W < 1, an option has no meaning, or an array is complex.

    References
    ----------
    Zancato et al. 2024, arXiv 2407.06324, the variant with fading memory only, as the public repository
    awslabs/hybrid-model-factory computes it.

    Examples
    --------
    A window of all tokens never looks at the fading ones:

    >>> rng = np.random.default_rng(0)
    >>> x, W = rng.standard_normal((1, 5, 4)), rng.standard_normal((2, 2, 4))
    >>> given = {"query_weight": W, "key_weight": W, "value_weight": W, "output_weight": W.reshape(4, 2, 2)}
    >>> one, two = (bmojo_f_layer(x=x, fading=f, window=5, **given).y for f in (x, 7 * x))
    >>> bool((one == two).all())
    True
    """
    return layer(readout, linear, **locals())


def layer(
    core: Callable[..., Read], linear: Callable[..., Any], *, x, fading, output_weight, output_bias, **given
) -> Tokens:
    """Projections, core, projection; core and linear map may be other routes to the same."""
    tokens = {"x": x, "fading": fading, "output_weight": output_weight, "output_bias": output_bias}
    check_values(tokens | given, released.OWN_NEEDS)
    streams = projected(linear, x, fading, given)
    options = {k: a for k, a in given.items() if k in OPTIONS_OF_CORE}
    read = released.layer(core, **streams, **options, hidden_size=x.shape[-1])
    flat = read.y.reshape(*x.shape[:-1], output_weight.shape[1] * output_weight.shape[2])
    return Tokens(linear(flat, output_weight.reshape(x.shape[-1], flat.shape[-1]), output_bias))


OPTIONS_OF_CORE = (
    "window", "scale", "cos", "sin", "interleaved", "query_norm", "key_norm", "fading_query_norm", "fading_key_norm",
    "norm_eps", "quirks",
)  # fmt: skip


def projected(linear: Callable[..., Any], x: Any, fading: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Queries, keys and values of both streams; without weights of its own the fading stream has one query with x."""
    streams = {name: heads(linear, x, given[f"{name}_weight"], given[f"{name}_bias"]) for name in STREAMS}
    for name in STREAMS:
        own = [given[f"fading_{name}_{part}"] for part in ("weight", "bias")]
        tokens = x if name == "query" else fading
        tied = name == "query" and own[0] is None and own[1] is None
        weight, bias = (given[f"{name}_{p}"] if a is None else a for p, a in zip(("weight", "bias"), own, strict=True))
        streams[f"fading_{name}"] = None if tied else heads(linear, tokens, weight, bias)
    return streams


def heads(linear: Callable[..., Any], x: Any, weight: Any, bias: Any) -> Any:
    """W x + b for each head, (*b, T, h, k)."""
    rows = ((weight[j], None if bias is None else bias[j]) for j in range(weight.shape[0]))
    return stack([linear(x, *row) for row in rows], axis=-2)


def product(x: Any, weight: Any, bias: Any) -> Any:
    """The affine map as a matrix product of floats."""
    y = x @ weight.T
    return y if bias is None else y + bias


# the same as matrix products, with compiled loops over the keys
compiled = operation(SIGNATURE, like=bmojo_f_layer)(functools.partial(layer, kernel, product))


def direct(*, x, fading, output_weight, window, output_bias=None, quirks=(), **given) -> Tokens:
    """Sums written out, and the textbook loop; of the quirks, only the rule of scale."""
    streams: dict[str, Any] = {}
    if "hidden-scale" in quirks:
        given["scale"] = (x.shape[-1] / output_weight.shape[1]) ** -0.5
    for prefix in ("", "fading_"):
        for name, tokens in zip(STREAMS, (x, fading if prefix else x, fading if prefix else x), strict=True):
            weight, bias = (
                given.get(f"{prefix}{name}_{part}", given.get(f"{name}_{part}")) for part in ("weight", "bias")
            )
            summed = np.einsum("...d,hkd->...hk", tokens, np.asarray(weight))
            streams[prefix + name] = summed if bias is None else summed + bias
    options = {k: a for k, a in given.items() if k in OPTIONS_OF_CORE}
    y = np.einsum("...hv,dhv->...d", released.direct(**streams, window=window, **options).y, output_weight)
    return Tokens(y + (0.0 if output_bias is None else output_bias))


# What the cases combine: arguments that are present, sizes (h, g, k, v, d), and W.
BIASES = ("query_bias", "key_bias", "value_bias", "output_bias")
TURNED = ("cos", "sin")
NORMS = ("query_norm", "key_norm")
UNTIED = tuple(f"fading_{name}_weight" for name in STREAMS)
OPTIONS = (
    {"size": (4, 2, 8, 8, 24), "width": 16, "with": (*BIASES, *TURNED)},
    {"size": (4, 2, 8, 8, 32), "width": 5, "with": (*TURNED, *NORMS)},
    {"size": (4, 4, 8, 6, 24), "width": 3, "with": (*UNTIED, *TURNED)},
    {"size": (4, 2, 8, 8, 24), "width": 2, "with": (
        *BIASES, *UNTIED, *(f"fading_{name}" for name in (*BIASES[:3], *NORMS)), *TURNED, *NORMS)},
    {"size": (2, 1, 8, 8, 12), "width": 1, "with": ("scale", *BIASES, *TURNED, "interleaved")},
    {"size": (2, 2, 8, 8, 12), "width": 7, "with": ("output_bias", "quirks")},
)  # fmt: skip
# No token has an exactly chosen projection: there are no exact integers here.
HERE = ("generic", "flat", "sharp", "common-mean", "cancelling", "positive", "tiny", "huge")
REGIMES = tuple(r for r in attention_cases.REGIMES if r.name in HERE)


def cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw tokens and weights; the regime acts through the weights of queries and values."""
    (h, g, k, v, d), have = options["size"], frozenset(options["with"])
    draw = attention_cases.Draw(regime, rng, form)
    tokens = [rng.standard_normal((batch, T, d)) for _ in range(2)]
    out: dict[str, Any] = {"window": options["width"], "x": tokens[0], "fading": tokens[1]}
    shapes = {"query": (h, k), "key": (g, k), "value": (g, v)}
    for name in (f"{prefix}{name}" for prefix in ("", "fading_") for name in STREAMS):
        shape = shapes[name.removeprefix("fading_")]
        if not name.startswith("fading") or f"{name}_weight" in have:
            out[f"{name}_weight"] = weight(draw, name, (*shape, d))
        if f"{name}_bias" in have:
            out[f"{name}_bias"] = weight(draw, name, shape)
    out["output_weight"] = rng.standard_normal((d, h, v)) / np.sqrt(h * v)
    if "output_bias" in have:
        out["output_bias"] = rng.standard_normal(d) * size(draw)
    if "cos" in have:
        out["cos"], out["sin"] = draw.turns(T, k // 2)
    out |= {name: draw.norm(k) for name in sorted(have) if name.endswith("norm")}
    out |= {"interleaved": True} if "interleaved" in have else {}
    out |= {"quirks": ("hidden-scale",)} if "quirks" in have else {}
    return out | ({"scale": 0.3} if "scale" in have else {})


def size(draw: attention_cases.Draw) -> float:
    """Size of the values in the regime; sums of heads stay in range."""
    small, large = 2.0 ** min(draw.form.emin + 20, 0), 2.0 ** max(draw.form.emax - 16, 0)
    return float({"tiny": small, "huge": large}.get(draw.regime.name, 1.0))


def weight(draw: attention_cases.Draw, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights that keep numbers of order 1 so, biases of order 1."""
    w = draw.rng.standard_normal(shape) / (np.sqrt(shape[-1]) if len(shape) > 2 else 1.0)
    if draw.regime.name == "cancelling" and not name.endswith("value"):
        # the second half of a key is the first, and of a query nearly its negative
        sign = 1.0 if name.endswith("key") else -1 - 2.0**-7
        w = np.moveaxis(attention_cases.opposed(np.moveaxis(w, 1, -1), sign), -1, 1)
    if name.endswith("query"):
        return w * {"flat": 0.02, "sharp": 8.0, "cancelling": 16.0}.get(draw.regime.name, 1.0)
    if name.endswith("value"):
        mean = 64.0 if draw.regime.name == "common-mean" and len(shape) == 2 else 0.0
        return (np.abs(w) if draw.regime.name == "positive" else w) * size(draw) + mean
    return w


def as_realization(
    *, window: int, query_weight: Any, key_weight: Any, value_weight: Any, output_weight: Any, query_bias: Any = None,
    key_bias: Any = None, value_bias: Any = None, output_bias: Any = None, fading_query_weight: Any = None,
    fading_key_weight: Any = None, fading_value_weight: Any = None, fading_query_bias: Any = None,
    fading_key_bias: Any = None, fading_value_bias: Any = None, **options: Any,
) -> Realization:  # fmt: skip
    """Return schedule, register and read-out of a layer with these weights, for given fading tokens.

    Parameters
    ----------
    window : int
        W.
    query_weight, key_weight, value_weight, output_weight, query_bias, key_bias, value_bias, output_bias
        As for `bmojo_f_layer`.
    fading_query_weight, fading_key_weight, fading_value_weight, fading_query_bias, fading_key_bias, fading_value_bias
        As for `bmojo_f_layer`.
    **options
        scale, key_norm, query_norm, fading_key_norm and norm_eps, as for `bmojo_f`.

    Returns
    -------
    Realization
        schedule(x=, fading=), the register of `bmojo_f`, and readout(y, x=).
    """
    named = {name: a for name, a in locals().items() if name.endswith(("weight", "bias"))}
    given: dict[str, Any] = {name: a if a is None else np.asarray(a) for name, a in named.items()}
    (g, k, _), v = given["key_weight"].shape, given["value_weight"].shape[1]
    inner = released.as_realization(window=window, g=g, k=k, v=v, **options)
    flat = given["output_weight"].reshape(given["output_weight"].shape[0], -1)

    def schedule(*, x: Any, fading: Any) -> np.ndarray:
        streams = projected(product, np.asarray(x), np.asarray(fading), given)
        names = ("key", "value", "fading_key", "fading_value")
        driven: np.ndarray = inner.schedule(**{name: streams[name] for name in names})
        return driven

    def readout_(y: np.ndarray, *, x: Any) -> np.ndarray:
        x = np.asarray(x)
        streams = projected(product, x, x, given)
        read = inner.readout(y, query=streams["query"], fading_query=streams["fading_query"])
        out: np.ndarray = product(read.reshape(*x.shape[:-1], flat.shape[-1]), flat, given["output_bias"])
        return out

    return Realization(schedule, inner.system, readout_, inner.start)


BMOJO_F_LAYER = complete(
    Op(
        name="bmojo_f_layer",
        title="The B'MOJO-F layer: projections, attention over raw and fading tokens, projection",
        signature=SIGNATURE,
        definition=bmojo_f_layer,
        kernel=compiled,
        direct=direct,
        as_realization=as_realization,
        cases=cases,
        regimes=REGIMES,
        options=OPTIONS,
        properties=("causality", "batch", "repeat", "linearity", "rough"),
        linear=("output_weight", "output_bias"),
        envelope=attention_cases.envelope,
        reference=released.BMOJO_F.reference,
        # the released kernel merges two passes
        claim={"splits": 2},
        typical="generic",
    )
)
