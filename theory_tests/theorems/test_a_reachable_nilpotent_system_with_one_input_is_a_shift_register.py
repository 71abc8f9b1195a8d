"""A nilpotent system that one input reaches is a shift register, in other coordinates and none the less.

With several inputs it is a bundle of registers; their lengths dominate the controllability indices (Rosenbrock 1970).
"""

from itertools import accumulate, zip_longest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag

from realization.linalg import controllability_staircase, exact, nilpotent_staircase

pytest.importorskip("sympy")
seeds = st.integers(0, 2**32 - 1)


def nilpotent(sizes, rng):
    """Jordan blocks in coordinates with integer entries, of an integer inverse."""
    A = block_diag(*(np.eye(k, k=1, dtype=int) for k in sizes)).astype(object)
    for _ in range(6 if len(A) > 1 else 0):
        i, j = rng.choice(len(A), 2, replace=False)
        A[i] += A[j]
        A[:, j] -= A[:, i]
    return A


@given(n=st.integers(1, 8), seed=seeds)
def test_it_is_the_register_exactly(n, seed):
    """inv(T) = [A^(n-1) b ... A b  b]: T A = S T with ones above the diagonal of S, and T b is the last axis."""
    rng = np.random.default_rng(seed)
    A = nilpotent([n], rng)
    b = rng.integers(-3, 4, (n, 1)).astype(object)
    if exact.controllable_dimension(A, b) < n:
        return
    V = np.hstack([np.linalg.matrix_power(A, k) @ b for k in reversed(range(n))])
    T = exact.solve(V, np.eye(n, dtype=int))
    assert np.array_equal(T @ A, np.eye(n, k=1, dtype=int) @ T)
    assert (T @ b).ravel().tolist() == [0] * (n - 1) + [1]


@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=3), seed=seeds)
def test_two_blocks_are_not_reached_by_one_input(sizes, seed):
    """The control: the reachable part has at most the dimension of the largest block."""
    rng = np.random.default_rng(seed)
    A = nilpotent(sizes, rng)
    b = rng.integers(-3, 4, (len(A), 1))
    assert exact.controllable_dimension(A, b) <= max(sizes) < len(A)


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3), more=st.integers(0, 2), seed=seeds)
def test_the_lengths_dominate_the_controllability_indices(sizes, more, seed):
    """The sum of the k longest registers is at least that of the k largest indices, for every k; with equality at n."""
    rng = np.random.default_rng(seed)
    A = nilpotent(sizes, rng).astype(float)
    B = rng.standard_normal((len(A), len(sizes) + more))
    s = controllability_staircase(A, B)
    lengths = nilpotent_staircase(A).jordan
    assert lengths == tuple(sorted(sizes, reverse=True))
    assert s.rank == len(A), "as many inputs as blocks reach all, unless they are chosen badly"
    pairs = zip_longest(accumulate(lengths), accumulate(s.indices), fillvalue=len(A))
    assert all(longest >= largest for longest, largest in pairs)


def test_they_need_not_be_equal():
    """The control: registers of 3 and 1, and two inputs that share the work evenly; placed at the ends they do not."""
    A = block_diag(np.eye(3, k=1), 0.0)
    shared = controllability_staircase(A, np.random.default_rng(0).standard_normal((4, 2)))
    assert shared.indices == (2, 2)
    assert controllability_staircase(A, np.eye(4)[:, 2:]).indices == (3, 1) == nilpotent_staircase(A).jordan
