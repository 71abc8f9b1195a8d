"""Identification by routes that have nothing in common: definitions, other units, other records, another package."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic import autocovariances, sample_canonical_correlations, spectral_density
from realization.stochastic.faurre.spectral_factors import innovations_model
from realization.stochastic.identification import covariance_ho_kalman, cva, moesp, n4sid, sample_covariances
from realization.stochastic.identification.data import records
from realization.stochastic.identification.result import prediction_errors
from realization.stochastic.identification.windows import autoregressive_order
from realization.systems import InnovationsSSM, LinearSSM, StochasticSSM, markov_parameters
from realization.systems.families import random_stable

A = np.array([[0.6, 0.5, 0], [-0.5, 0.6, 0], [0, 0, 0.4]])
B, C, D = np.array([[1.0], [0.3], [1.0]]), np.array([[1.0, 0.0, 1.0], [0.0, 1.0, -1.0]]), np.array([[0.5], [0.0]])
K, R = np.array([[0.5, 0.1], [0.2, 0.3], [0.2, -0.4]]), np.array([[1.0, 0.5], [0.5, 1.25]])
TRUE = InnovationsSSM(A, K, C, R)
OMEGA = np.linspace(0, np.pi, 64)


def record(seed, T, inputs):
    """y, u (T, 1) or None; the input is coloured, a moving average of three."""
    rng = np.random.default_rng([seed, T])
    e = rng.standard_normal((T + 200, 2)) @ np.linalg.cholesky(R).T
    u = np.convolve(rng.standard_normal(T + 202), [1, 0.7, 0.4], "valid")[:, None] * inputs
    y = LinearSSM(A, np.hstack([B, K]), C, np.hstack([D, np.eye(2)])).simulate(np.hstack([u, e])).y
    return y[200:], u[200:] if inputs else None


def relative(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def test_prediction_errors_are_those_of_the_recursion():
    y, u = record(0, 300, 1)
    found = cva(y, u=u)
    model, system = found.innovations, found.system
    x, errors = np.zeros(found.order), []
    for t in range(len(y)):
        errors.append(y[t] - model.C @ x - system.D @ u[t])
        x = model.A @ x + system.B @ u[t] + model.K @ errors[-1]
    np.testing.assert_allclose(found.prediction_errors(y, u), errors, atol=1e-12 * np.abs(y).max())
    # the model's R is the covariance of these errors, for one step ahead is what it was fitted to
    assert relative(np.cov(np.transpose(errors[found.past :])), model.R) < 0.05


@pytest.mark.parametrize("inputs", [0, 1])
def test_singular_values_of_cva_are_the_canonical_correlations_of_the_sample(inputs):
    """To rounding of regressions on data of condition below 1e3; the control: those of N4SID are not."""
    y, u = record(0, 1000, inputs)
    wanted = sample_canonical_correlations(y, 5, 4, u).values
    found = cva(y, 3, past=5, future=4, u=u).singular_values[: len(wanted)]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert np.abs(n4sid(y, 3, past=5, future=4, u=u).singular_values[: len(wanted)] - wanted).max() > 0.1


def test_canonical_variates_know_no_units_and_principal_components_do():
    """y -> M y changes the model to M C, K inv(M), M R M', to rounding, for CVA; the control: not so for the others."""
    y, u = record(0, 1000, 1)
    M = np.array([[1.0, 2.0], [-0.5, 3.0]])
    for method, agrees in ((cva, True), (n4sid, False), (moesp, False)):
        one, other = (method(data, 3, past=6, future=6, u=u) for data in (y, y @ M.T))
        found = M @ spectral_density(one.covariance, OMEGA) @ M.T
        error = relative(spectral_density(other.covariance, OMEGA), found)
        assert (error < 1e-11) if agrees else (error > 1e-4), method.__name__


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 4), m=st.integers(1, 2), p=st.integers(1, 2))
def test_many_short_records_are_as_good_as_a_long_one(seed, n, m, p):
    """Without noise: 40 records of 20 steps from as many states have the plant, which none of them has by itself."""
    rng = np.random.default_rng(seed)
    plant = random_stable(n, m, p, radius=0.8, rng=rng)
    u = rng.standard_normal((40, 20, m))
    y = plant.simulate(u, rng.standard_normal((40, n))).y
    found = moesp(y, n, u=u, past=5, future=5)
    wanted = markov_parameters(plant, 8)
    assert found.samples == 40 * 11
    # 1e3 for 40 rows and their regressions, times what a state that is hardly seen is known by
    level = 1e3 * np.finfo(float).eps * found.singular_values[0] / found.singular_values[n - 1]
    np.testing.assert_allclose(markov_parameters(found.system, 8), wanted, atol=level * np.abs(wanted).max())


@pytest.mark.parametrize("inputs", [0, 1])
def test_the_order_is_found(inputs):
    """At T = 4000 the third state lowers N log det R by more than 100, and costs 4 log N = 33, or 5 log N = 41."""

    def threes(T):
        data = [record(seed, T, inputs) for seed in range(6)]
        return [cva(y, u=u).order for y, u in data].count(3)

    assert threes(4000) >= 5
    assert threes(100) < 3  # the control: among 100 samples the third state does not pay


def test_an_order_is_judged_by_running_its_model():
    """A delay of three steps has three states, although one variate of the past predicts the output as well."""
    rng = np.random.default_rng(0)
    u = rng.standard_normal((1000, 1))
    y = 0.1 * rng.standard_normal((1000, 1))
    y[3:] += u[:-3]
    assert [method(y, u=u).order for method in (cva, n4sid, moesp)] == [3, 3, 3]
    assert cva(y, 2, u=u).innovations.R > 10 * cva(y, 3, u=u).innovations.R


