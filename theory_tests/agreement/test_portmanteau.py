"""The tests of colour against their definitions, and against statsmodels where it is there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.stochastic import (
    autocorrelations,
    cumulative_periodogram,
    diagnose,
    diagnose_run,
    hosking,
    kalman_filter,
    ljung_box,
)
from realization.systems import InitialState, StochasticSSM


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(12, 40), st.integers(1, 3), st.integers(1, 6))
def test_hosking_is_its_definition(seed, T, p, lags):
    """N^2 sum tr(G_k' inv(G_0) G_k inv(G_0)) / (N - k), with G_k as it stands; and Ljung-Box for one output."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((T, p)) @ rng.standard_normal((p, p)) + rng.standard_normal(p)
    x = e - e.mean(axis=0)
    G = [x[k:].T @ x[: T - k] / T for k in range(lags + 1)]
    W = np.linalg.pinv(G[0])
    want = T * T * sum(np.trace(g.T @ W @ g @ W) / (T - k) for k, g in enumerate(G) if k)
    # two solves with the sample covariance
    np.testing.assert_allclose(hosking(e, lags).statistic, want, rtol=1e-10 * np.linalg.cond(G[0]))
    r = autocorrelations(e, lags)
    each = [T * (T + 2) * sum(r[k, i, i] ** 2 / (T - k) for k in range(1, lags + 1)) for i in range(p)]
    np.testing.assert_allclose(ljung_box(e, lags).statistic, each, rtol=1e-11)
    one = hosking(e[:, :1], lags).statistic
    np.testing.assert_allclose(one * (T + 2) / T, each[0], rtol=1e-11, err_msg="they differ by the factor (N+2)/N")


@pytest.mark.real("statsmodels")
def test_statsmodels_says_the_same():
    from statsmodels.stats import diagnostic

    e = np.random.default_rng(0).standard_normal((300, 1)).cumsum(axis=0)[::2]
    want = diagnostic.acorr_ljungbox(e[:, 0], lags=[12], model_df=2)
    found = ljung_box(e, 12, fitted=2)
    np.testing.assert_allclose(found.statistic, want["lb_stat"], rtol=1e-13)
    np.testing.assert_allclose(found.p_values, want["lb_pvalue"], rtol=1e-9)
    assert abs(ljung_box(e, 11, fitted=2).statistic / want["lb_stat"].iloc[0] - 1) > 1e-3, "the control"


@pytest.mark.real("statsmodels")
def test_statsmodels_agrees_about_several_outputs():
    """Its portmanteau test of the residuals of a vector autoregression, in the adjusted form."""
    from statsmodels.tsa import api

    fit = api.VAR(np.random.default_rng(1).standard_normal((200, 2))).fit(1)
    want = fit.test_whiteness(nlags=8, adjusted=True)
    found = hosking(fit.resid, 8, fitted=4)
    np.testing.assert_allclose(found.statistic, want.test_statistic, rtol=1e-11)
    np.testing.assert_allclose(found.p_values, want.pvalue, rtol=1e-9)
    plain = fit.test_whiteness(nlags=8, adjusted=False)
    assert abs(found.statistic / plain.test_statistic - 1) > 1e-3, "the control: without N / (N - k)"


LEVEL = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[1]], R=[[2]])


def test_a_run_of_the_filter_is_diagnosed_without_its_diffuse_steps():
    """The same as its innovations from the first step on that has a finite covariance; gaps are left out."""
    rng = np.random.default_rng(5)
    y = (rng.standard_normal(300).cumsum() + np.sqrt(2) * rng.standard_normal(300))[:, None]
    y[100:110] = np.nan
    run = kalman_filter(LEVEL, y, initial=InitialState.unknown(1))
    found = diagnose_run(run, lags=15)
    assert run.diffuse_steps == 1
    want = diagnose(run.innovations[1:], run.innovation_covariance[1:], lags=15)
    assert found.sound
    assert found.variance.degrees.tolist() == [289.0]
    for one, other in zip(found.tests, want.tests, strict=True):
        np.testing.assert_allclose(one.statistic, other.statistic, rtol=1e-12)
    doubled = kalman_filter(LEVEL, np.sqrt(2) * y, initial=InitialState.unknown(1))
    assert [text.split()[0] for text in diagnose_run(doubled).findings] == ["variance"], "the control"


