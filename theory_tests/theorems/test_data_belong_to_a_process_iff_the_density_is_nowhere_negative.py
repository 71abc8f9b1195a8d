"""Some P has M(P) >= 0 iff Phi(e^iw) >= 0 at every frequency (Kalman, Yakubovich, Popov; Faurre).

Both sides are proved by numbers: a P with M(P) > 0 in rational arithmetic, a frequency with v* Phi v < 0.
"""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.linalg.certificate import exactly_nonnegative, fractions
from realization.stochastic import CovarianceModel, positive_real, spectral_density
from realization.testing import covariance_data, refuted_covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))
GRID = np.linspace(0, np.pi, 500)


def exact_noise(data, P):
    """M(P) in rationals: nothing is rounded."""
    A, C, G, L0, P = (fractions(X) for X in (data.A, data.C, data.G, (data.Lambda0 + data.Lambda0.T) / 2, P))
    S = G - A @ P @ C.T
    return np.block([[P - A @ P @ A.T, S], [S.T, L0 - C @ P @ C.T]])


@quarter
@given(covariance_data())
def test_where_it_is_not_a_covariance_of_a_state_proves_it(drawn):
    found = positive_real(drawn.system)
    assert found.verdict == "positive real"
    M = exact_noise(drawn.system, found.P)
    assert exactly_nonnegative(M)
    assert np.isclose(np.linalg.eigvalsh(M.astype(float))[0], found.margin, rtol=1e-3)
    # the density of a model is no smaller than its noise allows: [Z I] M [Z I]* >= margin
    assert found.density >= found.margin * (1 - 1e-9)


@quarter
@given(refuted_covariance_data())
def test_where_it_is_a_frequency_refutes_it(drawn):
    found = positive_real(drawn.system)
    assert found.verdict == "not positive real"
    assert found.P is None
    value = (found.vector.conj() @ spectral_density(drawn.system, found.omega)[0] @ found.vector).real
    assert value < 0
    assert abs(value - found.density) <= found.error
    assert found.density <= drawn.structure[1] * (1 - 1e-9), "no higher than the value that is known"


@quarter
@given(covariance_data(), st.sampled_from([0.5, 0.8, 0.9, 0.99, 1.0]))
def test_no_frequency_of_a_grid_is_lower(drawn, share):
    """Half of Lambda0 is too little for most processes, and the test says of which."""
    data = drawn.system
    found = positive_real(CovarianceModel(data.A, data.C, data.G, share * data.Lambda0))
    lowest = np.linalg.eigvalsh(spectral_density(CovarianceModel(data.A, data.C, data.G, share * data.Lambda0), GRID))
    assert found.density <= lowest.min() + found.error
    assert found.verdict == ("positive real" if found.density > 0 else "not positive real") or (
        abs(found.density) < 1e-6 * np.linalg.norm(data.Lambda0)
    )


def test_a_narrow_dip_is_found_where_a_grid_sees_nothing():
    """The control to grids: Phi = 1 - 1.5 at the angle of a pole of radius 1 - 1e-6, and near 1 beside it."""
    r, w = 1 - 1e-6, 1.2345
    A = r * np.array([[np.cos(w), -np.sin(w)], [np.sin(w), np.cos(w)]])
    data = CovarianceModel(A, C=[[1, 0]], G=-1.5e-6 * A[:, :1], Lambda0=[[1]])
    assert np.linalg.eigvalsh(spectral_density(data, np.linspace(0, np.pi, 10_000))).min() > 0.5
    found = positive_real(data)
    assert found.verdict == "not positive real"
    assert abs(found.omega - w) < 1e-6
    assert np.isclose(found.density, -0.5, atol=1e-4)


def test_a_zero_on_the_circle_is_left_undecided():
    """Lambda = 2, -1: M(P) >= 0 for P = 1 alone, M(1) = [1, -1; -1, 1]; a last digit more or less settles it."""
    for L0, verdict in ((2.0, "undecided"), (2 + 1e-6, "positive real"), (2 - 1e-6, "not positive real")):
        data = CovarianceModel(A=[[0]], C=[[1]], G=[[-1]], Lambda0=[[L0]])
        found = positive_real(data)
        assert found.verdict == verdict
        assert abs(found.density - (L0 - 2)) <= found.error
        for P in (Fraction(1), Fraction(9, 10), Fraction(11, 10)):
            M = exact_noise(data, [[float(P)]])
            assert exactly_nonnegative(M) == (P == 1 and L0 >= 2)
