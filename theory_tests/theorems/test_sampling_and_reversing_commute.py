"""Reverse a continuous model and look at it every h, or look first and reverse then: the same model.

So the exact kernel by which a diffusion runs backward over a step of any length is the reversal of the step of Van
Loan's (A_d, Q_d): x(t) = P A_d' inv(P+) x(t+h) + noise.  This holds from any P(t), not from the stationary one alone.

Van Loan, "Computing integrals involving the matrix exponential", IEEE Trans. Automat. Control 23 (1978), 395-404;
Anderson, "Reverse-time diffusion equation models", Stochastic Processes and their Applications 12 (1982), 313-326.
"""

import numpy as np
import pytest
import scipy.linalg

from realization.stochastic import in_steps, reverse, reversed_step, state_covariance, state_factor
from realization.systems import NAMED_CONTINUOUS_STOCHASTIC, BackwardSSM, StochasticSSM
from realization.testing import covariance_condition

u = 2.0**-53
NAMED = [name for name, entry in NAMED_CONTINUOUS_STOCHASTIC.items() if {"stable", "reachable"} <= entry.traits]
steps = pytest.mark.parametrize("h", [0.01, 0.5, 20.0])


def off(one, other):
    """Largest difference in A, C and in the noise, in standard deviations of z and y."""
    P = state_covariance(one)
    z, y = np.sqrt(np.diag(P)), np.sqrt(np.diag(one.C @ P @ one.C.T + one.D @ one.D.T))
    sd = np.concatenate([z, y])
    noise = np.abs((other.noise_covariance - one.noise_covariance) / sd[:, None] / sd).max()
    A, C = (other.A - one.A) / z[:, None] * z, (other.C - one.C) / y[:, None] * z
    return max(noise, np.abs(A).max(), np.abs(C).max())


@steps
@pytest.mark.parametrize("name", NAMED)
def test_named_processes(name, h):
    """Rounding of h A is summed up over the memory of the process, 1 / (1 - radius^2) steps."""
    model = NAMED_CONTINUOUS_STOCHASTIC[name].make()
    one, other = in_steps(reverse(model), h), reverse(in_steps(model, h))
    summed = max(1.0, h * np.linalg.norm(model.A, 2)) / (1 - np.abs(np.linalg.eigvals(one.A)).max() ** 2)
    assert off(one, other) < 100 * len(model.A) * u * covariance_condition(model) * summed


@pytest.mark.parametrize("name", ["chase", "damped_resonator"])
def test_fails_for_a_step_of_euler(name):
    """First order in h: x(t) = x(t+h) - h (drift backward) + sqrt(h) noise is not the reversal of a step forward."""
    model = NAMED_CONTINUOUS_STOCHASTIC[name].make()
    back, errors = reverse(model), []
    for h in (0.1, 0.05):
        I, F = np.eye(len(model.A)), np.vstack([back.B, -back.D]) * np.sqrt(h)
        euler = BackwardSSM(I + h * back.A, F[: len(I)], h * back.C, F[len(I) :])
        errors.append(off(in_steps(back, h), euler))
    assert errors[0] > 1e-3
    assert errors[1] < errors[0]


@steps
@pytest.mark.parametrize("name", [*NAMED, "integrated_ornstein_uhlenbeck"])
def test_the_kernel_of_a_step_from_any_covariance(name, h):
    """Against Joseph's form with P formed, Qb = (I - Ab A) P (I - Ab A)' + Ab Q Ab', and against P - Ab P+ Ab'."""
    model = NAMED_CONTINUOUS_STOCHASTIC[name].make()
    step, n = in_steps(model, h), len(model.A)
    L = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0] * np.linspace(1, 0.5, n)
    back, A, P, Q = reversed_step(step.A, step.B, step.C, step.D, L), step.A, L @ L.T, step.B @ step.B.T
    Pn = A @ P @ A.T + Q
    Ab = np.linalg.solve(Pn, A @ P).T
    joseph = (np.eye(n) - Ab @ A) @ P @ (np.eye(n) - Ab @ A).T + Ab @ Q @ Ab.T
    bound = 100 * n * u * np.linalg.cond(Pn) * max(1.0, np.abs(A).max() ** 2)
    assert np.abs(back.A - Ab).max() <= bound
    assert np.abs(back.B @ back.B.T - joseph).max() <= bound
    assert np.abs(back.B @ back.B.T - (P - Ab @ Pn @ Ab.T)).max() <= bound
    assert np.abs(back.L @ back.L.T - Pn).max() <= bound


def test_the_step_is_the_exponential_where_there_is_no_noise():
    """The exponential of -A, as a deterministic system runs backward; noise makes it P A' inv(P+) instead."""
    A = np.array([[0.0, 1.0], [-1.0, -0.3]])
    Ad = scipy.linalg.expm(A)
    none = np.zeros((2, 0))
    still = reversed_step(Ad, none, np.eye(2), none, np.eye(2))
    assert np.abs(still.A - scipy.linalg.expm(-A)).max() < 1e-15
    noisy = reversed_step(Ad, np.eye(2), np.eye(2), np.zeros((2, 2)), np.eye(2))
    assert np.abs(noisy.A - scipy.linalg.expm(-A)).max() > 0.3, "the control"


def test_the_covariance_of_the_steps_is_that_of_the_process():
    model = NAMED_CONTINUOUS_STOCHASTIC["chase"].make()
    L, step = state_factor(model), in_steps(model, 0.3)
    assert np.abs(state_covariance(StochasticSSM(step.A, step.B, step.C, step.D)) - L @ L.T).max() < 1e-14
