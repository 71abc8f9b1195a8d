"""Minimal realization: the order by plateaus of the tolerance, on the families where one tolerance is wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import (
    from_entries,
    invariants,
    kalman_decomposition,
    minimal_realization,
    plateaus,
    same_behaviour,
)
from realization.core.errors import ShapeError
from realization.linalg import controllability_staircase, observability_staircase
from realization.systems import ContinuousSSM, LinearSSM, similar
from realization.systems.families import conditioned, redundant


def sound(system, small):
    """L R = I and the system is its own projection."""
    L, R = small.L, small.R
    assert np.abs(L @ R - np.eye(small.order)).max(initial=0) <= 1e-13
    assert np.array_equal(small.system.A, L @ system.A @ R)
    assert small.residual <= small.bound
    return True


def order_at(system, rtol):
    """The usual way: staircases at one fixed tolerance."""
    reach = controllability_staircase(system.A, system.B, rtol=rtol)
    r = reach.rank
    return observability_staircase(reach.A2[:r, :r], (system.C @ reach.Q)[:, :r], rtol=rtol).rank


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("condition", [1, 1e3])
def test_twenty_of_fifty_states(condition, seed):
    """15 states are not reached, 15 are not seen, and all three parts share an eigenvalue."""
    system = redundant(condition=condition, rng=seed)
    small = minimal_realization(system)
    assert (small.order, small.decided) == (20, True)
    assert sound(system, small)
    assert small.decisions[0].gap >= 100
    comparison = same_behaviour(system, small.system)
    assert comparison
    assert comparison.decided


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("condition", [1e6, 1e9])
def test_undecided_where_rounding_has_the_say(condition, seed):
    """In a basis of condition 1e6 the data are known to 1e-4 or less: the system comes back whole."""
    system = redundant(condition=condition, rng=seed)
    small = minimal_realization(system)
    assert (small.order, small.decided) == (50, False)
    assert np.array_equal(small.L, np.eye(50))
    assert "nothing" in small.dropped


def test_one_tolerance_is_wrong_somewhere():
    """The control: what is right at condition 1 is too little at 1e3, and what is right there is wrong at 1e6."""
    orders = {k: {rtol: order_at(redundant(condition=k, rng=0), rtol) for rtol in (1e-12, 1e-6)} for k in (1, 1e3, 1e6)}
    assert orders[1][1e-6] == 20
    assert orders[1e3][1e-12] != 20
    assert orders[1e6][1e-6] != 20


def test_the_gap_of_the_kalman_decomposition_agrees():
    """Another route: every rank by its own gap, and the angle between what is reached and what is unseen."""
    for seed in range(3):
        assert kalman_decomposition(redundant(condition=1, rng=seed)).sizes.reached_seen == 20


def test_the_order_is_no_monotone_function_of_the_tolerance():
    """Plateaus follow each other without a hole, and the order rises again: bisection would be wrong."""
    found = plateaus(redundant(condition=1e6, rng=0))
    assert all(one.high == other.low for one, other in zip(found, found[1:], strict=False))
    assert found[-1].high == 1e-3
    steps = np.diff([plateau.order for plateau in found])
    assert steps.min() < 0 < steps.max()


def test_four_different_blocks():
    """[W1, -W1 G; 0, W2; 0, W3 G; 1, -G] with first-order G, W1, W2, W3: each of the four poles once."""
    G, W1, W2, W3 = (([k], [a, b]) for k, a, b in ((1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)))

    def times(one, other, sign=1):
        return sign * np.polymul(one[0], other[0]), np.polymul(one[1], other[1])

    zero, unit, minus = ([0.0], [1.0]), ([1.0], [1.0]), ([-1], G[1])
    entries = [[W1, times(W1, G, -1)], [zero, W2], [zero, times(W3, G)], [unit, minus]]
    system = from_entries(entries, ContinuousSSM)
    small = minimal_realization(system)
    assert (len(system.A), small.order, small.decided) == (7, 4, True)
    assert isinstance(small.system, ContinuousSSM)
    poles = np.sort(np.linalg.eigvals(small.system.A).real)
    np.testing.assert_allclose(poles, np.sort([-3 / 2, -6 / 5, -9 / 8, -12 / 11]), rtol=1e-12)


def test_repeated_poles_and_an_integrator():
    """[1/s g; g; s g; s^2 g; s^3 g] with g = 1/(s - 1)^4 has order 5, realized entry by entry 4 * 4 + 5 = 21."""
    d = np.poly([1.0] * 4)
    entries = [[([1.0], np.append(d, 0.0))], *[[(np.eye(1, k + 1)[0], d)] for k in range(4)]]
    system = from_entries(entries, ContinuousSSM)
    small = minimal_realization(system)
    assert (len(system.A), small.order, small.decided) == (21, 5, True)


def test_one_state_of_three_is_seen():
    """diag(-1, -2, -3): where a peer's loop looks at the input instead of the output it stops at two."""
    system = ContinuousSSM(np.diag([-1.0, -2, -3]), np.ones((3, 1)), [[1, 0, 0]], [[0]])
    small = minimal_realization(system)
    assert (small.order, small.decided) == (1, True)
    np.testing.assert_allclose(small.system.A, [[-1]])


