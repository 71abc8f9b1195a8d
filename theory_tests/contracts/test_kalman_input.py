"""What the filter refuses, and how it says so; what it leaves in memory."""

import tracemalloc

import numpy as np
import pytest

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import KalmanState, kalman_filter, steady_state, step
from realization.systems import BackwardSSM, InnovationsSSM, LinearSSM, StochasticSSM
from realization.systems.stochastic import InitialState, TimeVaryingStochasticSSM

MODEL = StochasticSSM.from_noise(A=[[0.5, 0.1], [0, 0.8]], C=[[1, 0], [0, 1], [1, 1]], Q=np.eye(2), R=np.eye(3))
ONE = StochasticSSM.from_noise(A=[[0.5]], C=[[1]], Q=[[1]], R=[[1]])
WALK = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[1]], R=[[1]])
VARYING = TimeVaryingStochasticSSM(*(np.ones((4, 1, k)) for k in (1, 2, 1, 2)))


@pytest.mark.parametrize(
    "y, message",
    [
        (np.zeros((3, 10)), r"y has shape \(3, 10\), but \(..., T, 3\) is needed .*time comes first here: np.swapaxes"),
        (np.zeros(3), r"y has shape \(3,\), but \(..., T, 3\) is needed for axes \(T, p\); p=3 \(from C\)$"),
        (np.where(np.arange(30).reshape(10, 3) == 7, -np.inf, 0), r"y has an infinite entry at \(2, 1\); .*NaN where"),
        (np.zeros((4, 3), complex), "y has dtype complex128, but real numbers are needed"),
        (np.full((4, 3), "a"), "y has dtype <U1"),
        (np.array([["a", 1, 2]], dtype=object), "y has an entry that is no real number"),
        ([[1, 2, 3], [1]], "rows of different lengths"),
    ],
)
def test_outputs(y, message):
    with pytest.raises(ShapeError, match=message):
        kalman_filter(MODEL, y)
    assert np.isfinite(kalman_filter(MODEL, np.zeros((10, 3), dtype=int)).log_likelihood)


def test_one_output_needs_its_axis():
    with pytest.raises(ShapeError, match=r"y has shape \(10,\).*; one output is y\[:, None\]"):
        kalman_filter(ONE, np.zeros(10))
    assert kalman_filter(ONE, np.zeros(10)[:, None]).filtered.shape == (10, 1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"store": "everything"},
            "store is 'everything'; one of 'likelihood', 'means', 'covariances', 'all' is needed",
        ),
        ({"initial": InitialState.unknown(3)}, r"initial has a state of 3 entries, but n=2 \(from A\)"),
        ({"initial": np.zeros(2)}, "start of a ndarray: a InitialState or a KalmanState is needed"),
        ({"state_offset": np.zeros(3)}, r"state_offset has shape \(3,\).* of shape \(2,\), \(5, 2\) or \(5, 2\)"),
        ({"output_offset": [np.nan] * 3}, "output_offset has 3 entries that are NaN"),
        ({"steady": -1.0}, "steady is -1.0, but a number of at least 0 is needed"),
        (
            {"initial": KalmanState(np.zeros((4, 2)), np.eye(2), np.zeros((2, 0)))},
            r"batch axes \(2,\) of y and \(4,\) of",
        ),
    ],
)
def test_options(arguments, message):
    y = np.zeros((2, 5, 3)) if "batch" in message else np.zeros((5, 3))
    with pytest.raises(ShapeError, match=message):
        kalman_filter(MODEL, y, **arguments)


def test_models():
    """Of another kind, with NaN, or without a stationary state to start from."""
    with pytest.raises(ShapeError, match="Kalman filter of a LinearSSM: a StochasticSSM or"):
        kalman_filter(LinearSSM([[0]], [[1]], [[1]], [[0]]), [[0]])
    with pytest.raises(ShapeError, match="steady state of a BackwardSSM"):
        steady_state(BackwardSSM([[0]], [[1]], [[1]], [[0]]))
    with pytest.raises(ShapeError, match=r"A has 1 entries that are NaN or infinite, the first at \(0, 0\)"):
        StochasticSSM([[np.nan]], [[1]], [[1]], [[1]])
    with pytest.raises(ShapeError, match="A is complex"):
        StochasticSSM([[0.5j]], [[1]], [[1]], [[1]])
    with pytest.raises(StructureError, match=r"spectral radius 1, need < 1.*give initial=InitialState.unknown\(n\)"):
        kalman_filter(WALK, [[0]])
    assert np.isfinite(kalman_filter(WALK, [[0]], initial=InitialState.unknown(1)).log_likelihood)
    with pytest.raises(StructureError, match="a model that varies has no stationary state; give initial="):
        kalman_filter(VARYING, np.zeros((4, 1)))


