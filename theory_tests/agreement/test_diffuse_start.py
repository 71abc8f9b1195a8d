"""A start of which nothing is known, exactly: against least squares with a flat prior, a large variance, statsmodels.

y = O b + e,  V = cov e,  b without prior:   b = inv(O'inv(V)O) O'inv(V) y
-2 log L = N log 2 pi + log det V + log det O'inv(V)O + (y - O b)' inv(V) (y - O b)
"""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.stochastic import kalman_filter, step
from realization.systems import StochasticSSM
from realization.systems.stochastic import InitialState, TimeVaryingStochasticSSM

seeds = st.integers(0, 2**32 - 1)
LEVEL = StochasticSSM.from_noise([[1]], [[1]], [[1469.1]], [[15099.0]])
TREND = StochasticSSM.from_noise([[1, 1], [0, 1]], [[1, 0]], np.diag([0.5, 0.1]), [[1]])


def two_outputs():
    """Two outputs of an unknown level, of correlated noise: F_inf is singular at once; and a state that decays."""
    A = np.diag([1.0, 0.5])
    B = np.array([[1.0, 0, 0, 0], [0, 1, 0.3, 0]])
    return StochasticSSM(A, B, [[1, 1], [2, -1]], [[0.2, 0, 1, 0], [0, 0.1, 0.5, 1]])


def draw(n, p, d, T, seed):
    """Correlated noise, d unknown directions, gaps; A singular for even seeds."""
    rng = np.random.default_rng(seed)
    A, B, C = (rng.standard_normal(shape) for shape in ((n, n), (n, n + p), (p, n)))
    A /= np.linalg.norm(A, 2)
    if seed % 2 == 0:
        A[:, 0] = 0.0
    D = np.concatenate([rng.standard_normal((p, n)) / 4, np.eye(p)], axis=1)
    W, y = rng.standard_normal((n, d)), rng.standard_normal((T, p))
    y[rng.random(y.shape) < 0.25] = np.nan
    return StochasticSSM(A, B, C, D), InitialState(rng.standard_normal(n), np.eye(n) / 2, W @ W.T), y


def regression(model, start, y, W):
    """Outputs that are seen as Y noise + O b + (y - e), and the last state as X noise + (unknown) b + mean."""
    (n, m), T = model.B.shape, len(y)
    X = [np.concatenate([np.sqrt(start.covariance), np.zeros((n, T * m))], axis=1)]
    rows, unknown, mean, O, centre = [], W, start.mean, [], []
    for t in range(T):
        noise = np.eye(m, n + T * m, n + t * m)
        seen = ~np.isnan(y[t])
        rows.append((model.C @ X[-1] + model.D @ noise)[seen])
        O.append((model.C @ unknown)[seen])
        centre.append((y[t] - model.C @ mean)[seen])
        X.append(model.A @ X[-1] + model.B @ noise)
        unknown, mean = model.A @ unknown, model.A @ mean
    return np.concatenate(rows), np.concatenate(O), np.concatenate(centre), X[-1], unknown, mean


