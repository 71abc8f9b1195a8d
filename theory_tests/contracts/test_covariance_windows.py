"""Windows of covariances at the door: rows of numbers, blocks, fractions; and what is refused, and with what number."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import (
    block_toeplitz,
    extend,
    from_reflections,
    levinson,
    maximum_entropy_extension,
    next_covariance,
    partial_realization,
    positivity,
    rational_extension,
    schur,
    schur_parameters,
    shortest_recursion,
    step_down,
)

DOORS = [levinson, schur, maximum_entropy_extension, next_covariance]
EVERY = [*DOORS, positivity, partial_realization, block_toeplitz]


@pytest.mark.parametrize("door", EVERY)
@pytest.mark.parametrize(
    "bad, message",
    [
        (np.zeros((0, 2, 2)), r"shape \(0, 2, 2\)"),
        (np.zeros((3, 2, 1)), r"shape \(3, 2, 1\)"),
        (np.zeros((3, 2)), r"shape \(3, 2\)"),
        (1.0, r"shape \(\)"),
        ([1, np.nan], "NaN or infinite, the first at"),
        ([1, 1j], "real and imaginary part as two outputs"),
        ([1, 1e200], "choose other units"),
        (["1", "a third"], "no rational number"),
        ([[[1, 0.5], [0.4, 1]]], "differs from its transpose by 1.0e-01"),
        ([[["1", "1/2"], ["1/3", "1"]]], "differs from its transpose by 1.7e-01"),
        ([[1], [1, 2]], "different lengths"),
    ],
)
def test_shapes(door, bad, message):
    with pytest.raises(ShapeError, match=message):
        door(bad)


@pytest.mark.parametrize("door", [*DOORS, rational_extension])
@pytest.mark.parametrize(
    "bad, order",
    [
        ([0, 0], 0),
        ([-1, 0], 0),
        ([1, 2], 1),
        ([1, 0.5, 1], 2),
        ([1, 0.5, -0.9], 2),
        (["1", "1/2", "1"], 2),
        ([np.eye(2), np.eye(2)], 1),
        ([np.ones((2, 2)), np.zeros((2, 2))], 0),
    ],
)
def test_what_is_not_positive(door, bad, order):
    """The order at which the window stops being positive definite is told."""
    if door is rational_extension and np.ndim(bad) > 1:
        return
    with pytest.raises(StructureError, match=rf"order {order}\b.* eigenvalue"):
        door(bad)


def test_a_process_that_is_predictable_says_from_how_many_values():
    for door in (levinson, schur):
        with pytest.raises(StructureError, match="without error from 2 values; give fewer than 2 lags"):
            door(["1", "0", "-1", "0"])
        with pytest.raises(StructureError, match="from 2 values, up to rounding; give fewer than 2 lags, or fractions"):
            door([1, 0, -1, 0])
    assert levinson([1, 0]).errors.tolist() == [1, 1]  # the control: as many lags as it can have


@pytest.mark.parametrize("door", [levinson, schur])
def test_rows_and_blocks_are_the_same(door):
    row, block = door([2, 1, 0.5]), door(np.reshape([2, 1, 0.5], (3, 1, 1)))
    for name in ("errors", "backward_errors", "gains", "backward_gains", "reflections"):
        assert getattr(row, name).ndim == 1
        assert getattr(block, name).ndim == 3
        assert np.array_equal(getattr(row, name), getattr(block, name)[:, 0, 0])


def test_no_lag_and_no_output():
    assert levinson([2]).reflections.shape == (0,)
    assert levinson(np.zeros((3, 0, 0))).errors.shape == (3, 0, 0)
    assert schur(np.zeros((3, 0, 0))).U.shape == (0, 0)
    assert schur(np.zeros((3, 0, 0))).moving_average.shape == (0, 0)
    assert from_reflections(np.zeros((0, 0)), []).shape == (1, 0, 0)
    assert block_toeplitz(np.zeros((3, 0, 0))).shape == (0, 0)
    assert positivity(np.zeros((3, 0, 0))).verdict == "positive"
    assert maximum_entropy_extension([2]).model.A.shape == (0, 0)
    assert maximum_entropy_extension(np.zeros((2, 0, 0))).entropy_rate == 0
    assert rational_extension([2]).R == 2
    assert partial_realization([2]).data.A.shape == (0, 0)
    assert from_reflections(2, []).tolist() == [2]
    assert extend([1, 0.5], []).tolist() == [1, 0.5]
    assert step_down([]).shape == shortest_recursion([]).a.shape == schur_parameters([]).shape == (0,)


def test_fractions_stay_fractions():
    c = [1, Fraction(1, 3)]
    centre = np.array([next_covariance(c).centre])
    for x in (levinson(c).errors, schur(c).errors, block_toeplitz(c), centre, extend(c, c[1:]), step_down(c[1:])):
        assert {type(each) for each in x.flat} == {Fraction}
    assert extend(["1", "1/3"], [0.5]).dtype == np.float64, "the control: a float among them"
    assert schur_parameters(["1/2", "1/3"], [1.0, 0.0]).dtype == np.float64
    assert rational_extension(["1", "1/2"], ["1", "1/2"]).sigma.tolist() == [1, 0.5]


def test_units_do_not_matter():
    """Outputs in units that differ by 1e12 are judged as they are in equal ones."""
    Lambda = from_reflections(np.eye(2), [[[0.9, 0], [0.3, -0.5]], [[0.1, 0.2], [0, 0.7]]])
    units = np.array([1e-6, 1e6])
    assert positivity(Lambda * np.outer(units, units)).verdict == "positive"
    one, two = levinson(Lambda), levinson(Lambda * np.outer(units, units))
    assert np.allclose(one.reflections, two.reflections, atol=1e-13)


@pytest.mark.parametrize("N", [1, 5, 30])
def test_the_predictor_is_that_of_scipy(N):
    c = from_reflections(3.0, np.random.default_rng(N).uniform(-0.6, 0.6, N))
    assert np.allclose(levinson(c).predictor, solve_toeplitz(c[:-1], c[1:]), rtol=0, atol=1e-12)


def test_a_record_has_positive_covariances():
    """Divided by T, not by T - k: then they are those of a process, however short the record."""
    y = np.random.default_rng(0).standard_normal(12)
    lagged = [y[k:] @ y[: len(y) - k] for k in range(12)]
    assert positivity(np.array(lagged) / 12).verdict == "positive"
    assert positivity(np.array(lagged) / (12 - np.arange(12))).verdict == "indefinite"


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: from_reflections(1, [0.5, 1.5]), StructureError, "reflection 2 has norm 1.5, need < 1"),
        (lambda: from_reflections(np.eye(2), [0.5]), ShapeError, r"\(N, 2, 2\) is needed"),
        (lambda: from_reflections(-1, [0.5]), StructureError, "order 0"),
        (lambda: from_reflections([1], [0.5]), ShapeError, r"Lambda0 has shape \(1,\), but \(p, p\), or a number"),
        (lambda: extend([1, 0.5], [[0.5]]), ShapeError, r"or \(N,\), is needed"),
        (lambda: step_down([[0.5]]), ShapeError, "one row"),
        (lambda: step_down([0.5, -1]), StructureError, "reflection -1 at order 2"),
        (lambda: schur_parameters([0.5, 2]), StructureError, "parameter 1 is 2.66667"),
        (lambda: schur_parameters([1], [0]), ShapeError, "not 0 at 0"),
        (lambda: schur_parameters([1, 2], [1]), ShapeError, r"shapes \(2,\) and \(1,\)"),
        (lambda: shortest_recursion([[1]]), ShapeError, r"one row \(N,\) is needed"),
    ],
)
def test_what_else_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("door", DOORS)
def test_windows_at_the_edge_get_an_answer_or_a_reason(door):
    """Two outputs, reflections of norm 1 - 10^-k: nothing but the library's own refusals comes out."""
    rng, answers = np.random.default_rng(0), []
    for _ in range(60):
        U, _, V = np.linalg.svd(rng.standard_normal((2, 2, 2)))
        sizes = 1 - 10.0 ** -rng.integers(0, 12, (2, 1, 2))
        try:
            window = from_reflections(np.diag(10.0 ** rng.integers(-6, 7, 2)), U * sizes @ V)
            door(window)
            answers.append("answer")
        except StructureError:
            answers.append("reason")
    assert set(answers) == {"answer", "reason"}
