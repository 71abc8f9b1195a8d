"""A filter with another gain leaves innovations that are not white, and of larger variance (Mehra 1970).

With L in place of K the error d = x - xf obeys d(t+1) = (A - L C) d + (K - L) e, and the innovations are C d + e:

    E f f' = C D C' + R,        E f(t+k) f(t)' = C (A - L C)^(k-1) [(A - L C) D C' + (K - L) R]

which vanishes at all k > 0 for L = K only (if (C, A) is observable).
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.linalg import discrete_lyapunov
from realization.stochastic import autocovariances, diagnose, hosking
from realization.systems import InnovationsSSM, StochasticSSM

A = np.array([[0.8, 0.3, 0.0], [-0.3, 0.7, 0.2], [0.0, 0.0, -0.5]])
K = np.array([[0.6, 0.1], [-0.2, 0.4], [0.3, 0.5]])
C = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, -0.5]])
R = np.array([[1.0, 0.4], [0.4, 0.7]])
RUNS, T = 200, 380


def left_over(model, L):
    """d(t+1) = (A - L C) d + (K - L) e, f = C d + e: what a filter of gain L calls innovations."""
    return InnovationsSSM(model.A - L @ model.C, model.K - L, model.C, model.R)


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.floats(-0.2, 1.2))
def test_their_covariances_are_those_of_the_error_of_the_filter(seed, part):
    """Two roads: the formula, and the model of plant and filter side by side."""
    rng = np.random.default_rng(seed)
    L = part * K + 0.05 * rng.standard_normal(K.shape)
    model, F = InnovationsSSM(A, K, C, R), A - L @ C
    D = discrete_lyapunov(F, (K - L) @ R @ (K - L).T).X
    X = F @ D @ C.T + (K - L) @ R
    want = [C @ D @ C.T + R, *(C @ np.linalg.matrix_power(F, k) @ X for k in range(5))]
    H = np.linalg.cholesky(R)
    both = np.block([[A, np.zeros((3, 3))], [L @ C, F]])
    pair = StochasticSSM(both, np.vstack([K @ H, L @ H]), np.hstack([C, -C]), H)
    # entries of size 1, radius .95 at most: a Lyapunov equation loses two digits
    np.testing.assert_allclose(autocovariances(pair, 5), want, atol=1e-11)
    np.testing.assert_allclose(autocovariances(left_over(model, L), 5), want, atol=1e-11)
    assert np.abs(want[1:]).max() > 1e-3, "another gain leaves colour"
    assert np.linalg.eigvalsh(want[0] - R)[0] > -1e-12, "and no gain has a smaller variance"
    same = autocovariances(left_over(model, K), 5)
    np.testing.assert_allclose(same[0], R, atol=1e-14)
    assert not same[1:].any(), "the control: the right one, exactly"


def coloured(gain, runs, rng):
    """f (runs, T, p) from the model above."""
    e = rng.standard_normal((runs, T, 2)) @ np.linalg.cholesky(R).T
    d, f = np.zeros((runs, 3)), np.empty_like(e)
    for t in range(T):
        f[:, t] = d @ C.T + e[:, t]
        d = d @ (A - gain @ C).T + e[:, t] @ (K - gain).T
    return f


@pytest.mark.parametrize("part, least, most", [(0.5, 0.99, 1.0), (0.9, 0.06, 0.6), (1.0, 0.0, 0.104)])
def test_it_is_found(part, least, most):
    """Half the gain always, nine tenths sometimes, the gain itself at the level: .05 + 3.5 sqrt(.05 .95 / 200)."""
    found = [hosking(f, 20) for f in coloured(part * K, RUNS, np.random.default_rng(7))]
    assert least <= np.mean([test.rejected for test in found]) <= most


def test_the_diagnosis_names_it():
    f = coloured(0.5 * K, 30, np.random.default_rng(8))
    assert all(any(text.startswith("coloured") for text in diagnose(each, R).findings) for each in f)
    assert sum(not diagnose(each, R).sound for each in coloured(K, 30, np.random.default_rng(8))) <= 5, "the control"
