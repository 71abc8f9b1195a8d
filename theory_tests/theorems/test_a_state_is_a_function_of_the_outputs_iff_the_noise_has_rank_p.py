"""The state is known from all outputs, past and future, iff rank M(P) = p; its error is Q - Q O Q, Q = P - P_-.

Where O Q is a projection nothing is left: these realizations are internal, the others external (Lindquist and Picci).
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic import CovarianceModel, autocovariances, extremals, faurre_set
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))
REACH = 40  # outputs on either side


def projected(data, P, which=slice(None)):
    """E (x - xhat)(.)', xhat the projection of x(0) on y(-REACH ... REACH - 1) or some of it, by their covariance."""
    L, p, t = autocovariances(data, 2 * REACH), len(data.C), np.arange(2 * REACH)
    both = np.concatenate([L[:0:-1].swapaxes(1, 2), L])  # Lambda(-k) = Lambda(k)'
    T = both[t[:, None] - t + 2 * REACH].swapaxes(1, 2).reshape(2 * REACH * p, -1)
    ahead = [P @ np.linalg.matrix_power(data.A, k).T @ data.C.T for k in range(REACH)]
    behind = [np.linalg.matrix_power(data.A, k - 1) @ data.G for k in range(REACH, 0, -1)]
    kept = np.arange(2 * REACH * p).reshape(2 * REACH, p)[which].ravel()
    X = np.hstack(behind + ahead)[:, kept]
    return P - X @ np.linalg.solve(T[np.ix_(kept, kept)], X.T)


@quarter
@given(covariance_data(min_states=1, max_states=4), st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_what_past_future_and_all_outputs_leave_unknown(drawn, seed, rank):
    """A window of 80 outputs misses what F^40 leaves."""
    full, n = faurre_set(drawn.system), len(drawn.system.A)
    radius = np.abs(full.zeros).max()
    if radius > 0.65:  # .65^80 = 1e-15
        return
    L = np.random.default_rng(seed).standard_normal((n, min(rank, n)))
    O = full.weight
    P = full.beyond(np.linalg.norm(O, 2) * L @ L.T)
    found = full.state_errors(P, atol=1e-14 * np.linalg.cond(O) * np.linalg.norm(P))
    level = 1e-13 * np.linalg.cond(O) * drawn.condition * np.linalg.norm(P) + full.error
    level += full.error_bar * np.linalg.norm(P) ** 2
    for error, which in ((found.past, slice(REACH)), (found.future, slice(REACH, None)), (found.both, slice(None))):
        assert np.abs(projected(drawn.system, P, which) - error).max() <= level


@quarter
@given(covariance_data(min_states=1, max_states=4))
def test_nothing_is_left_at_the_corners(drawn):
    full = faurre_set(drawn.system)
    O = full.weight
    for corner in extremals(full):
        Q = np.linalg.norm(corner.P - full.P_minus)
        level = 10 * (corner.error + full.error) * (1 + Q * np.linalg.norm(O)) + 1e-13 * Q * (1 + Q * np.linalg.norm(O))
        assert np.abs(full.smoothing_error(corner.P, atol=corner.error)).max() <= level
        assert full.internal(corner.P, atol=corner.error).verdict != "external"


@quarter
@given(covariance_data(min_states=1, max_states=4))
def test_something_is_left_between_them(drawn):
    """The control: half way between P_- and P_+, with 2p noises or n + p, a quarter of P_+ - P_- is never known."""
    full = faurre_set(drawn.system)
    step = np.linalg.inv(full.weight)
    P = full.P_minus + (step + step.T) / 4
    left = full.smoothing_error(P, atol=1e-14 * np.linalg.cond(full.weight) * np.linalg.norm(P))
    assert full.internal(P, atol=1e-14 * np.linalg.norm(P)).verdict != "internal"
    assert np.abs(left - step / 4).max() <= 1e-13 * np.linalg.cond(full.weight) * np.linalg.norm(step)


def test_the_ends_are_known_from_one_side():
    """P_- from the past, P_+ from the future, and neither from the other side: lambda = 2, 1/2, ..."""
    full = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]))
    for P, known, unknown in ((full.P_minus, "past", "future"), (full.P_plus, "future", "past")):
        found = full.state_errors(P)
        assert abs(getattr(found, known).item()) < 1e-14
        assert getattr(found, unknown).item() > 0.1


def test_by_hand():
    """Lambda = 2, 1/2, ...: P = 1 has two noises, O = 1 / sqrt(3), Q = sqrt(3) / 2, and Q - Q O Q = sqrt(3) / 4."""
    full = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]))
    assert np.isclose(full.smoothing_error([[1.0]]).item(), 3**0.5 / 4, rtol=1e-14)
    assert np.isclose(projected(full.data, np.eye(1)).item(), 3**0.5 / 4, rtol=1e-14)
    assert full.noise_factor([[1.0]]).rank.choice == 2
    assert [full.internal(P).verdict for P in (full.P_minus, [[1.0]])] == ["internal", "external"]
    assert [bool(full.internal(P)) for P in (full.P_plus, [[1.0]])] == [True, False]
