"""Bounds of the joint spectral radius agree with closed forms, with enumeration and with exact arithmetic."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg import common_quadratic_norm, contraction_bound, joint_spectral_radius

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
H = 3**0.5 / 4
RWKV7 = [[[0.75, 0], [-H, 1]], [[1, -H], [0, 0.75]]]
GOLDEN = [[[1, 1], [0, 1]], [[1, 0], [1, 1]]]


def word_product(family, word):
    """The first letter is applied first."""
    A = np.eye(len(family[0]))
    for letter in word:
        A = np.asarray(family[letter]) @ A
    return A


def sandwich(family, k):
    """max rho(A_w)^(1/k) and max |A_w|^(1/k) over all words of length k."""
    products = [word_product(family, w) for w in product(range(len(family)), repeat=k)]
    radius = max(np.abs(np.linalg.eigvals(A)).max() for A in products)
    return radius ** (1 / k), max(np.linalg.norm(A, 2) for A in products) ** (1 / k)


@pytest.mark.parametrize("family, radius, length", [
    ([[[0, 1], [0, 0]], [[0, 0], [1, 0]]], 1.0, 2),  # each is nilpotent, E12 E21 is a projection
    (GOLDEN, (1 + 5**0.5) / 2, 2),
    (RWKV7, ((27 / 16 + ((27 / 16) ** 2 - 9 / 4) ** 0.5) / 2) ** 0.5, 2),  # 1.2303, though each has spectral radius 1
    ([[[0.5, 10.0], [0.0, 0.4]]], 0.5, 1),
    ([[[0, -2.0], [2.0, 0]], [[0, 1.0], [1.0, 0]]], 2.0, 1),
    ([[[1j, 0], [0, 0.5]]], 1.0, 1),
])  # fmt: skip
def test_closed_forms(family, radius, length):
    bounds = joint_spectral_radius(family)
    assert bounds.lower <= radius * (1 + 1e-15) <= bounds.upper * (1 + 2e-15)
    assert bounds.upper - bounds.lower <= 2e-6 * radius
    assert len(bounds.word) == length
    attained = np.abs(np.linalg.eigvals(word_product(family, bounds.word))).max() ** (1 / length)
    assert attained == pytest.approx(radius, rel=1e-9)


def test_each_step_decays_and_the_products_grow():
    """RWKV-7 with decay .95: no spectral radius of a step reaches 1, the joint one is 1.046."""
    w = 0.95
    kh = np.array([[0.5, 3**0.5 / 2], [3**0.5 / 2, 0.5]])
    a = np.array([[0.95, 0.05], [0.05, 0.95]])
    family = [w * np.eye(2) - np.outer(k, s * k) for k, s in zip(kh, a, strict=True)]
    assert max(np.abs(np.linalg.eigvals(A)).max() for A in family) < 1
    bounds = joint_spectral_radius(family)
    assert bounds.lower > 1
    # 1.094 is the spectral radius of the product of two
    assert bounds.lower**2 == pytest.approx(1.094, abs=5e-4)


@pytest.mark.parametrize("make", [
    lambda T, D: [T @ np.diag(d) @ np.linalg.inv(T) for d in D],  # commuting
    lambda T, D: [np.linalg.qr(T + i)[0] @ np.diag(d) @ np.linalg.qr(T + i)[0].T for i, d in enumerate(D)],  # symmetric
    lambda T, D: [T @ (np.diag(d) + np.triu(np.outer(d, d), 1)) @ np.linalg.inv(T) for d in D],  # triangular together
], ids=["commuting", "symmetric", "triangular"])  # fmt: skip
@given(seed=seeds, n=st.integers(1, 4), r=st.integers(1, 3))
def test_families_whose_joint_radius_is_the_largest_of_their_members(make, seed, n, r):
    rng = np.random.default_rng(seed)
    D = rng.uniform(-1, 1, (r, n))
    family = make(rng.standard_normal((n, n)) + 2 * n * np.eye(n), D)
    bounds = joint_spectral_radius(family, depth=6)
    radius = np.abs(D).max()
    assert bounds.lower <= radius * (1 + 1e-12)
    # a triangular family comes near its radius in scaled bases only, of which the condition is bounded
    assert radius * (1 - 1e-12) <= bounds.upper <= radius * (1 + 1e-2)
    assert bounds.lower >= radius * (1 - 1e-6)


@given(seed=seeds, n=st.integers(1, 4), r=st.integers(1, 3), complex_valued=st.booleans())
def test_bounds_lie_within_the_sandwich_of_enumeration(seed, n, r, complex_valued):
    rng = np.random.default_rng(seed)
    family = rng.standard_normal((r, n, n)) + 1j * rng.standard_normal((r, n, n)) * complex_valued
    bounds = joint_spectral_radius(family, depth=8)
    below, above = sandwich(family, 4)
    assert bounds.lower <= above * (1 + 1e-12)
    assert bounds.upper >= below * (1 - 1e-9)
    assert bounds.lower <= bounds.upper
    # the norm at hand is better than the one that no one chose, unless that one is the best already
    assert bounds.norm.bound <= max(np.linalg.norm(A, 2) for A in family) * (1 + 1e-9)
    # and the constant holds for words longer than any that was looked at
    word = rng.integers(0, r, 40)
    assert np.linalg.norm(word_product(family, word), 2) <= bounds.constant * bounds.upper**40 * (1 + 1e-9)


def test_decay_that_norms_of_single_steps_do_not_show():
    """Bilinear on |u| <= 1, vertices A + N, A - N: norms of words of four letters prove decay, of one do not."""
    A, N = np.array([[0.5, 0.9], [0.0, 0.5]]), np.array([[0.1, 0.2], [0.1, -0.1]])
    family = [A + N, A - N]
    lows, highs = zip(*(sandwich(family, k) for k in (1, 2, 4, 6)), strict=True)
    assert highs[0] > 1 > highs[2]
    assert sorted(highs, reverse=True) == list(highs)
    bounds = joint_spectral_radius(family)
    assert max(lows) * (1 - 1e-9) <= bounds.upper < min(highs)
    # the quadratic norm proves it in one step
    assert bounds.norm.bound < 1
    assert bounds.upper - bounds.lower < 1e-2


def positive_definite(W):
    """By symmetric elimination in fractions."""
    W = [list(row) for row in W]
    for k in range(len(W)):
        if W[k][k] <= 0:
            return False
        for i in range(k + 1, len(W)):
            factor = W[i][k] / W[k][k]
            W[i] = [x - factor * y for x, y in zip(W[i], W[k], strict=True)]
    return True


def exact_gap(A, P, bound):
    """bound^2 P - A'PA in fractions."""
    A, P = ([[Fraction(float(x)) for x in row] for row in M] for M in (A, P))
    n, b = range(len(A)), Fraction(bound) ** 2
    PA = [[sum(P[i][k] * A[k][j] for k in n) for j in n] for i in n]
    return [[b * P[i][j] - sum(A[k][i] * PA[k][j] for k in n) for j in n] for i in n]


