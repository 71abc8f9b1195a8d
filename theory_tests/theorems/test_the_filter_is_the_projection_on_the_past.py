"""x(t|t-1) = E[x(t) | y(0) ... y(t-1)], P(t) the covariance of the rest, and the innovations are white (Kalman 1960).

The projection is made at once: states and outputs are linear in the noise and the start, x(t) = X(t) e, y(t) = Y(t) e
with e white, so E[x(t) | past] = X(t) pinv(past) past.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from realization.stochastic import kalman_filter
from realization.systems import StochasticSSM
from realization.systems.stochastic import InitialState, TimeVaryingStochasticSSM

T = 6


def draw(seed, n, p, *, varying, missing=0.3):
    """A model whose noise is correlated, a start, and outputs of which some are missing."""
    rng = np.random.default_rng(seed)
    m, lead = n + p, (T,) if varying else ()
    A, B, C = (rng.standard_normal((*lead, *shape)) for shape in ((n, n), (n, m), (p, n)))
    A = 0.9 * A / np.maximum(np.linalg.norm(A, 2, axis=(-2, -1), keepdims=True), 1e-300)
    D = rng.standard_normal((*lead, p, m)) / 4
    D[..., :, n:] += np.eye(p)
    model = (TimeVaryingStochasticSSM if varying else StochasticSSM)(A, B, C, D)
    y = rng.standard_normal((T, p))
    y[rng.random(y.shape) < missing] = np.nan
    return model, InitialState(rng.standard_normal(n), np.eye(n)), y


def maps(model):
    """X(t) (n, N) for t = 0 ... T and Y(t) (p, N), the rows of states and outputs in terms of x(0) - mean and w."""
    at = [X if X.ndim == 3 else np.broadcast_to(X, (T, *X.shape)) for X in (model.A, model.B, model.C, model.D)]
    n, m = at[1].shape[1:]
    X, Y = [np.eye(n, n + T * m)], []
    for t, (A, B, C, D) in enumerate(zip(*at, strict=True)):
        W = np.eye(m, n + T * m, n + t * m)
        Y.append(C @ X[-1] + D @ W)
        X.append(A @ X[-1] + B @ W)
    return X, Y


def means(model, start):
    """E x(t) and E y(t)."""
    at = [X if X.ndim == 3 else np.broadcast_to(X, (T, *X.shape)) for X in (model.A, model.C)]
    x, y = [start.mean], []
    for A, C in zip(*at, strict=True):
        y.append(C @ x[-1])
        x.append(A @ x[-1])
    return x, y


def projections(model, start, y, lag=0):
    """E[x(t) | y(0) ... y(t-1+lag)] and the covariance of the rest, for all t that have so many outputs."""
    X, Y = maps(model)
    mean_x, mean_y = means(model, start)
    seen = ~np.isnan(y)
    for t in range(T + 1 - lag):
        past = np.concatenate([Y[s][seen[s]] for s in range(t + lag)] + [np.zeros((0, X[0].shape[1]))])
        values = np.concatenate([(y[s] - mean_y[s])[seen[s]] for s in range(t + lag)] + [np.zeros(0)])
        gain = X[t] @ np.linalg.pinv(past)
        rest = X[t] - gain @ past
        yield mean_x[t] + gain @ values, rest @ rest.T, np.linalg.cond(past) if len(past) else 1.0


models = {"n": st.integers(0, 4), "p": st.integers(1, 3), "varying": st.booleans(), "seed": st.integers(0, 2**32 - 1)}


@given(**models)
def test_predicted_and_filtered_states_are_projections(n, p, varying, seed):
    """On the outputs before t and up to t; |A| < 1 and all entries are of size 1."""
    model, start, y = draw(seed, n, p, varying=varying)
    run = kalman_filter(model, y, initial=start)
    size = 1 + np.abs(np.nan_to_num(y)).max() + np.abs(run.predicted).max(initial=0.0)
    for x, P, lag in (
        (run.predicted, run.predicted_covariance, 0),
        (run.filtered, run.filtered_covariance, 1),
    ):
        for t, (mean, covariance, condition) in enumerate(projections(model, start, y, lag)):
            assume(condition < 1e4)
            # a projection by least squares errs by the condition, squared where it leaves something over, times the
            # size of the sums, T (n + p) terms; so do the gains of the filter, by inv(F) in each step
            bound = 100 * T * (n + p) ** 2 * 2.0**-53 * condition**2 * size
            assert np.abs(x[t] - mean).max(initial=0.0) <= bound
            assert np.abs(P[t] - covariance).max(initial=0.0) <= bound


@given(**models)
def test_innovations_are_white(n, p, varying, seed):
    """As functions of the noise: v(t) v(s)' = 0 for s < t and F for s = t, without outputs drawn; none is missing."""
    model, start, y = draw(seed, n, p, varying=varying, missing=0.0)
    X, Y = maps(model)
    start = InitialState(np.zeros(n), start.covariance)
    unit = np.concatenate(Y).T.reshape(-1, T, p)  # sequence i: the outputs to the i-th unit of noise
    run = kalman_filter(model, unit, initial=start)
    v = run.innovations.reshape(len(unit), T * p)
    G = (v.T @ v).reshape(T, p, T, p)
    bound = 100 * T * (n + p) ** 2 * 2.0**-53 * (1 + np.abs(unit).max()) ** 2 * np.linalg.cond(np.concatenate(Y)) ** 2
    for t in range(T):
        for s in range(T):
            F = run.innovation_covariance[t] if s == t else np.zeros((p, p))
            assert np.abs(G[t, :, s] - F).max() <= bound


def test_a_filter_that_forgets_the_correlation_is_no_projection():
    """The control: with B D' left out the gain is that of another model."""
    model, start, y = draw(0, 3, 2, varying=False, missing=0.0)
    B, D = np.zeros((3, 10)), np.zeros((2, 10))
    B[:, :5], D[:, 5:] = model.B, model.D
    other = kalman_filter(StochasticSSM(model.A, B, model.C, D), y, initial=start)
    mean, covariance, _ = list(projections(model, start, y))[-1]
    assert np.abs(other.predicted[-1] - mean).max() > 0.05
    assert np.abs(other.predicted_covariance[-1] - covariance).max() > 0.05
    right = kalman_filter(model, y, initial=start)
    assert right.predicted[-1] == pytest.approx(mean, abs=1e-12)
