"""The smoother against the projection of all states on all outputs: moments, successive states, noise, batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import kalman_filter, posterior, rts_smoother, square_root_smoother
from realization.systems.stochastic import InitialState, InnovationsSSM, StochasticSSM, TimeVaryingStochasticSSM

U = 2.0**-53


def problem(seed, n, p, T, diffuse, varying, rank=None):
    """Correlated noise, gaps, `diffuse` unknown directions, offsets; A of the given rank."""
    rng = np.random.default_rng(seed)
    k = (T,) if varying else ()
    A = rng.standard_normal((*k, n, n)) * 0.9 / np.sqrt(max(n, 1))
    if rank is not None:
        A[..., rank:] = 0.0
    B, C, D = (rng.standard_normal((*k, *shape)) for shape in ((n, n + p), (p, n), (p, n + p)))
    model = (TimeVaryingStochasticSSM if varying else StochasticSSM)(A, B, C, D)
    y = np.where(rng.random((T, p)) < 0.3, np.nan, rng.standard_normal((T, p)))
    X, W = rng.standard_normal((n, n)), rng.standard_normal((n, diffuse))
    start = InitialState(rng.standard_normal(n), X @ X.T, W @ W.T)
    return model, y, {"initial": start, "state_offset": rng.standard_normal((T, n)), "output_offset": np.ones(p)}


def with_noise_as_state(model):
    """x(t+1) and w(t+1) together: (x, w)+ = [A B; 0 0] (x, w) + [0; I] w+, so that a projection of states has noise."""
    n, m = model.B.shape[-2:]
    A = np.block([[model.A, model.B], [np.zeros((m, n + m))]])
    B = np.vstack([np.zeros((n, m)), np.eye(m)])
    return StochasticSSM(A, B, np.hstack([model.C, model.D]), np.zeros((len(model.C), m)))


def enlarged(start, m):
    Z = np.zeros((len(start.mean), m))
    wide = [np.block([[X, Z], [Z.T, I]]) for X, I in ((start.covariance, np.eye(m)), (start.diffuse, np.zeros((m, m))))]
    return InitialState(np.append(start.mean, np.zeros(m)), *wide)


cases = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.integers(0, 7), st.integers(0, 4), st.booleans()
).map(lambda drawn: problem(*drawn[:4], min(drawn[4], drawn[1]), drawn[5]))


def projected(model, y, arguments):
    """The definition, or None where it is too badly conditioned or leaves a state unknown."""
    try:
        law = posterior(model, y, **arguments)
    except StructureError:
        return None
    return law if law.condition < 1e8 else None


@given(cases)
def test_smoothing_is_the_projection(drawn):
    """Means, covariances and those of successive states, to 1000 N u cond size.

    N numbers enter a sum, cond is that of the projection, size the largest mean or covariance that was predicted or
    smoothed.  Errors are below a fiftieth of it in all but one of a thousand examples.
    """
    model, y, arguments = drawn
    law = projected(model, y, arguments)
    if law is None:
        return
    T, n = len(y), model.A.shape[-1]
    run = kalman_filter(model, y, **arguments)
    smooth = rts_smoother(model, run)
    sizes = run.predicted_covariance, run.predicted, law.means, law.covariance
    size = max(1.0, *(np.abs(X).max() for X in sizes))
    tolerance = 1000 * (y.size + n + 1) * U * law.condition * size
    diagonal = np.stack([law.covariance[t, :, t] for t in range(T + 1)])
    assert np.abs(smooth.means - law.means).max() <= tolerance
    assert np.abs(smooth.covariances - diagonal).max() <= tolerance
    root = square_root_smoother(model, y, **arguments)
    assert np.abs(root.means - law.means).max() <= tolerance
    assert np.abs(root.covariances - diagonal).max() <= tolerance
    for t, cross in enumerate(smooth.cross_covariances()):
        assert np.abs(cross - law.covariance[t + 1, :, t]).max() <= tolerance


@pytest.mark.parametrize("diffuse", [0, 1, 2])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_is_smoothed(seed, diffuse):
    """The noise as part of a larger state, projected, is what `disturbances` returns."""
    model, y, arguments = problem(seed, 2, 2, 6, diffuse, False)
    arguments.pop("state_offset")
    n, m = model.B.shape
    law = posterior(with_noise_as_state(model), y, **{**arguments, "initial": enlarged(arguments["initial"], m)})
    means, covariances = rts_smoother(model, kalman_filter(model, y, **arguments)).disturbances()
    tolerance = 100 * y.size * U * law.condition
    assert np.abs(means - law.means[:-1, n:]).max() <= tolerance
    for t, covariance in enumerate(covariances):
        assert np.abs(covariance - law.covariance[t, n:, t, n:]).max() <= tolerance


def test_filtering_is_not_smoothing():
    """The control: at the first times the filtered state, which has seen less, is elsewhere and less certain."""
    model, y, arguments = problem(2, 2, 1, 6, 0, False)
    run = kalman_filter(model, y, **arguments)
    smooth = rts_smoother(model, run)
    assert np.abs(smooth.means[:-1] - run.filtered)[0].max() > 1e-2
    assert np.trace(smooth.covariances[0]) < np.trace(run.filtered_covariance[0]) - 1e-2


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 3))
def test_predictions_without_uncertainty(seed, n, rank):
    """P(t+1) is singular where A has low rank and noise one column: no inverse of it is needed.

    Tolerance as above; the outputs have noise of their own, so that the projection is well conditioned.
    """
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n)) * 0.9 / np.sqrt(n)
    A[:, min(rank, n) :] = 0.0
    B, C = rng.standard_normal((n, 1)), rng.standard_normal((1, n))
    model = StochasticSSM(A, np.hstack([B, 0 * B]), C, [[0.0, 1.0]])
    y, start = rng.standard_normal((8, 1)), InitialState.known(rng.standard_normal(n))
    law, smooth = posterior(model, y, initial=start), rts_smoother(model, kalman_filter(model, y, initial=start))
    diagonal = np.stack([law.covariance[t, :, t] for t in range(9)])
    size = 1 + np.abs(diagonal).max() + np.abs(law.means).max()
    assert np.abs(smooth.covariances - diagonal).max() <= 1000 * 9 * U * law.condition * size
    assert np.abs(smooth.means - law.means).max() <= 1000 * 9 * U * law.condition * size


@pytest.mark.parametrize("diffuse", [0, 2])
@pytest.mark.parametrize("same", [True, False])
def test_a_batch_is_its_sequences(same, diffuse):
    """Sequences that lack the same outputs share covariances; others have their own.  Equal to rounding."""
    model, y, arguments = problem(4, 3, 2, 6, diffuse, False)
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((2, 3, *y.shape)) + (y if same else np.where(rng.random((2, 3, *y.shape)) < 0.2, np.nan, 0))
    smooth = rts_smoother(model, kalman_filter(model, Y, **arguments))
    assert smooth.means.shape == (2, 3, 7, 3)
    assert smooth.covariances.shape == ((7, 3, 3) if same else (2, 3, 7, 3, 3))
    found = (smooth.means, smooth.covariances, smooth.cross_covariances(), *smooth.disturbances())
    for i in np.ndindex(2, 3):
        one = rts_smoother(model, kalman_filter(model, Y[i], **arguments))
        alone = (one.means, one.covariances, one.cross_covariances(), *one.disturbances())
        for many, single in zip(found, alone, strict=True):
            got = many if many.ndim == single.ndim else many[i]
            assert np.abs(got - single).max() <= 1e-9 * (1 + np.abs(single).max())


def test_nothing_to_smooth():
    model = StochasticSSM.from_noise(np.eye(2) * 0.5, [[1, 0]], np.eye(2), [[1]])
    none = rts_smoother(model, kalman_filter(model, np.zeros((0, 3, 1))))
    assert none.means.shape == (0, 4, 2)
    for y in (np.zeros((0, 1)), np.full((3, 1), np.nan)):
        run = kalman_filter(model, y)
        smooth = rts_smoother(model, run)
        assert np.array_equal(smooth.means, run.predicted)
        assert np.array_equal(smooth.covariances, run.predicted_covariance)
        smooth.cross_covariances(), smooth.disturbances()


def test_an_innovations_model_is_known_from_the_start_on():
    """Started at a known state, its states are functions of the outputs: nothing is left to smooth."""
    model = InnovationsSSM([[0.5]], [[0.3]], [[1]], [[2]])
    smooth = rts_smoother(model, kalman_filter(model, [[1.0], [2.0]], initial=InitialState.known([0.0])))
    assert np.abs(smooth.covariances).max() == 0


level = StochasticSSM.from_noise([[1]], [[1]], [[1]], [[1]])
unknown = InitialState.unknown(1)


def test_refused():
    run = kalman_filter(level, [[1.0]], initial=unknown)
    with pytest.raises(ShapeError, match="store='all'"):
        rts_smoother(level, kalman_filter(level, [[1.0]], initial=unknown, store="means"))
    with pytest.raises(ShapeError, match="n=1, p=1 and T=1"):
        rts_smoother(StochasticSSM.from_noise(np.eye(2), [[1, 0]], np.eye(2), [[1]]), run)
    with pytest.raises(ShapeError, match="KalmanRun"):
        rts_smoother(level, level)
    with pytest.raises(StructureError, match="1 directions of the state are unknown"):
        rts_smoother(level, kalman_filter(level, [[np.nan]], initial=unknown))


def test_what_is_forgotten_before_it_is_seen_stays_unknown():
    """x(0) enters nothing but a y(0) that is missing: its smoothed covariance is infinite, and that is said."""
    forgetful = StochasticSSM.from_noise([[0]], [[1]], [[1]], [[1]])
    run = kalman_filter(forgetful, [[np.nan], [1.0]], initial=unknown)
    with pytest.raises(StructureError, match="forgets at step 0"):
        rts_smoother(forgetful, run)


def test_a_faint_output_does_not_settle_what_a_clear_one_tells():
    """Outputs reach the unknown direction with 5e-4, 3e-3 and 1.3: in that order six digits would go.

    The order of outputs is nobody's choice: the clearest is taken first, and any permutation gives one answer to 1e-12.
    """
    model, y, arguments = problem(1, 4, 3, 1, 1, False)
    found = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        turned = StochasticSSM(model.A, model.B, model.C[order], model.D[order])
        found.append(kalman_filter(turned, y[:, order], **arguments).predicted[1])
    law = posterior(model, y, **arguments)
    assert np.abs(np.stack(found) - law.means[1]).max() < 1e-12
