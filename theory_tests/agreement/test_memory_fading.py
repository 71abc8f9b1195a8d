"""Envelopes of decay by two routes: the certificate, checked again in rationals, and the powers that it bounds."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg.certificate import (
    certainly_below,
    certainly_positive,
    exactly_nonnegative,
    fractions,
)
from realization.linalg.lyapunov import discrete_lyapunov
from realization.memory import Decay, decay_envelope, guarantee, half_life, remains, time_constant, window
from realization.memory.durations import steps_until, whole_steps_until
from realization.memory.fading import in_rationals
from realization.systems.families import jordan
from realization.testing import seeds, stable_systems

# examples in rationals take their time: a quarter of the profile's
quarter = settings(max_examples=max(10, settings().max_examples // 4))


def exact(X):
    """A matrix of Fractions, as lists."""
    return [[Fraction(x) for x in row] for row in np.asarray(X).tolist()]


def minors_are_positive(M):
    """Sylvester's criterion in rationals: another route than elimination by pivots."""
    n = len(M)
    return all(determinant([row[:k] for row in M[:k]]) > 0 for k in range(1, n + 1))


def determinant(M):
    """By the permutation-free recursion of Laplace: small matrices only."""
    if not M:
        return Fraction(1)
    return sum(
        (-1) ** j * M[0][j] * determinant([row[:j] + row[j + 1 :] for row in M[1:]]) for j in range(len(M)) if M[0][j]
    )


@given(seeds, st.integers(0, 4), st.booleans())
def test_definiteness_in_rationals_is_that_of_the_minors(seed, n, singular):
    """Elimination against determinants, on integer Gram matrices, some of them singular, and indefinite ones."""
    rng = np.random.default_rng(seed)
    L = rng.integers(-3, 4, (n, n - 1 if singular and n else n))
    gram = fractions(L @ L.T)
    assert exactly_nonnegative(gram)
    definite = minors_are_positive(exact(L @ L.T))
    assert certainly_positive((L @ L.T).astype(float), np.zeros((n, n))) == definite
    if n:  # the control: moved below 0 it is refused where it was singular, and accepted where it was definite
        assert exactly_nonnegative(gram - Fraction(1, 10**9) * fractions(np.eye(n))) == definite


def test_semidefinite_is_more_than_pivots_that_are_not_negative():
    """A pivot of 0 beside an entry that is not 0: indefinite."""
    assert not exactly_nonnegative(fractions([[0, 1], [1, 0]]))
    assert not exactly_nonnegative(fractions([[0, 1], [1, 5]]))
    assert exactly_nonnegative(fractions([[0, 0], [0, 5]]))


def test_what_is_false_is_not_called_rational():
    """Each of the three inequalities missed by 2^-40: the proof that was there stays, and no other is claimed."""
    A, B, C = np.array([[0.5]]), np.array([[2.0]]), np.array([[3.0]])
    exact_one, less = Decay(0.5, 6.0, 2.0, 3.0, np.eye(1), "margin"), 1 - 2.0**-40
    assert in_rationals(exact_one, A, B, C).proof == "rational"
    for change in ({"rate": 0.5 * less}, {"entry": 2 * less}, {"exit": 3 * less}, {"P": -np.eye(1)}):
        assert in_rationals(replace(exact_one, **change), A, B, C).proof == "margin"


