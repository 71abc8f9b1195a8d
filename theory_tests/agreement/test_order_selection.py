"""Criteria against their formulas, and how often each finds the order, the canonical correlations being known.

n = 3, p = 2: exact correlations .68, .42 and .29, so that the third is above sqrt(2 p log N / N) from
N = 600 on and below it at 200.  All frequencies are of 100 runs with a fixed seed; a frequency of f has
standard error sqrt(f (1-f) / 100).
"""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import (
    aic,
    autoregressive_likelihoods,
    bartlett,
    bartlett_of_process,
    bic,
    canonical_correlations,
    innovations_parameters,
    nic,
    sample,
    sample_canonical_correlations,
    svc,
)
from realization.systems import InnovationsSSM

MODEL = InnovationsSSM(
    A=[[0.8, 0.3, 0.0], [-0.3, 0.7, 0.2], [0.0, 0.0, -0.5]],
    K=[[0.3, 0.05], [-0.1, 0.2], [0.075, 0.125]],
    C=[[1.0, 0.0, 1.0], [0.0, 1.0, -0.5]],
    R=[[1.0, 0.4], [0.4, 0.7]],
)
rows = st.lists(st.floats(0, 0.999), min_size=1, max_size=6).map(lambda s: np.sort(s)[::-1])


@settings(max_examples=100)
@given(rows, st.integers(20, 5000), st.integers(1, 3), st.integers(0, 2))
def test_criteria_are_their_formulas(s, N, p, m):
    k = len(s)
    price = [n * (2 * p + m) * np.log(N) / N for n in range(k + 1)]
    for choice, left in ((svc, lambda n: s[n] ** 2 if n < k else 0.0), (nic, lambda n: sum(s[n:] ** 2))):
        found = choice(s, N, p, inputs=m)
        want = [left(n) + price[n] for n in range(k + 1)]
        np.testing.assert_allclose(found.values, want, rtol=1e-12)
        assert found.values[found.order] == min(found.values)
        others = np.delete(found.values, found.order)
        np.testing.assert_allclose(found.margin, others.min() - found.values[found.order], atol=1e-15)
        assert found.values[found.runner_up] == others.min()
    assert nic(s, N, p, inputs=m).order == np.sum(s**2 > price[1]), (
        "a state for each correlation that is worth its price"
    )
    # (n - k) price <= s_{k+1}^2 <= price for the k of NIC and a larger n: that n is not the smaller value of SVC
    assert svc(s, N, p, inputs=m).order <= nic(s, N, p, inputs=m).order


