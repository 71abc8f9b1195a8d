"""Square-root and information filters against the definition: one projection of all states on all outputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.stochastic.filtering.information_filter import information_filter
from realization.stochastic.filtering.projection import posterior
from realization.stochastic.filtering.square_root import square_root_filter
from realization.systems.stochastic import InitialState, InnovationsSSM, StochasticSSM, TimeVaryingStochasticSSM

U = 2.0**-53


def problem(seed, n, p, T, diffuse, varying):
    """A model with correlated noise, outputs with gaps, a start of which `diffuse` directions are unknown, offsets."""
    rng = np.random.default_rng(seed)
    k = (T,) if varying else ()
    A = rng.standard_normal((*k, n, n)) * 0.9 / np.sqrt(max(n, 1))
    B, C, D = (rng.standard_normal((*k, *shape)) for shape in ((n, n + p), (p, n), (p, n + p)))
    model = (TimeVaryingStochasticSSM if varying else StochasticSSM)(A, B, C, D)
    y = np.where(rng.random((T, p)) < 0.3, np.nan, rng.standard_normal((T, p)))
    X, W = rng.standard_normal((n, n)), rng.standard_normal((n, diffuse))
    start = InitialState(rng.standard_normal(n), X @ X.T, W @ W.T)
    offsets = {"state_offset": rng.standard_normal((T, n)), "output_offset": rng.standard_normal(p)}
    return model, y, {"initial": start, **offsets}


problems = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.integers(0, 7), st.integers(0, 4), st.booleans()
).map(lambda drawn: problem(*drawn[:4], min(drawn[4], drawn[1]), drawn[5]))


def beside_noise(model):
    """Largest |[A B]| |inv(A)|."""
    A, B = (X.reshape(-1, *X.shape[-2:]) for X in (model.A, model.B))
    sizes = np.linalg.norm(np.concatenate([A, B], axis=2), 2, axis=(1, 2))
    return max(1.0, *(sizes / np.linalg.svd(A, compute_uv=False)[:, -1]), 1.0)


def settled(model, y, arguments):
    """The definition, or None where the outputs leave something unknown."""
    try:
        return posterior(model, y, **arguments)
    except StructureError:
        return None


@given(problems)
def test_both_forms_are_the_projection(drawn):
    """To 100 N u cond, N the number of outputs and states in the sums and cond that of the projection.

    The last prediction is the state T of the posterior; sizes are those of the largest prediction on the way.  The
    information form integrates what A sends to the next state, whose digits are those of A beside B.
    """
    model, y, arguments = drawn
    law = settled(model, y, arguments)
    if law is None or law.condition > 1e8:
        return
    T, n = y.shape[0], model.A.shape[-1]
    root, information = square_root_filter(model, y, **arguments), information_filter(model, y, **arguments)
    scale = max(1.0, np.abs(root.predicted_covariance).max(), np.abs(root.predicted).max())
    tolerance = 100 * (y.size + n + 1) * U * law.condition * scale
    assert np.abs(root.predicted[T] - law.means[T]).max() <= tolerance
    assert np.abs(root.predicted_covariance[T] - law.covariance[T, :, T]).max() <= tolerance
    assert root.log_likelihood == pytest.approx(law.log_likelihood, abs=tolerance)
    tolerance *= beside_noise(model)
    means, covariances = information.predicted_moments()
    assert np.abs(means[-1] - law.means[T]).max() <= tolerance
    assert np.abs(covariances[-1] - law.covariance[T, :, T]).max() <= tolerance
    assert information.log_likelihood == pytest.approx(law.log_likelihood, abs=tolerance)


@given(problems)
def test_the_forms_agree_at_every_step(drawn):
    """To 1000 n u size^2, size that of the largest covariance: an inverse of R, and a square."""
    model, y, arguments = drawn
    root, information = square_root_filter(model, y, **arguments), information_filter(model, y, **arguments)
    first, T = information.diffuse_steps, len(y)
    assert first == (root.diffuse_steps if not root.predicted_diffuse[T].any() else T + 1)
    if first > T:
        return
    scale = max(1.0, np.abs(root.predicted_covariance).max(), np.abs(root.predicted).max())
    tolerance = 1000 * model.A.shape[-1] * U * scale**2 * beside_noise(model)
    last = max(first - 1, 0)
    for found, means, covariances in (
        (information.predicted_moments(), root.predicted[first:], root.predicted_covariance[first:]),
        (information.filtered_moments(), root.filtered[last:], root.filtered_covariance[last:]),
    ):
        assert np.abs(found[0] - means).max(initial=0.0) <= tolerance
        assert np.abs(found[1] - covariances).max(initial=0.0) <= tolerance


def test_correlated_noise_matters():
    """The control: the same model with its noises made independent has another filter."""
    model, y, arguments = problem(3, 2, 1, 6, 0, False)
    N = model.noise_covariance
    apart = StochasticSSM.from_noise(model.A, model.C, N[:2, :2], N[2:, 2:])
    one, other = square_root_filter(model, y, **arguments), square_root_filter(apart, y, **arguments)
    assert np.abs(one.predicted[-1] - other.predicted[-1]).max() > 1e-2


@pytest.mark.parametrize("form", [square_root_filter, information_filter])
def test_an_unknown_start_is_the_limit_of_a_wide_one(form):
    """With k W W' in place of infinity the difference falls as 1/k, until rounding of k takes over."""
    model, y, arguments = problem(5, 3, 2, 6, 2, False)
    start, exact = arguments["initial"], form(model, y, **arguments)
    found = []
    for k in (1e3, 1e5):
        wide = InitialState(start.mean, start.covariance + k * start.diffuse)
        run = form(model, y, **{**arguments, "initial": wide})
        found.append((abs(run.log_likelihood + np.log(k) - exact.log_likelihood), k))
    assert found[1][0] < found[0][0] / 50


