"""Gramians in factored form, and Hankel singular values.

    P = sum A^j B B' A'^j = L L',      Q = sum A'^j C' C A^j = M M',      sigma = singular values of M' L

P and Q are never formed: their eigenvalues are squares, and a singular value below
sqrt(eps) of the largest would drown in rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import StructureError
from realization.linalg.arguments import LARGEST_FACTOR, matrices
from realization.linalg.dense import adjoint, divided, in_basis, spectral_abscissa, spectral_radius
from realization.linalg.doubling import cayley, factored_smith
from realization.linalg.product_svd import product_singular_values


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
    A, B = matrices("A: n n; B: n m", largest=LARGEST_FACTOR, A=A, B=B)
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
    A, C = matrices("A: n n; C: p n", largest=LARGEST_FACTOR, A=A, C=C)
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
    The relative error of every value is about what a relative change of A by eps does to it,
    not eps times the ratio of largest to smallest value.

    Examples
    --------
    A delay of w steps has w Hankel singular values equal to 1:

    >>> hankel_singular_values([[0, 1], [0, 0]], [[0], [1]], [[1, 0]])
    array([1., 1.])
    """
    A, B, C = matrices("A: n n; B: n m; C: p n", largest=LARGEST_FACTOR, A=A, B=B, C=C)
    return _hankel(A, B, C)


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
    A, B = matrices("A: n n; B: n m", largest=LARGEST_FACTOR, A=A, B=B)
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
    A, C = matrices("A: n n; C: p n", largest=LARGEST_FACTOR, A=A, C=C)
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
    A, B, C = matrices("A: n n; B: n m; C: p n", largest=LARGEST_FACTOR, A=A, B=B, C=C)
    Ad, M, s = _disc(A)
    scale = np.sqrt(2 * s)
    return _hankel(Ad, scale * M @ B, scale * C @ M)


def _factor(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """L by doubling, in the given basis or, where powers of A swell, in that of its Schur form.

    Squaring loses |A_k|^2 eps.  In a triangular matrix the eigenvalues stand apart from what
    makes the norm large, and products of such matrices keep them: there doubling is as
    accurate as Hammarling's substitution.
    """
    doubled = factored_smith(A, B)
    if doubled is None:
        raise _not_stable(A)
    L, largest = doubled
    if largest <= 3 * np.sqrt(len(A)):  # a normal matrix has at most sqrt(n); three times that costs one digit
        return L
    T, U = scipy.linalg.schur(A, output="real" if A.dtype.kind == "f" else "complex")
    doubled = factored_smith(T, adjoint(U) @ B)
    return U @ doubled[0] if doubled else L


def _hankel(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Hankel singular values, found twice: the second time in coordinates that the first ones balance.

    The error is eps times the condition of the factors after scaling of their rows.  In
    balanced coordinates the scaled rows are nearly orthogonal: what is left is about what one
    rounding of A does.
    """
    L, M = _factor(A, B), _factor(adjoint(A), adjoint(C))
    T = _balancing(L, M)
    if T is not None:
        A, B, C = in_basis(T, A), T @ B, divided(C, T)
        again = factored_smith(A, B), factored_smith(adjoint(A), adjoint(C))
        if again[0] and again[1]:
            L, M = again[0][0], again[1][0]
    return product_singular_values(M, L)


def _balancing(L: np.ndarray, M: np.ndarray) -> np.ndarray | None:
    """T = S^(-1/2) U' M' with M' L = U S V', or None where the system is too close to one that is not minimal."""
    if not L.size or not L.shape[1] == M.shape[1] == len(L):
        return None
    U, S, _ = np.linalg.svd(adjoint(M) @ L)
    if not S[0]:
        return None
    # below 1e-14 of the largest this decomposition does not even know the order of magnitude
    T = adjoint(M @ U / np.sqrt(np.maximum(S, 1e-14 * S[0])))
    return T if np.linalg.cond(T) < 1e12 else None


def _not_stable(A: np.ndarray) -> StructureError:
    radius = spectral_radius(A)
    return StructureError(
        f"spectral radius of A is {radius:.17g}, need < 1 by a margin above rounding: powers of A must die out"
    )


def _disc(A: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The Cayley map, for a stable A."""
    try:
        Ad, M, s = cayley(A)
    except np.linalg.LinAlgError:
        s = np.nan
    abscissa = spectral_abscissa(A)
    if not abscissa < 0 or np.isnan(s):
        raise StructureError(
            f"spectral abscissa of A is {abscissa:.17g}, need < 0: a Gramian exists for stable systems"
        )
    return Ad, M, s
