"""Positive definiteness that is proved: in rationals, or in floats with a margin above the check's own rounding.

    M - X is positive definite for every symmetric |X| <= E    if    cholesky(M - diag(h)) runs to its end,
    h_i >= e_i sum_j E_ij / e_j + gamma n d_i^2,      gamma = (n+1) u / (1 - 2 (n+1) u),
    e_i^2 = E_ii,  d_i^2 = M_ii

The first term dominates X (Gershgorin, in the units of E); the second one what a factorization
that ends has rounded: it is the exact one of a matrix within gamma d d' (Demmel 1989; Rump 2006),
in whatever order the sums are taken, and x' d d' x <= n sum_i d_i^2 x_i^2.  Both follow a change of units
of the coordinates.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

U = 2.0**-53
TINY = float(np.finfo(np.float64).tiny)


def real(X: np.ndarray) -> np.ndarray:
    """Complex matrices as real ones of twice the size, of the same norm: products stay products."""
    return np.block([[X.real, -X.imag], [X.imag, X.real]]) if X.dtype.kind == "c" else X


def certainly_positive(M: np.ndarray, error: np.ndarray) -> bool:
    """Whether every symmetric matrix within `error` of M, entry by entry, is positive definite.

    Parameters
    ----------
    M, error : ndarray
        (n, n), float64; M symmetric, error >= 0.

    Returns
    -------
    bool
        True is proved; False says that this check cannot tell.

    Examples
    --------
    >>> certainly_positive(np.array([[2.0, 1.0], [1.0, 2.0]]), np.full((2, 2), 0.4))
    True
    >>> certainly_positive(np.array([[2.0, 1.0], [1.0, 2.0]]), np.full((2, 2), 0.6))
    False
    """
    n, diagonal = len(M), np.diag(M)
    if not (np.isfinite(M).all() and np.isfinite(error).all() and (diagonal > 0).all()):
        return False
    e = np.sqrt(np.maximum(np.diag(error), TINY))
    gamma = (n + 1) * U / (1 - 2 * (n + 1) * U)
    # 1 + 8 n u for the rounding of these sums
    h = (e * (error @ (1 / e)) + gamma * n * diagonal) * (1 + 8 * (n + 2) * U) + n * n * TINY
    try:
        np.linalg.cholesky(M - np.diag(h))
    except np.linalg.LinAlgError:
        return False
    return True


def certainly_below(P: np.ndarray, rate: float, A: np.ndarray, *, spread: np.ndarray | None = None) -> bool:
    """Whether rate^2 P - A' P A is positive definite, proved with the rounding of the products included.

    Parameters
    ----------
    P : ndarray
        (n, n), symmetric.
    rate : float
        Positive.
    A : ndarray
        (n, n), or (n, k) with P on the left only: see `certainly_entering`.
    spread : ndarray, optional
        Error of A, entry by entry: a product of matrices is not known exactly.

    Returns
    -------
    bool
        True is proved.
    """
    square, size, n = rate * rate, np.abs(A), len(P)  # rate**2 would raise where this overflows, and is refused
    M = square * P - A.T @ P @ A
    wide = size if spread is None else size + spread
    # two products of length n, rate^2, a difference and a mean: below (2 n + 4) u of what the sums are made of;
    # twice that also covers the rounding of the bound
    error = 4 * (n + 4) * U * (square * np.abs(P) + size.T @ np.abs(P) @ size)
    if spread is not None:  # |(A+E)' P (A+E) - A' P A| <= (|A|+|E|)' |P| (|A|+|E|) - |A|' |P| |A|
        error = error + (spread.T @ np.abs(P) @ wide + size.T @ np.abs(P) @ spread) * (1 + 8 * (n + 4) * U)
    return certainly_positive((M + M.T) / 2, (error + error.T) / 2)


def certainly_read(P: np.ndarray, size: float, C: np.ndarray) -> bool:
    """Whether size^2 P - C' C is positive definite, proved: |C x| <= size |x|_P."""
    n, p = len(P), len(C)
    square = size * size
    M = square * P - C.T @ C
    error = 2 * (p + 6) * U * (square * np.abs(P) + np.abs(C).T @ np.abs(C))
    return certainly_positive((M + M.T) / 2, (error + error.T) / 2) if n else True


def certainly_entering(P: np.ndarray, size: float, B: np.ndarray) -> bool:
    """Whether size^2 I - B' P B is positive definite, proved: |B u|_P <= size |u|."""
    n, m = B.shape
    square = size * size
    M = square * np.eye(m) - B.T @ P @ B
    error = 4 * (n + 4) * U * (square * np.eye(m) + np.abs(B).T @ np.abs(P) @ np.abs(B))
    return certainly_positive((M + M.T) / 2, (error + error.T) / 2)


def fractions(X: Any) -> np.ndarray:
    """The same numbers as exact rationals, an object array of any shape."""
    X = np.asarray(X)
    exact = np.empty(X.shape, dtype=object)
    exact.ravel()[:] = [Fraction(x) for x in X.ravel().tolist()]
    return exact


def exactly_nonnegative(M: np.ndarray) -> bool:
    """Whether a symmetric matrix of rationals is positive semidefinite, by exact elimination.

    Parameters
    ----------
    M : ndarray of Fraction
        (n, n).

    Returns
    -------
    bool
        The answer; nothing is rounded.

    Examples
    --------
    >>> exactly_nonnegative(fractions([[1, 1], [1, 1]])), exactly_nonnegative(fractions([[1, 1], [1, 0.999]]))
    (True, False)
    """
    M = M.copy()
    for k in range(len(M)):
        pivot, column = M[k, k], M[k + 1 :, k].copy()
        if pivot < 0 or (pivot == 0 and any(column)):
            return False
        if pivot:
            M[k + 1 :, k + 1 :] -= np.outer(column, column) / pivot
    return True
