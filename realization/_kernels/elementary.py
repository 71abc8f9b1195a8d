"""Elementary functions of one float64 for compiled loops; at most 2.5 units in the last place.

The compiler has no vector version of the C library's exp and log, so a loop that
calls them runs one element at a time.  These are plain arithmetic without branches:
both sides of every `a if c else b` are cheap and become one select, and the loop
around them vectorises.  The exponential is

    exp(x) = 2**n exp(r),    n = round(x / log 2),   r = x - n log 2,   |r| <= 0.347

with exp(r) - 1 from its Taylor polynomial; the logarithm is

    log(2**k m) = k log 2 + 2 artanh(f / (2 + f)),    f = m - 1 in [-0.293, 0.415)

The same names of `core.functions` are given these meanings at the end of the file, so
that a plain function that calls them can be compiled as it stands.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import overload

from realization._kernels.jit import float_bits, fma, int_to_float_bits, small
from realization.core import functions

# Adding 1.5 * 2**52 leaves the nearest integer in the low bits: n as a float64 and as an
# integer without a conversion instruction.
SHIFT = 1.5 * 2.0**52
SHIFT_BITS = 0x4338000000000000
LOG2_E = 1.4426950408889634
# log 2 in two words; the first has 21 trailing zeros, so n * LN2 is exact for |n| < 2**21.
LN2, LN2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD  # bits of sqrt(1/2)
ONE_BITS = 0x3FF0000000000000

# exp(r) - 1 - r = r^2 (1/2! + r/3! + ... + r^11/13!); what is left out, r^14/14! <= 2**-57.7 r.
_E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9, _E10, _E11, _E12, _E13 = (1 / math.factorial(n) for n in range(2, 14))
# 2 artanh(s) - 2 s = s (2/3 z + 2/5 z^2 + ...), z = s^2 <= 0.0295; what is left out is 2**-58 s.
_L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8, _L9, _L10 = (2 / (2 * n + 1) for n in range(1, 11))


@small
def power_of_two(n: int) -> float:
    """2**n for an integer -1022 <= n <= 1023, from its bits."""
    return int_to_float_bits((n + 1023) << 52)


@small
def reduce_exponent(x: float) -> tuple[float, int]:
    """(q, n) with exp(x) = 2**n (1 + q) for |x| <= 1100; q = exp(r) - 1 to 0.6 units in its last place."""
    shifted = fma(x, LOG2_E, SHIFT)
    n = shifted - SHIFT
    r = fma(-n, LN2_LOW, fma(-n, LN2, x))
    p = fma(r, _E13, _E12)
    p = fma(r, p, _E11)
    p = fma(r, p, _E10)
    p = fma(r, p, _E9)
    p = fma(r, p, _E8)
    p = fma(r, p, _E7)
    p = fma(r, p, _E6)
    p = fma(r, p, _E5)
    p = fma(r, p, _E4)
    p = fma(r, p, _E3)
    p = fma(r, p, _E2)
    return fma(r * r, p, r), float_bits(shifted) - SHIFT_BITS


@small
def scale(y: float, n: int) -> float:
    """2**n y for |n| <= 2000 in two steps: the first is exact, so a subnormal result is rounded once."""
    half = n >> 1
    return y * power_of_two(half) * power_of_two(n - half)


@small
def clamp(x: float, low: float, high: float) -> float:
    """The number of [low, high] next to x; high for NaN."""
    x = x if x < high else high
    return x if x > low else low


@small
def exp(x: float) -> float:
    """exp(x), at most 1 unit in the last place; 0 below -745.2, inf above 709.8."""
    q, n = reduce_exponent(clamp(x, -760.0, 720.0))
    y = scale(1.0 + q, n)
    return y if x == x else x


@small
def expm1(x: float) -> float:
    """exp(x) - 1 = 2**n (q + (1 - 2**-n)); for n = 0 it is q itself."""
    q, n = reduce_exponent(clamp(x, -60.0, 720.0))
    y = scale(q + (1.0 - scale(1.0, -n)), n)
    y = y if x != 0.0 else x
    return y if x == x else x


@small
def phi1(x: float) -> float:
    """(exp(x) - 1) / x, and 1 at 0; finite up to 716 because it is scaled after the division."""
    # below -60, exp(x) - 1 = -1 in float64; the divisor stays x
    q, n = reduce_exponent(clamp(x, -60.0, 720.0))
    divisor = x if x != 0.0 else 1.0
    divisor = divisor if divisor < 720.0 else 720.0
    y = scale((q + (1.0 - scale(1.0, -n))) / divisor, n)
    y = y if x != 0.0 else 1.0
    return y if x == x else x


_SLOPE = tuple(1 / (math.factorial(k) * (k + 2)) for k in range(16))


@small
def phi1_slope(x: float) -> float:
    """(exp(x) - phi1(x)) / x, near 0 its Taylor series: the quotient cancels there."""
    y = 0.0
    for k in range(15, -1, -1):
        y = fma(y, x, _SLOPE[k])
    return y if abs(x) < 0.5 else (exp(x) - phi1(x)) / x


@small
def log_of_sum(u: float, c: float) -> float:
    """log(u + c) for u > 0 normal and |c| at most half a unit in the last place of u."""
    bits = float_bits(u) + (ONE_BITS - SQRT_HALF_BITS)
    k = (bits >> 52) - 1023
    m = int_to_float_bits((bits & 0x000FFFFFFFFFFFFF) + SQRT_HALF_BITS)
    f = m - 1.0  # exact
    s = f / (2.0 + f)
    z = s * s
    p = fma(z, _L10, _L9)
    p = fma(z, p, _L8)
    p = fma(z, p, _L7)
    p = fma(z, p, _L6)
    p = fma(z, p, _L5)
    p = fma(z, p, _L4)
    p = fma(z, p, _L3)
    p = fma(z, p, _L2)
    p = fma(z, p, _L1) * z
    # 2 artanh(s) = f - f^2/2 + s (f^2/2 + p): the large terms f and k log 2 are exact, so
    # only small ones are rounded.  The sum's own error c enters as c / u to first order.
    square = 0.5 * f * f
    n = int_to_float_bits(k + SHIFT_BITS) - SHIFT
    return fma(n, LN2, f - (square - fma(s, square + p, fma(n, LN2_LOW, c / u))))


@small
def log1p(x: float) -> float:
    """log(1 + x), at most 2 units in the last place; -inf at -1, NaN below."""
    u = 1.0 + x
    # two_sum: 1 + x = u + c exactly, and c / u is the first-order effect on the logarithm
    back = u - 1.0
    c = (1.0 - (u - back)) + (x - back)
    y = log_of_sum(u, c)
    y = y if u > 0.0 else (-math.inf if u == 0.0 else math.nan)
    y = y if x < math.inf else x  # inf and NaN are handed back
    return y if x != 0.0 else x  # the sign of zero


@small
def log(x: float) -> float:
    """log(x) for normal x > 0."""
    return log_of_sum(x, 0.0)


@small
def softplus(x: float, threshold: float) -> float:
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)) up to the threshold, x beyond it."""
    # The sum is finite also where exp(x) overflows, for whatever threshold.
    y = (x if x > 0.0 else 0.0) + log1p(exp(-abs(x)))
    return x if x > threshold else (y if x == x else x)


