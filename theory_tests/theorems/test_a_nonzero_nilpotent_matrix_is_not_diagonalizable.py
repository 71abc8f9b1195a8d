"""Diagonalizable and nilpotent is 0: a window that remembers more than its last input has no diagonal realization.

A diagonal matrix with spectrum {0} is 0.  Hence what a window does exactly, a diagonal layer does at best in the limit
of eigenvectors that coincide.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag

from realization.linalg import block_diagonal_schur, exact, jordan_form, nilpotent_staircase

pytest.importorskip("sympy")
partitions = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def hidden(A, seed):
    """A in other coordinates, exactly: shears with integer entries."""
    rng = np.random.default_rng(seed)
    A = np.array(A).astype(int).astype(object)
    for _ in range(5 if len(A) > 1 else 0):
        i, j = rng.choice(len(A), 2, replace=False)
        A[i] += A[j]
        A[:, j] -= A[:, i]
    return A


@given(sizes=partitions, seed=st.integers(0, 2**32 - 1))
def test_nilpotent_and_diagonalizable_is_zero(sizes, seed):
    """Three exact routes: Jordan blocks, the minimal polynomial z^index, similarity to a diagonal matrix."""
    A = hidden(block_diag(*(np.eye(k, k=1) for k in sizes)), seed)
    zero = not A.any()
    assert zero == (max(sizes) == 1)
    assert jordan_form(A).diagonalizable == zero
    assert exact.minimal_polynomial(A).tolist() == [1] + [0] * exact.nilpotency_index(A)
    assert exact.are_similar(A, np.zeros(A.shape, int)) == zero


@given(values=st.lists(st.integers(-3, 3), min_size=1, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_diagonalizable_matrices_are_nilpotent_only_at_zero(values, seed):
    """The other way round: of hidden diagonal matrices none is nilpotent but 0, and all have minimal index 0 or 1."""
    A = hidden(np.diag(values), seed)
    assert jordan_form(A).diagonalizable
    assert (exact.nilpotency_index(A) is not None) == (not any(values))
    s = nilpotent_staircase(A.astype(float))
    assert s.index <= 1 or not s.decided


@pytest.mark.parametrize("n", [2, 4, 8])
def test_a_diagonal_system_close_to_the_window_has_coinciding_eigenvectors(n):
    """In the limit: N + e distinct eigenvalues has eigenvectors, whose condition grows as e^-(n-1)."""
    conditions = []
    for e in (1e-1, 1e-2):
        near = np.eye(n, k=1) + np.diag(e * np.linspace(-1, 1, n))
        conditions.append(np.linalg.cond(np.linalg.eig(near)[1]))
    assert conditions[1] / conditions[0] >= 0.5 * 10 ** (n - 1)
    # and where they are worse than the bound, they are not taken
    assert block_diagonal_schur(np.eye(n, k=1) + np.diag(1e-2 * np.linspace(-1, 1, n)), bound=10).blocks == (n,)


def test_thresholds_on_eigenvalues_cannot_see_it():
    """The control: a rounding error makes the window diagonalizable and anything but nilpotent, for `eigvals`."""
    A = np.eye(16, k=1)
    A[-1, 0] = 2.0**-52
    values = np.linalg.eigvals(A)
    assert np.abs(values).min() > 0.1
    assert np.abs(values[:, None] - values)[np.triu_indices(16, 1)].min() > 0.03
    assert nilpotent_staircase(A).jordan == (16,)
