"""Chapter "All realizations of one process": the ends by hand, a corner that is neither, the least variance."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.exercises import Exercise, ExerciseError, asked_model, asked_numbers
from realization.stochastic import (
    CovarianceModel,
    autocovariances,
    extremal,
    faurre_set,
    innovations_model,
    maximum_phase_model,
    positive_real,
)
from realization.systems import LinearSSM, zeros
from realization.systems.stochastic import StochasticSSM

CLOSE = 1e-9  # far above rounding, far below what a wrong formula leaves
HAND = CovarianceModel(A=[[0.5]], C=[[1]], G=[[1]], Lambda0=[[3]])
# white noise through (1 - 0.7/z)(1 + 0.5/z) = 1 - 0.2/z - 0.35/z^2
AVERAGE = CovarianceModel(A=[[0, 1], [0, 0]], C=[[1, 0]], G=[[-0.13], [-0.35]], Lambda0=[[1.1625]])


def _row(answer: Any, count: int) -> np.ndarray:
    x = asked_numbers("the answer", answer)
    if x.size != count:
        raise ExerciseError(f"the answer has {x.size} numbers; {count} are asked for")
    return x.ravel()


def _judge_ends(answer: Any) -> str:
    """Both make M(P) singular, and the first is the smaller one."""
    full = faurre_set(HAND)
    low, high = _row(answer, 2)
    for P in (low, high):
        M = full.noise_matrix([[P]])
        if abs(np.linalg.det(M)) > CLOSE:
            if min(np.diag(M)) <= CLOSE:
                raise ExerciseError(
                    f"P = {P:.6g} makes an entry of the diagonal of M(P) zero: its determinant has to be"
                )
            raise ExerciseError(f"P = {P:.6g} leaves det M(P) = {np.linalg.det(M):.3g}; at an end it is 0")
    if high - low < CLOSE:
        raise ExerciseError("twice the same end: det M(P) is quadratic in P and has two roots")
    return "one noise at either end, two at every P between"


def _judge_corner(answer: Any) -> str:
    """The process, with one noise, one zero on either side."""
    asked_model(answer, StochasticSSM)
    n, m, p = len(answer.A), answer.B.shape[1], len(answer.C)
    if (n, p) != (2, 1):
        raise ExerciseError(f"the answer has {n} states and {p} outputs; 2 and 1 are asked for")
    off = np.abs(autocovariances(answer, 6) - autocovariances(AVERAGE, 6))[:, 0, 0]
    if off.max() > CLOSE:
        raise ExerciseError(
            f"the covariance of lag {off.argmax()} is off by {off.max():.2g}: it is a model of another process; where "
            "a zero moves to its reciprocal the noise has to change its size"
        )
    if m != 1:
        raise ExerciseError(f"it has {m} noises: a covariance between the corners, one noise is asked for")
    outside = int((np.abs(zeros(LinearSSM(answer.A, answer.B, answer.C, answer.D))) > 1).sum())
    if outside != 1:
        name = "P_-: no zero is outside" if outside == 0 else "P_+: both zeros are outside"
        raise ExerciseError(f"the state covariance is {name}, and neither end is asked for")
    return "a corner of the lens: one zero inside, one outside, and the state a function of past and future"


def _judge_variance(answer: Any) -> str:
    """On the boundary: with a little more variance there is a process, with a little less none."""
    (L0,) = _row(answer, 1)
    more, less = (positive_real(CovarianceModel([[0.5]], [[1]], [[0.5]], [[L0 + step]])) for step in (1e-6, -1e-6))
    if more.verdict == "not positive real":
        raise ExerciseError(
            f"with Lambda0 = {L0:.6g} the spectral density is {more.density:.3g} at frequency {more.omega:.4g}: "
            "that each covariance is at most Lambda0 is not enough"
        )
    if less.verdict == "positive real":
        raise ExerciseError(
            f"Lambda0 = {L0:.6g} is possible, and less too: the density never falls below {less.density:.3g}"
        )
    return "the density touches 0 at frequency pi: one model is left, P_- = P_+"


def _flipped_without_care() -> StochasticSSM:
    """The zero 0.7 at 1/0.7 and everything else as it was: h = 1, -0.93, -0.71."""
    h = np.poly([1 / 0.7, -0.5])
    return StochasticSSM(AVERAGE.A, h[1:, None], AVERAGE.C, [[1]])


EXERCISES = (
    Exercise(
        "ends-by-hand",
        "Lambda = 3, 1, 1/2, 1/4, ...: the smallest and the largest variance of a state with A = 1/2, C = 1?",
        _judge_ends,
        lambda: (13 / 8 - 105**0.5 / 8, 13 / 8 + 105**0.5 / 8),
        (
            (lambda: (0, 3), "an entry of the diagonal"),
            (lambda: (1 - 0.75**0.5, 1 + 0.75**0.5), "at an end it is 0"),
            (lambda: (13 / 8 - 105**0.5 / 8,) * 2, "twice the same end"),
            (lambda: 4, "2 are asked for"),
        ),
    ),
    Exercise(
        "a-third-corner",
        "y(t) = e(t) - 0.2 e(t-1) - 0.35 e(t-2): give a `StochasticSSM` of this process with one noise and two states "
        "whose state covariance is neither the smallest nor the largest.",
        _judge_corner,
        lambda: faurre_set(AVERAGE).model(extremal(faurre_set(AVERAGE), [0]).P),
        (
            (lambda: innovations_model(AVERAGE).as_stochastic(), "no zero is outside"),
            (lambda: maximum_phase_model(AVERAGE), "both zeros are outside"),
            (lambda: faurre_set(AVERAGE).model(faurre_set(AVERAGE).between(0.5)), "between the corners"),
            (_flipped_without_care, "the noise has to change its size"),
        ),
    ),
    Exercise(
        "least-variance",
        "Lambda(k) = 2^-k for k > 0: what is the least Lambda(0) with which there is such a process?",
        _judge_variance,
        lambda: 2 / 3,
        (
            (lambda: 0.5, "is not enough"),
            (lambda: 1.0, "and less too"),
            (lambda: [1, 2], "1 are asked for"),
        ),
    ),
)
