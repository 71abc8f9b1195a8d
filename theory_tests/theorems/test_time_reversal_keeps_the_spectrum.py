"""The model backward forgets at the same rates: its matrix is A' in z, and P A' inv(P) in x.

Reversal is not inversion of the dynamics, x(t) = inv(A) x(t+1) - ..., whose eigenvalues are the reciprocals.
Where P(t) varies the eigenvalues of the steps do too.

Lindquist and Picci, "On the stochastic realization problem", SIAM J. Control Optim. 17 (1979), 365-389.
"""

import numpy as np
import pytest
from hypothesis import given

from realization.stochastic import reverse, reversed_step, state_factor
from realization.systems import NAMED_CONTINUOUS_STOCHASTIC, NAMED_STOCHASTIC
from realization.testing import covariance_condition, stochastic_systems

u = 2.0**-53
regular = {"stable", "reachable"}
NAMED = [name for name, entry in NAMED_STOCHASTIC.items() if regular <= entry.traits]


def in_x(model):
    """Ab of x(t) = Ab x(t+1) + ..., found without the transpose, in the coordinates inv(L) x, and A there."""
    L = state_factor(model)
    step = reversed_step(model.A, model.B, model.C, model.D, L)
    return np.linalg.solve(L, step.A @ L), np.linalg.solve(L, model.A @ L)


@pytest.mark.parametrize("name", NAMED)
def test_named_processes(name):
    """Characteristic polynomials: what coefficients lose is eps times that of a matrix of norm 1."""
    model = NAMED_STOCHASTIC[name].make()
    Ab, A = in_x(model)
    bound = 100 * max(len(A), 1) * u * covariance_condition(model)
    assert np.abs(Ab - A.T).max(initial=0.0) < bound
    assert not len(A) or np.abs(np.poly(Ab) - np.poly(model.A)).max() < 2 ** len(A) * bound
    assert np.array_equal(reverse(model).A, model.A.T)


@given(stochastic_systems())
def test_random_processes(drawn):
    Ab, A = in_x(drawn.system)
    assert np.abs(Ab - A.T).max(initial=0.0) < 100 * max(len(A), 1) * u * drawn.condition


def test_in_continuous_time_too():
    for entry in NAMED_CONTINUOUS_STOCHASTIC.values():
        if regular <= entry.traits:
            model = entry.make()
            assert np.array_equal(reverse(model).A, model.A.T)


def test_fails_for_the_inverse_of_the_dynamics():
    """And where A has none, as for a moving average, there is a model backward all the same."""
    A = NAMED_STOCHASTIC["noisy_oscillator"].make().A
    assert np.abs(np.linalg.eigvals(np.linalg.inv(A))).min() > 1
    ma = NAMED_STOCHASTIC["ma"].make()
    assert np.linalg.matrix_rank(ma.A) < len(ma.A)
    assert not np.linalg.matrix_power(reverse(ma).A, len(ma.A)).any()


def test_fails_where_the_state_is_not_stationary():
    """From 100 P a step back contracts more than it should: the next state has forgotten part of the surplus."""
    model = NAMED_STOCHASTIC["noisy_oscillator"].make()
    L = state_factor(model)
    step = reversed_step(model.A, model.B, model.C, model.D, 10 * L)
    assert np.abs(np.linalg.eigvals(step.A)).max() > np.abs(np.linalg.eigvals(model.A)).max() + 0.05
