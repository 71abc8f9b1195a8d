"""The B'MOJO layer from its tokens on: projections, the innovation test, one softmax over three key sets, projection.

    x^(t) = C f(t - 1),      e(t) = x(t) - x^(t),      s(t) = |e(t)|^2,  or |e(t)|^2 / |x(t)|^2
    q, k, v = Wq x, Wk x, Wv x,      k~, v~ = Wk~ m, Wv~ m,      y = Wo bmojo(q, k, v, s, k~, v~) + bo

for features f of the past and fading tokens m, both from a mixer.  The statistics are computed here, so a kernel may
order two of them otherwise than the definition where their errors allow it: what is kept is then undecided.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import plain, sqrt, where
from realization.core.ops import Op, Swap, operation
from realization.layers import attention_cases
from realization.layers.attention import check_values
from realization.layers.bmojo import attend, layer_cases, released_layer
from realization.layers.bmojo.eidetic.faults import CONVENTIONS as SELECTED
from realization.layers.bmojo.lagged import lagged
from realization.layers.bmojo.lagged.faults import CONVENTIONS as LAGGED
from realization.layers.bmojo.released_layer import product, projected
from realization.layers.bmojo.sources import union
from realization.layers.maps import linear
from realization.layers.readings import complete
from realization.layers.readout import Read, readout, real_part
from realization.layers.readout.kernel import kernel

SIGNATURE = (
    "x: *b T d; fading: *b T e; query_weight: h k d; key_weight: g k d; value_weight: g v d; output_weight: d h v;"
    "features?: *b T n; predictor_weight?: d n; query_bias?: h k; key_bias?: g k; value_bias?: g v; output_bias?: d;"
    "fading_query_weight?: h k d; fading_key_weight?: g k e; fading_value_weight?: g v e;"
    "fading_query_bias?: h k; fading_key_bias?: g k; fading_value_bias?: g v; cos?: T r | *b T r; sin?: T r | *b T r;"
    "query_norm?: k; key_norm?: k; fading_query_norm?: k; fading_key_norm?: k; seq_idx?: *b T"
    "-> y: *b T d; surprise: *b T; places: *b T m"
)
STATISTICS = ("squared", "relative")
OWN_NEEDS = {"statistic": (lambda x: x in STATISTICS, f"one of {', '.join(STATISTICS)}")}


class Layered(NamedTuple):
    """Output tokens (*b, T, d), statistics of the tokens (*b, T), and which were selected (*b, T, m)."""

    y: Any
    surprise: Any
    places: Any


@operation(SIGNATURE, integers=("seq_idx",))
def bmojo_layer(
    *, x: Any, fading: Any, query_weight: Any, key_weight: Any, value_weight: Any, output_weight: Any, window: int,
    capacity: int, features: Any = None, predictor_weight: Any = None, statistic: str = "squared",
    query_bias: Any = None, key_bias: Any = None, value_bias: Any = None, output_bias: Any = None,
    fading_query_weight: Any = None, fading_key_weight: Any = None, fading_value_weight: Any = None,
    fading_query_bias: Any = None, fading_key_bias: Any = None, fading_value_bias: Any = None,
    fading_lag: int | None = None, fading_width: int | None = None, rule: str = "running-top",
    threshold: float | None = None, count: int | None = None, eviction: str = "smallest",
    visibility: str = "next-chunk", chunk: int = 64, entry: str = "arrival", seed: int = 0,
    slot_positions: bool = True, scale: float | None = None, cos: Any = None, sin: Any = None,
    interleaved: bool = False, query_norm: Any = None, key_norm: Any = None, fading_query_norm: Any = None,
    fading_key_norm: Any = None, norm_eps: float = 1e-6, seq_idx: Any = None,
) -> Layered:  # fmt: skip
    """y = Wo bmojo(Wq x, Wk x, Wv x, s, Wk~ m, Wv~ m) + bo with s(t) = |x(t) - C f(t - 1)|^2, for fading tokens m.

    Parameters
    ----------
    x : array_like
        Tokens (*b, T, d).
    fading : array_like
        Fading tokens m, what a state-space model has made of x, (*b, T, e).
    query_weight, key_weight, value_weight : array_like
        (h, k, d), (g, k, d) and (g, v, d); g divides h.
    output_weight : array_like
        (d, h, v).
    window, capacity : int
        As for `bmojo`.
    features, predictor_weight : array_like, optional
        f (*b, T, n), functions of the tokens up to t, and C (d, n).  Default: the prediction is 0, as it is at the
        first token of a document.
    statistic : {"squared", "relative"}
        |e|^2, or |e|^2 / |x|^2, which is 0 for a token that is 0.
    query_bias, key_bias, value_bias, output_bias : array_like, optional
        (h, k), (g, k), (g, v) and (d,).
    fading_query_weight, fading_key_weight, fading_value_weight : array_like, optional
        Untied weights (h, k, d), (g, k, e) and (g, v, e).  Default: those of the raw tokens, for e = d.
    fading_query_bias, fading_key_bias, fading_value_bias : array_like, optional
        The same for the biases, each by itself.
    fading_lag, fading_width, rule, threshold, count, eviction, visibility, chunk, entry, seed, slot_positions
        As for `bmojo`.
    scale, cos, sin, interleaved, query_norm, key_norm, fading_query_norm, fading_key_norm, norm_eps, seq_idx
        As for `bmojo`.

    Returns
    -------
    Layered
        y (*b, T, d), surprise (*b, T) and places (*b, T, m).  No gradient flows from y through a selection.

    Raises
    ------
    ShapeError
        If a shape does not fit, g does not divide h, an option has no meaning, only one of features and
        predictor_weight is given, a statistic is not finite, or an array is complex.

    References
    ----------
    Zancato et al. 2024, arXiv 2407.06324.

    Examples
    --------
    Tokens that are features of themselves, one step before: a constant is predicted from the second token on.

    >>> x, W = np.ones((1, 4, 2)), np.eye(2)[None]
    >>> given = {"query_weight": W, "key_weight": W, "value_weight": W, "output_weight": W.reshape(2, 1, 2)}
    >>> out = bmojo_layer(x=x, fading=x, features=x, predictor_weight=W[0], window=1, capacity=2, rule="threshold",
    ...                   threshold=0.5, visibility="at-once", **given)
    >>> out.surprise.tolist(), out.places[0].tolist()
    ([[2.0, 0.0, 0.0, 0.0]], [[-1, -1], [0, -1], [0, -1], [0, -1]])
    """
    return layer(readout, linear, **locals())


OF_CORE = (
    "window", "capacity", "fading_lag", "fading_width", "rule", "threshold", "count", "eviction", "visibility",
    "chunk", "entry", "seed", "slot_positions", "scale", "cos", "sin", "interleaved", "query_norm", "key_norm",
    "fading_query_norm", "fading_key_norm", "norm_eps", "seq_idx",
)  # fmt: skip


def layer(
    core: Callable[..., Read], linear: Callable[..., Any], sources: Callable[..., Any] = union, *, x, fading,
    output_weight, output_bias, features, predictor_weight, statistic, **given,
) -> Layered:  # fmt: skip
    """Projections, test, core, projection; core and linear map may be other routes to the same."""
    arrays = {"x": x, "fading": fading, "features": features, "predictor_weight": predictor_weight}
    check_values(arrays | {"output_weight": output_weight, "output_bias": output_bias, "statistic": statistic} | given,
                 attend.OWN_NEEDS | OWN_NEEDS)  # fmt: skip
    _check_pairs(x, fading, features, predictor_weight, given)
    s = surprise(linear, x, features, predictor_weight, statistic, given["seq_idx"])
    options = {name: given[name] for name in OF_CORE}
    read = attend.layer(core, sources, **projected(linear, x, fading, given), surprise=s, **options)
    flat = read.y.reshape(*x.shape[:-1], output_weight.shape[1] * output_weight.shape[2])
    return Layered(linear(flat, output_weight.reshape(x.shape[-1], flat.shape[-1]), output_bias), s, read.places)


def surprise(linear: Callable[..., Any], x: Any, features: Any, weight: Any, statistic: str, seq_idx: Any) -> Any:
    """s = |e|^2 or |e|^2 / |x|^2, e(t) = x(t) - C f(t - 1)."""
    e = x if features is None else x - linear(lagged(features=features, seq_idx=seq_idx), weight, None)
    s = (e * e).sum(-1)
    if statistic == "squared":
        return s
    size = (x * x).sum(-1)
    nothing = np.asarray(plain(size) == 0, bool)
    return where(nothing, 0.0, s / where(nothing, 1.0, size))


def _check_pairs(x: Any, fading: Any, features: Any, weight: Any, given: Any) -> None:
    if not np.isfinite(real_part(x)).all():
        raise ShapeError("x has an entry that is NaN or infinite; its tokens are tested, so finite ones are needed")
    if (features is None) != (weight is None):
        missing = "features" if features is None else "predictor_weight"
        raise ShapeError(f"{missing} is missing; both features and predictor_weight, or neither, are needed")
    tied = [name for name in ("key", "value") if given[f"fading_{name}_weight"] is None]
    if tied and fading.shape[-1] != x.shape[-1]:
        raise ShapeError(
            f"fading has width {fading.shape[-1]}, x {x.shape[-1]}; equal ones, or fading_{tied[0]}_weight, are needed"
        )


# the same as matrix products, with compiled loops over the keys
compiled = operation(SIGNATURE, integers=("seq_idx",), like=bmojo_layer)(functools.partial(layer, kernel, product))


def direct(
    *, x, fading, output_weight, features=None, predictor_weight=None, statistic="squared", output_bias=None,
    seq_idx=None, **given,
) -> Layered:  # fmt: skip
    """Sums written out, a loop over tokens for the statistics, and the textbook loop of `bmojo`."""
    streams, s = {}, np.zeros(x.shape[:-1])
    for prefix in ("", "fading_"):
        for name in ("query", "key", "value"):
            tokens = fading if prefix and name != "query" else x
            weight, bias = (
                given.get(f"{prefix}{name}_{part}", given.get(f"{name}_{part}")) for part in ("weight", "bias")
            )
            summed = np.einsum("...d,hkd->...hk", tokens, np.asarray(weight))
            streams[prefix + name] = summed if bias is None else summed + bias
    for row, t in np.ndindex(s.shape):
        e = x[row, t]
        if features is not None and t > 0 and (seq_idx is None or seq_idx[row, t] == seq_idx[row, t - 1]):
            e = e - predictor_weight @ features[row, t - 1]
        size = x[row, t] @ x[row, t] if statistic == "relative" else 1.0
        s[row, t] = e @ e / size if size else 0.0
    options = {name: a for name, a in given.items() if not name.endswith(("weight", "bias"))}
    read = attend.direct(**streams, surprise=s, seq_idx=seq_idx, **options)
    y = np.einsum("...hv,dhv->...d", read.y, output_weight)
    return Layered(y + (0.0 if output_bias is None else output_bias), s, read.places)


def _negated(a: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return None if a.get("predictor_weight") is None else {**a, "predictor_weight": -a["predictor_weight"]}


BMOJO_LAYER = complete(
    Op(
        name="bmojo_layer",
        title="The B'MOJO layer: projections, innovation test, attention over three memories, projection",
        signature=SIGNATURE,
        definition=bmojo_layer,
        kernel=compiled,
        direct=direct,
        cases=layer_cases.draw,
        regimes=released_layer.REGIMES,
        options=layer_cases.OPTIONS,
        properties=("causality", "packed", "batch", "repeat", "linearity", "rough"),
        linear=("output_weight", "output_bias"),
        formats={"surprise": "accumulator"},
        whole=("places",),
        typical="generic",
        envelope=attention_cases.envelope,
        reference="Zancato et al. 2024, arXiv 2407.06324",
        # kernels merge a pass for each key set
        claim={"splits": 3},
        swaps=(
            *SELECTED,
            Swap(
                "norm without its square",
                "|e| in the place of |e|^2",
                outputs=lambda out, a: {**out, "surprise": sqrt(out["surprise"])},
            ),
            Swap(
                "mean for the sum",
                "the mean over the channels in the place of their sum",
                outputs=lambda out, a: {**out, "surprise": out["surprise"] * (1 / a["x"].shape[-1])},
            ),
            Swap("sign of the prediction", "the prediction added to the token", arguments=_negated),
            *LAGGED,
            *attend.by_slots(bmojo_layer, functools.partial(layer, readout, linear)),
        ),
    )
)
