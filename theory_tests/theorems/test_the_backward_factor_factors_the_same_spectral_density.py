"""Phi = W W* = Wb Wb*, with W(z) = C inv(zI - A) B + D and Wb(z) = Cb inv(I/z - A') Bb + Db.

W is analytic outside the circle, Wb inside.

In continuous time Wb(s) = G' inv(sI + A') inv(P) B + D with the backward model's matrices, G = P C' + B D'.

Lindquist and Picci, *Linear Stochastic Systems*, Springer 2015.
"""

import numpy as np
import pytest
from hypothesis import given

from realization.stochastic import reverse, spectral_density
from realization.systems import NAMED_CONTINUOUS_STOCHASTIC, NAMED_STOCHASTIC
from realization.testing import covariance_condition, stochastic_systems

u = 2.0**-53
regular = {"stable", "reachable"}
NAMED = [name for name, entry in NAMED_STOCHASTIC.items() if regular <= entry.traits]
CONTINUOUS = [name for name, entry in NAMED_CONTINUOUS_STOCHASTIC.items() if regular <= entry.traits]
OMEGA = np.linspace(0, np.pi, 40)


def factor(points, A, B, C, D):
    """C inv(zI - A) B + D at each z."""
    return np.stack([C @ np.linalg.solve(z * np.eye(len(A)) - A, B) + D for z in points])


def squared(W):
    return W @ W.conj().swapaxes(1, 2)


def off(Phi, other):
    return np.abs(Phi - other).max() / np.abs(Phi).max()


@pytest.mark.parametrize("name", NAMED)
def test_named_processes(name):
    model = NAMED_STOCHASTIC[name].make()
    back, z = reverse(model), np.exp(1j * OMEGA)
    forward = squared(factor(z, model.A, model.B, model.C, model.D))
    bound = 1000 * max(len(model.A), 1) * u * covariance_condition(model)
    assert off(forward, squared(factor(1 / z, back.A, back.B, back.C, back.D))) < bound
    assert off(forward, spectral_density(model, OMEGA)) < bound


@given(stochastic_systems())
def test_random_processes(drawn):
    model, z = drawn.system, np.exp(1j * OMEGA)
    back = reverse(model)
    Wb = factor(1 / z, back.A, back.B, back.C, back.D)
    # the distance to the circle and the basis enter through the resolvent: its square, 400 at radius 0.95, times cond
    bound = 100 * max(len(model.A), 1) * u * 400 * covariance_condition(model)
    assert off(spectral_density(model, OMEGA), squared(Wb)) < bound


@pytest.mark.parametrize("name", CONTINUOUS)
def test_named_processes_in_continuous_time(name):
    model = NAMED_CONTINUOUS_STOCHASTIC[name].make()
    back, s = reverse(model), 1j * np.append(0, np.geomspace(1e-2, 1e3, 40))
    forward = squared(factor(s, model.A, model.B, model.C, model.D))
    # dz = -A z dt run backward: poles of -A, in the right half-plane
    W = factor(s, -back.A, back.B, back.C, back.D)
    assert off(forward, squared(W)) < 1000 * len(model.A) * u * covariance_condition(model)
    # the control: with the other sign of time D and the state add up wrongly
    wrong = squared(factor(s, back.A, back.B, back.C, back.D))
    assert name not in ("chase",) or off(forward, wrong) > 0.1


@pytest.mark.parametrize("name", ["follower", "smallest_model", "largest_model"])
def test_fails_without_the_reversal_of_time(name):
    """At z instead of 1/z it is the density of the process played backward, Phi': Phi for scalars only."""
    model = NAMED_STOCHASTIC[name].make()
    back, z = reverse(model), np.exp(1j * OMEGA)
    Phi = spectral_density(model, OMEGA)
    wrong = squared(factor(z, back.A, back.B, back.C, back.D))
    assert off(Phi, wrong) > 0.01
    assert off(Phi.swapaxes(1, 2), wrong) < 1e-13
    scalar = NAMED_STOCHASTIC["arma"].make()
    back = reverse(scalar)
    assert off(spectral_density(scalar, OMEGA), squared(factor(z, back.A, back.B, back.C, back.D))) < 1e-13