def test_what_a_diagnosis_says_is_what_was_done():
    """Each fault by itself brings its own sentence; all five tests stand in the table."""
    e = np.random.default_rng(6).standard_normal((600, 2))
    step = np.where(np.arange(600)[:, None] >= 300, [0.0, -0.6], 0.0)
    cases = {
        "nothing speaks against the model": (e, np.eye(2)),
        "coloured: output 2 has correlation 0.4": (np.c_[e[1:, 0], e[1:, 1] + 0.5 * e[:-1, 0]], np.diag([1, 1.25])),
        "the covariances of the noise are too large": (e, 1.5 * np.eye(2)),
        "the mean of output 2 moves down, seen from step 3": (e + step, np.eye(2)),
    }
    for text, (given_e, R) in cases.items():
        found = diagnose(given_e, R)
        assert text in str(found)
        assert found.sound is (text[:7] == "nothing")
        assert str(found).count("\n") == 6 + len(found.findings)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_a_variance_beyond_float64_is_another_variance_and_nothing_else(unit):
    e = np.random.default_rng(0).standard_normal((200, 2))
    (finding,) = diagnose(unit * e, np.eye(2)).findings
    assert finding.startswith("variance inf" if unit > 1 else "variance 0 ")
    assert diagnose(unit**0.5 * e, unit * np.eye(2)).sound, "the control"


def test_lags_leave_room_for_what_was_fitted():
    """12 states of one output take 24 degrees of freedom, more than the 20 lags without them."""
    e = np.random.default_rng(0).standard_normal((400, 1))
    assert [test.degrees.tolist() for test in diagnose(e, [[1]], fitted=24).colour[:2]] == [[20.0], [20.0]]
    with pytest.raises(ShapeError, match="24 parameters fitted, 20 degrees of freedom in 20 lags"):
        diagnose(e, [[1]], lags=20, fitted=24)


def test_runs_that_cannot_be_diagnosed_are_named():
    y = np.ones((40, 1))
    with pytest.raises(ShapeError, match=r"the run stored 'means', but .* store='covariances'"):
        diagnose_run(kalman_filter(LEVEL, y, initial=InitialState.unknown(1), store="means"))
    with pytest.raises(ShapeError, match=r"innovations have shape \(3, 40, 1\), but those of one sequence"):
        diagnose_run(kalman_filter(LEVEL, np.ones((3, 40, 1)), initial=InitialState.unknown(1)))
    with pytest.raises(ShapeError, match="diagnosis of a int: a KalmanRun is needed"):
        diagnose_run(3)
    with pytest.raises(ValueError, match="9 steps of 1 outputs, need at least 10"):
        diagnose(np.ones((9, 1)), [[1]])


@pytest.mark.parametrize(
    "test", [ljung_box, hosking, lambda e, _: cumulative_periodogram(e)], ids=["Ljung-Box", "Hosking", "periodogram"]
)
def test_colour_has_no_units(test):
    """Squares of 1e200 and of 1e-200 are not in float64; what is tested does not depend on them."""
    e = np.random.default_rng(0).standard_normal((50, 2))
    want = test(e, 3).statistic
    for unit in (1e-200, 1e200, [1e-9, 1e9]):
        np.testing.assert_allclose(test(e * unit, 3).statistic, want, rtol=1e-11)
    assert np.abs(test(e * [[1.0, 1.0]] * np.arange(50)[:, None], 3).statistic - want).max() > 1e-3, "the control"


def test_hosking_sees_no_mixture_of_the_outputs():
    """Q(M e) = Q(e), to eps times the size and condition of the data; by their covariance it would be the square."""
    e = np.random.default_rng(0).standard_normal((200, 3))
    want = hosking(e, 5).statistic
    for small in (1e-3, 1e-6, 1e-9):
        M = np.array([[1, 0, 0], [1, small, 0], [1, 0, small]])
        np.testing.assert_allclose(hosking(e @ M.T, 5).statistic, want, rtol=200 * 2.3e-16 / small)
    assert abs(hosking(e**3, 5).statistic / want - 1) > 1e-3, "the control: linear ones"


def test_no_outputs_are_not_rejected():
    none = np.zeros((50, 0))
    found = [ljung_box(none, 3), hosking(none, 3), cumulative_periodogram(none)]
    assert [test.p_value for test in found] == [1.0] * 3
    assert ljung_box(np.arange(50.0)[:, None], 3).rejected, "the control"
