"""dim ker A^k - dim ker A^(k-1) is the number of Jordan blocks of size k and more: the two partitions are conjugate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag

from realization.linalg import conjugate_partition, exact, jordan_form, nilpotent_staircase

pytest.importorskip("sympy")
partitions = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(lambda sizes: tuple(sorted(sizes, reverse=True)))


def hidden(sizes, beside, seed):
    """Nilpotent blocks beside invertible integers, in other integer coordinates."""
    rng = np.random.default_rng(seed)
    A = block_diag(*(np.eye(k, k=1, dtype=int) for k in sizes), *([[int(a)]] for a in beside)).astype(object)
    for _ in range(5 if len(A) > 1 else 0):
        i, j = rng.choice(len(A), 2, replace=False)
        A[i] += A[j]
        A[:, j] -= A[:, i]
    return A


def weyr(A):
    """From the exact ranks of the powers."""
    ranks = [exact.rank(np.linalg.matrix_power(A, k)) for k in range(len(A) + 1)]
    return tuple(a - b for a, b in zip(ranks, ranks[1:], strict=False) if a > b)


@given(partitions)
def test_conjugation_is_an_involution(sizes):
    assert conjugate_partition(conjugate_partition(sizes)) == sizes
    assert sum(conjugate_partition(sizes)) == sum(sizes)


@given(sizes=partitions, beside=st.lists(st.sampled_from([-2, -1, 1, 2]), max_size=2), seed=st.integers(0, 2**32 - 1))
def test_three_routes_to_the_structure_agree(sizes, beside, seed):
    """Exact ranks of powers, exact Jordan chains, and the staircase in doubles."""
    A = hidden(sizes, beside, seed)
    assert weyr(A) == conjugate_partition(sizes)
    zero = next(g for g in jordan_form(A).groups if g.polynomial == (1, 0))
    assert zero.sizes == sizes
    s = nilpotent_staircase(A.astype(float))
    if s.decided:
        assert s.blocks == conjugate_partition(sizes)
        assert s.jordan == sizes
        assert s.index == sizes[0]


def test_the_staircase_decides_where_it_should():
    """The line that keeps the test above from being vacuous: all of fifty draws are decided."""
    assert all(nilpotent_staircase(hidden((4, 2, 1), (1, 2), seed).astype(float)).decided for seed in range(50))


def test_the_dimension_of_the_kernel_alone_does_not_tell():
    """The control: (2, 2) and (3, 1) have equal rank, characteristic and size, and differ in their squares."""
    one, other = hidden((2, 2), (), 0), hidden((3, 1), (), 0)
    assert exact.rank(one) == exact.rank(other) == 2
    assert weyr(one) == (2, 2)
    assert weyr(other) == (2, 1, 1)
    assert not exact.are_similar(one, other)
