"""y(t) = C x(t) + D w(t) holds on every path, and is no backward output equation: D w(t) is correlated with x(t+1).

A model backward needs noise uncorrelated with the state that it starts from.  E D w(t) x(t+1)' = D B', so the old
read-out serves if and only if D B' = 0; then Cb inv(P) = C Ab.  Otherwise y(t) is read from x(t+1) with
Cb inv(P), Cb = C P A' + D B'.

Lindquist and Picci, *Linear Stochastic Systems*, Springer 2015.
"""

import numpy as np
import pytest
from hypothesis import given

from realization.stochastic import joint_covariance, reverse, reversed_step, state_factor
from realization.systems import NAMED_STOCHASTIC, BackwardSSM, StochasticSSM
from realization.testing import covariance_condition, in_deviations, stochastic_systems

u, T = 2.0**-53, 4
MODELS = {name: e.make() for name, e in NAMED_STOCHASTIC.items() if {"stable", "reachable"} <= e.traits}
NAMED = [name for name, model in MODELS.items() if model.A.size]
CORRELATED = [name for name in NAMED if (MODELS[name].D @ MODELS[name].B.T).any()]


def with_the_old_read_out(model):
    """x(t) = Ab x(t+1) + Bb v(t), y(t) = C x(t) + D w(t), v and w taken for independent of each other and of x(t+1).

    In z = inv(P) x(t+1): y = C P A' z + [C P Bb, D] (v, w).
    """
    L = state_factor(model)
    back = reverse(model)
    P = L @ L.T
    m = model.D.shape[1]
    B = np.hstack([back.B, np.zeros((len(P), m))])
    return BackwardSSM(back.A, B, model.C @ P @ model.A.T, np.hstack([model.C @ P @ back.B, model.D]))


def off(model, other):
    return in_deviations(joint_covariance(other, T), joint_covariance(model, T))


@pytest.mark.parametrize("name", NAMED)
def test_it_serves_if_and_only_if_the_noises_are_uncorrelated(name):
    model = MODELS[name]
    wrong = off(model, with_the_old_read_out(model))
    bound = 100 * len(model.A) * u * covariance_condition(model)
    assert wrong > 0.01 if name in CORRELATED else wrong < bound


def test_both_kinds_are_among_the_named_ones():
    assert {"ar", "smallest_model", "maximum_phase"} <= set(CORRELATED)
    assert {"noisy_oscillator", "near_unit_root"} <= set(NAMED) - set(CORRELATED)


@given(stochastic_systems(min_states=1))
def test_the_right_read_out_differs_by_the_correlation(drawn):
    """Cb inv(P) = C Ab + D B' inv(P), from the step in x that knows neither formula."""
    model = drawn.system
    L = state_factor(model)
    step = reversed_step(model.A, model.B, model.C, model.D, L)
    y = np.linalg.norm(np.hstack([model.C @ L, model.D]), axis=1)[:, None]
    left, right = step.C @ L, model.C @ step.A @ L + np.linalg.solve(L, model.B @ model.D.T).T
    assert np.abs((left - right) / y).max() < 100 * len(L) * u * drawn.condition


@given(stochastic_systems())
def test_and_all_is_well_once_the_correlation_is_taken_away(drawn):
    """The control to the control: the same systems with noises of their own for state and output."""
    A, B, C, D = (getattr(drawn.system, X) for X in "ABCD")
    model = StochasticSSM(A, np.hstack([B, 0 * B]), C, np.hstack([0 * D, D]))
    assert off(model, with_the_old_read_out(model)) < 100 * max(len(A), 1) * u * covariance_condition(model)
