"""P is the state covariance of a model of the process iff M(P) >= 0, the covariance of its noise (Faurre 1976).

M(P) = [P - A P A', G - A P C'; ., Lambda0 - C P C'] = [B; D] [B; D]'
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.stochastic import CovarianceModel, covariance_model, faurre_set, state_covariance
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def scale(data, P):
    """Size of what M(P) is computed from."""
    E = np.vstack([data.A, data.C])
    return np.linalg.norm(P) * (1 + np.linalg.norm(E) ** 2) + np.linalg.norm(data.G) + np.linalg.norm(data.Lambda0)


@given(covariance_data())
def test_the_noise_of_every_model_is_m_of_its_state_covariance(drawn):
    data, model = drawn.system, drawn.structure[0]
    full, P = faurre_set(data), state_covariance(model)
    level = 100 * (1 + len(P)) * 2.0**-53 * scale(data, P)
    assert np.abs(full.noise_matrix(P) - model.noise_covariance).max() <= level
    assert full.contains(P)


@quarter
@given(covariance_data(min_states=1), st.integers(0, 2**32 - 1), st.integers(0, 5), st.floats(-3, 3))
def test_every_p_with_a_positive_m_has_a_model_of_the_process(drawn, seed, rank, exponent):
    """P drawn from all of the set; the model made from M(P) has the state covariance P and the data."""
    full, n = faurre_set(drawn.system), len(drawn.system.A)
    L = np.random.default_rng(seed).standard_normal((n, min(rank, n)))
    O = full.weight
    P = full.beyond(10**exponent * np.linalg.norm(O) * L @ L.T)
    error = np.linalg.norm(np.linalg.inv(O)) * 1e-14 * np.linalg.cond(O) + full.error  # of inv(O + X)
    model = full.model(P, atol=error)
    again = covariance_model(model)
    # eigenvalues of M(P) below its error are dropped, and 1 / (1 - radius^2) of them is left in P
    radius = np.abs(np.linalg.eigvals(model.A)).max()
    level = 100 * full.contains(P, atol=error).error * drawn.condition / (1 - radius**2)
    assert np.abs(state_covariance(model) - P).max() <= level
    for name in ("A", "C", "G", "Lambda0"):
        assert np.abs(getattr(again, name) - getattr(drawn.system, name)).max() <= level * scale(
            drawn.system, P
        ) / np.linalg.norm(P)


@quarter
@given(covariance_data(min_states=1), st.sampled_from([0.01, 0.1, 1.0]))
def test_beyond_the_ends_there_is_none(drawn, share):
    """The control: P_- less and P_+ more than themselves have an M with a negative eigenvalue, and no model."""
    full = faurre_set(drawn.system)
    step = full.P_plus - full.P_minus
    for P in (full.P_minus - share * step, full.P_plus + share * step):
        found = full.contains(P)
        if np.linalg.norm(step) > 1e-6 * np.linalg.norm(full.P_plus):  # a flat set has ends that rounding cannot tell
            assert found.verdict == "outside"
            assert not found
            with pytest.raises(StructureError, match="it is not positive semidefinite"):
                full.model(P, atol=0.0)


def test_to_lie_between_the_ends_is_not_enough():
    """The control to 'iff': P_- < P < P_+ and yet M(P) is indefinite; zeros 0.9 and -0.9, Q not along them."""
    zeros = np.array([0.9, -0.9])
    # white noise through (1 - .9/z)(1 + .9/z), and a little more of it
    data = CovarianceModel(A=np.eye(2, k=1), C=[[1, 0]], G=[[0], [-0.81]], Lambda0=[[1 + 0.81**2]])
    full = faurre_set(data)
    assert np.allclose(np.sort(full.zeros.real), np.sort(zeros), atol=1e-12)
    step = full.P_plus - full.P_minus
    w, V = np.linalg.eigh(step)
    P = full.P_minus + V @ np.diag([0.9, 0.1] * w) @ V.T
    for difference in (P - full.P_minus, full.P_plus - P):
        assert np.linalg.eigvalsh(difference)[0] > 0.01 * w[0]
    assert full.contains(P).verdict == "outside"
