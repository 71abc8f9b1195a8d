"""Rational twins against floating point, and against each other: what is decided is decided rightly."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.systems import LinearSSM, evaluate, markov_parameters
from realization.systems.exact import ExactSSM
from realization.systems.families import jordan
from realization.systems.library import delay_line
from realization.systems.named import NAMED
from realization.systems.transfer import transfer_function

seeds = st.integers(0, 2**32 - 1)


def shears(n, rng, steps=8):
    """An integer matrix of determinant 1, and its inverse: a product of row operations."""
    T, S = np.eye(n, dtype=int), np.eye(n, dtype=int)
    for _ in range(steps if n > 1 else 0):
        i, j = rng.choice(n, 2, replace=False)
        k = int(rng.integers(-2, 3))
        T[i] += k * T[j]
        S[:, j] -= k * S[:, i]
    return T, S


def whole(n, m, p, rng):
    """A system of small integers."""
    return ExactSSM(*(rng.integers(-2, 3, shape) for shape in ((n, n), (n, m), (p, n), (p, m))))


def moved(system, rng):
    """The same behaviour in other whole coordinates, and T."""
    T, S = shears(len(system.A), rng)
    return ExactSSM(T @ system.A @ S, T @ system.B, system.C @ S, system.D), T


@given(seeds, st.lists(st.integers(1, 4), min_size=0, max_size=3))
def test_hidden_jordan_blocks_show_their_index(seed, sizes):
    """Any basis: the index is the largest block.  Eigenvalues in doubles are off by u^(1/index)."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    T, S = shears(n, rng)
    A = T @ jordan(0, sizes).astype(int) @ S
    system = ExactSSM(A, np.zeros((n, 1)), np.zeros((1, n)), [[0]])
    assert system.nilpotency_index() == max(sizes, default=0)
    if n:
        A = A.astype(object)
        A[0, 0] += Fraction(1, 10**30)
        nearly = ExactSSM(A, system.B, system.C, system.D)
        # the control: 1e-30 is seen, unless that very entry leaves the matrix nilpotent
        power = np.linalg.matrix_power(nearly.A, n) if n > 1 else nearly.A
        assert (nearly.nilpotency_index() is None) == bool(power.any())


@given(seeds, st.integers(0, 4), st.integers(1, 2), st.integers(1, 2))
def test_similar_systems_are_recognised(seed, n, m, p):
    """T is found again where it is unique, and what is found intertwines everywhere."""
    rng = np.random.default_rng(seed)
    one = whole(n, m, p, rng)
    two, T = moved(one, rng)
    found = one.similarity_to(two)
    assert found is not None
    assert np.array_equal(found @ one.A, two.A @ found)
    assert np.array_equal(found @ one.B, two.B)
    assert np.array_equal(one.C, two.C @ found)
    assert one.same_behaviour(two)
    if one.controllable() or one.observable():
        assert np.array_equal(found, T)


class TestControls:
    def test_same_poles_are_not_enough(self):
        """Two zeros on the diagonal, and a Jordan block: one characteristic polynomial."""
        zero = np.zeros((2, 1))
        apart = ExactSSM(np.zeros((2, 2)), zero, zero.T, [[0]])
        block = ExactSSM([[0, 1], [0, 0]], zero, zero.T, [[0]])
        assert apart.similarity_to(block) is None
        assert apart.same_behaviour(block)

    def test_other_answers_are_not_similar(self):
        one = ExactSSM([["1/2"]], [[1]], [[1]], [[0]])
        assert (
            one.similarity_to(ExactSSM([["1/2"]], [[1]], [["1000000000000000001/1000000000000000000"]], [[0]])) is None
        )
        assert one.similarity_to(ExactSSM([["1/2"]], [[1]], [[1]], [[1]])) is None
        assert one.similarity_to(ExactSSM(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[0]])) is None

    def test_a_redundant_state_is_seen(self):
        """Both states are equal: one is enough, whatever the rounding of 0.1."""
        twin = ExactSSM.of(LinearSSM([[0.1, 0], [0, 0.1]], [[1], [1]], [[1, 2]], [[0]]))
        assert (twin.controllable(), twin.observable(), twin.minimal_order()) == (False, False, 1)
        nearly = ExactSSM.of(LinearSSM([[0.1, 0], [0, 0.1 + 2**-56]], [[1], [1]], [[1, 2]], [[0]]))
        assert nearly.minimal()


@given(seeds, st.integers(0, 4), st.integers(1, 2), st.integers(1, 2))
def test_minimal_order_is_that_of_the_behaviour(seed, n, m, p):
    """The Hankel rank is at most both dimensions, and equal to n exactly when both are n."""
    system = whole(n, m, p, np.random.default_rng(seed))
    r, o, k = system.reachable_dimension(), system.observable_dimension(), system.minimal_order()
    assert max(r + o - n, 0) <= k <= min(r, o)
    assert system.minimal() == (k == n)