def least_squares(model, start, y, W):
    """The last prediction, its covariance, the likelihood, and the condition of what was solved."""
    Y, O, e, X, unknown, mean = regression(model, start, y, W)
    V = Y @ Y.T
    weighted = np.linalg.solve(V, O)
    H = O.T @ weighted
    b = np.linalg.solve(H, weighted.T @ e)
    gain = np.linalg.solve(V, Y @ X.T).T
    left = unknown - gain @ O
    x = mean + unknown @ b + gain @ (e - O @ b)
    P = X @ X.T - gain @ V @ gain.T + left @ np.linalg.solve(H, left.T)
    r = e - O @ b
    ll = -0.5 * (
        len(e) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + np.linalg.slogdet(H)[1] + r @ np.linalg.solve(V, r)
    )
    shown = max(1.0, np.linalg.norm(W, 2) / np.linalg.svd(O, compute_uv=False)[-1])
    return x, P, ll, np.linalg.cond(V) * np.linalg.cond(H) * shown


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), seeds)
def test_it_is_least_squares_with_a_flat_prior(n, p, d, seed):
    """Partly unknown, several outputs at once, noise correlated, outputs missing; the likelihood counts det H."""
    d, T = min(n, d), 9
    model, start, y = draw(n, p, d, T, seed)
    W = np.linalg.eigh(start.diffuse)[1][:, n - d :] * np.sqrt(np.linalg.eigvalsh(start.diffuse)[n - d :])
    *_, O = regression(model, start, y, W)[:2]
    assume(len(O) >= d and np.linalg.cond(O) < 1e3)
    x, P, ll, condition = least_squares(model, start, y, W)
    assume(condition < 1e7)
    run = kalman_filter(model, y, initial=start)
    # both lose the condition of V and of H, and what the outputs show of W; with a digit for the sizes of the terms
    tolerance = 100 * (n + p) * 2.0**-53 * condition * (1 + np.nanmax(np.abs(y)) ** 2)
    assert run.state.diffuse.shape[1] == 0
    assert np.abs(run.state.mean - x).max() <= tolerance * (1 + np.abs(x).max())
    assert np.abs(run.state.covariance - P).max() <= tolerance * (1 + np.abs(P).max())
    assert abs(run.log_likelihood - ll) <= tolerance * (1 + abs(ll))
    assert 0 < run.diffuse_steps <= T
    assert run.diffuse_covariance[0] == pytest.approx(start.diffuse, abs=1e-12)
    assert run.diffuse_covariance[-1].any()
    known = kalman_filter(model, y, initial=InitialState(start.mean, start.covariance + start.diffuse))
    assert abs(known.log_likelihood - ll) > tolerance


def test_it_is_the_limit_of_a_large_variance():
    """k = 1e40 in 120 digits: log L + (d/2) log k for a trend, two steps of two outputs."""
    for model, d in ((TREND, 2), (two_outputs(), 2), (LEVEL, 1)):
        n, p, T = len(model.A), len(model.C), 4
        y = np.random.default_rng(0).standard_normal((T, p))
        Y, O, e, *_ = regression(model, InitialState(np.zeros(n), np.zeros((n, n))), y, np.eye(n))
        with mpmath.workdps(120):
            k = mpmath.mpf(10) ** 40
            O, V = mpmath.matrix(O.tolist()), mpmath.matrix((Y @ Y.T).tolist())
            V, e = V + k * O * O.T, mpmath.matrix(e.tolist())
            density = T * p * mpmath.log(2 * mpmath.pi) + mpmath.log(mpmath.det(V)) + (e.T * mpmath.lu_solve(V, e))[0]
            limit = float(-density / 2 + d * mpmath.log(k) / 2)
        found = kalman_filter(model, y, initial=InitialState.unknown(n)).log_likelihood
        assert found == pytest.approx(limit, rel=1e-12)
        large = kalman_filter(model, y, initial=InitialState(np.zeros(n), 1e6 * np.eye(n))).log_likelihood
        assert large + d / 2 * np.log(1e6) != pytest.approx(limit, rel=1e-8)


