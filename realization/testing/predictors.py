"""What every predictor has to keep to: it is causal, and its bits depend neither on cuts nor on neighbours.

from realization.testing import check_predictor

def test_my_predictor():
    check_predictor(my_predictor, np.random.default_rng(0).standard_normal((3, 50, 4)))
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

Run = Any  # what a predictor returns


def check_predictor(
    predictor: Callable[..., Any], tokens: Any, *, sees_current: bool = False, cuts: int = 8, seed: int = 0
) -> None:
    """Check that the predictions of t depend on the tokens before t, and on nothing else, bit for bit.

    - causal: other tokens from t on leave the predictions up to t as they are;
    - split: a stream in blocks of any lengths, 0 and 1 among them, has the predictions and the state of one block,
      and a state that was handed in is still what it was;
    - restart: a document begins as a stream does, whatever was before it;
    - batch: sequences that are run together are predicted as each one alone, where one begins a document too.

    NaN is no prediction.

    Parameters
    ----------
    predictor : callable
        `predictor(tokens, state, begins=)` with target, prediction and state.
    tokens : array_like
        (*b, T, d), or integers (*b, T) for a predictor of symbols; T >= 2.
    sees_current : bool
        Whether the prediction of t may use the token t itself, as an associative one reads under its key.
    cuts : int
        How many times to cut and to change.
    seed : int
        Of the cuts.

    Raises
    ------
    AssertionError
        With the property that fails, where it fails first and by how much.

    Examples
    --------
    A predictor that knows the mean of the whole block looks ahead:

    >>> from realization.memory.selection import Predicted, autoregression
    >>> u = np.random.default_rng(0).standard_normal((20, 2))
    >>> check_predictor(autoregression([[0.5, 0.5]]), u)
    >>> mean = lambda u, state=None, begins=None: Predicted(u, u.mean(axis=-2, keepdims=True) + 0 * u, None)
    >>> check_predictor(mean, u)
    Traceback (most recent call last):
        ...
    AssertionError: not causal: with other tokens from t=17 on, the prediction of t=0 differs by 0.136
    """
    tokens, rng = np.asarray(tokens), np.random.default_rng(seed)
    time = tokens.ndim - (1 if tokens.dtype.kind in "iu" else 2)
    T, whole = tokens.shape[time], predictor(tokens)
    _shapes(whole, tokens, time)
    for t in rng.integers(1, T, cuts):
        _causal(predictor, tokens, whole, int(t), time, sees_current, rng)
        _restarts(predictor, tokens, whole, int(t), time)
    for _ in range(cuts):
        _split(predictor, tokens, whole, sorted(rng.integers(0, T + 1, rng.integers(1, 6)).tolist()), time)
    _split(predictor, tokens, whole, list(range(T)), time)
    for place in np.ndindex(*tokens.shape[:time]):
        alone, what = predictor(tokens[place]), f"batch: with sequence {place} alone"
        _same(what, whole.prediction[place], alone.prediction, 0)
        _same(what, _mapped(operator.itemgetter(place), whole.state), alone.state, None)


def _shapes(run: Run, tokens: np.ndarray, time: int) -> None:
    lead = tokens.shape[: time + 1]
    if run.prediction.shape[: time + 1] != lead or run.target.shape[: time + 1] != lead:
        raise AssertionError(
            f"target {run.target.shape} and prediction {run.prediction.shape} do not begin with {lead}"
        )
    if unknown := int(np.isnan(run.prediction).sum()):
        raise AssertionError(f"the prediction has {unknown} NaN")


def _causal(
    predictor: Any, tokens: np.ndarray, whole: Run, t: int, time: int, sees_current: bool, rng: np.random.Generator
) -> None:
    """Tokens from t on are replaced by tokens of other steps, so that they are legal ones."""
    changed, later = np.copy(tokens), np.arange(t, tokens.shape[time])
    taken = rng.integers(0, tokens.shape[time], len(later))
    changed[_at(time, later)] = tokens[_at(time, taken)]
    if tokens.dtype.kind == "f":
        changed[_at(time, later)] *= 1.5
    known = _at(time, slice(0, t if sees_current else t + 1))
    what = f"not causal: with other tokens from t={t} on"
    _same(what, whole.prediction[known], predictor(changed).prediction[known], time)


def _split(predictor: Any, tokens: np.ndarray, whole: Run, cuts: list[int], time: int) -> None:
    state, runs = None, []
    what = f"split: cut at {cuts}" if len(cuts) < 6 else "split: cut into single tokens"
    for first, last in zip([0, *cuts], [*cuts, tokens.shape[time]], strict=True):
        before = _mapped(np.copy, state)
        runs.append(predictor(tokens[_at(time, slice(first, last))], state))
        _same("split: a block writes into the state that it was given", before, state, None)
        state = runs[-1].state
    _same(what, whole.prediction, np.concatenate([run.prediction for run in runs], axis=time), time)
    _same(what + ", as a target", whole.target, np.concatenate([run.target for run in runs], axis=time), time)
    _same(what, whole.state, state, None)


def _restarts(predictor: Any, tokens: np.ndarray, whole: Run, t: int, time: int) -> None:
    begins = np.zeros(tokens.shape[: time + 1], bool)
    begins[..., t] = True
    before, after = _at(time, slice(0, t)), _at(time, slice(t, None))
    packed, alone = predictor(tokens, begins=begins), predictor(tokens[after])
    what = f"restart: in a document that begins at t={t}"
    _same(what, packed.prediction[after], alone.prediction, time)
    _same(what, packed.state, alone.state, None)
    streamed = predictor(tokens[after], predictor(tokens[before]).state, begins=begins[..., t:])
    _same(what + " with a block", streamed.prediction, alone.prediction, time)
    first = np.arange(begins[..., 0].size).reshape(tokens.shape[:time]) == 0
    mixed = predictor(tokens, begins=begins & first[..., None]).prediction
    want = np.where(np.expand_dims(first, tuple(range(time, mixed.ndim))), packed.prediction, whole.prediction)
    _same(f"batch: where one sequence begins a document at t={t}", mixed, want, time)


def _same(what: str, a: Any, b: Any, time: int | None) -> None:
    """Raise unless two arrays (with a time axis), or two states (None), have the same bits; -0 is 0."""
    for x, y in zip(_leaves(a), _leaves(b), strict=True):
        if x.shape != y.shape:
            raise AssertionError(f"{what}, the shape {x.shape} becomes {y.shape}")
        if not np.array_equal(x, y, equal_nan=x.dtype.kind == "f"):
            differs = np.argwhere((x != y) & ((x == x) | (y == y)))
            where = "state" if time is None else f"prediction of t={differs[:, time].min()}"
            off = np.abs(x.astype(float) - y.astype(float)).max()
            raise AssertionError(f"{what}, the {where} differs by {off:.3g}")


def _leaves(state: Any) -> Iterator[np.ndarray]:
    if isinstance(parts := _parts(state), tuple):
        for part in parts:
            yield from _leaves(part)
    elif state is not None:
        yield np.asarray(state)


def _parts(state: Any) -> Any:
    """The fields of a dataclass as a tuple; else what was given."""
    return tuple(getattr(state, f.name) for f in fields(state)) if is_dataclass(state) else state


def _mapped(function: Callable[[np.ndarray], np.ndarray], state: Any) -> Any:
    if isinstance(parts := _parts(state), tuple):
        return tuple(_mapped(function, part) for part in parts)
    return None if state is None else function(np.asarray(state))


def _at(axis: int, index: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (index,)
