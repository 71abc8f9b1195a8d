"""Predictors over a layer's memory against loops, and what a predictor has to keep to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.layers.fading import Diagonal, Mamba2, ShortConvolution
from realization.layers.predictors import associative, output_predictor, state_predictor
from realization.memory.selection import Fitted, Given, autoregression, channelwise, fitted_autoregression
from realization.testing import check_predictor, seeds

D, N = 3, 4
EPS = 2.0**-52
rng = np.random.default_rng(0)
MODES = Diagonal.random(D, N, rng=1)
KEY, VALUE = rng.standard_normal((4, D)), rng.standard_normal((2, D))


def strength(tokens):
    return 1 / (1 + abs(tokens[..., 0]))


def decay(tokens):
    return -0.1 * abs(tokens[..., 1])


PREDICTORS = {
    "state, given": state_predictor(MODES, Given(rng.standard_normal((D, N)))),
    "state, fitted": state_predictor(MODES, Fitted(0.99)),
    "state of Mamba-2, fitted": state_predictor(Mamba2.random(D, 1, heads=1, rng=2), Fitted()),
    "convolution, fitted": state_predictor(ShortConvolution(rng.standard_normal((D, 3))), Fitted()),
    "output, given": output_predictor(MODES, autoregression(rng.standard_normal((2, D)))),
    "output, fitted": output_predictor(MODES, channelwise(fitted_autoregression(2))),
}
ASSOCIATIVE = {
    "linear attention": associative(key=KEY, value=VALUE),
    "retention": associative(key=KEY, value=VALUE, log_decay=-0.1),
    "delta rule": associative(key=KEY, value=VALUE, beta=0.9),
    "gated delta rule": associative(key=KEY, value=VALUE, beta=strength, log_decay=decay),
    "tokens as they are": associative(beta=1.0),
}


@pytest.mark.parametrize("name", PREDICTORS)
def test_they_keep_to_what_a_predictor_is(name):
    check_predictor(PREDICTORS[name], np.random.default_rng(1).standard_normal((2, 25, D)))


@pytest.mark.parametrize("name", ASSOCIATIVE)
def test_those_that_read_under_a_key_too(name):
    tokens = np.random.default_rng(1).standard_normal((2, 25, D))
    tokens[:, 5:8] = 0  # keys without a direction
    check_predictor(ASSOCIATIVE[name], tokens, sees_current=True)
    with pytest.raises(AssertionError, match="not causal"):
        check_predictor(ASSOCIATIVE[name], tokens)


@given(seeds, st.integers(0, 20))
def test_the_state_is_that_of_a_loop(seed, T):
    """s(t) = exp(g) s(t-1) + B u(t), one step after the other, and W s(t-1)."""
    u, W = (np.random.default_rng(seed).standard_normal(shape) for shape in ((T, D), (D, N)))
    s, want = np.zeros(N), np.zeros((T, D))
    for t in range(T):
        want[t] = W @ s
        s = np.exp(MODES.log_decay) * s + MODES.input_weight @ u[t]
    # sums of N + D terms in other orders, carried over T steps that shrink
    np.testing.assert_allclose(state_predictor(MODES, Given(W))(u).prediction, want, atol=64 * EPS * (T + N) * 10)


@given(seeds, st.integers(0, 12), st.booleans(), st.booleans())
def test_the_associative_memory_is_that_of_a_loop(seed, T, erases, decays):
    u = np.random.default_rng(seed).standard_normal((T, D))
    beta, log_decay = strength if erases else None, decay if decays else None
    begins = np.arange(T) == T // 2
    S, want = np.zeros((2, 4)), np.zeros((T, 2))
    for t in range(T):
        S = 0 * S if begins[t] else S
        k, v = KEY @ u[t], VALUE @ u[t]
        k = k / np.sqrt(k @ k)
        want[t] = S @ k
        S = S * np.exp(decay(u[t]) if decays else 0.0)
        S = S + (strength(u[t]) * np.outer(v - S @ k, k) if erases else np.outer(v, k))
    run = associative(key=KEY, value=VALUE, beta=beta, log_decay=log_decay)(u, begins=begins)
    np.testing.assert_allclose(run.prediction, want, atol=64 * EPS * (T + 4) * 10)
    np.testing.assert_allclose(run.target, u @ VALUE.T, atol=64 * EPS)


def test_a_delta_rule_knows_orthogonal_pairs_and_linear_attention_does_not_replace():
    """Eight orthogonal pairs come twice, then with other values."""
    keys, values = np.eye(8), np.random.default_rng(0).standard_normal((2, 8, 8))
    tokens = np.vstack([np.hstack([keys, values[i]]) for i in (0, 0, 1, 1)])
    maps = {"key": np.eye(8, 16), "value": np.eye(16)[8:]}
    new = np.abs(associative(**maps, beta=1.0)(tokens).innovation).max(axis=1) > 1e-12
    assert new.reshape(4, 8).all(axis=1).tolist() == [True, False, True, False]
    summed = np.abs(associative(**maps)(tokens).innovation).max(axis=1) > 1e-12
    assert summed.reshape(4, 8).all(axis=1).tolist() == [True, False, True, True], "the control"


@pytest.mark.parametrize("power", [-600, 600])
def test_the_unit_of_a_key_does_not_matter(power):
    """Not where its squares over- or underflow either; that of a value is that of its prediction."""
    u = np.random.default_rng(0).standard_normal((12, D))
    one, other = (associative(beta=0.9)(x).prediction for x in (u, np.ldexp(u, power)))
    assert (np.ldexp(one, power) == other).all()
    assert one[1:].all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda u: associative(log_decay=0.1)(u), "log_decay reaches 0.1"),
        (lambda u: associative(key=np.ones((2, 5)))(u), r"key has shape \(2, 5\), but tokens have d=3"),
        (lambda u: associative(key=np.ones(3)), r"key has shape \(3,\), but a weight"),
        (lambda u: associative(key=lambda u: u[..., 0])(u), r"key returns shape \(4,\) for tokens \(4, 3\)"),
        (lambda u: associative(key=1j * KEY)(u), "key is complex"),
        (lambda u: associative(beta=np.nan)(u), "beta has 1 entries that are NaN"),
        (lambda u: associative(beta=lambda u: u[:1, 0])(u), r"beta has shape \(1,\), but one number, or \(4,\)"),
        (lambda u: associative(beta=3.0)(np.repeat(u, 800, axis=0)), "prediction has"),  # (1 - beta)^t grows
        (lambda u: associative()(u * np.inf), "NaN or infinite"),
    ],
)
def test_what_cannot_be_answered_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call(np.ones((4, D)))
