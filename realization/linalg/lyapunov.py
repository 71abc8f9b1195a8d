"""Lyapunov equations, each with its residual and its condition.

    discrete     X = A X A' + Q                       A, Q, X: (n, n)
    continuous   A X + X A' + Q = 0

Here ' is the conjugate transpose.  Two routes: doubling, which needs a stable A, and the
Schur form, which needs only that the equation is solvable.  Doubling runs first; what it
returns is kept if its residual is at rounding level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.linalg

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.arguments import LARGEST_FACTOR, matrices
from realization.linalg.decision import EPS
from realization.linalg.dense import adjoint, two_norm
from realization.linalg.doubling import cayley, smith

Operator = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LyapunovSolution(Sealed):
    """X, and what it is worth.

    Parameters
    ----------
    X : ndarray
        (n, n), symmetric where Q is.
    residual : float
        Frobenius norm of what the equation leaves over, relative to its largest term.
    condition : float
        |L| |inv(L)| of the operator L: X -> Q.  Where A is stable inv(L) is a positive map,
        which has its 2-norm at the identity: exact up to the bound used for |L|.  Elsewhere
        |inv(L)| is estimated from below in the Frobenius norm, by power iteration.
    path : {"doubling", "schur", "kronecker", "gmres"}
        The route that led to X.
    """

    X: np.ndarray
    residual: float
    condition: float
    path: Literal["doubling", "schur", "kronecker", "gmres"]


def discrete_lyapunov(A: Any, Q: Any) -> LyapunovSolution:
    """Solve X = A X A' + Q.

    Parameters
    ----------
    A, Q : array_like
        (n, n).  A need not be stable, nor Q symmetric.

    Returns
    -------
    LyapunovSolution
        With residual, condition and path.

    Raises
    ------
    ShapeError
        If A is not square, Q has another shape, or an entry is not finite.
    StructureError
        If two eigenvalues of A have a product a conj(b) = 1 to working precision: then there
        is no solution, or more than one.

    References
    ----------
    Smith 1968 (doubling); Kitagawa 1977 (Schur form).

    Examples
    --------
    The stationary variance of x(t+1) = x(t)/2 + w(t) is 1 + 1/4 + 1/16 + ... = 4/3:

    >>> discrete_lyapunov([[0.5]], [[1.0]]).X.round(12)
    array([[1.33333333]])
    >>> discrete_lyapunov([[2.0]], [[3.0]]).X
    array([[-1.]])
    """
    A, Q = matrices("A: n n; Q: n n", largest=LARGEST_FACTOR, A=A, Q=Q)
    return _solve(
        Q,
        terms=lambda X: (-X, A @ X @ adjoint(A), Q),
        norm=1 + two_norm(A) ** 2,
        fast=smith(A, np.stack([Q, np.eye(len(A))])),
        slow=lambda: _by_schur(A, _discrete_triangular, lambda e: 1 - np.outer(e, e.conj()), "a conj(b) = 1"),
    )


def continuous_lyapunov(A: Any, Q: Any) -> LyapunovSolution:
    """Solve A X + X A' + Q = 0.

    Parameters
    ----------
    A, Q : array_like
        (n, n).  A need not be stable, nor Q symmetric.

    Returns
    -------
    LyapunovSolution
        With residual, condition and path.

    Raises
    ------
    ShapeError
        If A is not square, Q has another shape, or an entry is not finite.
    StructureError
        If two eigenvalues of A have a sum a + conj(b) = 0 to working precision.

    References
    ----------
    Bartels and Stewart 1972.

    Examples
    --------
    dx = -x dt + dw has the stationary variance 1/2:

    >>> continuous_lyapunov([[-1.0]], [[1.0]]).X
    array([[0.5]])
    """
    A, Q = matrices("A: n n; Q: n n", largest=LARGEST_FACTOR, A=A, Q=Q)
    return _solve(
        Q,
        terms=lambda X: (A @ X, X @ adjoint(A), Q),
        norm=2 * two_norm(A),
        fast=continuous_doubling(A, np.stack([Q, np.eye(len(A))])),
        slow=lambda: _by_schur(A, _continuous_triangular, lambda e: -e[:, None] - e.conj(), "a + conj(b) = 0"),
    )


def _solve(Q: np.ndarray, *, terms: Any, norm: float, fast: np.ndarray | None, slow: Any) -> LyapunovSolution:
    """Keep what doubling found for Q and for the identity if it satisfies the equation, else solve by Schur."""
    n = len(Q)
    if fast is not None:
        X, H = fast
        residual = relative_sum(terms(X))
        # n eps for the products of length n in the residual itself, and a few more for those of the doubling
        if residual <= 4 * max(n, 4) * EPS:
            return LyapunovSolution(symmetric_as(Q, X), residual, norm * two_norm(H), "doubling")
    solve, transposed = slow()
    X = symmetric_as(Q, solve(Q))
    stable = fast is not None
    condition = norm * (two_norm(solve(np.eye(n))) if stable else _power_iteration(solve, transposed, n))
    if not condition * EPS < 1:
        raise StructureError(f"the Lyapunov equation has condition {condition:.1e}, need < {1 / EPS:.1e}")
    return LyapunovSolution(X, relative_sum(terms(X)), condition, "schur")


def continuous_doubling(A: np.ndarray, Q: np.ndarray) -> np.ndarray | None:
    try:
        Ad, M, s = cayley(A)
    except np.linalg.LinAlgError:  # s > 0 is an eigenvalue: A is not stable
        return None
    return smith(Ad, 2 * s * M @ Q @ adjoint(M))


def _by_schur(
    A: np.ndarray, triangular: Callable[..., np.ndarray], spectrum: Operator, law: str
) -> tuple[Operator, Operator]:
    """Solvers of L(X) = Q and of its adjoint, after A = U T U' with T upper triangular."""
    T, U = scipy.linalg.schur(A, output="complex")
    # the eigenvalues of L, each known to about eps times the largest of them
    eigenvalues = np.abs(spectrum(np.diag(T)))
    gap, need = eigenvalues.min(initial=np.inf), EPS * eigenvalues.max(initial=1.0)
    if gap <= need:
        raise StructureError(
            f"two eigenvalues a, b of A satisfy {law} up to {gap:.1e}, need more than {need:.1e}: "
            "the Lyapunov equation has no unique solution"
        )
    # the adjoint equation has A' = U T' U', where T' is lower triangular: read backwards it is upper triangular
    V, S = U[:, ::-1], adjoint(T)[::-1, ::-1]
    real = A.dtype.kind == "f"

    def solver(T: np.ndarray, U: np.ndarray) -> Operator:
        def solve(Q: np.ndarray) -> np.ndarray:
            X = U @ triangular(T, adjoint(U) @ Q @ U) @ adjoint(U)
            return X.real if real else X

        return solve

    return solver(T, U), solver(S, V)


