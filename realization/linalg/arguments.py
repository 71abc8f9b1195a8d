"""The public door of `linalg`: arrays become float64 or complex128, and are refused once, here."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import Signature, numbers

LARGEST = 1e250  # norms of such entries, and sums of a thousand of them, do not overflow
LARGEST_FACTOR = 1e50  # nor does a product of six: A'A'X A A in a Riccati equation, with X of the size of an entry


def matrices(signature: str, *, largest: float = LARGEST, **given: Any) -> tuple[np.ndarray, ...]:
    """Return the arrays in one dtype, float64 or complex128, checked against a signature.

    Parameters
    ----------
    signature : str
        Axes of every array, as in `realization.core.shapes`: "A: n n; B: n m".
    largest : float
        Bound of the entries: what would overflow later is refused here.
    **given : array_like
        The arrays, in the order in which they come back.

    Returns
    -------
    tuple of ndarray
        In the order given.

    Raises
    ------
    ShapeError
        If an array is not numeric, does not fit or has entries that are NaN, infinite or too large.

    Examples
    --------
    >>> A, Q = matrices("A: n n; Q: n n", A=[[0, 1], [0, 0]], Q=[[1j, 0], [0, 1]])
    >>> A.dtype.name
    'complex128'
    """
    arrays = {name: numbers(name, x) for name, x in given.items()}
    form = np.result_type(np.float64, *arrays.values())
    arrays = {name: x.astype(form) for name, x in arrays.items()}
    for name, x in arrays.items():
        if (size := np.abs(x).max(initial=0.0)) > largest:
            raise ShapeError(f"{name} has an entry of size {size:.1e}, need at most {largest:.0e}; choose other units")
    Signature.parse(signature + " ->").check(arrays)
    return tuple(arrays.values())
