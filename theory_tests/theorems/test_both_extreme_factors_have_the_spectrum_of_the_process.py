"""Phi(z) = W(z) W(1/z)' for W_- (zeros inside), W_+ (outside), and the backward innovations (Youla 1961).

The zeros of W_+ are the reciprocals of those of W_-.  They come out of the backward loop A' - Kb G' to rounding;
out of P_+ they do not, and that is the control.
"""

import numpy as np
from hypothesis import given, settings

from realization.stochastic import (
    CovarianceModel,
    backward_innovations_model,
    faurre_set,
    innovations_model,
    maximum_phase_model,
    spectral_density,
    spectral_factor,
    state_covariance,
)
from realization.systems import LinearSSM, zeros
from realization.testing import covariance_data

OMEGA = np.linspace(0, np.pi, 9)
quarter = settings(max_examples=max(10, settings().max_examples // 4))


def unmatched(z, others):
    """Largest distance of a number to its partner, each taken once, nearest first."""
    others, worst = list(others), 0.0
    for each in sorted(z, key=abs):
        i = int(np.argmin([abs(each - other) for other in others]))
        worst = max(worst, abs(each - others.pop(i)))
    return worst


def gain(data):
    """Of M(P) in Phi = [Z I] M(P) [Z I]*, and the size of what M(P) is computed from."""
    A, C = data.A, data.C
    Z = C @ np.linalg.inv(np.exp(1j * OMEGA)[:, None, None] * np.eye(len(A)) - A)
    return (1 + np.linalg.norm(Z, axis=(1, 2)).max()) ** 2


@quarter
@given(covariance_data())
def test_forward_backward_and_maximum_phase(drawn):
    full, Phi, n = faurre_set(drawn.system), spectral_density(drawn.system, OMEGA), len(drawn.system.A)
    low = full.contains(full.P_minus, atol=full.error).error * gain(drawn.system)
    dual = faurre_set(drawn.system.dual)
    back = dual.contains(dual.P_minus, atol=dual.error).error * gain(drawn.system.dual)
    # W_+ divides by L once, L L' = inv(P_+)
    root = np.sqrt(np.linalg.cond(full.Pbar_minus)) if n else 1.0
    high = root * (back + 1e-15 * np.linalg.norm(Phi))
    for model, level in (
        (innovations_model(full), low),
        (backward_innovations_model(full), back),
        (maximum_phase_model(full), high),
    ):
        W = spectral_factor(model, OMEGA)
        assert W.shape[2] == len(drawn.system.C)
        assert np.abs(W @ W.conj().swapaxes(1, 2) - Phi).max() <= level


@quarter
@given(covariance_data(min_states=1))
def test_the_maximum_phase_model_has_the_largest_covariance(drawn):
    full = faurre_set(drawn.system)
    P = state_covariance(maximum_phase_model(full))
    known = full.error_bar * np.linalg.norm(full.P_plus, 2) + 1e-14 * np.linalg.cond(full.Pbar_minus)
    radius = np.abs(np.linalg.eigvals(drawn.system.A)).max()
    assert np.abs(P - full.P_plus).max() <= 100 * known * np.linalg.norm(P, 2) / (1 - radius**2)


def moving_average(roots):
    """Covariances of white noise through the polynomial with these roots."""
    h, n = np.poly(roots).real, len(roots)
    L = np.correlate(h, h, "full")[n:]
    return CovarianceModel(A=np.eye(n, k=1), C=np.eye(1, n), G=L[1:, None], Lambda0=[[L[0]]])


def test_the_zeros_are_reciprocal():
    """Against the roots that were put in, 1.25 of them already outside, and the zeros of the models as systems."""
    roots = [0.5, -1.25, 0.3 + 0.4j, 0.3 - 0.4j]
    full = faurre_set(moving_average(roots))
    inside = [z if abs(z) < 1 else 1 / z for z in roots]
    assert unmatched(full.zeros, inside) < 1e-13
    assert unmatched(full.zeros_plus, 1 / np.conj(inside)) < 1e-12
    forward, high = innovations_model(full).as_stochastic(), maximum_phase_model(full)
    for model, expected in ((forward, inside), (high, 1 / np.conj(inside))):
        assert unmatched(zeros(LinearSSM(model.A, model.B, model.C, model.D)), expected) < 1e-11


def from_p_plus(full):
    """Zeros of W_+ by the formula of W_-, K = (G - A P C') inv(Lambda0 - C P C') at P = P_+."""
    n, M = len(full.data.A), full.noise_matrix(full.P_plus)
    return np.linalg.eigvals(full.data.A - np.linalg.solve(M[n:, n:], M[n:, :n]).T @ full.data.C)


def test_p_plus_loses_the_zeros_that_the_backward_loop_keeps():
    """The control.  Zeros 0.002 ... 0.5, so that R = Lambda0 - C P_+ C' is a small difference of large numbers."""
    roots = np.array([0.5, 0.05, 0.005, 0.002])
    full = faurre_set(moving_average(roots))
    kept = unmatched(1 / full.zeros_plus, roots)
    lost = unmatched(1 / from_p_plus(full), roots)
    assert kept < 1e-13
    assert lost > 1e-7  # 1e-4 where this was written
