"""Lyapunov equations by doubling, by the Schur form and by the n^2 x n^2 linear system give one X."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg import bilinear_lyapunov, continuous_lyapunov, discrete_lyapunov, mean_square_radius
from realization.linalg.doubling import smith
from realization.linalg.lyapunov import _by_schur, _discrete_triangular

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


def draw(seed, n, *, radius, condition=10.0, complex_valued=False):
    """A = T D inv(T) with eigenvalues in the disc of a radius, and a basis of a given condition; Q symmetric."""
    rng = np.random.default_rng(seed)
    D = np.diag(radius * rng.uniform(-1, 1, n)) + (1j * np.diag(radius * rng.uniform(-0.3, 0.3, n))) * complex_valued
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    T = U @ np.diag(np.geomspace(condition**0.5, condition**-0.5, n)) @ V
    Q = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n)) * complex_valued
    return np.linalg.solve(T.T, (T @ D).T).T, Q @ Q.conj().T


def discrete_operator(A):
    return np.eye(len(A) ** 2) - np.kron(A, A.conj())


def continuous_operator(A):
    I = np.eye(len(A))
    return -np.kron(A, I) - np.kron(I, A.conj())


@pytest.mark.parametrize("solve, operator, shift", [
    (discrete_lyapunov, discrete_operator, 0.0), (continuous_lyapunov, continuous_operator, 1.0)
])  # fmt: skip
@given(seed=seeds, n=sizes, radius=st.sampled_from([0.5, 0.99, 1.7]), complex_valued=st.booleans())
def test_solutions_agree_with_the_linear_system(solve, operator, shift, seed, n, radius, complex_valued):
    """Within eps times the condition that came with the solution; the condition agrees with the exact one."""
    A, Q = draw(seed, n, radius=radius, complex_valued=complex_valued)
    A = A - shift * np.eye(n)
    K = operator(A)
    inverse = np.linalg.norm(np.linalg.inv(K), 2)
    if inverse > 1e8:  # eigenvalues that happen to be reciprocal or opposite: see the refusals below
        return
    solution = solve(A, Q)
    X = np.linalg.solve(K, Q.ravel()).reshape(n, n)
    # 1.8 % of this was seen at most (theory, section E: c n u condition)
    assert np.linalg.norm(solution.X - X) <= 100 * n * EPS * solution.condition * np.linalg.norm(X)
    assert np.array_equal(solution.X, solution.X.conj().T)
    size = np.linalg.norm(A, 2)
    size = 1 + size**2 if solve is discrete_lyapunov else 2 * size
    # the residual is relative to terms of at least |Q|, its rounding to |A| |X|
    assert solution.residual <= 10 * n * EPS * max(1, size * np.linalg.norm(X) / np.linalg.norm(Q))
    exact = inverse * size
    # 2-norm against Frobenius norm: a factor sqrt(n) each way; the power iteration may miss some
    assert exact / (10 * n**0.5) <= solution.condition <= 1.001 * exact * n**0.5


@given(seed=seeds, n=sizes)
def test_doubling_agrees_with_schur(seed, n):
    A, Q = draw(seed, n, radius=0.95)
    doubled, condition = smith(A, Q), discrete_lyapunov(A, Q).condition
    solve, transposed = _by_schur(A, _discrete_triangular, lambda e: 1 - np.outer(e, e.conj()), "")
    bound = 100 * n * EPS * condition * np.linalg.norm(doubled)
    assert np.linalg.norm(doubled - solve(Q)) <= bound
    # tr(inv(L)(Q) I) = tr(Q inv(L*)(I)): the adjoint is one
    assert abs(np.trace(solve(Q)) - np.trace(Q @ transposed(np.eye(n)))) <= n * bound


def test_a_wrong_sign_would_be_seen():
    """Control: the equation with -Q differs by far more than the bound."""
    A, Q = draw(0, 5, radius=0.9)
    plus, minus = discrete_lyapunov(A, Q), discrete_lyapunov(A, -Q)
    assert np.linalg.norm(plus.X - minus.X) > 1e10 * EPS * plus.condition * np.linalg.norm(plus.X)


def test_a_right_hand_side_need_not_be_symmetric():
    A, _ = draw(1, 4, radius=0.9)
    Q = np.arange(16.0).reshape(4, 4)
    for solve, operator in ((discrete_lyapunov, discrete_operator(A)), (continuous_lyapunov, continuous_operator(A))):
        np.testing.assert_allclose(solve(A, Q).X.ravel(), np.linalg.solve(operator, Q.ravel()), rtol=1e-11)


def test_scipy_agrees_at_a_hundred_states():
    A, Q = draw(2, 100, radius=0.97)
    F = A - np.eye(100)
    for mine, theirs in (
        (discrete_lyapunov(A, Q), scipy.linalg.solve_discrete_lyapunov(A, Q, method="bilinear")),
        (continuous_lyapunov(F, Q), scipy.linalg.solve_continuous_lyapunov(F, -Q)),
    ):
        assert mine.path == "doubling"
        assert np.linalg.norm(mine.X - theirs) <= 100 * EPS * mine.condition * np.linalg.norm(theirs)


def test_powers_that_swell_before_they_die_lead_to_schur():
    """All eigenvalues are 0.5, |A^8| passes 1e3: doubling in a dense basis loses digits, and its residual says so."""
    U = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    A = U @ (0.5 * np.eye(8) + 2 * np.diag(np.ones(7), 1)) @ U.T
    solution = discrete_lyapunov(A, np.eye(8))
    doubled = smith(A, np.eye(8))
    assert solution.path == "schur"
    left = A @ doubled @ A.T + np.eye(8) - doubled
    assert solution.residual <= 1e-14 < np.linalg.norm(left) / np.linalg.norm(doubled)
    # control: the doubled one is a solution, but for digits
    np.testing.assert_allclose(doubled, solution.X, atol=1e-3 * np.abs(solution.X).max())


@pytest.mark.parametrize("A", [[[1.0]], [[2.0, 1.0], [0.0, 0.5]], [[0.0, 1.0], [-1.0, 0.0]], np.eye(3)])
def test_reciprocal_eigenvalues_are_refused_with_the_number(A):
    with pytest.raises(StructureError, match=r"a conj\(b\) = 1 up to .*need more than"):
        discrete_lyapunov(A, np.eye(len(A)))


@pytest.mark.parametrize("A", [[[0.0]], [[2.0, 1.0], [0.0, -2.0]], [[0.0, 1.0], [-1.0, 0.0]]])
def test_opposite_eigenvalues_are_refused_with_the_number(A):
    with pytest.raises(StructureError, match=r"a \+ conj\(b\) = 0 up to .*need more than"):
        continuous_lyapunov(A, np.eye(len(A)))


def test_a_defective_eigenvalue_one_is_refused_by_its_condition():
    """In a Jordan block of 3 the eigenvalue 1 shows up 1e-5 away from 1: only the condition tells."""
    T = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    with pytest.raises(StructureError, match=r"condition|a conj\(b\)"):
        discrete_lyapunov(T @ (np.eye(3) + np.diag([1.0, 1.0], 1)) @ T.T, np.eye(3))


def test_no_states_are_legal_and_bad_input_is_refused():
    empty = np.zeros((0, 0))
    for solve in (discrete_lyapunov, continuous_lyapunov):
        assert solve(empty, empty).X.shape == (0, 0)
        with pytest.raises(ShapeError, match="A has shape"):
            solve(np.ones((2, 3)), np.eye(2))
        with pytest.raises(ShapeError, match="NaN"):
            solve([[np.nan]], [[1.0]])
    assert bilinear_lyapunov(empty, np.zeros((2, 0, 0)), empty).X.shape == (0, 0)


@pytest.mark.parametrize("n", [3, 20])
@pytest.mark.parametrize("target", [0.5, 0.98])
def test_second_moments_of_a_bilinear_system(n, target):
    """The iteration, the linear system, and the sum over words, which is what the second moment is."""
    rng = np.random.default_rng(n)
    M = rng.standard_normal((3, n, n))
    M *= (target / mean_square_radius(M[0], M[1:])) ** 0.5
    A, N = M[0], M[1:]
    K = sum(np.kron(F, F) for F in M)
    if n == 3:
        assert np.abs(np.linalg.eigvals(K)).max() == pytest.approx(target, rel=1e-12)
    B = rng.standard_normal((n, 2))
    solution = bilinear_lyapunov(A, N, B @ B.T)
    assert solution.path == ("kronecker" if n == 3 else "gmres")
    P, term = np.zeros((n, n)), B @ B.T
    for _ in range(60 if target == 0.5 else 2000):
        P, term = P + term, sum(F @ term @ F.T for F in M)
    assert np.linalg.norm(solution.X - P) <= 100 * n * EPS * solution.condition * np.linalg.norm(P)
    assert solution.residual <= 100 * n * EPS
    # duality: tr(C P C') = tr(B' Q B)
    C = rng.standard_normal((2, n))
    Q = bilinear_lyapunov(A.T, N.swapaxes(1, 2), C.T @ C).X
    assert np.trace(C @ solution.X @ C.T) == pytest.approx(np.trace(B.T @ Q @ B), rel=1e-11)


def test_growing_second_moments_are_refused_though_the_state_is_stable():
    with pytest.raises(StructureError, match=r"mean-square spectral radius is 1\.1[67].*need < 1"):
        bilinear_lyapunov([[0.6]], [[[0.9]]], [[1.0]])


def test_a_stable_equation_without_bilinear_part_is_lyapunov_s():
    A, Q = draw(3, 5, radius=0.9)
    expected = discrete_lyapunov(A, Q).X
    np.testing.assert_allclose(bilinear_lyapunov(A, np.zeros((0, 5, 5)), Q).X, expected, rtol=1e-11)


@given(seeds, st.integers(1, 4), st.integers(0, 4), st.integers(0, 2))
def test_the_mean_square_radius_of_triangular_blocks(seed, n, n2, m):
    """In any order of the states: as of the n^2 x n^2 matrix, and more where the blocks feed back."""
    rng = np.random.default_rng(seed)
    G = rng.standard_normal((1 + m, n + n2, n + n2))
    full = mean_square_radius(G[0], G[1:])
    G[:, n:, :n] = 0
    order = rng.permutation(n + n2)
    G = G[:, order][:, :, order]
    whole = np.abs(np.linalg.eigvals(sum(np.kron(X, X) for X in G))).max()
    assert mean_square_radius(G[0], G[1:]) == pytest.approx(whole, rel=1e-9)
    assert not n2 or full != pytest.approx(whole, rel=1e-9)


def test_units_do_not_overflow_in_a_mean_square_radius():
    """(c A, c N) has c^2 times the radius, in range or not."""
    A, N = np.array([[0.0, 1.0], [0.5, 0.0]]), np.eye(2)[None] / 2
    radius = mean_square_radius(A, N)
    assert mean_square_radius(1e100 * A, 1e100 * N) == pytest.approx(1e200 * radius, rel=1e-13)
    assert mean_square_radius(1e200 * A, 1e200 * N) == np.inf
