"""sum_t e(t)' inv(R(t)) e(t) has exactly the law chi2 with a degree for each entry that is there (Bar-Shalom 1988).

So a step is beyond the quantile chi2_{p, 1-a} with probability a: the rate at which a test of single
innovations admits them is known beforehand.
"""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import nis, normalized_squares, standardize

RUNS, T = 400, 380


def covariances(T, p, rng):
    """(T, p, p), positive definite, of condition 1e3 at most."""
    F = rng.standard_normal((T, p, p))
    return F @ F.swapaxes(1, 2) + 0.05 * np.eye(p)


def drawn(R, rng):
    return (np.linalg.cholesky(R) @ rng.standard_normal((*R.shape[:2], 1)))[:, :, 0]


def with_gaps(e, rng):
    return np.where(rng.random(e.shape) < 0.3, np.nan, e)


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 4))
def test_it_is_the_quadratic_form_of_what_is_there(seed, T, p):
    """Cholesky against a solve of the part that is there, step by step."""
    rng = np.random.default_rng(seed)
    R = covariances(T, p, rng)
    e = with_gaps(drawn(R, rng), rng)
    q, d = normalized_squares(e, R)
    for t in range(T):
        there = ~np.isnan(e[t])
        x = e[t, there]
        assert d[t] == len(x)
        # two solves with condition 1e3
        np.testing.assert_allclose(q[t], x @ np.linalg.solve(R[t][np.ix_(there, there)], x), rtol=1e-9, atol=1e-12)
    z = standardize(e, R)
    assert np.array_equal(np.isnan(z), np.isnan(e))
    R[np.isnan(e)[:, :, None] | np.isnan(e)[:, None, :]] = np.nan
    assert np.array_equal(standardize(e, R), z, equal_nan=True), "R is read only where e is there"


@pytest.fixture(scope="module")
def p_values():
    """Of 400 runs with R(t) known and 30 % missing, and with a claim that is off by a factor."""
    rng = np.random.default_rng(11)
    R = covariances(T, 2, rng)
    runs = [with_gaps(drawn(R, rng), rng) for _ in range(RUNS)]
    return {factor: np.array([nis(e, factor * R).p_value for e in runs]) for factor in (1.0, 1.15)}


def test_the_law_is_exact(p_values):
    """The p-values are uniform: 1.63 / sqrt(400) is the point of Kolmogorov's law at .01."""
    assert scipy.stats.kstest(p_values[1.0], "uniform").statistic < 1.63 / np.sqrt(RUNS)
    assert scipy.stats.kstest(p_values[1.15], "uniform").statistic > 3 / np.sqrt(RUNS), "the control"


def test_size_and_power_are_those_of_the_law(p_values):
    """With claim c R the statistic is chi2 / c: power P(chi2 / c beyond either quantile), band 3.5 standard errors."""
    degrees = 0.7 * 2 * T
    law = scipy.stats.chi2(degrees)
    for c, p in p_values.items():
        want = law.cdf(c * law.ppf(0.025)) + law.sf(c * law.ppf(0.975))
        assert abs(np.mean(p < 0.05) - want) < 3.5 * np.sqrt(want * (1 - want) / RUNS)
    assert np.mean(p_values[1.15] < 0.05) > 0.5


def test_with_nothing_missing_fifteen_per_cent_are_found_in_three_runs_of_four():
    """.765 measured and .75 by the law."""
    rng, R = np.random.default_rng(3), np.array([[1.0, 0.4], [0.4, 0.7]])
    law = scipy.stats.chi2(2 * T)
    want = law.cdf(1.15 * law.ppf(0.025)) + law.sf(1.15 * law.ppf(0.975))
    runs = rng.standard_normal((RUNS, T, 2)) @ np.linalg.cholesky(R).T
    found = np.mean([nis(e, 1.15 * R).rejected for e in runs])
    assert abs(found - want) < 3.5 * np.sqrt(want * (1 - want) / RUNS)
    assert np.mean([nis(e, R).rejected for e in runs]) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / RUNS), "the control"


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01])
def test_single_steps_are_admitted_at_the_rate_of_the_quantile(alpha):
    rng = np.random.default_rng(5)
    R = covariances(20_000, 3, rng)
    e = drawn(R, rng)
    limit, band = scipy.stats.chi2(3).isf(alpha), 3.5 * np.sqrt(alpha * (1 - alpha) / len(e))
    assert abs(np.mean(normalized_squares(e, R)[0] > limit) - alpha) < band
    assert np.mean(normalized_squares(1.1 * e, R)[0] > limit) > alpha + band, "the control: 10 % too large"


def test_windows_find_when():
    """A variance of three times the claim in steps 200 to 300: the windows there, and no others."""
    e = np.random.default_rng(2).standard_normal((400, 2))
    e[200:300] *= np.sqrt(3)
    test = nis(e, np.eye(2), window=50)
    assert test.degrees.tolist() == [100.0] * 8
    assert np.flatnonzero(test.p_values < 0.01).tolist() == [4, 5]
    assert test.rejected
    np.testing.assert_allclose(test.statistic.sum(), nis(e, np.eye(2)).statistic, rtol=1e-13)
    uneven = nis(e, np.eye(2), window=150)
    assert uneven.degrees.tolist() == [300.0, 300.0, 200.0], "the last one is what is left"


def test_nothing_seen_says_nothing():
    assert nis(np.zeros((0, 2)), np.eye(2)).p_value == 1
    assert nis(np.full((5, 2), np.nan), np.eye(2)).p_value == 1
    assert nis(np.zeros((5, 0)), np.zeros((0, 0))).p_value == 1
    assert nis(np.zeros((5, 2)), np.eye(2)).rejected, "the control: ten zeros are too small"


@pytest.mark.parametrize(
    "error, call, message",
    [
        (StructureError, lambda e: nis(e, [[1, 2], [2, 1]]), "R has eigenvalue -1, need > 0"),
        (StructureError, lambda e: nis(e, np.stack([np.eye(2)] * 6 + [-np.eye(2)])), "eigenvalue -1 at step 6"),
        (StructureError, lambda e: nis(e, [[1, 1], [1, 1]]), "R has eigenvalue 0, need > 0|R has eigenvalue .*e-1"),
        (ShapeError, lambda e: nis(e, [[1, 2], [0, 1]]), "R differs from its transpose by 2"),
        (ShapeError, lambda e: nis(e, [[[1, 1], [0, 1]]] + [1e12 * np.eye(2)] * 6), "differs from its transpose by 1"),
        (ShapeError, lambda e: nis(e, np.eye(3)), r"R has shape \(3, 3\), but \(2, 2\) or \(7, 2, 2\) is needed"),
        (ShapeError, lambda e: nis(e, np.eye(2) * np.nan), "R has an entry that is NaN or infinite where e is given"),
        (ShapeError, lambda e: nis(e[:, 0], np.eye(1)), r"e has shape \(7,\).*one column is e\[:, None\]"),
        (ShapeError, lambda e: nis(e * np.inf, np.eye(2)), "e has 14 infinite entries"),
        (ShapeError, lambda e: nis(e + 1j, np.eye(2)), "e has dtype complex128"),
        (ShapeError, lambda e: nis(e, np.eye(2), window=0), "window is 0"),
        (ShapeError, lambda e: nis(e, np.eye(2), level=5), "level is 5"),
    ],
)
def test_what_cannot_be_answered_is_refused(error, call, message):
    with pytest.raises(error, match=message):
        call(np.ones((7, 2)))
