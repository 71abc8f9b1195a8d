"""Data in windows: past beside future, and the canonical correlations between the two.

    past(t)   = [y(t-1); y(t-2); ...; y(t-i)]        future(t) = [y(t); y(t+1); ...; y(t+j-1)]

one column for each t at which both fit.  The most recent comes first in the past, so that with covariances

    E future(t) past(t)' = [C; C A; ...; C A^(j-1)] [G, A G, ..., A^(i-1) G]

Data have mean zero: a mean is to be subtracted first, else it counts as a state, one that never moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.core.shapes import numbers
from realization.linalg.decision import EPS
from realization.systems.base import count


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Windows(Sealed):
    """One column for each of N times t: what was before t and what is from t on.

    Parameters
    ----------
    past : ndarray
        (i q, N), blocks w(t-1), ..., w(t-i); w = y, or [u; y] of q = m + p entries where there are inputs.
    future : ndarray
        (j p, N), blocks y(t), ..., y(t+j-1).
    inputs : ndarray
        (j m, N), blocks u(t), ..., u(t+j-1); m = 0 where there are none.
    """

    past: np.ndarray
    future: np.ndarray
    inputs: np.ndarray

    @property
    def steps(self) -> int:
        """N, the number of columns."""
        return self.future.shape[1]


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


def past_future(y: Any, past: int, future: int, u: Any = None, *, stride: int = 1) -> Windows:
    """Return the windows past(t) = [w(t-1); ...; w(t-past)] and future(t) = [y(t); ...; y(t+future-1)].

    Parameters
    ----------
    y : array_like
        (T, p), finite.
    past, future : int
        Lengths of the windows in steps.
    u : array_like, optional
        Inputs (T, m): the past then has blocks w = [u; y].
    stride : int
        Steps from one t to the next.

    Returns
    -------
    Windows
        With N = (T - past - future) // stride + 1 columns, t = past, past + stride, ...

    Raises
    ------
    ShapeError
        If the shapes do not fit, an entry is NaN, or T is less than past + future.

    Examples
    --------
    >>> windows = past_future([[0], [1], [2], [3], [4]], past=2, future=1)
    >>> windows.past.astype(int).tolist(), windows.future.astype(int).tolist()
    ([[1, 2, 3], [0, 1, 2]], [[2, 3, 4]])
    """
    y = _signal("y", y)
    u = np.zeros((len(y), 0)) if u is None else _signal("u", u)
    i, j, every, T = count("past", past), count("future", future), count("stride", stride), len(y)
    if len(u) != T:
        raise ShapeError(f"u has {len(u)} steps, y {T}; as many of both are needed")
    if every == 0:
        raise ShapeError("stride is 0, but a whole number >= 1 is needed")
    if i + j > T:
        raise ShapeError(f"{T} samples, but past + future = {i} + {j} need at least {i + j}; take shorter windows")
    w = np.concatenate([u, y], axis=1)
    times = np.arange(i, T - j + 1, every)
    return Windows(_stack(w, times, range(-1, -i - 1, -1)), _stack(y, times, range(j)), _stack(u, times, range(j)))


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
    windows = past_future(y, past, future, u, stride=stride)
    (q1, N), q2, known = windows.past.shape, len(windows.future), len(windows.inputs)
    if q1 + q2 + known >= N:
        raise StructureError(
            f"{N} windows of {q1} + {q2} variables of past and future"
            + f" and {known} inputs" * bool(known)
            + ", need "
            f"at least {q1 + q2 + known + 1} windows ({(q1 + q2 + known) * stride + past + future} samples): "
            "with fewer some correlations are 1 whatever the data are; take shorter windows"
        )
    Q1, R1 = _orthonormal("past", windows.past, windows.inputs)
    Q2, R2 = _orthonormal("future", windows.future, windows.inputs)
    V, s, Uh = np.linalg.svd(Q1.T @ Q2)
    size = np.sqrt(N - known)
    J = size * scipy.linalg.solve_triangular(R1, V, lower=False).T if q1 else np.zeros((0, 0))
    M = size * scipy.linalg.solve_triangular(R2, Uh.T, lower=False).T if q2 else np.zeros((0, 0))
    return SampleCorrelations(np.minimum(s, 1.0), J, M, N - known, int(stride))  # a cosine, but for rounding


def _signal(name: str, y: Any) -> np.ndarray:
    y = numbers(name, y)
    if y.ndim != 2 or y.dtype.kind == "c":
        hint = f"; one column is {name}[:, None]" if y.ndim == 1 else ""
        raise ShapeError(f"{name} has shape {y.shape} and dtype {y.dtype}, but real (T, p) is needed{hint}")
    return y


def _stack(w: np.ndarray, times: np.ndarray, lags: range) -> np.ndarray:
    """Block rows w(t + lag), one column for each time."""
    return w[times + np.array(lags, dtype=int)[:, None]].swapaxes(1, 2).reshape(len(lags) * w.shape[1], len(times))


def _orthonormal(name: str, X: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Q (N, q) and R (q, q) with X' = Q R + (what the known rows explain)."""
    k, X = len(known), np.concatenate([known, X])
    units = np.linalg.norm(X, axis=1)
    units[units == 0] = 1.0
    Q, R = np.linalg.qr((X / units[:, None]).T)
    size = np.linalg.svd(R, compute_uv=False)
    if len(size) and size[-1] <= (error := X.shape[1] * EPS * size[0]):  # of R, in norm
        raise StructureError(
            f"the windows of the {name} are linearly dependent: singular values from {size[0]:.1e} down to "
            f"{size[-1]:.1e}, need > {error:.1e}; take shorter windows, or leave out what follows from the rest"
        )
    return Q[:, k:], R[k:, k:] * units[k:]
