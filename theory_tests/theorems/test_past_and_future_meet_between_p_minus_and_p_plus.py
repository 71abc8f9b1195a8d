"""Far from both ends the smoother of a stationary process is read off the two ends of Faurre's set.

    inv(V) = inv(P - P_-) + inv(P_+ - P),      V inv(P - P_-) x_- + V inv(P_+ - P) x_+ = E[x(t) | all y]

x_- = E[x(t) | past] has the covariance P_-, and x_+ = P_+ inv(P) E[x(t) | future, y(t) included] has P_+
(Lindquist and Picci 2015; Badawi, Lindquist and Pavon 1979).  At P = P_- the state is a function of the past:
nothing is left to smooth, and the formula has no first term.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realization.stochastic import (
    covariance_model,
    faurre_set,
    kalman_filter,
    rts_smoother,
    state_covariance,
    two_filter_smoother,
)
from realization.systems.stochastic import InnovationsSSM, StochasticSSM

U = 2.0**-53


def process(seed, n, p):
    """A stable model with noise in every state and output, and how many steps its predictor needs to forget."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A *= 0.8 / np.abs(np.linalg.eigvals(A)).max()
    model = StochasticSSM(A, *(rng.standard_normal(shape) for shape in ((n, n + p), (p, n), (p, n + p))))
    ends = faurre_set(covariance_model(model))
    rate = np.abs(np.linalg.eigvals(ends.predictor)).max()
    return model, ends, int(np.ceil(np.log(1e-18) / np.log(max(rate, 0.1)) / 2)) + 10 if rate < 0.7 else None


def inv(X):
    return np.linalg.solve(X, np.eye(len(X)))


# each example reverses a window of a hundred steps one by one: 0.05 s
@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 2))
def test_the_smoothed_covariance_lies_between_the_ends(seed, n, p):
    """In the middle of a window in which both filters have forgotten where they began.

    To 1000 n u k: P - P_- and P_+ - P lose |P| |inv(P - P_-)| and |P_+| |inv(P_+ - P)| by cancellation, P_+ its
    condition, as an inverse itself.
    """
    model, ends, half = process(seed, n, p)
    assume(half is not None and not ends.on_boundary)
    P = state_covariance(model)
    below, above = P - ends.P_minus, ends.P_plus - P
    lost = np.linalg.norm(inv(below)) * np.linalg.norm(P), np.linalg.norm(inv(above)) * np.linalg.norm(ends.P_plus)
    k = max(lost) * np.linalg.cond(ends.P_plus)
    assume(k < 1e8)
    y = np.random.default_rng(seed).standard_normal((2 * half, p))
    run = kalman_filter(model, y)
    smooth = rts_smoother(model, run)
    V = inv(inv(below) + inv(above))
    assert np.abs(smooth.covariances[half] - V).max() <= 1000 * n * U * k * np.abs(P).max()
    two = two_filter_smoother(model, y)
    x_plus = ends.P_plus @ np.linalg.solve(P, two.future[half])
    x = V @ (np.linalg.solve(below, two.past[half]) + np.linalg.solve(above, x_plus))
    size = np.abs(x_plus).max() + np.abs(two.past[half]).max()
    assert np.abs(smooth.means[half] - x).max() <= 1000 * n * U * k * size


def test_past_and_future_have_the_covariances_of_the_ends():
    """E x_- x_-' = P - Sf = P_- and E x_+ x_+' = P_+ inv(P) (P - Sb) inv(P) P_+ = P_+."""
    model, ends, half = process(11, 3, 2)
    P, two = state_covariance(model), two_filter_smoother(model, np.zeros((2 * half, 2)))
    assert np.abs(P - two.past_covariances[half] - ends.P_minus).max() < 1e-12 * np.abs(P).max()
    X = ends.P_plus @ inv(P)
    plus = X @ (P - two.future_covariances[half]) @ X.T
    assert np.abs(plus - ends.P_plus).max() < 1e-9 * np.abs(ends.P_plus).max()


def test_at_p_minus_the_state_belongs_to_the_past():
    """The control: the innovations model has P = P_-, its P - P_- is rounding, and so is the smoothed covariance."""
    model, ends, half = process(11, 3, 2)
    internal = InnovationsSSM(model.A, ends.K, model.C, ends.R)
    P = state_covariance(internal)
    assert np.abs(P - ends.P_minus).max() < 1e-12 * np.abs(P).max()
    y = np.random.default_rng(0).standard_normal((2 * half, 2))
    run = kalman_filter(internal, y)
    smooth = rts_smoother(internal, run)
    assert np.abs(smooth.covariances[half]).max() < 1e-12 * np.abs(P).max()
    assert np.abs(smooth.means[half] - run.predicted[half]).max() < 1e-9
    # what the formula would invert has no digit left
    assert np.linalg.norm(P - ends.P_minus) < 1e-12 * np.linalg.norm(P)


def test_with_the_ends_exchanged_the_formula_is_wrong():
    model, ends, half = process(11, 3, 2)
    P = state_covariance(model)
    V = rts_smoother(model, kalman_filter(model, np.zeros((2 * half, 2)))).covariances[half]
    once = inv(inv(P - ends.P_minus) + inv(ends.P_plus - P))
    wrong = inv(inv(P - ends.P_minus) + inv(P))
    assert np.abs(once - V).max() < 1e-9 < 1e-3 < np.abs(wrong - V).max()
    assert pytest.approx(once, abs=1e-9) == V
