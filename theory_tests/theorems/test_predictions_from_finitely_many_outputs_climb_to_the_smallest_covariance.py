"""From P(0) = 0 Faurre's recursion increases to P_-, and P(i) = D inv(T) D' is what i outputs know of the state.

D = [G  A G ... A^(i-1) G], T the covariance of the last i outputs, the latest first (Van Overschee and De Moor 1996).
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.stochastic import CovarianceModel, autocovariances, faurre_set, transient_covariances
from realization.testing import covariance_data, refuted_covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def window(data, i):
    """D and T, the latest output first: block (j, k) is E y(t-j) y(t-k)' = Lambda(k - j)."""
    L = autocovariances(data, i)
    D = np.hstack([np.linalg.matrix_power(data.A, k) @ data.G for k in range(i)])
    T = np.block([[L[k - j] if k >= j else L[j - k].T for k in range(i)] for j in range(i)])
    return D, T


def level(drawn, full):
    P = np.linalg.norm(full.P_minus, 2) if len(full.P_minus) else 0.0
    kept = 1 - np.abs(full.zeros).max(initial=0.0) ** 2
    size = (P + np.linalg.norm(drawn.system.Lambda0)) * (1 + np.linalg.norm(full.K)) ** 2
    return 20 * (1 + len(full.P_minus)) * 2.0**-53 * drawn.condition * size / kept + full.error


@quarter
@given(covariance_data(), st.integers(1, 12))
def test_each_step_is_a_projection(drawn, i):
    D, T = window(drawn.system, i)
    expected = D @ np.linalg.solve(T, D.T)
    error = level(drawn, faurre_set(drawn.system)) * (1 + np.linalg.cond(T) * 1e-2)
    assert np.abs(transient_covariances(drawn.system, i)[i] - expected).max(initial=0.0) <= error


@quarter
@given(covariance_data())
def test_they_increase_and_stay_below(drawn):
    full = faurre_set(drawn.system)
    P = np.concatenate([transient_covariances(drawn.system, 20), full.P_minus[None]])
    steps = np.linalg.eigvalsh(np.diff(P, axis=0))
    assert steps.min(initial=0.0) >= -level(drawn, full)


@quarter
@given(covariance_data(max_states=3))
def test_they_converge_as_the_square_of_the_slowest_zero(drawn):
    """P_- - P(i) = F^i (...) F'^i."""
    full = faurre_set(drawn.system)
    radius = np.abs(full.zeros).max(initial=0.0)
    if radius < 0.9:
        assert np.abs(transient_covariances(drawn.system, 180)[-1] - full.P_minus).max(initial=0.0) <= level(
            drawn, full
        )


def test_the_oldest_output_first_is_another_matrix():
    """The control: with the covariance of the window in the other order the projection is wrong where p > 1."""
    A, G = np.diag([0.5, 0.3]), np.array([[0.5, 0.1], [-0.3, 0.4]])
    data = CovarianceModel(A=A, C=np.eye(2), G=G, Lambda0=np.eye(2) * 2)
    D, T = window(data, 3)
    swapped = T.reshape(3, 2, 3, 2)[::-1, :, ::-1].reshape(6, 6)
    P = transient_covariances(data, 3)[3]
    assert np.allclose(D @ np.linalg.solve(T, D.T), P, rtol=1e-13)
    assert np.abs(D @ np.linalg.solve(swapped, D.T) - P).max() > 1e-3


@quarter
@given(refuted_covariance_data(min_states=1))
def test_covariances_of_no_process_break_off(drawn):
    """The control: there is no P_- to climb to."""
    with pytest.raises(StructureError, match="not positive"):
        faurre_set(drawn.system)
    with pytest.raises(StructureError, match="the covariances of so many outputs are not positive definite"):
        transient_covariances(drawn.system, 300)
