"""Factors of covariances: F F' is what came, ranks are those that were made, and what is no covariance is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg import covariance_factor, positive_factor
from realization.stochastic import sample_posterior
from realization.systems import InitialState, InnovationsSSM, StochasticSSM
from realization.systems.families import conditioned
from realization.testing import in_deviations, seeds

u = 2.0**-53


@st.composite
def covariances(draw):
    """M = V V' with V (n, r) of condition 10, and r."""
    n = draw(st.integers(0, 6))
    r = draw(st.integers(0, n))
    V = conditioned(n, 10.0, rng=draw(seeds))[:, :r]
    M = V @ V.T
    return (M + M.T) / 2, r


@given(covariances())
def test_the_product_is_the_matrix_and_the_columns_are_orthogonal(drawn):
    """Eigenvectors are right to n u |M|; a few of these for their products."""
    M, r = drawn
    found = positive_factor(M)
    bound = 100 * max(len(M), 1) * u * max(np.abs(M).max(initial=0.0), 1e-300)
    assert found.F.shape == (len(M), r)
    assert found.rank.choice == r
    assert np.abs(found.F @ found.F.T - M).max(initial=0.0) <= bound
    assert np.abs(found.F.T @ found.F - np.diag(found.eigenvalues[:r])).max(initial=0.0) <= bound


@given(covariances(), st.lists(st.integers(-100, 100), min_size=6, max_size=6))
def test_units_do_not_change_the_rank(drawn, powers):
    """Units from 1e-30 to 1e30: entries are right in standard deviations, and every column is kept."""
    M, r = drawn
    g = 2.0 ** np.array(powers[: len(M)])
    F = covariance_factor(M * g[:, None] * g)
    assert F.shape == (len(M), r)
    # a variance that is nearly all cancelled has rounding of its own, relative to the rows of V: condition 10
    assert in_deviations(F @ F.T, M * g[:, None] * g) <= 1e4 * max(len(M), 1) * u


def test_fails_by_the_norm_alone():
    """The control: next to a variance of 1, one of 1e-24 is rounding to a factor that knows nothing of units."""
    M = np.diag([1.0, 1e-24])
    assert positive_factor(M).F.shape == (2, 1)
    F = covariance_factor(M)
    assert np.diag(F @ F.T).tolist() == pytest.approx([1.0, 1e-24], rel=1e-15)


def test_entries_that_are_right_to_the_largest_only_are_allowed_for():
    """P - A P A' of a state that nothing disturbs leaves rounding off the diagonal and 0 on it."""
    M = np.array([[0.0, 1e-17], [1e-17, 1.0]])
    assert np.abs(covariance_factor(M) @ covariance_factor(M).T - M).max() < 1e-16
    M = np.array([[1e-40, 1e-17], [1e-17, 1.0]])
    assert np.abs(covariance_factor(M) @ covariance_factor(M).T - M).max() < 1e-16
    with pytest.raises(StructureError, match=r"M has eigenvalue -0\.0099"):
        covariance_factor([[1e-40, 0.1], [0.1, 1.0]])


def test_models_keep_noise_that_is_small_in_its_units():
    """A state in units of 1e10, read out by 1e10: without its noise of 1e-20 the output would be white."""
    model = StochasticSSM.from_noise([[0.5]], [[1e10]], [[1e-20]], [[1]])
    assert model.noise_covariance.tolist() == pytest.approx(np.diag([1e-20, 1]))
    innovations = InnovationsSSM([[0.5]], [[1, 1]], [[1], [1]], np.diag([1, 1e-20])).as_stochastic()
    assert np.diag(innovations.D @ innovations.D.T).tolist() == pytest.approx([1, 1e-20])


@pytest.mark.parametrize("factor", [positive_factor, covariance_factor])
@pytest.mark.parametrize(
    "M, error, message",
    [
        ([[1, 0], [0, -1e-3]], StructureError, r"M has eigenvalue -0.001, need >= 0 \(up to rounding, -8.9e-15\)"),
        ([[1, 2], [2, 1]], StructureError, "M has eigenvalue -1"),
        ([[1, 2], [0, 1]], ShapeError, "M differs from its transpose by 2.0e"),
        ([[1, np.nan], [np.nan, 1]], ShapeError, "M has 2 entries that are NaN"),
        ([1, 2], ShapeError, "M has shape"),
    ],
)
def test_what_is_no_covariance_is_refused(factor, M, error, message):
    with pytest.raises(error, match=message):
        factor(M)


def test_an_error_that_is_known_decides_the_rank():
    M = np.diag([1.0, 1e-9])
    assert positive_factor(M).F.shape == (2, 2)
    assert positive_factor(M, noise=1e-6).F.shape == (2, 1)
    assert positive_factor(np.diag([1.0, -1e-9]), noise=1e-6).F.shape == (2, 1)


def test_a_start_of_small_variance_is_not_taken_for_known():
    """P(0) = diag(1, 1e-20): samples and smoothed states of the second entry vary by 1e-10, and not by 0."""
    model = StochasticSSM.from_noise(np.eye(2), [[1, 1e10]], np.diag([1, 1e-20]), [[1]])
    start, y = InitialState([0, 0], np.diag([1, 1e-20])), [[1.0], [2.0], [0.5]]
    in_units = StochasticSSM.from_noise(np.eye(2), [[1, 1]], np.eye(2), [[1]])
    wanted = sample_posterior(in_units, y, initial=InitialState([0, 0], np.eye(2)), draws=50, rng=0)
    found = sample_posterior(model, y, initial=start, draws=50, rng=0)
    assert np.std(wanted[:, 0, 1]) > 0.3
    assert 0.5 < np.std(found[:, 0, 1]) / (1e-10 * np.std(wanted[:, 0, 1])) < 2


@pytest.mark.parametrize(
    "Q, R, S, message",
    [
        (1, [[1]], None, r"Q has shape \(\), but \(1, 1\) is needed"),
        (np.eye(3), [[1]], None, r"Q has shape \(3, 3\), but \(1, 1\) is needed for axes \(n, n\); n=1 \(from A\)"),
        ([[1]], np.eye(2), None, r"R has shape \(2, 2\), but \(1, 1\) is needed for axes \(p, p\)"),
        ([[1]], [[1]], [[1, 2]], r"S has shape \(1, 2\), but \(1, 1\) is needed for axes \(n, p\)"),
        ([[np.nan]], [[1]], None, "Q has 1 entries that are NaN"),
        ([[1]], [[1]], [[1j]], "S is complex"),
        ([["a"]], [[1]], None, "Q has dtype"),
    ],
)
def test_noise_of_the_wrong_shape_is_refused_by_name(Q, R, S, message):
    with pytest.raises(ShapeError, match=message):
        StochasticSSM.from_noise([[0.5]], [[1]], Q, R, S)
