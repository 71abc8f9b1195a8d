"""The compiled filter against its definition in plain NumPy, the density of all outputs at once, and statsmodels.

Systems here have |A| = 0.9 and noise and outputs of size 1, so that errors of a step die out: what is left is that of
some ten steps, each of which solves with F.  LEVEL allows 1000 roundings of 2^-53 for that.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from realization._kernels import kalman as kernel
from realization.stochastic import kalman_filter, steady_state, step
from realization.systems import InnovationsSSM, StochasticSSM
from realization.systems.stochastic import InitialState, TimeVaryingStochasticSSM

LEVEL = 1000 * 2.0**-53
seeds = st.integers(0, 2**32 - 1)
MISSING = {
    "none": lambda shape, rng: np.zeros(shape, bool),
    "some": lambda shape, rng: rng.random(shape) < 0.3,
    "all": lambda shape, rng: np.ones(shape, bool),
    "first and last": lambda shape, rng: (
        np.isin(np.arange(shape[0]), (0, shape[0] - 1))[:, None] & np.ones(shape, bool)
    ),
    "one output": lambda shape, rng: (np.arange(shape[1]) == 0) & np.ones(shape, bool),
}


def draw(n, p, T, *, varying=False, missing="none", seed=0):
    """Noise of state and output are correlated."""
    rng = np.random.default_rng(seed)
    lead = (T,) if varying else ()
    A, B, C = (rng.standard_normal((*lead, *shape)) for shape in ((n, n), (n, n + p), (p, n)))
    A = 0.9 * A / np.maximum(np.linalg.norm(A, 2, axis=(-2, -1), keepdims=True), 1e-300)
    D = np.concatenate([rng.standard_normal((*lead, p, n)) / 4, np.broadcast_to(np.eye(p), (*lead, p, p))], axis=-1)
    y = rng.standard_normal((T, p))
    y[MISSING[missing](y.shape, rng)] = np.nan
    return (TimeVaryingStochasticSSM if varying else StochasticSSM)(A, B, C, D), y


def definition(model, y, start, c=0.0, d=0.0):
    """The equations of the module's docstring; every list in the order of `compared`."""
    at = [X if X.ndim == 3 else np.broadcast_to(X, (len(y), *X.shape)) for X in (model.A, model.B, model.C, model.D)]
    x, P, found = start.mean, start.covariance, []
    c, d = (np.broadcast_to(o, (len(y), size)) for o, size in ((c, len(x)), (d, y.shape[1])))
    for t, seen in enumerate(~np.isnan(y)):
        A, B, C, D = (X[t] for X in at)
        v = (y[t] - d[t] - C @ x)[seen]
        C, D = C[seen], D[seen]
        F = C @ P @ C.T + D @ D.T
        K, Kf = (np.linalg.solve(F, X).T for X in (C @ P @ A.T + D @ B.T, C @ P))
        I_KC, A_KC, B_KD = np.eye(len(A)) - Kf @ C, A - K @ C, B - K @ D
        ll = -0.5 * (len(v) * np.log(2 * np.pi) + np.linalg.slogdet(F)[1] + v @ np.linalg.solve(F, v))
        found.append((x, P, x + Kf @ v, I_KC @ P @ I_KC.T + Kf @ D @ D.T @ Kf.T, F, ll))
        x, P = A @ x + K @ v + c[t], A_KC @ P @ A_KC.T + B_KD @ B_KD.T
    return found, x, P


def compare(run, wanted, y):
    """The largest difference, relative to 1 and the largest entry."""
    found, x, P = wanted
    worst = [0.0]

    def judge(a, b):
        worst.append(np.abs(a - b).max(initial=0.0) / max(1.0, np.abs(b).max(initial=0.0)))

    for t, (predicted, covariance, filtered, updated, F, ll) in enumerate(found):
        seen = ~np.isnan(y[t])
        judge(run.predicted[t], predicted)
        judge(run.predicted_covariance[t], covariance)
        judge(run.filtered[t], filtered)
        judge(run.filtered_covariance[t], updated)
        judge(run.innovation_covariance[t][np.ix_(seen, seen)], F)
        judge(run.log_likelihoods[t], ll)
    judge(run.predicted[-1], x)
    judge(run.state.covariance, P)
    return max(worst)


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("n, p", [(0, 2), (1, 1), (3, 2), (2, 3), (5, 3), (3, 0), (kernel.BLAS + 2, 2)])
def test_the_kernel_is_its_definition(n, p, varying, missing):
    """For all sizes and what may be missing; another gain (S left out) is seen."""
    if not p and missing == "one output":
        return
    model, y = draw(n, p, 20, varying=varying, missing=missing)
    start = InitialState(np.ones(n), np.eye(n))
    run = kalman_filter(model, y, initial=start)
    assert compare(run, definition(model, y, start), y) <= LEVEL * (n + p) / 4
    assert run.log_likelihood == pytest.approx(run.log_likelihoods.sum(), rel=1e-14, abs=1e-13)
    if n and p and not np.isnan(y).all():
        uncorrelated = kalman_filter(model, y, initial=InitialState(np.ones(n), 2 * np.eye(n)))
        assert compare(uncorrelated, definition(model, y, start), y) > 1e-3


