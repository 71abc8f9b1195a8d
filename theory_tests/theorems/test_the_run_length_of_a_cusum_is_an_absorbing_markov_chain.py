"""A cumulative sum forgets its past at 0, so its runs are those of an absorbing chain (Brook and Evans 1972).

Three roads: Gauss points, their cells of equal width, simulation.  The known values are those of the textbooks:
k = 1/2, h = 4 and 5, run 335.4 and 930.9 steps for one sum, 168 and 465 for both.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import average_run_length, cusum, cusum_threshold, false_alarm_probability


def in_cells(k, h, m):
    """Mean run of the chain on 0 and the middles w, 2w, ... of cells of width w = 2h / (2m - 1)."""
    w, i = 2 * h / (2 * m - 1), np.arange(m)
    Q = ndtr((i - i[:, None] + 0.5) * w + k) - ndtr((i - i[:, None] - 0.5) * w + k)
    Q[:, 0] = ndtr((0.5 - i) * w + k)
    return np.linalg.solve(np.eye(m) - Q, np.ones(m))[0]


def siegmund(k, h):
    """(exp(2kb) - 2kb - 1) / 2k^2, b = h + 1.166 (Siegmund 1985)."""
    b = h + 1.166
    return (np.exp(2 * k * b) - 2 * k * b - 1) / (2 * k * k)


@pytest.mark.parametrize("h, one, both, approximate", [(4, 335.4, 168, 338), (5, 930.9, 465, 938)])
def test_known_values(h, one, both, approximate):
    found = average_run_length(0.5, h)
    assert round(found, 1) == one
    assert round(found / 2) == both
    assert round(siegmund(0.5, h)) == approximate
    assert round(average_run_length(0.5, h * 1.001), 1) != one, "the control"


@settings(max_examples=50)
@given(st.floats(0.1, 1.0), st.floats(0.5, 5.0), st.floats(-0.5, 1.0))
def test_cells_of_equal_width_give_the_same(k, h, shift):
    """The error of m cells is c / m^2 + O(1/m^4): two of them, extrapolated, keep 1e-6 of it (measured 5e-8)."""
    few, many = in_cells(k - shift, h, 60), in_cells(k - shift, h, 120)
    ratio = (119 / 239) ** 2
    want = (many - ratio * few) / (1 - ratio)
    found = average_run_length(k, h, shift=shift)
    assert abs(found / want - 1) < 1e-5
    assert abs(found / want - 1) < 0.1 * abs(few / want - 1) + 1e-8, "the control: 60 cells alone are further off"


def test_it_is_right_where_alarms_are_rare():
    """L grows like exp(2 k h): a solve with I - Q has no digits left where this has them."""
    found = average_run_length(0.5, 30)
    assert abs(found / siegmund(0.5, 30) - 1) < 1e-2
    assert abs(in_cells(0.5, 30.0, 600) / found - 1) > 1e-3, "the control"


def test_a_rare_alarm_keeps_its_digits():
    """Once the start is forgotten an alarm comes at the rate 1/L in each of the steps that are reached."""
    for h in (20, 30, 40):
        early, late = (false_alarm_probability(0.5, h, steps) for steps in (1000, 2000))
        # a power of 2,000 of a chain of 264 states: 2,000 x 264 x eps = 1e-10 of the larger, doubled by the difference
        L = average_run_length(0.5, h)
        assert abs(L * (late - early) / 1000 - 1) < 2000 / L + 1e-9
    assert late < 2000 * np.finfo(float).eps, "the control: 1 - (what survives 2,000 roundings) has no digit of it"


def simulated(k, h, shift, runs, rng):
    """Steps to the alarm, by the recursion itself."""
    g, length, going = np.zeros(runs), np.zeros(runs), np.ones(runs, bool)
    while going.any():
        g = np.maximum(0, g + rng.standard_normal(runs) + shift - k)
        length += going
        going &= g <= h
    return length


@pytest.mark.parametrize("k, h, shift", [(0.5, 3.0, 0.0), (0.5, 4.0, 0.5), (0.25, 4.0, 1.0)])
def test_simulated_runs_are_as_long(k, h, shift):
    """4,000 runs, 4 standard errors; and as many of them as it says end within 30 steps."""
    length = simulated(k, h, shift, 4000, np.random.default_rng(1))
    error = 4 * length.std() / np.sqrt(len(length))
    assert abs(length.mean() - average_run_length(k, h, shift=shift)) < error
    assert abs(length.mean() - average_run_length(k, 1.1 * h, shift=shift)) > error, "the control: 10 % higher"
    if shift == 0:
        p = false_alarm_probability(k, h, 30)
        assert abs(np.mean(length <= 30) - p) < 4 * np.sqrt(p * (1 - p) / len(length))


@settings(max_examples=20)
@given(st.floats(0.2, 2.0), st.floats(1.05, 7.0))
def test_the_threshold_is_the_inverse(k, digits):
    """h to 1e-10 is L to a factor of exp(1e-10 d log L / dh), and d log L / dh is at most 2 k + 2."""
    wanted = average_run_length(k, 0.0) * 10 ** (digits - 1)
    h = cusum_threshold(k, wanted)
    assert abs(average_run_length(k, h) / wanted - 1) < 1e-8


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 3), st.floats(0, 1))
def test_the_sum_is_how_far_it_has_risen_above_its_lowest(seed, T, p, k):
    """S(t) - min(0, S(1), ..., S(t)), S(t) = sum z - k over what is there; where nothing is seen the sum stays."""
    rng = np.random.default_rng(seed)
    z = np.where(rng.random((T, p)) < 0.2, np.nan, rng.standard_normal((T, p)))
    found = cusum(z, k=k)
    for sign, g in ((1, found.upper), (-1, found.lower)):
        S = np.nancumsum(sign * z - k, axis=0)
        # the order of sums differs: 40 terms of size 1
        np.testing.assert_allclose(g, S - np.minimum(np.minimum.accumulate(S, axis=0), 0), atol=1e-13)
    assert found.observed.tolist() == (~np.isnan(z)).sum(axis=0).tolist()


def test_a_value_far_out_takes_no_digits_of_what_follows():
    """At 0 the past is forgotten: 40 steps of 1 - 1/2 are 20, whatever came before; a sum of everything loses them."""
    z = np.repeat([0.0, -1e17, 1.0], [5, 1, 40])[:, None]
    assert cusum(z).upper[-1, 0] == 20
    S = np.cumsum(z - 0.5)
    assert S[-1] - S.min() == 0, "the control"


def test_a_mean_that_moves_is_seen_after_the_mean_run():
    """Half a deviation, a whole one: the first alarm comes at the rate of the chain, which is what k is chosen for."""
    z = np.random.default_rng(0).standard_normal((300, 800))
    for shift in (0.5, 1.0):
        first = np.array([t for t in cusum(z + shift, h=4).alarms if t is not None]) + 1
        want, error = average_run_length(0.5, 4, shift=shift), 4 * first.std() / np.sqrt(len(first))
        assert len(first) == 800
        assert abs(first.mean() - want) < error
    quiet = cusum(z, h=cusum_threshold(0.5, 2 * 300 / 0.05)).alarms
    assert 0.02 < np.mean([t is not None for t in quiet]) < 0.08, "the control: in 300 steps 5 % of false alarms"


def test_the_test_of_a_mean_has_its_level():
    """Two sums of 100 steps, 600 runs, 3.5 standard errors of .0089; the bound of Bonferroni is a bit below."""
    z = np.random.default_rng(4).standard_normal((100, 600))
    assert abs(np.mean([cusum(x[:, None]).test().rejected for x in z.T]) - 0.05) < 0.0312
    assert np.mean([cusum(x[:, None] + 0.6).test().rejected for x in z.T[:100]]) > 0.7, "the control"


def test_nothing_is_legal():
    assert cusum(np.zeros((0, 2))).alarms == (None, None)
    assert cusum(np.zeros((0, 2))).test().p_value == 1
    assert cusum(np.full((300, 1), 2.0)).test().p_value < 1e-9, "the control: a sum of 450"
    assert cusum(np.zeros((3, 0))).alarms == ()
    assert cusum(np.zeros((3, 0))).test().p_value == 1
    assert average_run_length(0.0, 0.0) == 2


@pytest.mark.parametrize(
    "error, call, message",
    [
        (ShapeError, lambda: cusum(np.zeros(3)), r"z has shape \(3,\)"),
        (ShapeError, lambda: cusum([[1.0]], k=-1), "k is -1, but a number >= 0"),
        (ShapeError, lambda: average_run_length(0.5, np.nan), "h is nan"),
        (StructureError, lambda: cusum_threshold(0.5, 2), r"run length 2, need at least 3\.24"),
        (StructureError, lambda: cusum_threshold(0.0, 1e6), r"run length 1e\+06, need at most 10234\.4"),
        (StructureError, lambda: average_run_length(50, 4), "leaves the range of float64"),
        (ShapeError, lambda: false_alarm_probability(0.5, 4, -1), "steps is -1"),
    ],
)
def test_what_cannot_be_answered_is_refused(error, call, message):
    with pytest.raises(error, match=message):
        call()
