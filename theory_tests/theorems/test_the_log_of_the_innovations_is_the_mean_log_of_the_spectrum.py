"""log det R = mean over the circle of log det Phi = log det T_(i+1) - log det T_i for large i (Szego; Kolmogorov).

Four routes: Faurre's equation forward and backward, the eigenvalues of a pencil (Jensen's formula), the mean
over equally spaced frequencies, and determinants of Toeplitz matrices.
"""

import numpy as np
import pytest
from hypothesis import given, settings

from realization.stochastic import (
    CovarianceModel,
    autocovariances,
    faurre_set,
    innovations_model,
    maximum_phase_model,
    mean_log_density,
    spectral_density,
)
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def log_det(X):
    return np.linalg.slogdet(X)[1]


def rounding(data, R):
    """Relative error of R, of which log det takes p times: R is a difference from numbers of the size of Lambda0."""
    n, p = data.G.shape
    return 20 * (n + p) * p * 2.0**-53 * np.linalg.norm(data.Lambda0) * np.linalg.norm(np.linalg.inv(R))


@quarter
@given(covariance_data())
def test_by_the_equation_forward_and_backward_and_by_the_pencil(drawn):
    full = faurre_set(drawn.system)
    mean = mean_log_density(drawn.system)
    slope = (1 + np.linalg.norm(drawn.system.C) ** 2) * np.linalg.norm(np.linalg.inv(full.R))
    assert abs(log_det(full.R) - mean) <= rounding(drawn.system, full.R) * drawn.condition + full.error * slope
    slope = (1 + np.linalg.norm(drawn.system.G) ** 2) * np.linalg.norm(np.linalg.inv(full.Rbar))
    assert (
        abs(log_det(full.Rbar) - mean) <= rounding(drawn.system, full.Rbar) * drawn.condition + full.error_bar * slope
    )


@quarter
@given(covariance_data())
def test_by_equally_spaced_frequencies(drawn):
    """The mean of N of them misses (2/N) radius^N for each pole and zero: below rounding for N = 1024, radius .95."""
    full = faurre_set(drawn.system)
    if np.abs(full.zeros).max(initial=0.0) > 0.95:
        return
    Phi = spectral_density(drawn.system, 2 * np.pi * np.arange(1024) / 1024)
    error = rounding(drawn.system, full.R) * drawn.condition * np.linalg.norm(Phi, axis=(1, 2)).max()
    assert abs(log_det(Phi).mean() - mean_log_density(drawn.system)) <= error


@quarter
@given(covariance_data(max_states=3))
def test_by_determinants_of_toeplitz_matrices(drawn):
    """The variance of y(t) given 40 outputs exceeds R by C (P_- - P(40)) C', which radius^80 bounds."""
    full = faurre_set(drawn.system)
    if np.abs(full.zeros).max(initial=0.0) > 0.6:
        return
    L = autocovariances(drawn.system, 41)
    T = [np.block([[L[i - j] if i >= j else L[j - i].T for j in range(k)] for i in range(k)]) for k in (40, 41)]
    error = 41 * rounding(drawn.system, full.R) * drawn.condition * np.linalg.norm(T[1]) / np.linalg.norm(L[0])
    assert abs(log_det(T[1]) - log_det(T[0]) - mean_log_density(drawn.system)) <= error


def test_zeros_on_the_circle_are_no_obstacle():
    """y = e(t) - e(t-1) has R = 1: known to half the digits, and to a fourth of them with a double zero."""
    for h in ([1, -1], [1, -2, 1], [1, 0, 0, 0, -1]):
        n, L = len(h) - 1, np.correlate(h, h, "full")[len(h) - 1 :].astype(float)
        data = CovarianceModel(A=np.eye(n, k=1), C=np.eye(1, n), G=L[1:, None], Lambda0=[[L[0]]])
        assert abs(mean_log_density(data)) < (1e-3 if h == [1, -2, 1] else 1e-7)
        assert abs(log_det(innovations_model(data).R)) < 1e-2


def test_other_factors_exceed_it():
    """The control: the noise of the output in any model but the innovations model is smaller, and its log with it."""
    data = CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]])
    full, mean = faurre_set(data), mean_log_density(data)
    assert mean == pytest.approx(np.log(1 + 0.75**0.5), rel=1e-14)
    for P, less in (
        (full.P_minus, 0.0),
        ([[1.0]], np.log(1 + 0.75**0.5)),
        (full.P_plus, -2 * np.log(full.zeros[0].real)),
    ):
        D = full.model(P).D
        assert mean - log_det(D @ D.T) == pytest.approx(less, abs=1e-13)
    D = maximum_phase_model(data).D
    assert log_det(D @ D.T) < mean - 1
