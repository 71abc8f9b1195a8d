"""The public door of `linalg`: arrays become float64 or complex128, and are refused once, here."""

from __future__ import annotations

from typing import Any

import numpy as np

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


def spectral_radius(A: np.ndarray) -> float:
    """Return max |eigenvalue of A|; 0 for n = 0."""
    return float(np.abs(np.linalg.eigvals(A)).max(initial=0.0))


def spectral_abscissa(A: np.ndarray) -> float:
    """Return max Re(eigenvalue of A); -inf for n = 0."""
    return float(np.linalg.eigvals(A).real.max(initial=-np.inf))
