"""Chapter "B'MOJO": two memories merged, a window made of two, and what a memory filled at random holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.exercises import Exercise, ExerciseError, asked_numbers
from realization.layers.attention import sliding_window_attention
from realization.layers.bmojo import bmojo

CLOSE = 5e-3  # three digits will do; what a wrong formula leaves is three times as much at least
PARTS = ((1.0, 1.0), (3.0, 3.0))  # y and the sum of exponentials
WINDOW, WANTED = 4, 12
TOKENS, RECENT, PLACES = 256, 32, 32


def _merged() -> np.ndarray:
    """Four keys of equal scores, whose values are 1 in the first memory and 3 in the second."""
    values = np.concatenate([np.full(int(total), y) for y, total in PARTS])
    return np.array([values.mean(), np.log(len(values))])


def _judge_merged(answer: Any) -> str:
    x, right = asked_numbers("the answer", answer, (2,)), _merged()
    if np.abs(x - right).max() <= CLOSE:
        return "weights are the sums of exponentials: y = (1 + 9) / 4, and the sums add"
    if abs(x[0] - 2) <= CLOSE:
        raise ExerciseError("2 is the plain mean: the second memory has three times the weight of the first")
    if abs(x[0] - right[0]) <= CLOSE:
        raise ExerciseError(f"y is right; the logarithm is that of the sum of both, not {x[1]:.3g}")
    raise ExerciseError(f"y = {x[0]:.3g} is no mean of 1 and 3 with weights 1 and 3")


def _as_window(lag: int, width: int) -> float:
    """By how much the layer differs from attention over twelve tokens, on T tokens drawn at random."""
    T = 40  # beyond which lags and widths are all one
    q, k, v = np.random.default_rng(0).standard_normal((3, T, 1, 3))
    both = bmojo(
        query=q, key=k, value=v, fading_key=k, fading_value=v, surprise=np.zeros(T), capacity=0,
        window=WINDOW, fading_lag=min(lag, T), fading_width=min(width, T),
    ).y  # fmt: skip
    return float(np.abs(both - sliding_window_attention(query=q, key=k, value=v, window=WANTED).y).max())


def _judge_spans(answer: Any) -> str:
    x = asked_numbers("the answer", answer, (2,))
    lag, width = (int(n) for n in x)
    if (x != (lag, width)).any() or min(lag, width) < 0:
        raise ExerciseError(f"lag and width are {x}; two whole numbers, none negative, are asked for")
    off = _as_window(lag, width)
    if off < 1e-12:
        return f"fading tokens i - {lag + width - 1} ... i - {lag}, and the window i - {WINDOW - 1} ... i"
    if lag < WINDOW:
        raise ExerciseError(f"with a lag of {lag} a token is in the window and faded: it counts twice")
    if lag > WINDOW:
        raise ExerciseError(f"with a lag of {lag} the token of {WINDOW} steps ago is in neither memory")
    raise ExerciseError(
        f"it differs from the window of {WANTED} by {off:.2g}: both together see {WINDOW + width} tokens"
    )


def _held() -> float:
    """Counted place by place: certainly in the window, else with the chance of one of the places."""
    older = TOKENS - RECENT
    chance = [1.0 if place >= older else PLACES / older for place in range(TOKENS)]
    return float(np.mean(chance))


def _judge_held(answer: Any) -> str:
    p = float(asked_numbers("the answer", answer, ()))
    right = _held()
    if abs(p - right) <= CLOSE:
        return "(w + M) / T: a place is a place, wherever it lies"
    if not 0 <= p <= 1:
        raise ExerciseError(f"the answer is {p:.3g}; a probability is asked for")
    if abs(p - PLACES / TOKENS) <= CLOSE:
        raise ExerciseError("that is one of the two memories alone; the reader has the window and the places")
    if abs(p - (1 - (1 - RECENT / TOKENS) * (1 - PLACES / TOKENS))) <= CLOSE:
        raise ExerciseError("the two memories are not independent: the places hold older tokens only, none twice")
    raise ExerciseError(f"it is off by {abs(p - right):.2g}: count the tokens that are held at one moment")


EXERCISES = (
    Exercise(
        "two-memories-merged",
        "Two memories were read apart.  The first gives y = 1 with a sum of exponentials of 1, the second y = 3 with a "
        "sum of 3.  What are y and the logarithm of the sum of both together?",
        _judge_merged,
        lambda: (2.5, np.log(4)),
        (
            (lambda: (2.0, np.log(4)), "the plain mean"),
            (lambda: (2.5, np.log(3)), "the sum of both"),
            (lambda: (10.0, 4.0), "no mean of 1 and 3"),
            (lambda: 2.5, "shape"),
        ),
    ),
    Exercise(
        "lag-and-width",
        "The fading tokens of a layer are the tokens themselves, with tied weights, and its window is 4.  Which lag "
        "and which width make it attention over a window of 12?",
        _judge_spans,
        lambda: (WINDOW, WANTED - WINDOW),
        (
            (lambda: (3, 9), "counts twice"),
            (lambda: (5, 7), "in neither memory"),
            (lambda: (4, 12), "both together see 16"),
            (lambda: (4, 7.5), "whole numbers"),
            (lambda: (1e19, 8), "in neither memory"),
        ),
    ),
    Exercise(
        "held-at-random",
        "One pair was told at a uniformly random place among T = 256 tokens.  A window of 32 is read beside 32 places "
        "that are a uniformly random choice of all older tokens.  With which probability is the pair held?",
        _judge_held,
        lambda: (RECENT + PLACES) / TOKENS,
        (
            (lambda: PLACES / TOKENS, "one of the two memories"),
            (lambda: 1 - (1 - 1 / 8) ** 2, "not independent"),
            (lambda: 64.0, "a probability"),
            (lambda: 0.5, "count the tokens"),
        ),
    ),
)
