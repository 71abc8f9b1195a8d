"""With the right model and covariance a share alpha of the tokens is admitted, with a running covariance more.

    s(t) = e(t)' inv(Sigma) e(t)          is chi2(d): beyond its quantile with probability alpha
    s(t) = e(t)' inv(Sigma(t)) e(t)       with Sigma(t) = sum of e e' before t / t is Hotelling's:
                                          (t - d + 1) / (t d) s(t) is F(d, t - d + 1)

(Bar-Shalom 1988; Hotelling 1931.)  In both cases admissions of different steps are independent; with the running
covariance because t Sigma(t) + e e' is independent of e' inv(t Sigma(t) + e e') e, hence of s(t).
"""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.memory.selection import Given, InnovationTest, Selection, from_features, statistic
from realization.stochastic import kalman_filter
from realization.systems import InnovationsSSM, StochasticSSM

RUNS, T = 300, 400
MODEL = InnovationsSSM(
    A=[[0.8, 0.3, 0.0], [-0.3, 0.7, 0.2], [0.0, 0.0, -0.5]],
    K=[[0.6, 0.1], [-0.2, 0.4], [0.3, 0.5]],
    C=[[1.0, 0.0, 1.0], [0.0, 1.0, -0.5]],
    R=[[1.0, 0.4], [0.4, 0.7]],
)
# mean admission of the first T steps that have twice as many innovations before them as entries, d = 8, alpha = .05
RUNNING = {50: 0.229, 200: 0.109, 2000: 0.061}


def outputs(runs, seed):
    """y (runs, T, p) of x(t+1) = A x + K e, y = C x + e, from x = 0."""
    e = np.random.default_rng(seed).standard_normal((runs, T, 2)) @ np.linalg.cholesky(MODEL.R).T
    x, y = np.zeros((runs, 3)), np.empty_like(e)
    for t in range(T):
        y[:, t] = x @ MODEL.C.T + e[:, t]
        x = x @ MODEL.A.T + e[:, t] @ MODEL.K.T
    return y


def predictor(K):
    """y^(t) = C x(t),  x(t+1) = (A - K C) x(t) + K y(t), as a state that is read one token later."""

    def state(tokens, x=None, *, begins=None):
        f = np.empty((*tokens.shape[:-1], 3))
        x = np.zeros((*tokens.shape[:-2], 3)) if x is None else x
        for t in range(tokens.shape[-2]):
            x = x @ (MODEL.A - K @ MODEL.C).T + tokens[..., t, :] @ K.T
            f[..., t, :] = x
        return f, x

    return from_features(state, Given(MODEL.C))


def admitted(y, K, alpha):
    rule = Selection(
        8, rule="threshold", threshold=scipy.stats.chi2(2).isf(alpha), eviction="fifo", visibility="at-once"
    )
    return InnovationTest(predictor(K), "whitened", rule, covariance=MODEL.R).test(y).admitted


@pytest.fixture(scope="module")
def y():
    return outputs(RUNS, 2024)


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01])
def test_a_known_model_admits_alpha(y, alpha):
    """Independent admissions: the standard error is that of a binomial, the band 3.5 of them."""
    band = 3.5 * np.sqrt(alpha * (1 - alpha) / (RUNS * T))
    assert abs(admitted(y, MODEL.K, alpha).mean() - alpha) < band
    for wrong in (0.5 * MODEL.K, 1.5 * MODEL.K):
        assert admitted(y, wrong, alpha).mean() > alpha + 2 * band, "the control: another gain"


def test_admissions_are_binomial(y):
    """The number of each run has variance T alpha (1 - alpha), and neighbours are uncorrelated; not without a gain."""
    found = admitted(y, MODEL.K, 0.1)
    ratio = found.sum(axis=1).var(ddof=1) / (T * 0.09)
    assert abs(ratio - 1) < 3.5 * np.sqrt(2 / (RUNS - 1))
    a = found - 0.1
    assert abs((a[:, 1:] * a[:, :-1]).mean()) < 3.5 * 0.09 / np.sqrt(RUNS * (T - 1))
    b = admitted(y, np.zeros((3, 2)), 0.1)  # the innovations are then the tokens themselves, which are coloured
    b = b - b.mean()
    assert (b[:, 1:] * b[:, :-1]).mean() > 3.5 * b.var() / np.sqrt(RUNS * (T - 1)), "the control"


