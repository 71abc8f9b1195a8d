"""The mutual information of past and future is -1/2 sum log(1 - sigma_k^2).

    I(past; future) = lim 1/2 log( det T_i det T_j / det T_(i+j) )        T_i the covariance of i steps

In windows it is the same sum over the correlations of the windows, and grows with them (Gelfand and Yaglom 1957).
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realization.linalg.decision import EPS
from realization.stochastic import (
    CovarianceModel,
    autocovariances,
    block_toeplitz,
    canonical_correlations,
    information,
    mutual_information,
    window_correlations,
    window_information,
    window_length,
)
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def rounding(data, steps):
    """A log-determinant of N eigenvalues loses N times the condition of the matrix."""
    T = block_toeplitz(autocovariances(data, steps)[:steps])
    return 10 * len(T) * EPS * np.linalg.cond(T)


@quarter
@given(covariance_data(min_states=1), st.integers(1, 6), st.integers(1, 6))
def test_in_windows(drawn, i, j):
    """Log-determinants against singular values; a longer window tells no less, and none tells more than everything."""
    data, tolerance = drawn.system, rounding(drawn.system, i + j + 1)
    told = window_information(data, i, j)
    assert told == pytest.approx(information(window_correlations(autocovariances(data, i + j), i, j)), abs=tolerance)
    assert -tolerance <= told <= window_information(data, i + 1, j) + tolerance
    assert told <= mutual_information(data) + tolerance


@quarter
@given(covariance_data(min_states=1))
def test_in_the_limit(drawn):
    """A correlation off by e moves log(1 - sigma^2) by 2 sigma e / (1 - sigma^2)."""
    data = drawn.system
    i, known = window_length(data, atol=1e-15), canonical_correlations(data)
    assume(i * len(data.C) <= 100)
    slack = 2 * known.error * np.sum(known.values / (1 - known.values**2))
    told = window_information(data, i, i)
    assert told == pytest.approx(mutual_information(data), abs=slack + rounding(data, 2 * i))


def test_correlations_add_up_in_no_other_way():
    """The control: an autoregression with sigma = a has I = -1/2 log(1 - a^2), and neither a^2 nor -log(1 - a) / 2."""
    a = 0.8
    data = CovarianceModel([[a]], [[1]], [[a]], [[1]])
    told = window_information(data, 1, 1)
    assert told == pytest.approx(-np.log(1 - a**2) / 2, abs=1e-14)
    assert mutual_information(data) == pytest.approx(told, abs=1e-13)
    for other in (a**2, -np.log(1 - a) / 2, -np.log(1 - a**2)):
        assert abs(told - other) > 0.1


def test_a_shared_variable_is_infinite_information():
    """y(t) = e(t) - e(t-1): windows of i steps know 1/2 log((i + 1)^2 / (2 i + 1)) nats, without end."""
    data = CovarianceModel([[0]], [[1]], [[-1]], [[2]])
    assert mutual_information(data) == np.inf
    for i in (1, 5, 25):
        assert window_information(data, i, i) == pytest.approx(np.log((i + 1) ** 2 / (2 * i + 1)) / 2, abs=1e-12)
    near = CovarianceModel([[0]], [[1]], [[-0.99]], [[1 + 0.99**2]])
    assert mutual_information(near) == pytest.approx(-np.log(1 - 0.99**2) / 2, rel=1e-10), "the control"
