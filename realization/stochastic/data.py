"""Data in windows: past beside future, at every moment at which both fit.

    past(t)   = [y(t-1); y(t-2); ...; y(t-i)]        future(t) = [y(t); y(t+1); ...; y(t+j-1)]

The most recent comes first in the past, so that with covariances

    E future(t) past(t)' = [C; C A; ...; C A^(j-1)] [G, A G, ..., A^(i-1) G]

`past_future` writes the windows out; `triangle` has their inner products, and knows no T any more.
Data have mean zero: a mean is to be subtracted first, else it counts as a state, one that never moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.shapes import array, numbers
from realization.systems.base import count

CHUNK = 4096  # moments that are added to the factor at once: memory stays small, and QR is blocked
LARGEST = 1e100  # of such numbers and of their reciprocals squares are float64, and so are ratios of squares


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
    y, u, i, j, every = windowed(y, past, future, u, stride)
    w = np.concatenate([u, y], axis=1)
    times = np.arange(i, len(y) - j + 1, every)
    return Windows(_stack(w, times, range(-1, -i - 1, -1)), _stack(y, times, range(j)), _stack(u, times, range(j)))


def windowed(y: Any, past: Any, future: Any, u: Any, stride: Any) -> tuple[np.ndarray, np.ndarray, int, int, int]:
    """Return y (T, p), u (T, m), past, future and stride, checked: m = 0 where no inputs are given.

    Raises
    ------
    ShapeError
        As `past_future`.
    """
    y = signal("y", y)
    u = np.zeros((*y.shape[:-1], 0)) if u is None else signal("u", u)
    for name, x in (("y", y), ("u", u)):
        if x.ndim != 2:
            raise ShapeError(f"{name} has shape {x.shape}, but one record is needed, (T, .); go over them one by one")
    i, j, every, T = count("past", past), count("future", future), count("stride", stride), len(y)
    if len(u) != T:
        raise ShapeError(f"u has {len(u)} steps, y {T}; as many of both are needed")
    if every == 0:
        raise ShapeError("stride is 0, but a whole number >= 1 is needed")
    if i + j > T:
        raise ShapeError(f"{T} samples, but past + future = {i} + {j} need at least {i + j}; take shorter windows")
    return y, u, i, j, every


def stacked(x: np.ndarray) -> np.ndarray:
    """(b, T, q) with one batch axis."""
    return x.reshape(int(np.prod(x.shape[:-2])), *x.shape[-2:])


def signal(name: str, x: Any) -> np.ndarray:
    """Return a real signal (..., T, q) without gaps, checked.

    Raises
    ------
    ShapeError
        With what came and what to do.
    """
    x = array(name, x)
    if x.dtype.kind == "f" and np.isnan(x).any():
        raise ShapeError(
            f"{name} has {int(np.isnan(x).sum())} entries that are NaN; here they do not stand for missing values, "
            "for lagged products need every one: fit a model by the likelihood of the Kalman filter instead"
        )
    x = numbers(name, x)
    if x.ndim < 2 or x.dtype.kind == "c":
        hint = f"; one column is {name}[:, None]" if x.ndim == 1 else ""
        raise ShapeError(f"{name} has shape {x.shape} and dtype {x.dtype}, but real (..., T, .) is needed{hint}")
    if x.shape[-1] > x.shape[-2] > 1:
        raise ShapeError(
            f"{name} has shape {x.shape}: {x.shape[-2]} steps of {x.shape[-1]} channels, but (..., T, channels) with "
            f"more steps than channels is needed; is it {name}.T?"
        )
    return x


Column = tuple[np.ndarray, int]  # a signal (b, T, .) and the offset at which it is read


def triangle(columns: Sequence[Column], before: int, after: int, stride: int = 1) -> np.ndarray:
    """Return L with L L' = (1/N) sum_t z(t) z(t)', block j of z(t) being signal j at t + its offset.

        [z(t_1), ..., z(t_N)] / sqrt N = L Q',    Q' Q = I

    Rows of L have the inner products that the rows of the data have: regress rows of L, and no covariance is formed.

    Parameters
    ----------
    columns : sequence of (signal, offset)
        Signals (b, T, q) and offsets from -before to after.
    before, after : int
        The moments are t = before ... T - 1 - after.
    stride : int
        Steps from one moment to the next.

    Returns
    -------
    ndarray
        (k, k), lower triangular, over the root of the number of moments.
    """
    if not columns:
        return np.zeros((0, 0))
    b, T = columns[0][0].shape[:2]
    k = sum(signal.shape[-1] for signal, _ in columns)
    R = np.zeros((0, k))
    step = max(CHUNK, 4 * k) * stride
    for record in range(b):
        for start in range(before, T - after, step):
            stop = min(start + step, T - after)
            rows = [signal[record, start + offset : stop + offset : stride] for signal, offset in columns]
            R = np.asarray(np.linalg.qr(np.concatenate([R, np.concatenate(rows, axis=1)]), mode="r"))
    L = np.zeros((k, k))
    L[:, : len(R)] = R.T
    return L / np.sqrt(b * len(range(before, T - after, stride)))


def _stack(w: np.ndarray, times: np.ndarray, lags: range) -> np.ndarray:
    """Block rows w(t + lag), one column for each time."""
    return w[times + np.array(lags, dtype=int)[:, None]].swapaxes(1, 2).reshape(len(lags) * w.shape[1], len(times))
