"""P_- <= P <= P_+ for the state covariance P of every model of a process (Faurre 1976); inv(P_+) is the P_- backward.

P_+ comes by two routes: from the backward process, and as P_- + inv(O), O = F' O F + C' inv(R) C.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic import CovarianceModel, faurre_set, state_covariance
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def least(X):
    return np.linalg.eigvalsh(X).min(initial=0.0)


@given(covariance_data())
def test_they_do(drawn):
    """Above P_+ through the inverses, inv(P) >= inv(P_+): no digits are lost to the condition of P_+."""
    full, P, n = faurre_set(drawn.system), state_covariance(drawn.structure[0]), len(drawn.system.A)
    level = 100 * max(n, 1) * 2.0**-53 * drawn.condition
    assert least(full.P_minus) >= -full.error
    assert least(P - full.P_minus) >= -level * np.linalg.norm(P) - full.error
    dual = np.linalg.solve(P, np.eye(n)) - full.Pbar_minus
    assert least((dual + dual.T) / 2) >= -level * np.linalg.norm(np.linalg.inv(P)) - full.error_bar


@quarter
@given(covariance_data(min_states=1))
def test_the_larger_end_comes_by_two_routes(drawn):
    full = faurre_set(drawn.system)
    O = full.weight
    other = full.P_minus + np.linalg.solve(O, np.eye(len(O)))
    # each route inverts a matrix that is known to its own error
    known = max(full.error_bar / np.linalg.norm(full.Pbar_minus, 2), 2.0**-53) * np.linalg.cond(full.Pbar_minus)
    weighed = 100 * len(O) * 2.0**-53 * np.linalg.cond(O) + full.error * np.linalg.norm(O)
    assert np.abs(full.P_plus - other).max() <= 100 * (known + weighed) * np.linalg.norm(full.P_plus, 2)


@quarter
@given(covariance_data(min_states=1), st.floats(0, 1))
def test_the_set_is_convex(drawn, share):
    """And so contains what lies on the way from P_- to P_+, and from either to the P of any model."""
    full, P = faurre_set(drawn.system), state_covariance(drawn.structure[0])
    error = full.error_bar * np.linalg.norm(full.P_plus, 2) ** 2 + full.error
    for X in (full.between(share), (1 - share) * full.P_minus + share * P, (1 - share) * full.P_plus + share * P):
        assert full.contains(X, atol=error)


def test_by_hand():
    """Lambda = 2, 1/2, 1/4, ...: M(P) = [3P/4, 1/2 - P/2; ., 2 - P] is singular where P^2 - 2P + 1/4 = 0."""
    full = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]))
    assert np.allclose([full.P_minus.item(), full.P_plus.item()], [1 - 0.75**0.5, 1 + 0.75**0.5], rtol=1e-14)


def test_those_of_another_process_do_not():
    """The control: the same A and C and twice the power."""
    one = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]))
    twice = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[1]], Lambda0=[[4]]))
    assert [bool(one.contains(P)) for P in (twice.P_minus, twice.P_plus)] == [True, False]
    assert [bool(twice.contains(P)) for P in (one.P_minus, one.P_plus)] == [False, True]
