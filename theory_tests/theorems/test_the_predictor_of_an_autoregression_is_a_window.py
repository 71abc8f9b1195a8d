"""The predictor of an autoregression is a window on past outputs, although the autoregression itself never forgets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.systems import LinearSSM, markov_parameters
from realization.systems.exact import ExactSSM
from realization.systems.library import autoregression, autoregression_predictor

seeds = st.integers(0, 2**32 - 1)
orders = st.integers(1, 6)


def coefficients(seed, p):
    """Multiples of 1/64 whose sum of moduli is below 1: stable, and exact in doubles."""
    a = np.random.default_rng(seed).integers(-64 // p + 1, 64 // p, p) / 64
    return np.append(a[:-1], a[-1] or 1 / 64)


@given(seeds, orders)
def test_its_matrix_is_the_shift(seed, p):
    """A - K C = S: the innovations model x(t+1) = A x + K e, y = C x + e, read as a map from y to C x."""
    model = autoregression(coefficients(seed, p))
    predictor = model.A - model.B @ model.C
    assert np.array_equal(predictor, np.eye(p, k=1))
    assert not np.linalg.matrix_power(predictor, p).any()
    assert np.array_equal(autoregression_predictor(coefficients(seed, p)).A, predictor)


@given(seeds, orders)
def test_it_predicts(seed, p):
    """y - yhat is the innovation that drove y, at every step; yhat sees p outputs and no more."""
    a, e = coefficients(seed, p), np.random.default_rng(seed).standard_normal((40, 1))
    y = autoregression(a).simulate(e).y
    predictor = autoregression_predictor(a)
    # at most p + 1 terms below 1 in modulus times |y|
    np.testing.assert_allclose(y - predictor.simulate(y).y, e, atol=1e-14)
    past = y.copy()
    past[:-p] = 7.0
    assert np.array_equal(predictor.simulate(past).x[-1], predictor.simulate(y).x[-1])


@given(seeds, orders)
def test_exact_twins_agree(seed, p):
    """In rationals: the predictor is nilpotent of index p, and the model is not nilpotent, since a_p is not 0."""
    a = coefficients(seed, p)
    assert ExactSSM.of(autoregression_predictor(a)).nilpotency_index() == p
    assert ExactSSM.of(autoregression(a)).nilpotency_index() is None


def test_the_model_itself_never_forgets():
    """The control: the answer to one innovation goes on for ever."""
    assert markov_parameters(autoregression([0.5, 0.25]), 60)[-1, 0, 0] > 1e-9


@pytest.mark.parametrize("p", [1, 3, 6])
def test_without_feedback_it_is_a_moving_average(p):
    """The other control: the companion matrix with last row 0 is the shift, driven by noise a window on noise."""
    model = autoregression(np.zeros(p))
    assert np.array_equal(model.A, np.eye(p, k=1))


def test_another_gain_is_no_window():
    """The third control: a predictor with half the gain is no shift, and does not forget in p steps."""
    model = autoregression([0.5, 0.25])
    A = model.A - 0.5 * model.B @ model.C
    assert markov_parameters(LinearSSM(A, model.B, model.C, [[0]]), 30)[-1, 0, 0] != 0
