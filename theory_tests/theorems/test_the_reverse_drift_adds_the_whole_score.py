"""Backward, dx = (A + B B' inv(P)) x dt + B dv: the forward drift and the whole of the score -inv(P) x.

Stationary it is -P A' inv(P).  With half of the score and no noise (the probability flow), or with any share
(1 + s^2) / 2 of it and noise s B, each x(t) keeps its covariance P; what joins x(t) to x(t+h) is kept by the whole
score alone.  So a sampler is not judged by marginals.

Anderson, "Reverse-time diffusion equation models", Stochastic Processes and their Applications 12 (1982), 313-326.
"""

import numpy as np
import pytest

from realization.stochastic import in_steps, reverse, state_factor
from realization.systems import NAMED_CONTINUOUS_STOCHASTIC, ContinuousStochasticSSM
from realization.testing import covariance_condition, in_deviations

u = 2.0**-53
NAMED = [name for name, entry in NAMED_CONTINUOUS_STOCHASTIC.items() if {"stable", "reachable"} <= entry.traits]


def parts(name):
    """A, B and P of a process, P to full precision."""
    model = NAMED_CONTINUOUS_STOCHASTIC[name].make()
    L = state_factor(model)
    return model, model.A, model.B, L @ L.T


@pytest.mark.parametrize("name", NAMED)
def test_it_is_the_transpose_in_the_inner_product_of_the_covariance(name):
    """(A + B B' inv(P)) P = -P A', and the backward model of `reverse` says the same in z = inv(P) x."""
    model, A, B, P = parts(name)
    score = np.linalg.solve(P, B @ B.T).T
    bound = 10 * len(A) * u * covariance_condition(model) * np.abs(A).max() * np.abs(P).max()
    assert np.abs((A + score) @ P + P @ A.T).max() <= bound
    back = reverse(model)
    assert np.array_equal(back.A, A.T)
    assert np.abs(P @ back.B - B).max() <= bound
    # the control: without the score, or with half of it
    assert np.abs((A + score / 2) @ P + P @ A.T).max() > 0.1


def run_backward(name, share, h=1.0):
    """cov x(0) and E x(0) x(h)' after running backward over h from x(h), with noise `share`."""
    model, A, B, P = parts(name)
    drift = -(A + (1 + share**2) / 2 * np.linalg.solve(P, B @ B.T).T)
    none = np.zeros((0, len(A)))
    step = in_steps(ContinuousStochasticSSM(drift, share * B, none, np.zeros((0, B.shape[1]))), h)
    return step.A @ P @ step.A.T + step.B @ step.B.T, step.A @ P


@pytest.mark.parametrize("name", ["chase", "critically_damped_langevin", "damped_resonator", "ornstein_uhlenbeck"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, 1.7])
def test_every_share_keeps_the_marginals_and_one_keeps_the_law(name, share):
    """E x(0) x(h)' = P exp(h A)' for share 1; the others are off by 0.05 deviations^2 or more."""
    model, A, B, P = parts(name)
    marginal, joint = run_backward(name, share)
    right = P @ in_steps(model, 1.0).A.T
    sd = np.sqrt(np.diag(P))
    off = np.abs((joint - right) / sd[:, None] / sd).max()
    assert in_deviations(marginal, P) < 1e-12
    assert off < 1e-12 if share == 1.0 else off > 0.05