@given(st.integers(1, 4), st.integers(1, 3), seeds)
def test_offsets_are_known_inputs(n, p, seed):
    """Constant, and step by step."""
    model, y = draw(n, p, 15, seed=seed)
    c, d = np.random.default_rng(seed).standard_normal(n), np.ones(p)
    start = InitialState(np.zeros(n), np.eye(n))
    run = kalman_filter(model, y, initial=start, state_offset=c, output_offset=d)
    assert compare(run, definition(model, y, start, c, d), y) <= LEVEL * (n + p)
    c, d = np.tile(c, (15, 1)), np.tile(d, (15, 1))
    assert np.array_equal(
        run.filtered, kalman_filter(model, y, initial=start, state_offset=c, output_offset=d).filtered
    )
    assert compare(run, definition(model, y, start, c), y) > 1e-3


@given(st.integers(1, 4), st.integers(1, 3), seeds, st.sampled_from(sorted(MISSING)))
def test_the_likelihood_is_that_of_all_outputs_at_once(n, p, seed, missing):
    """log N(y; 0, V) with V the covariance of the whole sequence, from the covariances of a stationary process."""
    T = 8
    model, y = draw(n, p, T, missing=missing, seed=seed)
    run = kalman_filter(model, y)
    P = run.predicted_covariance[0]
    S, G = model.B @ model.D.T, [model.C @ P @ model.C.T + model.D @ model.D.T]
    X = model.A @ P @ model.C.T + S
    for _ in range(T - 1):
        G.append(model.C @ X)
        X = model.A @ X
    V = np.block([[G[t - s] if t >= s else G[s - t].T for s in range(T)] for t in range(T)])
    seen = ~np.isnan(y.ravel())
    V, e = V[np.ix_(seen, seen)], y.ravel()[seen]
    ll = -0.5 * (len(e) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + e @ np.linalg.solve(V, e))
    condition = np.linalg.cond(V) if len(e) else 1.0
    tolerance = 100 * (n + p) * T * 2.0**-53 * condition * (1 + e @ e)
    assert abs(run.log_likelihood - ll) <= tolerance
    if len(e):
        assert abs(kalman_filter(model, y * 1.01).log_likelihood - ll) > tolerance


@pytest.mark.parametrize("what", ["nilpotent", "unit root", "innovations", "integrator chain"])
def test_models_at_the_edge(what):
    """A singular A, where K tells nothing of Kf; states that are not stationary; noise that is that of the outputs."""
    rng = np.random.default_rng(0)
    n, p = 3, 1
    A = {
        "nilpotent": np.eye(n, k=1),
        "unit root": np.diag([1.0, 0.5, -0.3]),
        "integrator chain": np.eye(n) + np.eye(n, k=1),
    }
    if what == "innovations":
        model = InnovationsSSM(0.5 * np.eye(n) + np.eye(n, k=1) / 4, np.ones((n, p)) / 4, np.ones((p, n)), [[2.0]])
        plain = model.as_stochastic()
    else:
        plain = model = StochasticSSM(
            A[what], rng.standard_normal((n, 4)), np.ones((p, n)), rng.standard_normal((p, 4))
        )
    y, start = rng.standard_normal((30, p)), InitialState(np.zeros(n), np.eye(n))
    run = kalman_filter(model, y, initial=start)
    growth = np.abs(run.predicted_covariance).max()
    assert compare(run, definition(plain, y, start), y) <= LEVEL * growth
    if what == "nilpotent":
        assert np.abs(run.filter_gain[-1, 0]) > 0.01  # the chain starts in this state, whose image is zero
        assert not (plain.A @ np.eye(n, 1)).any()
    if what == "innovations":  # the outputs tell the state in the end
        assert np.abs(run.state.covariance).max() < 1e-4
        assert (np.linalg.eigvalsh(run.predicted_covariance) >= -1e-15).all()


