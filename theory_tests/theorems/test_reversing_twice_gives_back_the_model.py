"""The model of the model of a process backward is the model that one began with, in another basis of the noise.

A comes back to the bit, for only transposed; C and the noise covariance [B; D] [B; D]' come back to c n u cond(P);
B and D themselves cannot, for any orthogonal change of the noise leaves the process as it is.
"""

import numpy as np
import pytest
from hypothesis import given

from realization.stochastic import reverse, reverse_varying, state_factor
from realization.systems import NAMED_CONTINUOUS_STOCHASTIC, NAMED_STOCHASTIC, InitialState
from realization.testing import covariance_condition, in_deviations, stochastic_systems, time_varying_stochastic_systems

u = 2.0**-53
ENTRIES = NAMED_STOCHASTIC | NAMED_CONTINUOUS_STOCHASTIC
NAMED = [name for name, entry in ENTRIES.items() if {"stable", "reachable"} <= entry.traits]


def scales(model):
    """Standard deviations of the states, and sizes of the output in standard deviations."""
    L = state_factor(model)
    return np.linalg.norm(L, axis=1), np.linalg.norm(np.hstack([model.C @ L, model.D]), axis=1)


def centred(start):
    return InitialState(np.zeros_like(start.mean), start.covariance)


def off(model, again):
    """Differences in C and in the noise covariance, in standard deviations, in units of n u cond(P)."""
    x, y = scales(model)
    sd = np.concatenate([x, y])
    C = np.abs((again.C - model.C) * x / y[:, None]).max(initial=0.0)
    noise = np.abs((again.noise_covariance - model.noise_covariance) / sd[:, None] / sd).max()
    return max(C, noise) / (max(len(model.A), 1) * u * covariance_condition(model))


@pytest.mark.parametrize("name", NAMED)
def test_named_processes(name):
    """Discrete and continuous: both kinds, and as many noises."""
    model = ENTRIES[name].make()
    again = reverse(reverse(model))
    assert type(again) is type(model)
    assert again.B.shape == model.B.shape
    assert np.array_equal(again.A, model.A)
    rate = max(1.0, np.abs(model.A).max(initial=0.0))  # of the noise of a continuous model: variance over time
    assert off(model, again) < 100 * rate


@given(stochastic_systems())
def test_random_processes(drawn):
    again = reverse(reverse(drawn.system))
    assert np.array_equal(again.A, drawn.system.A)
    assert off(drawn.system, again) < 100


@given(stochastic_systems(min_states=1))
def test_the_basis_of_the_noise_is_another_one(drawn):
    """[B; D] = [B2; D2] U with U orthogonal, which is in general not the identity."""
    model, again = drawn.system, reverse(reverse(drawn.system))
    F, F2 = np.vstack([model.B, model.D]), np.vstack([again.B, again.D])
    if np.linalg.matrix_rank(F) < F.shape[1]:
        return
    U = np.linalg.lstsq(F2, F)[0]
    s = np.linalg.svd(F, compute_uv=False)
    assert np.abs(U.T @ U - np.eye(len(U))).max() <= 1e-6 * (s[0] / s[-1]) ** 2


def test_and_the_noise_itself_does_not_come_back():
    """The control: without the orthogonal change the matrices differ by as much as they are large."""
    model = NAMED_STOCHASTIC["random_process"].make()
    back = reverse(model)
    assert np.abs(reverse(back).B - model.B).max() > 0.1
    assert np.abs(reverse(back).noise_covariance - model.noise_covariance).max() < 1e-13
    assert np.abs(back.noise_covariance - model.noise_covariance).max() > 0.1, "once is not twice"


@given(time_varying_stochastic_systems(singular=False))
def test_models_that_vary(drawn):
    """In x, where P(t) > 0: all matrices and the state at the start."""
    start = centred(*drawn.structure)
    back, end = reverse_varying(drawn.system, start)
    again, begin = reverse_varying(back, end)
    bound = 100 * max(len(start.mean), 1) * u * drawn.condition
    assert in_deviations(begin.covariance, start.covariance) <= bound
    size = max(1.0, np.abs(drawn.system.noise_covariance).max(initial=0.0))
    for X in ("A", "C", "noise_covariance"):
        difference = np.abs(getattr(again, X) - getattr(drawn.system, X)).max(initial=0.0)
        assert difference <= bound * max(size, np.abs(drawn.system.A).max(initial=0.0))


@given(time_varying_stochastic_systems())
def test_models_that_vary_where_the_state_is_partly_known(drawn):
    """A(t) P(t) comes back: across the range of P(t) there is nothing that A(t) could have acted on."""
    start = centred(*drawn.structure)
    back, end = reverse_varying(drawn.system, start)
    again, begin = reverse_varying(back, end)
    P = start.covariance
    bound = 1000 * max(len(P), 1) * u * drawn.condition
    assert np.abs(begin.covariance - P).max(initial=0.0) <= bound * max(1.0, np.abs(P).max(initial=0.0))
    for t in range(len(back.A)):
        A, B = drawn.system.A[t], drawn.system.B[t]
        size = max(1.0, np.abs(P).max(initial=0.0)) * max(1.0, np.abs(A).max(initial=0.0))
        assert np.abs((again.A[t] - A) @ P).max(initial=0.0) <= bound * size
        P = A @ P @ A.T + B @ B.T
