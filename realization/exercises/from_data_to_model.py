"""Chapter "From data to model": a model from three covariances, numbers that are none, an input that shows enough."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.exercises import Exercise, ExerciseError, asked_model, asked_numbers
from realization.linalg.dense import spectral_radius
from realization.stochastic import CovarianceModel, autocovariances, innovations_model, spectral_density
from realization.systems.stochastic import InnovationsSSM

GIVEN = CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.6]], Lambda0=[[1]])
SHORT = CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.8]], Lambda0=[[1]])
OMEGA = np.linspace(0, np.pi, 1001)  # both ends are on it
ROWS = 14  # past + future of 7 steps each
CLOSE = 1e-9  # far above rounding, far below what a wrong formula leaves


def _judge_model(answer: Any) -> str:
    asked_model(answer, InnovationsSSM)
    if answer.A.shape != (1, 1) or answer.C.shape != (1, 1):
        raise ExerciseError(f"the answer has n={len(answer.A)}, p={len(answer.C)}; one state and one output do")
    if not (radius := spectral_radius(answer.A)) < 1:
        raise ExerciseError(f"spectral radius {radius:.3g}: A is the ratio of Lambda(2) and Lambda(1)")
    found, wanted = autocovariances(answer, 3), autocovariances(GIVEN, 3)
    if (off := np.abs(found - wanted).max()) > CLOSE:
        lag = int(np.argmax(np.abs(found - wanted)))
        raise ExerciseError(
            f"Lambda({lag}) is off by {off:.2g}: with P = A P A' + K R K' they are Lambda(0) = C P C' + R and "
            "Lambda(1) = C (A P C' + K R), two equations for K and R, quadratic in P"
        )
    if (radius := spectral_radius(answer.predictor)) > 1:
        raise ExerciseError(
            f"the covariances are right, but A - K C has spectral radius {radius:.3g}: of the two roots P this is the "
            "larger, and e(t) is no error of prediction from the past"
        )
    return "its covariances are those that were given, and its predictor is stable"


def _largest_root() -> InnovationsSSM:
    """With P_+ in place of P_-: (G - A P C')^2 = (Lambda0 - P) (P - A^2 P) is P^2 - 1.35 P + 0.36 = 0."""
    P = float(np.max(np.roots([1, -1.35, 0.36])))
    return InnovationsSSM([[0.5]], [[(0.6 - P / 2) / (1 - P)]], [[1]], [[1 - P]])


def _judge_noise(answer: Any) -> str:
    density = spectral_density(SHORT, OMEGA)[:, 0, 0].real + asked_numbers("the answer", answer, ())
    at = float(OMEGA[np.argmin(density)])
    if density.min() < -CLOSE:
        raise ExerciseError(f"with {float(answer):.4g} more the density is still {density.min():.3g} at {at:.4g}")
    if density.min() > CLOSE:
        raise ExerciseError(f"{float(answer):.4g} is enough, but {density.min():.3g} less would be enough as well")
    return f"the spectral density touches 0 at frequency {at:.4g}"


def _judge_sinusoids(answer: Any) -> str:
    if not isinstance(answer, int | np.integer) or not 1 <= answer <= 100:
        raise ExerciseError(f"the answer is {answer!r}; a number of sinusoids from 1 to 100 is asked for")
    ranks = [_rank(k) for k in (int(answer) - 1, int(answer))]
    if ranks[1] < ROWS:
        raise ExerciseError(f"{answer} sinusoids give the matrix rank {ranks[1]} of {ROWS}")
    if ranks[0] == ROWS:
        raise ExerciseError(f"one less gives rank {ranks[0]} already: a sinusoid has two directions, sine and cosine")
    return f"{answer} sinusoids give the matrix rank {ROWS}, one less only {ranks[0]}"


def _rank(sinusoids: int) -> int:
    """Rank of the Hankel matrix of an input that is a sum of sinusoids."""
    frequencies = np.pi * np.arange(1, sinusoids + 1) / (sinusoids + 1)
    u = np.cos(frequencies * np.arange(2000)[:, None]).sum(axis=1)
    return int(np.linalg.matrix_rank(np.lib.stride_tricks.sliding_window_view(u, ROWS)))


EXERCISES = (
    Exercise(
        "model-of-three-covariances",
        "Give the `InnovationsSSM` with one state whose output has the covariances 1, 0.6, 0.3 at the lags 0, 1, 2.",
        _judge_model,
        lambda: innovations_model(GIVEN),
        (
            (_largest_root, "of the two roots P this is the larger"),
            (lambda: InnovationsSSM([[0.5]], [[0.6]], [[1]], [[1]]), "quadratic in P"),
            (lambda: InnovationsSSM([[2.0]], [[0.6]], [[1]], [[1]]), "ratio of Lambda(2) and Lambda(1)"),
        ),
    ),
    Exercise(
        "least-white-noise",
        "1, 0.8, 0.4, 0.2, 0.1, ... are covariances of no process. How much white noise, at least, has to be added?",
        _judge_noise,
        lambda: 1 / 15,  # Phi(pi) = 1 - 2 (0.8) / 1.5
        (
            (lambda: 0.0, "the density is still -0.0667 at 3.142"),
            (lambda: 0.6, "would be enough as well"),
            (lambda: [[1 / 15]], "one number is asked for"),
        ),
    ),
    Exercise(
        "sinusoids-that-suffice",
        "An input is a sum of sinusoids. How many, at least, for past and future of 7 steps each?",
        _judge_sinusoids,
        lambda: 7,
        ((lambda: 14, "a sinusoid has two directions"), (lambda: 6, "rank 12 of 14"), (lambda: 7.5, "a number of")),
    ),
)
