"""rank M(P) >= p, and = p at the corners P_- + V inv(V' O V) V', one for each invariant subspace V of F = A - K C.

The zeros on V are at the reciprocals; larger subspaces have larger P (Willems 1971; Faurre, Clerget and Germain
1979; Lindquist and Picci 1991).
"""

import numpy as np
from hypothesis import given, settings

from realization.stochastic import (
    CovarianceModel,
    extremal,
    extremals,
    faurre_set,
    spectral_density,
    spectral_factor,
    state_covariance,
    zero_groups,
)
from realization.systems import LinearSSM, zeros
from realization.testing import covariance_data

OMEGA = np.linspace(0, np.pi, 7)


quarter = settings(max_examples=max(10, settings().max_examples // 4))


@quarter
@given(covariance_data(max_states=4))
def test_the_corners_have_p_noises_and_the_spectrum(drawn):
    """Phi = [Z I] M(P) [Z I]*, Z = C inv(zI - A): an error of M(P) counts with the square of that gain."""
    full, (A, C) = faurre_set(drawn.system), (drawn.system.A, drawn.system.C)
    corners = extremals(full)
    assert len(corners) == 2 ** len(zero_groups(full))
    Phi = spectral_density(drawn.system, OMEGA)
    Z = C @ np.linalg.inv(np.exp(1j * OMEGA)[:, None, None] * np.eye(len(A)) - A)
    gain = 1 + np.linalg.norm(Z, axis=(1, 2)).max()
    for corner in corners:
        found = full.noise_factor(corner.P, atol=corner.error)
        assert not found.rank.decided or found.rank.choice == len(C)
        assert found.rank.choice >= len(C)
        W = spectral_factor(full.model(corner.P, atol=corner.error), OMEGA)
        error = full.contains(corner.P, atol=corner.error).error
        assert np.abs(W @ W.conj().swapaxes(1, 2) - Phi).max() <= 10 * error * gain**2


@quarter
@given(covariance_data(max_states=4))
def test_they_are_ordered_as_their_subspaces(drawn):
    full = faurre_set(drawn.system)
    corners = {corner.flipped: corner for corner in extremals(full)}
    for flipped, corner in corners.items():
        for more, other in corners.items():
            if set(flipped) <= set(more):
                level = corner.error + other.error + 1e-14 * np.linalg.norm(other.P)
                assert np.linalg.eigvalsh(other.P - corner.P).min(initial=0.0) >= -level


def test_their_zeros_are_where_they_should_be():
    """Against the zeros of the model as a system: 0.5 or 2, -0.25 or -4, and a complex pair or its reciprocal."""
    a, b = np.exp(0.7j) * 0.8, np.exp(-0.7j) * 0.8
    coefficients = np.poly([0.5, -0.25, a, b]).real
    # the covariances of a moving average: Lambda_k = sum_j h(j+k) h(j)
    L = np.correlate(coefficients, coefficients, "full")[4:]
    full = faurre_set(CovarianceModel(A=np.eye(4, k=1), C=np.eye(1, 4), G=L[1:, None], Lambda0=[[L[0]]]))
    assert len(extremals(full)) == 8
    for corner in extremals(full):
        model = full.model(corner.P, atol=corner.error)
        found = zeros(LinearSSM(model.A, model.B, model.C, model.D))
        assert np.allclose(np.poly(found), np.poly(corner.zeros), rtol=1e-9)
        outside = sum(len(zero_groups(full)[i]) for i in corner.flipped)
        assert (np.abs(found) > 1).sum() == outside


def test_a_zero_at_the_origin_goes_to_infinity():
    """White noise with a state that follows it: A - K C = 0 is singular, and so is D of the other corner."""
    full = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5 * 4 / 3]], Lambda0=[[4 / 3]]))
    low, high = extremals(full)
    assert abs(low.zeros[0]) < 1e-15
    assert abs(high.zeros[0]) > 1e15
    assert np.allclose(full.model(high.P).D, 0, atol=1e-7)
    assert np.allclose(state_covariance(full.model(high.P)), high.P, rtol=1e-12)


def test_a_subspace_that_is_not_invariant_leads_outside():
    """The control: between two corners of zeros 0.6 and -0.3 the same formula with V = their sum has no model."""
    L = np.correlate(np.poly([0.6, -0.3]), np.poly([0.6, -0.3]), "full")[2:]
    full = faurre_set(CovarianceModel(A=np.eye(2, k=1), C=[[1, 0]], G=L[1:, None], Lambda0=[[L[0]]]))
    assert [full.contains(corner.P, atol=corner.error).verdict for corner in extremals(full)] == ["boundary"] * 4
    groups, O = zero_groups(full), full.weight
    basis = np.linalg.eig(full.predictor)[1]
    for V, inside in ((basis[:, :1], True), (basis[:, 1:], True), (basis.sum(axis=1, keepdims=True), False)):
        P = full.P_minus + V @ np.linalg.solve(V.T @ O @ V, V.T)
        assert bool(full.contains((P + P.T) / 2, atol=1e-13)) == inside
    assert len(groups) == 2
    assert np.allclose(extremal(full, [0, 1]).P, full.P_plus, rtol=1e-12)
