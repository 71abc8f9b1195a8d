"""Exact answers on rational matrices by two routes each, and the doubles that get them wrong."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag

from realization.core.errors import ShapeError, StructureError
from realization.linalg import exact, jordan_form, nilpotent_staircase

sympy = pytest.importorskip("sympy")
EPS = 2.0**-52


def companion(p):
    """Of a monic polynomial, coefficients highest first."""
    n = len(p) - 1
    C = np.eye(n, k=1, dtype=int)
    C[-1] = [-c for c in p[:0:-1]]
    return C


def hypercompanion(p, size):
    """One Jordan block of every root of p: companions of p on the diagonal, linked by ones."""
    d = len(p) - 1
    A = np.kron(np.eye(size, dtype=int), companion(p))
    for i in range(1, size):
        A[i * d - 1, i * d] = 1
    return A


POLYNOMIALS = [(1, 0), (1, -1), (1, 2), (1, 0, -2), (1, 0, 1), (1, 1, 1), (1, 0, 0, -2)]
structures = st.lists(st.tuples(st.sampled_from(POLYNOMIALS), st.integers(1, 3)), max_size=3).filter(
    lambda blocks: sum((len(p) - 1) * k for p, k in blocks) <= 7
)
seeds = st.integers(0, 2**32 - 1)


def sheared(A, seed, shears=6):
    """A in other coordinates, by shears with integer entries: their inverses are integers as well."""
    rng = np.random.default_rng(seed)
    A = A.astype(object)
    for _ in range(shears if len(A) > 1 else 0):
        i, j = rng.choice(len(A), 2, replace=False)
        c = int(rng.integers(-2, 3))
        A[i] += c * A[j]
        A[:, j] -= c * A[:, i]
    return A


def build(blocks):
    blocks = [hypercompanion(p, k) for p, k in blocks]
    return block_diag(*blocks).astype(int) if blocks else np.zeros((0, 0), int)


def wanted(blocks):
    """Elementary divisors of `build(blocks)`."""
    sizes = {p: tuple(sorted((k for q, k in blocks if q == p), reverse=True)) for p, _ in blocks}
    return sorted((tuple(map(Fraction, p)), s) for p, s in sizes.items())


def product(polynomials):
    p = np.array([Fraction(1)], dtype=object)
    for q in polynomials:
        p = np.convolve(p, np.array(q, dtype=object))
    return p


@given(blocks=structures, seed=seeds)
def test_elementary_divisors_are_those_it_was_built_of(blocks, seed):
    """So are the invariant factors: each divides the one before, the first annihilates A, all make det(zI - A)."""
    A = sheared(build(blocks), seed)
    divisors = exact.elementary_divisors(A)
    assert sorted(divisors) == wanted(blocks)
    factors = exact.invariant_factors(A)
    assert np.array_equal(product(factors), exact.characteristic_polynomial(A))
    for d, e in zip(factors, factors[1:], strict=False):
        z = sympy.Symbol("z")
        d, e = (sympy.Poly([sympy.Rational(c.numerator, c.denominator) for c in f], z) for f in (d, e))
        assert d.rem(e) == 0
    # second route to the minimal polynomial: the first power that depends on those below
    p = exact.minimal_polynomial(A)
    assert not exact.evaluate_polynomial(p, exact.rationals("A", A)).any()
    powers = np.array([np.linalg.matrix_power(A, k).ravel() for k in range(len(p) - 1)], dtype=object)
    assert len(p) == 1 or exact.rank(powers.reshape(len(p) - 1, -1)) == len(p) - 1


@given(one=structures, other=structures, seed=seeds)
def test_similar_means_that_a_similarity_exists(one, other, seed):
    """Second route: T A = B T is solved for T, and a random solution is invertible."""
    A, B = sheared(build(one), seed), sheared(build(other), seed + 1)
    assert exact.are_similar(A, sheared(A, seed + 2))
    assert exact.are_similar(A, B) == (wanted(one) == wanted(other))
    if A.shape == B.shape and 0 < len(A) <= 4:
        n, I = len(A), np.eye(len(A), dtype=int)
        M = sympy.Matrix(np.kron(I, A.T) - np.kron(B, I))
        kernel = M.nullspace()
        rng = np.random.default_rng(seed)
        T = sum((int(rng.integers(10**6)) * v for v in kernel), sympy.zeros(n * n, 1))
        assert exact.are_similar(A, B) == (T.reshape(n, n).rank() == n)


@given(blocks=structures, seed=seeds)
def test_jordan_chains_are_exact(blocks, seed):
    """T A = J T in Q(a), hence for every root: rounded it holds to a few roundings, and inverse and T are dual."""
    A = sheared(build(blocks), seed, shears=3)
    form = jordan_form(A)
    assert sorted((g.polynomial, g.sizes) for g in form.groups) == wanted(blocks)
    assert form.diagonalizable == all(k == 1 for _, k in blocks)
    r = form.rounded()
    size = (
        np.abs(r.T).max(initial=1) * np.abs(r.inverse).max(initial=1) * max(np.abs(A.astype(float)).max(initial=0), 1)
    )
    assert np.abs(r.T @ A.astype(float) - r.J @ r.T).max(initial=0) <= 100 * EPS * size
    assert np.abs(r.T @ r.inverse - np.eye(len(A))).max(initial=0) <= 100 * EPS * size
    assert sorted(r.sizes) == sorted(k for p, k in blocks for _ in range(len(p) - 1))
    if form.rational:
        J, T = form.matrices()
        assert (T @ A == J @ T).all()
        assert exact.rank(T) == len(A)


def test_an_irrational_eigenvalue_is_refused_in_rationals():
    with pytest.raises(StructureError, match=r"minimal polynomial \[1 0 -2\] of degree 2, need degree 1"):
        jordan_form(companion((1, 0, -2))).matrices()


@given(blocks=structures, seed=seeds)
def test_the_fitting_split_is_exact(blocks, seed):
    A = sheared(build(blocks), seed)
    split = exact.fitting_split(A)
    k = sum(size for p, size in blocks if p == (1, 0))
    assert split.N.shape == (k, k)
    A2 = block_diag(split.N, split.M).astype(object).reshape(A.shape)
    assert np.array_equal(split.T @ A, A2 @ split.T)
    assert exact.nilpotency_index(split.N) == split.index == max((size for p, size in blocks if p == (1, 0)), default=0)
    assert exact.rank(split.M) == len(A) - k


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=seeds)
def test_shears_keep_a_power_at_zero(sizes, seed):
    """A^m = 0 and A^(m-1) != 0 in integers, and the same bits in doubles, which hold them exactly."""
    A = sheared(build([((1, 0), k) for k in sizes]), seed)
    m = max(sizes)
    assert exact.nilpotency_index(A) == m
    B = A.astype(float)
    assert not np.linalg.matrix_power(B, m).any()
    assert np.linalg.matrix_power(B, m - 1).any()


def test_one_unit_in_the_last_place_is_not_nilpotent():
    """The control for every threshold: the exact answer is no, the staircase sees the block that was meant."""
    J = np.eye(6, k=1)
    J[5, 0] = EPS
    assert exact.nilpotency_index(J) is None
    assert exact.nilpotency_index(np.eye(6, k=1)) == 6
    assert nilpotent_staircase(J).jordan == (6,)
    # and its eigenvalues are on a circle of radius eps^(1/6) = 0.002, which says neither
    assert np.abs(np.linalg.eigvals(J)) == pytest.approx(np.full(6, EPS ** (1 / 6)))


def test_doubles_get_these_wrong():
    """The control: the Hilbert matrix has full rank; a hidden Jordan block is not diagonalizable."""
    hilbert = [[Fraction(1, i + j + 1) for j in range(14)] for i in range(14)]
    assert exact.rank(hilbert) == 14
    assert np.linalg.matrix_rank(np.array(hilbert, dtype=float)) < 14
    A = sheared(hypercompanion((1, -1), 3), 0)
    assert not jordan_form(A).diagonalizable
    assert len(set(np.linalg.eigvals(A.astype(float)))) == 3


@given(seed=seeds, r=st.integers(0, 4), rest=st.integers(0, 3))
def test_controllable_and_observable_are_decided(seed, r, rest):
    """A companion pair of r states drives nothing of the rest: r are reached, in any coordinates, and r seen dually."""
    rng = np.random.default_rng(seed)
    n = r + rest
    A = rng.integers(-2, 3, (n, n))
    A[:r, :r] = companion((1, *rng.integers(-2, 3, r))) if r else 0
    A[r:, :r] = 0
    B = np.zeros((n, 1), int)
    B[r - 1 : r] = 1
    V = exact.rationals("V", np.eye(n, dtype=int) + np.triu(rng.integers(-1, 2, (n, n)), 1))
    A2, B2 = exact.solve(V, A @ V), exact.solve(V, B)
    assert exact.controllable_dimension(A2, B2) == exact.observable_dimension(A2.T, B2.T) == r
    assert exact.is_minimal(A2, B2, np.eye(n, dtype=int)) == (rest == 0)


def test_what_is_no_rational_matrix_is_refused():
    for call, name in [
        (lambda: exact.rank([[np.nan]]), "M has an entry that is no rational"),
        (lambda: exact.rank([[1j]]), "M has an entry that is no rational"),
        (lambda: exact.rank([1, 2]), r"M has shape \(2,\)"),
        (lambda: exact.nilpotency_index([[1, 2]]), r"A has shape \(1, 2\)"),
        (lambda: jordan_form([["x"]]), "A has an entry"),
        (lambda: exact.controllable_dimension([[1]], [[1], [2]]), r"B has shape \(2, 1\)"),
        (lambda: exact.observable_dimension([[1]], [[1, 2]]), r"C has shape \(1, 2\)"),
        (lambda: exact.solve([[1]], [[1], [2]]), r"B has shape \(2, 1\)"),
    ]:
        with pytest.raises(ShapeError, match=name):
            call()
    with pytest.raises(StructureError, match="A has rank 1, need 2"):
        exact.solve([[1, 1], [1, 1]], [[1], [1]])


def test_no_states():
    E = np.zeros((0, 0))
    assert exact.nilpotency_index(E) == 0
    assert exact.characteristic_polynomial(E).tolist() == [1]
    assert exact.minimal_polynomial(E).tolist() == [1]
    assert exact.elementary_divisors(E) == ()
    assert exact.are_similar(E, E)
    assert exact.is_minimal(E, np.zeros((0, 2)), np.zeros((2, 0)))
    assert jordan_form(E).rounded().T.shape == (0, 0)
    assert exact.fitting_split(E).index == 0
