"""E y(t+k) y(t)' = C A^(k-1) G for k > 0, with G = A P C' + B D' and P = A P A' + B B' (Akaike 1974; Faurre 1976).

Against the sum over the impulse response h of the model, E y(t+k) y(t)' = sum_j h(j+k) h(j)', which knows
neither P nor G.
"""

import numpy as np
from hypothesis import given, settings

from realization.stochastic import autocovariances, covariance_model, state_covariance
from realization.systems.stochastic import StochasticSSM
from realization.testing import stochastic_systems

LAGS, TERMS = 8, 400  # .95^800 = 2e-18
quarter = settings(max_examples=max(10, settings().max_examples // 4))


def from_the_impulse_response(model):
    h, X = [model.D], model.B
    for _ in range(TERMS + LAGS):
        h.append(model.C @ X)
        X = model.A @ X
    h = np.stack(h)
    return np.stack([np.einsum("jpm,jqm->pq", h[k : k + TERMS], h[:TERMS]) for k in range(LAGS + 1)])


@quarter
@given(stochastic_systems())
def test_they_are(drawn):
    expected = from_the_impulse_response(drawn.system)
    got = autocovariances(drawn.system, LAGS)
    # the terms of the sum are as large as their squares, each rounded 2n times; powers of A as the condition squared
    size = np.linalg.norm(expected[0]) * drawn.condition
    assert np.abs(got - expected).max() <= 100 * (1 + len(drawn.system.A)) * 2.0**-53 * size


@quarter
@given(stochastic_systems(min_states=1))
def test_they_are_the_covariances_of_state_and_output(drawn):
    """G = E x(t+1) y(t)' and P = E x x', through the impulse response of the state."""
    model, n = drawn.system, len(drawn.system.A)
    states = StochasticSSM(model.A, model.B, np.eye(n), np.zeros((n, model.B.shape[1])))
    P = from_the_impulse_response(states)[0]
    data = covariance_model(model)
    level = 100 * n * 2.0**-53 * np.linalg.norm(P) * drawn.condition
    assert np.abs(state_covariance(model) - P).max() <= level
    G = model.A @ P @ model.C.T + model.B @ model.D.T
    assert np.abs(data.G - G).max() <= level * (1 + np.linalg.norm(model.C))


def test_without_the_covariance_of_the_two_noises_they_are_not():
    """The control: G = A P C' alone holds where state and output have noises of their own, and nowhere else."""
    for D, same in (([[0, 1]], True), ([[1, 1]], False)):
        model = StochasticSSM(A=[[0.5]], B=[[1, 0]], C=[[1]], D=D)
        without = 0.5 * state_covariance(model).item()
        assert np.isclose(from_the_impulse_response(model)[1].item(), without, rtol=1e-14) == same
