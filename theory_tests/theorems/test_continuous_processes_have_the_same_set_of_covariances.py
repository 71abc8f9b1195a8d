"""In continuous time: P_- <= P <= P_+, p noises at the corners, Kalman-Bucy error P - P_-, two extreme factors.

M(P) = [-A P - P A', G - P C'; ., R] (Anderson 1973; Lindquist and Picci 1979).  The map s = a (z - 1) / (z + 1)
leaves the set as it is: a discrete process has the same P.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.linalg import continuous_lyapunov, continuous_riccati
from realization.stochastic import (
    ContinuousCovarianceModel,
    continuous_backward_innovations_model,
    continuous_covariance_model,
    continuous_faurre_set,
    continuous_innovations_model,
    continuous_maximum_phase_model,
    continuous_spectral_density,
    extremals,
    faurre_set,
    reverse,
)
from realization.stochastic.continuous_covariance import cayley_covariances
from realization.systems.stochastic import ContinuousStochasticSSM

quarter = settings(max_examples=max(10, settings().max_examples // 4))
sizes = st.tuples(st.integers(0, 4), st.integers(1, 3))
seeds = st.integers(0, 2**32 - 1)
OMEGA = np.array([0.0, 0.1, 0.5, 1.0, 3.0, 30.0])


def draw(seed, n, p):
    """A model with n + p noises, A dissipative with rates from 0.3 on."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((2, n, n))
    A = X - X.T - Y @ Y.T / max(n, 1) - 0.3 * np.eye(n)
    noise = rng.standard_normal((n + p, n + p)) + np.eye(n + p)
    return ContinuousStochasticSSM(A, noise[:n], rng.standard_normal((p, n)), noise[n:])


def level(model, full):
    """1e-13 of what M(P) is made of, times what the solution of the equation multiplies it with."""
    size = 1 + np.linalg.norm(model.A) + np.linalg.norm(model.C)
    P = np.linalg.norm(full.P_minus) + np.linalg.norm(full.data.R) + np.linalg.norm(full.data.G)
    return 1e-13 * size**2 * P * np.linalg.cond(full.data.R) + 10 * full.error


@quarter
@given(seeds, sizes)
def test_order_and_ranks(seed, size):
    model = draw(seed, *size)
    P = continuous_lyapunov(model.A, model.B @ model.B.T).X
    full, (n, p) = continuous_faurre_set(model), size
    assert full.contains(P)
    assert np.abs(full.noise_matrix(P) - model.noise_covariance).max() <= level(model, full) * (1 + np.linalg.norm(P))
    assert np.linalg.eigvalsh(P - full.P_minus).min(initial=0.0) >= -level(model, full)
    if n and np.linalg.cond(P) < 1e6:
        dual = np.linalg.inv(P) - full.Pbar_minus
        assert np.linalg.eigvalsh((dual + dual.T) / 2).min() >= -1e-9 * np.linalg.norm(np.linalg.inv(P))
    if n and full.on_boundary == 0 and np.linalg.cond(full.weight) < 1e8:
        for corner in extremals(full):
            rank = full.noise_factor(corner.P, atol=corner.error).rank
            assert not rank.decided or rank.choice == p
        assert np.allclose(corner.P, full.P_plus, rtol=1e-6, atol=1e-6 * np.linalg.norm(corner.P))


@quarter
@given(seeds, sizes)
def test_the_error_of_kalman_and_bucy_is_p_less_the_smallest(seed, size):
    model, (n, _) = draw(seed, *size), size
    P, full, noise = (
        continuous_lyapunov(model.A, model.B @ model.B.T).X,
        continuous_faurre_set(model),
        model.noise_covariance,
    )
    found = continuous_riccati(model.A.T, model.C.T, noise[:n, :n], noise[n:, n:], noise[:n, n:])
    error = level(model, full) * (1 + np.linalg.norm(P)) * (1 + np.linalg.norm(full.weight)) if n else 0.0
    assert np.abs(found.X - (P - full.P_minus)).max(initial=0.0) <= error


def factor(model, sign):
    """W at the frequencies; of a backward model at -s."""
    s = sign * 1j * OMEGA[:, None, None]
    return model.C @ np.linalg.solve(s * np.eye(len(model.A)) - model.A, model.B.astype(complex)[None]) + model.D