def test_digits_are_kept_where_outputs_are_precise():
    """Variance 1e12 seen with variance 1: A P A' + Q - K F K' has an error of 1e12 eps, Joseph's has none."""
    C, P = np.array([[1, 0.3], [-0.2, 0.7]]), 1e12 * np.array([[1, 0.5], [0.5, 1]])
    model = StochasticSSM.from_noise(np.eye(2), C, np.eye(2), np.eye(2))
    run = kalman_filter(model, np.zeros((1, 2)), initial=InitialState(np.zeros(2), P))
    exact = np.linalg.inv(np.linalg.inv(P) + C.T @ C)  # all of whose terms are positive
    assert np.abs(run.filtered_covariance[0] - exact).max() < 1e-11
    assert np.abs(run.state.covariance - exact - np.eye(2)).max() < 1e-11
    F = C @ P @ C.T + np.eye(2)
    K = np.linalg.solve(F, C @ P).T
    assert np.abs(P - K @ F @ K.T - exact).max() > 1e-5


@pytest.mark.parametrize("batch", [(), (3,), (2, 1, 2), (0,), (2, 0)])
@pytest.mark.parametrize("missing", ["none", "some"])
def test_sequences_are_filtered_as_each_alone(batch, missing):
    """Bit for bit, and covariances are shared where the same outputs are missing."""
    T, p, n = 12, 2, 3
    model, _ = draw(n, p, T)
    rng = np.random.default_rng(1)
    y = rng.standard_normal((*batch, T, p))
    y[MISSING["some"](y.shape, rng) & (missing == "some")] = np.nan
    for start in (None, InitialState.unknown(n)):
        run = kalman_filter(model, y, initial=start)
        own = missing == "some" and y[..., 0, 0].size > 1
        assert run.predicted_covariance.shape == ((*batch,) if own else ()) + (T + 1, n, n)
        assert run.filtered.shape == (*batch, T, n)
        for i in np.ndindex(*batch):
            alone = kalman_filter(model, y[i], initial=start)
            for name in ("log_likelihoods", "predicted", "filtered", "innovations"):
                assert np.array_equal(getattr(run, name)[i], getattr(alone, name), equal_nan=True)
            assert np.array_equal(run.filter_gain[i] if own else run.filter_gain, alone.filter_gain)
            assert alone.log_likelihood == run.log_likelihood[i] if batch else run.log_likelihood


@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("start", ["known", "diffuse"])
@pytest.mark.parametrize("n", [3, kernel.BLAS])
def test_a_step_is_a_step_of_the_batch(varying, start, n):
    """Bit for bit, missing outputs, an unknown start and several sequences included."""
    T, p = 10, 2
    model, _ = draw(n, p, T, varying=varying)
    rng = np.random.default_rng(2)
    y = rng.standard_normal((3, T, p))
    y[rng.random(y.shape) < 0.3] = np.nan
    state = InitialState.unknown(n) if start == "diffuse" else InitialState(np.zeros(n), np.eye(n))
    run = kalman_filter(model, y, initial=state)
    for t in range(T):
        state, one = step(model, state, y[:, t])
        for name in (
            "log_likelihoods",
            "filtered",
            "innovations",
            "filtered_covariance",
            "predictor_gain",
            "filter_gain",
        ):
            got, want = getattr(one, name), getattr(run, name)
            time = 1 if got.ndim == 2 or name in ("filtered", "innovations") else -3
            assert np.array_equal(np.take(got, 0, time), np.take(want, t, time), equal_nan=True), (name, t)
        assert np.array_equal(state.mean, run.predicted[:, t + 1])
        assert state.time == t + 1
    other, _ = step(model, InitialState(np.full(n, 1e-15), np.eye(n)), y[:, 0])
    assert not np.array_equal(other.mean, run.predicted[:, 1])


