"""The public door of `linalg`: arrays become float64 or complex128, and are refused once, here."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.core.shapes import Signature, numbers


def matrices(signature: str, **given: Any) -> tuple[np.ndarray, ...]:
    """Return the arrays in one dtype, float64 or complex128, checked against a signature.

    Parameters
    ----------
    signature : str
        Axes of every array, as in `realization.core.shapes`: "A: n n; B: n m".
    **given : array_like
        The arrays, in the order in which they come back.

    Returns
    -------
    tuple of ndarray
        In the order given.

    Raises
    ------
    ShapeError
        If an array is not numeric, does not fit or has entries that are NaN or infinite.

    Examples
    --------
    >>> A, Q = matrices("A: n n; Q: n n", A=[[0, 1], [0, 0]], Q=[[1j, 0], [0, 1]])
    >>> A.dtype.name
    'complex128'
    """
    arrays = {name: numbers(name, x) for name, x in given.items()}
    form = np.result_type(np.float64, *arrays.values())
    arrays = {name: x.astype(form) for name, x in arrays.items()}
    Signature.parse(signature + " ->").check(arrays)
    return tuple(arrays.values())


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


def spectral_radius(A: np.ndarray) -> float:
    """Return max |eigenvalue of A|; 0 for n = 0."""
    return float(np.abs(np.linalg.eigvals(A)).max(initial=0.0))


def spectral_abscissa(A: np.ndarray) -> float:
    """Return max Re(eigenvalue of A); -inf for n = 0."""
    return float(np.linalg.eigvals(A).real.max(initial=-np.inf))
