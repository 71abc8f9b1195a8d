"""Second moments of a bilinear system: X = A X A' + sum_i N_i X N_i' + Q.

x(t+1) = (A + sum_i u_i(t) N_i) x(t) + w(t), with u_i independent, white, of zero mean and
unit variance, has the second moment X.  The equation has a positive semidefinite solution
for every positive semidefinite Q exactly when the positive map

    Pi(X) = A X A' + sum_i N_i X N_i'

has spectral radius below 1, which is more than stability of A.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse.csgraph
import scipy.sparse.linalg

from realization.core.errors import ConvergenceError, StructureError
from realization.linalg.arguments import LARGEST_FACTOR, matrices
from realization.linalg.decision import EPS
from realization.linalg.dense import adjoint, spectral_radius, two_norm
from realization.linalg.lyapunov import LyapunovSolution, discrete_lyapunov, relative_sum, symmetric_as

DENSE = 16  # up to here the n^2 x n^2 matrix of Pi, 0.5 MB, is cheaper than any iteration


def mean_square_radius(A: Any, N: Any) -> float:
    """Return the spectral radius of X -> A X A' + sum_i N_i X N_i'.

    Parameters
    ----------
    A, N : array_like
        (n, n) and (k, n, n).

    Returns
    -------
    float
        Below 1 exactly where second moments of the bilinear system die out.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    ConvergenceError
        If more than 16 states depend on each other and Arnoldi's iteration does not settle.

    Notes
    -----
    States that do not feed back on each other, in the graph of the entries that are not 0, are
    separated first: with all matrices block triangular the largest radius of a diagonal block is that
    of the whole, since r(sum G_kk (x) conj(G_ll))^2 <= r(sum G_kk (x) conj(G_kk)) r(sum G_ll (x) conj(G_ll)).
    So triangular matrices have the answer max_k sum_i |g_kk|^2, and registers, whose eigenvalues would
    be scattered by u^(1/n), the answer 0.

    Examples
    --------
    x(t+1) = (0.6 + 0.9 u(t)) x(t): stable without u, but E x^2 grows by 0.36 + 0.81:

    >>> round(mean_square_radius([[0.6]], [[[0.9]]]), 12)
    1.17
    """
    A, N = matrices("A: n n; N: k n n", A=A, N=N)
    linked = scipy.sparse.csr_array((A != 0) | (N != 0).any(axis=0), dtype=np.int8)
    _, block = scipy.sparse.csgraph.connected_components(linked, connection="strong")
    groups = [np.flatnonzero(block == k) for k in np.unique(block)]
    return max((_radius(A[np.ix_(g, g)], N[:, g[:, None], g]) for g in groups), default=0.0)


def _radius(A: np.ndarray, N: np.ndarray) -> float:
    """The same for states that all depend on each other, in units in which the largest entry is 1."""
    size, n = max(np.abs(A).max(), np.abs(N).max(initial=0.0)), len(A)
    if not size:
        return 0.0
    A, N = A / size, N / size
    with np.errstate(over="ignore"):
        square = size**2
    if n <= DENSE:
        return float(square * spectral_radius(_kronecker(A, N)))

    def apply(x: np.ndarray) -> np.ndarray:
        return _positive_map(A, N, x.reshape(n, n)).ravel()

    operator = scipy.sparse.linalg.LinearOperator((n * n, n * n), matvec=apply, dtype=A.dtype)
    try:
        # the eigenvector is positive semidefinite (Krein and Rutman), never orthogonal to the identity
        value = scipy.sparse.linalg.eigs(operator, k=1, v0=np.eye(n).ravel(), return_eigenvectors=False)
    except scipy.sparse.linalg.ArpackError as error:
        raise ConvergenceError(f"Arnoldi's iteration for the mean-square radius did not settle: {error}") from error
    return float(square * abs(value[0]))


def bilinear_lyapunov(A: Any, N: Any, Q: Any) -> LyapunovSolution:
    """Solve X = A X A' + sum_i N_i X N_i' + Q.

    Parameters
    ----------
    A, N, Q : array_like
        (n, n), (k, n, n) and (n, n).

    Returns
    -------
    LyapunovSolution
        The condition is exact in the 2-norm, the map being positive.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If the mean-square spectral radius is not below 1.
    ConvergenceError
        If n > 16 and the iteration stops early.

    References
    ----------
    Zhang and Lam 2002; Benner and Damm 2011.

    Examples
    --------
    x(t+1) = (0.5 + 0.5 u(t)) x(t) + w(t) has E x^2 = 1 / (1 - 1/4 - 1/4):

    >>> bilinear_lyapunov([[0.5]], [[[0.5]]], [[1.0]]).X.round(12)
    array([[2.]])
    """
    A, N, Q = matrices("A: n n; N: k n n; Q: n n", largest=LARGEST_FACTOR, A=A, N=N, Q=Q)
    radius = mean_square_radius(A, N)
    if not radius < 1:
        raise StructureError(
            f"mean-square spectral radius is {radius:.17g}, need < 1: second moments of the bilinear system grow"
        )
    n = len(A)
    solve = _dense if n <= DENSE else _iterative
    X, H = (symmetric_as(F, solve(A, N, F)) for F in (Q, np.eye(n, dtype=Q.dtype)))
    size = 1 + two_norm(A) ** 2 + sum(two_norm(M) ** 2 for M in N)
    residual = relative_sum((-X, _positive_map(A, N, X), Q))
    return LyapunovSolution(X, residual, size * two_norm(H), "kronecker" if n <= DENSE else "gmres")


def _positive_map(A: np.ndarray, N: np.ndarray, X: np.ndarray) -> np.ndarray:
    return A @ X @ adjoint(A) + (N @ X @ adjoint(N)).sum(axis=0)


def _kronecker(A: np.ndarray, N: np.ndarray) -> np.ndarray:
    """Pi as a matrix on X stacked by rows: A X A' is (A kron conj(A)) vec X."""
    K = np.kron(A, A.conj())
    for M in N:
        K += np.kron(M, M.conj())
    return K


def _dense(A: np.ndarray, N: np.ndarray, Q: np.ndarray) -> np.ndarray:
    return np.linalg.solve(np.eye(Q.size) - _kronecker(A, N), Q.ravel()).reshape(Q.shape)


def _iterative(A: np.ndarray, N: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """GMRES on X - inv(I - A.A') sum N_i X N_i' = inv(I - A.A') Q, then again on what is left over."""

    def smoothed(F: np.ndarray) -> np.ndarray:
        return discrete_lyapunov(A, F).X

    def apply(x: np.ndarray) -> np.ndarray:
        X = x.reshape(Q.shape)
        return (X - smoothed((N @ X @ adjoint(N)).sum(axis=0))).ravel()

    operator = scipy.sparse.linalg.LinearOperator((Q.size, Q.size), matvec=apply, dtype=Q.dtype)
    X = np.zeros_like(Q)
    for _ in range(3):
        left = Q + _positive_map(A, N, X) - X
        if np.linalg.norm(left) <= len(A) * EPS * np.linalg.norm(X):
            return X
        # each pass gains at least eight digits; a restart of 50 holds 50 n^2 numbers
        step, info = scipy.sparse.linalg.gmres(operator, smoothed(left).ravel(), rtol=1e-9, restart=50, maxiter=20)
        if info:
            size = np.linalg.norm(left)
            raise ConvergenceError(
                f"GMRES for the bilinear Lyapunov equation stopped at {info} steps, residual {size:.1e}"
            )
        X = X + step.reshape(Q.shape)
    return X
