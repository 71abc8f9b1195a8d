"""A rank by the largest gap agrees with a threshold where there is one cliff, and says so where there are two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg import (
    block_diagonal_schur,
    common_quadratic_norm,
    continuous_lyapunov,
    controllability_factor,
    controllability_staircase,
    decide_rank,
    discrete_lyapunov,
    discrete_riccati,
    fitting_split,
    fixed_rank,
    joint_spectral_radius,
    nilpotent_staircase,
    require_decided,
)

EPS = 2.0**-52


@given(large=st.lists(st.floats(1e-3, 1), max_size=6), small=st.lists(st.floats(0, 1e-14), max_size=6),
       size=st.floats(1e-100, 1e100))  # fmt: skip
def test_one_cliff_is_decided_at_any_scale(large, small, size):
    """Values above 1e-3 and below 1e-14 of the scale: every rule gives the number of the former."""
    s = size * np.array(sorted([1.0, *large], reverse=True) + sorted(small, reverse=True))
    d = decide_rank(s)
    assert d.decided
    assert d.choice == 1 + len(large) == fixed_rank(s, scale=size, rtol=1e-8).choice
    assert d.gap >= 1e10
    assert decide_rank(s, noise=1e-14 * size).decided


@given(st.floats(1e-10, 1e-7))
def test_a_value_between_cliff_and_rounding_is_open(middle):
    """The control: x between 1e-10 and 1e-7 counts or does not; a fixed tolerance answers all the same."""
    for s in ([1.0, middle], [1.0, middle, 1e-16], [1.0, middle, 0.0]):
        d = decide_rank(s)
        assert not d.decided
        assert {d.choice, d.rival} == {1, 2}
    assert fixed_rank(s, scale=1.0, rtol=middle / 2).choice == 2
    assert fixed_rank(s, scale=1.0, rtol=middle * 2).choice == 1


def test_known_noise_settles_it_from_either_side():
    assert decide_rank([1, 1e-8], noise=5e-9).choice == 1
    assert decide_rank([1, 1e-8], noise=5e-9).decided
    assert not decide_rank([1, 1e-8], noise=1e-10).decided
    assert decide_rank([1, 1e-7], noise=1e-16).choice == 2


def test_zeros_are_raised_to_rounding_before_gaps_are_compared():
    """The control: between rounding and an exact zero the plain ratio is infinite."""
    s = np.array([1.0, 0.3, 1e-17, 0.0, 0.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = s[:-1] / s[1:]
    assert np.nanargmax(plain) + 1 == 3
    assert decide_rank(s).choice == 2
    assert decide_rank(s).decided


def test_a_slope_has_no_cliff():
    """Values that fall by 10 from 1 to 1e-15: no gap is wide enough."""
    d = decide_rank(10.0 ** -np.arange(16))
    assert not d.decided


def test_the_ends_of_the_range():
    """No values; zeros; a block that is small against the matrix that it came from."""
    assert decide_rank([]).choice == 0
    assert decide_rank([0.0, 0.0]).choice == 0
    assert decide_rank([0.0], scale=1.0).decided
    small = decide_rank([1e-15], scale=1.0)
    assert small.choice == 0
    assert small.decided
    assert decide_rank([0.5], scale=1.0).choice == 1
    for bad in ([[1.0]], [np.nan]):
        with pytest.raises(ShapeError, match="values"):
            decide_rank(bad)


def test_what_is_no_tolerance_is_refused():
    """NaN compares as False with everything: unchecked it would pass for a tolerance that everything is below."""
    A = np.eye(2, k=1)
    for call, name in [
        (lambda x: decide_rank([1.0], scale=x), "scale"),
        (lambda x: decide_rank([1.0], noise=x), "noise"),
        (lambda x: nilpotent_staircase(A, rtol=x), "rtol"),
        (lambda x: nilpotent_staircase(A, error=x), "error"),
        (lambda x: controllability_staircase(A, A, rtol=x), "rtol"),
        (lambda x: fitting_split(A, bound=x), "bound"),
        (lambda x: block_diagonal_schur(A, bound=x), "bound"),
    ]:
        for x in (np.nan, -1.0):
            with pytest.raises(ShapeError, match=f"{name} is {x}, but a number of at least"):
                call(x)


def test_entries_that_would_overflow_are_refused_with_their_size():
    """Control: what is just below the bound is solved without a warning."""
    one = np.eye(1)
    for call, below, above in [
        (lambda x: nilpotent_staircase(x * one), 1e250, 1e251),
        (lambda x: fitting_split(x * one), 1e250, 1e251),
        (lambda x: discrete_lyapunov(one / 2, x * one), 1e50, 1e51),
        (lambda x: continuous_lyapunov(-x * one, one), 1e50, 1e51),
        (lambda x: discrete_riccati(one, one, x * one, one), 1e40, 1e51),
        (lambda x: controllability_factor(one / 2, x * one), 1e50, 1e51),
        (lambda x: joint_spectral_radius(x * one[None]), 1e50, 1e51),
        (lambda x: common_quadratic_norm(x * one[None]), 1e50, 1e51),
    ]:
        call(below)
        with pytest.raises(ShapeError, match=r"has an entry of size 1\.0e\+\d+1, need at most"):
            call(above)


@given(st.integers(-200, 200))
def test_units_do_not_matter(k):
    """A system in units of 10^k has the structure of the system."""
    A = 10.0**k * np.array([[0, 1, 2, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0.5]])
    s = nilpotent_staircase(A)
    assert s.jordan == (3,)
    assert s.decided
    assert fitting_split(A).decoupled
    assert controllability_staircase(A, 10.0**-k * np.eye(4)[:, 2:]).indices == (2, 2)
    assert block_diagonal_schur(A).blocks == (1, 3)


def test_an_open_decision_is_refused_with_its_numbers():
    require_decided([decide_rank([1.0, 0.5])], "nothing to do")
    with pytest.raises(StructureError, match=r"rank of H: 1 of 2, gap 1\.0e\+08; 2 competes .*1\.0e-08.*; give more"):
        require_decided([decide_rank([1.0, 1e-8], what="rank of H")], "give more data")
