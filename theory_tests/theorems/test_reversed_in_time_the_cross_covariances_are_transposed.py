"""E y(t) y(t+k)' = Lambda(k)': what a scalar autocorrelation cannot see, the lag-1 cross-covariances of two outputs do.

A path played backward has the transposed covariances; synthesis forward in time, from the same data, has not, and
the backward model run backward gives back the original.
"""

import numpy as np
import pytest
from hypothesis import given

from realization.stochastic import autocovariances, covariance_model, joint_covariance, reverse, sample
from realization.systems import NAMED_STOCHASTIC, StochasticSSM
from realization.testing import covariance_condition, stochastic_systems

u, T = 2.0**-53, 4
NAMED = [name for name, entry in NAMED_STOCHASTIC.items() if {"stable", "reachable"} <= entry.traits]
DIRECTED = [name for name in NAMED if "symmetric" not in NAMED_STOCHASTIC[name].traits and name != "shared_noise"]


def as_if_forward(back):
    """The backward model, its time read forward: the model of the path played backward."""
    return StochasticSSM(back.A, back.B, back.C, back.D)


def off(one, other, scale):
    return np.abs(one - other).max() / np.abs(scale[0]).max()


@pytest.mark.parametrize("name", NAMED)
def test_named_processes(name):
    model = NAMED_STOCHASTIC[name].make()
    L, played = autocovariances(model, T), autocovariances(as_if_forward(reverse(model)), T)
    assert off(played, L.swapaxes(1, 2), L) < 100 * max(len(model.A), 1) * u * covariance_condition(model)
    assert np.array_equal(covariance_model(model).dual.C, covariance_model(model).G.T)


@given(stochastic_systems())
def test_random_processes(drawn):
    model = drawn.system
    L, played = autocovariances(model, T), autocovariances(as_if_forward(reverse(model)), T)
    assert off(played, L.swapaxes(1, 2), L) < 100 * max(len(model.A), 1) * u * covariance_condition(model)


@pytest.mark.parametrize("name", DIRECTED)
def test_fails_for_synthesis_forward_in_time(name):
    """Lambda(1) is not symmetric, and forward synthesis is wrong by what it lacks."""
    model = NAMED_STOCHASTIC[name].make()
    L = autocovariances(model, T)
    assert off(L, L.swapaxes(1, 2), L) > 0.01
    back = joint_covariance(reverse(model), T)[-T * len(model.C) :, -T * len(model.C) :]
    p = len(model.C)
    assert np.abs(back[p : 2 * p, :p] - L[1]).max() < 1e-12 * np.abs(L).max(), "the backward model is run backward"


def test_one_output_cannot_tell():
    """Each of the two has a symmetric autocovariance: y1 alone, and y2 alone."""
    L = autocovariances(NAMED_STOCHASTIC["follower"].make(), T)
    assert np.array_equal(L[:, 0, 0], L.swapaxes(1, 2)[:, 0, 0])
    assert L[1, 1, 0] - L[1, 0, 1] > 0.5, "the control: the two together can"


def test_a_path_shows_it():
    """Lag-1 cross-covariances of 100 000 steps, both ways: within five standard errors, 0.05."""
    model = NAMED_STOCHASTIC["follower"].make()
    truth = autocovariances(model, 1)[1]
    assert np.abs(truth - truth.T).max() > 0.5
    for drawn in (model, reverse(model)):
        y = sample(drawn, 100_000, rng=1).y
        forward, played = (z[1:].T @ z[:-1] / len(z) for z in (y, y[::-1]))
        assert np.abs(forward - truth).max() < 0.05
        assert np.abs(played - truth.T).max() < 0.05