@given(seed=seeds, n=st.integers(1, 4), r=st.integers(1, 3), scale=st.sampled_from([0, 3]))
def test_the_certificate_holds_in_fractions(seed, n, r, scale):
    """And is sharp: a little less is refuted in fractions as well."""
    rng = np.random.default_rng(seed)
    D = 10.0 ** rng.uniform(-scale, scale, n)
    family = D[:, None] * rng.standard_normal((r, n, n)) / D
    norm = common_quadratic_norm(family)
    assert positive_definite(exact_gap(np.zeros((n, n)), norm.P, 1.0))
    assert all(positive_definite(exact_gap(A, norm.P, norm.bound)) for A in family)
    less = norm.bound * (1 - 1e4 * EPS * norm.condition**2)
    assert less <= 0 or not all(positive_definite(exact_gap(A, norm.P, less)) for A in family)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_quadratic_norm_is_better(seed):
    """Every P of order 2 up to scale, on a grid: the descent ends at the global minimum."""
    family = np.random.default_rng(seed).standard_normal((3, 2, 2))
    found = common_quadratic_norm(family).bound
    best = np.inf
    for c in np.geomspace(1e-2, 1e2, 81):
        for rho in np.linspace(-0.98, 0.98, 99):
            T = np.array([[1, rho * c**0.5], [0, (c * (1 - rho**2)) ** 0.5]])
            best = min(best, np.linalg.svd(T @ family @ np.linalg.inv(T), compute_uv=False).max())
    # the grid is coarse, the exponent 1024 of the descent finite
    assert 0.97 * best <= found <= best * (1 + 1e-3)


