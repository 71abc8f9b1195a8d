"""The filter of the right model leaves white noise (Kailath 1968), and the tests of colour say so at their level.

Under test: E e(t+k) e(t)' = 0 for k > 0 in exact covariances, and Ljung-Box, Hosking and the cumulative periodogram
on 400 runs of n = 3, p = 2, T = 380.  A size of .05 has standard error .011 there; the band is 3.5 of them.
"""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic import autocovariances, cumulative_periodogram, diagnose, hosking, ljung_box
from realization.systems import InnovationsSSM, StochasticSSM

RUNS, T = 400, 380
BAND = 3.5 * np.sqrt(0.05 * 0.95 / RUNS)
A = np.array([[0.8, 0.3, 0.0], [-0.3, 0.7, 0.2], [0.0, 0.0, -0.5]])
K = np.array([[0.6, 0.1], [-0.2, 0.4], [0.3, 0.5]])
C = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, -0.5]])
R = np.array([[1.0, 0.4], [0.4, 0.7]])


def outputs(runs, rng):
    """y (runs, T, p) of x(t+1) = A x + K e, y = C x + e, from x = 0."""
    e = rng.standard_normal((runs, T, 2)) @ np.linalg.cholesky(R).T
    x, y = np.zeros((runs, 3)), np.empty_like(e)
    for t in range(T):
        y[:, t] = x @ C.T + e[:, t]
        x = x @ A.T + e[:, t] @ K.T
    return y, e


def filtered(y, gain):
    """e(t) = y(t) - C x(t), x(t+1) = A x(t) + gain e(t)."""
    x, e = np.zeros((len(y), 3)), np.empty_like(y)
    for t in range(T):
        e[:, t] = y[:, t] - x @ C.T
        x = x @ A.T + e[:, t] @ gain.T
    return e


def of_the_filter(model, gain):
    """The innovations that a filter with this gain has: a model whose state is that of the model beside the filter's.

    x(t+1) = A x + B w,  xf(t+1) = (A - gain C) xf + gain (C x + D w),  e = C (x - xf) + D w
    """
    F = np.block([[model.A, np.zeros_like(model.A)], [gain @ model.C, model.A - gain @ model.C]])
    return StochasticSSM(F, np.vstack([model.B, gain @ model.D]), np.hstack([model.C, -model.C]), model.D)


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 2))
def test_the_covariances_of_innovations_vanish_beyond_lag_zero(seed, n, p):
    rng = np.random.default_rng(seed)
    A, C = rng.standard_normal((n, n)), rng.standard_normal((p, n))
    A *= 0.8 / np.abs(np.linalg.eigvals(A)).max()
    noise = rng.standard_normal((n + p, n + p)) + 2 * np.eye(n + p)
    model = StochasticSSM(A, noise[:n], C, noise[n:])
    Q, S, N = noise[:n] @ noise[:n].T, noise[:n] @ noise[n:].T, noise[n:] @ noise[n:].T
    P = scipy.linalg.solve_discrete_are(A.T, C.T, Q, N, s=S)
    R = C @ P @ C.T + N
    gain = np.linalg.solve(R, (A @ P @ C.T + S).T).T
    found = autocovariances(of_the_filter(model, gain), 6)
    # what the Riccati and Lyapunov solvers leave, in the size of the state's covariance
    tolerance = 1e-9 * np.abs(found[0]).max() * np.linalg.cond(P)
    np.testing.assert_allclose(found[0], R, atol=tolerance)
    assert np.abs(found[1:]).max() <= tolerance
    assert np.abs(autocovariances(of_the_filter(model, 0.5 * gain), 6)[1:]).max() > tolerance, "the control"


@pytest.fixture(scope="module")
def runs():
    return outputs(RUNS, np.random.default_rng(2024))


def test_the_filter_gives_back_the_noise_that_drove_the_model(runs):
    y, e = runs
    assert InnovationsSSM(A, K, C, R).predictor.shape == (3, 3)
    np.testing.assert_allclose(filtered(y, K), e, atol=1e-12)


@pytest.mark.parametrize("name", ["Ljung-Box", "Hosking", "cumulative periodogram"])
def test_the_tests_have_their_level(runs, name):
    test = {
        "Ljung-Box": lambda e: ljung_box(e[:, :1], 20),
        "Hosking": lambda e: hosking(e, 20),
        "cumulative periodogram": lambda e: cumulative_periodogram(e[:, :1]),
    }[name]
    y, _ = runs
    size = np.mean([test(e).rejected for e in filtered(y, K)])
    assert abs(size - 0.05) < BAND
    power = np.mean([test(e).rejected for e in filtered(y[:50], 0.5 * K)])
    assert power > 0.5, "the control: another gain is found"


def test_together_they_reject_a_right_model_at_most_at_their_level(runs):
    """Bonferroni over dependent tests is below its level, which the band is put above."""
    y, _ = runs
    found = [diagnose(e, R) for e in filtered(y[:200], K)]
    rejected = np.mean([not each.sound for each in found])
    assert rejected < 0.05 + BAND * np.sqrt(2)
    assert rejected > 0.01, "nor do they never speak"