@pytest.mark.real("statsmodels")
@pytest.mark.parametrize("name", ["level", "trend", "two outputs", "partly"])
@pytest.mark.parametrize("gap", [False, True])
def test_statsmodels_says_the_same(name, gap):
    """Its exact diffuse filter: likelihood of each step, states and covariances, number of diffuse steps."""
    from statsmodels.tsa.statespace.initialization import Initialization
    from statsmodels.tsa.statespace.kalman_filter import KalmanFilter

    model = {"level": LEVEL, "trend": TREND}.get(name) or two_outputs()
    Q, R = model.B @ model.B.T, model.D @ model.D.T
    model = StochasticSSM.from_noise(model.A, model.C, Q, R)
    n, p = len(model.A), len(model.C)
    y = 10 * np.random.default_rng(1).standard_normal((20, p))
    if gap:
        y[1] = y[3:5, 0] = np.nan
    peer = KalmanFilter(k_endog=p, k_states=n, k_posdef=n, tolerance=0)
    peer["transition"], peer["design"], peer["selection"] = model.A, model.C, np.eye(n)
    peer["state_cov"], peer["obs_cov"] = Q, R
    peer.bind(np.array(y, order="C"))
    start = InitialState.unknown(n)
    initialization = Initialization(n, "diffuse")
    if name == "partly":
        start = InitialState(np.zeros(n), np.diag([0.0, 2.0]), np.diag([1.0, 0.0]))
        initialization = Initialization(n)
        initialization.set(0, "diffuse")
        initialization.set(1, "known", constant=[0.0], stationary_cov=[[2.0]])
    peer.initialize(initialization)
    other, run = peer.filter(), kalman_filter(model, y, initial=start)
    known = run.diffuse_steps
    assert known == other.nobs_diffuse
    assert run.log_likelihoods == pytest.approx(other.llf_obs, rel=1e-12, abs=1e-12)
    assert run.predicted == pytest.approx(other.predicted_state.T, rel=1e-12, abs=1e-12)
    assert run.predicted_covariance == pytest.approx(
        np.moveaxis(other.predicted_state_cov, -1, 0), rel=1e-11, abs=1e-12
    )
    infinite = np.moveaxis(other.predicted_diffuse_state_cov, -1, 0)
    assert run.diffuse_covariance == pytest.approx(infinite[:known], abs=1e-12)
    assert kalman_filter(model, 1.0001 * y, initial=start).log_likelihood != pytest.approx(other.llf, rel=1e-12)


@given(st.integers(1, 4), st.integers(1, 3), seeds)
def test_a_model_that_varies_starts_as_one_that_does_not(n, p, seed):
    """Equal matrices in all steps are the invariant model; one step that differs is seen."""
    T = 8
    model, start, y = draw(n, p, n, T, seed)
    matrices = [np.tile(X, (T, 1, 1)) for X in (model.A, model.B, model.C, model.D)]
    one, other = (kalman_filter(m, y, initial=start) for m in (model, TimeVaryingStochasticSSM(*matrices)))
    assert other.diffuse_steps == one.diffuse_steps
    # the same operations up to what no output shows, whose gain is zero in both
    size = 1 + np.abs(one.predicted).max()
    assert np.abs(other.predicted - one.predicted).max() <= 1e-12 * size
    assert np.abs(other.diffuse_covariance - one.diffuse_covariance).max() <= 1e-12 * np.abs(start.diffuse).max()
    matrices[0][0] += np.eye(n) / 2
    changed = kalman_filter(TimeVaryingStochasticSSM(*matrices), y, initial=start)
    assert np.abs(changed.predicted[1] - one.predicted[1]).max() > 1e-12 * size


def test_what_no_output_shows_stays_unknown():
    """A level that is not read: its direction is reported, the rest is filtered as if it were not there."""
    A = np.diag([1.0, 0.5])
    model = StochasticSSM.from_noise(A, [[0, 1]], np.eye(2), [[1]])
    y = np.random.default_rng(0).standard_normal((30, 1))
    run = kalman_filter(model, y, initial=InitialState.unknown(2))
    assert run.diffuse_steps == 30
    assert np.array_equal(run.state.diffuse @ run.state.diffuse.T, np.diag([1.0, 0.0]))
    small = StochasticSSM.from_noise([[0.5]], [[1]], [[1]], [[1]])
    alone = kalman_filter(small, y, initial=InitialState.unknown(1))
    assert run.log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-13)
    assert run.filtered[:, 1] == pytest.approx(alone.filtered[:, 0], rel=1e-12)
    assert run.diffuse_covariance[1:] == pytest.approx(np.broadcast_to(np.diag([1.0, 0.0]), (29, 2, 2)), abs=1e-15)
    state = InitialState.unknown(2)
    for t in range(30):
        state, one = step(model, state, y[t])
        assert np.array_equal(one.filtered[0], run.filtered[t])
        assert one.diffuse_steps == 1
    assert np.array_equal(state.diffuse, run.state.diffuse)


