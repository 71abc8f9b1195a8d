"""Chapter "A few covariances": the next covariance, a misleading window, a process with a given zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import RealizationError
from realization.exercises import Exercise, ExerciseError
from realization.stochastic import levinson, partial_realization, positivity

WINDOW = ("1", "1/2", "1/2")
CORRELATION, ZERO = 0.4, 0.5
CLOSE = 1e-9  # far above rounding, far below what a wrong formula leaves


def _judge_next(answer: Any) -> str:
    """The reflection of order 3 is -1/2."""
    try:
        gamma = levinson([*WINDOW, str(answer)]).reflections[-1]
    except RealizationError as error:
        raise ExerciseError(f"with c(3) = {answer} it is no window of a process: {error}") from None
    if gamma == 0:
        raise ExerciseError("that is the centre, what the predictor says: its reflection is 0")
    if gamma * 2 == 1:
        raise ExerciseError("its reflection is +1/2: go to the other side of the centre")
    if gamma * 2 != -1:
        raise ExerciseError(f"its reflection is {gamma}: c(3) is the centre plus the reflection times the radius")
    return "half of the radius below the centre: the reflection is -1/2"


def _judge_window(answer: Any) -> str:
    """T > 0 and a unique shortest recursion that is not stable, both decided in fractions."""
    try:
        window = [str(x) for x in answer]
        found = positivity(window)
    except (TypeError, RealizationError) as error:
        raise ExerciseError(f"a row of three rational numbers is asked for: {error}") from None
    if len(window) != 3:
        raise ExerciseError(f"the window has {len(window)} covariances; three are asked for")
    if found.verdict != "positive":
        raise ExerciseError(f"it is not positive, {found}: make c(1) and c(2) smaller")
    realization = partial_realization(window)
    if not realization.decision.decided:
        raise ExerciseError("its recursion of one step does not exist: c(1) = 0 and c(2) != 0 need two states")
    if realization.verdict != "unstable":
        raise ExerciseError(
            f"its pole c(2) / c(1) has modulus {realization.spectral_radius:.3g}, which is stable: "
            "how much larger than c(1) may c(2) be?"
        )
    return f"positive, and its shortest recursion has the pole {realization.data.A.item():.3g}"


def _judge_zero(answer: Any) -> str:
    """y(t) = a y(t-1) + e(t) - ZERO e(t-1), E e^2 = R: c(0) and c(1) from its covariance equations."""
    try:
        a, R = (float(x) for x in answer)
    except (TypeError, ValueError):
        raise ExerciseError("two numbers are asked for, a and R") from None
    if not (np.isfinite([a, R]).all() and R > 0):
        raise ExerciseError(f"R is {R}; a variance > 0 is asked for")
    if not abs(a) < 1:
        raise ExerciseError(f"the pole {a:.3g} is outside the circle: of a and 1/a, one is the process")
    c0 = R * (1 + (a - ZERO) ** 2 / (1 - a * a))
    c1 = a * c0 - ZERO * R
    if abs(c1 / c0 - CORRELATION) > CLOSE:
        hint = "without its zero it would be right" if abs(a - CORRELATION) < CLOSE else "solve for a once more"
        raise ExerciseError(f"its correlation at lag 1 is {c1 / c0:.4g}, not {CORRELATION}: {hint}")
    if abs(c0 - 1) > CLOSE:
        raise ExerciseError(f"the pole is right; E y^2 is {c0:.4g} instead of 1: R scales all covariances")
    return "the one process of degree 1 with this window and this zero"


def _pole() -> float:
    """(a - s)(1 - s a) = r (1 + s^2 - 2 s a), the root inside."""
    s, r = ZERO, CORRELATION
    roots = np.roots([-s, 1 + s * s + 2 * r * s, -s - r * (1 + s * s)])
    return float(roots[np.abs(roots) < 1].real[0])


def _solved() -> tuple[float, float]:
    a = _pole()
    return a, 1 / (1 + (a - ZERO) ** 2 / (1 - a * a))


EXERCISES = (
    Exercise(
        "next-covariance",
        "c = 1, 1/2, 1/2.  Which c(3) has the reflection -1/2?",
        _judge_next,
        lambda: "0",
        ((lambda: "1/3", "the centre"), (lambda: "2/3", "other side"), (lambda: "1", "no window of a process")),
    ),
    Exercise(
        "misleading-window",
        "Find c(0), c(1), c(2), positive definite, whose shortest recursion is not stable.",
        _judge_window,
        lambda: ["1", "1/3", "1/2"],
        (
            (lambda: ["1", "1/2", "1/4"], "which is stable"),
            (lambda: ["1", "1/2", "2"], "not positive"),
            (lambda: ["1", "0", "1/2"], "two states"),
        ),
    ),
    Exercise(
        "given-zero",
        "y(t) = a y(t-1) + e(t) - e(t-1) / 2, E e^2 = R, is to have c(0) = 1, c(1) = 2/5.  What are a and R?",
        _judge_zero,
        _solved,
        (
            (lambda: (CORRELATION, 1 - CORRELATION**2), "without its zero"),
            (lambda: (_pole(), 1.0), "the pole is right"),
            (lambda: (1 / _pole(), 1.0), "outside the circle"),
        ),
    ),
)
