"""Ball arithmetic by python-flint: the independent truth, at any number of bits.

An array of dtype object that holds balls goes through a definition as floats do:
NumPy's `np.exp` calls the method `exp` of every element.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from realization.core.errors import RealizationError


class MissingPackage(RealizationError, ImportError):  # noqa: N818 - it names what is wrong
    """An optional package is not installed."""


def flint() -> Any:
    """Return the module python-flint.

    Raises
    ------
    MissingPackage
        If it is not installed.
    """
    try:
        return importlib.import_module("flint")
    except ImportError as error:
        raise MissingPackage(
            "ball arithmetic needs python-flint, which is not installed: install realization[certify]"
        ) from error


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute balls with so many bits inside the block."""
    context = flint().ctx
    before = context.prec
    context.prec = bits
    try:
        yield
    finally:
        context.prec = before


def balls(x: Any) -> np.ndarray:
    """Return float64 numbers as an object array of balls of radius 0, at whatever precision.

    Parameters
    ----------
    x : array_like
        Real numbers, taken as float64.

    Returns
    -------
    ndarray
        Objects of type `flint.arb`, of the same shape.
    """
    arb = flint().arb
    x = np.asarray(x, dtype=np.float64)
    result = np.empty(x.shape, dtype=object)
    for index, value in np.ndenumerate(x):
        result[index] = arb(float(value))
    return result


def correctly_rounded(ball: Any) -> tuple[float, bool]:
    """Round a ball to float64, and say whether all its numbers round to the same.

    Parameters
    ----------
    ball : flint.arb
        Any ball.

    Returns
    -------
    value : float
        The float64 next to the middle, NaN for a ball that is not finite.
    decided : bool
        Whether it is the correctly rounded value of every number in the ball.
    """
    if not ball.is_finite():
        return math.nan, False
    low, high = (_nearest(end) for end in (ball.lower(), ball.upper()))
    return _nearest(ball.mid()), low == high and math.isfinite(low)


def _nearest(x: Any) -> float:
    """Round the exact number m 2**e to float64, ties to even, subnormal results included."""
    mantissa, exponent = (int(part) for part in x.man_exp())
    if mantissa == 0:
        return 0.0
    size = abs(mantissa)
    # the last place of the result, in units of 2**exponent
    places = max(size.bit_length() - 53, -1074 - exponent, 0)
    whole, rest = size >> places, size & ((1 << places) - 1)
    half = 1 << places >> 1
    if places and (rest > half or (rest == half and whole & 1)):
        whole += 1
    try:
        value = math.ldexp(whole, exponent + places)
    except OverflowError:
        value = math.inf
    return -value if mantissa < 0 else value
