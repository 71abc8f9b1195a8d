"""ARMA and SARIMAX models: impulse responses, differences, the sunspots, statsmodels beside them.

Published: statsmodels' documentation fits ARMA(2, 0) and ARMA(3, 0) with a constant to the sunspots and finds AIC
2622.637 and 2619.404; its parameters are those below.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import (
    FREE,
    Transform,
    arma,
    covariance_model,
    faurre_set,
    fit,
    free_ar,
    kalman_filter,
    positive,
    rts_smoother,
    sarimax,
    score,
    stacked,
    state_covariance,
    stationary_ar,
)
from realization.stochastic.datasets import sunspots
from realization.systems.stochastic import InitialState, StochasticSSM

spots = sunspots().values
AR = Transform(stationary_ar, free_ar)


def with_mean(theta):
    """An autoregression about theta[0], with the variance theta[-1]."""
    return arma(theta[1:-1], (), theta[-1]), {"output_offset": theta[:1]}


def fitted(order):
    start = [50, *stationary_ar([2.0, -1.0, 0.0][:order]), 300]
    transform = stacked((1, positive(50)), (order, AR), (1, positive(300)))
    return fit(with_mean, start, spots, transform=transform)


@pytest.mark.parametrize(
    ("order", "parameters", "aic"),
    [
        (2, [49.746198, 1.390633, -0.688573, 274.727182], 2622.637093),
        (3, [49.751911, 1.300818, -0.508102, -0.129644, 270.101139], 2619.403629),
    ],
)
def test_sunspots(order, parameters, aic):
    """The published search stopped near the top: an AIC that is higher by d is sqrt(d) standard errors away."""
    found = fitted(order)
    assert found.aic == pytest.approx(aic, abs=1e-3)
    assert found.aic <= aic + 1e-6
    # 1e-3 of an error more for the digits that are not printed
    away = np.abs((found.parameters - parameters) / found.standard_errors).max()
    assert away < math.sqrt(aic - found.aic + 1e-6) * 1.01 + 1e-3
    assert found.gain < 1e-8


def test_the_third_lag_is_worth_its_parameter():
    """By Akaike's criterion: the control is the fourth."""
    two, three = fitted(2), fitted(3)
    assert three.aic < two.aic
    four = fit(
        with_mean, [*three.parameters[:4], 0.0, 270], spots,
        transform=stacked((1, positive(50)), (4, AR), (1, positive(300))),
    )  # fmt: skip
    assert four.aic > three.aic


coefficients = st.lists(st.integers(-3, 3).map(lambda k: k / 2), max_size=3)


def response(a, b, steps):
    """y of y(t) = sum a y(t-1-i) + e(t) + sum b e(t-1-j) for e = 1, 0, 0, ...: the difference equation itself."""
    y = []
    for t in range(steps):
        past = sum(x * y[t - 1 - i] for i, x in enumerate(a) if t - 1 - i >= 0)
        y.append(past + (1.0 if t == 0 else b[t - 1] if t <= len(b) else 0.0))
    return np.array(y)


@given(coefficients, coefficients)
def test_arma_is_its_difference_equation(free, b):
    a = stationary_ar(free)
    model = arma(a, b, 4.0)
    markov, x = [model.D.item()], model.B[:, 0]
    for _ in range(8):
        markov.append((model.C @ x).item())
        x = model.A @ x
    assert np.abs(np.array(markov) - 2 * response(a, b, 9)).max() <= 1e-12


@given(coefficients)
def test_a_stable_autoregression_for_any_numbers(free):
    a = stationary_ar(free)
    assert len(a) == 0 or np.abs(np.roots([1, *-a])).max() < 1
    assert free_ar(a) == pytest.approx(free, abs=1e-9)


def test_an_arma_model_has_the_smallest_state_covariance():
    """Its noise is the innovation and P = P_-; with a zero outside the circle it is not the innovation, and P > P_-."""
    for b, gap in ((0.4, 0.0), (2.5, 0.01)):
        model = arma([0.5], [b])
        P, least = state_covariance(model), faurre_set(covariance_model(model)).P_minus
        assert (P - least).item() >= gap
        assert gap or pytest.approx(least, rel=1e-12) == P


def test_differences_as_states_or_beforehand():
    """The diffuse likelihood is that of the differenced series, less log 2 pi / 2 for each output that it costs."""
    rng = np.random.default_rng(0)
    y = np.cumsum(np.cumsum(rng.standard_normal(40)))[:, None]
    keys = {"ar": [0.5], "ma": [0.3], "seasonal_ar": [0.2], "seasonal_ma": [-0.4], "variance": 2.0}
    model, start = sarimax((1, 1, 1), (1, 1, 1, 4), **keys)
    found = kalman_filter(model, y, initial=start)
    z = y[1:] - y[:-1]
    z = z[4:] - z[:-4]
    stationary, still = sarimax((1, 0, 1), (1, 0, 1, 4), **keys)
    apart = kalman_filter(stationary, z, initial=still).log_likelihood
    assert found.diffuse_steps == 5
    assert found.log_likelihood == pytest.approx(apart - 5 / 2 * math.log(2 * math.pi), rel=1e-12)
    # the control: undifferenced outputs under the stationary model
    assert kalman_filter(stationary, y).log_likelihood < apart - 100


def test_a_gap_in_a_season():
    """With gaps there is no differencing beforehand; states do not mind, and it is one likelihood with them."""
    y = np.arange(12.0)[:, None] % 4
    y[5] = np.nan
    model, start = sarimax((0, 0, 0), (0, 1, 0, 4), variance=1.0)
    run = kalman_filter(model, y, initial=start)
    # the season of the gap is seen 4 steps later with twice the variance
    assert run.innovation_covariance[9] == pytest.approx(2)
    assert rts_smoother(model, run).means[6, 0] == pytest.approx(1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 2), st.booleans())
