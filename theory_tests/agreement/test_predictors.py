"""Predictors of the next token against plain solves and loops; and what each of them has to keep to."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.memory.selection import (
    Fitted,
    Given,
    Predicted,
    after,
    autoregression,
    channelwise,
    fitted_autoregression,
    from_features,
    from_log_probabilities,
    lags,
    symbol_counts,
)
from realization.testing import check_predictor, seeds

EPS = 2.0**-52


def running_mean(tokens, state=None, *, begins=None):
    """f(t) = (f(t-1) + u(t)) / 2, one step after the other."""
    f = np.zeros_like(tokens)
    last = np.zeros((*tokens.shape[:-2], tokens.shape[-1])) if state is None else state
    for t in range(tokens.shape[-2]):
        last = (np.where(begins[..., t, None], 0.0, last) + tokens[..., t, :]) / 2
        f[..., t, :] = last
    return f, last


def uniform_or_repeat(symbols, state=None, *, begins=None):
    return np.log(np.where(np.arange(3) == symbols[..., None], 0.6, 0.2)), None


rng = np.random.default_rng(0)
THETA = rng.standard_normal((2, 3, 3))
PREDICTORS = {
    "given matrices": autoregression(THETA),
    "one coefficient for each channel": autoregression(THETA[:, 0]),
    "of order 0": autoregression(np.zeros((0, 3))),
    "fitted": fitted_autoregression(3),
    "fitted with forgetting": fitted_autoregression(2, Fitted(0.9, 1e-3)),
    "fitted of order 0": fitted_autoregression(0),
    "fitted to each channel": channelwise(fitted_autoregression(4, Fitted(0.95))),
    "from features": from_features(running_mean, Given(THETA[0])),
    "fitted to features": from_features(running_mean, Fitted(0.99)),
    "of the output of a system": after(running_mean, fitted_autoregression(2)),
}
SYMBOLS = {
    **{f"counts of order {k}": symbol_counts(3, order=k) for k in range(3)},
    "given log p": from_log_probabilities(uniform_or_repeat, 3),
}


@pytest.mark.parametrize("name", PREDICTORS)
def test_they_keep_to_what_a_predictor_is(name):
    tokens = np.random.default_rng(1).standard_normal((2, 30, 3))
    tokens[:, 11:15] = tokens[:, 10:11]  # equal tokens
    check_predictor(PREDICTORS[name], tokens)
    check_predictor(PREDICTORS[name], np.zeros((0, 2, 5, 3)))


@pytest.mark.parametrize("name", SYMBOLS)
def test_those_of_symbols_too(name):
    symbols = np.random.default_rng(1).integers(0, 3, (2, 30))
    check_predictor(SYMBOLS[name], symbols)
    p = np.exp(SYMBOLS[name](symbols).prediction)
    np.testing.assert_allclose(p.sum(axis=-1), 1, atol=16 * EPS)


def looks_ahead(tokens, state=None, *, begins=None):
    return Predicted(tokens, tokens + np.roll(tokens, -1, axis=-2), None)


def sees_the_token(tokens, state=None, *, begins=None):
    return Predicted(tokens, 0.5 * tokens, None)


def forgets_its_state(tokens, state=None, *, begins=None):
    return PREDICTORS["fitted"](tokens, None, begins=begins)


def stale_by_a_block(tokens, state=None, *, begins=None):
    """The state that a block is given, and not the one that it leaves."""
    run = PREDICTORS["fitted"](tokens, state, begins=begins)
    return Predicted(run.target, run.prediction, run.state if state is None else state)


def never_begins(tokens, state=None, *, begins=None):
    return PREDICTORS["fitted"](tokens, state)


def begins_everywhere(tokens, state=None, *, begins=None):
    """A document in one sequence begins one in all."""
    if begins is not None:
        begins = np.broadcast_to(begins.any(axis=tuple(range(begins.ndim - 1)), keepdims=True), begins.shape).copy()
    return PREDICTORS["fitted"](tokens, state, begins=begins)


def does_not_know(tokens, state=None, *, begins=None):
    return Predicted(tokens, np.full(tokens.shape, np.nan), None)


def one_for_all(tokens, state=None, *, begins=None):
    """Every sequence is predicted as the first one is."""
    run = PREDICTORS["given matrices"](tokens, state, begins=begins)
    first = run.prediction if tokens.ndim == 2 else np.broadcast_to(run.prediction[:1], tokens.shape)
    return Predicted(run.target, first, run.state)


def writes_into_its_state(tokens, state=None, *, begins=None):
    total = np.zeros((*tokens.shape[:-2], tokens.shape[-1])) if state is None else state[0]
    prediction = np.empty_like(tokens)
    for t in range(tokens.shape[-2]):
        if begins is not None:
            np.copyto(total, 0, where=begins[..., t, None])
        prediction[..., t, :] = total
        total += tokens[..., t, :]
    return Predicted(tokens, prediction, (total,))


def sum_in_blocks(tokens, state=None, *, begins=None):
    """The sum so far, where the sum of a block is added at its end: right but for the rounding."""
    before = np.zeros((*tokens.shape[:-2], 1, tokens.shape[-1])) if state is None else state
    inside = np.cumsum(tokens, axis=-2)
    prediction = before + inside - tokens
    return Predicted(tokens, prediction, before + tokens.sum(axis=-2, keepdims=True))


@pytest.mark.parametrize(
    "predictor, message",
    [
        (looks_ahead, "not causal"),
        (sees_the_token, "not causal"),
        (forgets_its_state, "split"),
        (stale_by_a_block, "split"),
        (never_begins, "restart"),
        (one_for_all, "batch"),
        (begins_everywhere, "batch: where one sequence begins a document"),
        (does_not_know, "the prediction has 180 NaN"),
        (writes_into_its_state, "split: a block writes into the state"),
        (sum_in_blocks, "not causal|split|restart"),
    ],
)
def test_the_check_finds_what_is_wrong(predictor, message):
    with pytest.raises(AssertionError, match=message):
        check_predictor(predictor, np.random.default_rng(1).standard_normal((2, 30, 3)))


def test_a_product_of_blas_is_found_where_its_bits_depend_on_the_number_of_rows():
    weight = np.random.default_rng(0).standard_normal((96, 96))

    def blas(tokens, state=None, *, begins=None):
        run = from_features(lags(1), lambda x, y, fit, begins: (x @ weight, None))
        return run(tokens, state, begins=begins)

    tokens = np.random.default_rng(1).standard_normal((64, 96))
    if all((tokens[t] @ weight == (tokens @ weight)[t]).all() for t in range(64)):
        pytest.skip("this BLAS has the same bits for one row and for 64")
    with pytest.raises(AssertionError, match=r"restart|split"):
        check_predictor(blas, tokens)
    check_predictor(from_features(lags(1), Given(weight.T)), tokens)


@given(seeds, st.integers(0, 3), st.integers(0, 12), st.booleans())
def test_an_autoregression_is_its_sum(seed, m, T, full):
    rng = np.random.default_rng(seed)
    theta, u = rng.standard_normal((m, 2, 2) if full else (m, 2)), rng.standard_normal((T, 2))
    want = np.zeros((T, 2))
    for t in range(T):
        for i in range(min(m, t)):
            want[t] += theta[i] @ u[t - 1 - i] if full else theta[i] * u[t - 1 - i]
    # sums of 2 m terms in two orders
    np.testing.assert_allclose(autoregression(theta)(u).prediction, want, atol=(2 * m + 1) * EPS * 50)


def plain_ridge(x, y, forgetting, ridge):
    """Predictions by a solve of the normal equations before every step; the ridge of one regressor is renewed."""
    (T, n), m = x.shape, y.shape[1]
    M, b, r, predictions = np.zeros((n, n)), np.zeros((n, m)), np.full(n, ridge), np.zeros((T, m))
    for t in range(T):
        predictions[t] = x[t] @ np.linalg.solve(M + np.diag(r), b)
        M, b, r = forgetting * M + np.outer(x[t], x[t]), forgetting * b + np.outer(x[t], y[t]), forgetting * r
        if forgetting < 1:
            r[t % n] = ridge
    return predictions


@given(seeds, st.integers(1, 4), st.integers(0, 25), st.sampled_from([1.0, 0.99, 0.7]), st.sampled_from([1e-3, 1.0]))
def test_the_fit_is_the_ridge_solution_on_the_past(seed, n, T, forgetting, ridge):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-3, 4, (T, n)).astype(float), rng.standard_normal((T, 2))
    x[:, -1] = x[:, 0]  # singular
    got, state = Fitted(forgetting, ridge)(x, y)
    # the plain solve has the condition squared: 25 9 n / (ridge f^n)
    condition = 1e3 / (ridge * forgetting**n)
    np.testing.assert_allclose(got, plain_ridge(x, y, forgetting, ridge), atol=50 * EPS * condition)
    if T:
        assert np.abs(got).max() == 0 or not np.allclose(got, plain_ridge(x, y, forgetting, 30 * ridge), rtol=1e-9)
    np.testing.assert_allclose(x @ Fitted(forgetting, ridge).weight(state).T, x @ state_weight(state, n), atol=1e-6)


def state_weight(state, n):
    R, z = state[0][:, :n], state[0][:, n:]
    return np.linalg.lstsq(R, z, rcond=None)[0]


def by_the_covariance(x, y, ridge):
    """The usual update of P = inv(R' R), made symmetric in every step: P -= P x x' P / (1 + x' P x)."""
    P, theta, predictions = np.eye(x.shape[1]) / ridge, np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape)
    for t in range(len(x)):
        predictions[t] = x[t] @ theta
        gain = P @ x[t] / (1 + x[t] @ P @ x[t])
        theta = theta + np.outer(gain, y[t] - predictions[t])
        P = P - np.outer(gain, P @ x[t])
        P = (P + P.T) / 2
    return predictions


def in_high_precision(x, y, ridge):
    with mpmath.workdps(60):
        x, y = mpmath.matrix(x.tolist()), mpmath.matrix(y.tolist())
        M, b, predictions = ridge * mpmath.eye(x.cols), mpmath.zeros(x.cols, y.cols), []
        for t in range(x.rows):
            predictions.append([float(p) for p in x[t, :] * mpmath.lu_solve(M, b)])
            M, b = M + x[t, :].T * x[t, :], b + x[t, :].T * y[t, :]
    return np.array(predictions)


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
def test_errors_are_those_of_the_condition_and_not_of_its_square(condition, record_property):
    """Regressors whose singular values fall to 1/condition, and the ridge below them."""
    rng = np.random.default_rng(3)
    n, T = 5, 60
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
    x = rng.standard_normal((T, n)) * np.geomspace(1, 1 / condition, n) @ basis
    y = x @ rng.standard_normal((n, 1)) + 1e-3 * rng.standard_normal((T, 1))
    ridge = condition**-2.0
    want = in_high_precision(x, y, ridge)
    errors = [np.abs(p - want).max() for p in (Fitted(1.0, ridge)(x, y)[0], by_the_covariance(x, y, ridge))]
    record_property("errors", errors)
    # 8 (sqrt T) u cond(R) |y|
    tolerance = np.sqrt(T) * EPS * condition * max(np.abs(y).max(), np.abs(want).max())
    assert errors[0] <= tolerance
    assert condition < 1e8 or errors[1] > tolerance, "the control: what the usual update makes of it"


def test_a_long_run_does_not_drift():
    """1e5 steps of regressors that are singular for most of the time, against one solve at the end."""
    rng = np.random.default_rng(5)
    T, n = 100_000, 6
    x = rng.standard_normal((T, n))
    x[: T - 1000, 3:] = x[: T - 1000, :3]
    y = x @ rng.standard_normal((n, 1)) + rng.standard_normal((T, 1))
    fit = Fitted(0.995, 1e-4)
    _, state = fit(x, y)
    weights = 0.995 ** np.arange(T - 1, -1, -1.0)
    ridge = 1e-4 * 0.995 ** ((T - 1 - np.arange(n)) % n)
    want = np.linalg.solve((x.T * weights) @ x + np.diag(ridge), (x.T * weights) @ y)
    # the normal equations have a condition of 1e2 at the end, where 1000 steps of 200 remembered are regular
    np.testing.assert_allclose(fit.weight(state).T, want, atol=1e-11)
    got, _ = fit(x[: T - 1000], y[: T - 1000])
    assert np.isfinite(got).all(), "nor did what was singular for so long blow up"


@given(seeds, st.integers(1, 3), st.integers(0, 2), st.integers(0, 30), st.sampled_from([0.5, 1.0]))
def test_counts_are_counted(seed, V, k, T, prior):
    symbols = np.random.default_rng(seed).integers(0, V, T)
    seen = {}
    got = symbol_counts(V, order=k, prior=prior)(symbols).prediction
    for t in range(T):
        context = (-1,) * (k - t) + tuple(symbols[max(t - k, 0) : t].tolist())
        n = seen.setdefault(context, np.zeros(V))
        np.testing.assert_allclose(got[t], np.log((n + prior) / (n.sum() + prior * V)), atol=8 * EPS)
        n[symbols[t]] += 1


@given(seeds, st.integers(1, 4), st.integers(1, 200))
def test_the_code_of_krichevsky_and_trofimov_exceeds_the_entropy_by_its_redundancy(seed, V, T):
    """For every sequence: sum -log p <= T H(n / T) + (V - 1)/2 log T + log V, H the empirical entropy."""
    symbols = np.random.default_rng(seed).integers(0, V, T)
    length = -symbol_counts(V)(symbols).prediction[np.arange(T), symbols].sum()
    n = np.bincount(symbols, minlength=V)
    entropy = -(n[n > 0] * np.log(n[n > 0] / T)).sum()
    assert entropy - 1e-9 <= length <= entropy + (V - 1) / 2 * np.log(T) + np.log(V) + 1e-9


def test_given_log_probabilities_come_a_step_later():
    symbols = np.array([0, 2, 2, 1])
    begins = np.array([False, False, True, False])
    run = SYMBOLS["given log p"](symbols, begins=begins)
    third = [1 / 3] * 3
    np.testing.assert_allclose(np.exp(run.prediction), [third, [0.6, 0.2, 0.2], third, [0.2, 0.2, 0.6]], rtol=1e-15)


def test_the_output_of_a_system_is_predicted_and_not_the_tokens():
    tokens = np.random.default_rng(2).standard_normal((20, 3))
    begins = np.zeros(20, bool)
    y, _ = running_mean(tokens, begins=begins)
    run = after(running_mean, autoregression([[0.5] * 3]))(tokens)
    assert np.array_equal(run.target, y)
    # y(t) = y(t-1) / 2 + u(t) / 2: the filter of order 1 leaves what is new
    np.testing.assert_allclose(run.innovation, tokens / 2, atol=4 * EPS)


@pytest.mark.parametrize(
    "error, call, message",
    [
        (ShapeError, lambda: autoregression([1.0]), r"coefficients have shape \(1,\)"),
        (ShapeError, lambda: autoregression(np.ones((2, 3, 2))), "is needed"),
        (ShapeError, lambda: autoregression(THETA)(np.ones((4, 2))), r"weight has shape \(3, 6\)"),
        (ShapeError, lambda: autoregression(THETA)(np.ones(4)), "one channel is"),
        (ShapeError, lambda: autoregression(THETA)(np.full((4, 3), np.nan)), "tokens has 12 entries"),
        (ShapeError, lambda: autoregression(THETA)(1j * np.ones((4, 3))), "real numbers"),
        (ShapeError, lambda: autoregression(THETA)(np.ones((4, 3)), begins=np.zeros(3, bool)), "begins has shape"),
        (ShapeError, lambda: autoregression(THETA)(np.ones((4, 3)), begins=np.zeros(4)), "begins has .* float64"),
        (ShapeError, lambda: lags(-1), "order is -1"),
        (ShapeError, lambda: Fitted(0.0), "forgetting is 0"),
        (ShapeError, lambda: Fitted(1.0, 0.0), "ridge is 0"),
        (ShapeError, lambda: Fitted(float("nan")), "forgetting is nan"),
        (ShapeError, lambda: Fitted()(np.ones((4, 2)), np.ones((3, 1))), r"y has shape \(3, 1\)"),
        (ShapeError, lambda: Fitted()(np.full((4, 2), np.inf), np.ones((4, 1))), "x has 8 entries"),
        (ShapeError, lambda: Fitted()(1e308 * np.ones((4, 2)), np.ones((4, 1))), "prediction has"),
        (ShapeError, lambda: autoregression([[1e300]])(1e10 * np.ones((4, 1))), "prediction has 3 entries"),
        (ShapeError, lambda: Fitted()(1j * np.ones((4, 2)), np.ones((4, 1))), "x is complex"),
        (StructureError, lambda: fitted_autoregression(40, Fitted(0.3))(np.ones((4, 3))), "before its turn comes"),
        (ShapeError, lambda: lags(1.5), "order is 1.5"),
        (ShapeError, lambda: Given([[1j]]), "weight is complex"),
        (ShapeError, lambda: autoregression([[1j]]), "coefficients is complex"),
        (ShapeError, lambda: from_features(lags(1), np.eye(3)), r"readout is a ndarray, .* Given\(W\) or Fitted"),
        (ShapeError, lambda: symbol_counts(0), "alphabet is 0"),
        (ShapeError, lambda: symbol_counts(2.0), "alphabet is 2.0"),
        (ShapeError, lambda: symbol_counts(2, order=-2), "order is -2"),
        (ShapeError, lambda: symbol_counts(2, prior=0), "prior is 0"),
        (ShapeError, lambda: from_log_probabilities(uniform_or_repeat, 0), "at least 1 symbol"),
        (ShapeError, lambda: symbol_counts(2)([0, 2]), "tokens lie in 0 to 2"),
        (ShapeError, lambda: symbol_counts(2)([0.5]), "integers"),
        (ShapeError, lambda: from_log_probabilities(uniform_or_repeat, 4)(np.array([0])), r"\(1, 4\) without any"),
    ],
)
def test_what_cannot_be_answered_is_refused(error, call, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["given matrices", "one coefficient for each channel", "fitted", "fitted of order 0"])
def test_a_state_of_another_stream_is_refused(name):
    predict = PREDICTORS[name]
    with pytest.raises(ShapeError, match=r"state is a list|of another stream"):
        predict(np.ones((4, 3)), [])
    with pytest.raises(ShapeError, match="of another stream"):
        predict(np.ones((4, 3)), predict(np.ones((2, 4, 3))).state)


def test_counts_of_another_alphabet_are_refused():
    with pytest.raises(ShapeError, match="the state has counts"):
        symbol_counts(3)([0, 1], symbol_counts(2)([0, 1]).state)
    counts, context = symbol_counts(3, order=1)([0, 1]).state
    with pytest.raises(ShapeError, match="the state has counts"):
        symbol_counts(3, order=1)([0, 1], (counts, context + 9))  # a context that there is none of
    with pytest.raises(ShapeError, match="a tuple of 2 is needed"):
        symbol_counts(3)([0, 1], np.zeros(3))


@pytest.mark.parametrize("name", PREDICTORS)
def test_nothing_and_one_token_are_legal(name):
    for shape in ((0, 3), (1, 3), (2, 0, 3), (0, 4, 3)):
        run = PREDICTORS[name](np.ones(shape))
        assert run.prediction.shape == run.target.shape == shape
