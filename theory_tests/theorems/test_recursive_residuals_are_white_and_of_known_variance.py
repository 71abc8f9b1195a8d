"""What a causal regression leaves is white, and its variance is known beforehand (Brown, Durbin and Evans 1975).

    e(t) = y(t) - W(t) x(t),       var e(t) = sigma^2 (1 + |g(t)|^2),       R(t)' g(t) = x(t)

exactly, in Gaussian noise of variance sigma^2, if the weights were drawn with variance sigma^2 / ridge: so a test of
e^2 / var at the quantile chi2(1) admits tokens at its level at every single step, the first ones too.
"""

import numpy as np
import pytest
import scipy.stats

from realization.memory.selection import Fitted

RUNS, T, N, SIGMA, RIDGE = 400, 60, 4, 0.5, 0.3


@pytest.fixture(scope="module")
def standardized():
    """z(t) = e(t) / sqrt(var e(t)) of 400 streams, and what a ridge that is off by a factor of 30 makes of them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((RUNS, T, N)) * [3.0, 1.0, 1.0, 0.1]
    W = rng.standard_normal((RUNS, 1, N)) * SIGMA / np.sqrt(RIDGE)
    y = (x * W).sum(axis=-1, keepdims=True) + SIGMA * rng.standard_normal((RUNS, T, 1))
    return {factor: residuals(x, y, factor * RIDGE) for factor in (1, 30)}


def residuals(x, y, ridge):
    fit, state, z = Fitted(ridge=ridge), None, np.empty((RUNS, T))
    R = np.broadcast_to(np.sqrt(ridge) * np.eye(N), (RUNS, N, N))
    for t in range(T):
        prediction, state = fit(x[:, t : t + 1], y[:, t : t + 1], state)
        g = np.linalg.solve(R.swapaxes(-1, -2), x[:, t, :, None])[..., 0]
        z[:, t] = (y[:, t] - prediction[:, 0])[:, 0] / SIGMA / np.sqrt(1 + (g * g).sum(axis=-1))
        R = state[0][..., :N]
    return z


def test_each_is_standard_normal(standardized):
    """Kolmogorov's distance over all of them at .01, and the first four steps by themselves."""
    z = standardized[1]
    assert scipy.stats.kstest(z.ravel(), "norm").statistic < 1.63 / np.sqrt(z.size)
    assert scipy.stats.kstest(z[:, :4].ravel(), "norm").statistic < 1.63 / np.sqrt(4 * RUNS)
    assert scipy.stats.kstest(standardized[30][:, :4].ravel(), "norm").statistic > 3 / np.sqrt(4 * RUNS), "the control"


def test_they_are_white(standardized):
    """Products of different steps have mean 0 and variance 1: 4 standard errors for each lag."""
    z = standardized[1]
    for lag in range(1, 6):
        products = z[:, lag:] * z[:, :-lag]
        assert abs(products.mean()) < 4 / np.sqrt(products.size)
    wrong = standardized[30]
    assert abs((wrong[:, 1:6] * wrong[:, :5]).mean()) > 4 / np.sqrt(5 * RUNS), "the control"


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01])
def test_tokens_are_admitted_at_the_level(standardized, alpha):
    limit = scipy.stats.chi2(1).isf(alpha)
    z = standardized[1]
    assert abs(np.mean(z**2 > limit) - alpha) < 4 * np.sqrt(alpha * (1 - alpha) / z.size)
