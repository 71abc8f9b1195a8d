"""Page "What innovations tell": the colour of a wrong gain, a threshold to ask for, noise in windows that overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.exercises import Exercise, ExerciseError
from realization.stochastic import autocovariances, average_run_length, cusum_threshold
from realization.systems.stochastic import InnovationsSSM

A, K, L = 0.8, 0.5, 0.25
LEFT = autocovariances(InnovationsSSM([[A - L]], [[K - L]], [[1]], [[1]]), 1)[1, 0, 0]
RUN = 1000
WIDTH = 3


def _number(answer: Any) -> float:
    try:
        x = float(answer)
    except (TypeError, ValueError):
        raise ExerciseError(f"the answer is {answer!r}; a number is asked for") from None
    if not np.isfinite(x):
        raise ExerciseError(f"the answer is {x}; a finite number is asked for")
    return x


def _judge_colour(answer: Any) -> str:
    x = _number(answer)
    if abs(x - LEFT) <= 1e-3:
        return f"E f(t+1) f(t) = {LEFT:.4f}: the next innovation can be predicted from this one"
    if abs(x) <= 1e-3:
        raise ExerciseError(
            "white innovations are those of the right gain: with another one the filter's error is coloured"
        )
    if abs(x - (LEFT - (K - L))) <= 1e-3:
        raise ExerciseError("the error d(t+1) is correlated with e(t) as well: a term (K - L) R is missing")
    raise ExerciseError(
        f"off by {x - LEFT:.3g}: d(t+1) = (A - L C) d(t) + (K - L) e(t) and f = C d + e; find D = E d^2 first"
    )


def _judge_threshold(answer: Any) -> str:
    h = _number(answer)
    if not 0 <= h <= 100:
        raise ExerciseError(f"h = {h:g}; a number from 0 to 100 is asked for")
    run = average_run_length(0.5, h) / 2
    if abs(run / RUN - 1) <= 0.02:
        return f"both sums together run {run:.0f} steps before a false alarm"
    if abs(2 * run / RUN - 1) <= 0.02:
        raise ExerciseError(
            f"one sum runs {2 * run:.0f} steps; two of them give an alarm twice as often, after {run:.0f}"
        )
    raise ExerciseError(f"with h = {h:.3g} both sums together run {run:.4g} steps, {RUN} are asked for")


def _judge_windows(answer: Any) -> str:
    variance = _number(answer)
    places = np.convolve(np.ones(WIDTH), np.ones(WIDTH))  # of lag 1, 2, ... in the matrix of past and future
    if abs(variance - 2 * (places**2).sum()) <= 1e-9:
        return f"each of {len(places)} squared covariances counts {', '.join(f'{k:.0f}' for k in places)} times"
    if abs(variance - 2 * WIDTH**2) <= 1e-9:
        raise ExerciseError("that is the variance of chi2(9), for nine independent entries: count the lags among them")
    if abs(variance - 2 * len(places)) <= 1e-9:
        raise ExerciseError("there are five lags, but not each stands in one place only")
    raise ExerciseError("the matrix has sample covariances of lag 1 to 5, each N(0, 1/N); in how many places each?")


EXERCISES = (
    Exercise(
        "colour-of-a-wrong-gain",
        "x(t+1) = 0.8 x + 0.5 e, y = x + e, E e^2 = 1, filtered with the gain 0.25 in place of 0.5.  "
        "What is the covariance E f(t+1) f(t) of its innovations f?",
        _judge_colour,
        lambda: (A - L) * (K - L) ** 2 / (1 - (A - L) ** 2) + (K - L),
        (
            (lambda: 0.0, "white innovations are those of the right gain"),
            (lambda: (A - L) * (K - L) ** 2 / (1 - (A - L) ** 2), "a term (K - L) R is missing"),
            (lambda: K - L, "find D = E d"),
            (lambda: "white", "a number is asked for"),
        ),
    ),
    Exercise(
        "threshold-for-a-run",
        "Which threshold h lets both cumulative sums together, with k = 1/2, run 1000 steps on average "
        "before a false alarm?",
        _judge_threshold,
        lambda: cusum_threshold(0.5, 2 * RUN),
        (
            (lambda: cusum_threshold(0.5, RUN), "two of them give an alarm twice as often"),
            (lambda: 3.0, "both sums together run 58.8 steps"),
            (lambda: -1.0, "from 0 to 100"),
        ),
    ),
    Exercise(
        "noise-in-windows",
        "White noise, past and future of three steps each.  The statistic N sum s_k^2 has mean 9; "
        "what is its variance for many samples, when windows overlap?",
        _judge_windows,
        lambda: 2 * (1 + 4 + 9 + 4 + 1),
        (
            (lambda: 18, "nine independent entries"),
            (lambda: 10, "not each stands in one place"),
            (lambda: 9, "in how many places each"),
        ),
    ),
)
