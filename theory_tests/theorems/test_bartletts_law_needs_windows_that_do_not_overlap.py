"""The statistic of residual canonical correlations is chi2 for independent pairs of past and future only.

For white noise and windows of i and j steps Q is a weighted sum of chi2_1, the sample covariance at lag k standing in
as many places of the matrix of past and future as there are pairs of steps that far apart: 1, 2, ..., 2, 1.
The mean is i j all the same, the variance is not.  Windows that are apart by the shorter length, or the
law with the variance that the overlap gives, bring back the level.
"""

from functools import cache

import numpy as np
import pytest

from realization.stochastic import bartlett, bartlett_of_process, sample_canonical_correlations

RUNS, T = 400, 1200
BAND = 3.5 * np.sqrt(0.05 * 0.95 / RUNS)


def series(kind, rng):
    """White noise, order 0; and y(t) = .7 y(t-1) + e(t) + .3 e(t-1), order 1 with correlation .83."""
    e = rng.standard_normal((RUNS, T + 100, 1))
    y = e.copy()
    if kind == 1:
        for t in range(1, y.shape[1]):
            y[:, t] = 0.7 * y[:, t - 1] + e[:, t] + 0.3 * e[:, t - 1]
    return y[:, 100:]


@cache  # both laws are looked at in the same runs
def p_values_of(kind, i, j):
    return np.array([p_values(y, kind, i, j) for y in series(kind, np.random.default_rng(10))])


def p_values(y, order, i, j):
    """Of the right order by the three roads; and the statistic of windows that overlap."""
    one, apart = (sample_canonical_correlations(y, i, j, stride=stride) for stride in (1, min(i, j)))
    plain = [bartlett(found.values, found.steps, i, j).values[order] for found in (one, apart)]
    Q = -(one.steps - (i + j + 1) / 2) * np.log1p(-(one.values[order:] ** 2)).sum()
    return [*plain, bartlett_of_process(y, i, j).values[order], Q]


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("i, j", [(4, 4), (6, 3)])
def test_only_the_law_without_overlap_has_its_level(order, i, j):
    found = p_values_of(order, i, j)
    overlapping, apart, matched = (found[:, :3] < 0.05).mean(axis=0)
    assert abs(apart - 0.05) < BAND
    assert abs(matched - 0.05) < BAND
    assert overlapping > 0.05 + 0.9 * BAND, "the control: the plain law, .1 and more"


def test_the_variance_is_that_of_repeated_covariances():
    """2 sum of the squares of 1, 2, 3, 4, 3, 2, 1 is 88, where chi2(16) has 32; 400 runs tell it to a tenth or two."""
    Q = p_values_of(0, 4, 4)[:, 3]
    assert abs(Q.mean() - 16) < 3.5 * np.sqrt(88 / RUNS)
    # the fourth moment of a weighted sum of chi2 is above that of a Gaussian: 1.6 of its standard error, 3.5 of them
    assert abs(Q.var() / 88 - 1) < 3.5 * 1.6 * np.sqrt(2 / RUNS)
    assert Q.var() > 1.5 * 32


def test_a_future_of_one_step_overlaps_with_nothing():
    """Each lag stands in one place: both laws are one, and the statistic is a portmanteau of autocorrelations."""
    y = series(0, np.random.default_rng(12))[0]
    found = sample_canonical_correlations(y, 5, 1)
    plain, matched = bartlett(found.values, found.steps, 5, 1), bartlett_of_process(y, 5, 1)
    np.testing.assert_allclose(plain.values, matched.values, rtol=1e-10)
    longer = sample_canonical_correlations(y, 5, 2)
    plain, matched = bartlett(longer.values, longer.steps, 5, 2), bartlett_of_process(y, 5, 2)
    assert abs(plain.values[0] / matched.values[0] - 1) > 1e-3, "the control"