def test_levels_of_storage_agree():
    """What is kept does not depend on what else is kept."""
    model, y = draw(3, 2, 20, missing="some")
    full = kalman_filter(model, y)
    kept = {
        "likelihood": (),
        "means": ("predicted", "filtered", "innovations", "log_likelihoods"),
        "covariances": ("predicted", "filtered_covariance", "innovation_covariance", "diffuse_covariance"),
    }
    for store, names in kept.items():
        run = kalman_filter(model, y, store=store)
        assert run.log_likelihood == full.log_likelihood
        assert np.array_equal(run.state.covariance, full.state.covariance)
        for name in names:
            assert np.array_equal(getattr(run, name), getattr(full, name), equal_nan=True)
        assert run.predictor_gain is None
        assert store in repr(run)


@given(st.integers(1, 4), st.integers(1, 2), seeds)
def test_frozen_gains_are_those_of_the_riccati_equation(n, p, seed):
    """And the likelihood is that of the full recursion; after a gap the gains thaw and freeze again."""
    model, y = draw(n, p, 600, seed=seed)
    exact, run = (
        kalman_filter(model, y, initial=InitialState(np.zeros(n), np.eye(n)), steady=s) for s in (False, True)
    )
    limit = steady_state(model)
    assume(limit.radius < 0.9)  # 0.9^(2 * 180) is rounding
    # |A - K C| may exceed 1 although its powers vanish: the sum of their squares is the condition of the limit
    tolerance = LEVEL * (n + p) * (1 + limit.condition) * np.linalg.cond(limit.innovation_covariance)
    assert run.steady_from is not None
    assert run.steady_steps == 600 - run.steady_from
    for found, wanted in (
        (run.predictor_gain[-1], limit.predictor_gain),
        (run.filter_gain[-1], limit.filter_gain),
        (run.state.covariance, limit.covariance),
        (run.filtered_covariance[-1], limit.filtered_covariance),
        (run.innovation_covariance[-1], limit.innovation_covariance),
    ):
        assert np.abs(found - wanted).max() <= tolerance * (1 + np.abs(wanted).max())
    assert run.log_likelihood == pytest.approx(exact.log_likelihood, rel=tolerance)
    y[400, 0] = np.nan
    exact, run = (
        kalman_filter(model, y, initial=InitialState(np.zeros(n), np.eye(n)), steady=s) for s in (False, True)
    )
    assert run.steady_steps < 600 - run.steady_from
    assert np.abs(run.predicted_covariance - exact.predicted_covariance).max() <= tolerance * (1 + limit.condition)
    loose = kalman_filter(model, y, initial=InitialState(np.zeros(n), np.eye(n)), steady=0.5)
    assert loose.steady_from <= run.steady_from


def statsmodels_of(model, y):
    """A new object each time: one that is bound to other data keeps the likelihood of the first."""
    from statsmodels.tsa.statespace.kalman_filter import KalmanFilter

    (n, _), p = model.B.shape, len(model.C)
    peer = KalmanFilter(k_endog=p, k_states=n, k_posdef=n, tolerance=0)
    peer["transition"], peer["design"], peer["selection"] = model.A, model.C, np.eye(n)
    peer["state_cov"], peer["obs_cov"] = model.B @ model.B.T, model.D @ model.D.T
    peer.bind(np.array(y, order="C"))
    return peer


@pytest.mark.real("statsmodels")
@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("n, p", [(1, 1), (3, 2), (2, 3), (8, 2)])
def test_statsmodels_says_the_same(n, p, missing):
    """To 1e-13 of the largest entry; its smoothing form needs noise of state and output that is not correlated."""
    model, y = draw(n, p, 200, missing=missing)
    model = StochasticSSM.from_noise(model.A, model.C, model.B @ model.B.T, model.D @ model.D.T)
    peer = statsmodels_of(model, y)
    peer.initialize_known(np.zeros(n), np.eye(n))
    other, run = peer.filter(), kalman_filter(model, y, initial=InitialState(np.zeros(n), np.eye(n)))
    for found, wanted in (
        (run.log_likelihoods, other.llf_obs),
        (run.predicted, other.predicted_state.T),
        (run.predicted_covariance, np.moveaxis(other.predicted_state_cov, -1, 0)),
        (run.filtered, other.filtered_state.T),
        (run.filtered_covariance, np.moveaxis(other.filtered_state_cov, -1, 0)),
    ):
        assert np.abs(found - wanted).max() <= 1e-13 * max(1.0, np.abs(wanted).max())
    assert run.log_likelihood == pytest.approx(other.llf, rel=1e-13, abs=1e-13)
    assert np.isnan(y).all() or abs(kalman_filter(model, 1.001 * y).log_likelihood - other.llf) > 1e-6
