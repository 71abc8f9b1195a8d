"""Exercises that check themselves: three for each chapter, from the definition and not from a stored answer.

    >>> from realization.exercises import check, exercises
    >>> sorted(exercises()) == list(exercises())
    True

A module of this package is a chapter; its tuple EXERCISES is found by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import RealizationError, ShapeError


class ExerciseError(RealizationError, ValueError):
    """An answer is not right; the message says in what, with a hint."""


@dataclass(frozen=True, slots=True, eq=False)
class Exercise:
    """A question, and how an answer is judged.

    Parameters
    ----------
    name : str
        By which `check` finds it.
    question : str
        In one or two sentences.
    check : callable
        Answer -> a short sentence; raises `ExerciseError` with a hint where the answer is wrong.
    solution : callable
        () -> an answer that is right.
    mistakes : tuple
        Pairs: () -> an answer as it typically goes wrong, and what the hint to it says.
    """

    name: str
    question: str
    check: Callable[[Any], str]
    solution: Callable[[], Any]
    mistakes: tuple[tuple[Callable[[], Any], str], ...]


def asked_numbers(name: str, x: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return an answer of finite real numbers, of that shape if one is asked for.

    Raises
    ------
    ExerciseError
        If it is none: NaN differs from every right answer by NaN, which is never too much.
    """
    wanted = "numbers are" if shape is None else f"numbers of shape {shape} are" if shape else "one number is"
    try:
        x = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise ExerciseError(f"{name} is a {type(x).__name__}; {wanted} asked for") from None
    if shape is not None and x.shape != shape:
        raise ExerciseError(f"{name} has shape {x.shape}; {wanted} asked for")
    if not np.isfinite(x).all():
        raise ExerciseError(f"{name} has an entry {x[~np.isfinite(x)].flat[0]}; finite numbers are asked for")
    return x


def asked_model(answer: Any, kind: type) -> None:
    """Refuse an answer of another kind.

    Raises
    ------
    ExerciseError
        With the kind that is asked for.
    """
    if not isinstance(answer, kind):
        raise ExerciseError(f"the answer is a {type(answer).__name__}; a model of type {kind.__name__} is asked for")


def exercises() -> dict[str, Exercise]:
    """Return all exercises by name, in alphabetical order.

    Returns
    -------
    dict
        Of the chapters in this package.
    """
    chapters = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return {each.name: each for each in sorted((e for c in chapters for e in c.EXERCISES), key=lambda e: e.name)}


def check(name: str, answer: Any) -> str:
    """Judge an answer.

    Parameters
    ----------
    name : str
        Of the exercise.
    answer : object
        The question says what.

    Returns
    -------
    str
        What is right about it.

    Raises
    ------
    ShapeError
        If there is no exercise of this name.
    ExerciseError
        If the answer is wrong, with a hint.
    """
    found = exercises()
    if name not in found:
        raise ShapeError(f"no exercise is named {name!r}; there are {', '.join(found)}")
    return found[name].check(answer)