@given(seeds, st.integers(1, 4), st.integers(6, 15))
def test_what_floats_prove_rationals_confirm(seed, n, digits):
    """rate^2 P - A'PA on the verge: what floats prove is true in rationals; beyond it nothing is proved."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    P = discrete_lyapunov(A.T / 0.95, np.eye(n)).X
    P = (P + P.T) / 2
    L = np.linalg.cholesky(P)
    norm = np.linalg.norm(np.linalg.solve(L, A.T @ L), 2)  # |A|_P
    for rate in (norm * (1 + 10.0**-digits), norm * (1 - 10.0**-digits)):
        true = exactly_nonnegative(Fraction(rate) ** 2 * fractions(P) - fractions(A).T @ fractions(P) @ fractions(A))
        proved = certainly_below(P, rate, A)
        assert true or not proved
        if digits <= 8 and np.linalg.cond(P) < 1e4:
            assert proved == (rate > norm)


@quarter
@given(stable_systems(max_states=4, min_states=1))
def test_the_result_carries_its_proof(drawn):
    """P, rate, entry and exit, as they are returned, satisfy the three inequalities exactly: Sylvester's criterion."""
    A, B, C = drawn.system.A, drawn.system.B, drawn.system.C
    decay = decay_envelope(A, B, C)
    assert decay.proof == "rational"
    assert Fraction(decay.entry) * Fraction(decay.exit) <= Fraction(decay.c)
    P, A, B, C = (fractions(X) for X in (decay.P, A, B, C))
    tiny = Fraction(1, 2**200) * fractions(np.eye(len(P)))
    assert minors_are_positive(P.tolist())
    assert minors_are_positive((Fraction(decay.rate) ** 2 * P - A.T @ P @ A + tiny).tolist())
    assert minors_are_positive((Fraction(decay.exit) ** 2 * P - C.T @ C + tiny).tolist())
    room = Fraction(decay.entry) ** 2 * fractions(np.eye(B.shape[1])) - B.T @ P @ B
    assert minors_are_positive((room + Fraction(1, 2**200) * fractions(np.eye(B.shape[1]))).tolist())


@pytest.mark.parametrize("n", [1, 5, 12, 13, 40])
def test_windows_are_near_the_true_ones(n):
    """The certified window against the first power that is small, by brute force; in rationals up to 12 states."""
    rng = np.random.default_rng(n)
    A = rng.standard_normal((n, n))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    decay = decay_envelope(A)
    true = int((remains(A, steps=400) <= 2.0**-24).argmax())
    assert true <= decay.window(2.0**-24) <= 1.3 * true + 2
    assert decay.proof == ("rational" if n <= 12 else "margin")


def test_a_jordan_block_needs_room():
    """Powers t^7 rho^t outgrow any c rho^t: the rate is taken away from the radius, and nearer to it c is larger."""
    A = jordan(0.5, [8])
    decay = decay_envelope(A)
    assert decay.rate > 0.6
    size = remains(A, steps=150)
    assert (size <= decay(np.arange(150))).all()
    assert decay_envelope(A, rate=0.65).c > decay.c > decay_envelope(A, rate=0.9).c


@pytest.mark.parametrize("rate, n", [(0.9, 8), (0.6, 20), (0.9, 40)])
def test_blocks_whose_powers_grow_far_have_an_envelope(rate, n):
    """|A^t| up to 1e37 before it decays: the P of the proof has entries from 1 to 1e90, and its check follows units."""
    A = jordan(rate, [n])
    decay, steps = decay_envelope(A), np.arange(0, 1500, 10)
    size = np.array([np.linalg.norm(np.linalg.matrix_power(A, t), 2) for t in steps])
    assert size.max() > 1e5
    assert (size <= decay(steps)).all()
    if n <= 20:  # the control: the Lyapunov equation alone cannot prove it; its solution is finite up to here
        P = discrete_lyapunov(A.T / decay.rate, np.eye(n)).X
        assert not certainly_below((P + P.T) / 2, decay.rate, A)


@given(seeds, st.integers(1, 3), st.integers(1, 3))
def test_a_transition_of_0_has_the_norm_of_its_products(seed, n, m):
    """c >= |C B| in rationals: the norm of each column is a lower bound, which |C| |B| as rounded may miss."""
    rng = np.random.default_rng(seed)
    B, C = rng.standard_normal((n, m)), rng.standard_normal((m, n))
    decay = decay_envelope(np.zeros((n, n)), B, C)
    assert (decay.proof, decay.rate) == ("rational", 0.0)
    assert all(x <= Fraction(decay.c) ** 2 for x in ((fractions(C) @ fractions(B)) ** 2).sum(axis=0))
    assert decay.c <= (1 + 1e-9) * np.linalg.norm(B, 2) * np.linalg.norm(C, 2)


