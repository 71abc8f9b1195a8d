"""Canonical correlations of past and future are the singular values of the normalized Hankel matrix.

    inv(L_f) H inv(L_p)',   H = E [y(0); y(1); ...] [y(-1); y(-2); ...]',   L L' = covariance of each side

In windows of i and j steps they are the roots of the eigenvalues of P_i Pbar_j, the covariances that Kalman filters
forward and backward have reached after so many steps from nothing; over infinite time those of P_- Pbar_-
(Akaike 1975; Desai and Pal 1984).
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.linalg.decision import EPS
from realization.stochastic import (
    CovarianceModel,
    autocovariances,
    block_toeplitz,
    canonical_correlations,
    covariance_model,
    phase,
    window_correlations,
    window_length,
)
from realization.systems import StochasticSSM
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def filtered(data, steps):
    """P = A P A' + K R K' from P = 0: the covariance of the prediction from so many steps."""
    P = np.zeros_like(data.A)
    for _ in range(steps):
        S, R = data.G - data.A @ P @ data.C.T, data.Lambda0 - data.C @ P @ data.C.T
        P = data.A @ P @ data.A.T + S @ np.linalg.solve(R, S.T)
    return P


def rounding(Lambda, steps):
    """Whitening a window loses the condition of its covariance; the sums in it have steps p terms."""
    T = block_toeplitz(Lambda[:steps])
    return 10 * len(T) * EPS * np.linalg.cond(T)


@quarter
@given(covariance_data(min_states=1), st.integers(1, 8), st.integers(1, 8))
def test_in_windows(drawn, i, j):
    """At every length, and beyond the n-th nothing is left."""
    data, n = drawn.system, len(drawn.system.A)
    Lambda = autocovariances(data, i + j)
    found, tolerance = window_correlations(Lambda, i, j), rounding(Lambda, max(i, j))
    squares = np.linalg.eigvals(filtered(data, i) @ filtered(data.dual, j)).real
    # the roots of squares that are rounding are its root
    expected = np.sort(np.maximum(squares, 0))[::-1][: len(found)]
    assert np.abs(found[:n] ** 2 - expected).max() <= 10 * tolerance * drawn.condition
    assert found[n:].max(initial=0) <= tolerance


@quarter
@given(covariance_data(min_states=1))
def test_in_the_limit(drawn):
    """A window as long as `window_length` says leaves out 1e-15."""
    data, n = drawn.system, len(drawn.system.A)
    i = window_length(data, atol=1e-15)
    assume(i * len(data.C) <= 120)
    Lambda, known = autocovariances(data, 2 * i), canonical_correlations(data)
    found = window_correlations(Lambda, i, i)
    tolerance = known.error + rounding(Lambda, i)
    assert np.abs(found[:n] - known.values).max() <= tolerance
    assert known.nonzero.choice <= n
    if tolerance < 1e-8:  # the control: a Hankel matrix that is not normalized has other singular values
        H = np.block([[Lambda[a + b + 1] for b in range(n)] for a in range(n)])
        assert np.abs(np.linalg.svd(H)[1][:n] - known.values).max() > tolerance


def test_windows_converge_at_the_rate_of_the_predictor():
    """What is missing decreases like rate^(2i), rate the spectral radius of A - K C."""
    data = covariance_model(StochasticSSM([[0.9, 0.2], [0, 0.5]], [[1, 0], [1, 0]], [[1, -1]], [[0, 0.5]]))
    rate, full = phase(data).rate, canonical_correlations(data).values
    Lambda = autocovariances(data, 60)
    missing = np.array([full[0] - window_correlations(Lambda, i, i)[0] for i in (4, 6, 8)])
    assert (missing > 1e-13).all()
    np.testing.assert_allclose(missing[1:] / missing[:-1], rate**4, rtol=0.1)
    assert abs(rate**4 / np.abs(np.linalg.eigvals(data.A)).max() ** 4 - 1) > 0.2, "the control: it is not that of A"


def test_a_zero_on_the_circle_is_a_correlation_of_one():
    """y(t) = e(t) - e(t-1): past and future share e(-1), and windows of i steps see i / (i + 1) of it."""
    data = CovarianceModel([[0]], [[1]], [[-1]], [[2]])
    assert canonical_correlations(data).ones == 1
    for i in (1, 10, 50):
        assert window_correlations(autocovariances(data, 2 * i), i, i)[0] == pytest.approx(i / (i + 1), abs=1e-12)
    with pytest.raises(StructureError, match="windows converge like 1 / length"):
        window_length(data)
    near = CovarianceModel([[0]], [[1]], [[-0.99]], [[1 + 0.99**2]])
    assert canonical_correlations(near).ones == 0, "the control: a zero at 0.99"
    assert canonical_correlations(near).values[0] == pytest.approx(0.99, abs=1e-12)


def test_small_correlations_keep_their_digits():
    """An autoregression (sigma = 0.9) beside e(t) + 1e-10 e(t-1), mixed: the product of the covariances sees one."""
    a, f, c, s = 0.9, 1e-10, 0.8, 0.6
    mix, T = np.array([[c, s], [-s, c]]), np.array([[1, 0.5], [-0.5, 2]])
    A, G, Lambda0 = np.diag([a, 0]), np.diag([a / (1 - a**2), f]), np.diag([1 / (1 - a**2), 1 + f**2])
    data = CovarianceModel(T @ A @ np.linalg.inv(T), mix @ np.linalg.inv(T), T @ G @ mix.T, mix @ Lambda0 @ mix.T)
    np.testing.assert_allclose(canonical_correlations(data).values, [a, f], rtol=1e-5)
    squares = np.linalg.eigvals(filtered(data, 90) @ filtered(data.dual, 90))
    assert abs(np.sqrt(np.abs(squares).min()) / f - 1) > 0.1, "the control"