def test_a_margin_that_rounding_could_fake_is_not_accepted():
    """Control: for a rotation, bound 1 exactly is true but not provable with room for rounding."""
    c, s = np.cos(1.0), np.sin(1.0)
    bound = contraction_bound([[[c, -s], [s, c]]], np.eye(2))
    assert 1 < bound < 1 + 1e-13


def test_a_defective_matrix_keeps_a_lower_bound():
    """Eigenvalues of a Jordan block are known to eps^(1/n): the bound says so, and is not above the truth."""
    bounds = joint_spectral_radius([[[1.0, 1.0], [0.0, 1.0]]])
    assert 1 - 1e-6 < bounds.lower <= 1 <= bounds.upper < 1 + 1e-3
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    nilpotent = Q @ np.diag(np.ones(7), 1) @ Q.T
    assert np.abs(np.linalg.eigvals(nilpotent)).max() > 1e-3  # what a plain lower bound would claim
    bounds = joint_spectral_radius([nilpotent])
    assert bounds.lower == 0
    assert bounds.upper < 0.2


@pytest.mark.parametrize("n, r", [(1, 1), (2, 3), (4, 2), (6, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_a_family_in_which_no_state_reaches_itself_has_radius_zero(seed, n, r):
    """Strictly triangular up to the order of the states: all words of `depth` letters vanish.  Control: one loop."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    family = np.triu(rng.standard_normal((r, n, n)), 1)[:, order][:, :, order]
    bounds = joint_spectral_radius(family)
    assert bounds.lower == bounds.upper == 0
    assert not word_product(family, rng.integers(0, r, bounds.depth)).any()
    i, j = rng.integers(0, n, 2)
    closed = np.concatenate([family, [np.eye(n)[:, [i]] * np.eye(n)[j]]])
    reached = np.linalg.matrix_power((family != 0).any(axis=0) + np.eye(n), n)[j, i] > 0
    assert (joint_spectral_radius(closed, depth=4).upper > 0) == reached


def test_empty_families_and_bad_input():
    assert joint_spectral_radius(np.zeros((0, 2, 2))).upper == 0
    assert joint_spectral_radius(np.zeros((2, 0, 0))).upper == 0
    assert joint_spectral_radius(np.zeros((2, 3, 3))).upper == 0
    with pytest.raises(ShapeError, match="A has shape"):
        joint_spectral_radius(np.ones((2, 2, 3)))
    with pytest.raises(ShapeError, match="depth is 0"):
        joint_spectral_radius(GOLDEN, depth=0)
    with pytest.raises(ShapeError, match=r"depth is 1\.5"):
        joint_spectral_radius(GOLDEN, depth=1.5)
    with pytest.raises(ShapeError, match="P has smallest eigenvalue"):
        contraction_bound(GOLDEN, [[1, 2], [2, 1]])
    nearly_singular = [[1, 1], [1, 1 + 2**-51]]
    assert np.linalg.eigvalsh(nearly_singular)[0] > 0
    with pytest.raises(StructureError, match=r"P has condition .*, for which no bound can be proved"):
        contraction_bound(GOLDEN, nearly_singular)
    assert contraction_bound(GOLDEN, np.diag([1, 2**-51])) < np.inf, "units are no condition"