def by_regressions(y, u, longest):
    """The h of least AIC, one regression after the other, all over the same moments."""
    aic, (T, p), m = [], y.shape, u.shape[1]
    for h in range(longest + 1):
        lags = [np.hstack([x[longest - k : T - k] for x in (u, y)]) for k in range(1, h + 1)]
        X, Y = np.hstack([u[longest:], *lags]), y[longest:]
        e = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
        aic.append(len(Y) * np.linalg.slogdet(e.T @ e / len(Y))[1] + 2 * h * p * (p + m))
    return int(np.argmin(aic))


@pytest.mark.parametrize("inputs", [0, 1])
def test_windows_are_twice_the_autoregression_of_least_aic(inputs):
    """One triangular factor has the residuals of all orders: against one regression for each."""
    for seed in range(3):
        y, u = record(seed, 500, inputs)
        h = by_regressions(y, np.zeros((500, 0)) if u is None else u, 20)
        assert autoregressive_order(records(y, u), 20) == h
        assert cva(y, 3, u=u).past == max(2 * h, 4)


def test_residuals_of_the_right_model_are_white_as_often_as_they_should():
    """At the level 0.05 more than 6 rejections of 40 have probability 0.3 %; of a model that is too small, all."""
    data = [record(seed, 1000, 0)[0] for seed in range(40)]
    assert sum(cva(y, 3, past=8, future=8).whiteness.rejected for y in data) <= 6
    assert all(cva(y, 1, past=8, future=8).whiteness.rejected for y in data[:10])


def test_three_roads_lead_to_the_same_process():
    """State regression, Ho and Kalman on the sample's covariances, and the sample itself, within sampling error."""
    y, _ = record(0, 100_000, 0)
    lags = sample_covariances(y, 10)
    by_states, by_covariances = cva(y, 3, past=8).covariance, covariance_ho_kalman(lags, 3)
    assert by_covariances.positive_real.verdict == "positive real"
    truth = autocovariances(TRUE, 10)
    # each error is sampling error, of 1e-2 at N = 1e5; that of the roads to the sample is no larger
    for found in (by_states, by_covariances.covariance):
        assert relative(autocovariances(found, 10), truth) < 0.03
        assert relative(autocovariances(found, 10), lags) < 0.03
    assert relative(spectral_density(by_covariances.innovations, OMEGA), spectral_density(TRUE, OMEGA)) < 0.05
    assert relative(autocovariances(TRUE, 10) * 1.1, lags) > 0.03  # the control


def by_nfoursid(y, u, n, blocks):
    """Its state space and noise covariance, as an innovations model and a system (None without inputs)."""
    import pandas
    from nfoursid import nfoursid

    outputs = {f"y{i}": column for i, column in enumerate(y.T)}
    inputs = {} if u is None else {f"u{i}": column for i, column in enumerate(u.T)}
    theirs = nfoursid.NFourSID(pandas.DataFrame(outputs | inputs), [*outputs], [*inputs], num_block_rows=blocks)
    theirs.subspace_identification()
    s, noise = theirs.system_identification(rank=n)
    p, m = len(outputs), len(inputs)
    model = StochasticSSM.from_noise(s.a, s.c, noise[p:, p:], noise[:p, :p], noise[p:, :p])
    return innovations_model(model), LinearSSM(s.a, s.b.reshape(n, m), s.c, s.d.reshape(p, m)) if m else None


@pytest.mark.real("nfoursid", "pandas")
@pytest.mark.parametrize("inputs", [0, 1])
def test_against_nfoursid(inputs):
    """Same records, order and windows, compared by impulse responses and by the errors of prediction.

    N4SID errs as theirs does, up to what the weights and ends of 3 records make of it; CVA errs less.
    """
    wanted = markov_parameters(LinearSSM(A, K, C, np.eye(2)), 12)
    response = markov_parameters(LinearSSM(A, B, C, D), 12)
    errors, sizes = [], []
    for seed in range(3):
        y, u = record(seed, 3000, inputs)
        found = [method(y, 3, past=10, future=10, u=u) for method in (n4sid, cva)]
        pairs = [by_nfoursid(y, u, 3, 10), *((one.innovations, one.system) for one in found)]
        noise = [relative(markov_parameters(LinearSSM(e.A, e.K, e.C, np.eye(2)), 12), wanted) for e, _ in pairs]
        plant = [relative(markov_parameters(s, 12), response) if inputs else 0.0 for _, s in pairs]
        errors.append([noise, plant])
        sizes.append([np.square(prediction_errors(*pair, y, u)).mean() for pair in pairs])
    (theirs, ours, variates), (their_plant, our_plant, _) = np.mean(errors, axis=0)
    assert ours < min(1.25 * theirs, 0.12)
    assert variates < 0.9 * theirs
    assert our_plant <= 1.25 * their_plant
    their_size, our_size, _ = np.mean(sizes, axis=0)
    assert our_size <= 1.001 * their_size  # parameters cost 12 / 3000 together
    # the control: one state less is seen by every one of these numbers
    wrong = n4sid(record(0, 3000, inputs)[0], 2, past=10, future=10, u=record(0, 3000, inputs)[1])
    e = wrong.innovations
    assert relative(markov_parameters(LinearSSM(e.A, e.K, e.C, np.eye(2)), 12), wanted) > 1.25 * theirs
    assert np.square(wrong.prediction_errors(*record(0, 3000, inputs))).mean() > 1.001 * sizes[0][0]
