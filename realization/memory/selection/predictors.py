"""What the past leads one to expect of the next token.

    u^(t) = a function of u(0), ..., u(t-1),     e(t) = u(t) - u^(t)

A predictor is a callable of a block of tokens and of the state that the block before it left.  The bits of what it
returns do not depend on how the tokens were cut into blocks.  A state is None, an array, or a tuple of states: what
it holds does not grow with the stream.  Sums are in a fixed order: BLAS takes another one for other numbers of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.shapes import numbers
from realization.memory.selection.fitted import Fitted, Given, Readout, parts
from realization.systems.base import count
from realization.systems.stochastic import real


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Predicted(Sealed):
    """What was to be predicted of a block of tokens, what was predicted, and the state to go on from.

    Parameters
    ----------
    target : ndarray
        (*b, T, m), the tokens themselves for most predictors; integers (*b, T) where symbols are predicted.
    prediction : ndarray
        (*b, T, m); log p of every symbol (*b, T, V) where symbols are predicted.
    state : None, ndarray or tuple
        To be handed in with the next block.
    """

    target: np.ndarray
    prediction: np.ndarray
    state: Any

    @property
    def innovation(self) -> np.ndarray:
        """target - prediction, (*b, T, m)."""
        return self.target - self.prediction


class Predictor(Protocol):
    """A callable of tokens (*b, T, d), or integers (*b, T); `begins` (*b, T) marks the first tokens of documents."""

    def __call__(self, tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        """Return target, prediction and state; prediction[t] knows the tokens before t in its document only."""


class Features(Protocol):
    """A callable whose f(t) is a function of the tokens up to t in its document: (*b, T, n), and a state."""

    def __call__(self, tokens: Any, state: Any = None, *, begins: Any = None) -> tuple[np.ndarray, Any]:
        """Return features and state."""


def from_features(features: Features, readout: Readout) -> Predictor:
    """Return the predictor u^(t) = W f(t-1), with f = 0 before a document.

    Parameters
    ----------
    features : callable
        `features(tokens, state, begins=) -> (f (*b, T, n), state)`, where f(t) is a function of the tokens up to t.
    readout : callable
        `Given(W)` or `Fitted()`.

    Returns
    -------
    callable
        A `Predictor` of the tokens.

    Raises
    ------
    ShapeError
        If the read-out is no function.

    Examples
    --------
    A rotation is predicted without an error from the token before, once two tokens have shown what it is:

    >>> u = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 0.0]])
    >>> predict = from_features(lags(1), Fitted(ridge=1e-12))
    >>> abs(predict(u).innovation).sum(axis=1).round(6).tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0]
    """
    if not callable(readout):
        raise ShapeError(f"readout is a {type(readout).__name__}, but a function is needed: Given(W) or Fitted()")

    def predict(tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        tokens, begins = block(tokens, begins)
        inner, last, fit = parts(state, 3)
        f, inner = features(tokens, inner, begins=begins)
        past, last = delayed(f, last, begins)
        prediction, fit = readout(past, tokens, fit, begins=begins)
        return Predicted(tokens, prediction, (inner, last, fit))

    return predict


def autoregression(coefficients: Any) -> Predictor:
    """Return the predictor u^(t) = theta(1) u(t-1) + ... + theta(m) u(t-m), with u = 0 before a document.

    Parameters
    ----------
    coefficients : array_like
        theta(1), ..., theta(m): (m, d), one number for each channel, or (m, d, d), matrices.

    Returns
    -------
    callable
        A `Predictor`; its state are the last m tokens.

    Raises
    ------
    ShapeError
        If the coefficients have another shape, or are not real and finite.

    Examples
    --------
    A sine is predicted by its last two values, u(t) = 2 cos(w) u(t-1) - u(t-2):

    >>> u = np.sin(0.3 * np.arange(1000.0))[:, None]
    >>> e = autoregression([[2 * np.cos(0.3)], [-1.0]])(u).innovation
    >>> bool(abs(e[2:]).max() < 1e-12)
    True
    """
    theta = real("coefficients", coefficients)
    if theta.ndim == 2:
        return channelwise(from_features(lags(len(theta)), Given(theta.T[:, None])))
    if theta.ndim != 3 or theta.shape[1] != theta.shape[2]:
        raise ShapeError(f"coefficients have shape {theta.shape}, but (m, d) or (m, d, d) is needed")
    m, d, _ = theta.shape
    return from_features(lags(m), Given(theta.swapaxes(0, 1).reshape(d, m * d)))


def fitted_autoregression(order: int, readout: Fitted | None = None) -> Predictor:
    """Return the autoregression of `order` whose matrices are fitted to the tokens before each one.

    Parameters
    ----------
    order : int
        m >= 0.
    readout : Fitted, optional
        Forgetting and ridge.  Default: `Fitted()`.

    Returns
    -------
    callable
        A `Predictor`.  Inside of `channelwise`, every channel has coefficients of its own: m and not m d of them
        for each, at a cost of m^2 d and not m^2 d^2 for each token.
    """
    return from_features(lags(order), Fitted() if readout is None else readout)


def lags(order: int) -> Features:
    """Return the features f(t) = [u(t), u(t-1), ..., u(t-m+1)], (*b, T, m d), with u = 0 before a document.

    Parameters
    ----------
    order : int
        m >= 0.

    Returns
    -------
    callable
        As `from_features` takes it; its state are the last m tokens.

    Raises
    ------
    ShapeError
        If the order is negative or no whole number.
    """
    order = count("order", order)

    def features(tokens: Any, state: Any = None, *, begins: Any = None) -> tuple[np.ndarray, Any]:
        *batch, T, d = tokens.shape
        past = np.zeros((*batch, order, d)) if state is None else state
        if past.shape != (*batch, order, d):
            raise ShapeError(
                f"the state has tokens {past.shape}, but {(*batch, order, d)} is needed; it is that of another stream"
            )
        line = np.concatenate([past[..., ::-1, :], tokens], axis=-2)  # u(t) stands at t + m
        age = np.arange(T) - np.maximum.accumulate(np.where(begins, np.arange(T), -order), axis=-1)
        f = np.zeros((*batch, T, order, d))
        for i in range(order):
            f[..., i, :] = np.where(age[..., None] >= i, line[..., order - i : order - i + T, :], 0.0)
        return f.reshape(*batch, T, order * d), f[..., -1, :, :] if T else past

    return features


def channelwise(predictor: Predictor) -> Predictor:
    """Return the predictor that gives each channel of (*b, T, d) to `predictor` as tokens (*b, d, T, 1).

    Parameters
    ----------
    predictor : callable
        A `Predictor`.

    Returns
    -------
    callable
        A `Predictor` that knows no other channel than the one it predicts.
    """

    def predict(tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        tokens, begins = block(tokens, begins)
        each = tokens.swapaxes(-1, -2)[..., None]
        run = predictor(each, state, begins=np.broadcast_to(begins[..., None, :], each.shape[:-1]))
        target, prediction = (np.ascontiguousarray(x[..., 0].swapaxes(-1, -2)) for x in (run.target, run.prediction))
        return Predicted(target, prediction, run.state)

    return predict


def after(features: Features, predictor: Predictor) -> Predictor:
    """Return the predictor of f(t) from f(0), ..., f(t-1): what is predicted are the features, not the tokens.

    Parameters
    ----------
    features : callable
        As `from_features` takes it, such as the output of a state-space model.
    predictor : callable
        A `Predictor`, such as `autoregression`.

    Returns
    -------
    callable
        A `Predictor` whose target are the features.
    """

    def predict(tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        tokens, begins = block(tokens, begins)
        inner, outer = parts(state, 2)
        f, inner = features(tokens, inner, begins=begins)
        run = predictor(f, outer, begins=begins)
        return Predicted(run.target, run.prediction, (inner, run.state))

    return predict


def block(tokens: Any, begins: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens (*b, T, d) as float64, and begins (*b, T), by default false.

    Raises
    ------
    ShapeError
        If a token is NaN, infinite or complex, or shapes do not fit.
    """
    tokens = numbers("tokens", tokens)
    if tokens.ndim < 2 or tokens.dtype.kind == "c":
        raise ShapeError(
            f"tokens have shape {tokens.shape} and dtype {tokens.dtype}, but real numbers (*b, T, d) are needed"
            "; one channel is tokens[:, None]"
        )
    return tokens, starts(begins, tokens.shape[:-1])


def starts(begins: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return begins as an array of bool of this shape, false where None is given.

    Raises
    ------
    ShapeError
        If it has another shape or dtype.
    """
    begins = np.zeros(shape, bool) if begins is None else np.asarray(begins)
    if begins.shape != shape or begins.dtype != bool:
        raise ShapeError(f"begins has shape {begins.shape} and dtype {begins.dtype}, but bool {shape} is needed")
    return begins


def delayed(f: np.ndarray, last: np.ndarray | None, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return f(t-1), 0 at the start of a document, and the last f; `last` is that of the block before.

    Raises
    ------
    ShapeError
        If `last` has another shape than the features of a step: the state is that of another predictor or batch.
    """
    shape = (*f.shape[:-2], f.shape[-1])
    last = np.zeros(shape) if last is None else last
    if last.shape != shape:
        raise ShapeError(f"the state has features {last.shape}, the block {shape}; it is that of another stream")
    line = np.concatenate([last[..., None, :], f], axis=-2)
    return np.where(begins[..., None], 0.0, line[..., :-1, :]), line[..., -1, :]
