"""From any P(0), with any A(t) and B(t): what happens has the joint covariance of a model that runs backward.

Ab(t) = P(t) A(t)' inv(P(t+1)) on the range of P(t+1), which x(t+1) never leaves: neither A(t) nor P(t) need have an
inverse.  The backward model starts from x(T) with covariance P(T).

Lindquist and Picci, *Linear Stochastic Systems*, Springer 2015.
"""

import numpy as np
import pytest
from hypothesis import given

from realization.stochastic import joint_covariance, reverse_varying, state_covariance
from realization.systems import (
    NAMED_STOCHASTIC,
    InitialState,
    TimeVaryingBackwardSSM,
    TimeVaryingStochasticSSM,
)
from realization.testing import time_varying_stochastic_systems

u, T = 2.0**-53, 6


def repeated(model, steps=T):
    return TimeVaryingStochasticSSM(*(np.repeat(X[None], steps, axis=0) for X in (model.A, model.B, model.C, model.D)))


def centred(start):
    return InitialState(np.zeros_like(start.mean), start.covariance)


def off(model, start, backward=None):
    """The largest difference of the two joint covariances, in units of the largest variance."""
    back, end = backward or reverse_varying(model, start)
    F = joint_covariance(model, initial=start)
    return np.abs(joint_covariance(back, initial=end) - F).max(initial=0.0) / max(np.abs(F).max(initial=0.0), 1e-300)


@given(time_varying_stochastic_systems())
def test_any_start_any_steps(drawn):
    start = centred(*drawn.structure)
    assert off(drawn.system, start) <= 100 * max(len(start.mean), 1) * u * drawn.condition


@pytest.mark.parametrize("name", NAMED_STOCHASTIC)
@pytest.mark.parametrize("size", [0.0, 1.0, 1e6])
def test_named_processes_from_a_start_that_is_not_stationary(name, size):
    """Unstable ones and those with a silent state too; the process then varies though the matrices do not."""
    model = NAMED_STOCHASTIC[name].make()
    units = np.maximum(np.abs(model.B).max(axis=1, initial=0.0), np.abs(model.A @ model.B).max(axis=1, initial=0.0))
    start = InitialState(np.zeros(len(units)), size * np.diag(units**2))
    assert off(repeated(model), start) < 1e-9


def test_a_known_state_is_never_doubted():
    """P(0) = 0: x(0) = 0 x(1) + 0 v(0), exactly."""
    model = repeated(NAMED_STOCHASTIC["noisy_oscillator"].make())
    back, _ = reverse_varying(model, InitialState.known([0, 0]))
    assert not back.A[0].any()
    assert not back.B[0].any()
    assert np.abs(back.A[1]).max() > 0.1


def test_fails_for_the_stationary_model_backward():
    """A, B, C, D do not vary, and yet the model backward does as long as P(t) does; the stationary one is wrong."""
    model = NAMED_STOCHASTIC["noisy_oscillator"].make()
    P = state_covariance(model)
    far, right = InitialState(np.zeros(2), 100 * P), InitialState(np.zeros(2), P)
    stationary, _ = reverse_varying(repeated(model), right)
    assert np.abs(stationary.A - stationary.A[0]).max() < 1e-14
    end = reverse_varying(repeated(model), far).start
    assert off(repeated(model), far, (stationary, end)) > 0.01
    assert off(repeated(model), far) < 1e-14
    assert off(repeated(model), right, (stationary, right)) < 1e-14


def test_fails_without_the_noise_of_the_reversal():
    model = repeated(NAMED_STOCHASTIC["noisy_oscillator"].make())
    start = InitialState(np.zeros(2), np.eye(2))
    back, end = reverse_varying(model, start)
    silent = TimeVaryingBackwardSSM(back.A, 0 * back.B, back.C, back.D)
    assert off(model, start, (silent, end)) > 0.01