def test_units_far_apart_are_no_trouble():
    """Beyond 2^63 a scale is no index any more: nothing overflows on the way."""
    A = np.array([[0.5, 1e60], [0.0, 0.25]])
    assert decay_envelope(A).proof == "rational"
    assert guarantee(A[None]).kind == "contraction"
    assert guarantee(np.array([[[0.0, 1e200], [0.0, 0.0]]])).kind == "finite"
    # two matrices contract together in units that nobody knows
    pair, units = np.array([[[0.5, 0.5], [0.0, 0.4]], [[0.4, 0.0], [0.3, 0.5]]]), np.array([1e-25, 1e25])
    plain, scaled = guarantee(pair), guarantee(pair * units / units[:, None])
    assert scaled.kind == "contraction"
    assert scaled.decay.rate == pytest.approx(plain.decay.rate, rel=1e-3)
    product = np.eye(2)
    for t in range(40):
        assert np.linalg.norm(product, 2) <= scaled.decay(t)
        product = (pair * units / units[:, None])[t % 2] @ product


def test_units_do_not_matter():
    """Coordinates scaled by 10^6 and 10^-6, an exact change up to rounding: c carries it, the rate does not."""
    A = np.array([[0.5, 0.3], [0.2, 0.4]])
    scale = np.array([2.0**20, 2.0**-20])
    plain, scaled = decay_envelope(A), decay_envelope(A * scale[:, None] / scale)
    assert scaled.rate == pytest.approx(plain.rate, rel=1e-2)
    assert scaled.c == pytest.approx(2.0**40 * plain.c, rel=1.0)


def test_complex_systems_and_none():
    """A complex matrix decays as its real twin; 0 decays at once; so does nothing."""
    turning = 0.5 * np.exp(1j) * np.array([[1.0, 0.1], [0.0, 0.9]])
    decay = decay_envelope(turning)
    assert (remains(turning, steps=60) <= decay(np.arange(60)) * (1 + 1e-12)).all()
    zero = decay_envelope(np.zeros((2, 2)), np.ones((2, 1)), np.ones((1, 2)))
    assert (zero.rate, zero(0) >= 2 - 1e-12, zero(1), zero.window(0.1)) == (0.0, True, 0.0, 1)
    empty = decay_envelope(np.zeros((0, 0)))
    assert (empty.c, empty.window(0.1)) == (0.0, 0)
    assert remains(np.zeros((0, 0)), steps=3).tolist() == [0.0] * 3
    assert remains(np.eye(2), steps=0).shape == (0,)


@given(st.integers(1, 2000), st.integers(1, 60))
def test_windows_are_first_times(k, bits):
    """window(2^-bits, rate) is the first t with rate^t at most that, against the definition."""
    rate, fraction = k / 2001, 2.0**-bits
    t = window(fraction, rate)
    assert rate**t <= fraction
    assert t == 0 or rate ** (t - 1) > fraction