def _discrete_triangular(T: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Y - T Y T' = F, T upper triangular: (I - conj(t_jj) T) y_j = f_j + T sum_{k>j} conj(t_jk) y_k, j descending."""
    Y, I = np.zeros_like(F), np.eye(len(F))
    for j in reversed(range(len(F))):
        t = T[j].conj()
        Y[:, j] = scipy.linalg.solve_triangular(I - t[j] * T, F[:, j] + T @ (Y[:, j + 1 :] @ t[j + 1 :]))
    return Y


def _continuous_triangular(T: np.ndarray, F: np.ndarray) -> np.ndarray:
    """T Y + Y T' = -F, T upper triangular."""
    if not len(F):
        return F
    Y, scale, _ = scipy.linalg.lapack.ztrsyl(T, T, -F, tranb="C")
    return Y / scale


def _power_iteration(solve: Operator, transposed: Operator, n: int) -> float:
    """Lower estimate of |inv(L)| in the Frobenius norm; five steps reach its order of magnitude."""
    X, size = np.eye(n) + np.diag(np.full(max(n - 1, 0), 0.5), 1), 0.0
    for _ in range(5 if n else 0):
        X = solve(X / np.linalg.norm(X))
        size = max(size, float(np.linalg.norm(X)))
        X = transposed(X)
    return size


def relative_sum(terms: tuple[np.ndarray, ...]) -> float:
    """|sum of the terms| over the largest of them."""
    largest = max(float(np.linalg.norm(term)) for term in terms)
    return float(np.linalg.norm(sum(terms))) / largest if largest else 0.0


def symmetric_as(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    """X, symmetrised where Q is symmetric up to the rounding of a product B B': X then is, but for rounding."""
    skew = np.linalg.norm(Q - adjoint(Q))
    return (X + adjoint(X)) / 2 if skew <= len(Q) * EPS * np.linalg.norm(Q) else X
