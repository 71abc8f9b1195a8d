"""Kalman decomposition: sizes against what was built in, and against exact ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import kalman_decomposition, observable_part, reachable_part, same_behaviour
from realization.core.errors import ShapeError
from realization.linalg import controllability_staircase
from realization.systems import ContinuousSSM, LinearSSM, dual, similar
from realization.systems.families import badly_scaled, conditioned


def four_parts(sizes, rng):
    """A system in Kalman's form, with separated eigenvalues and everything else random."""
    n = sum(sizes)
    part = np.repeat(np.arange(4), sizes)
    allowed = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]])[np.ix_(part, part)]
    A = np.triu(0.5 * rng.standard_normal((n, n)), 1) * allowed + np.diag(rng.permutation(np.linspace(-0.8, 0.9, n)))
    B, C = rng.standard_normal((n, 2)), rng.standard_normal((2, n))
    B[part >= 2], C[:, part % 2 == 0] = 0, 0
    return LinearSSM(A, B, C, rng.standard_normal((2, 2)))


sizes_of_parts = st.tuples(*[st.integers(0, 3)] * 4)


@given(st.integers(0, 2**32 - 1), sizes_of_parts)
def test_the_four_parts_are_found(seed, sizes):
    """Hidden by a change of basis of condition 10; an open decision is allowed, a wrong one is not."""
    rng = np.random.default_rng(seed)
    system = similar(four_parts(sizes, rng), conditioned(sum(sizes), 10, rng=rng))
    found = kalman_decomposition(system)
    if not found.decided:
        return
    assert found.sizes == sizes
    A, B, C = found.conversion.system.A, found.conversion.system.B, found.conversion.system.C
    a, b, c = np.cumsum(found.sizes)[:3]
    zeros = (A[a:, :a], A[a:b, b:c], A[b:, :b], A[c:, :c], B[b:], C[:, :a], C[:, b:c])
    assert not any(block.any() for block in zeros)
    # a staircase passes the rounding of one step on through the small singular values of the next
    comparison = same_behaviour(system, found.minimal.system)
    assert max(found.conversion.residual, comparison.distance / comparison.size) <= 1e-8
    L, R = found.minimal.L, found.minimal.R
    assert np.abs(L @ R - np.eye(len(L))).max(initial=0) <= 1e-12


def test_most_draws_are_decided():
    """What keeps the test above from being vacuous."""
    decided = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(0, 4, 4)
        decided.append(
            kalman_decomposition(similar(four_parts(sizes, rng), conditioned(sizes.sum(), 10, rng=rng))).decided
        )
    assert np.mean(decided) >= 0.9


def test_bases_are_orthonormal_and_one_angle_is_given():
    """Reached and unseen spaces at an angle t: the condition of T is cot(t / 2), which no choice of bases improves."""
    for angle in (np.pi / 2, 0.5, 1e-3):
        # reached: e_1.  unseen: cos(t) e_1 + sin(t) e_2
        V = np.array([[1, np.cos(angle)], [0, np.sin(angle)]])
        A = np.linalg.solve(V.T, (V @ np.diag([0.5, -0.4])).T).T
        system = LinearSSM(A, [[1], [0]], [[np.sin(angle), -np.cos(angle)]], [[0]])
        found = kalman_decomposition(system)
        assert found.sizes == (0, 1, 1, 0)
        assert found.conversion.condition == pytest.approx(1 / np.tan(angle / 2))


def test_units_do_not_matter():
    """In its own units the badly scaled system leaves ranks open: the control is what the staircase says to it."""
    system = badly_scaled()
    assert not controllability_staircase(system.A, system.B).decided
    found = kalman_decomposition(system)
    assert found.decided
    assert found.sizes == (0, len(system.A), 0, 0)
    assert same_behaviour(system, found.minimal.system)


def test_duality():
    """What is reached and unseen, and what is neither, change places with what is seen in the dual."""
    rng = np.random.default_rng(3)
    system = four_parts((1, 2, 3, 2), rng)
    assert kalman_decomposition(system).sizes == (1, 2, 3, 2)
    assert kalman_decomposition(dual(system)).sizes == (2, 2, 3, 1)


def test_reachable_and_observable_parts():
    """One after the other they leave the minimal part, by orthonormal bases; alone neither does."""
    system = similar(four_parts((1, 2, 1, 2), np.random.default_rng(5)), conditioned(6, rng=5))
    reached = reachable_part(system)
    both = observable_part(reached.system)
    assert (reached.order, observable_part(system).order, both.order) == (3, 4, 2)
    assert np.array_equal(reached.R, reached.L.T)
    assert same_behaviour(system, both.system)


@pytest.mark.parametrize("n, m, p, sizes", [(0, 1, 1, (0, 0, 0, 0)), (3, 0, 2, (0, 0, 0, 3)), (3, 2, 0, (3, 0, 0, 0))])
def test_edges(n, m, p, sizes):
    A = np.diag([0.5, 0.2, -0.3][:n]) + np.eye(n, k=1)
    B, C = np.eye(n, m, k=m - n) if m else np.zeros((n, 0)), np.eye(p, n)
    found = kalman_decomposition(ContinuousSSM(A, B, C, np.zeros((p, m))))
    assert found.sizes == sizes
    assert isinstance(found.minimal.system, ContinuousSSM)


def test_a_batch_is_refused():
    with pytest.raises(ShapeError, match="one system at a time"):
        kalman_decomposition(
            LinearSSM(np.zeros((5, 2, 2)), np.zeros((5, 2, 1)), np.zeros((5, 1, 2)), np.zeros((5, 1, 1)))
        )