def test_windows_of_halving_are_whole():
    """exp(-j log 2)^t = 2^-k at t = k / j, which rounding would make one step more; half a step less is one more."""
    for j in range(1, 20):
        k = j * np.arange(1, 200 // j)
        exponent = j * np.log(2)
        assert [float(whole_steps_until(2.0**-i, exponent)) for i in k] == (k / j).tolist()
        assert whole_steps_until(2.0 ** -(j + 0.5), exponent) == 2
    # the control: without the hair below
    assert np.ceil(steps_until(2.0**-29, np.log(2))) == 30


def test_times():
    """Half-life and time constant: ends of the range, and 1/2."""
    assert (half_life(0.5), time_constant(1.0), time_constant(1.5), time_constant(0.0)) == (1.0, np.inf, np.inf, 0.0)
    assert (window(1.0, 2.0), window(0.5, 0.0)) == (0, 1)
    with pytest.raises(StructureError, match="never falls"):
        window(0.5, 1.0)


def sandwich(family, k):
    """max rho(product)^(1/k) and max |product|^(1/k) over all words of length k, by brute force."""
    words = [np.eye(family.shape[-1])]
    for _ in range(k):
        words = [F @ W for F in family for W in words]
    return (
        max(np.abs(np.linalg.eigvals(W)).max() for W in words) ** (1 / k),
        max(np.linalg.norm(W, 2) for W in words) ** (1 / k),
    )


@pytest.mark.parametrize("seed", range(6))
def test_products_prove_what_single_steps_do_not(seed):
    """Certified rates lie in the sandwich of brute force, and below 1 where norms of single steps are above."""
    rng = np.random.default_rng(seed)
    family = rng.standard_normal((3, 3, 3))
    family *= 0.8 / sandwich(family, 4)[0]
    found = guarantee(family)
    norm = sandwich(family, 1)[1]
    assert found.kind == ("contraction" if norm > 1 else "per step")
    assert found.norm == pytest.approx(norm, rel=1e-6)
    assert max(sandwich(family, k)[0] for k in (1, 2, 3, 4)) <= found.decay.rate * (1 + 1e-12)
    assert found.lower <= found.decay.rate <= 0.93
    # the envelope bounds every word
    words = [np.eye(3)]
    for t in range(7):
        assert max(np.linalg.norm(W, 2) for W in words) <= found.decay(t) * (1 + 1e-12)
        words = [F @ W for F in family for W in words]


def test_the_polytope_is_no_worse_than_its_corners():
    """Products of points between the corners stay below the envelope that the corners have."""
    rng = np.random.default_rng(0)
    family = rng.standard_normal((4, 3, 3))
    family *= 0.8 / sandwich(family, 3)[0]
    decay, product = guarantee(family).decay, np.eye(3)
    for t in range(40):
        assert np.linalg.norm(product, 2) <= decay(t) * (1 + 1e-12)
        product = np.tensordot(rng.dirichlet(np.ones(4)), family, axes=1) @ product


def test_what_is_neither_proved_nor_refuted_is_undecided():
    """Rates within a hair of 1: the bounds come back, and no claim."""
    rng = np.random.default_rng(0)
    family = rng.standard_normal((4, 6, 6))
    family *= (1 - 1e-11) / guarantee(family).lower
    found = guarantee(family)
    assert found.kind == "undecided"
    assert found.lower < 1
    assert found.number >= 1 - 1e-9
    assert "between" in str(found)


def test_wrong_arguments_are_refused():
    """Shapes, NaN, negative counts."""
    for call in (
        lambda: decay_envelope(np.ones((2, 3))),
        lambda: decay_envelope(np.eye(2) * np.nan),
        lambda: decay_envelope(np.eye(2) / 2, np.ones((3, 1))),
        lambda: remains(np.eye(2), steps=-1),
    ):
        with pytest.raises(ShapeError):
            call()
    # in other coordinates a block of 40 is not told from eigenvalues on a circle around 0.9 that leaves the disk
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0]
    with pytest.raises(StructureError, match="A has spectral radius"):
        decay_envelope(Q.T @ jordan(0.9, [40]) @ Q)
    for call in (lambda: window(np.nan, 0.5), lambda: window(0.5, -0.5), lambda: half_life(np.nan)):
        with pytest.raises(ShapeError, match="a number >= 0 is needed"):
            call()


def test_words_count_the_matrices_as_they_were_given():
    """With repetitions, and in an order of their own: the product of the word has the growth that is stated."""
    rng = np.random.default_rng(5)
    one, two = rng.standard_normal((2, 3, 3))
    family = np.stack([two, two, 0.1 * one, two, one])
    found = guarantee(family)
    product = np.eye(3)
    for i in found.word:
        product = family[i] @ product
    radius = np.abs(np.linalg.eigvals(product)).max() ** (1 / len(found.word))
    assert found.kind == "none"
    assert radius == pytest.approx(found.number, rel=1e-9)