@quarter
@given(seeds, sizes)
def test_the_extreme_factors_have_the_spectrum(seed, size):
    """Zeros at -conj; W_+ divides by inv(P_+) once."""
    model = draw(seed, *size)
    full, (n, _) = continuous_faurre_set(model), size
    Phi, s = continuous_spectral_density(model, OMEGA), 1j * OMEGA[:, None, None]
    root = np.linalg.cond(full.Pbar_minus) if n else 1.0
    back = continuous_backward_innovations_model(full)
    for found, sign, loss in (
        (continuous_innovations_model(full), 1, 1.0),
        (ContinuousStochasticSSM(back.A, -back.B, back.C, back.D), -1, 1.0),
        (continuous_maximum_phase_model(full), 1, root),
    ):
        W = factor(found, sign)
        gain = (1 + np.linalg.norm(found.C @ np.linalg.inv(s * np.eye(n) - found.A), axis=(1, 2)).max()) ** 2
        error = (level(model, full) + 10 * full.error_bar) * gain * (1 + np.linalg.norm(full.Pbar_minus))
        assert W.shape[2] == len(found.C)
        assert np.abs(W @ W.conj().swapaxes(1, 2) - Phi).max() <= error * loss
    if n and np.linalg.cond(np.linalg.eig(full.predictor)[1]) < 1e3:
        flipped = -full.zeros_plus.conj()
        assert max(np.abs(flipped - z).min() for z in full.zeros) <= 1e-9 * np.abs(full.zeros).max() * (
            1 + np.linalg.norm(full.Pbar_minus)
        )


@quarter
@given(seeds, sizes)
def test_the_maximum_phase_model_is_the_backward_innovations_reversed(seed, size):
    """Its state covariance is P_+, and reversed in time it has the noise of the backward innovations."""
    full = continuous_faurre_set(draw(seed, *size))
    model, back = continuous_maximum_phase_model(full), continuous_backward_innovations_model(full)
    k = np.linalg.cond(full.Pbar_minus) if size[0] else 1.0
    if k > 1e6:
        return
    P = continuous_lyapunov(model.A, model.B @ model.B.T).X
    error = 1e-13 * k**2 + 1e3 * k * full.error_bar * np.linalg.norm(full.P_plus)
    assert np.abs(P - full.P_plus).max(initial=0.0) <= error * np.linalg.norm(full.P_plus)
    again = reverse(model).noise_covariance
    assert np.abs(again - back.noise_covariance).max() <= error * k * (1 + np.linalg.norm(back.noise_covariance))


@quarter
@given(seeds, sizes)
def test_a_discrete_process_has_the_same_set(seed, size):
    model = draw(seed, *size)
    full = continuous_faurre_set(model)
    other = faurre_set(cayley_covariances(full.data)[0])
    assert np.abs(full.P_minus - other.P_minus).max(initial=0.0) <= level(model, full) + 10 * other.error
    bar = 1e-11 * (1 + np.linalg.norm(full.Pbar_minus)) ** 2 + 10 * (full.error_bar + other.error_bar)
    assert np.abs(full.Pbar_minus - other.Pbar_minus).max(initial=0.0) <= bar


def test_by_hand():
    """A = -1, C = R = 1, G = 1/2: 2P = (1/2 - P)^2 has the roots (3 -+ sqrt(8)) / 2, and P = 1 has two noises."""
    full = continuous_faurre_set(ContinuousCovarianceModel(A=[[-1]], C=[[1]], G=[[0.5]], R=[[1]]))
    assert np.allclose([full.P_minus.item(), full.P_plus.item()], [(3 - 8**0.5) / 2, (3 + 8**0.5) / 2], rtol=1e-14)
    assert np.allclose([full.zeros.item(), full.zeros_plus.item()], [-(2**0.5), 2**0.5], rtol=1e-14)
    model = full.model([[1.0]])
    assert model.B.shape == (1, 2)
    assert np.isclose(continuous_covariance_model(model).G.item(), 0.5, rtol=1e-14)


def test_without_enough_noise_there_is_none():
    """The control: G = -1 with R = 1 has Phi(0) = 1 - 2; and no noise of its own at an output is refused."""
    with pytest.raises(StructureError, match=r"smallest eigenvalue -1 .* at frequency 0.*no process"):
        continuous_faurre_set(ContinuousCovarianceModel(A=[[-1]], C=[[1]], G=[[-1]], R=[[1]]))
    with pytest.raises(StructureError, match="R has smallest singular value 0"):
        continuous_faurre_set(ContinuousCovarianceModel(A=[[-1]], C=[[1]], G=[[1]], R=[[0]]))
    with pytest.raises(StructureError, match="spectral abscissa 0, need < 0"):
        continuous_faurre_set(ContinuousCovarianceModel(A=[[0]], C=[[1]], G=[[1]], R=[[1]]))
