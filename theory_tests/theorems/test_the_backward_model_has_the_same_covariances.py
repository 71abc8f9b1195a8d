"""E y(t+k) y(t)' read off the backward model is C A^(k-1) G: A' and Cb exchange their roles with A and C.

z(t) = inv(P) x(t+1) has the covariance Pb = inv(P), which solves the backward Lyapunov equation, and the backward
model has the data of the dual: A', Cb = G', and E z(t-1) y(t)' = A' Pb Cb' + Bb Db' = C'.

Lindquist and Picci, "On the stochastic realization problem", SIAM J. Control Optim. 17 (1979), 365-389.
"""

import numpy as np
import pytest
from hypothesis import given

from realization.stochastic import autocovariances, covariance_model, reverse, state_covariance
from realization.systems import NAMED_STOCHASTIC, StochasticSSM
from realization.testing import covariance_condition, stochastic_systems

u, LAGS = 2.0**-53, 6
NAMED = [name for name, entry in NAMED_STOCHASTIC.items() if {"stable", "reachable"} <= entry.traits]


def backward_covariances(back, lags):
    """E y(t-k) y(t)' by the recursion of z into the past, transposed: E y(t) y(t-k)'."""
    A, B, C, D = back.A, back.B, back.C, back.D
    Pb = state_covariance(back)
    found, X = [C @ Pb @ C.T + D @ D.T], A @ Pb @ C.T + B @ D.T
    for _ in range(lags):
        found.append((C @ X).T)
        X = A @ X
    return np.stack(found)


def off(model, back):
    """Largest difference in standard deviations of y, in units of n u cond(P)."""
    L = autocovariances(model, LAGS)
    sd = np.sqrt(np.diag(L[0]))
    difference = np.abs((backward_covariances(back, LAGS) - L) / sd[:, None] / sd).max(initial=0.0)
    return difference / (max(len(model.A), 1) * u * covariance_condition(model))


@pytest.mark.parametrize("name", NAMED)
def test_named_processes(name):
    model = NAMED_STOCHASTIC[name].make()
    assert off(model, reverse(model)) < 100


@given(stochastic_systems())
def test_random_processes(drawn):
    assert off(drawn.system, reverse(drawn.system)) < 100


@given(stochastic_systems())
def test_autocovariances_of_a_backward_model_are_those_of_the_process(drawn):
    """By its dual data, against the recursion of z into the past; both are E y(t+k) y(t)', none transposed."""
    back = reverse(drawn.system)
    found, wanted = autocovariances(back, LAGS), backward_covariances(back, LAGS)
    sd = np.sqrt(np.diag(wanted[0]))
    bound = 100 * max(len(back.A), 1) * u * covariance_condition(drawn.system)
    assert np.abs((found - wanted) / sd[:, None] / sd).max() <= bound


@given(stochastic_systems())
def test_its_state_has_the_inverse_covariance_and_its_data_are_the_dual(drawn):
    """inv(P) = A' inv(P) A + Bb Bb',  C' = A' inv(P) Cb' + Bb Db',  each term in units of P's inner product."""
    model, back = drawn.system, reverse(drawn.system)
    bound = 100 * max(len(model.A), 1) * u * covariance_condition(model)
    data, L = covariance_model(model), np.linalg.cholesky(state_covariance(model))
    assert np.abs(L.T @ state_covariance(back) @ L - np.eye(len(L))).max(initial=0.0) <= bound
    again = covariance_model(StochasticSSM(back.A, back.B, back.C, back.D))
    sd = np.sqrt(np.diag(data.Lambda0))
    assert np.abs(L.T @ (again.G - data.C.T) / sd).max(initial=0.0) <= bound
    assert np.abs((again.C - data.G.T) @ np.linalg.inv(L).T / sd[:, None]).max(initial=0.0) <= bound
    assert np.abs((again.Lambda0 - data.Lambda0) / sd[:, None] / sd).max() <= bound


@pytest.mark.parametrize("name", ["follower", "smallest_model", "largest_model"])
def test_fails_for_another_read_out(name):
    """C P instead of Cb = C P A' + D B': the output read from z as if no step lay between."""
    model = NAMED_STOCHASTIC[name].make()
    back = reverse(model)
    other = type(back)(back.A, back.B, model.C @ state_covariance(model), back.D)
    assert off(model, other) > 1e9
