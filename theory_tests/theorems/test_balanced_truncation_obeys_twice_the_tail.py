"""Balanced truncation errs by at most twice the sum of the Hankel singular values that it drops, at any frequency.

    s_(r+1)  <=  |G - G_r|  <=  2 (s_(r+1) + ... + s_n)

The lower bound holds for every system of order r (Adamjan, Arov and Krein).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import balanced_truncation
from realization.linalg import hankel_singular_values
from realization.systems import ContinuousSSM, LinearSSM, evaluate, subsystem
from realization.systems.families import random_stable


def largest(one, other, points):
    """Largest 2-norm of the difference over points, a lower bound of the H-infinity norm that is close to it."""
    return np.linalg.norm(evaluate(one, points) - evaluate(other, points), 2, axis=(1, 2)).max()


CIRCLE = np.exp(1j * np.linspace(0, np.pi, 201))


@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 3), st.integers(1, 3))
def test_in_discrete_time(seed, n, m, p):
    """For every order at once; 1e-9 of the size is rounding and what 201 points miss of the lower bound."""
    system = random_stable(n, m, p, radius=0.9, rng=seed)
    S = hankel_singular_values(system.A, system.B, system.C)
    for r in range(int((1e-8 * S[0] < S).sum())):
        small = balanced_truncation(system, r)
        error = largest(system, small.system, CIRCLE)
        assert error <= 2 * S[r:].sum() + 1e-9 * S[0]
        assert error >= 0.9 * S[r]
        assert small.bound == pytest.approx(2 * S[r:].sum())
        assert np.abs(np.linalg.eigvals(small.system.A)).max(initial=0) < 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_in_continuous_time(seed, n):
    """On the imaginary axis, of a system with random stable A."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A -= (np.linalg.eigvals(A).real.max() + 0.2) * np.eye(n)
    system = ContinuousSSM(A, rng.standard_normal((n, 2)), rng.standard_normal((1, n)), np.zeros((1, 2)))
    axis = 1j * np.concatenate([[0], np.geomspace(1e-3, 1e3, 200)])
    for r in range(n):
        small = balanced_truncation(system, r)
        if small.decisions[0].values[r] > 1e-8 * small.decisions[0].values[0]:
            assert largest(system, small.system, axis) <= small.bound + 1e-9 * small.size


def test_the_bound_is_reached():
    """One pole dropped from 1/(z - a): the error is G(1) = 1/(1 - a), and 2 s_1 = 2/(1 - a^2): equal as a -> 1."""
    ratios = []
    for a in (0.0, 0.9, 0.999):
        small = balanced_truncation(LinearSSM([[a]], [[1]], [[1]], [[0]]), 0)
        assert small.residual == pytest.approx(1 / (1 - a))
        assert small.bound == pytest.approx(2 / (1 - a**2))
        ratios.append(small.residual / small.bound)
    np.testing.assert_allclose(ratios, [0.5, 0.95, 0.9995])


def test_states_that_are_not_balanced_disobey():
    """The control: dropping the last states in the coordinates given errs by more than the bound, and often."""
    worse = 0
    for seed in range(50):
        system = random_stable(4, 1, 1, condition=10, rng=seed)
        S = hankel_singular_values(system.A, system.B, system.C)
        error = largest(system, subsystem(system, states=[0, 1]), CIRCLE)
        worse += error > 2 * S[2:].sum()
    assert worse > 25
