"""Autoregressions, moving averages, differences and seasons as state-space models.

    y(t) = a1 y(t-1) + ... + ap y(t-p) + e(t) + b1 e(t-1) + ... + bq e(t-q),    E e^2 = variance

in innovations form, x(t+1) = A x(t) + K e(t), y(t) = x1(t) + e(t), with n = max(p, q) states:

    A = [a | shift],    K = a + b

The shift alone (a = 0) is a moving average, a window on past e; A - K C = [-b | shift] is the predictor, and of an
autoregression (b = 0) it is a window on past y.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import numbers
from realization.linalg.decision import at_least
from realization.stochastic.covariance import state_covariance
from realization.systems import stochastic_library
from realization.systems.base import count
from realization.systems.stochastic import InitialState, StochasticSSM


class Integrated(NamedTuple):
    """A model with its start, as `kalman_filter(model, y, initial=start)` takes them.

    Parameters
    ----------
    model : StochasticSSM
        One output.
    start : InitialState
        Stationary where the model is, unknown in the past outputs that differences are taken with.
    """

    model: StochasticSSM
    start: InitialState


def arma(ar: Any = (), ma: Any = (), variance: float = 1.0) -> StochasticSSM:
    """y(t) = sum_i ar[i] y(t-1-i) + e(t) + sum_j ma[j] e(t-1-j),  E e^2 = variance.

    Parameters
    ----------
    ar, ma : array_like
        (p,) and (q,), with the signs of the equation.
    variance : float
        Of e.

    Returns
    -------
    StochasticSSM
        max(p, q) states, one noise: its state covariance is P_- where no zero lies outside the circle.

    Raises
    ------
    ShapeError
        If ar or ma is no row of numbers, or the variance is negative.

    References
    ----------
    Akaike 1974; Harvey 1989.

    Examples
    --------
    >>> arma(ar=[0.5], ma=[0.4]).B, arma(ar=[0.5], ma=[0.4]).D
    (array([[0.9]]), array([[1.]]))
    """
    a, b = (_row(name, x) for name, x in (("ar", ar), ("ma", ma)))
    deviation = math.sqrt(at_least(0.0, "variance", variance))
    n = max(len(a), len(b))
    a, b = (np.append(x, np.zeros(n - len(x))) for x in (a, b))
    unit = stochastic_library.arma(a, b)
    return StochasticSSM(unit.A, deviation * unit.B, unit.C, deviation * unit.D)


def sarimax(
    order: tuple[int, int, int],
    seasonal_order: tuple[int, int, int, int] = (0, 0, 0, 0),
    *,
    ar: Any = (),
    ma: Any = (),
    seasonal_ar: Any = (),
    seasonal_ma: Any = (),
    variance: float = 1.0,
) -> Integrated:
    """a(B) A(B^s) (1-B)^d (1-B^s)^D y(t) = b(B) M(B^s) e(t),  B y(t) = y(t-1).

    Parameters
    ----------
    order : tuple
        (p, d, q): lags of y, differences, lags of e.
    seasonal_order : tuple
        (P, D, Q, s): the same in steps of a season of s.
    ar, ma, seasonal_ar, seasonal_ma : array_like
        (p,), (q,), (P,), (Q,): a(B) = 1 - ar[0] B - ..., b(B) = 1 + ma[0] B + ..., and likewise in B^s.
    variance : float
        Of e.

    Returns
    -------
    Integrated
        States: those of the stationary part, then the last d + s D outputs, unknown at the start.  The diffuse
        log-likelihood is that of the differenced series, and -(d + s D)/2 log 2 pi.  Regressors go into
        output_offset of the filter.

    Raises
    ------
    ShapeError
        If a row of coefficients has another length than its order says, or an order is no whole number.
    StructureError
        If the stationary part is not stable.

    References
    ----------
    Box and Jenkins 1976; Harvey 1989; Durbin and Koopman 2012.

    Examples
    --------
    A random walk is one difference; its past is unknown, hence diffuse:

    >>> walk, start = sarimax((0, 1, 0))
    >>> walk.A, start.diffuse
    (array([[1.]]), array([[1.]]))
    """
    p, d, q = (count(f"order[{i}]", k) for i, k in enumerate(_of_length("order", order, 3)))
    P, D, Q, s = (
        count(f"seasonal_order[{i}]", k) for i, k in enumerate(_of_length("seasonal_order", seasonal_order, 4))
    )
    if s == 0 and (P or D or Q):
        raise ShapeError(f"seasonal_order is {seasonal_order!r}: its last entry, the season, is 0, need >= 1")
    rows = {"ar": (ar, p), "ma": (ma, q), "seasonal_ar": (seasonal_ar, P), "seasonal_ma": (seasonal_ma, Q)}
    a, b, c, e = (_coefficients(name, x, k) for name, (x, k) in rows.items())
    stationary = arma(-_product(_lags(-a, 1), _lags(-c, s))[1:], _product(_lags(b, 1), _lags(e, s))[1:], variance)
    differences = [_lags(-np.ones(1), 1)] * d + [_lags(-np.ones(min(s, 1)), s)] * D
    past = -_product(*differences)[1:]
    return _integrated(stationary, past)


def _integrated(u: StochasticSSM, past: np.ndarray) -> Integrated:
    """y(t) = u(t) + sum_j past[j] y(t-1-j), the last outputs being states."""
    n, k = len(u.A), len(past)
    try:
        covariance = state_covariance(u)
    except StructureError as error:
        raise StructureError(f"the stationary part is not: {error}; take another difference") from None
    C = np.concatenate([u.C[0], past])[None]
    A = np.zeros((n + k, n + k))
    A[:n, :n], A[n : n + 1], A[n + 1 :, n : n + k - 1] = u.A, C if k else A[n : n + 1], np.eye(max(k - 1, 0))
    B = np.vstack([u.B, u.D if k else np.zeros((0, 1)), np.zeros((max(k - 1, 0), 1))])
    known, unknown = np.zeros((n + k, n + k)), np.zeros((n + k, n + k))
    known[:n, :n], unknown[n:, n:] = covariance, np.eye(k)
    return Integrated(StochasticSSM(A, B, C, u.D), InitialState(np.zeros(n + k), known, unknown))


def stationary_ar(free: Any) -> np.ndarray:
    """Return coefficients of a stable autoregression for any numbers, one to one.

    Parameters
    ----------
    free : array_like
        (p,), any.

    Returns
    -------
    ndarray
        (p,), of which the partial autocorrelations are free / sqrt(1 + free^2).

    References
    ----------
    Monahan 1984; the recursion is Levinson's.

    Examples
    --------
    >>> a = stationary_ar([3.0, -2.0])
    >>> bool(np.abs(np.roots([1, *-a])).max() < 1), free_ar(a).round(12)
    (True, array([ 3., -2.]))
    """
    free = _row("free", free)
    a = np.zeros(0)
    for k in free / np.sqrt(1 + free**2):
        a = np.append(a - k * a[::-1], k)
    return a


def free_ar(ar: Any) -> np.ndarray:
    """Return the numbers of which `stationary_ar` makes these coefficients.

    Parameters
    ----------
    ar : array_like
        (p,), of a stable autoregression.

    Returns
    -------
    ndarray
        (p,).

    Raises
    ------
    StructureError
        If a partial autocorrelation is 1 or more in size.

    Examples
    --------
    >>> free_ar(stationary_ar([0.5, 1.0])).round(12)
    array([0.5, 1. ])
    """
    a, found = _row("ar", ar), []
    while len(a):
        k = a[-1]
        if not abs(k) < 1:
            raise StructureError(f"partial autocorrelation {len(a)} is {k:.6g}, need < 1 in size: ar is not stable")
        found.append(k / math.sqrt(1 - k * k))
        a = (a[:-1] + k * a[-2::-1]) / (1 - k * k)
    return np.array(found[::-1])


def _lags(x: np.ndarray, s: int) -> np.ndarray:
    """1 + x[0] B^s + x[1] B^2s + ..."""
    if not len(x):
        return np.ones(1)
    found = np.zeros(len(x) * s + 1)
    found[0], found[s::s] = 1.0, x
    return found


def _product(*polynomials: np.ndarray) -> np.ndarray:
    found = np.ones(1)
    for polynomial in polynomials:
        found = np.convolve(found, polynomial)
    return found


def _row(name: str, x: Any) -> np.ndarray:
    x = numbers(name, x)
    if x.ndim != 1 or x.dtype.kind == "c":
        raise ShapeError(f"{name} has shape {x.shape} and dtype {x.dtype}; one row of real numbers is needed")
    return x


def _coefficients(name: str, x: Any, k: int) -> np.ndarray:
    x = _row(name, x)
    if len(x) != k:
        raise ShapeError(f"{name} has {len(x)} entries, but {k} are needed (from its order)")
    return x


def _of_length(name: str, order: Any, k: int) -> tuple[Any, ...]:
    if not isinstance(order, tuple | list) or len(order) != k:
        raise ShapeError(f"{name} is {order!r}; {k} whole numbers are needed")
    return tuple(order)
