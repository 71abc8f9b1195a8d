"""Windows of data, and their canonical correlations by three roads: QR, covariances, angles of subspaces."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import past_future, sample_canonical_correlations

seeds = st.integers(0, 2**32 - 1)
few = st.integers(0, 3)


def coloured(T, p, rng):
    """First differences and sums of noise: past and future have something in common."""
    e = rng.standard_normal((T + 1, p))
    return e[1:] + (e @ rng.standard_normal((p, p)))[:-1]


@given(seeds, few, few, few, few, st.integers(1, 3))
def test_a_window_is_what_a_loop_collects(seed, p, m, past, future, stride):
    rng = np.random.default_rng(seed)
    y, u = rng.standard_normal((9, p)), rng.standard_normal((9, m))
    found = past_future(y, past, future, u, stride=stride)
    times = range(past, 9 - future + 1, stride)
    assert found.steps == len(times)
    for k, t in enumerate(times):
        before = [x for lag in range(1, past + 1) for x in (*u[t - lag], *y[t - lag])]
        assert np.array_equal(found.past[:, k], before)
        assert np.array_equal(found.future[:, k], y[t : t + future].ravel())
        assert np.array_equal(found.inputs[:, k], u[t : t + future].ravel())


@settings(max_examples=80)
@given(seeds, st.integers(1, 2), st.integers(0, 2), st.integers(1, 3), st.integers(1, 3))
def test_three_roads_to_one_set_of_correlations(seed, p, m, past, future):
    """Angles of subspaces, and the eigenvalues of covariances after the inputs are projected off."""
    rng = np.random.default_rng(seed)
    y, u = coloured(120, p, rng), rng.standard_normal((120, m))
    found = sample_canonical_correlations(y, past, future, u)
    windows = past_future(y, past, future, u)
    off = np.eye(windows.steps) - np.linalg.pinv(windows.inputs) @ windows.inputs
    X, Y = windows.past @ off, windows.future @ off
    cosines = np.cos(scipy.linalg.subspace_angles(X.T, Y.T))[::-1]
    # rounding times the condition of the windows, which is below 1e3 here
    np.testing.assert_allclose(found.values, np.sort(cosines)[::-1], atol=1e-12)
    squares = scipy.linalg.eigvals(np.linalg.solve(X @ X.T, X @ Y.T) @ np.linalg.solve(Y @ Y.T, Y @ X.T)).real
    np.testing.assert_allclose(found.values**2, np.sort(squares)[::-1][: len(found.values)], atol=1e-10)
    a, b, N = found.J @ X, found.M @ Y, found.steps
    np.testing.assert_allclose(a @ a.T / N, np.eye(len(a)), atol=1e-11)
    np.testing.assert_allclose(b @ b.T / N, np.eye(len(b)), atol=1e-11)
    np.testing.assert_allclose(a @ b.T / N, _diagonal(found.values, len(a), len(b)), atol=1e-11)


def _diagonal(values, rows, columns):
    S = np.zeros((rows, columns))
    S[range(len(values)), range(len(values))] = values
    return S


@settings(max_examples=50)
@given(seeds)
def test_units_of_the_outputs_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    y = coloured(200, 2, rng)
    want = sample_canonical_correlations(y, 2, 3).values
    np.testing.assert_allclose(sample_canonical_correlations(y * [1e-9, 1e6], 2, 3).values, want, atol=1e-12)
    mixed = sample_canonical_correlations(y[::-1], 3, 2).values
    np.testing.assert_allclose(mixed, want, atol=1e-12, err_msg="nor does the direction of time")
    assert np.abs(sample_canonical_correlations(y[::-1], 2, 3).values - want).max() > 1e-6, "the control"


def test_inputs_are_projected_off():
    """A static gain has no memory, whatever the colour of its input."""
    rng = np.random.default_rng(0)
    u = scipy.linalg.toeplitz(0.95 ** np.arange(2000), np.zeros(2000)) @ rng.standard_normal((2000, 1))
    y = u + rng.standard_normal((2000, 1))
    noise = 4 / np.sqrt(2000)
    assert sample_canonical_correlations(y, 2, 2, u).values.max() < noise
    assert sample_canonical_correlations(y, 2, 2).values.max() > 10 * noise, "the control: outputs alone remember"


def test_nothing_is_legal():
    assert sample_canonical_correlations(np.zeros((5, 0)), 2, 2).values.shape == (0,)
    assert sample_canonical_correlations(np.ones((5, 1)), 0, 0).values.shape == (0,)
    assert past_future(np.zeros((0, 2)), 0, 0).steps == 1


@pytest.mark.parametrize(
    "error, call, message",
    [
        (ShapeError, lambda y: past_future(y, 30, 11), r"40 samples, but past \+ future = 30 \+ 11 need at least 41"),
        (ShapeError, lambda y: past_future(y[:, 0], 1, 1), r"y has shape \(40,\).*one column is y\[:, None\]"),
        (ShapeError, lambda y: past_future(y * np.nan, 1, 1), "y has 40 entries that are NaN"),
        (ShapeError, lambda y: past_future(y, 1, 1, y[1:]), "u has 39 steps, y 40"),
        (ShapeError, lambda y: past_future(y, 1, 1, stride=0), "stride is 0"),
        (ShapeError, lambda y: past_future(y, -1, 1), "past is -1"),
        (
            StructureError,
            lambda y: sample_canonical_correlations(y, 11, 10),
            r"20 windows of 11 \+ 10 .* \(42 samples\)",
        ),
        (StructureError, lambda y: sample_canonical_correlations(y**0, 2, 1), "windows of the past are linearly dep"),
        (StructureError, lambda y: sample_canonical_correlations(y * 0, 1, 1), "need > 0|windows of the past"),
    ],
)
def test_what_cannot_be_answered_is_refused(error, call, message):
    y = np.random.default_rng(1).standard_normal((40, 1))
    with pytest.raises(error, match=message):
        call(y)


def test_the_number_of_samples_in_the_message_is_enough():
    y = np.random.default_rng(1).standard_normal((42, 1))
    assert len(sample_canonical_correlations(y, 11, 10).values) == 10
    with pytest.raises(StructureError, match="21 windows"):
        sample_canonical_correlations(y[1:], 11, 10)
