"""Chapter "Two kinds of memory": a window beside modes, what float32 can hold, and a window for a mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.exercises import Exercise, ExerciseError, asked_model, asked_numbers
from realization.memory.delay import on_circle
from realization.systems.library import diagonal, window_and_fading
from realization.systems.linear import LinearSSM

RATES, HELD = (0.9, 0.5), 2
U = 2.0**-24
RATE, MISSING = 0.99, 1e-3


def _judge_both(answer: Any) -> str:
    asked_model(answer, LinearSSM)
    A, B = answer.A, answer.B
    if A.shape != (4, 4) or B.shape[-1] != 1:
        raise ExerciseError(f"A has shape {A.shape} and B {B.shape}; four states and one input are asked for")
    found = np.poly(A)
    wanted = np.convolve(np.poly(RATES), [1.0, *np.zeros(HELD)])
    if np.abs(found - wanted).max() > 1e-9:
        raise ExerciseError(
            f"det(zI - A) has the coefficients {found.round(3)}: asked for is z^2 (z - 0.9)(z - 0.5), an eigenvalue 0 "
            "for each input that is held"
        )
    reach = np.stack([np.linalg.matrix_power(A, j) @ B[:, 0] for j in range(4)], axis=1)
    powers = [np.linalg.matrix_rank(np.linalg.matrix_power(A, j), tol=1e-9) for j in (1, 2)]
    if powers[0] != 3:
        raise ExerciseError(
            f"A has rank {powers[0]}: its eigenvalues 0 are not chained, so the state holds one input and not two; "
            "a register shifts, and its block has a 1 beside the diagonal"
        )
    if np.linalg.matrix_rank(reach, tol=1e-9 * np.linalg.norm(reach)) < 4:
        raise ExerciseError("the input does not reach all four states: B, AB, A^2 B, A^3 B are dependent")
    return "A^2 loses two dimensions and no power loses more: two inputs exactly, and two modes that fade"


def _judge_balance(answer: Any) -> str:
    error = float(asked_numbers("the answer", answer, ()))
    if not 0 < error < 1:
        raise ExerciseError(f"the answer is {error:.3g}; an error between 0 and 1 is asked for")
    size = on_circle(8, 8, error=error).size  # counted from the read-out itself, not by its formula
    ratio = U * size / error
    if abs(np.log(ratio)) < 1e-2:
        return f"the approximation misses {error:.2g}, and rounding adds {U * size:.2g}"
    if ratio > 1:
        raise ExerciseError(f"the read-out has size {size:.2g}, and rounding adds {U * size:.2g}: too ambitious")
    raise ExerciseError(f"rounding adds {U * size:.2g} only: the approximation can afford to miss less")


def _missing(window: float) -> float:
    """Share of the sum of 0.99^t that lies at t >= window, term by term: what comes after 10^4 terms is below 1e-43."""
    weights = RATE ** np.arange(10_000)
    return float(weights[int(window) :].sum() / weights.sum())


def _judge_window(answer: Any) -> str:
    window = float(asked_numbers("the answer", answer, ()))
    if window != int(window) or window < 1:
        raise ExerciseError(f"the answer is {window}; a whole number of tokens is asked for")
    missing = _missing(window)
    if missing > MISSING * (1 + 1e-9):
        raise ExerciseError(f"a window of {window:.0f} misses {missing:.4g} of the sum: it is too short")
    if _missing(window - 1) <= MISSING:
        raise ExerciseError(f"one token less would do: it misses {_missing(window - 1):.4g}")
    return f"{window:.0f} tokens for what one state holds"


EXERCISES = (
    Exercise(
        "window-beside-modes",
        "Make a system with one input and four states that holds the last two inputs exactly and lets two modes fade, "
        "at the rates 0.9 and 0.5.",
        _judge_both,
        lambda: window_and_fading(window=HELD, poles=RATES),
        (
            (lambda: LinearSSM(np.diag([0, 0, *RATES]), np.ones((4, 1)), np.ones((1, 4)), [[0]]), "not chained"),
            (lambda: diagonal(np.array([0.7, 0.6, *RATES])), "an eigenvalue 0"),
            (lambda: window_and_fading(window=3, poles=RATES), "four states"),
            (lambda: 4, "a model of type LinearSSM"),
        ),
    ),
    Exercise(
        "best-error-in-float32",
        "Eight poles on a circle delay by eight steps with an error eps and a read-out of size eps^(-7/8), which "
        "float32 multiplies by u = 2^-24.  At which eps are the two errors equal?",
        _judge_balance,
        lambda: U ** (8 / 15),
        (
            (lambda: U, "too ambitious"),
            (lambda: U ** (7 / 15), "can afford"),
            (lambda: 2.0, "between 0 and 1"),
        ),
    ),
    Exercise(
        "window-for-a-mode",
        "How long must a window be that imitates a mode 0.99^t, if of the sum of all weights at most one part in a "
        "thousand may be missing?",
        _judge_window,
        lambda: int(np.ceil(np.log(MISSING) / np.log(RATE))),
        (
            (lambda: int(np.log(MISSING) / np.log(RATE)), "too short"),
            (lambda: int(np.ceil(np.log(MISSING * (1 - RATE)) / np.log(RATE))), "one token less"),
            (lambda: 687.3, "whole number"),
        ),
    ),
)
