"""A mean that drifts: cumulative sums of standardized innovations, and how long they run before a false alarm.

    g(t) = max(0, g(t-1) + z(t) - k),   alarm where g(t) > h

g starts at 0 and forgets its past wherever it returns there: a Markov chain, absorbed above h.  From g = u on
it runs for

    L(u) = 1 + Phi(k - u) L(0) + int_0^h phi(x + k - u) L(x) dx

steps on average (Page 1954), z being standard normal.  Brook and Evans (1972) cut [0, h] into m cells, which
gives an absorbing chain of m states and an error of order 1/m^2; here the integral is a sum over Gauss points,
the same chain with an error that falls exponentially.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.stochastic.innovations.normalized import innovations
from realization.stochastic.innovations.significance import HypothesisTest, probability
from realization.systems.base import count

LARGEST = 100.0  # of the thresholds: the chain has 600 states there, and no control chart is that slow


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cusum(Sealed):
    """g(t) = max(0, g(t-1) + s z(t) - k) upward, s = 1, and downward, s = -1.

    Parameters
    ----------
    upper, lower : ndarray
        (T, p), g after each step.
    k, h : float
        Reference value, half the shift to be found in standard deviations; and threshold.
    observed : ndarray
        (p,) values that were there.
    """

    upper: np.ndarray
    lower: np.ndarray
    k: float
    h: float
    observed: np.ndarray

    @property
    def alarms(self) -> tuple[int | None, ...]:
        """For each output the first step at which either sum exceeds h, or None."""
        above = np.maximum(self.upper, self.lower) > self.h
        return tuple(int(np.argmax(column)) if column.any() else None for column in above.T)

    def test(self, *, level: float = 0.05) -> HypothesisTest:
        """Return the largest upper and lower sum of each output, with the probability of one as large.

        Parameters
        ----------
        level : float
            Probability at which a mean of zero is rejected.

        Returns
        -------
        HypothesisTest
            2 p statistics, the upper ones first; degrees are the numbers of values.
        """
        largest = np.concatenate([g.max(axis=0, initial=0.0) for g in (self.upper, self.lower)])
        steps = np.concatenate([self.observed, self.observed])
        # a sum of 20/k is exceeded with probability exp(-40) a step: larger ones need no p-value of their own
        within = np.minimum(largest, min(LARGEST, 20 / self.k) if self.k else LARGEST)
        p = [false_alarm_probability(self.k, g, int(T)) if g else 1.0 for g, T in zip(within, steps, strict=True)]
        return HypothesisTest("CUSUM", largest, steps.astype(float), np.array(p, dtype=float), probability(level))


def cusum(z: Any, *, k: float = 0.5, h: float = 5.0) -> Cusum:
    """g(t) = max(0, g(t-1) + z(t) - k) and the same of -z, for each output.

    g is how far the sum of z - k has risen above its lowest value so far, 0 included.  It is not computed so: one
    large value would take the digits of all that come after it, while the recursion forgets it at 0.

    Parameters
    ----------
    z : array_like
        (T, p) standardized innovations; where one is NaN the sum stays.
    k : float
        Half the shift of the mean that is to be found soonest, in standard deviations.
    h : float
        Threshold, see `cusum_threshold`.

    Returns
    -------
    Cusum
        Both sums, and the first alarms.

    Raises
    ------
    ShapeError
        If z has another shape or an infinite entry, or k or h is negative.

    References
    ----------
    Page (1954), Biometrika 41, 100-115.

    Examples
    --------
    A mean of 1 from step 100 on:

    >>> z = np.random.default_rng(1).standard_normal((200, 1)) + (np.arange(200) >= 100)[:, None]
    >>> cusum(z).alarms, cusum(z[:100]).alarms
    ((105,), (None,))
    """
    z = innovations(z, "z")
    k, h = _positive("k", k), _positive("h", h)
    there = ~np.isnan(z)
    upper, lower = (_reflected(np.where(there, s * z - k, 0.0)) for s in (1, -1))
    return Cusum(upper, lower, k, h, there.sum(axis=0))


def average_run_length(k: float, h: float, *, shift: float = 0.0) -> float:
    """L(u) = 1 + Phi(k - u) L(0) + int_0^h phi(x + k - u) L(x) dx: L(0), mean steps to the alarm of the upper sum.

    Of both sums of one series, started at 0: 1/L = 1/L(shift) + 1/L(-shift) (Van Dobben de Bruyn 1968).

    Parameters
    ----------
    k, h : float
        Reference value and threshold.
    shift : float
        Mean of z, of unit variance.

    Returns
    -------
    float
        Right to about 12 digits, however long it is.

    Raises
    ------
    ShapeError
        If k or h is negative.
    StructureError
        If h > 100, or L leaves the range of float64.

    Examples
    --------
    In control, and after a shift of one standard deviation:

    >>> round(average_run_length(0.5, 4), 1), round(average_run_length(0.5, 5), 1)
    (335.4, 930.9)
    >>> round(average_run_length(0.5, 5, shift=1), 2)
    10.38
    """
    k, h = _positive("k", k), _positive("h", h)
    Q, alarm = _chain(k - shift, h)
    L = np.ones(len(Q))
    # states are eliminated from the last to the first (Grassmann, Taksar and Heyman 1985): nothing is subtracted,
    # so that a probability of alarm of 1e-12 keeps its digits where I - Q has none of it
    for j in range(len(Q) - 1, 0, -1):
        through = Q[:j, j] / (Q[j, :j].sum() + alarm[j])
        Q[:j, :j] += np.outer(through, Q[j, :j])
        alarm[:j] += through * alarm[j]
        L[:j] += through * L[j]
    if not alarm[0] > 0 or not np.isfinite(L[0] / alarm[0]):
        raise StructureError(
            f"the run length with k = {k:g}, h = {h:g} and shift {shift:g} leaves the range of float64"
        )
    return float(L[0] / alarm[0])


def false_alarm_probability(k: float, h: float, steps: int) -> float:
    """P(g(t) > h for a t <= steps) = (sum_{t < steps} Q^t a)(0), g started at 0 and z standard normal.

    Parameters
    ----------
    k, h : float
        Reference value and threshold.
    steps : int
        Length of the run.

    Returns
    -------
    float
        Q are the transitions below h and a those above it; nothing is subtracted, so that small ones keep their digits.

    Raises
    ------
    ShapeError
        If k or h is negative.
    StructureError
        If h > 100.

    Examples
    --------
    In as many steps as the mean run has an alarm comes with probability 1 - 1/e, nearly:

    >>> round(false_alarm_probability(0.5, 5, 931), 3)
    0.632
    """
    k, h = _positive("k", k), _positive("h", h)
    Q, alarm = _chain(k, h)
    # [Q a; 0 1]^steps = [Q^steps, sum Q^t a; 0, 1]
    absorbing = np.block([[Q, alarm[:, None]], [np.zeros(len(Q)), 1.0]])
    return float(min(np.linalg.matrix_power(absorbing, count("steps", steps))[0, -1], 1.0))


def cusum_threshold(k: float, run_length: float) -> float:
    """Return h with average_run_length(k, h) = run_length.

    Parameters
    ----------
    k : float
        Reference value.
    run_length : float
        Mean steps to a false alarm of the upper sum; of both sums it is half of it.

    Returns
    -------
    float
        h, to 1e-10.

    Raises
    ------
    ShapeError
        If k is negative.
    StructureError
        If the run length is below that of h = 0, 1/Phi(-k), infinite, or above that of h = 100.

    Examples
    --------
    Both sums together give a false alarm in 465 steps:

    >>> round(cusum_threshold(0.5, 2 * 465.44), 3)
    5.0
    """
    least = average_run_length(_positive("k", k), 0.0)
    if not least <= run_length < np.inf:
        raise StructureError(f"run length {run_length:.6g}, need at least {least:.6g}, that of h = 0, and a finite one")
    return _threshold(float(k), float(run_length))


@lru_cache(64)  # thirty chains are solved for one, and a study asks for the same one many times
def _threshold(k: float, run_length: float) -> float:
    from scipy.optimize import brentq

    h = 1.0
    while (longest := average_run_length(k, h)) < run_length:
        if h == LARGEST:
            raise StructureError(f"run length {run_length:.6g}, need at most {longest:.6g}, that of h = {h:g}; raise k")
        h = min(1.5 * h, LARGEST)
    return float(brentq(lambda h: np.log(average_run_length(k, h) / run_length), 0.0, h, xtol=1e-10))


def _reflected(s: np.ndarray) -> np.ndarray:
    """g(t) = max(0, g(t-1) + s(t)) from g = 0, for each column."""
    g = np.empty_like(s)
    for k, column in enumerate(s.T.tolist()):  # numbers of Python: an array of one costs ten times the addition
        g[:, k] = list(accumulate(column, lambda g, s: max(0.0, g + s), initial=0.0))[1:]
    return g


def _chain(k: float, h: float) -> tuple[np.ndarray, np.ndarray]:
    """From u = 0 or a Gauss point x of [0, h]: to 0 Phi(k - u), to x w phi(x + k - u), above h Phi(u - k - h)."""
    from scipy.special import ndtr

    if h > LARGEST:
        raise StructureError(f"threshold {h:g}, need at most {LARGEST:g}; take a larger k, or standardize first")
    n = 24 + int(np.ceil(6 * h))  # phi has width 1: so many points bring the integral to rounding, see the tests
    x, w = _gauss(n)
    x, w = (x + 1) * h / 2, w * h / 2
    u = np.append(0.0, x)
    Q = np.hstack([ndtr(k - u)[:, None], w * np.exp(-((x + k - u[:, None]) ** 2) / 2) / np.sqrt(2 * np.pi)])
    return Q, ndtr(u - k - h)


@lru_cache(64)
def _gauss(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(n)


def _positive(name: str, x: float) -> float:
    if not 0 <= x < np.inf:
        raise ShapeError(f"{name} is {x}, but a number >= 0 is needed")
    return float(x)
