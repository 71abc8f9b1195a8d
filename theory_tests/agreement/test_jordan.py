"""The Jordan form in rationals: known blocks hidden by integer changes of basis come back, and nothing else does."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.canonical import convert, exact_jordan, jordan
from realization.core.errors import StructureError
from realization.systems import ContinuousSSM, LinearSSM
from realization.systems.exact import ExactSSM

EIGENVALUES = [Fraction(0), Fraction(1, 2), Fraction(-1, 2), Fraction(1), Fraction(-2)]
U = 2.0**-53
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 3)
# a conversion in rationals takes milliseconds, not microseconds
few = settings(max_examples=40)
single = st.dictionaries(st.sampled_from(EIGENVALUES), sizes.map(lambda k: [k]), min_size=1, max_size=3)
several = st.dictionaries(st.sampled_from(EIGENVALUES), st.lists(sizes, min_size=1, max_size=2), min_size=1, max_size=2)


def shears(n, seed):
    """A random product of integer shears, and its inverse."""
    rng = np.random.default_rng(seed)
    S, inverse = np.eye(n, dtype=int), np.eye(n, dtype=int)
    for _ in range(n if n > 1 else 0):
        i, j = rng.choice(n, 2, replace=False)
        S[i] += S[j]
        inverse[:, j] -= inverse[:, i]
    return S.astype(object), inverse.astype(object)


def hidden(blocks, seed):
    """Jordan blocks behind a unimodular change of basis, with small integers for B and C; entries of Fraction."""
    rng = np.random.default_rng(seed)
    n = sum(k for ks in blocks.values() for k in ks)
    J, i = np.zeros((n, n), dtype=object), 0
    for a, ks in blocks.items():
        for k in ks:
            J[i : i + k, i : i + k] = a * np.eye(k, dtype=int) + np.eye(k, k=1, dtype=int)
            i += k
    S, inverse = shears(n, seed)
    B, C = rng.integers(-3, 4, (n, 2)), rng.integers(-3, 4, (2, n))
    return ExactSSM(inverse @ J @ S, inverse @ B, C @ S, np.zeros((2, 2), int))


def in_order(blocks):
    pairs = [(a, k) for a, ks in blocks.items() for k in ks]
    return sorted(pairs, key=lambda pair: (-abs(pair[0]), pair[0] < 0, -pair[1]))


@few
@given(several, seeds)
def test_the_blocks_come_back(blocks, seed):
    """T A = J T, T B = B2, C = C2 T without an error, J the blocks that were hidden."""
    system = hidden(blocks, seed)
    found = exact_jordan(system)
    assert list(zip(found.eigenvalues, found.sizes, strict=True)) == in_order(blocks)
    T, new = found.T, found.system
    assert (T @ system.A == new.A @ T).all()
    assert (T @ system.B == new.B).all()
    assert (system.C == new.C @ T).all()
    assert (T @ found.inverse == np.eye(len(T), dtype=int)).all()
    links = [int(x) for x in np.diag(new.A, 1)]
    assert links == [1 if i + 1 not in np.cumsum(found.sizes) else 0 for i in range(len(links))]


@few
@given(single, seeds, seeds)
def test_one_system_for_all_bases(blocks, seed, other):
    """convert(similar) = convert, entry by entry, where every eigenvalue has one block."""
    system = hidden(blocks, seed)
    S, inverse = shears(len(system.A), other)
    moved = ExactSSM(S @ system.A @ inverse, S @ system.B, system.C @ inverse, system.D)
    one, two, again = exact_jordan(system), exact_jordan(moved), exact_jordan(exact_jordan(system).system)
    if one.freedom is None:
        for X in (two, again):
            assert all((getattr(one.system, name) == getattr(X.system, name)).all() for name in "ABC")


@few
@given(single, seeds)
def test_doubles_are_the_rounded_rationals(blocks, seed):
    exact = exact_jordan(hidden(blocks, seed))
    system = hidden(blocks, seed).rounded()
    found = jordan(system)
    assert np.array_equal(found.system.A, exact.system.A.astype(float))
    if exact.freedom is None:
        for name in "BC":
            X, Y = getattr(found.system, name), getattr(exact.system, name).astype(float)
            assert np.linalg.norm(X - Y) <= 100 * len(found.T) * U * found.condition * max(1, np.linalg.norm(Y))
        assert np.linalg.norm(found.T - exact.T.astype(float)) <= 100 * len(found.T) * U * np.linalg.norm(found.T)


def test_a_rounding_error_undoes_the_block():
    """The control: 1e-12 in one entry, taken at its value, and there are two blocks."""
    A = [[2, -1], [4, -2]]
    assert exact_jordan(ExactSSM(A, [[1], [0]], [[1, 0]], [[0]])).sizes == (2,)
    moved = LinearSSM(np.array(A) + [[1e-12, 0], [0, 0]], [[1], [0]], [[1, 0]], [[0]])
    with pytest.raises(StructureError, match=r"A\[0, 0\] = 2.000000000001 has 5\d bits, need <= 20 .* staircase"):
        jordan(moved)
    assert np.diag(jordan(ExactSSM.of(moved)).system.A, 1).tolist() == [0]


def test_irrational_and_complex_eigenvalues():
    """Refused for doubles, since their rounded form would be refused; rounded for an ExactSSM."""
    fibonacci = LinearSSM([[1, 1], [1, 0]], [[1], [0]], [[1, 0]], [[0]])
    with pytest.raises(StructureError, match="irreducible polynomial of degree 2"):
        convert(fibonacci, "jordan")
    golden = (1 + np.sqrt(5)) / 2
    assert np.allclose(np.diag(jordan(ExactSSM.of(fibonacci)).system.A), [golden, 1 - golden], rtol=4 * U, atol=0)
    turn = ExactSSM(
        [[0, -1, 1, 0], [1, 0, 0, 1], [0, 0, 0, -1], [0, 0, 1, 0]], [[0], [0], [0], [1]], [[1, 0, 0, 0]], [[0]]
    )
    found = jordan(turn)
    assert np.diag(found.system.A, 1).real.tolist() == [1, 0, 1]
    assert np.allclose(np.diag(found.system.A), [-1j, -1j, 1j, 1j], rtol=0, atol=4 * U)
    assert found.residual < 100 * U
    with pytest.raises(StructureError, match="degree 2"):
        exact_jordan(turn)


def test_what_is_left_free_is_said():
    twice = jordan(LinearSSM(np.eye(2), [[1], [1]], [[1, 0]], [[0]]))
    assert twice.freedom == "the eigenvalue 1.0 has more than one block"
    unseen = jordan(LinearSSM(np.diag([1.0, 2]), [[1], [0]], [[1, 0]], [[0]]))
    assert unseen.freedom == "the chain at 2.0 that no output sees and no input drives"
    driven = jordan(LinearSSM(np.diag([1.0, 2]), [[1], [4]], [[1, 0]], [[0]]))
    assert driven.freedom is None
    assert driven.system.B[:, 0].tolist() == [1, 1]


def test_time_may_be_continuous_and_the_state_empty():
    found = convert(ContinuousSSM([[-1, 1], [0, -1]], [[0], [1]], [[2, 0]], [[0]]), "jordan")
    assert isinstance(found.system, ContinuousSSM)
    assert found.system.C.tolist() == [[1, 0]]
    empty = ExactSSM(np.zeros((0, 0), int), np.zeros((0, 1), int), np.zeros((1, 0), int), [["1/3"]])
    assert exact_jordan(empty).sizes == ()
    assert jordan(empty).condition == 1
