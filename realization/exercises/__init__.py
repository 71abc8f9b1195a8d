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