def test_the_score_is_the_slope(seed, n, p, gap):
    """Against central differences with step 1e-6, good to 1e-8 of the size of the likelihood's second derivatives."""
    rng = np.random.default_rng(seed)
    A, B, C, D = (rng.standard_normal(shape) * 0.6 for shape in ((n, n), (n, n + p), (p, n), (p, n + p)))
    D = D + np.eye(p, n + p)
    y, L = rng.standard_normal((6, p)), np.eye(n) + 0.1 * rng.standard_normal((n, n))
    y[2, 0] = np.nan if gap else 0.0
    start = InitialState(rng.standard_normal(n), L @ L.T)

    def likelihood(A, B, C, D, start):
        return kalman_filter(StochasticSSM(A, B, C, D), y, initial=start, store="likelihood").log_likelihood

    found = score(rts_smoother(StochasticSSM(A, B, C, D), kalman_filter(StochasticSSM(A, B, C, D), y, initial=start)))
    move = {name: rng.standard_normal(X.shape) for name, X in zip("ABCD", (A, B, C, D), strict=True)}
    m, S = rng.standard_normal(n), rng.standard_normal((n, n))
    S = S + S.T
    slope = sum((getattr(found, name) * X).sum() for name, X in move.items())
    slope += found.mean @ m + (found.covariance * S).sum()

    def along(h):
        moved = [X + h * move[name] for name, X in zip("ABCD", (A, B, C, D), strict=True)]
        return likelihood(*moved, InitialState(start.mean + h * m, start.covariance + h * S))

    sizes = [abs(along(h)) for h in (-1e-6, 0.0, 1e-6)]
    numeric, rough = (along(1e-6) - along(-1e-6)) / 2e-6, (along(1e-4) - along(-1e-4)) / 2e-4
    # the error of the larger step is 1e4 times that of the smaller one; rounding of l is divided by the step
    assert abs(slope - numeric) <= abs(rough - numeric) * 1e-3 + 1e4 * np.finfo(float).eps * max(sizes) / 1e-6


def level(theta):
    """Two parameters of which only the sum is told."""
    return StochasticSSM([[1]], [[1, 0]], [[1]], [[0, theta.sum()]]), InitialState.unknown(1)


def test_a_fit_says_what_it_cannot_do():
    y = np.random.default_rng(0).standard_normal((30, 1)).cumsum(axis=0)
    with pytest.raises(StructureError, match="do not tell all parameters"):
        fit(level, [0.7, 0.5], y + np.random.default_rng(1).standard_normal((30, 1)), transform=stacked((2, FREE)))
    with pytest.raises(ShapeError, match="transform does not reach"), np.errstate(invalid="ignore"):
        fit(level, [-1.0, 1.0], y, transform=positive())
    with pytest.raises(StructureError, match="spectral radius"):
        fit(lambda theta: arma(theta), [1.5], y)
    with pytest.raises(StructureError, match=r"information on parameter 0 is .*without it"):
        fit(lambda theta: arma(), [1.0], y)


def test_a_variance_that_the_outputs_do_not_ask_for_is_named():
    """White noise has no drift: its variance goes to 0, where the outputs say nothing of it."""
    y = np.random.default_rng(4).standard_normal((60, 1))

    def wandering(theta):
        model = StochasticSSM([[1]], [[0, math.sqrt(theta[1])]], [[1]], [[math.sqrt(theta[0]), 0]])
        return model, InitialState.unknown(1)

    with pytest.raises(StructureError, match="information on parameter 1"):
        fit(wandering, [1.0, 0.1], y, transform=positive())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sarimax((1, 0)), "order is .*3 whole numbers"),
        (lambda: sarimax((1, 0, 0)), "ar has 0 entries, but 1"),
        (lambda: sarimax((0, 0, 0), (1, 0, 0, 0), seasonal_ar=[0.5]), "season, is 0"),
        (lambda: arma([[1.0]]), "one row"),
        (lambda: arma(variance=-1), "variance is -1"),
        (lambda: sarimax((1, 0, 0), ar=[1.0]), "take another difference"),
        (lambda: free_ar([1.0]), "partial autocorrelation 1 is 1"),
        (lambda: positive(0.0), "positive numbers"),
    ],
)
def test_refused(call, message):
    with pytest.raises((ShapeError, StructureError), match=message):
        call()


@pytest.mark.real("statsmodels")
def test_statsmodels():
    """Beside it, at the same parameters and at the maximum; it starts with 1e6 for infinity unless told otherwise."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    found = fitted(3)
    c = found.parameters[0] * (1 - found.parameters[1:4].sum())  # theirs is the intercept of the recursion
    theirs = SARIMAX(spots[:, 0], order=(3, 0, 0), trend="c").smooth([c, *found.parameters[1:]])
    assert found.log_likelihood == pytest.approx(theirs.llf, rel=1e-12)
    parameters = {"ar": [0.5], "ma": [0.3], "seasonal_ar": [0.2], "seasonal_ma": [-0.4], "variance": 300.0}
    model, start = sarimax((1, 1, 1), (1, 1, 1, 11), **parameters)
    other = SARIMAX(spots[:, 0], order=(1, 1, 1), seasonal_order=(1, 1, 1, 11), simple_differencing=True)
    run = kalman_filter(model, spots, initial=start)
    apart = other.loglike([0.5, 0.3, 0.2, -0.4, 300.0])
    assert run.log_likelihood + 6 * math.log(2 * math.pi) == pytest.approx(apart, rel=1e-11)
