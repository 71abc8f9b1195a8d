"""Innovations in units of the covariance that a model claims for them, and the test of that covariance.

    z(t) = inv(L(t)) e(t),    R(t) = L(t) L(t)'                                  white, of unit covariance
    q = sum_t e(t)' inv(R(t)) e(t) = sum_t |z(t)|^2                              chi2(number of entries of e)

NaN is what is missing.  The laws hold for Gaussian innovations of the right model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import array
from realization.linalg.decision import EPS
from realization.stochastic.innovations.significance import HypothesisTest, probability
from realization.systems.base import count


def standardize(e: Any, R: Any) -> np.ndarray:
    """z(t) = inv(L(t)) e(t),  R(t) = L(t) L(t)': of unit covariance, if R(t) is the covariance of e(t).

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing.
    R : array_like
        (p, p) or (T, p, p), positive definite; read only where e is there.

    Returns
    -------
    ndarray
        (T, p), NaN where e is.  L is lower triangular, so that entry i is what e_i has beyond
        the entries before it.

    Raises
    ------
    ShapeError
        If the shapes do not fit, an entry is infinite, or R is NaN or not symmetric where e is given.
    StructureError
        If R is not positive definite; the message has the step and the eigenvalue.

    Examples
    --------
    >>> standardize([[2.0, 2.0], [np.nan, 3.0]], [[4, 2], [2, 10]])
    array([[1.        , 0.33333333],
           [       nan, 0.9486833 ]])
    """
    e = innovations(e)
    T, p = e.shape
    R = _real("R", R)
    if R.shape not in ((p, p), (T, p, p)):
        raise ShapeError(f"R has shape {R.shape}, but {(p, p)} or {(T, p, p)} is needed; T={T}, p={p} (from e)")
    missing = np.isnan(e)
    both = ~(missing[:, :, None] | missing[:, None, :])
    # what is missing decouples: its row of L is that of the identity, and the others form the factor of the rest
    L = cholesky(np.where(both, R, np.eye(p))) if missing.any() else cholesky(R)
    z = np.linalg.solve(L, np.where(missing, 0.0, e)[:, :, None])[:, :, 0]
    z[missing] = np.nan
    return z


def normalized_squares(e: Any, R: Any) -> tuple[np.ndarray, np.ndarray]:
    """q(t) = e(t)' inv(R(t)) e(t) over the entries that are there, and their number.

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing.
    R : array_like
        (p, p) or (T, p, p), positive definite.

    Returns
    -------
    tuple of ndarray
        q (T,), chi2 distributed on the second (T,) degrees of freedom.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    StructureError
        If R is not positive definite.

    Examples
    --------
    >>> normalized_squares([[3.0, 2.0], [3.0, np.nan]], [[9, 0], [0, 1]])
    (array([5., 1.]), array([2, 1]))
    """
    z = standardize(e, R)
    with np.errstate(over="ignore"):  # beyond float64 is beyond every quantile
        return np.nansum(z**2, axis=1), (~np.isnan(z)).sum(axis=1)


def nis(e: Any, R: Any, *, window: int | None = None, level: float = 0.05) -> HypothesisTest:
    """q = sum_t e(t)' inv(R(t)) e(t) ~ chi2(number of entries), two-sided: the variance is the claimed one.

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing, which takes a degree of freedom away.
    R : array_like
        (p, p) or (T, p, p), positive definite: the covariance that the model claims, not one
        estimated from e.
    window : int, optional
        Sum over windows of so many steps, one after the other, instead of over all.
    level : float
        Probability at which a right covariance is rejected.

    Returns
    -------
    HypothesisTest
        One statistic, or one for each window.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    StructureError
        If R is not positive definite.

    Examples
    --------
    >>> e = np.random.default_rng(0).standard_normal((400, 2))
    >>> nis(e, np.eye(2)).rejected, nis(e, 1.3 * np.eye(2)).rejected
    (False, True)
    """
    q, d = normalized_squares(e, R)
    width = max(len(q), 1) if window is None else count("window", window)
    if width == 0:
        raise ShapeError("window is 0, but a whole number >= 1 is needed")
    starts = np.arange(0, max(len(q), 1), width)
    total, degrees = (np.add.reduceat(x, starts) if len(x) else np.zeros(1) for x in (q, d.astype(float)))
    what = "normalized innovations squared" + (f", windows of {width}" if window else "")
    return HypothesisTest(what, total, degrees, two_sided(total, degrees), probability(level))


def two_sided(q: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """2 min(P(chi2 <= q), P(chi2 >= q)), 1 where there are no degrees: nothing was seen."""
    from scipy.special import chdtr, chdtrc

    some = np.maximum(degrees, 1)
    p = 2 * np.minimum(chdtr(some, q), chdtrc(some, q))
    return np.where(degrees > 0, np.minimum(p, 1.0), 1.0)


def innovations(e: Any, name: str = "e") -> np.ndarray:
    """Return e (T, p) as float64, NaN being what is missing; refuse other shapes and infinities.

    Raises
    ------
    ShapeError
        With the shape that came.
    """
    e = _real(name, e)
    if e.ndim != 2:
        hint = f"; one column is {name}[:, None]" if e.ndim == 1 else ""
        raise ShapeError(f"{name} has shape {e.shape}, but (T, p) is needed{hint}")
    if np.isinf(e).any():
        raise ShapeError(
            f"{name} has {np.isinf(e).sum()} infinite entries; numbers, or NaN where one is missing, are needed"
        )
    return e


def _real(name: str, x: Any) -> np.ndarray:
    x = array(name, x)
    if x.dtype.kind not in "biuf":
        raise ShapeError(f"{name} has dtype {x.dtype}, but real numbers are needed")
    return x.astype(np.float64)


def cholesky(R: np.ndarray, what: str = "R") -> np.ndarray:
    """L with R = L L', lower triangular; refuses what is not positive definite, with its eigenvalue."""
    if np.isnan(R).any() or np.isinf(R).any():
        raise ShapeError(f"{what} has an entry that is NaN or infinite where e is given; finite numbers are needed")
    sizes = np.einsum("...ii->...i", R)
    skew = np.abs(R - R.swapaxes(-1, -2))
    # products that are symmetric but for rounding, with digits to spare; each step by its own size
    if (skew > 1e-9 * np.abs(R).max(axis=(-2, -1), keepdims=True, initial=0.0)).any():
        raise ShapeError(f"{what} differs from its transpose by {skew.max():.1e}; a symmetric matrix is needed")
    try:
        L = np.linalg.cholesky(R)
        pivots = np.einsum("...ii->...i", L) ** 2
        # a pivot is at least the smallest eigenvalue; below the rounding of its diagonal entry it is noise
        good = bool((pivots > 2 * R.shape[-1] * EPS * sizes).all())
    except np.linalg.LinAlgError:
        good = False
    if not good:
        values = np.linalg.eigvalsh(R).min(axis=-1)
        step = "" if R.ndim == 2 else f" at step {int(np.argmin(values))}"
        raise StructureError(
            f"{what} has eigenvalue {values.min():.3g}{step}, need > 0 (above rounding): it is not positive definite"
        )
    return L
