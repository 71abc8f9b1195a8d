"""Number formats, and rounding to them exactly once.

A format with p significant bits and exponents emin..emax holds the numbers
m 2**(e-p+1) with |m| < 2**p, emin <= e <= emax.  Rounding to nearest has
the relative error u = 2**-p while no exponent limit is met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format.

    Parameters
    ----------
    name : str
        Its usual name.
    precision : int
        Significant bits p, the hidden one included.
    emin, emax : int
        Exponents of the smallest and the largest normal number.
    largest : float
        The largest finite number.
    overflow : str
        What rounding does beyond `largest`: "inf", "saturate" or "nan".
    """

    name: str
    precision: int
    emin: int
    emax: int
    largest: float
    overflow: str = "inf"

    @property
    def u(self) -> float:
        """Unit roundoff 2**-p of rounding to nearest."""
        return 2.0**-self.precision

    @property
    def tiny(self) -> float:
        """Smallest normal number."""
        return 2.0**self.emin

    @property
    def smallest(self) -> float:
        """Smallest subnormal number."""
        return max(2.0 ** (self.emin - self.precision + 1), 5e-324)


def _ieee(name: str, precision: int, emax: int) -> Format:
    return Format(name, precision, 1 - emax, emax, (2 - 2.0 ** (1 - precision)) * 2.0**emax)


FORMATS = {
    form.name: form
    for form in (
        _ieee("float64", 53, 1023),
        _ieee("float32", 24, 127),
        _ieee("tf32", 11, 127),
        _ieee("float16", 11, 15),
        _ieee("bfloat16", 8, 127),
        _ieee("float8_e5m2", 3, 15),
        Format("float8_e4m3fn", 4, -6, 8, 448.0, "saturate"),
    )
}


def format_of(name: str | Format) -> Format:
    """Return the format of that name.

    Raises
    ------
    ShapeError
        If there is none; the message lists them.
    """
    if isinstance(name, Format):
        return name
    if name not in FORMATS:
        raise ShapeError(f"number format {name!r} is unknown; known are {', '.join(FORMATS)}")
    return FORMATS[name]


def near_one(x: np.ndarray, *more: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return x (..., m) times the power of two that brings its last axis near 1, and others times the same.

    Exact but for what underflows beside the largest entry; squares of x are in range.
    """
    power = -np.frexp(np.abs(x).max(axis=-1, keepdims=True, initial=0.0))[1]
    with np.errstate(over="ignore", under="ignore"):
        return tuple(np.ldexp(y, power) for y in (x, *more))


def round_to(x: Any, form: str | Format, *, overflow: str | None = None) -> np.ndarray:
    """Round float64 numbers to a format: round(x) = argmin |x - f|, ties to even.

    Parameters
    ----------
    x : array_like
        Any shape; taken as float64.
    form : str or Format
        "float32", "tf32", "float16", "bfloat16", "float8_e4m3fn", ...
    overflow : {"inf", "saturate", "nan"}, optional
        Replaces the policy of the format.

    Returns
    -------
    ndarray
        Float64 numbers of the same shape, each representable in the format.

    Notes
    -----
    One rounding, also where the result is subnormal; libraries that go through
    float32 round twice.

    Examples
    --------
    The sum of a thousand ones in bfloat16 sticks at 256, where 1 is half a unit:

    >>> total = 0.0
    >>> for _ in range(1000):
    ...     total = float(round_to(total + 1.0, "bfloat16"))
    >>> total
    256.0
    """
    form = format_of(form)
    x = np.asarray(x, dtype=np.float64)
    if form.precision == 53:
        return x.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        _, exponent = np.frexp(x)
        shift = form.precision - np.maximum(exponent, form.emin + 1)
        rounded = np.ldexp(np.rint(np.ldexp(x, shift)), -shift)
    beyond = {"inf": np.inf, "saturate": form.largest, "nan": np.nan}[overflow or form.overflow]
    return np.where(np.abs(rounded) > form.largest, np.copysign(beyond, x), rounded)
