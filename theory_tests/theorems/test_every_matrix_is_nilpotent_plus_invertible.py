"""R^n = ker A^n + im A^n: A is nilpotent on the first and invertible on the second, and nothing else is left.

Hence every linear system is a window of finitely many steps plus a system that never forgets (Fitting 1933).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.linalg import exact, fitting_split

pytest.importorskip("sympy")


@st.composite
def matrices(draw):
    """Integer matrices, most of them singular: products through fewer dimensions."""
    n = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    r = draw(st.integers(0, n))
    return rng.integers(-1, 2, (n, r)) @ rng.integers(-1, 2, (r, n)), rng


def powers(A, B, C, steps):
    """C A^t B for t < steps."""
    out = []
    for _ in range(steps):
        out.append(C @ B)
        B = A @ B
    return out


@given(matrices())
def test_kernel_and_image_of_the_nth_power_are_complements(case):
    """Exact: the two bases together are one of R^n; N^index = 0, rank M = rank M^2 = its size."""
    A, _ = case
    n, split = len(A), exact.fitting_split(A)
    k = len(split.N)
    assert exact.rank(split.inverse) == n
    assert not (np.linalg.matrix_power(A, n).astype(object) @ split.inverse[:, :k]).any()
    assert exact.nilpotency_index(split.N) == split.index
    assert exact.rank(split.M) == n - k == exact.rank(np.linalg.matrix_power(A, n))
    # no coupling in either direction
    A2 = split.T @ A @ split.inverse
    assert not A2[:k, k:].any()
    assert not A2[k:, :k].any()


@given(matrices())
def test_a_system_is_a_window_plus_a_system_that_never_forgets(case):
    """Markov parameters: the nilpotent part ends after `index` steps, from there on the invertible part is all."""
    A, rng = case
    n, split = len(A), exact.fitting_split(A)
    B, C = rng.integers(-2, 3, (n, 2)), rng.integers(-2, 3, (1, n))
    k, B2, C2 = len(split.N), split.T @ B, C @ split.inverse
    h = powers(A.astype(object), B, C, n + 4)
    window = powers(split.N, B2[:k], C2[:, :k], n + 4)
    rest = powers(split.M, B2[k:], C2[:, k:], n + 4)
    assert all(np.array_equal(a, b + c) for a, b, c in zip(h, window, rest, strict=True))
    assert not np.any(window[split.index :])
    # invertible: the last state tells every state before it
    if k < n:
        assert exact.rank(np.linalg.matrix_power(split.M, 5)) == n - k


@given(matrices())
def test_the_split_is_unique(case):
    """Another basis gives the same two subspaces: the projector onto the first along the second commutes with it."""
    A, rng = case
    n = len(A)
    S = np.eye(n, dtype=int).astype(object)
    for _ in range(4):
        i, j = rng.integers(0, n, 2)
        S = S @ (np.eye(n, dtype=int) + (i != j) * np.outer(np.eye(n, dtype=int)[i], np.eye(n, dtype=int)[j]))

    def projector(split):
        k = len(split.N)
        return split.inverse[:, :k] @ split.T[:k]

    P, P2 = projector(exact.fitting_split(A)), projector(exact.fitting_split(exact.solve(S, A @ S)))
    assert np.array_equal(S @ P2, P @ S)


def test_the_first_power_does_not_do():
    """The control: for a Jordan block of size 2 kernel and image of A itself are the same line."""
    A = np.array([[0, 1], [0, 0]])
    assert exact.rank(np.hstack([[[1], [0]], A])) == 1
    assert exact.fitting_split(A).N.shape == (2, 2)


@given(matrices())
def test_in_doubles_the_dimensions_are_the_same(case):
    """The staircase finds index and dimensions of integer matrices, or says that it cannot tell."""
    A, _ = case
    split, truth = fitting_split(A), exact.fitting_split(A)
    if split.decided:
        assert (len(split.N), split.index) == (len(truth.N), truth.index)
        assert np.abs(np.linalg.eigvals(split.M)).min(initial=1) > 1e-6
