"""The B'MOJO layer: its weights, its three memories, and how it is set.

    u = norm(x),      q, k, v = Wq u, Wk u, Wv u,      f = mixer(u),      k~, v~ = Wk~ f, Wv~ f
    y(i) = Wo ( sum_j p(i, j) v(j) + sum_j p~(i, j) v~(j) ),      (p, p~) one softmax of q(i)'k(j) and q~(i)'k~(j)

    raw tokens       j in [i - window + 1, i]              nilpotent: forgotten when the window has passed
    selected tokens  j in places(i), older than those      eidetic: kept verbatim while the innovation test says so
    fading tokens    j in [i - lag - width + 1, i - lag]   what is left of the past in the state of the mixer

Full attention, a sliding window, B'MOJO-F, the mixer alone and the whole layer are settings of one object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.layers.attention import NEEDS, check_values, whole
from realization.layers.bmojo.positions import Rotary
from realization.layers.fading.mixer import FadingMixer, sealed, weights
from realization.layers.predictors import state_predictor
from realization.memory.selection import InnovationTest, Predictor, Selection

WEIGHTS = (
    "query_weight: h k d; key_weight: g k d; value_weight: g v d; output_weight: d h v; query_bias?: h k;"
    "key_bias?: g k; value_bias?: g v; output_bias?: d; fading_query_weight?: h k d; fading_key_weight?: g k e;"
    "fading_value_weight?: g v e; fading_query_bias?: h k; fading_key_bias?: g k; fading_value_bias?: g v;"
    "query_norm?: k; key_norm?: k; fading_query_norm?: k; fading_key_norm?: k; norm_weight?: d"
)
SPANS = {
    name: (lambda x: x is None or (whole(x) and x >= 0), f"a whole number of tokens, 0 or more, or None for {none},")
    for name, none in (
        ("window", "all that is past"), ("fading_lag", "the window"), ("fading_width", "the window")
    )
}  # fmt: skip
OWN_NEEDS = SPANS | {"slot_positions": (lambda x: isinstance(x, bool | np.bool_), "True or False")}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BMojo(Sealed):
    """A layer whose queries read window, selected and fading tokens with one softmax.

    Parameters
    ----------
    query_weight, key_weight, value_weight : array_like
        (h, k, d), (g, k, d) and (g, v, d); g divides h.
    output_weight : array_like
        (d, h, v).
    window : int or None
        Raw tokens that are seen, the current one included; 0 sees none, None all that is past.
    mixer : FadingMixer, optional
        Makes fading tokens of width e, see `layers.fading`.  Default: there are none.
    test : InnovationTest, optional
        Says which tokens are kept; it sees the input after the norm.  Default: none is.
    fading_lag, fading_width : int, optional
        Query i sees the fading tokens i - lag - width + 1 ... i - lag.  Default: the window, both.
    query_bias, key_bias, value_bias, output_bias : array_like, optional
        (h, k), (g, k), (g, v) and (d,).
    fading_query_weight, fading_key_weight, fading_value_weight : array_like, optional
        Untied weights (h, k, d), (g, k, e) and (g, v, e).  Default: those of the raw tokens.
    fading_query_bias, fading_key_bias, fading_value_bias : array_like, optional
        The same for the biases.
    query_norm, key_norm, fading_query_norm, fading_key_norm : array_like, optional
        Weights (k,) of RMS norms of queries and keys; of the fading ones those of the raw tokens by default.
    norm_weight : array_like, optional
        Of an RMS norm of the input (d,).
    norm_eps : float
        Added to mean squares.
    rotary : Rotary, optional
        Positions, counted from the start of the document.
    slot_positions : bool
        Whether selected tokens have the rotary positions of their own, or none.
    scale : float, optional
        Factor of the scores.  Default: k^(-1/2).

    Raises
    ------
    ShapeError
        If a shape or an option does not fit, or the test leaves out another window than is read.

    Notes
    -----
    Where the selection of the test does not forget at a new document, tokens of earlier ones stay in the memory, at
    the positions that they had there.

    References
    ----------
    Zancato et al. 2024, arXiv 2407.06324.

    Examples
    --------
    >>> from realization.layers.fading import Diagonal
    >>> layer = BMojo.random(8, heads=2, window=4, mixer=Diagonal.random(8, 3, rng=0), rng=0)
    >>> layer.lag, layer.width, layer.capacity
    (4, 4, 0)
    """

    query_weight: Any
    key_weight: Any
    value_weight: Any
    output_weight: Any
    window: int | None
    mixer: FadingMixer | None = None
    test: Any = None
    fading_lag: int | None = None
    fading_width: int | None = None
    query_bias: Any = None
    key_bias: Any = None
    value_bias: Any = None
    output_bias: Any = None
    fading_query_weight: Any = None
    fading_key_weight: Any = None
    fading_value_weight: Any = None
    fading_query_bias: Any = None
    fading_key_bias: Any = None
    fading_value_bias: Any = None
    query_norm: Any = None
    key_norm: Any = None
    fading_query_norm: Any = None
    fading_key_norm: Any = None
    norm_weight: Any = None
    norm_eps: float = 1e-6
    rotary: Rotary | None = None
    slot_positions: bool = True
    scale: float | None = None

    def __post_init__(self) -> None:
        sizes = sealed(self, WEIGHTS)
        options = {name: getattr(self, name) for name in (*OWN_NEEDS, "scale", "norm_eps")}
        check_values(options, NEEDS | OWN_NEEDS)
        if sizes["g"] == 0 or sizes["h"] % sizes["g"]:
            raise ShapeError(f"key_weight has {sizes['g']} groups, query_weight {sizes['h']} heads; they must divide")
        if self.rotary is not None and 2 * self.rotary.pairs > sizes["k"]:
            raise ShapeError(f"rotary turns {self.rotary.pairs} pairs of columns, but keys have {sizes['k']} columns")
        _check_mixer(self, sizes["d"])
        _check_test(self)

    @classmethod
    def random(
        cls, d: int, *, heads: int = 2, groups: int | None = None, width: int | None = None, window: int | None,
        tied: bool = True, rng: Any, **settings: Any,
    ) -> BMojo:  # fmt: skip
        """Draw weights that keep the size of a token.

        Parameters
        ----------
        d : int
            Width of the tokens.
        heads, groups, width : int
            h, g (default h) and k = v (default d / h).
        window : int or None
            As for `BMojo`.
        tied : bool
            Whether fading tokens share the weights of raw ones.
        rng : Generator or int
            The source of random numbers.
        **settings
            All else that `BMojo` takes.

        Returns
        -------
        BMojo
            The layer.

        Raises
        ------
        ShapeError
            If heads is no positive whole number, or as `BMojo`.
        """
        if not whole(heads) or heads < 1:
            raise ShapeError(f"heads={heads!r} given; a positive whole number is needed")
        rng, k = np.random.default_rng(rng), width or max(d // heads, 1)
        rows = {"query": heads, "key": groups or heads, "value": groups or heads}

        def drawn(prefix: str, e: int) -> dict[str, Any]:
            wide = {"query": d, "key": e, "value": e}
            return {f"{prefix}{n}_weight": weights(rng, r * k, wide[n]).reshape(r, k, wide[n]) for n, r in rows.items()}

        raw, out = drawn("", d), weights(rng, d, heads * k).reshape(d, heads, k)
        mixer = settings.get("mixer")
        own = {} if tied or mixer is None else drawn("fading_", mixer.e)
        return cls(**raw, **own, output_weight=out, window=window, **settings)

    @property
    def d(self) -> int:
        """Width of the tokens."""
        return int(self.output_weight.shape[0])

    @property
    def lag(self) -> int:
        """Tokens by which the newest fading token lies behind the query."""
        return int((self.window or 0) if self.fading_lag is None else self.fading_lag)

    @property
    def width(self) -> int:
        """Fading tokens that a query sees; 0 without a mixer."""
        span = self.window if self.fading_width is None else self.fading_width
        return 0 if self.mixer is None else int(span or 0)

    @property
    def capacity(self) -> int:
        """Places of the eidetic memory."""
        return 0 if self.test is None else int(self.test.selection.capacity)

    @property
    def horizon(self) -> int:
        """Tokens behind the current one that may still come to be seen for the first time, in the window or selected.

        What is admitted on its arrival is seen when the window has passed it and the chunk is complete, and what is
        admitted when it leaves the window at most a chunk later: no token waits for longer than window + chunk.
        """
        window = self.window or 0
        return max(window - 1, 0) if self.test is None else window + int(self.test.selection.chunk)


def _check_mixer(layer: BMojo, d: int) -> None:
    mixer = layer.mixer
    if mixer is None:
        return
    if not all(hasattr(mixer, name) for name in ("d", "e", "drive", "read")) or not callable(mixer):
        raise ShapeError(f"mixer is {mixer!r}; a fading mixer of realization.layers.fading, or None, is needed")
    key = layer.key_weight if layer.fading_key_weight is None else layer.fading_key_weight
    value = layer.value_weight if layer.fading_value_weight is None else layer.fading_value_weight
    for name, weight in (("keys", key), ("values", value)):
        if (mixer.d, mixer.e) != (d, weight.shape[-1]):
            raise ShapeError(
                f"mixer takes tokens of width {mixer.d} and makes fading tokens of width {mixer.e}; the layer has "
                f"tokens of width {d}, and its weights of fading {name} take {weight.shape[-1]}: untie what differs"
            )
    if layer.window is None and None in (layer.fading_lag, layer.fading_width):
        raise ShapeError("window=None sees all that is past; fading_lag and fading_width have no default beside it")


def _check_test(layer: BMojo) -> None:
    test = layer.test
    if test is None:
        return
    if not hasattr(test, "selection") or not hasattr(test, "test"):
        raise ShapeError(f"test is {test!r}; an InnovationTest, or None, is needed")
    if test.selection.window != layer.window:
        raise ShapeError(
            f"the selection of the test has window={test.selection.window}, the layer window={layer.window}; they must "
            "be equal, for what lies in the window is read there and not from the memory"
        )


# Settings of one layer -------------------------------------------------------------------------------------------


def with_memory(
    layer: BMojo, capacity: int, *, predictor: Predictor | None = None, statistic: str = "squared", **choice: Any
) -> BMojo:
    """Return the layer with an eidetic memory, filled by an innovation test.

    Parameters
    ----------
    layer : BMojo
        With a finite window.
    capacity : int
        M, places of the memory.
    predictor : Predictor, optional
        What the next token is expected to be.  Default: u^(t) = W f(t-1) from the state of the layer's own mixer, W
        fitted to the tokens so far.
    statistic : str
        Of the innovations, see `InnovationTest`.
    **choice
        All else that `Selection` takes.

    Returns
    -------
    BMojo
        With the same weights.

    Raises
    ------
    ShapeError
        If there is neither a mixer nor a predictor, or an option does not fit.

    Examples
    --------
    >>> from realization.layers.fading import Diagonal
    >>> layer = BMojo.random(8, window=4, mixer=Diagonal.random(8, 3, rng=0), rng=0)
    >>> with_memory(layer, 16, visibility="at-once").capacity
    16
    """
    if predictor is None and layer.mixer is None:
        raise ShapeError("the layer has no mixer from whose state the next token is predicted; give a predictor")
    expected = state_predictor(layer.mixer) if predictor is None else predictor  # type: ignore[arg-type]
    chosen = Selection(capacity, **{"window": layer.window, **choice})
    return replace(layer, test=InnovationTest(expected, statistic, chosen))


def without_memory(layer: BMojo) -> BMojo:
    """Return the layer without eidetic memory: B'MOJO-F.

    Parameters
    ----------
    layer : BMojo
        With a mixer.

    Returns
    -------
    BMojo
        With the same weights.
    """
    return replace(layer, test=None)


def window_only(layer: BMojo) -> BMojo:
    """Return the layer with its window only.

    Parameters
    ----------
    layer : BMojo
        Any.

    Returns
    -------
    BMojo
        With the same weights.
    """
    return replace(layer, test=None, mixer=None)


def full_attention(layer: BMojo) -> BMojo:
    """Return the layer whose window is all that is past: causal attention.

    Parameters
    ----------
    layer : BMojo
        Any.

    Returns
    -------
    BMojo
        With the same weights.
    """
    return replace(layer, test=None, mixer=None, window=None)


def mixer_only(layer: BMojo) -> BMojo:
    """Return the layer that sees nothing but the newest fading token: the mixer, and a linear map behind it.

    Parameters
    ----------
    layer : BMojo
        With a mixer.

    Returns
    -------
    BMojo
        With the same weights.
    """
    return replace(layer, test=None, window=0, fading_lag=0, fading_width=1)