@given(seeds, st.integers(0, 4), st.integers(1, 2), st.integers(1, 2))
def test_doubles_compute_the_rounded_answer(seed, n, m, p):
    """Integers below 2^53: simulation and Markov parameters agree to the last bit."""
    rng = np.random.default_rng(seed)
    exact = whole(n, m, p, rng)
    system, u = exact.rounded(), rng.integers(-3, 4, (6, m))
    got, want = system.simulate(u), exact.simulate(u)
    assert np.array_equal(got.y, want.y.astype(float))
    assert np.array_equal(got.x, want.x.astype(float))
    assert np.array_equal(markov_parameters(system, 7), exact.markov_parameters(7).astype(float))


@given(seeds, st.integers(0, 3), st.integers(1, 2), st.integers(1, 2))
def test_transfer_functions_agree(seed, n, m, p):
    """Cancelled rational functions at z = 7/2 against a solve in rationals and one in doubles."""
    exact = whole(n, m, p, np.random.default_rng(seed))
    z = sympy.Symbol("z")
    H = exact.transfer_function().subs(z, sympy.Rational(7, 2))
    A, B, C, D = (sympy.Matrix(*M.shape, list(M.flat)) for M in (exact.A, exact.B, exact.C, exact.D))
    if (sympy.Rational(7, 2) * sympy.eye(n) - A).det() != 0:
        assert sympy.Matrix(H) == (C * (sympy.Rational(7, 2) * sympy.eye(n) - A).LUsolve(B) if n else D * 0) + D
        got = evaluate(exact.rounded(), 3.5)
        np.testing.assert_allclose(got, np.array(H.tolist(), dtype=float), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(transfer_function(exact.rounded())(3.5), got, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", [name for name, entry in NAMED.items() if "exact" in entry.traits])
def test_exact_named_systems_have_their_traits(name):
    twin, traits = ExactSSM.of(NAMED[name].make()), NAMED[name].traits
    assert twin.minimal() == ("minimal" in traits)
    assert (twin.nilpotency_index() is not None) == ("nilpotent" in traits)


def test_of_takes_every_double_at_its_value():
    twin = ExactSSM.of(LinearSSM([[0.1]], [[1]], [[1]], [[0]]))
    assert twin.A[0, 0] == Fraction(0.1) != Fraction(1, 10)
    assert twin.rounded().A[0, 0] == 0.1


def test_no_state_no_input_no_step():
    static = ExactSSM(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [["1/2"]])
    assert static.simulate(np.zeros((0, 1))).y.shape == (0, 1)
    assert static.simulate([[4]]).y[0, 0] == 2
    assert static.transfer_function()[0] == sympy.Rational(1, 2)
    assert static.markov_parameters(0).shape == (0, 1, 1)
    mute = ExactSSM([[1]], np.zeros((1, 0)), np.zeros((0, 1)), np.zeros((0, 0)))
    assert not mute.controllable()
    assert mute.similarity_to(mute) is not None


def test_a_notebook_shows_fractions():
    text = ExactSSM([["-1/3"]], [[1]], [[2]], [[0]])._repr_latex_()
    assert text.startswith("$$")
    assert "-\\tfrac{1}{3} & 1" in text


def test_wrong_input_is_refused():
    with pytest.raises(ShapeError, match=r'A has an entry that is no rational number .* strings such as "1/3"'):
        ExactSSM([["one"]], [[1]], [[1]], [[0]])
    with pytest.raises(ShapeError, match="A has an entry"):
        ExactSSM([[np.nan]], [[1]], [[1]], [[0]])
    with pytest.raises(ShapeError, match="A has an entry"):
        ExactSSM.of(LinearSSM([[1j]], [[1]], [[1]], [[0]]))
    with pytest.raises(ShapeError, match=r"B has shape \(2, 1\)"):
        ExactSSM([[1]], [[1], [1]], [[1]], [[0]])
    with pytest.raises(ShapeError, match=r"u has shape \(3,\)"):
        ExactSSM.of(delay_line(2)).simulate([1, 2, 3])
    with pytest.raises(ShapeError, match="one system is needed"):
        ExactSSM.of(LinearSSM(np.zeros((2, 1, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1, 1))))
    third = ExactSSM([["1/3"]], [[1]], [[1]], [[0]])
    for ask in (third.same_behaviour, third.similarity_to):
        with pytest.raises(ShapeError, match="of a LinearSSM: a ExactSSM is needed"):
            ask(third.rounded())
    for steps in (-1, 1.5):
        with pytest.raises(ShapeError, match="a whole number >= 0 is needed"):
            third.markov_parameters(steps)
    with pytest.raises(ShapeError, match="A has an entry that is no real number in float64"):
        ExactSSM([[10**400]], [[1]], [[1]], [[0]]).rounded()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_without_inputs_or_outputs_nothing_is_left(n):
    """p = m = 0: no answer at all, of minimal order 0."""
    nothing = ExactSSM(np.zeros((n, n)), np.zeros((n, 0)), np.zeros((0, n)), np.zeros((0, 0)))
    assert nothing.markov_parameters(3).shape == (3, 0, 0)
    assert nothing.minimal_order() == 0
    assert nothing.minimal() == (n == 0)
