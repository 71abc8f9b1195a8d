"""How long a memory lasts: steps until a fraction of an input is left.

    rate^t = fraction,        rate = exp(-exponent)

A decay near 1 is told by its exponent, which keeps the digits that 1 - rate loses.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError


def time_constant(rate: float) -> float:
    """Return -1 / log(rate): steps in which rate^t falls to 1/e.

    Parameters
    ----------
    rate : float
        What is left after one step, >= 0.

    Returns
    -------
    float
        0 at rate 0, infinite from 1 on.

    Raises
    ------
    ShapeError
        If the rate is negative or NaN.

    Examples
    --------
    >>> round(time_constant(0.9), 3), time_constant(1.0)
    (9.491, inf)
    """
    _not_negative("rate", rate)
    return math.inf if rate >= 1 else 0.0 if rate == 0 else -1 / math.log(rate)


def half_life(rate: float) -> float:
    """Return log(2) / -log(rate): steps in which rate^t halves.

    Parameters
    ----------
    rate : float
        What is left after one step, >= 0.

    Returns
    -------
    float
        0 at rate 0, infinite from 1 on.

    Raises
    ------
    ShapeError
        If the rate is negative or NaN.

    Examples
    --------
    >>> half_life(0.25), half_life(0.5), half_life(0.0)
    (0.5, 1.0, 0.0)
    """
    return math.log(2) * time_constant(rate)


def window(fraction: float, rate: float) -> int:
    """Return the first t with rate^t <= fraction.

    Parameters
    ----------
    fraction : float
        What may be left, > 0.
    rate : float
        What is left after one step, >= 0.

    Returns
    -------
    int
        Steps.

    Raises
    ------
    ShapeError
        If one of them is negative or NaN.
    StructureError
        If there is no such t: rate >= 1 > fraction, or nothing may be left.

    Examples
    --------
    >>> window(2.0**-10, 0.5), window(2.0**-10, 0.99)
    (10, 690)
    """
    _not_negative("fraction", fraction)
    _not_negative("rate", rate)
    if fraction >= 1:
        return 0
    if rate >= 1 or fraction == 0:
        raise StructureError(f"rate {rate} given; it never falls to {fraction}, need a rate < 1 and a fraction > 0")
    if rate == 0:
        return 1
    t = max(math.floor(math.log(fraction) / math.log(rate)) - 1, 0)  # the quotient may be off by one
    return next((k for k in range(t, t + 4) if rate**k <= fraction), t + 4)


def steps_until(fraction: float, exponent: Any) -> np.ndarray:
    """Return t with exp(-exponent t) = fraction: log(1 / fraction) / exponent, infinite for 0.

    Parameters
    ----------
    fraction : float
        1/e for the time constant, 1/2 for the half-life, a precision for the window.
    exponent : array_like
        -log of what is left after one step, any shape.

    Returns
    -------
    ndarray
        Steps, of that shape, not rounded.

    Examples
    --------
    >>> steps_until(0.5, [np.log(2), 0.0])
    array([ 1., inf])
    """
    with np.errstate(divide="ignore", over="ignore"):
        return -math.log(fraction) / np.asarray(exponent, dtype=np.float64)


def whole_steps_until(fraction: float, exponent: Any) -> np.ndarray:
    """Return the first whole t with exp(-exponent t) <= fraction, as floats, infinite for 0.

    Parameters
    ----------
    fraction, exponent : float, array_like
        As for `steps_until`.

    Returns
    -------
    ndarray
        Steps, of the shape of the exponents.

    Examples
    --------
    >>> whole_steps_until(2.0**-10, [np.log(2), 1.0])
    array([10.,  7.])
    """
    # a hair below, so that 2^-24 at half-life 1 is 24 steps: log and quotient err by 2 units each
    return np.ceil(steps_until(fraction, exponent) * (1 - 2.0**-50))


def _not_negative(name: str, x: float) -> None:
    if not x >= 0:
        raise ShapeError(f"{name} {x} given; a number >= 0 is needed")
