"""Canonical correlations of past and future, from data.

past' = Q1 R1,   future' = Q2 R2,   Q1' Q2 = V diag(values) U'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.stochastic.data import triangle, windowed


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SampleCorrelations(Sealed):
    """a = J past, b = M future with sample covariances E a a' = I, E b b' = I, E a b' = diag(values).

    Parameters
    ----------
    values : ndarray
        (k,) in [0, 1], largest first, k = min(q1, q2).
    J, M : ndarray
        (q1, i q) and (q2, j p): canonical variables of past and future, in the order of their
        correlations; those beyond k have none.  Where there are inputs, their future has been
        projected off both sides first.
    steps : int
        N, less the number of projected inputs.
    stride : int
        Steps from one window to the next.
    """

    values: np.ndarray
    J: np.ndarray
    M: np.ndarray
    steps: int
    stride: int


def sample_canonical_correlations(
    y: Any, past: int, future: int, u: Any = None, *, stride: int = 1
) -> SampleCorrelations:
    """Return the cosines of the angles between the rows of past and future, and their principal vectors.

        past' = Q1 R1,   future' = Q2 R2,   Q1' Q2 = V diag(values) U'

    No covariance is formed, so that correlations come out to rounding times the condition of the
    data, not of its square.

    Parameters
    ----------
    y : array_like
        (T, p), finite, of mean zero.
    past, future : int
        Lengths of the windows in steps.
    u : array_like, optional
        Inputs (T, m): then past = [u; y], and the future of the inputs is projected off both sides.
    stride : int
        Steps from one window to the next; see `order_selection.bartlett`.

    Returns
    -------
    SampleCorrelations
        Of q1 = past (m + p) and q2 = future p variables.

    Raises
    ------
    ShapeError
        If the shapes do not fit or an entry is NaN.
    StructureError
        If there are not more windows than variables, q1 + q2 + future m: some correlations would be
        1 whatever the data are; or if the windows are linearly dependent.

    Notes
    -----
    Hotelling 1936; Akaike 1975 for past and future of a process.  The QR road is that of Bjorck and Golub 1973.

    Examples
    --------
    The sum of this noise and the last remembers one number, the last noise; the rest is sampling error:

    >>> e = np.random.default_rng(0).standard_normal((4000, 1))
    >>> sample_canonical_correlations(e[1:] + e[:-1], past=3, future=3).values.round(2)
    array([0.75, 0.02, 0.02])
    """
    y, u, i, j, every = windowed(y, past, future, u, stride)
    w, ahead, back = np.concatenate([u, y], axis=1), range(j), range(-1, -i - 1, -1)
    q1, q2, known, N = i * w.shape[1], j * y.shape[1], j * u.shape[1], len(range(i, len(y) - j + 1, every))
    if q1 + q2 + known >= N:
        raise StructureError(
            f"{N} windows of {q1} + {q2} variables of past and future"
            + f" and {known} inputs" * bool(known)
            + ", need "
            f"at least {q1 + q2 + known + 1} windows ({(q1 + q2 + known) * every + i + j} samples): "
            "with fewer some correlations are 1 whatever the data are; take shorter windows"
        )
    L = triangle([(x[None], k) for x, ks in ((u, ahead), (w, back), (y, ahead)) for k in ks], i, j - 1, every)
    Uf, Zp, Yf = np.split(L, [known, known + q1])
    _independent("past", np.concatenate([Uf, Zp]), N)
    _independent("future", np.concatenate([Uf, Yf]), N)
    # beyond the columns of Uf is what it does not explain; there Zp is triangular, Q1 = [I; 0]
    R1, (Q2, R2) = Zp[:, known : known + q1].T, np.linalg.qr(Yf[:, known:].T)
    V, s, Uh = np.linalg.svd(Q2[:q1])
    unit = np.sqrt((N - known) / N)
    J = unit * scipy.linalg.solve_triangular(R1, V, lower=False).T if q1 else np.zeros((0, 0))
    M = unit * scipy.linalg.solve_triangular(R2, Uh.T, lower=False).T if q2 else np.zeros((0, 0))
    return SampleCorrelations(np.minimum(s, 1.0), J, M, N - known, every)  # a cosine, but for rounding


def _independent(name: str, rows: np.ndarray, N: int) -> None:
    """Refuse rows that are linearly dependent, whatever their units."""
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    s = np.linalg.svd(rows / np.where(size > 0, size, 1.0), compute_uv=False)
    if len(s) and s[-1] <= (error := N * EPS * s[0]):
        raise StructureError(
            f"the windows of the {name} are linearly dependent: singular values from {s[0]:.1e} down to "
            f"{s[-1]:.1e}, need > {error:.1e}; take shorter windows, or leave out what follows from the rest"
        )
