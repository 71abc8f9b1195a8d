"""The steady error of the Kalman predictor is P - P_- in ANY model of a process, the gain that of all (Faurre 1976).

At each step already: what i outputs leave of the state is P - P(i), P(i) from 0 by Faurre's recursion.  So the
filter is the smallest realization, and the innovations model is the one that leaves no error.
"""

import numpy as np
from hypothesis import given, settings

from realization.linalg import discrete_riccati
from realization.stochastic import faurre_set, innovations_model, state_covariance, transient_covariances
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def filtered(model, steps):
    """E (x - xhat)(.)' and gains, given 0, 1, ... outputs: the filter's own recursion, from Sigma = P."""
    A, C, n = model.A, model.C, len(model.A)
    Q, S, R = (model.noise_covariance[s] for s in (np.s_[:n, :n], np.s_[:n, n:], np.s_[n:, n:]))
    Sigma, gains = [state_covariance(model)], []
    for _ in range(steps):
        E = Sigma[-1]
        K = np.linalg.solve(C @ E @ C.T + R, (A @ E @ C.T + S).T).T
        E = A @ E @ A.T + Q - K @ (A @ E @ C.T + S).T
        Sigma.append((E + E.T) / 2)
        gains.append(K)
    return np.stack(Sigma), gains


def level(drawn, full):
    """Rounding in what a step computes; what the filter forgets, 1 / (1 - radius of F), sums it up."""
    P = state_covariance(drawn.structure[0])
    kept = 1 - np.abs(full.zeros).max(initial=0.0) ** 2
    size = (np.linalg.norm(P) + np.linalg.norm(drawn.system.Lambda0)) * (1 + np.linalg.norm(full.K)) ** 2
    return 20 * (1 + len(P)) * 2.0**-53 * drawn.condition * size / kept + full.error


@quarter
@given(covariance_data())
def test_in_the_steady_state(drawn):
    """Against the filter's Riccati equation, which is another one: Q, S, R of the model instead of 0, G, Lambda0."""
    model, full, n = drawn.structure[0], faurre_set(drawn.system), len(drawn.system.A)
    P, noise = state_covariance(model), model.noise_covariance
    found = discrete_riccati(model.A.T, model.C.T, noise[:n, :n], noise[n:, n:], noise[:n, n:])
    assert np.abs(found.X - (P - full.P_minus)).max(initial=0.0) <= level(drawn, full)
    assert np.abs(found.gain.T - full.K).max(initial=0.0) <= level(drawn, full) * (
        1 + np.linalg.norm(np.linalg.inv(full.R))
    )
    assert np.abs(found.weight - full.R).max() <= level(drawn, full) * (1 + np.linalg.norm(model.C)) ** 2


@quarter
@given(covariance_data())
def test_at_every_step(drawn):
    full, steps = faurre_set(drawn.system), 12
    Sigma, _ = filtered(drawn.structure[0], steps)
    expected = state_covariance(drawn.structure[0]) - transient_covariances(drawn.system, steps)
    assert np.abs(Sigma - expected).max(initial=0.0) <= level(drawn, full)


@quarter
@given(covariance_data(max_states=3))
def test_after_a_long_run(drawn):
    """Until the slowest zero has been forgotten."""
    full = faurre_set(drawn.system)
    radius = np.abs(full.zeros).max(initial=0.0)
    if radius > 0.9:
        return
    Sigma, _ = filtered(drawn.structure[0], 180)  # .9^360 = 3e-17
    error = Sigma[-1] - (state_covariance(drawn.structure[0]) - full.P_minus)
    assert np.abs(error).max(initial=0.0) <= level(drawn, full)


@quarter
@given(covariance_data(min_states=1))
def test_the_innovations_model_leaves_none_and_others_leave_some(drawn):
    """The control: in one and the same process the error depends on the model, the gain does not."""
    full = faurre_set(drawn.system)
    errors = []
    for model in (innovations_model(full).as_stochastic(), drawn.structure[0]):
        Sigma, gains = filtered(model, 40)
        errors.append(np.linalg.norm(Sigma[-1]))
    assert errors[0] <= np.linalg.norm(full.P_minus) * np.abs(full.zeros).max() ** 20 + level(drawn, full)
    expected = np.linalg.norm(state_covariance(drawn.structure[0]) - full.P_minus)
    assert errors[1] >= 0.5 * expected - level(drawn, full)
