"""Results are values: read-only, shown in one line; what is taken for another kind of value is named."""

import importlib
import inspect
from dataclasses import dataclass, fields, is_dataclass

import numpy as np
import pytest

from realization.canonical import FORMS, check_form, convert, minimal_realization, register
from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.linalg import block_diagonal_schur, discrete_lyapunov, fitting_split, nilpotent_staircase
from realization.memory import decay_envelope, eidetic_memory
from realization.systems import hankel_operator
from realization.systems.families import redundant
from realization.systems.library import oscillator, window_and_fading

A = window_and_fading().A
RESULTS = {
    "minimal_realization": minimal_realization(redundant(20, 15, 15)),
    "discrete_lyapunov": discrete_lyapunov(A, np.eye(len(A))),
    **{f.__name__: f(A) for f in (block_diagonal_schur, fitting_split, nilpotent_staircase, decay_envelope)},
    "eidetic_memory": eidetic_memory(window_and_fading()),
    **{name: convert(oscillator(), name) for name in sorted(FORMS) if name != "jordan"},
}


def arrays(result):
    return [x for field in fields(result) if isinstance(x := getattr(result, field.name), np.ndarray)]


def writable(result):
    return [x for x in arrays(result) if x.flags.writeable]


@pytest.mark.parametrize("name", RESULTS)
def test_arrays_are_read_only(name):
    assert arrays(RESULTS[name])
    assert not writable(RESULTS[name])


@pytest.mark.parametrize("name", RESULTS)
def test_one_line_shows_it(name):
    """With the shapes of its matrices, however large they are."""
    line = repr(RESULTS[name])
    assert line.startswith(type(RESULTS[name]).__name__ + "(")
    assert "\n" not in line
    assert len(line) < 500


def test_what_a_result_was_made_of_stays_as_it_was():
    """A view is sealed and not the array behind it, which may be another's."""

    @dataclass(frozen=True, slots=True, eq=False, repr=False)
    class Found(Sealed):
        X: np.ndarray

    @dataclass(frozen=True, slots=True, eq=False)
    class Plain:
        X: np.ndarray

    X = np.zeros((20, 20))
    assert not writable(Found(X))
    assert X.flags.writeable
    assert repr(Found(X)) == "Found(X=array (20, 20))"
    assert writable(Plain(X)), "the control"
    assert "\n" in repr(Plain(X)), "the control"


@pytest.mark.parametrize("part", ["linalg", "canonical", "memory"])
def test_every_public_result_with_arrays_is_sealed(part):
    module = importlib.import_module(f"realization.{part}")
    found = [x for name in module.__all__ if inspect.isclass(x := getattr(module, name)) and is_dataclass(x)]
    with_arrays = [x for x in found if any("np.ndarray" in str(field.type) for field in fields(x))]
    assert with_arrays
    assert not [x.__name__ for x in with_arrays if not issubclass(x, Sealed)]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: nilpotent_staircase(oscillator()), "A is a LinearSSM, but an array of numbers is needed"),
        (lambda: eidetic_memory(A), "eidetic_memory of a ndarray: a LinearSSM is needed"),
        (lambda: hankel_operator(A), "hankel_operator of a ndarray: a LinearSSM or a ContinuousSSM is needed"),
        (lambda: check_form("balanced", oscillator()), "a str came; a CanonicalForm is needed"),
        (lambda: register(convert), "a function came; a CanonicalForm is needed"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_system_for_a_matrix_and_the_like_are_named(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