def test_models_that_vary_have_as_many_steps_as_the_outputs():
    """A run that goes on may take fewer; its time says which."""
    start = InitialState.unknown(1)
    with pytest.raises(ShapeError, match="y has 3 steps, the model 4 from time 0 on; they must be equal"):
        kalman_filter(VARYING, np.zeros((3, 1)), initial=start)
    state, _ = step(VARYING, start, [0])
    with pytest.raises(ShapeError, match="y has 4 steps, the model 3 from time 1 on"):
        kalman_filter(VARYING, np.zeros((4, 1)), initial=state)
    assert kalman_filter(VARYING, np.zeros((3, 1)), initial=state).state.time == 4


def test_innovations_without_covariance():
    """Two outputs that are one: with step and eigenvalue; one of them left out is no obstacle."""
    twice = StochasticSSM.from_noise([[0.5]], [[1], [1]], [[1]], np.ones((2, 2)))
    y = np.zeros((4, 2))
    y[:2, 1] = np.nan
    with pytest.raises(
        StructureError, match=r"innovations at step 2 has smallest eigenvalue .*, need > .*leave it out"
    ):
        kalman_filter(twice, y)
    y[:, 1] = np.nan
    assert np.isfinite(kalman_filter(twice, y).log_likelihood)
    with pytest.raises(StructureError, match="eigenvalue"):
        steady_state(InnovationsSSM([[0.5]], [[0.1, 0.1]], [[1], [1]], np.ones((2, 2))))


def test_states_that_leave_the_range():
    """Seen or not, no NaN is handed back."""
    wild = StochasticSSM.from_noise([[1e200]], [[1]], [[1]], [[1]])
    with pytest.raises(StructureError, match="leaves the range of float64"):
        kalman_filter(wild, np.full((4, 1), np.nan), initial=InitialState.known([1]))
    apart = StochasticSSM.from_noise([[1e200]], [[0]], [[1]], [[1]])
    with pytest.raises(StructureError, match="leaves the range of float64"):
        kalman_filter(apart, np.zeros((4, 1)), initial=InitialState.known([1]))


def test_steady_states():
    """None where a mode is neither seen nor decays; on the circle the limit is there, and reached without a rate."""
    with pytest.raises(StructureError, match="no steady state of the filter"):
        steady_state(StochasticSSM.from_noise([[2]], [[0]], [[1]], [[1]]))
    constant = steady_state(StochasticSSM.from_noise([[1]], [[1]], [[0]], [[1]]))
    assert abs(constant.covariance[0, 0]) < 1e-7
    assert constant.radius == pytest.approx(1, abs=1e-7)
    assert steady_state(StochasticSSM.from_noise([[2]], [[1]], [[1]], [[1]])).radius < 1
    nothing = steady_state(StochasticSSM.from_noise(np.zeros((0, 0)), np.zeros((2, 0)), np.zeros((0, 0)), np.eye(2)))
    assert np.array_equal(nothing.innovation_covariance, np.eye(2))


@pytest.mark.parametrize("n, T, p", [(0, 0, 1), (0, 5, 2), (2, 0, 3), (2, 5, 0), (0, 0, 0)])
def test_nothing_is_a_size(n, T, p):
    model = StochasticSSM(np.eye(n) / 2, np.eye(n, n + p), np.ones((p, n)), np.eye(p, n + p, n))
    run = kalman_filter(model, np.zeros((T, p)))
    assert run.predicted.shape == (T + 1, n)
    assert run.filter_gain.shape == (T, n, p)
    assert kalman_filter(model, np.zeros((T, p)), initial=InitialState.unknown(n)).diffuse_steps == (n > 0 and T)


def test_a_million_steps_do_not_fill_memory():
    """With store="likelihood" the outputs are all that grows; one array of predictions would be 8 MB."""
    y = np.random.default_rng(0).standard_normal((1_000_000, 1))
    kalman_filter(ONE, y[:10], store="likelihood")
    peaks = {}
    for store in ("likelihood", "means"):
        tracemalloc.start()
        run = kalman_filter(ONE, y, store=store, steady=True)
        peaks[store] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert run.steady_from < 100
    assert peaks["likelihood"] < 1e5
    assert peaks["means"] > 8e6


def test_results_are_read_only_and_show_what_they_are():
    run = kalman_filter(ONE, np.zeros((3, 1)))
    with pytest.raises(ValueError, match="read-only"):
        run.filtered[0] = 1
    assert repr(run).startswith("KalmanRun(n=1, log_likelihood=-")
    assert kalman_filter(ONE, np.zeros((3, 1)), store="means").filter_gain is None
