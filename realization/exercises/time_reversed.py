"""Chapter "Time reversed": a model that runs backward, what a path played backward shows, a walk from a known place."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.exercises import Exercise, ExerciseError, asked_model, asked_numbers
from realization.linalg.dense import spectral_radius
from realization.stochastic import autocovariances, joint_covariance, reverse, state_covariance
from realization.systems.stochastic import BackwardSSM
from realization.systems.stochastic_library import follower

MODEL = follower()
LAG = autocovariances(MODEL, 1)[1]
STEPS = 10  # of the walk
CLOSE = 1e-9  # far above rounding, far below what a wrong formula leaves


def _judge_model(answer: Any) -> str:
    """The same joint covariance of y(0), y(1), y(2), however the states were chosen."""
    asked_model(answer, BackwardSSM)
    if len(answer.C) != len(MODEL.C):
        raise ExerciseError(f"the answer has {len(answer.C)} outputs; the process has {len(MODEL.C)}")
    if not (radius := spectral_radius(answer.A)) < 1:
        raise ExerciseError(
            f"its state explodes into the past, spectral radius {radius:.3g}: to reverse is not to invert A; "
            "z(t) = inv(P) x(t+1) has the matrix A'"
        )
    P = state_covariance(answer)
    Lambda0, truth = answer.C @ P @ answer.C.T + answer.D @ answer.D.T, autocovariances(MODEL, 1)
    if (off := np.abs(Lambda0 - truth[0]).max()) > CLOSE:
        raise ExerciseError(
            f"E y(t) y(t)' is off by {off:.2g}: the noise backward is not that of the forward model, its covariance "
            "has the blocks inv(P) - A' inv(P) A, ..."
        )
    lag = (answer.C @ (answer.A @ P @ answer.C.T + answer.B @ answer.D.T)).T
    if (off := np.abs(lag - truth[1]).max()) > CLOSE:
        raise ExerciseError(f"E y(t+1) y(t)' is off by {off:.2g}: is it the transpose?  Then time runs the wrong way")
    p = len(MODEL.C)
    F, G = (joint_covariance(m, 4)[-4 * p :, -4 * p :] for m in (answer, MODEL))
    if (off := np.abs(F - G).max()) > CLOSE:
        raise ExerciseError(f"right at lags 0 and 1, off by {off:.2g} later: look at A")
    return "the joint covariance of the outputs is that of the forward model"


def _naive_noise() -> BackwardSSM:
    back, P = reverse(MODEL), state_covariance(MODEL)
    return BackwardSSM(back.A, np.linalg.solve(P, MODEL.B), back.C, MODEL.D)


def _inverted() -> BackwardSSM:
    A = np.linalg.inv(MODEL.A)
    return BackwardSSM(A, -A @ MODEL.B, MODEL.C @ A, MODEL.D - MODEL.C @ A @ MODEL.B)


def _judge_lag(answer: Any) -> str:
    x = asked_numbers("the answer", answer, LAG.shape)
    if np.abs(x - LAG.T).max() <= CLOSE:
        return "played backward, every covariance is transposed"
    if np.abs(x - LAG).max() <= CLOSE:
        raise ExerciseError("that is E y(t+1) y(t)' of the process itself: played backward, y1 follows y2")
    if np.abs(x - (LAG + LAG.T) / 2).max() <= CLOSE:
        raise ExerciseError("symmetrised, it belongs to neither direction: which output comes first?")
    raise ExerciseError(f"it is off by {np.abs(x - LAG.T).max():.2g}: write u(t) = y(-t) and E u(t+1) u(t)'")


def _judge_walk(answer: Any) -> str:
    """x(t) = a x(t+1) + noise of variance s: E x(t) x(t+1) = t, E x(t+1)^2 = t + 1."""
    try:
        a, s = answer
    except (TypeError, ValueError):
        raise ExerciseError("two rows are asked for: coefficients a(t), variances s(t)") from None
    a, s = (asked_numbers(name, x, (STEPS,)) for name, x in (("a", a), ("s", s)))
    t = np.arange(STEPS)
    if np.abs(a - t / (t + 1)).max() > CLOSE:
        if np.abs(a - 1).max() <= CLOSE:
            raise ExerciseError("a = 1 ignores where the walk has started: x(0) is known, so a(0) = 0")
        raise ExerciseError(f"a(1) is {a[1]:.4g}: given x(2), x(1) lies half way between 0 and x(2); P(t) = t")
    if np.abs(s - t / (t + 1)).max() > CLOSE:
        raise ExerciseError(
            f"s(1) is {s[1]:.4g}: what is left of P(1) = 1 after a(1) x(2) has explained 1/2; that is P(t) - a^2 P(t+1)"
        )
    return "a walk from a known place, seen backward, is a bridge to it"


_T = np.arange(STEPS)

EXERCISES = (
    Exercise(
        "backward-model",
        "Give the `BackwardSSM` of `follower()`: x(t+1) = 0.7 x(t) + w1, y1 = 0.7 x + w1, y2 = 0.9 x + w2 / 2.",
        _judge_model,
        lambda: reverse(MODEL),
        (
            (_inverted, "to reverse is not to invert A"),
            (_naive_noise, "the noise backward is not that of the forward model"),
            (lambda: BackwardSSM(MODEL.A, MODEL.B, MODEL.C, MODEL.D), "time runs the wrong way"),
        ),
    ),
    Exercise(
        "played-backward",
        "A path of `follower()` is played backward. What is its covariance of lag 1, E u(t+1) u(t)', (2, 2)?",
        _judge_lag,
        lambda: LAG.T,
        (
            (lambda: LAG, "y1 follows y2"),
            (lambda: (LAG + LAG.T) / 2, "which output comes first"),
            (lambda: np.eye(3), "(2, 2) are asked for"),
        ),
    ),
    Exercise(
        "walk-from-a-known-place",
        "x(0) = 0, x(t+1) = x(t) + w(t), E w^2 = 1. Backward, x(t) = a(t) x(t+1) + noise of variance s(t): give a and "
        "s for t = 0 ... 9.",
        _judge_walk,
        lambda: (_T / (_T + 1), _T / (_T + 1)),
        (
            (lambda: (np.ones(STEPS), np.ones(STEPS)), "ignores where the walk has started"),
            (lambda: ((_T + 1) / (_T + 2), _T / (_T + 1)), "half way between 0 and x(2)"),
            (lambda: (_T / (_T + 1), np.ones(STEPS)), "P(t) - a^2 P(t+1)"),
        ),
    ),
)
