"""A common quadratic norm: |x|_P = sqrt(x'P x) in which every matrix of a family has a norm as small as can be.

With P = T'T the norm of A_i is the largest singular value of B_i = T A_i T^-1, and

    f(T) = log (sum_i sum_j s_j(B_i)^2q)^(1/2q)

tends to the largest of them as q grows.  f is convex along geodesics of the positive
definite matrices, so that descent ends at the minimum.  With B_i = U_i diag(s_i) V_i',
moving T to (I + E) T changes f by tr(E G),

    G = sum_i (U_i D_i U_i' - V_i D_i V_i') / sum_i tr D_i,      D_i = diag(s_i)^2q.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.arguments import LARGEST_FACTOR, matrices
from realization.linalg.certificate import certainly_below, real
from realization.linalg.decision import EPS
from realization.linalg.dense import adjoint, in_basis

EXPONENTS = (1, 8, 64, 1024)  # at 1024 f exceeds log max s by log(number of s) / 2048
WORST_CONDITION = 1e5  # of T: the check of P loses cond(T)^2 eps


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class QuadraticNorm(Sealed):
    """A proof that |A_i x|_P <= bound |x|_P for every matrix of a family.

    Parameters
    ----------
    P : ndarray
        (n, n), positive definite.
    bound : float
        bound^2 P - A_i' P A_i was found positive definite by a Cholesky factorisation with
        more than its rounding taken off: the inequality holds for P as its doubles give it.
    condition : float
        Square root of the condition of P: |A_w| <= condition bound^k for every product of k.
    """

    P: np.ndarray
    bound: float
    condition: float


def common_quadratic_norm(family: Any) -> QuadraticNorm:
    """Return P and the least bound found with A_i' P A_i <= bound^2 P for every i.

    Parameters
    ----------
    family : array_like
        (r, n, n).

    Returns
    -------
    QuadraticNorm
        A bound below 1 proves that every product dies out geometrically.  Families exist
        whose products do die out and that have no such norm.

    Raises
    ------
    ShapeError
        If the matrices are not square, or an entry is not finite.

    Examples
    --------
    The norm of a stable matrix may be large; in its own norm it is near the spectral radius:

    >>> norm = common_quadratic_norm([[[0.5, 10.0], [0.0, 0.4]]])
    >>> round(norm.bound, 2)
    0.5
    """
    (A,) = matrices("A: r n n", largest=LARGEST_FACTOR, A=family)
    T = _best_scaling(A)
    P = adjoint(T) @ T
    P = (P + adjoint(P)) / 2
    return QuadraticNorm(P, _proved(A, P, largest_norm(in_basis(T, A))), float(np.linalg.cond(T)) if T.size else 1.0)


def contraction_bound(family: Any, P: Any) -> float:
    """Return a proved bound with A_i' P A_i <= bound^2 P for every i, close to the least one.

    Parameters
    ----------
    family, P : array_like
        (r, n, n) and (n, n), P positive definite.

    Returns
    -------
    float
        Above the least bound by about cond(P) eps, for the rounding of the check.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or P is not symmetric and positive definite.
    StructureError
        If P is too near to being singular for any bound to be proved.

    Examples
    --------
    >>> round(contraction_bound([[[0.0, 1.0], [0.0, 0.0]]], [[1.0, 0.0], [0.0, 4.0]]), 12)
    0.5
    """
    A, P = matrices("A: r n n; P: n n", largest=LARGEST_FACTOR, A=family, P=P)
    smallest = float(np.linalg.eigvalsh(P).min(initial=np.inf))
    if not np.array_equal(P, adjoint(P)) or not smallest > 0:
        raise ShapeError(f"P has smallest eigenvalue {smallest:.1e}; a symmetric positive definite matrix is needed")
    T = adjoint(np.linalg.cholesky(P))
    return _proved(A, P, largest_norm(in_basis(T, A)))


def largest_norm(A: np.ndarray) -> float:
    """Return the largest singular value of all matrices (r, n, n)."""
    return float(np.linalg.svd(A, compute_uv=False).max(initial=0.0)) if A.size else 0.0


def _best_scaling(A: np.ndarray) -> np.ndarray:
    """T with max |T A_i inv(T)| small; each stage starts where the last one ended."""
    T = best = np.eye(A.shape[-1], dtype=A.dtype)
    if not A.any():
        return best
    for q in EXPONENTS:
        T = _bounded(_descend(in_basis(T, A), q) @ T)
        if largest_norm(in_basis(T, A)) < largest_norm(in_basis(best, A)):
            best = T
    return best


def _bounded(T: np.ndarray) -> np.ndarray:
    """A factor of P^t, P = T'T, with t <= 1 such that its condition is bounded: on the geodesic from I f falls."""
    _, s, Vh = np.linalg.svd(T)
    condition = s[0] / s[-1]
    t = min(1.0, np.log(WORST_CONDITION) / np.log(condition)) if condition > 1 else 1.0
    return (s / s[0])[:, None] ** t * Vh


def _descend(A: np.ndarray, q: float) -> np.ndarray:
    """The upper triangular T, positive on the diagonal, that minimises f from T = I."""
    n = A.shape[-1]
    rows, columns = np.triu_indices(n)
    is_real = A.dtype.kind == "f"

    def factor(x: np.ndarray) -> np.ndarray:
        T = np.zeros((n, n), A.dtype)
        T[rows, columns] = x[: len(rows)] if is_real else x[: len(rows)] + 1j * x[len(rows) :]
        return T

    def f(x: np.ndarray) -> tuple[float, np.ndarray]:
        T = factor(x)
        if np.abs(np.diag(T)).min() <= 1 / WORST_CONDITION:
            return np.inf, np.zeros_like(x)
        U, s, Vh = np.linalg.svd(in_basis(T, A))
        largest = s.max()
        if largest == 0:
            return -np.inf, np.zeros_like(x)
        D = (s / largest) ** (2 * q)
        U, V = U * np.sqrt(D)[:, None], adjoint(Vh) * np.sqrt(D)[:, None]
        G = (U @ adjoint(U) - V @ adjoint(V)).sum(axis=0) / D.sum()
        # dT = E T gives tr(E G) = tr(dT inv(T) G)
        gradient = np.linalg.solve(T, G).T[rows, columns]
        return (
            float(np.log(largest) + np.log(D.sum()) / (2 * q)),
            gradient if is_real else np.concatenate([gradient.real, -gradient.imag]),
        )

    start = np.eye(n)[rows, columns]
    start = start if is_real else np.concatenate([start, np.zeros_like(start)])
    return factor(scipy.optimize.minimize(f, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x)


def _proved(A: np.ndarray, P: np.ndarray, bound: float) -> float:
    """The first of bound (1 + 2^k 4 eps) that passes the check; 0 for a family of zeros."""
    if not A.any():
        return 0.0
    growth, twin, twins = 4 * EPS, real(P), [real(F) for F in A]
    while not all(certainly_below(twin, bound * (1 + growth), F) for F in twins):
        growth *= 2
        # below 1 it may rise far: the square of a tiny bound underflows
        if bound * (1 + growth) > max(1.0, bound) / EPS:
            raise StructureError(
                f"P has condition {np.linalg.cond(P):.1e}, for which no bound can be proved in double precision"
            )
    return float(bound * (1 + growth))
