"""Selected tokens without positions are a set: which slot one stands in, and when it came, changes nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.layers.bmojo import BMojo, Rotary, bound, sequential
from realization.layers.fading import Diagonal
from realization.layers.predictors import state_predictor
from realization.layers.readout import Source, readout
from realization.memory.selection import Given, InnovationTest, Selection

D, M, W = 4, 3, 2
NO_GUESS = state_predictor(Diagonal.random(D, 1, rng=0), Given(np.zeros((D, 1))))


def layer(seed, slot_positions=False):
    """Window and memory with rotary positions; the surprise of a token is the square of its length."""
    test = InnovationTest(NO_GUESS, "squared", Selection(M, window=W, chunk=1))
    return BMojo.random(
        D, heads=2, window=W, test=test, rotary=Rotary.of_width(2), slot_positions=slot_positions, rng=seed
    )


def sequence(seed, order):
    """Long tokens at 1, 4 and 6, in this order, among short ones."""
    rng = np.random.default_rng(seed)
    x, kept = 0.1 * rng.standard_normal((14, D)), 2 + rng.standard_normal((M, D))
    x[[1, 4, 6]] = kept[list(order)]
    return x


orders = st.permutations(range(M))


@settings(max_examples=max(10, settings().max_examples // 4))
@given(seed=st.integers(0, 2**32), order=orders)
def test_tokens_that_exchange_their_times_are_read_alike(seed, order):
    """From the query on that sees all three: the same sum in another order, within two bounds."""
    one, x, other = layer(seed), sequence(seed, range(M)), sequence(seed, order)
    first, second = sequential(one, x), sequential(one, other)
    assert (first.places[10:] == [6, 4, 1]).all()
    assert np.array_equal(first.places, second.places)
    off = np.abs(first.y - second.y)[10:]
    assert (off <= bound(one, x).error[10:] + bound(one, other).error[10:]).all()


@given(seed=st.integers(0, 2**32), order=orders)
def test_slots_may_be_read_in_any_order(seed, order):
    """The core, whatever the positions: a permutation of the places of each query is the same sum."""
    rng = np.random.default_rng(seed)
    q, k, v = rng.standard_normal((3, 5, 1, D))
    places = np.array([[0, 2, 4]] * 5)
    one, two = (readout(sources=[Source(k, v, p, q)], scale=0.5) for p in (places, places[:, list(order)]))
    # three terms: each weight and sum errs by less than 4 (D + 8) u times the largest value
    assert np.abs(one.y - two.y).max() <= 2 * 4 * (D + 8) * 2.0**-53 * np.abs(v).max()


def test_with_positions_the_times_count():
    """The control: turned to their own positions, tokens that exchange their times are read otherwise."""
    one = layer(0, slot_positions=True)
    x, other = sequence(0, range(M)), sequence(0, (2, 0, 1))
    assert np.abs(sequential(one, x).y - sequential(one, other).y)[10:].min(0).max() > 1e-3
