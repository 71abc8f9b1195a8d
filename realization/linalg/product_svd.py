"""Singular values of a product M' L, each to high relative accuracy.

An ordinary decomposition of the product is right to eps times the *largest* value.  Here rows
are scaled to equal size, a pivoted QR factorisation brings the grading out, and Jacobi
rotations keep it (Drmac 1998; Drmac and Veselic 2008):

    M' L = (d M)' (L / d),     (d M)' = Q R Pi',     singular values of R Pi' (L / d).

The relative error is then eps times the condition of L and M after the best scaling of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import ConvergenceError
from realization.linalg.arguments import matrices
from realization.linalg.dense import adjoint


def product_singular_values(M: Any, L: Any) -> np.ndarray:
    """Return the singular values of M' L, largest first.

    Parameters
    ----------
    M, L : array_like
        (n, q) and (n, r).

    Returns
    -------
    ndarray
        (n,): zeros are appended where q or r is less than n.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    ConvergenceError
        If LAPACK's Jacobi iteration stops early.

    Examples
    --------
    The determinant of this product is 1e-20, which an ordinary decomposition cannot see:

    >>> f"{product_singular_values([[1, 0], [1, 1e-10]], [[1, 1], [0, 1e-10]]).prod():.10e}"
    '1.0000000000e-20'
    """
    M, L = matrices("M: n q; L: n r", M=M, L=L)
    n = len(M)
    if not M.size or not L.size:
        return np.zeros(n)
    d = np.linalg.norm(L, axis=1)
    d[d == 0] = 1.0
    R, order = scipy.linalg.qr(adjoint(M * d[:, None]), mode="r", pivoting=True)
    values = _graded_singular_values(R[:n] @ (L / d[:, None])[order])
    return np.concatenate([values, np.zeros(n)])[:n]


def _graded_singular_values(X: np.ndarray) -> np.ndarray:
    """Singular values of X = D1 Y D2, each to the accuracy that Y allows, whatever the scales D1 and D2."""
    if X.dtype.kind == "c":  # LAPACK has the routine for real matrices; here every value comes twice
        return _graded_singular_values(np.block([[X.real, -X.imag], [X.imag, X.real]]))[::2]
    X = X if X.shape[0] >= X.shape[1] else X.T
    # joba=2: graded in rows and columns; jobr=0: no column is dropped for being small; 3: no vectors
    values, _, _, work, _, info = scipy.linalg.lapack.dgejsv(X, joba=2, jobu=3, jobv=3, jobr=0, jobt=1, jobp=1)
    if info:
        raise ConvergenceError(f"Jacobi rotations of LAPACK's gejsv did not settle: info = {info} after 30 sweeps")
    return values * (work[1] / work[0])
