"""U_1 <= ... <= U_{q-1} of Gaussian white noise are q - 1 independent uniforms, sorted (Bartlett 1955, Durbin 1969).

The periodogram has independent exponential ordinates, and partial sums of exponentials over their total are that.
So the largest distance from the straight line has the law of Kolmogorov and Smirnov exactly, for any length.
"""

import numpy as np
import pytest
import scipy.stats

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import autocorrelations, cumulative_periodogram, cumulative_power, hosking, ljung_box

RUNS = 2000


@pytest.mark.parametrize("N", [9, 24])
def test_each_is_the_order_statistic_of_uniforms(N):
    """U_j is Beta(j, q - j): Kolmogorov's point at .001 over all of them, 1.95 / sqrt(2000); short series too."""
    e = np.random.default_rng(0).standard_normal((N, RUNS))
    U = np.array(cumulative_power(e))
    q = U.shape[1]
    assert q == (N - 1) // 2
    for j in range(1, q):
        assert scipy.stats.kstest(U[:, j - 1], scipy.stats.beta(j, q - j).cdf).statistic < 1.95 / np.sqrt(RUNS)
    coloured = np.array(cumulative_power(e[1:] + 0.7 * e[:-1]))
    assert scipy.stats.kstest(coloured[:, 0], scipy.stats.beta(1, coloured.shape[1] - 1).cdf).statistic > 0.1


@pytest.mark.parametrize("N", [12, 41])
def test_its_level_is_exact_for_short_series(N):
    """2,000 runs at .05 and at .3: 3.5 standard errors, whatever the mean is."""
    p = cumulative_periodogram(np.random.default_rng(1).standard_normal((N, RUNS)) + 100).p_values
    for level in (0.05, 0.3):
        assert abs(np.mean(p < level) - level) < 3.5 * np.sqrt(level * (1 - level) / RUNS)


@pytest.mark.parametrize("n, level, numerator", [(10, 0.05, 1.358), (60, 0.05, 1.358), (187, 0.01, 1.628)])
def test_stephens_gives_nearly_the_same_point(n, level, numerator):
    """1.358 / (sqrt n + .12 + .11 / sqrt n) (Stephens 1970) is the exact point to three digits."""
    approximate = numerator / (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n))
    np.testing.assert_allclose(scipy.stats.kstwo.isf(level, n), approximate, rtol=3e-3)
    assert abs(scipy.stats.kstwo.isf(level, n) / (numerator / np.sqrt(n)) - 1) > 3e-3, "the control: the plain root"


def test_what_is_missing_may_be_left_out():
    """White noise with gaps closed is white noise: half of it is dropped, the level stays."""
    rng = np.random.default_rng(2)
    e = rng.standard_normal((80, RUNS))
    e[rng.random(80) < 0.5] = np.nan
    assert abs(np.mean(cumulative_periodogram(e).p_values < 0.05) - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / RUNS)


@pytest.mark.parametrize("test", [ljung_box, hosking])
def test_gaps_leave_the_other_tests_their_level(test):
    """A third missing: Q counts the pairs that are there."""
    rng = np.random.default_rng(3)
    e = np.where(rng.random((400, 200, 1)) < 1 / 3, np.nan, rng.standard_normal((400, 200, 1)))
    assert abs(np.mean([test(x, 5).rejected for x in e]) - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / 400)
    assert np.mean([test(x[1:] + 0.7 * x[:-1], 5).rejected for x in e[:50]]) > 0.5, "the control"


@pytest.mark.parametrize(
    "error, call, message",
    [
        (ShapeError, lambda e: ljung_box(e, 8), "8 lags of 8 samples; at least 1 and fewer than the samples"),
        (ShapeError, lambda e: hosking(e, 0), "0 lags of 8 samples"),
        (ShapeError, lambda e: ljung_box(e, 3, fitted=3), "3 parameters fitted, 3 degrees of freedom in 3 lags"),
        (ShapeError, lambda e: hosking(e[:, 0], 2), r"one column is e\[:, None\]"),
        (ShapeError, lambda e: autocorrelations(e, 9), "9 lags of 8 samples"),
        (StructureError, lambda e: ljung_box(e * 0 + [0.1, 0.3], 2), "output 1 varies by .* a constant has no colour"),
        (StructureError, lambda e: hosking(e[:, [0, 0]], 2), "outputs are linearly dependent: sing"),
        (StructureError, lambda e: cumulative_periodogram(0.1 * (-1.0) ** np.arange(8)[:, None]), "it alternates"),
        (StructureError, lambda e: autocorrelations(e * [1, np.nan], 2), "output 2 has no value that is there"),
        (StructureError, lambda e: cumulative_periodogram(e[:4]), "output 1 has 4 values, need at least 5"),
        (StructureError, lambda e: ljung_box(np.where(np.arange(8) % 2, np.nan, e.T).T, 2), "no two values 1 steps"),
        (
            StructureError,
            lambda e: hosking(np.where(np.arange(8) % 2, np.nan, e.T).T, 2),
            "no two complete steps are 1",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(error, call, message):
    with pytest.raises(error, match=message):
        call(np.random.default_rng(0).standard_normal((8, 2)))
