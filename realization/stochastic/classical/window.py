"""A window of covariances Lambda(0), ..., Lambda(N), in floats or in fractions, and how to compute with both.

    T = [Lambda(i - j)],  i, j = 0 ... N,    Lambda(-k) = Lambda(k)'

T is the covariance of (y(0), ..., y(N)): the window belongs to a process if and only if T >= 0.
Processes are real.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import array, numbers
from realization.linalg.arguments import LARGEST
from realization.linalg.certificate import exactly_nonnegative
from realization.linalg.dense import divided
from realization.linalg.rational import eye, rank, rationals, solve


def covariance_window(covariances: Any, *, name: str = "covariances") -> np.ndarray:
    """Return Lambda(0), ..., Lambda(N) as an array (N+1, p, p), of Fraction where Fractions or strings came.

    Raises
    ------
    ShapeError
        If the axes are others, there is no Lambda(0) or it is not symmetric, or an entry is no finite real number.
    """
    Lambda = entries(name, covariances)
    if Lambda.ndim == 1:
        Lambda = Lambda[:, None, None]
    if Lambda.ndim != 3 or Lambda.shape[1] != Lambda.shape[2] or not len(Lambda):
        raise ShapeError(
            f"{name} has shape {np.shape(covariances)}, but (N+1, p, p), or (N+1,) where p = 1, is needed, N >= 0"
        )
    skew = np.abs(Lambda[0] - Lambda[0].T).max(initial=0)
    if skew > (0 if exact(Lambda) else 1e-12 * np.abs(Lambda[0]).max(initial=0.0)):  # rounding, with digits to spare
        raise ShapeError(f"Lambda(0) differs from its transpose by {float(skew):.1e}; a symmetric matrix is needed")
    if not exact(Lambda):
        Lambda = np.concatenate([(Lambda[:1] + Lambda[:1].swapaxes(1, 2)) / 2, Lambda[1:]])
    return Lambda


def entries(name: str, x: Any) -> np.ndarray:
    """Return real numbers as float64, or as Fraction where Fractions or strings came.

    Raises
    ------
    ShapeError
        If an entry is complex, not finite, or beyond what can be multiplied.
    """
    x = array(name, x)
    if x.dtype.kind in "OU":
        return rationals(name, x)
    x = numbers(name, x)
    if x.dtype.kind == "c":
        raise ShapeError(
            f"{name} is complex, but real numbers are needed; of a process take real and imaginary part as two outputs"
        )
    if (size := np.abs(x).max(initial=0.0)) > np.sqrt(LARGEST):
        raise ShapeError(
            f"{name} has an entry of size {size:.1e}, need at most {np.sqrt(LARGEST):.0e}; choose other units"
        )
    return x


def exact(X: np.ndarray) -> bool:
    """Whether the entries are fractions."""
    return X.dtype.kind == "O"


def identity(Lambda: np.ndarray) -> np.ndarray:
    """I, (p, p), in the arithmetic of the window."""
    p = Lambda.shape[-1]
    return eye(p) if exact(Lambda) else np.eye(p)


def right_divided(X: np.ndarray, M: np.ndarray) -> np.ndarray:
    """X inv(M), in floats or in fractions."""
    if M.shape == (1, 1):
        return X / M[0, 0]
    return solve(M.T, X.T).T if exact(M) else divided(X, M)


def factor(M: np.ndarray) -> np.ndarray:
    """L lower triangular with M = L L', in floats.

    Raises
    ------
    StructureError
        If M, a covariance of prediction errors, has lost its positivity to rounding.
    """
    M = M.astype(np.float64)
    try:
        return np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        least, most = np.linalg.eigvalsh(M)[[0, -1]]
        raise StructureError(
            f"a covariance of prediction errors has eigenvalues {least:.3g} to {most:.3g}, need > 0: "
            "some combination of the outputs is predicted without error, up to rounding"
        ) from None


def symmetric(S: np.ndarray) -> np.ndarray:
    """(S + S') / 2, which differs from S by rounding only."""
    return S if exact(S) else (S + S.T) / 2


def sign(S: np.ndarray) -> int:
    """1, 0 or -1: a matrix of fractions is positive definite, positive semidefinite and singular, or neither."""
    if len(S) == 1:
        return int(S[0, 0] > 0) - int(S[0, 0] < 0)
    return int(rank(S) == len(S)) if exactly_nonnegative(S) else -1


def diagonal_units(Lambda: np.ndarray) -> np.ndarray:
    """(p,): units in which Lambda(0) has ones on its diagonal; 1 where that is not positive."""
    d = np.diag(Lambda[0]).astype(np.float64)
    return np.sqrt(np.where(d > 0, d, 1.0))


def stacked(X: list[np.ndarray], Lambda: np.ndarray) -> np.ndarray:
    """(len(X), p, p), in the arithmetic of the window where X is empty too."""
    return np.stack(X) if X else Lambda[:0]


def squeezed(X: np.ndarray, like: Any) -> np.ndarray:
    """X without its last two axes of length 1 where the window came as a row of numbers."""
    return X[..., 0, 0] if np.ndim(like) == 1 else X


def block_toeplitz(covariances: Any) -> np.ndarray:
    """Return T = [Lambda(i - j)], the covariance of (y(0), ..., y(N)).

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.

    Returns
    -------
    ndarray
        ((N+1) p, (N+1) p), symmetric; of Fraction where Fractions came.

    Raises
    ------
    ShapeError
        If the axes are others, Lambda(0) is not symmetric, or an entry is no finite real number.

    Examples
    --------
    >>> block_toeplitz([2, 1, 0])
    array([[2., 1., 0.],
           [1., 2., 1.],
           [0., 1., 2.]])
    """
    Lambda = covariance_window(covariances)
    N, p = len(Lambda) - 1, Lambda.shape[-1]
    both = np.concatenate([Lambda[:0:-1].swapaxes(1, 2), Lambda])
    lag = np.subtract.outer(np.arange(N + 1), np.arange(N + 1))
    return both[lag + N].swapaxes(1, 2).reshape((N + 1) * p, (N + 1) * p)
