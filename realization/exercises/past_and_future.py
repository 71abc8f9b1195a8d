"""Chapter "Past and future": half a bit, a state of which the past is silent, what a mixture of variables carries."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.exercises import Exercise, ExerciseError, asked_model
from realization.stochastic import autocovariances, canonical_correlations, mutual_information, state_covariance
from realization.systems.stochastic import StochasticSSM

BIT = float(np.log(2))  # in nats
CLOSE = 1e-9  # far above rounding, far below what a wrong formula leaves


def _judge_half_a_bit(answer: Any) -> str:
    asked_model(answer, StochasticSSM)
    if len(answer.A) != 1 or len(answer.C) != 1:
        raise ExerciseError(
            f"the answer has {len(answer.A)} states and {len(answer.C)} outputs; one of each is asked for"
        )
    s, told = float(canonical_correlations(answer).values[0]), mutual_information(answer)
    if abs(told - 0.5 * BIT) <= 1e-6:
        return f"0.5 bits, the canonical correlation is {s:.4f}"
    if abs(told - 0.5) <= 1e-6:
        raise ExerciseError("that is half a nat: a bit is log 2 = 0.693 nats")
    raise ExerciseError(
        f"past and future share {told / BIT:.4g} bits, the correlation is {s:.4g}: "
        "-1/2 log2(1 - sigma^2) = 1/2 is asked for"
    )


def _autoregression(a: float) -> StochasticSSM:
    """y(t+1) = a y(t) + e(t+1)."""
    return StochasticSSM([[a]], [[1]], [[a]], [[1]])


def _judge_silence(answer: Any) -> str:
    asked_model(answer, StochasticSSM)
    if len(answer.A) != 1 or len(answer.C) != 1 or abs(answer.A[0, 0] - 0.5) > CLOSE:
        raise ExerciseError("one state with A = 1/2 and one output are asked for")
    if not state_covariance(answer)[0, 0] > CLOSE:
        raise ExerciseError("no noise enters the state: it is 0, and not worth remembering")
    if abs(answer.C[0, 0]) <= CLOSE:
        raise ExerciseError("C = 0: the future shows nothing of this state; here it is the past that is to be silent")
    Lambda = autocovariances(answer, 1).ravel()
    if abs(Lambda[1]) > CLOSE * Lambda[0]:
        raise ExerciseError(
            f"E y(t+1) y(t) = {Lambda[1]:.4g}: the past knows something. G = A P C' + B D' has to be 0, "
            "with P = B B' / (1 - A^2)"
        )
    return "white noise whose state the future shows, and of which the past says nothing"


def _judge_mixture(answer: Any) -> str:
    """u = (z1 + z2) / sqrt 2 has the projection (0.9 w1 + 0.3 w2) / sqrt 2 on the future."""
    try:
        told = float(answer)
    except (TypeError, ValueError):
        raise ExerciseError(f"the answer is a {type(answer).__name__}; a number of nats is asked for") from None
    square = (0.9**2 + 0.3**2) / 2
    right = -np.log1p(-square) / 2
    if abs(told - right) <= 1e-4:
        return f"{right:.4f} nats, a third of what the first variable carries alone"
    if abs(told - right / BIT) <= 1e-4:
        raise ExerciseError("those are bits; nats are asked for")
    if abs(told - _term((0.9 + 0.3) / 2)) <= 1e-4:
        raise ExerciseError(
            "correlations are not averaged: the two directions of the future are orthogonal, squares add up"
        )
    if abs(told - (_term(0.9) + _term(0.3)) / 2) <= 1e-4:
        raise ExerciseError("information is not averaged: each variable is noise to the other")
    raise ExerciseError(f"{told:.4g}: project the mixture on the future, and take -1/2 log(1 - its squared length)")


def _term(s: float) -> float:
    return float(-np.log1p(-(s**2)) / 2)


EXERCISES = (
    Exercise(
        "half-a-bit",
        "Give a `StochasticSSM` of one state and one output whose past and future share half a bit.",
        _judge_half_a_bit,
        lambda: _autoregression(0.5**0.5),
        (
            (lambda: _autoregression(0.5), "the correlation is 0.5"),
            (lambda: _autoregression(float(np.sqrt(1 - np.exp(-1)))), "half a nat"),
        ),
    ),
    Exercise(
        "silent-past",
        "Give a `StochasticSSM` of one state with A = 1/2 and one output, C not 0, whose output is white noise.",
        _judge_silence,
        lambda: StochasticSSM([[0.5]], [[1]], [[1]], [[-2 / 3]]),
        (
            (lambda: StochasticSSM([[0.5]], [[1]], [[1]], [[0]]), "G = A P C' + B D' has to be 0"),
            (lambda: StochasticSSM([[0.5]], [[1]], [[0]], [[1]]), "the future shows nothing"),
            (lambda: StochasticSSM([[0.5]], [[0]], [[1]], [[1]]), "no noise enters"),
        ),
    ),
    Exercise(
        "mixture",
        "Two canonical variables of variance 1 have the correlations 0.9 and 0.3. How many nats of the future does "
        "their sum carry?",
        _judge_mixture,
        lambda: _term(0.45**0.5),
        (
            (lambda: _term(0.6), "squares add up"),
            (lambda: (_term(0.9) + _term(0.3)) / 2, "each variable is noise to the other"),
            (lambda: _term(0.45**0.5) / BIT, "nats are asked for"),
        ),
    ),
)
