"""Orders by likelihood: every state has to pay for its parameters.

    AIC        -2 log L(n)     + 2 d(n)
    BIC        -2 log L(n)     + d(n) log N

L(n) is the largest likelihood with n states and d(n) the number of parameters.  The callers bring the
likelihoods, of the same samples for all orders; those of autoregressions are computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.core.shapes import numbers
from realization.stochastic.classical.levinson import levinson
from realization.stochastic.data import past_future
from realization.systems.base import count


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OrderChoice(Sealed):
    """An order, and how close another one came.

    Parameters
    ----------
    criterion : str
        Its name.
    order : int
        The smallest value of the criterion; for a sequence of tests the first order not rejected.
    values : ndarray
        (orders,) of the criterion for 0, 1, ...; for a sequence of tests the p-values.
    runner_up : int or None
        The order that comes next, None where there is only one.
    margin : float
        How much worse it is, in the units of `values`; for tests log10 of p over the level.
    decided : bool
        Whether the margin is above what chance moves it by: the criterion's docstring says how it is judged.
    tested : bool
        Whether `values` are the p-values of a sequence of tests.
    """

    criterion: str
    order: int
    values: np.ndarray
    runner_up: int | None
    margin: float
    decided: bool
    tested: bool = False

    def __str__(self) -> str:
        next_best = "" if self.runner_up is None else f", then {self.runner_up} (margin {self.margin:.3g})"
        return f"{self.criterion}: order {self.order}{next_best}" + ", undecided" * (not self.decided)


def aic(log_likelihoods: Any, parameters: Any) -> OrderChoice:
    """AIC = -2 log L(n) + 2 d(n), the smallest.

    Parameters
    ----------
    log_likelihoods : array_like
        (k,) largest log-likelihoods with 0, 1, ... states, of the same samples.
    parameters : array_like
        (k,) numbers of parameters d(n), such as `innovations_parameters`.

    Returns
    -------
    OrderChoice
        Decided if the margin is more than 2, a ratio of e of the likelihoods.

    Raises
    ------
    ShapeError
        If both are not rows of the same length, at least 1.

    References
    ----------
    Akaike (1974), IEEE Transactions on Automatic Control 19, 716-723.

    Examples
    --------
    >>> print(aic([-120.0, -100.0, -99.5], [0, 2, 4]))
    AIC: order 1, then 2 (margin 3)
    """
    L, d = _likelihoods(log_likelihoods, parameters)
    return smallest("AIC", -2 * L + 2 * d, 2.0)


def bic(log_likelihoods: Any, parameters: Any, N: int) -> OrderChoice:
    """BIC = -2 log L(n) + d(n) log N, the smallest.

    Parameters
    ----------
    log_likelihoods : array_like
        (k,) largest log-likelihoods with 0, 1, ... states, of the same samples.
    parameters : array_like
        (k,) numbers of parameters d(n), such as `innovations_parameters`.
    N : int
        Number of samples.

    Returns
    -------
    OrderChoice
        Decided if the margin is more than 2, a ratio of e of the posterior probabilities.

    Raises
    ------
    ShapeError
        If both are not rows of the same length, at least 1, or N < 2.

    References
    ----------
    Schwarz (1978), Annals of Statistics 6, 461-464.

    Examples
    --------
    >>> print(bic([-120.0, -100.0, -99.5], [0, 2, 4], N=100))
    BIC: order 1, then 2 (margin 8.21)
    """
    L, d = _likelihoods(log_likelihoods, parameters)
    return smallest("BIC", -2 * L + d * np.log(samples(N)), 2.0)


def innovations_parameters(orders: int, p: int) -> np.ndarray:
    """d(n) = 2 n p + p (p+1)/2 for n = 0 ... orders: a canonical (A, K, C), and the covariance of the innovations.

    Parameters
    ----------
    orders : int
        Largest n.
    p : int
        Number of outputs.

    Returns
    -------
    ndarray
        (orders + 1,).

    Raises
    ------
    ShapeError
        If one is no whole number >= 0.

    Examples
    --------
    >>> innovations_parameters(3, p=2)
    array([ 3,  7, 11, 15])
    """
    p = count("p", p)
    return 2 * p * np.arange(count("orders", orders) + 1) + p * (p + 1) // 2


def autoregressive_likelihoods(y: Any, orders: int) -> tuple[np.ndarray, np.ndarray]:
    """log L(m) = -N/2 (log det S_m + p log 2 pi + p) of autoregressions of m = 0 ... orders steps, and d(m).

    S_m is the covariance of the error of prediction from m steps that `levinson` finds for the sample covariances,
    those of the equations of Yule and Walker.

    Parameters
    ----------
    y : array_like
        (T, p), finite, of mean zero.
    orders : int
        Largest m.

    Returns
    -------
    tuple of ndarray
        Log-likelihoods and numbers of parameters m p^2 + p (p+1)/2, both (orders + 1,): what `aic` and `bic` take.

    Raises
    ------
    ShapeError
        If y has another shape or is not finite.
    StructureError
        If there are not more samples than parameters, or outputs are linearly dependent.

    Examples
    --------
    An autoregression of two steps:

    >>> y = np.random.default_rng(0).standard_normal((1000, 1))
    >>> for t in range(2, 1000):
    ...     y[t] += 0.9 * y[t - 1] - 0.5 * y[t - 2]
    >>> print(bic(*autoregressive_likelihoods(y, 5), N=1000))
    BIC: order 2, then 3 (margin 6.91)
    """
    m = count("orders", orders)
    windows = past_future(y, 0, 1)
    x, N = windows.future, windows.steps
    p = len(x)
    d = np.arange(m + 1) * p * p + p * (p + 1) // 2
    if d[-1] >= N:
        raise StructureError(
            f"{N} samples for {d[-1]} parameters of order {m}; need more samples, or take fewer orders"
        )
    S = levinson([x[:, k:] @ x[:, : N - k].T / N for k in range(m + 1)]).errors
    log_det = np.linalg.slogdet(S)[1]
    return -N / 2 * (log_det + p * np.log(2 * np.pi) + p), d


def smallest(name: str, values: np.ndarray, noise: float) -> OrderChoice:
    """The order of least value, decided if the next best is worse by more than the noise."""
    first, second = best_two(values)
    margin = np.inf if second is None else float(values[second] - values[first])
    return OrderChoice(name, first, values, second, margin, bool(margin > noise))


def best_two(values: np.ndarray) -> tuple[int, int | None]:
    order = np.argsort(values, kind="stable")
    return int(order[0]), int(order[1]) if len(order) > 1 else None


def samples(N: Any) -> int:
    if count("N", N) < 2:
        raise ShapeError(f"N is {N}, but at least 2 samples are needed")
    return int(N)


def _likelihoods(log_likelihoods: Any, parameters: Any) -> tuple[np.ndarray, np.ndarray]:
    L, d = numbers("log_likelihoods", log_likelihoods), numbers("parameters", parameters)
    if L.ndim != 1 or L.shape != d.shape or not len(L):
        raise ShapeError(f"log_likelihoods {L.shape} and parameters {d.shape}; two rows of the same length are needed")
    return L, d