@settings(max_examples=100)
@given(rows, st.integers(20, 500), st.floats(0.01, 0.2))
def test_bartlett_stops_at_the_first_that_is_not_rejected(s, N, level):
    k = len(s)
    found = bartlett(s, N, k, k + 1, level=level)
    for n in range(k):
        Q = -(N - (2 * k + 2) / 2) * sum(np.log(1 - s[n:] ** 2))
        np.testing.assert_allclose(
            found.values[n], scipy.stats.chi2.sf(Q, (k - n) * (k + 1 - n)), rtol=1e-8, atol=1e-300
        )
    assert (found.values[: found.order] <= level).all()
    assert found.values[found.order] > level
    if found.runner_up is not None and level * 10**found.margin < 0.999:
        assert found.runner_up != found.order
        nearer = level * 10 ** (found.margin * np.array([-1, 1]) * (1 + 1e-9))
        other = [bartlett(s, N, k, k + 1, level=x).order for x in nearer if 0 < x < 1]
        assert found.runner_up in other, "the level at which the answer would be another is the margin away"


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2), st.integers(0, 5))
def test_likelihoods_of_autoregressions_are_in_the_toeplitz_matrix(seed, p, orders):
    """Levinson against a Cholesky factor: the diagonal blocks L_mm L_mm' are the errors of prediction."""
    y = np.random.default_rng(seed).standard_normal((80, p))
    y[1:] += 0.6 * y[:-1]
    L, d = autoregressive_likelihoods(y, orders)
    G = [y[k:].T @ y[: 80 - k] / 80 for k in range(orders + 1)]
    T = np.block([[G[i - j] if i >= j else G[j - i].T for j in range(orders + 1)] for i in range(orders + 1)])
    pivots = np.diag(np.linalg.cholesky(T)).reshape(-1, p)
    want = -40 * (2 * np.log(pivots).sum(axis=1) + p * np.log(2 * np.pi) + p)
    np.testing.assert_allclose(L, want, rtol=1e-11)
    assert (np.diff(L) >= 0).all(), "more parameters never fit less"
    assert d.tolist() == [m * p * p + p * (p + 1) // 2 for m in range(orders + 1)]


def test_parameters_are_those_of_a_canonical_form():
    """A model of n states has n^2 + 2 n p entries in A, K, C, of which a change of basis takes n^2."""
    assert innovations_parameters(4, 2).tolist() == [2 * n * 2 + 3 for n in range(5)]
    assert innovations_parameters(0, 0).tolist() == [0]


def test_akaike_and_schwarz_weigh_differently():
    L, d = [-120.0, -100.0, -97.5], [0, 2, 4]
    assert (aic(L, d).order, bic(L, d, N=100).order) == (2, 1)
    np.testing.assert_allclose(aic(L, d).values, [240, 204, 203])
    np.testing.assert_allclose(bic(L, d, N=100).values, [240, 200 + 2 * np.log(100), 195 + 4 * np.log(100)])
    assert not aic(L, d).decided, "a margin of 1 is a ratio of likelihoods of 1.6"
    assert aic([-3.0], [1]).runner_up is None


def chosen(T, choose, seed):
    """How many of 100 runs of T steps are given each order."""
    y = sample(MODEL, T, rng=seed, batch=(100,)).y
    return np.bincount([choose(each) for each in y], minlength=7)


def by_svc(y, window=4):
    found = sample_canonical_correlations(y, window, window)
    return svc(found.values, found.steps, 2).order


def test_the_correlations_are_the_stated_ones():
    values = canonical_correlations(MODEL).values
    assert values.round(2).tolist() == STATED
    for T, above in ((600, True), (200, False)):
        assert (values[2] > np.sqrt(4 * np.log(T) / T)) is np.bool_(above)


STATED = [0.68, 0.42, 0.29]


def test_svc_finds_what_is_above_its_price_and_not_what_is_below():
    assert chosen(2000, by_svc, 1)[3] >= 95
    few = chosen(150, by_svc, 2)
    assert few[3] <= 50, "the control: too few samples for the third correlation"
    assert few[:3].sum() >= 50


def test_what_svc_calls_decided_is_right():
    """At 600 samples, where a tenth of the answers are wrong: of those that are decided hardly one is."""
    found = [sample_canonical_correlations(y, 4, 4) for y in sample(MODEL, 600, rng=1, batch=(300,)).y]
    choices = [svc(each.values, each.steps, 2) for each in found]
    right = {d: [c.order == 3 for c in choices if c.decided is d] for d in (True, False)}
    assert min(map(len, right.values())) > 100
    assert np.mean(right[True]) > 0.97
    assert np.mean(right[False]) < 0.9, "the control: the others err"
    by_nic = np.array([nic(each.values, each.steps, 2).order for each in found])
    orders = np.array([c.order for c in choices])
    assert (by_nic == 3).mean() > 0.9, "a square above its price is enough for it, also where the next is not far below"
    assert (orders < 3).sum() > (by_nic < 3).sum()
    assert (by_nic > 3).sum() > (orders > 3).sum(), "the control: and sometimes noise is"


def test_bartlett_finds_the_order_at_its_level():
    """At .01 the right order is rejected in 1 of 100 runs, and that is all that goes wrong with 2,000 samples."""
    found = chosen(2000, lambda y: bartlett_of_process(y, 4, 4, level=0.01).order, 3)
    assert found[3] >= 95
    assert found[:3].sum() == 0
    few = chosen(60, lambda y: bartlett_of_process(y, 4, 4, level=0.01).order, 4)
    assert few[3] <= 50, "the control"


def test_an_autoregression_of_two_steps_is_found():
    rng = np.random.default_rng(6)
    y = rng.standard_normal((100, 400, 1))
    for t in range(2, 400):
        y[:, t] += 0.9 * y[:, t - 1] - 0.5 * y[:, t - 2]
    found = np.bincount([bic(*autoregressive_likelihoods(each, 8), N=400).order for each in y], minlength=9)
    assert found[2] >= 95
    by_aic = np.bincount([aic(*autoregressive_likelihoods(each, 8)).order for each in y], minlength=9)
    # Shibata (1976): the number of spare steps that AIC takes has a limit; it is right in 71 % of cases
    assert 55 <= by_aic[2] <= 87
    assert by_aic[:2].sum() == found[:2].sum() == 0


@pytest.mark.parametrize(
    "error, call, message",
    [
        (ShapeError, lambda: svc([0.5, 0.7], 100, 1), "s increases"),
        (ShapeError, lambda: svc([1.5], 100, 1), r"s has shape \(1,\) with entries from 1\.5 to 1\.5; a row"),
        (ShapeError, lambda: nic([0.5], 1, 1), "N is 1, but at least 2 samples"),
        (ShapeError, lambda: bartlett([0.5], 100, 2, 2), "1 correlations of 2 and 2 variables; 2 are needed"),
        (StructureError, lambda: bartlett([0.5], 2, 1, 1), r"2 samples of 1 \+ 1 variables, need at least 3"),
        (StructureError, lambda: bartlett_of_process(np.ones((9, 1)), 4, 4), "2 windows of 4"),
        (StructureError, lambda: bartlett_of_process(np.zeros((9, 1)), 1, 1), "windows of the past are linearly"),
        (ShapeError, lambda: aic([1.0, 2.0], [1]), r"log_likelihoods \(2,\) and parameters \(1,\)"),
        (ShapeError, lambda: bic([], [], 5), "two rows of the same length"),
        (StructureError, lambda: autoregressive_likelihoods(np.ones((5, 1)), 5), "5 samples for 6 parameters"),
        (StructureError, lambda: autoregressive_likelihoods(np.ones((50, 2)), 2), "prediction error has eigenvalue"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(error, call, message):
    with pytest.raises(error, match=message):
        call()
