"""A filter of the past and a filter of the future on the backward model make the smoother; their prior counts once.

    inv(V) = inv(Sf) + inv(Sb) - inv(P)

for finite windows, time-varying models, correlated noise and gaps: the Rauch-Tung-Striebel smoother by another
road (Wall, Willsky and Sandell 1981; Badawi, Lindquist and Pavon 1979).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.stochastic import kalman_filter, rts_smoother, two_filter_smoother
from realization.systems.stochastic import InitialState, StochasticSSM, TimeVaryingStochasticSSM

U = 2.0**-53


def problem(seed, n, p, T, varying):
    rng = np.random.default_rng(seed)
    k = (T,) if varying else ()
    A = rng.standard_normal((*k, n, n)) * 0.9 / np.sqrt(n)
    B, C, D = (rng.standard_normal((*k, *shape)) for shape in ((n, n + p), (p, n), (p, n + p)))
    model = (TimeVaryingStochasticSSM if varying else StochasticSSM)(A, B, C, D)
    y = np.where(rng.random((T, p)) < 0.2, np.nan, rng.standard_normal((T, p)))
    X = rng.standard_normal((n, n))
    offsets = {"state_offset": rng.standard_normal((T, n)), "output_offset": rng.standard_normal(p)}
    return model, y, {"initial": InitialState(rng.standard_normal(n), X @ X.T + 0.1 * np.eye(n)), **offsets}


problems = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.integers(0, 8), st.booleans()
).map(lambda drawn: problem(*drawn))


@given(problems)
def test_two_roads_to_one_answer(drawn):
    """To 100 n (T+1) u k size, k the largest condition of P and of M, both of which are solved with."""
    model, y, arguments = drawn
    run = two_filter_smoother(model, y, **arguments)
    smooth = rts_smoother(model, kalman_filter(model, y, **arguments))
    k = max(np.linalg.cond(P) for P in run.prior_covariances)
    # |inv(M)| <= |inv(V)| |P|: M = F inv(V) G in coordinates where P = I
    pairs = zip(run.covariances, run.prior_covariances, strict=True)
    k = max(k, *(np.linalg.norm(np.linalg.solve(V, P), 2) for V, P in pairs))
    size = max(1, np.abs(run.prior_covariances).max(), np.abs(run.means).max())
    tolerance = 100 * model.A.shape[-1] * (len(y) + 1) * U * k * size
    assert np.abs(run.means - smooth.means).max() <= tolerance
    assert np.abs(run.covariances - smooth.covariances).max() <= tolerance


def test_with_the_prior_counted_twice_the_smoother_is_too_sure():
    """The control: without the last term variances are smaller than those of the law they claim to be of."""
    model, y, arguments = problem(1, 2, 1, 6, False)
    run = two_filter_smoother(model, y, **arguments)
    Sf, Sb = run.past_covariances[3], run.future_covariances[3]
    twice = np.linalg.inv(np.linalg.inv(Sf) + np.linalg.inv(Sb))
    assert np.linalg.eigvalsh(run.covariances[3] - twice)[0] > 0.005
    once = np.linalg.inv(np.linalg.inv(Sf) + np.linalg.inv(Sb) - np.linalg.inv(run.prior_covariances[3]))
    assert np.abs(once - run.covariances[3]).max() < 1e-12


def test_the_ends_know_one_side_only():
    """Before the first output the past is the prior, after the last one the future is."""
    model, y, arguments = problem(2, 3, 2, 5, True)
    run = two_filter_smoother(model, y, **arguments)
    assert np.abs(run.past_covariances[0] - run.prior_covariances[0]).max() < 1e-13
    assert np.abs(run.future_covariances[-1] - run.prior_covariances[-1]).max() < 1e-13
    assert np.abs(run.means[0] - run.future[0]).max() < 1e-12
    assert np.abs(run.means[-1] - run.past[-1]).max() < 1e-12


def test_a_past_that_knows_all_is_no_obstacle():
    """Sf = 0 from a known start of a model without noise in the state: its inverse is not needed."""
    still = StochasticSSM([[0.5, 0.0], [0.0, 1.0]], np.zeros((2, 1)), [[1, 1]], [[1]])
    start = InitialState([1.0, 2.0], np.diag([0.0, 1.0]))
    y = [[1.0], [3.0], [2.0]]
    run, smooth = (
        two_filter_smoother(still, y, initial=start),
        rts_smoother(still, kalman_filter(still, y, initial=start)),
    )
    assert np.abs(run.means - smooth.means).max() < 1e-14
    assert np.abs(run.covariances - smooth.covariances).max() < 1e-14


def test_refused():
    level = StochasticSSM.from_noise([[1]], [[1]], [[1]], [[1]])
    with pytest.raises(StructureError, match="diffuse covariance of size 1, need 0"):
        two_filter_smoother(level, [[1.0]], initial=InitialState.unknown(1))