@small
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) = exp(x) / (1 + exp(x)): the form whose exponential does not overflow."""
    e = exp(-abs(x))
    return (1.0 if x > 0.0 else e) / (1.0 + e)


@small
def silu(x: float) -> float:
    """x sigmoid(x); for negative x the factor 2**n comes last, so that x exp(x) is rounded once if subnormal."""
    q, n = reduce_exponent(clamp(-abs(x), -1000.0, 0.0))
    e = scale(1.0 + q, n)
    y = scale(clamp(x, -1000.0, 0.0) * (1.0 + q) / (1.0 + e), n)
    y = x / (1.0 + e) if x > 0.0 else y
    return y if x == x else x


@small
def tanh(x: float) -> float:
    """-m / (2 + m) at m = exp(-2 |x|) - 1, with the sign of x."""
    m = expm1(-2.0 * abs(x))
    return math.copysign(-m / (2.0 + m), x)


@small
def maximum(x: float, y: float) -> float:
    """The larger one; NaN if either is."""
    return x if x > y or x != x else y


@small
def minimum(x: float, y: float) -> float:
    """The smaller one; NaN if either is."""
    return x if x < y or x != x else y


@small
def exceeds(x: float, y: float) -> float:
    """1 where x > y, else 0."""
    return 1.0 if x > y else 0.0


@small
def reciprocal(x: float) -> float:
    """1 / x."""
    return 1.0 / x


def _give(name: str, compiled: Any) -> None:
    """Let compiled code read the function of `core.functions` of that name as `compiled`."""

    # Numba compares the argument names of both sides, annotations included: none here.
    def read(x):  # type: ignore[no-untyped-def]
        return lambda x: compiled(x)

    def read_two(x, y):  # type: ignore[no-untyped-def]
        return lambda x, y: compiled(x, y)

    two = name in ("maximum", "minimum", "exceeds")
    overload(getattr(functions, name), inline="always")(read_two if two else read)


for _name, _compiled in {
    "exp": exp, "expm1": expm1, "log1p": log1p, "phi1": phi1, "sigmoid": sigmoid, "silu": silu, "tanh": tanh,
    "reciprocal": reciprocal, "maximum": maximum, "minimum": minimum, "exceeds": exceeds, "phi1_slope": phi1_slope,
    "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos,
}.items():  # fmt: skip
    _give(_name, _compiled)


@overload(functions.softplus, inline="always")
def _softplus(x, threshold=functions.SOFTPLUS_THRESHOLD):  # type: ignore[no-untyped-def]
    return lambda x, threshold=functions.SOFTPLUS_THRESHOLD: softplus(x, threshold)
