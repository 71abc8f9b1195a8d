"""Covariances of a sample, realized with few states, need not be covariances: the spectral density may be negative.

    Lambda(k) = (1/T) sum_t y(t+k) y(t)'   is a sequence of covariances.   C A^(k-1) G, of lower rank, may be none.

(Lindquist and Picci 1996, Automatica 32.)  The verdict is checked by evaluating the density, and by the smallest
eigenvalue of a long block Toeplitz matrix, which is the same question asked in time.
"""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.stochastic import autocovariances, covariance_model, spectral_density
from realization.stochastic.faurre.positive_real import positive_real
from realization.stochastic.identification import covariance_ho_kalman, cva, lifted, sample_covariances
from realization.systems import InnovationsSSM, LinearSSM

A, K, C = np.diag([0.9, -0.7]), np.array([[0.5], [-0.3]]), np.array([[1.0, 1.0]])
PROCESS = InnovationsSSM(A, K, C, [[1.0]])
SEEDS = range(50)


def record(seed, T):
    e = np.random.default_rng(seed).standard_normal((T + 100, 1))
    return LinearSSM(A, K, C, [[1.0]]).simulate(e).y[100:]


def realized(seed, T):
    """The realization with two states, or None where it is not even stable."""
    try:
        return covariance_ho_kalman(sample_covariances(record(seed, T), 10), 2)
    except StructureError:
        return None


def toeplitz(covariances):
    """Smallest eigenvalue of the matrix [Lambda(i-j)] of a scalar process."""
    return np.linalg.eigvalsh(scipy.linalg.toeplitz(covariances.ravel()))[0]


def test_two_states_from_a_hundred_samples_may_belong_to_no_process():
    """What the verdict says is so: where it refutes, Phi < 0 and some Toeplitz matrix is not positive."""
    refuted = [found for seed in SEEDS if (found := realized(seed, 100)) and found.innovations is None]
    assert 0 < len(refuted) < len(SEEDS)
    for found in refuted:
        verdict = found.positive_real
        assert verdict.verdict == "not positive real"
        density = spectral_density(found.covariance, [verdict.omega])[0, 0, 0].real
        assert density == pytest.approx(verdict.density, abs=10 * verdict.error)
        assert found.lacking == -verdict.density > 0
        assert toeplitz(autocovariances(found.covariance, 400)) < 0


def test_the_sample_covariances_themselves_do():
    """The control: before the rank is cut the same records pass, at every size of the Toeplitz matrix."""
    for seed in SEEDS:
        lags = sample_covariances(record(seed, 100), 99)
        assert toeplitz(np.concatenate([lags, np.zeros((100, 1, 1))])) > -1e-12 * lags[0, 0, 0]


def test_exact_covariances_do_and_long_records_do():
    """The control: nothing is wrong with Ho and Kalman's factorization; the error of the sample is what spoils it."""
    exact = covariance_ho_kalman(autocovariances(PROCESS, 10))
    assert exact.order.choice == 2
    assert exact.positive_real.verdict == "positive real"
    assert exact.lacking == 0
    np.testing.assert_allclose(exact.innovations.R, [[1.0]], atol=1e-12)
    assert all(realized(seed, 10_000).innovations is not None for seed in range(20))


def test_the_regression_of_states_does_on_the_same_records():
    """The control: a model whose noise is the covariance of residuals has a spectral density of the form W W*."""
    for seed in SEEDS[:20]:
        assert cva(record(seed, 100), 2, past=5, future=5).positive_real.verdict == "positive real"


@settings(max_examples=10)  # each asks for several proofs
@given(seed=st.integers(0, 2**32 - 1), p=st.integers(1, 2), short=st.floats(0.05, 0.9))
def test_the_least_white_noise_makes_it_a_process(seed, p, short):
    """Lambda0 + c I is one and Lambda0 + 0.99 c I is none: c is least, and Phi touches 0."""
    rng = np.random.default_rng(seed)
    n = 2
    full = covariance_model(InnovationsSSM(np.diag(rng.uniform(-0.9, 0.9, n)), rng.standard_normal((n, p)) / 4,
                                           rng.standard_normal((p, n)), np.eye(p)))  # fmt: skip
    data = type(full)(full.A, full.C, full.G, short * full.Lambda0)
    found, verdict = lifted(data), positive_real(data)
    assert positive_real(found).verdict == "positive real"
    if verdict.verdict != "not positive real":
        return
    I = np.eye(p)
    np.testing.assert_allclose(found.Lambda0 - data.Lambda0, -verdict.density * I, rtol=1e-3, atol=1e-5)
    almost = type(full)(full.A, full.C, full.G, data.Lambda0 - 0.99 * verdict.density * I)
    assert positive_real(almost).verdict != "positive real"
