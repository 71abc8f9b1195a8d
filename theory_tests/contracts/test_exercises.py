"""Each exercise takes its own solution and refuses the mistakes it knows, with the hint that belongs to each."""

import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import realization.exercises
from realization.core.errors import ShapeError
from realization.exercises import Exercise, ExerciseError, check, exercises
from realization.systems import StochasticSSM

DOCS = Path(__file__).parents[2] / "docs"
CHAPTERS = [found.name for found in pkgutil.iter_modules(realization.exercises.__path__)]


def faults(exercise):
    """What is wrong with an exercise."""
    try:
        if not exercise.check(exercise.solution()):
            yield "the solution gets no answer"
    except ExerciseError as error:
        yield f"the solution is refused: {error}"
    for k, (answer, hint) in enumerate(exercise.mistakes):
        try:
            exercise.check(answer())
            yield f"mistake {k} passes"
        except ExerciseError as error:
            if hint not in str(error):
                yield f"mistake {k} is told {error}"


def judged(x):
    if np.shape(x) != ():
        raise ExerciseError(f"the answer has shape {np.shape(x)}; a number is asked for")
    if x != 4:
        raise ExerciseError(f"{x} is not 2 + 2: count again")
    return "2 + 2 = 4"


SUM = Exercise("sum", "What is 2 + 2?", judged, lambda: 4, ((lambda: 5, "count again"), (lambda: [4], "a number")))


def test_the_test_sees_a_faulty_exercise():
    assert list(faults(SUM)) == []
    wrong = Exercise("sum", "", judged, lambda: 3, ((lambda: 4, "count"), (lambda: 5, "a number")))
    assert [line.split(":")[0] for line in faults(wrong)] == [
        "the solution is refused", "mistake 0 passes", "mistake 1 is told 5 is not 2 + 2"
    ]  # fmt: skip


def test_solutions_pass_and_mistakes_get_their_hints():
    found = [f"{name}: {line}" for name, exercise in exercises().items() for line in faults(exercise)]
    assert not found


def spoiled(answer):
    """A right answer of numbers with NaN in their places, or None where the answer is another thing."""
    try:
        return np.full_like(np.asarray(answer, dtype=np.float64), np.nan)
    except (TypeError, ValueError):
        return None


MODEL = StochasticSSM([[0.5]], [[1]], [[1]], [[1]])


@pytest.mark.parametrize("answer", [None, "x", [], np.nan, {"a": 1}, MODEL, "NaN"])
def test_no_answer_is_taken_for_right_and_none_breaks_the_check(answer):
    """NaN compares false with any bound, and so does everything of another kind."""
    for exercise in exercises().values():
        given = spoiled(exercise.solution()) if answer == "NaN" else answer
        if given is not None or answer is None:
            with pytest.raises(ExerciseError):
                exercise.check(given)


def test_a_chapter_has_three_exercises_and_its_page_asks_them():
    for chapter in CHAPTERS:
        names = [each.name for each in importlib.import_module(f"realization.exercises.{chapter}").EXERCISES]
        assert len(names) == 3
        page = DOCS / f"{chapter.replace('_', '-')}.md"
        asked = re.findall(r"check\(\"([\w-]+)\"", page.read_text("utf-8"))
        assert set(names) <= set(asked), f"{page.name} asks {asked}"
        assert all(exercises()[name].question and len(exercises()[name].mistakes) >= 2 for name in names)


def test_names_are_unique():
    assert len(exercises()) == 3 * len(CHAPTERS)


def test_an_unknown_name_is_refused():
    with pytest.raises(ShapeError, match="no exercise is named 'sum'; there are"):
        check("sum", 4)