def test_what_no_output_shows_and_the_system_forgets():
    """Two delays that are not read, behind a level that is: known after two steps, seen or not."""
    A = np.zeros((3, 3))
    A[0, 0] = A[1, 2] = 1.0
    model = StochasticSSM.from_noise(A, [[1, 0, 0]], np.eye(3), [[1]])
    run = kalman_filter(model, np.ones((6, 1)), initial=InitialState.unknown(3))
    assert run.diffuse_steps == 2
    assert run.diffuse_covariance[1] == pytest.approx(np.diag([0.0, 1.0, 0.0]), abs=1e-15)
    assert run.state.covariance[1:, 1:] == pytest.approx(np.diag([2.0, 1.0]), abs=1e-15)
    seen = StochasticSSM.from_noise(A, [[1, 1, 0]], np.eye(3), [[1]])
    assert kalman_filter(seen, np.ones((6, 1)), initial=InitialState.unknown(3)).diffuse_steps == 3


def test_what_the_system_forgets_becomes_known_without_outputs():
    """A chain of three delays: after three steps nothing depends on the start."""
    model = StochasticSSM.from_noise(np.eye(3, k=1), [[1, 0, 0]], np.eye(3), [[1]])
    run = kalman_filter(model, np.full((5, 1), np.nan), initial=InitialState.unknown(3))
    assert run.diffuse_steps == 3
    assert run.state.covariance == pytest.approx(np.diag([3.0, 2.0, 1.0]), abs=1e-14)
    slow = StochasticSSM.from_noise(np.diag([0.5, 1]), [[1, 1]], np.eye(2), [[1]])
    run = kalman_filter(slow, np.full((200, 1), np.nan), initial=InitialState.unknown(2))
    assert run.diffuse_steps == 200  # what is divided by 2^200 is still unknown
    assert run.state.diffuse.shape == (2, 2)


def test_an_output_without_noise_of_an_unknown_state():
    """Exact readings: x(0) is known after one, and one that repeats it is refused with its number."""
    model = StochasticSSM.from_noise([[1]], [[1]], [[0]], [[0]])
    run = kalman_filter(model, [[3.0]], initial=InitialState.unknown(1))
    assert (run.state.mean[0], run.state.covariance[0, 0]) == (3.0, 0.0)
    with pytest.raises(StructureError, match=r"at step 1 has smallest eigenvalue 0 .*need > "):
        kalman_filter(model, [[3.0], [3.0]], initial=InitialState.unknown(1))
    twice = StochasticSSM.from_noise([[1]], [[1], [1]], [[0]], np.zeros((2, 2)))
    with pytest.raises(StructureError, match="innovation 1 of those seen at step 0 has variance 0 given the others"):
        kalman_filter(twice, [[3.0, 3.0]], initial=InitialState.unknown(1))


def test_outputs_that_tell_most_are_taken_first():
    """The first of two outputs shows 1e-4 of what is unknown: alone it leaves a variance of 1e8, the two together 1."""
    model = StochasticSSM.from_noise([[1, 0.5], [0.2, 0.5]], [[1e-4, 1], [1, 0.3]], np.eye(2), [[1, 0.5], [0.5, 1]])
    start, y = InitialState([0, 0], np.diag([0.0, 2.0]), np.diag([1.0, 0.0])), np.array([[1.0, -2.0]])
    x, P, ll, _ = least_squares(model, start, y, np.eye(2, 1))
    run = kalman_filter(model, y, initial=start)
    assert np.abs(run.state.mean - x).max() <= 1e-13
    assert np.abs(run.state.covariance - P).max() <= 1e-13
    assert run.log_likelihood == pytest.approx(ll, rel=1e-13)
    alone = kalman_filter(model, [[1.0, np.nan]], initial=start)
    assert np.abs(alone.filtered_covariance).max() > 1e8
