"""Chapter "The filter is the smallest realization": its covariance, a gap in the record, past and future together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization.exercises import Exercise, ExerciseError, asked_numbers
from realization.stochastic import covariance_model, faurre_set, kalman_filter, state_covariance
from realization.stochastic.datasets import nile
from realization.systems.stochastic import InitialState, StochasticSSM
from realization.systems.stochastic_library import noisy_oscillator

MODEL = noisy_oscillator()
LEVEL = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[1469.1]], R=[[15099]])
PAST, FUTURE, PRIOR = (2.0, 1.0), (1.0, 2.0), (0.0, 4.0)  # means and variances
CLOSE = 1e-9  # far above rounding, far below what a wrong formula leaves


def _steady_error() -> np.ndarray:
    """The error covariance of the filter after it has forgotten its start."""
    run: Any = kalman_filter(MODEL, np.zeros((2000, len(MODEL.C))), store="covariances")
    return run.predicted_covariance[-1]


def _judge_covariance(answer: Any) -> str:
    P, error = state_covariance(MODEL), _steady_error()
    x = asked_numbers("the answer", answer, P.shape)
    if np.abs(x - (P - error)).max() <= CLOSE * np.abs(P).max():
        return "what the filter has found and what it has not add up to P: cov = P - Sigma = P_-"
    if np.abs(x - P).max() <= CLOSE * np.abs(P).max():
        raise ExerciseError("that is the covariance of the state itself; its estimate varies less, by the error")
    if np.abs(x - error).max() <= CLOSE * np.abs(P).max():
        raise ExerciseError("that is the covariance of the error x - xhat; asked for is that of xhat")
    raise ExerciseError(
        f"it is off by {np.abs(x - P + error).max():.2g}: xhat is uncorrelated with x - xhat, so their covariances add"
    )


def _gap(years: int) -> float:
    """Variance of the level after so many years without a reading, over that before the gap."""
    y = np.concatenate([nile().values, np.full((years, 1), np.nan)])
    run: Any = kalman_filter(LEVEL, y, initial=InitialState.unknown(1))
    P = run.filtered_covariance[:, 0, 0]
    return float(P[-1] / P[len(nile().values) - 1])


def _judge_gap(answer: Any) -> str:
    years = float(asked_numbers("the answer", answer, ()))
    if years != int(years) or years < 0:
        raise ExerciseError(f"the answer is {years}; a whole number of years is asked for")
    found, before = _gap(int(years)), _gap(max(int(years) - 1, 0))
    if found < 4:
        raise ExerciseError(
            f"{math.sqrt(found):.3f} times as wide after {years:.0f} years: the variance grows by the drift each year, "
            "and the width is its root"
        )
    if before >= 4:
        raise ExerciseError(
            f"a year before it is {math.sqrt(before):.3f} times as wide already: asked for is the first"
        )
    return f"{math.sqrt(found):.3f} times as wide after {years:.0f} years, {math.sqrt(before):.3f} a year before"


def _first_doubled() -> int:
    run: Any = kalman_filter(LEVEL, nile().values, initial=InitialState.unknown(1))
    return math.ceil(3 * run.filtered_covariance[-1, 0, 0] / 1469.1)


def _together() -> np.ndarray:
    """Project x on two readings whose noise leaves the variances of past and future: from the joint covariance."""
    P = PRIOR[1]
    noise = [1 / (1 / v - 1 / P) for _, v in (PAST, FUTURE)]
    readings = [m * (P + r) / P for (m, _), r in zip((PAST, FUTURE), noise, strict=True)]
    V = P * np.ones((2, 2)) + np.diag(noise)
    gain = np.linalg.solve(V, P * np.ones(2))
    return np.array([gain @ readings, P - gain.sum() * P])


def _judge_together(answer: Any) -> str:
    x, right = asked_numbers("the answer", answer, (2,)), _together()
    if np.abs(x - right).max() <= CLOSE:
        return "precisions add, and the prior's, which both have used, is taken off once"
    weights = np.array([1 / PAST[1], 1 / FUTURE[1]])
    if abs(x[1] - 1 / weights.sum()) <= CLOSE:
        raise ExerciseError(
            "too sure: past and future both contain the prior, so it counts twice in a sum of precisions"
        )
    if x[1] >= min(PAST[1], FUTURE[1]):
        raise ExerciseError(
            f"with variance {x[1]:.3g} both together know less than one alone, {min(PAST[1], FUTURE[1]):.3g}"
        )
    raise ExerciseError(
        f"mean and variance are off by {np.abs(x - right).round(3)}: inv(V) = inv(Sf) + inv(Sb) - inv(P)"
    )


EXERCISES = (
    Exercise(
        "covariance-of-the-estimate",
        "`noisy_oscillator()` is filtered for ever.  What is the covariance of the predicted state xhat(t|t-1), "
        "2 x 2?  No output is needed for the answer.",
        _judge_covariance,
        lambda: faurre_set(covariance_model(MODEL)).P_minus,
        (
            (lambda: state_covariance(MODEL), "the state itself"),
            (_steady_error, "covariance of the error"),
            (lambda: 2 * state_covariance(MODEL), "their covariances add"),
            (lambda: 1.0, "shape"),
        ),
    ),
    Exercise(
        "length-of-the-gap",
        "The record of the Nile stops after 1970.  After how many years without a reading is the band of the level "
        "(variances 15099 of a reading and 1469.1 of a year's drift) first at least twice as wide as in 1970?",
        _judge_gap,
        _first_doubled,
        (
            (lambda: math.ceil(_first_doubled() / 3), "the width is its root"),
            (lambda: 2 * _first_doubled(), "asked for is the first"),
            (lambda: 2.5, "whole number"),
            (lambda: "long", "one number is asked for"),
        ),
    ),
    Exercise(
        "past-with-future",
        "The past says x = 2 with variance 1, the future, filtered backward, x = 1 with variance 2; x itself has mean "
        "0 and variance 4.  What are mean and variance of x given both?",
        _judge_together,
        lambda: (lambda V: (V * (PAST[0] / PAST[1] + FUTURE[0] / FUTURE[1]), V))(
            1 / (1 / PAST[1] + 1 / FUTURE[1] - 1 / PRIOR[1])
        ),
        (
            (lambda: (5 / 3, 2 / 3), "counts twice"),
            (lambda: (1.5, 1.5), "less than one alone"),
            (lambda: (2.0, 0.9), "off by"),
        ),
    ),
)
