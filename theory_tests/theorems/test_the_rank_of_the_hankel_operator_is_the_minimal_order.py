"""What passes from past to future passes through the state: the rank of the Hankel operator is the minimal order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.systems import ContinuousSSM, LinearSSM, families, library, similar
from realization.systems.exact import ExactSSM
from realization.systems.hankel_operator import HankelOperator, hankel_operator, hankel_spectrum

seeds = st.integers(0, 2**32 - 1)
small = st.integers(1, 2)


@given(seeds, st.integers(0, 5), small, small, st.integers(0, 6), st.integers(0, 6))
def test_it_maps_the_past_of_the_input_to_the_future_of_the_output(seed, n, m, p, future, past):
    """A simulation that is fed the past and then zeros gives the same outputs, and so does the matrix of blocks."""
    rng = np.random.default_rng(seed)
    system = families.random_stable(n, m, p, rng=rng)
    H, u = HankelOperator(system, future, past), rng.standard_normal((past, m))
    y = H.matvec(u)
    want = system.simulate(np.vstack([u[::-1], np.zeros((future, m))])).y[past:]
    # the two differ in the order of roundings only
    np.testing.assert_allclose(y, want, atol=1e-13)
    np.testing.assert_allclose(H.dense() @ u.ravel(), y.ravel(), atol=1e-12)
    w = rng.standard_normal((future, p))
    np.testing.assert_allclose((w * y).sum(), (H.rmatvec(w) * u).sum(), atol=1e-11)


@given(seeds, st.integers(0, 3), st.integers(0, 2), st.integers(0, 2))
def test_its_rank_is_the_minimal_order(seed, minimal, uncontrollable, unobservable):
    """States that do nothing do not count, in any basis; rationals decide, the gap agrees."""
    rng = np.random.default_rng(seed)
    n, k = minimal + uncontrollable + unobservable, minimal + uncontrollable
    A = np.diag([1, -1, 2][:minimal] + [1, 3][:uncontrollable] + [1, -2][:unobservable]).astype(float)
    B, C = np.ones((n, 1)), np.ones((1, n))
    B[minimal:k], C[:, k:] = 0, 0
    T = np.eye(n) + np.triu(rng.integers(-1, 2, (n, n)), 1)
    system = similar(LinearSSM(A, B, C, [[0]]), T)
    assert ExactSSM.of(system).minimal_order() == minimal
    rank = hankel_operator(system).rank()
    assert (rank.choice, rank.decided) == (minimal, True)


@pytest.mark.parametrize("condition", [1.0, 1e3])
def test_thirty_of_fifty_states_do_not_count(condition):
    """20 minimal, 15 uncontrollable and 15 unobservable states that share an eigenvalue: 20, with a gap."""
    rank = hankel_operator(families.redundant(condition=condition)).rank()
    assert (rank.choice, rank.decided) == (20, True)


def test_a_basis_of_condition_one_million_hides_the_order():
    """The control: rounding in A, times the condition, has closed the gap."""
    assert not hankel_operator(families.redundant(condition=1e6)).rank().decided


@pytest.mark.parametrize("seed", range(10))
def test_where_no_gap_is_it_is_undecided(seed):
    """The control: 30 singular values that fall evenly from 1 to rounding are no order."""
    assert not hankel_operator(families.random_stable(30, 1, 1, rng=seed)).rank().decided


@given(seeds, st.integers(1, 5), small, small)
def test_shorter_horizons_see_less(seed, n, m, p):
    """The control: a horizon of k steps bounds the rank by k m and k p."""
    system = families.random_stable(n, m, p, condition=2.0, rng=seed)
    for k in range(n):
        assert len(HankelOperator(system, k, k).singular_values()) <= n
        assert np.linalg.matrix_rank(HankelOperator(system, k, k).dense()) <= min(k * m, k * p, n)


@given(seeds, st.integers(0, 6), small, small)
def test_long_horizons_reach_the_whole_operator(seed, n, m, p):
    """Finite sections against Gramians: 0.7^400 is nothing."""
    system = families.random_stable(n, m, p, radius=0.7, rng=seed)
    values = HankelOperator(system, 200, 200).singular_values()
    np.testing.assert_allclose(values, hankel_spectrum(system), atol=1e-12)
    np.testing.assert_allclose(
        values[0] if n else 0.0, np.linalg.norm(HankelOperator(system, 60, 60).dense(), 2) if n else 0.0, rtol=1e-6
    )


def test_a_delay_passes_everything_on():
    """w singular values equal to 1: no system of fewer states comes closer than 1."""
    delay = library.delay_line(6)
    assert hankel_spectrum(delay).round(14).tolist() == [1.0] * 6
    assert hankel_operator(delay).rank().choice == 6


def test_continuous_time_has_a_spectrum_and_no_finite_blocks():
    lag = ContinuousSSM([[-1]], [[1]], [[1]], [[0]])
    assert hankel_spectrum(lag).round(14).tolist() == [0.5]
    with pytest.raises(StructureError, match="discrete time is needed"):
        hankel_operator(lag)


def test_wrong_input_is_refused():
    delay = library.delay_line(2)
    with pytest.raises(ShapeError, match=r"future is -1"):
        HankelOperator(delay, -1, 2)
    with pytest.raises(ShapeError, match=r"u has shape \(3, 1\); \(2, 1\) is needed"):
        HankelOperator(delay, 2, 2).matvec(np.zeros((3, 1)))
    with pytest.raises(ShapeError, match=r"past is 1\.5, but a whole number"):
        HankelOperator(delay, 2, 1.5)
    with pytest.raises(ShapeError, match="u has dtype <U1"):
        HankelOperator(delay, 2, 1).matvec([["a"]])
    with pytest.raises(StructureError, match="spectral radius"):
        hankel_spectrum(library.integrators())
    growing = LinearSSM([[1e100]], [[1]], [[1]], [[0]])
    with pytest.raises(StructureError, match="the operator leaves the range of float64; shorter horizons"):
        HankelOperator(growing, 5, 5).dense()
    assert HankelOperator(growing, 2, 2).dense()[1, 1] == 1e200
