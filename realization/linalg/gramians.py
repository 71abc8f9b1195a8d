"""Gramians in factored form, and Hankel singular values.

    P = sum A^j B B' A'^j = L L',      Q = sum A'^j C' C A^j = M M',      sigma = singular values of M' L

P and Q are never formed: their eigenvalues are squares, and a singular value below
sqrt(eps) of the largest would drown in rounding.  The product M' L is not trusted to an
ordinary singular value decomposition either, which is right to eps times the *largest*
value: pivoted QR brings the grading out, one-sided Jacobi keeps it (Drmac 1998).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import ConvergenceError, StructureError
from realization.linalg.arguments import matrices, spectral_abscissa, spectral_radius
from realization.linalg.decision import EPS
from realization.linalg.doubling import adjoint, cayley, factored_smith

SWEEPS = 30


def controllability_factor(A: Any, B: Any) -> np.ndarray:
    """Return L with P = L L', where P = A P A' + B B'.

    Parameters
    ----------
    A, B : array_like
        (n, n), with spectral radius below 1, and (n, m).

    Returns
    -------
    ndarray
        (n, r), r = n unless m and the number of steps are small.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If A is not stable; the message gives its spectral radius.

    References
    ----------
    Hammarling 1982 solves for the factor through the Schur form; this doubles it.

    Examples
    --------
    >>> L = controllability_factor([[0.5]], [[1.0]])
    >>> (L @ L.T).round(12)
    array([[1.33333333]])
    """
    A, B = matrices("A: n n; B: n m", A=A, B=B)
    return _factor(A, B)


def observability_factor(A: Any, C: Any) -> np.ndarray:
    """Return M with Q = M M', where Q = A' Q A + C' C.

    Parameters
    ----------
    A, C : array_like
        (n, n), with spectral radius below 1, and (p, n).

    Returns
    -------
    ndarray
        (n, r).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If A is not stable; the message gives its spectral radius.

    Examples
    --------
    A delay of two steps is observed after two:

    >>> abs(observability_factor([[0, 1], [0, 0]], [[1, 0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    A, C = matrices("A: n n; C: p n", A=A, C=C)
    return _factor(adjoint(A), adjoint(C))


def hankel_singular_values(A: Any, B: Any, C: Any) -> np.ndarray:
    """Return the singular values of the Hankel operator with blocks C A^(i+j) B, largest first.

    Parameters
    ----------
    A, B, C : array_like
        (n, n), with spectral radius below 1, (n, m) and (p, n).

    Returns
    -------
    ndarray
        (n,); zeros where the system is not minimal come out at rounding level or as zeros.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If A is not stable; the message gives its spectral radius.

    Notes
    -----
    The relative error of every value is about eps times the condition of L and M after the
    best scaling of their rows, not eps times the ratio of largest to smallest value.

    Examples
    --------
    A delay of w steps has w Hankel singular values equal to 1:

    >>> hankel_singular_values([[0, 1], [0, 0]], [[0], [1]], [[1, 0]])
    array([1., 1.])
    """
    A, B, C = matrices("A: n n; B: n m; C: p n", A=A, B=B, C=C)
    return _singular_values_of_product(_factor(adjoint(A), adjoint(C)), _factor(A, B))


def continuous_controllability_factor(A: Any, B: Any) -> np.ndarray:
    """Return L with P = L L', where A P + P A' + B B' = 0.

    Parameters
    ----------
    A, B : array_like
        (n, n), with all eigenvalues in the open left half-plane, and (n, m).

    Returns
    -------
    ndarray
        (n, r).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If A is not stable; the message gives its spectral abscissa.

    Examples
    --------
    >>> L = continuous_controllability_factor([[-1.0]], [[1.0]])
    >>> (L @ L.T).round(12)
    array([[0.5]])
    """
    A, B = matrices("A: n n; B: n m", A=A, B=B)
    Ad, M, s = _disc(A)
    return _factor(Ad, np.sqrt(2 * s) * M @ B)


def continuous_observability_factor(A: Any, C: Any) -> np.ndarray:
    """Return M with Q = M M', where A' Q + Q A + C' C = 0.

    Parameters
    ----------
    A, C : array_like
        (n, n), with all eigenvalues in the open left half-plane, and (p, n).

    Returns
    -------
    ndarray
        (n, r).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If A is not stable; the message gives its spectral abscissa.

    Examples
    --------
    >>> M = continuous_observability_factor([[-1.0]], [[2.0]])
    >>> (M @ M.T).round(12)
    array([[2.]])
    """
    A, C = matrices("A: n n; C: p n", A=A, C=C)
    Ad, M, s = _disc(A)
    return _factor(adjoint(Ad), np.sqrt(2 * s) * adjoint(C @ M))


def continuous_hankel_singular_values(A: Any, B: Any, C: Any) -> np.ndarray:
    """Return the Hankel singular values of dx = A x + B u, y = C x, largest first.

    They are those of the discrete system that the Cayley map makes of it, which has the
    same two Gramians.

    Parameters
    ----------
    A, B, C : array_like
        (n, n), with all eigenvalues in the open left half-plane, (n, m) and (p, n).

    Returns
    -------
    ndarray
        (n,).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If A is not stable; the message gives its spectral abscissa.

    Examples
    --------
    1 / (s + 1) has P = Q = 1/2:

    >>> continuous_hankel_singular_values([[-1.0]], [[1.0]], [[1.0]]).round(12)
    array([0.5])
    """
    A, B, C = matrices("A: n n; B: n m; C: p n", A=A, B=B, C=C)
    Ad, M, s = _disc(A)
    scale = np.sqrt(2 * s)
    return _singular_values_of_product(_factor(adjoint(Ad), scale * adjoint(C @ M)), _factor(Ad, scale * M @ B))


def _factor(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    L = factored_smith(A, B)
    if L is None:
        radius = spectral_radius(A)
        if radius < 1:
            raise ConvergenceError(f"powers of A do not die out within doubles although its spectral radius is {radius}")
        raise StructureError(f"spectral radius of A is {radius:.17g}, need < 1: a Gramian exists for stable systems")
    return L


def _disc(A: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The Cayley map, for a stable A."""
    try:
        Ad, M, s = cayley(A)
    except np.linalg.LinAlgError:
        s = np.nan
    abscissa = spectral_abscissa(A)
    if not abscissa < 0 or np.isnan(s):
        raise StructureError(f"spectral abscissa of A is {abscissa:.17g}, need < 0: a Gramian exists for stable systems")
    return Ad, M, s


def _singular_values_of_product(M: np.ndarray, L: np.ndarray) -> np.ndarray:
    """Singular values of M' L, (n, q)' (n, r), each to high relative accuracy, padded with zeros to n."""
    n = len(L)
    # M' L = (M / d)' (d L): rows of L of equal size, so that the product mixes nothing of different scale
    d = np.linalg.norm(L, axis=1)
    d[d == 0] = 1.0
    R, order = scipy.linalg.qr(adjoint(M * d[:, None]), mode="r", pivoting=True)
    graded = R[:n] @ (L / d[:, None])[order]
    values = _jacobi(graded)
    return np.concatenate([values, np.zeros(n - len(values))])


def _jacobi(X: np.ndarray) -> np.ndarray:
    """Singular values of X, largest first, by one-sided Jacobi on the triangular factor of a pivoted QR.

    Rotations make rows orthogonal in pairs, all disjoint pairs of a round at once; only
    angles count, so that small rows keep their digits.  The second QR factorisation leaves
    rows that are almost orthogonal already.
    """
    R = scipy.linalg.qr(X, mode="r", pivoting=True)[0][: min(X.shape)]
    W = scipy.linalg.qr(adjoint(R), mode="r", pivoting=True)[0]
    k = len(W)
    W = np.vstack([W, np.zeros((max(4 - k, k % 2), W.shape[1]), W.dtype)])  # an even number of rows, at least two pairs
    upper, lower = W[: len(W) // 2], W[len(W) // 2 :]
    for _ in range(SWEEPS):
        worst = 0.0
        for _ in range(len(W) - 1):
            upper, lower, cosine = _rotate(upper, lower)
            worst = max(worst, cosine)
            # a round robin: the first row stays, all others move on by one place
            upper, lower = np.vstack([upper[:1], lower[:1], upper[1:-1]]), np.vstack([lower[1:], upper[-1:]])
        if worst <= max(k, 4) * EPS:
            return np.sort(np.linalg.norm(np.vstack([upper, lower]), axis=1))[::-1][:k]
    raise ConvergenceError(f"rows still meet at a cosine of {worst:.1e} after {SWEEPS} sweeps of Jacobi rotations")


def _rotate(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Make rows x[i] and y[i] orthogonal; return them and the largest cosine that was met."""
    a, b, c = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1), np.einsum("ij,ij->i", x.conj(), y)
    size = np.where(c == 0, 1.0, np.abs(c))
    cosine = np.where(c == 0, 0.0, size / np.where(c == 0, 1.0, a * b))
    # tan of the angle: the smaller root of t^2 + 2 zeta t = 1
    zeta = (b - a) / size * (b + a) / 2
    t = np.where(c == 0, 0.0, np.copysign(1, zeta) / (np.abs(zeta) + np.hypot(1, zeta)))
    cs = (1 / np.hypot(1, t))[:, None]
    sn = cs * t[:, None] * (c / size)[:, None]
    return cs * x - sn.conj() * y, sn * x + cs * y, float(cosine.max(initial=0.0))
