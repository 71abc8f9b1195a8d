"""What every module here says about a dense matrix: its adjoint, its size, the same map in another basis."""

from __future__ import annotations

import numpy as np
import scipy.linalg


def adjoint(X: np.ndarray) -> np.ndarray:
    """Return X', the conjugate transpose over the last two axes."""
    return X.conj().swapaxes(-1, -2)


def two_norm(X: np.ndarray) -> float:
    """Return the largest singular value of X, 0 where X is empty."""
    return float(np.linalg.norm(X, 2)) if X.size else 0.0


def relative(difference: np.ndarray, X: np.ndarray) -> float:
    """Return |difference| / |X|, and |difference| where X = 0."""
    size = two_norm(X)
    return two_norm(difference) / size if size else two_norm(difference)


def divided(X: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Return X inv(T), over the last two axes."""
    return adjoint(np.linalg.solve(adjoint(T), adjoint(X)))


def in_basis(T: np.ndarray, A: np.ndarray) -> np.ndarray:
    """Return T A inv(T), over the last two axes."""
    return divided(T @ A, T)


def balance(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inv(D) A D in units D that even out its rows and columns, and the diagonal of D: powers of two, so exact.

    Parameters
    ----------
    A : ndarray
        (n, n).

    Returns
    -------
    tuple of ndarray
        (n, n) and (n,).

    Examples
    --------
    >>> balance(np.array([[0.5, 2.0**40], [2.0**-40, 0.5]]))[0]
    array([[0.5, 1. ],
           [1. , 0.5]])
    """
    with np.errstate(invalid="ignore"):  # SciPy also reads the scales as indices, which large ones are not
        A, (units, _) = scipy.linalg.matrix_balance(A, permute=False, separate=True)
    return A, units


def powers_of_two(x: np.ndarray) -> np.ndarray:
    """Return the powers of 2 next to x >= 0, and 1 for 0: units in which nothing is rounded."""
    return np.exp2(np.round(np.log2(np.where(x > 0, x, 1.0))))


def spectral_radius(A: np.ndarray) -> float:
    """Return max |eigenvalue of A|; 0 for n = 0."""
    return float(np.abs(np.linalg.eigvals(A)).max(initial=0.0))


def spectral_abscissa(A: np.ndarray) -> float:
    """Return max Re(eigenvalue of A); -inf for n = 0."""
    return float(np.linalg.eigvals(A).real.max(initial=-np.inf))
