"""What repeats is stored once: on a periodic source the number of admitted tokens stays bounded, on chance it grows.

The correspondence with the parse of Ziv and Lempel: an entry is stored only when the memory cannot predict it.  An
autoregression of as many lags as the period predicts u(t) = u(t - p) exactly; fitted causally it knows it after two
periods, when each window of p tokens has come with the token after it.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.layers.predictors import associative
from realization.memory.selection import Fitted, Selection, autoregression, fitted_autoregression, select, symbol_counts

THRESHOLD = 0.01


def admitted(predictor, tokens):
    """Which tokens have |e|^2 above the threshold."""
    e = predictor(tokens).innovation
    rule = Selection(len(tokens), rule="threshold", threshold=THRESHOLD, visibility="at-once")
    return select((e * e).sum(axis=-1), rule).admitted


def periodic(p, periods, d, seed):
    """Tokens of size 1 that repeat, of which no two are alike."""
    return np.tile(np.random.default_rng(seed).standard_normal((p, d)), (periods, 1))


@given(st.integers(1, 6), st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_a_predictor_that_knows_the_period_stores_one(p, periods, seed):
    """u^(t) = u(t - p): nothing is above any threshold from the second period on, without a rounding error."""
    u = periodic(p, periods, 2, seed)
    shift = np.zeros((p, 2))
    shift[-1] = 1
    assert not admitted(autoregression(shift), u)[p:].any()
    assert not autoregression(shift)(u).innovation[p:].any()


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_one_that_learns_it_stores_two(p, seed):
    """Two periods are 2 p pairs for 2 p coefficients of each channel; no ridge of 1e-9 keeps them from being met."""
    u = periodic(p, 60, 2, seed)
    for forgetting in (1.0, 0.99):
        assert not admitted(fitted_autoregression(p, Fitted(forgetting, 1e-9)), u)[2 * p :].any()


def test_chance_is_stored_at_a_constant_rate():
    """The control: the same predictors on independent tokens, and twice as many of twice as many."""
    u = np.random.default_rng(0).standard_normal((4000, 2))
    for p in (1, 4):
        kept = admitted(fitted_autoregression(p, Fitted(ridge=1e-9)), u)
        assert kept[:2000].sum() > 1900
        assert kept[2000:].sum() > 1900


def test_a_shorter_memory_than_the_period_stores_for_ever():
    """The other control: two lags do not tell where in a period of 0, 0, 0, 1 one is."""
    u = np.tile([[0.0], [0.0], [0.0], [1.0]], (200, 1))
    assert admitted(fitted_autoregression(2), u)[-400:].sum() >= 100
    assert admitted(fitted_autoregression(4), u)[8:].sum() == 0


def test_an_associative_memory_stores_each_pair_once():
    """The delta rule on orthonormal keys: a pair is new the first time, and never again."""
    rng = np.random.default_rng(0)
    keys, values = np.linalg.qr(rng.standard_normal((8, 8)))[0], rng.standard_normal((8, 3))
    order = np.concatenate([np.arange(8), rng.integers(0, 8, 400)])
    pairs = np.hstack([keys, values])[order]
    maps = {"key": np.eye(8, 11), "value": np.eye(11)[8:]}
    assert admitted(associative(**maps, beta=1.0), pairs).sum() == 8
    assert admitted(associative(**maps), pairs).sum() > 300, "the control: a sum does not settle"


@pytest.mark.parametrize("order", [0, 1, 2])
def test_symbols_are_known_once_their_contexts_are(order):
    """A period 0, 0, 1, 1 is told by two symbols; counts of shorter contexts never make it certain."""
    symbols = np.tile([0, 0, 1, 1], 500)
    run = symbol_counts(2, order=order)(symbols)
    surprise = -np.take_along_axis(run.prediction, symbols[:, None], axis=-1)[:, 0]
    kept = select(surprise, Selection(2000, rule="threshold", threshold=0.5, visibility="at-once")).admitted
    assert (kept[20:].sum() == 0) == (order == 2)
