"""Predictors that read a layer's fading memory: what the memory does not know of a token is its innovation.

    of the token        u^(t) = W f(t-1)               f the state of a mixer
    of the output       y^(t) = sum_i theta(i) y(t-i)  y the output of a mixer
    associative         v^(t) = S(t-1) k(t)            S a memory of pairs (k, v)

They are handed to the innovation test of `memory.selection`.  Mixers (`layers.fading`) and the recurrence of compiled
loops have bits that do not depend on how the tokens were cut into blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.rounding import near_one
from realization.core.shapes import finite
from realization.layers.fading import FadingMixer
from realization.layers.maps import gated, step_size
from realization.layers.recurrence.kernel import kernel
from realization.memory.selection.fitted import Fitted, Readout, parts
from realization.memory.selection.predictors import (
    Features,
    Predicted,
    Predictor,
    after,
    block,
    delayed,
    from_features,
)
from realization.systems.stochastic import real

Map = Callable[[np.ndarray], np.ndarray]  # of tokens (*b, T, d), each by itself


def state_predictor(mixer: FadingMixer, readout: Readout | None = None) -> Predictor:
    """Return the predictor of the next token from a mixer's state, u^(t) = W f(t-1).

    Parameters
    ----------
    mixer : FadingMixer
        Its features are f, such as the states of `Diagonal`.
    readout : callable, optional
        `Given(W)`, or `Fitted(...)` to the tokens so far.  Default: `Fitted()`.

    Returns
    -------
    callable
        A `Predictor` of the tokens.

    Examples
    --------
    Two modes that a sine drives tell its phase, and so its next value, once they have forgotten their start:

    >>> from realization.layers.fading import Diagonal
    >>> from realization.memory.selection import Fitted
    >>> u = np.sin(0.3 * np.arange(200.0))[:, None]
    >>> modes = Diagonal(log_decay=[-0.1, -1.0], input_weight=[[1.0], [1.0]], output_weight=[[1.0, 1.0]])
    >>> e = state_predictor(modes, Fitted(0.9, 1e-9))(u).innovation
    >>> bool(abs(e[:3]).max() > 0.1), bool(abs(e[150:]).max() < 1e-5)
    (True, True)
    """
    return from_features(_features(mixer), Fitted() if readout is None else readout)


def output_predictor(mixer: FadingMixer, predictor: Predictor) -> Predictor:
    """Return the predictor of a mixer's output from its own past.

    Parameters
    ----------
    mixer : FadingMixer
        Its tokens are the outputs y(t).
    predictor : callable
        A `Predictor`, such as `autoregression` or `channelwise(fitted_autoregression(m))`.

    Returns
    -------
    callable
        A `Predictor` whose target are the outputs.
    """

    def outputs(tokens: Any, state: Any = None, *, begins: Any = None) -> tuple[np.ndarray, Any]:
        faded = mixer(tokens, state, begins=begins)
        return faded.tokens, faded.state

    return after(outputs, predictor)


def associative(
    *,
    key: Any = None,
    value: Any = None,
    beta: float | Map | None = None,
    log_decay: float | Map | None = None,
    unit: bool = True,
) -> Predictor:
    """Return the predictor v^(t) = S(t-1) k(t) of a memory of pairs.

        S(t) = S~ + beta(t) (v(t) - S~ k(t)) k(t)',     S~ = exp(log_decay(t)) S(t-1)

    is the (gated) delta rule; without beta it is linear attention, S(t) = S~ + v(t) k(t)'.

    Parameters
    ----------
    key, value : array_like or callable, optional
        Weights (K, d) and (V, d), or functions of the tokens, of each by itself.  Default: the token.
    beta : float or callable, optional
        Strength of the write and of the erase before it, (*b, T) if it is a function.
    log_decay : float or callable, optional
        At most 0, (*b, T) if it is a function.  Default: no decay.
    unit : bool
        Divide keys by their length; a delta rule is stable while beta |k|^2 is at most 2.

    Returns
    -------
    callable
        A `Predictor` whose target are the values; it reads under the key of the token that it predicts.

    Raises
    ------
    ShapeError
        If a decay is above 0, a shape does not fit, a weight or what a function returns is not real and finite, or a
        prediction overflows, as those of a delta rule do after a while with beta |k|^2 above 2.

    References
    ----------
    Yang et al. 2024, arXiv 2406.06484 (delta rule) and 2412.06464 (gated).

    Examples
    --------
    A pair that comes again is not new to a delta rule:

    >>> u = np.random.default_rng(0).standard_normal((4, 5))
    >>> predict = associative(key=np.eye(3, 5), value=np.eye(5)[3:], beta=1.0)
    >>> e = predict(u[[0, 1, 1, 2, 2]]).innovation
    >>> (abs(e).max(axis=1) < 1e-14).tolist()
    [False, False, True, False, True]
    """
    to_key, to_value = _map("key", key), _map("value", value)

    def predict(tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        tokens, begins = block(tokens, begins)
        k, v = to_key(tokens), to_value(tokens)
        k = _normalized(k) if unit else k
        g, b = _numbers("log_decay", log_decay, tokens), _numbers("beta", beta, tokens)
        if (g > 0).any():
            raise ShapeError(f"log_decay reaches {g.max():.3g}, need <= 0: the memory would grow without bound")
        S, last = parts(state, 2)
        # the pair of a token is written one step later, so that what is read is the memory before it
        pair = np.concatenate([k, v, g[..., None], b[..., None]], axis=-1)
        pair, last = delayed(pair, last, begins)
        pk, pv, pg, pb = np.split(pair[..., None, :], np.cumsum([k.shape[-1], v.shape[-1], 1]), axis=-1)
        run = kernel(
            step=(step_size, None, None, None, None), write=_unscaled, after=(gated, None, None, None),
            value=pv if beta is None else pb * pv, key=pk, query=k[..., None, :], log_decay=pg[..., None],
            erase=None if beta is None else pb[..., 0], reset=begins, initial=S,
        )  # fmt: skip
        return Predicted(v, finite("prediction", run.y[..., 0, :]), (run.final, last))

    return predict


def _features(mixer: FadingMixer) -> Features:
    """The features of a mixer after each token, as `from_features` takes them."""

    def features(tokens: Any, state: Any = None, *, begins: Any = None) -> tuple[np.ndarray, Any]:
        faded = mixer(tokens, state, begins=begins)
        return faded.features, faded.state

    return features


def _map(name: str, weight: Any) -> Map:
    """A weight as a function of the tokens, None as the identity."""
    if callable(weight):
        return lambda tokens: _vectors(name, weight(tokens), tokens)
    if weight is None:
        return lambda tokens: tokens
    W = real(name, weight)
    if W.ndim != 2:
        raise ShapeError(f"{name} has shape {W.shape}, but a weight (n, d) is needed")

    def product(tokens: np.ndarray) -> np.ndarray:
        from realization._kernels.ordered import linear  # loads numba

        if tokens.shape[-1] != W.shape[1]:
            raise ShapeError(f"{name} has shape {W.shape}, but tokens have d={tokens.shape[-1]}")
        return linear(tokens, W)

    return product


def _vectors(name: str, x: Any, tokens: np.ndarray) -> np.ndarray:
    """What a function has made of the tokens, a vector of each."""
    x = real(name, x)
    if x.ndim != tokens.ndim or x.shape[:-1] != tokens.shape[:-1]:
        raise ShapeError(f"{name} returns shape {x.shape} for tokens {tokens.shape}, but a vector of each is needed")
    return x


def _numbers(name: str, x: Any, tokens: np.ndarray) -> np.ndarray:
    """A number for each token; what is not given is 0."""
    x = real(name, x(tokens) if callable(x) else 0.0 if x is None else x)
    if x.shape not in ((), tokens.shape[:-1]):
        raise ShapeError(f"{name} has shape {x.shape}, but one number, or {tokens.shape[:-1]}, is needed")
    return np.broadcast_to(x, tokens.shape[:-1])


def _unscaled(v: Any, log_decay: Any) -> Any:
    """What is written is the value, whatever the decay."""
    return v


def _normalized(k: np.ndarray) -> np.ndarray:
    """k / |k|, and 0 for 0."""
    from realization._kernels.ordered import linear

    (k,) = near_one(k)
    length = np.sqrt(linear(k * k, np.ones((1, k.shape[-1]))))
    return np.divide(k, length, out=np.zeros(k.shape), where=length > 0)