def twins(unit):
    """Two equal tanks feed a third and a fourth, in units far apart: their difference is neither reached nor seen."""
    A = np.array([[-3, 0, 0, 0, 1.0], [0, -3, 0, 0, 1], [1, 1, -1, 0, 0], [0, 0, 2, -0.5, 0], [0, 0, 0, 1, -2]])
    s = 10.0 ** (unit * np.array([1, 1, -3, 4, 5]))
    return ContinuousSSM(
        A * s[:, None] / s, np.array([[1.0], [1], [0], [0], [0]]) * s[:, None], np.eye(1, 5, 3) / s, [[0]]
    )


@pytest.mark.parametrize("unit", [0, 1, 2, 8])
def test_units_do_not_matter(unit):
    """Entries from 1e-8 to 1e14 at unit 2: scaling by powers of two comes first, and costs nothing."""
    small = minimal_realization(twins(unit))
    assert (small.order, small.decided) == (4, True)


def test_without_scaling_units_matter():
    """The control."""
    assert order_at(twins(0), 1e-10) == 4
    assert order_at(twins(2), 1e-10) != 4


def test_a_weak_mode_is_kept_dropped_or_open():
    """Weight 1e-10: kept.  Weight u: dropped.  In between the data do not decide."""
    answers = []
    for weight in (1e-10, 1e-14, 1e-17):
        small = minimal_realization(LinearSSM(np.diag([0.5, 0.25]), [[1], [weight]], [[1, 1]], [[0]]))
        answers.append((small.order, small.decided))
    assert answers == [(2, True), (2, False), (1, True)]


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.integers(0, 4)] * 3),
    st.integers(1, 3),
    st.sampled_from([0.0, 1.0, 2.0]),
)
def test_never_wrong(seed, sizes, m, decades):
    """Minimal, unreached and unseen parts of random sizes, mixed by a change of basis: the order, or undecided."""
    rng = np.random.default_rng(seed)
    r, c, o = sizes
    n = r + c + o
    A = np.triu(0.5 * rng.standard_normal((n, n)), 1) + np.diag(rng.permutation(np.linspace(-0.8, 0.9, n)))
    B, C = rng.standard_normal((n, m)), rng.standard_normal((2, n))
    # unseen states first, then the minimal part, then what is not reached
    B[o + r :], C[:, :o] = 0, 0
    system = similar(LinearSSM(A, B, C, np.ones((2, m))), conditioned(n, 10**decades, rng=rng))
    small = minimal_realization(system)
    assert small.order == r if small.decided else small.order == n
    assert same_behaviour(system, small.system)


@pytest.mark.parametrize("n, m, p", [(0, 1, 1), (0, 0, 0), (3, 0, 2), (3, 2, 0)])
def test_nothing_to_reach_or_to_see(n, m, p):
    system = LinearSSM(0.5 * np.eye(n), np.ones((n, m)), np.ones((p, n)), np.ones((p, m)))
    small = minimal_realization(system)
    assert (small.order, small.decided) == (0, True)
    assert np.array_equal(small.system.D, system.D)


def test_a_transfer_function_of_zero():
    """The state is reached in one direction and seen in another; also in a basis where rounding blurs it."""
    system = LinearSSM(np.diag([0.5, 0.3]), [[1], [0]], [[0, 1]], [[2]])
    for each in (system, similar(system, conditioned(2, rng=0))):
        small = minimal_realization(each)
        assert (small.order, small.decided) == (0, True)


def test_complex_systems():
    rng = np.random.default_rng(0)
    system = LinearSSM(np.diag([0.5j, 0.3, -0.2]), [[1], [0], [1j]], [[1, 1, 0]], [[0]])
    Q = np.linalg.qr(rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3)))[0]
    small = minimal_realization(similar(system, Q))
    assert (small.order, small.decided) == (1, True)
    np.testing.assert_allclose(invariants(small.system).poles, [0.5j], atol=1e-14)


def test_a_batch_is_refused():
    with pytest.raises(ShapeError, match="one system at a time"):
        minimal_realization(
            LinearSSM(np.zeros((5, 2, 2)), np.zeros((5, 2, 1)), np.zeros((5, 1, 2)), np.zeros((5, 1, 1)))
        )
