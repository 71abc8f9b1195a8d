"""On independent statistics of one continuous law the running top M are order statistics (Renyi 1962).

Token t (counted from 1) is among the M largest of the first t with probability min(1, M / t), whatever the law is, and
independently of whether other tokens were: the number of admissions is a sum of independent Bernoulli variables with
mean sum_t min(1, M / t) = M (1 + log(T / M)) or so.
"""

import itertools

import numpy as np
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from realization.memory.selection import Selection, select


def run(surprise, M):
    return select(surprise, Selection(M, visibility="at-once"))


def law(T, M):
    """P(number of admissions = 0, ..., T): the product of the polynomials 1 - p + p z."""
    q = np.ones(1)
    for t in range(1, T + 1):
        p = min(1.0, M / t)
        q = np.convolve(q, [1 - p, p])
    return q


@given(st.integers(1, 6), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_the_memory_holds_the_largest(M, T, seed):
    s = np.random.default_rng(seed).standard_normal(T)
    found = run(s, M)
    for t in range(T):
        top = np.argsort(-s[: t + 1], kind="stable")[:M]
        assert sorted(found.places[t][found.places[t] >= 0].tolist()) == sorted(top.tolist())
        assert found.admitted[t] == (t in top)


def test_every_order_of_six_counted():
    """All 720 orders, each as likely as the other: the law is exact, and admissions are independent."""
    orders = np.array(list(itertools.permutations(range(6))), dtype=float)
    for M in (1, 2, 3):
        admitted = run(orders, M).admitted
        counts = np.bincount(admitted.sum(axis=1), minlength=7) / len(orders)
        np.testing.assert_allclose(counts, law(6, M), atol=1e-15)
        np.testing.assert_allclose(admitted.mean(axis=0), [min(1, M / t) for t in range(1, 7)], atol=1e-15)
        both = admitted[:, 3] & admitted[:, 5]
        np.testing.assert_allclose(both.mean(), M / 4 * M / 6, atol=1e-15)


def test_the_number_of_admissions_has_its_law():
    """4000 streams of 300: mean within 4 standard errors, and the counts by chi^2 at .001; for two laws of s alike."""
    T, M, runs = 300, 4, 4000
    q = law(T, M)
    support = np.arange(T + 1)
    mean = sum(min(1, M / t) for t in range(1, T + 1))
    np.testing.assert_allclose((q * support).sum(), mean, rtol=1e-12)
    deviation = np.sqrt((q * (support - mean) ** 2).sum())
    rng = np.random.default_rng(7)
    for s in (rng.standard_normal((runs, T)), rng.standard_cauchy((runs, T))):
        counts = run(s, M).admitted.sum(axis=1)
        assert abs(counts.mean() - mean) < 4 * deviation / np.sqrt(runs)
        inside = (q * runs >= 5).nonzero()[0]
        first, last = inside[0], inside[-1]
        bins = np.bincount(np.clip(counts, first, last) - first, minlength=last - first + 1)
        expected = q[first : last + 1].copy()
        expected[0] += q[:first].sum()
        expected[-1] += q[last + 1 :].sum()
        assert scipy.stats.chisquare(bins, expected * runs).pvalue > 1e-3


def test_fails_for_a_trend():
    """The control: where statistics grow every token is admitted, where they fall none but the first M."""
    rng = np.random.default_rng(0)
    drift = np.arange(300.0) + 0.1 * rng.standard_normal(300)
    assert run(drift, 4).admitted.all()
    assert run(-drift, 4).admitted.sum() == 4
    mild = rng.standard_normal((500, 300)) + np.linspace(0, 2, 300)
    mean = sum(min(1, 4 / t) for t in range(1, 301))
    assert run(mild, 4).admitted.sum(axis=1).mean() > 1.3 * mean
