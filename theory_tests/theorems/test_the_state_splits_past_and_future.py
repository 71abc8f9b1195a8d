"""Given the state, past and future of the outputs, and of the states, are uncorrelated.

    Q_f' (I - Q_x Q_x') Q_p = 0

with orthonormal bases of the spaces that past, future and state span (Lindquist and Picci 2015).
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.stochastic import conditional_covariance, frame, moment, splitting
from realization.systems import StochasticSSM
from realization.systems.stochastic_families import random_process
from realization.testing import stochastic_systems

quarter = settings(max_examples=max(10, settings().max_examples // 4))


@quarter
@given(stochastic_systems(), st.integers(1, 5), st.integers(1, 5))
def test_in_windows(drawn, i, j):
    """Outputs alone, and outputs with states; by angles, and by the covariance that is left when x is known."""
    now = moment(drawn.system, i, j)
    assert splitting(now.joint, now.state, now.past, now.future, noise=now.noise).splits
    S, Sbar = now.scattering_pair
    found = splitting(now.joint, now.state, S, Sbar, noise=now.noise)
    assert found.splits
    left = conditional_covariance(now.joint, np.concatenate([now.past, now.future]), given=now.state)
    cross, size = left[: len(now.past), len(now.past) :], np.diag(now.joint).max()
    assert np.abs(cross).max() <= found.noise * size


@quarter
@given(stochastic_systems(min_states=1))
def test_over_infinite_time(drawn):
    """x splits the predictor space of the past and that of the future, which stand for all of both."""
    found = frame(drawn.system)
    assert splitting(found.joint, found.state, found.predictor, found.backward, noise=found.noise).splits


def judged(seed):
    """A slow process in skew coordinates: in a window, over infinite time, and by the state one step before."""
    rng = np.random.default_rng(seed)
    n, p, i = rng.integers(1, 6), rng.integers(1, 3), rng.integers(1, 8)
    radius, condition, weight = rng.choice([0.9, 0.99, 0.9999]), 10 ** rng.uniform(0, 3), 10 ** rng.uniform(-3, 1)
    model = random_process(n, p, n, radius=radius, condition=condition, weight=weight, rng=seed)
    now, ends = moment(model, i, i), frame(model)
    for found, x, past, future in (
        (now, now.state, now.past, now.future),
        (ends, ends.state, ends.predictor, ends.backward),
        (now, now.before[-n:], now.past, now.future),
    ):
        try:
            yield splitting(found.joint, x, past, future, noise=found.noise)
        except StructureError:
            yield None


def test_where_digits_are_lost_it_is_said():
    """The state splits, or the angles are refused as unknown: rounding is never taken for a correlation.

    More often than not there is an answer, and no noise makes it: the state one step before does not split.
    """
    window, infinite, before = zip(*map(judged, range(50)), strict=True)
    for found in (window, infinite):
        assert all(each.splits for each in found if each)
        assert sum(each is None for each in found) < 25
    assert sum(each is not None and not each.splits for each in before) >= 25


def test_an_older_state_does_not():
    """The control: what came in since then is missing."""
    now = moment(EXAMPLE, 4, 4)
    found = [splitting(now.joint, x, now.past, now.future) for x in (now.before[-2:], now.after[:2], now.state)]
    assert [each.splits for each in found] == [False, False, True]
    assert min(each.defect for each in found[:2]) > 0.05


def test_a_part_of_the_state_does_not():
    """The control: one of two states that both matter leaves past and future correlated by 0.51."""
    now = moment(EXAMPLE, 4, 4)
    assert round(splitting(now.joint, now.state[:1], now.past, now.future).defect, 2) == 0.51


EXAMPLE = StochasticSSM([[0.9, 0], [0, -0.7]], [[1, 0, 0], [0, 1, 0]], [[1, 1]], [[0.3, 0, 0.5]])
