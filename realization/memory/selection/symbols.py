"""Predictors of symbols: log p of the next one, from counts, or from a callable.

    p(x | c) = (n(x, c) + a) / (n(c) + a V),       c = the k symbols before

With a = 1/2 this is the estimate of Krichevsky and Trofimov: the code length of n symbols in a context exceeds the
empirical entropy by at most (V - 1)/2 log n + log V, whatever the symbols are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.memory.selection.fitted import parts
from realization.memory.selection.predictors import Features, Predicted, Predictor, delayed, starts
from realization.systems.base import count


def symbol_counts(alphabet: int, *, order: int = 0, prior: float = 0.5) -> Predictor:
    """Return the predictor log p(x | c) of integers 0 <= x < V by their counts so far in each context c.

    Parameters
    ----------
    alphabet : int
        V >= 1.
    order : int
        k >= 0, the length of a context; one that reaches beyond the start of a document is a context of its own.
    prior : float
        a > 0, what is added to every count; 1/2 is Krichevsky and Trofimov's, 1 Laplace's.

    Returns
    -------
    callable
        A `Predictor` of integers (*b, T), whose prediction is log p, (*b, T, V).

    Raises
    ------
    ShapeError
        If a number is out of range.

    Notes
    -----
    The state has (V + 1)^k V counts; a document begins with none.

    References
    ----------
    Krichevsky and Trofimov 1981, IEEE TIT 27(2).

    Examples
    --------
    >>> run = symbol_counts(2)([0, 0, 1, 0])
    >>> np.exp(run.prediction[:, 0]).round(4).tolist()
    [0.5, 0.75, 0.8333, 0.625]
    """
    if not 0 < prior < math.inf:
        raise ShapeError(f"prior is {prior}, need above 0")
    alphabet = _alphabet(alphabet)
    contexts = (alphabet + 1) ** count("order", order)

    def predict(tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        from realization._kernels.contexts import run  # loads numba

        symbols, begins = _symbols(tokens, begins, alphabet)
        *batch, T = symbols.shape
        B = math.prod(batch)
        fresh = np.zeros((*batch, contexts, alphabet), np.int64), np.full(batch, contexts - 1)
        counts, context = fresh if state is None else map(np.array, parts(state, 2))
        if (counts.shape, context.shape) != (fresh[0].shape, fresh[1].shape) or (context >= contexts).any():
            raise ShapeError(f"the state has counts {counts.shape}, but {fresh[0].shape} is needed; it is another's")
        logp = np.empty((*batch, T, alphabet))
        run(
            logp.reshape(B, T, alphabet), counts.reshape(B, contexts, alphabet), context.reshape(B),
            np.ascontiguousarray(symbols).reshape(B, T), np.ascontiguousarray(begins).reshape(B, T), float(prior),
        )  # fmt: skip
        return Predicted(symbols, logp, (counts, context))

    return predict


def from_log_probabilities(log_probabilities: Features, alphabet: int) -> Predictor:
    """Return the predictor whose log p of symbol t is what the callable says after symbol t-1; the first is uniform.

    Parameters
    ----------
    log_probabilities : callable
        `log_probabilities(symbols, state, begins=) -> (log p (*b, T, V), state)`: at t that of symbol t+1, a
        function of the symbols up to t.
    alphabet : int
        V >= 1.

    Returns
    -------
    callable
        A `Predictor` of integers (*b, T), whose prediction is log p, (*b, T, V).

    Raises
    ------
    ShapeError
        If the alphabet is empty, log p has another shape, or an entry is NaN.
    """
    alphabet = _alphabet(alphabet)
    uniform = -math.log(alphabet)

    def predict(tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        symbols, begins = _symbols(tokens, begins, alphabet)
        inner, last = parts(state, 2)
        logp, inner = log_probabilities(symbols, inner, begins=begins)
        if logp.shape != (*symbols.shape, alphabet) or np.isnan(logp).any():
            raise ShapeError(
                f"log p has shape {logp.shape} and {int(np.isnan(logp).sum())} NaN, but {(*symbols.shape, alphabet)} "
                "without any is needed"
            )
        last = np.full((*symbols.shape[:-1], alphabet), uniform) if last is None else last
        past, last = delayed(logp, last, begins)
        return Predicted(symbols, np.where(begins[..., None], uniform, past), (inner, last))

    return predict


def _alphabet(size: Any) -> int:
    if (size := count("alphabet", size)) < 1:
        raise ShapeError(f"alphabet is {size}, need at least 1 symbol")
    return size


def _symbols(tokens: Any, begins: Any, alphabet: int) -> tuple[np.ndarray, np.ndarray]:
    symbols = np.asarray(tokens)
    if symbols.ndim < 1 or (symbols.size and symbols.dtype.kind not in "iu"):
        raise ShapeError(
            f"tokens have shape {symbols.shape} and dtype {symbols.dtype}, but integers (*b, T) are needed"
        )
    if symbols.size and not 0 <= symbols.min() <= symbols.max() < alphabet:
        raise ShapeError(f"tokens lie in {symbols.min()} to {symbols.max()}, but 0 to {alphabet - 1} is needed")
    return symbols.astype(np.int64), starts(begins, symbols.shape)
