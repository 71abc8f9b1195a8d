"""Predict, compare, keep: the innovation test of a stream of tokens.

    u^(t) = predictor(u(0), ..., u(t-1)),      s(t) = statistic(u(t), u^(t)),      places(t) = select(s(0), ..., s(t))

Each of the three does the same whether it is given one token, a chunk or all, and so does their product: the
sequential, the chunked and the streaming form of a layer see the same tokens, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.shapes import array, finite
from realization.memory.selection.choice import Selection
from realization.memory.selection.engine import SelectionState, boundaries, checked, documents, select
from realization.memory.selection.predictors import Predictor
from realization.memory.selection.statistics import RunningCovariance, check_options, statistic


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InnovationState(Sealed):
    """What a test remembers between blocks.

    Parameters
    ----------
    predictor : object
        Whatever the predictor remembers.
    statistic : RunningCovariance or None
        Of a running covariance.
    selection : SelectionState
        The memory.
    """

    predictor: Any
    statistic: RunningCovariance | None
    selection: SelectionState | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tested(Sealed):
    """What an innovation test says of a block of tokens.

    Parameters
    ----------
    surprise : ndarray
        s (*b, T).
    places : ndarray of int64
        What each query sees of the memory (*b, T, M), as `select` gives it.
    admitted : ndarray of bool
        Whether each step admitted a token (*b, T), likewise.
    state : InnovationState
        To go on from.
    """

    surprise: np.ndarray
    places: np.ndarray
    admitted: np.ndarray
    state: InnovationState


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InnovationTest(Sealed):
    """A predictor, a statistic of its innovations, and what becomes of the surprising tokens.

    Parameters
    ----------
    predictor : callable
        A `Predictor`: predictor(tokens, state, begins=) returns target, prediction (each from the tokens before) and
        state; begins (*b, T) marks where it has to start afresh, None for nowhere.
    statistic : {"squared", "relative", "whitened", "log-loss"}
        Of target and prediction, see `statistic`.
    selection : Selection
        Rule, eviction, visibility and the rest.
    covariance : array_like, optional
        Of the statistic "whitened", (m, m).  Default: running.
    prior : tuple of array_like and float, optional
        Of the running covariance.

    Raises
    ------
    ShapeError
        If the predictor is none, the statistic is unknown, or an option belongs to another one.

    Examples
    --------
    Where nothing is expected to change, the tokens at which something does are kept:

    >>> from realization.memory.selection import autoregression
    >>> hold = autoregression([[1.0]])
    >>> novelty = Selection(2, rule="threshold", threshold=0.0, eviction="fifo", visibility="at-once")
    >>> change = InnovationTest(hold, "squared", novelty)
    >>> change.test([[1.0], [1.0], [4.0], [4.0], [2.0]]).places.tolist()
    [[0, -1], [0, -1], [2, 0], [2, 0], [4, 2]]
    """

    predictor: Predictor
    statistic: str
    selection: Selection
    covariance: Any = None
    prior: tuple[Any, float] | None = None

    def __post_init__(self) -> None:
        if not callable(self.predictor):
            raise ShapeError(f"predictor is a {type(self.predictor).__name__}, but a function is needed")
        if not isinstance(self.selection, Selection):
            raise ShapeError(f"selection is a {type(self.selection).__name__}, but a Selection is needed")
        check_options(self.statistic, self.covariance, self.prior)

    def test(self, tokens: Any, *, seq_idx: Any = None, state: InnovationState | None = None) -> Tested:
        """Test a block of tokens, each against those before it.

        Parameters
        ----------
        tokens : array_like
            (*b, T, d), or whatever else the predictor takes, such as symbols (*b, T).
        seq_idx : array_like of int, optional
            The document of each token (*b, T): predictor and covariance start afresh where it changes.
        state : InnovationState, optional
            What the block before this one left.

        Returns
        -------
        Tested
            surprise, places, admitted and state.

        Raises
        ------
        ShapeError
            If a token is NaN or infinite, a shape does not fit, the predictor does not predict every token, or the
            statistic is not made for what it predicts: "log-loss" for probabilities of symbols, the others for
            vectors.
        StructureError
            If a covariance is not positive definite, or a symbol came that had probability 0.
        """
        tokens = finite("tokens", array("tokens", tokens))
        before = InnovationState(None, None, None) if state is None else _state(state)
        begins = self._begins(tokens, seq_idx, before.selection)
        predicted = self.predictor(tokens, before.predictor, begins=begins)
        self._fits(predicted, tokens)
        measured = statistic(
            self.statistic, predicted.target, predicted.prediction, begins=begins, covariance=self.covariance,
            prior=self.prior, state=before.statistic,
        )  # fmt: skip
        kept = select(measured.surprise, self.selection, seq_idx=seq_idx, state=before.selection)
        after = InnovationState(predicted.state, measured.state, kept.state)
        return Tested(measured.surprise, kept.places, kept.admitted, after)

    def _begins(self, tokens: np.ndarray, seq_idx: Any, memory: SelectionState | None) -> np.ndarray | None:
        document = documents(seq_idx)
        if document is None:
            return None
        _one_each("seq_idx has", document.shape, tokens)
        *batch, T = document.shape
        memory = checked(memory, self.selection, tuple(batch))
        return boundaries(document, memory.time, memory.document, tuple(batch), T)[0]

    def _fits(self, predicted: Any, tokens: np.ndarray) -> None:
        """Whether each token has a target, and symbols meet the log-loss, vectors another statistic."""
        if not all(hasattr(predicted, name) for name in ("target", "prediction", "state")):
            raise ShapeError(
                f"the predictor returned a {type(predicted).__name__}, but target, prediction and state are needed: "
                "return a Predicted"
            )
        target = np.asarray(predicted.target)
        _one_each("the predictor has targets", target.shape[: target.ndim - (self.statistic != "log-loss")], tokens)
        kind = target.dtype
        if (kind.kind in "iu") != (self.statistic == "log-loss"):
            needs = "symbols and their log-probabilities" if self.statistic == "log-loss" else "vectors of floats"
            raise ShapeError(f"the predictor's targets have dtype {kind}, but {self.statistic!r} needs {needs}")


def _one_each(what: str, shape: tuple[int, ...], tokens: np.ndarray) -> None:
    """Tokens are vectors (*b, T, d) or symbols (*b, T)."""
    if shape not in (tokens.shape, tokens.shape[:-1]):
        raise ShapeError(f"{what} (*b, T) = {shape}, but tokens have shape {tokens.shape}; one for each is needed")


def _state(state: Any) -> InnovationState:
    if not isinstance(state, InnovationState):
        raise ShapeError(f"state is a {type(state).__name__}, but the InnovationState of an earlier block is needed")
    return state
