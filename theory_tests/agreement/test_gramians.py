"""Hankel singular values from factors agree with exact ones, far below where formed Gramians can see."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg import (
    continuous_controllability_factor,
    continuous_hankel_singular_values,
    continuous_observability_factor,
    controllability_factor,
    hankel_singular_values,
    observability_factor,
    product_singular_values,
)

mpmath = pytest.importorskip("mpmath")  # comes with SymPy
EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)


def truth(A, B, C):
    """Hankel singular values of the system as its doubles give it, in 60 digits."""
    with mpmath.workdps(60):
        A, B, C = (mpmath.matrix(np.asarray(X, float).tolist()) for X in (A, B, C))
        P, Q = _gramian(A, B), _gramian(A.T, C.T)
        L = mpmath.cholesky(P)
        values = mpmath.eigsy(L.T * Q * L, eigvals_only=True)
        return np.array(sorted((float(mpmath.sqrt(abs(v))) for v in values), reverse=True))


def _gramian(A, B):
    X = B * B.T
    for _ in range(13):
        X, A = X + A * X * A.T, A * A
    return X


def in_basis(T, A, B, C):
    return np.linalg.solve(T.T, (T @ A).T).T, T @ B, np.linalg.solve(T.T, C.T).T


def basis(rng, n, condition):
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return U @ np.diag(np.geomspace(condition**0.5, condition**-0.5, n)) @ V


def worst(found, exact, floor):
    kept = exact >= floor * exact[0]
    assert kept.sum() >= 3
    return (np.abs(found - exact) / exact)[kept].max()


@pytest.mark.parametrize("condition, allowed", [(1.0, 1e-12), (10.0, 1e-12), (1e2, 1e-11), (1e4, 1e-7)])
def test_twelve_digits_down_to_1e_10_of_the_largest(condition, allowed):
    """At basis condition <= 10; beyond, the error grows like eps condition^2, as that of the Gramians does."""
    for seed, (n, m) in zip((1009, 1010, 0), ((14, 1), (13, 1), (12, 2)), strict=True):
        rng = np.random.default_rng(seed)
        system = np.diag(rng.uniform(-0.95, 0.95, n)), rng.standard_normal((n, m)), rng.standard_normal((m, n))
        system = in_basis(basis(rng, n, condition), *system)
        assert worst(hankel_singular_values(*system), truth(*system), 1e-10) <= allowed


@pytest.mark.parametrize("scale", [0, 6])
def test_modal_systems_keep_their_digits_where_an_ordinary_svd_loses_them(scale):
    """Real poles side by side: values fall to 1e-16 of the largest.  Control: the same factors, a plain SVD."""
    poles = np.linspace(0.1, 0.95, 14)
    D = 10.0 ** np.random.default_rng(0).uniform(-scale, scale, 14)
    A, B, C = np.diag(poles), D[:, None], 1 / D[None]
    exact = truth(A, B, C)
    assert worst(hankel_singular_values(A, B, C), exact, 1e-10) <= 1e-12
    plain = np.linalg.svd(observability_factor(A, C).T @ controllability_factor(A, B), compute_uv=False)
    assert worst(plain, exact, 1e-10) > 1e-11


def test_formed_gramians_would_fail():
    """Control: sqrt(eig(P Q)) is wrong in the first digit at 1e-10 of the largest."""
    poles = np.linspace(0.1, 0.95, 12)
    A, B, C = np.diag(poles), np.ones((12, 1)), np.ones((1, 12))
    P = scipy.linalg.solve_discrete_lyapunov(A, B @ B.T, method="bilinear")
    Q = scipy.linalg.solve_discrete_lyapunov(A.T, C.T @ C, method="bilinear")
    formed = np.sort(np.sqrt(np.abs(np.linalg.eigvals(P @ Q))))[::-1]
    assert worst(formed, truth(A, B, C), 1e-10) > 1e-3


def test_exact_rationals():
    """P of a diagonal system is b_i b_j / (1 - a_i a_j): the product of two factors, in fractions."""
    a = [Fraction(1, 2), Fraction(1, 4), Fraction(-3, 4)]
    P = [[1 / (1 - x * y) for x in a] for y in a]
    L = controllability_factor(np.diag([float(x) for x in a]), np.ones((3, 1)))
    np.testing.assert_allclose(L @ L.T, np.array(P, float), rtol=1e-14)


@pytest.mark.parametrize("w", [1, 2, 7])
def test_a_delay_of_w_steps_has_w_unit_values(w):
    A, B, C = np.diag(np.ones(w - 1), 1), np.eye(w)[:, -1:], np.eye(w)[:1]
    assert np.array_equal(hankel_singular_values(A, B, C), np.ones(w))


def test_all_pass_functions_have_equal_values():
    """Balanced with P = Q = I: rows of an orthogonal matrix, whatever its size."""
    V = np.linalg.qr(np.random.default_rng(3).standard_normal((9, 9)))[0]
    np.testing.assert_allclose(hankel_singular_values(V[:7, :7], V[:7, 7:], V[7:, :7]), 1.0, rtol=1e-12)


@given(seed=seeds, n=st.integers(1, 6), m=st.integers(0, 3), complex_valued=st.booleans())
def test_factors_solve_lyapunov(seed, n, m, complex_valued):
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((n, n)), rng.standard_normal((n, m))
    if complex_valued:
        A, B = A + 1j * rng.standard_normal((n, n)), B + 1j * rng.standard_normal((n, m))
    A *= 0.9 / np.linalg.norm(A, 2)
    L = controllability_factor(A, B)
    assert L.shape[1] <= n
    P = L @ L.conj().T
    bound = 100 * n * EPS * np.linalg.norm(P)
    assert np.linalg.norm(A @ P @ A.conj().T + B @ B.conj().T - P) <= bound
    M = observability_factor(A.conj().T, B.conj().T)
    assert np.linalg.norm(M @ M.conj().T - P) <= bound
    F = A - np.eye(n)
    L = continuous_controllability_factor(F, B)
    P = L @ L.conj().T
    left = F @ P + P @ F.conj().T + B @ B.conj().T
    assert np.linalg.norm(left) <= 1000 * n * EPS * max(np.linalg.norm(P), np.linalg.norm(B) ** 2)
    M = continuous_observability_factor(F.conj().T, B.conj().T)
    assert np.linalg.norm(M @ M.conj().T - P) <= 1000 * n * EPS * np.linalg.norm(P) / 0.1


def test_complex_bases_change_nothing():
    rng = np.random.default_rng(5)
    A, B, C = np.diag(rng.uniform(-0.9, 0.9, 6)), rng.standard_normal((6, 2)), rng.standard_normal((2, 6))
    U = np.linalg.qr(rng.standard_normal((6, 6)) + 1j * rng.standard_normal((6, 6)))[0]
    turned = hankel_singular_values(U @ A @ U.conj().T, U @ B, C @ U.conj().T)
    np.testing.assert_allclose(turned, hankel_singular_values(A, B, C), rtol=1e-10)


def test_continuous_values_agree_with_exact_gramians():
    """A = diag(a): P_ij = b_i b_j / -(a_i + a_j), here in 60 digits; poles over four decades."""
    a = -np.geomspace(1e-2, 1e2, 8)
    b, c = np.random.default_rng(1).standard_normal((2, 8))
    with mpmath.workdps(60):
        P, Q = (
            mpmath.matrix([[-mpmath.mpf(v[i]) * v[j] / (mpmath.mpf(a[i]) + a[j]) for j in range(8)] for i in range(8)])
            for v in (b, c)
        )
        L = mpmath.cholesky(P)
        exact = np.array(sorted(float(mpmath.sqrt(v)) for v in mpmath.eigsy(L.T * Q * L, eigvals_only=True)))[::-1]
    found = continuous_hankel_singular_values(np.diag(a), b[:, None], c[None])
    # eps times the four decades
    assert worst(found, exact, 1e-10) <= 4e-12


def test_what_is_not_minimal_comes_out_as_zero():
    values = hankel_singular_values(np.diag([0.5, 0.4, 0.3]), [[1], [0], [1]], [[1, 1, 0]])
    assert values.shape == (3,)
    assert values[0] == pytest.approx(4 / 3)
    assert (values[1:] <= EPS).all()
    assert not hankel_singular_values(np.eye(2) / 2, np.zeros((2, 1)), np.ones((1, 2))).any()
    assert not hankel_singular_values(np.eye(2) / 2, np.zeros((2, 0)), np.ones((1, 2))).any()


def test_unstable_systems_are_refused_with_the_number():
    for A in (np.eye(2), np.diag([1.0003, 0.5]), 3 * np.eye(2)):
        with pytest.raises(StructureError, match=r"spectral radius of A is .*need < 1"):
            controllability_factor(A, np.ones((2, 1)))
    for A in (np.zeros((2, 2)), np.diag([1.0, -1.0]), np.eye(2)):
        with pytest.raises(StructureError, match=r"spectral abscissa of A is .*need < 0"):
            continuous_hankel_singular_values(A, np.ones((2, 1)), np.ones((1, 2)))
    # control: one rounding inside the disc is stable, and is not refused
    assert controllability_factor([[1 - EPS]], [[1.0]]) ** 2 == pytest.approx(1 / (2 * EPS))


def test_no_states_are_legal_and_bad_input_is_refused():
    assert hankel_singular_values(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((1, 0))).shape == (0,)
    assert continuous_hankel_singular_values(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((1, 0))).shape == (0,)
    with pytest.raises(ShapeError, match="B has shape"):
        controllability_factor(np.eye(2), np.ones((3, 1)))
    with pytest.raises(ShapeError, match="NaN"):
        observability_factor([[np.inf]], [[1.0]])


SHAPES = [((4, 2), (4, 3)), ((4, 6), (4, 1)), ((0, 2), (0, 3)), ((3, 0), (3, 2)), ((3, 5), (3, 7))]


@pytest.mark.parametrize("M_shape, L_shape", SHAPES)
def test_singular_values_of_products_of_every_shape(M_shape, L_shape):
    rng = np.random.default_rng(0)
    for unit in (0, 1j):
        M, L = (rng.standard_normal(s) + unit * rng.standard_normal(s) for s in (M_shape, L_shape))
        plain = np.linalg.svd(M.conj().T @ L, compute_uv=False)[: len(M)]
        values = product_singular_values(M, L)
        np.testing.assert_allclose(values, np.concatenate([plain, np.zeros(len(M) - len(plain))]), atol=1e-13)


def test_singular_values_of_zeros_and_of_ties():
    for M, values in ((np.zeros((3, 3)), 0), (np.eye(3), 1), (np.eye(3) + 0j, 1), (1e150 * np.eye(3), 1e300)):
        np.testing.assert_allclose(product_singular_values(M, M), values, rtol=1e-15)


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_the_unit_of_time_does_not_matter(unit):
    """1/(s + a) has the Hankel singular value 1/(2a) for every a that is a double; -2 and -1 keep their ratio."""
    values = continuous_hankel_singular_values([[-unit]], [[1.0]], [[1.0]])
    np.testing.assert_allclose(values, 0.5 / unit, rtol=1e-14)
    A, I = -np.diag([2.0, 1.0]), np.eye(2)
    np.testing.assert_allclose(continuous_hankel_singular_values(unit * A, I, I), [0.5 / unit, 0.25 / unit], rtol=1e-14)