def test_gains_move_the_means():
    """x(t|t) = x(t|t-1) + Kf v and x(t+1|t) = A x(t|t-1) + c + K v, at every step, the diffuse ones included."""
    model, y, arguments = problem(8, 3, 2, 7, 2, True)
    run = square_root_filter(model, y, **arguments)
    v, x = np.nan_to_num(run.innovations), run.predicted[:-1]
    filtered = x + np.einsum("tnp,tp->tn", run.filter_gain, v)
    moved = np.einsum("tij,tj->ti", model.A, x) + arguments["state_offset"]
    after = moved + np.einsum("tnp,tp->tn", run.predictor_gain, v)
    assert np.abs(filtered - run.filtered).max() <= 1e-12
    assert np.abs(after - run.predicted[1:]).max() <= 1e-12


def test_a_matrix_that_forgets():
    """A of rank 1 with noise that fills the rest is legal in both; without that noise only factors have an answer."""
    A, C, R = [[0.5, 0.5], [0, 0]], [[1, 0]], [[1]]
    y, start = [[1.0], [2.0], [-1.0]], InitialState(np.zeros(2), np.eye(2))
    filled = StochasticSSM.from_noise(A, C, np.eye(2), R)
    law = posterior(filled, y, initial=start)
    for run in (square_root_filter(filled, y, initial=start), information_filter(filled, y, initial=start)):
        assert run.log_likelihood == pytest.approx(law.log_likelihood, rel=1e-14)
    bare = StochasticSSM.from_noise(A, C, np.diag([1, 0]), R)
    assert square_root_filter(bare, y, initial=start).log_likelihood == pytest.approx(
        posterior(bare, y, initial=start).log_likelihood, rel=1e-14
    )
    with pytest.raises(StructureError, match=r"direction without noise.*square_root_filter"):
        information_filter(bare, y, initial=start)