def test_from_the_stationary_start_the_covariance_of_the_filter_has_to_be_taken():
    """At t = 0 the innovation is the output itself, of covariance C P C' + R and not R."""
    model = StochasticSSM(A=[[0.9]], B=[[1.0, 0.0]], C=[[1.0]], D=[[0.0, 1.0]])
    rng, runs = np.random.default_rng(3), 4000
    x = rng.standard_normal(runs) * np.sqrt(1 / (1 - 0.81))
    y = np.empty((runs, 3, 1))
    for t in range(3):
        y[:, t, 0] = x + rng.standard_normal(runs)
        x = 0.9 * x + rng.standard_normal(runs)
    run = kalman_filter(model, y)
    limit, band = scipy.stats.chi2(1).isf(0.1), 3.5 * np.sqrt(0.09 / runs)
    F = run.innovation_covariance[:, 0, 0]
    for t in range(3):
        e = run.innovations[:, t : t + 1]
        own, last = (statistic("whitened", e, 0 * e, covariance=[[f]]).surprise > limit for f in (F[t], F[-1]))
        assert abs(own.mean() - 0.1) < band
        assert t > 0 or last.mean() > 0.1 + band, "the control: the covariance of later steps"


def hotelling(t, d, alpha):
    """P(e' inv(Sigma(t)) e > chi2 quantile) with t innovations in Sigma(t)."""
    limit = scipy.stats.chi2(d).isf(alpha)
    return scipy.stats.f(d, t - d + 1).sf(limit * (t - d + 1) / (t * d))


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_a_running_covariance_has_the_law_of_hotelling(d, more, seed):
    """Quantiles of F against 2000 runs, at any t >= d and any covariance: Kolmogorov's distance at 1e-4."""
    t, runs, rng = d + more, 2000, np.random.default_rng(seed)
    e = rng.standard_normal((runs, t + 1, d)) @ (rng.standard_normal((d, d)) + 2 * np.eye(d))
    s = statistic("whitened", e, 0 * e).surprise[:, t]
    law = scipy.stats.f(d, t - d + 1)
    assert scipy.stats.kstest(s * (t - d + 1) / (t * d), law.cdf).statistic < 2.23 / np.sqrt(runs)


def test_fails_for_the_law_of_a_known_covariance():
    """The control: with 20 innovations before it s is not chi2."""
    e = np.random.default_rng(0).standard_normal((2000, 21, 4))
    s = statistic("whitened", e, 0 * e).surprise[:, 20]
    assert scipy.stats.kstest(s, scipy.stats.chi2(4).cdf).statistic > 4 / np.sqrt(2000)


def test_admissions_with_a_running_covariance_are_independent_too():
    """Ranks of neighbours soon after the start: correlation 0 within 4 standard errors."""
    e = np.random.default_rng(4).standard_normal((20_000, 8, 3))
    s = statistic("whitened", e, 0 * e).surprise
    assert abs(scipy.stats.spearmanr(s[:, 6], s[:, 7]).statistic) < 4 / np.sqrt(len(e))
    without = np.delete(e, 6, axis=1)
    stale = statistic("whitened", without, 0 * without).surprise[:, 6]
    assert scipy.stats.spearmanr(s[:, 6], stale).statistic > 10 / np.sqrt(len(e)), "the control: one that waits a step"


@pytest.mark.parametrize("T, figure", RUNNING.items())
def test_the_excess_fades_like_d_over_t(T, figure, record_property):
    """Averages over a stream, by the law and by runs: .229, .109, .061 is what a simulation had found."""
    d, runs = 8, {50: 2000, 200: 400, 2000: 60}[T]
    law = np.mean([hotelling(t, d, 0.05) for t in range(2 * d, T)])
    e = np.random.default_rng(T).standard_normal((runs, T, d))
    limit = scipy.stats.chi2(d).isf(0.05)
    found = (statistic("whitened", e, 0 * e).surprise[:, 2 * d :] > limit).mean()
    record_property("rates", [law, found])
    assert abs(found - law) < 3.5 * np.sqrt(law * (1 - law) / (runs * (T - 2 * d)))
    assert abs(law - figure) < 0.002
    # like d / T: a tenth at ten times as many
    assert hotelling(10 * T, d, 0.05) - 0.05 < 0.2 * (hotelling(T, d, 0.05) - 0.05)
