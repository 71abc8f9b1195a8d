"""A splitting subspace is minimal if and only if the future shows all of it, and so does the past.

    observable, X n (H^+)^perp = 0,    and constructible, X n (H^-)^perp = 0

(Lindquist and Picci 2015; Ruckebusch 1980).  For the state of a model this is (C, A) observable and (A, G) reachable:
a model in which all states are excited and seen may still have too many.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic import covariance_model, frame, moment, principal_angles, splitting, state_covariance
from realization.systems import StochasticSSM
from realization.testing import stochastic_systems

quarter = settings(max_examples=max(10, settings().max_examples // 4))
PLAIN = StochasticSSM([[0.9, 0], [0, -0.7]], [[1, 0], [1, 0]], [[1, 1]], [[0, 0.5]])


def beside(model, a, b, c, d, gain=0.0):
    """A third state x3+ = a x3 + b v + gain y, read into y with weight c, where v comes into y with weight d."""
    A = np.block([[model.A, np.zeros((2, 1))], [gain * model.C, np.array([[a]])]])
    B = np.block([[model.B, np.zeros((2, 1))], [gain * model.D, np.array([[b]])]])
    return StochasticSSM(A, B, np.hstack([model.C, [[c]]]), np.hstack([model.D, [[d]]]))


def judged(model, x=slice(None)):
    now = moment(model, 4, 4)
    return splitting(now.joint, now.state[x], now.past, now.future, noise=now.noise)


A, B = 0.5, 1.0
HIDDEN = {
    "not seen": (beside(PLAIN, A, B, 0, 0), 2, 2),
    # white noise through an all-pass filter, A P C' + B D' = 0 with P = B^2 / (1 - A^2): the past is silent about x3
    "not in the past": (beside(PLAIN, A, B, 1, -A * B / (1 - A**2)), 3, 2),
    # a filter of the outputs that nothing reads: the past knows it and the future does not
    "not in the future": (beside(PLAIN, A, 0, 0, 0, gain=1.0), 2, 3),
}


def test_what_can_be_left_out_is_found():
    """Each of these states splits; without the third the other two do as well."""
    for name, (model, seen, constructed) in HIDDEN.items():
        assert np.linalg.eigvalsh(state_covariance(model))[0] > 0.1, "the noise excites every state"
        found, smaller = judged(model), judged(model, slice(2))
        assert found.splits, name
        assert (found.dimension.choice, found.observable.choice, found.constructible.choice) == (3, seen, constructed)
        assert not found.minimal, name
        assert smaller.splits, name
        assert smaller.minimal, name
    assert judged(PLAIN).minimal, "the control"


@quarter
@given(stochastic_systems(min_states=1, max_states=4), st.integers(0, 2**32 - 1))
def test_a_minimal_one_has_as_many_dimensions_as_past_and_future_have_relations(drawn, seed):
    """As many angles between past and future differ from pi/2, and no subspace can explain them with fewer."""
    n, now = len(drawn.system.A), moment(drawn.system, 4, 4)
    found = splitting(now.joint, now.state, now.past, now.future, noise=now.noise)
    related = principal_angles(now.joint, now.past, now.future, noise=now.noise).related
    if not (found.observable.decided and found.constructible.decided and related.decided):
        return
    assert found.minimal == (related.choice == n)
    assert found.minimal == (related.choice == found.dimension.choice)


def test_the_rank_of_the_maps_is_that_of_the_matrices():
    """Of [C; C A; ...] for observable, of [G, A G, ...] for constructible; the control has both in full."""
    for model, seen, constructed in (*HIDDEN.values(), (PLAIN, 2, 2)):
        data, n = covariance_model(model), len(model.A)
        powers = [np.linalg.matrix_power(data.A, k) for k in range(n)]
        O, R = np.concatenate([data.C @ F for F in powers]), np.concatenate([F @ data.G for F in powers], axis=1)
        ranks = [int((np.linalg.svd(X, compute_uv=False) > 1e-12).sum()) for X in (O, R)]
        assert ranks == [seen, constructed]


def test_the_frame_space_splits_and_is_twice_too_large():
    """X_- v X_+ holds the states of all models without noise of their own; n of its 2 n dimensions are enough."""
    found = frame(PLAIN)
    whole = np.concatenate([found.predictor, found.backward])
    for x, dimension, minimal in ((whole, 4, False), (found.predictor, 2, True), (found.backward, 2, True)):
        judged = splitting(found.joint, x, found.predictor, found.backward, noise=found.noise)
        assert judged.splits
        assert judged.dimension.choice == dimension
        assert judged.minimal is minimal