def test_innovations_models_are_read():
    """Its own noise is all it has: from a known state the filter knows the state for ever."""
    model = InnovationsSSM([[0.5]], [[0.3]], [[1]], [[2]])
    run = square_root_filter(model, [[1.0], [2.0]], initial=InitialState.known([0.0]))
    assert not run.predicted_covariance.any()
    assert run.predictor_gain == pytest.approx(np.full((2, 1, 1), 0.3))


def test_nothing_to_filter():
    start = InitialState(np.zeros(2), np.eye(2))
    model = StochasticSSM.from_noise(np.eye(2), [[1, 0]], np.eye(2), [[1]])
    for form in (square_root_filter, information_filter):
        run = form(model, np.zeros((0, 1)), initial=start)
        assert run.log_likelihood == 0
    empty = StochasticSSM(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[2.0]])
    density = -np.log(2 * np.pi) / 2 - np.log(2) - 1 / 8
    for form in (square_root_filter, information_filter):
        assert form(empty, [[1.0]], initial=InitialState.unknown(0)).log_likelihood == pytest.approx(density, rel=1e-14)


level = StochasticSSM.from_noise([[1]], [[1]], [[1]], [[1]])
REFUSED = {
    "one axis": (level, [1.0, 2.0], {}, ShapeError, r"y\[:, None\]"),
    "infinite": (level, [[np.inf]], {"initial": InitialState.unknown(1)}, ShapeError, "NaN or infinite"),
    "no start": (level, [[1.0]], {}, StructureError, "spectral radius 1.*InitialState.unknown"),
    "start of another size": (level, [[1.0]], {"initial": InitialState.unknown(2)}, ShapeError, "n=1"),
    "offset": (level, [[1.0]], {"initial": InitialState.unknown(1), "state_offset": [1, 2]}, ShapeError, "state_off"),
    "repeated output": (
        StochasticSSM([[1]], [[1, 0]], [[1], [1]], [[0, 1], [0, 1]]), [[1.0, 1.0]],
        {"initial": InitialState.known([0.0])}, StructureError, "singular|rank",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", [square_root_filter, information_filter, posterior])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, form):
    model, y, arguments, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        form(model, y, **arguments)


def test_information_that_would_be_infinite_is_refused():
    with pytest.raises(StructureError, match="known without error"):
        information_filter(level, [[1.0]], initial=InitialState.known([0.0]))
    silent = StochasticSSM([[1]], [[1]], [[1]], [[0]])
    with pytest.raises(StructureError, match="without noise of its own"):
        information_filter(silent, [[1.0]], initial=InitialState.unknown(1))
    assert square_root_filter(silent, [[1.0]], initial=InitialState.unknown(1)).filtered == pytest.approx(1.0)


@pytest.mark.parametrize("form", [square_root_filter, information_filter, posterior])
def test_what_grows_out_of_range_is_refused(form):
    doubling = StochasticSSM([[2.0]], [[1, 0]], [[1]], [[0, 1]])
    with pytest.raises(StructureError, match=r"range of float64|underflows"):
        form(doubling, np.full((2200, 1), np.nan), initial=InitialState([1.0], [[1.0]]))
    if form is not posterior:
        assert np.isfinite(form(doubling, np.zeros((2200, 1)), initial=InitialState.unknown(1)).log_likelihood)


def test_little_information_beside_much_keeps_its_digits():
    """Unseen for 400 steps of doubling: information 4^-400 beside noise of 1, by sorting rows; to 1e-13."""
    doubling, start = StochasticSSM([[2.0]], [[1, 0]], [[1]], [[0, 1]]), InitialState([1.0], [[1.0]])
    unseen = np.full((400, 1), np.nan)
    R = information_filter(doubling, unseen, initial=start).predicted_factor[-1].item()
    L = square_root_filter(doubling, unseen, initial=start).predicted_factor[-1].item()
    assert abs(R) * L == pytest.approx(1, abs=1e-13)
