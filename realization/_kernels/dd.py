"""Double-doubles with a radius: a number is a triple (hi, lo, rad), and stands for [hi + lo - rad, hi + lo + rad].

Contract of every function: the arguments satisfy hi = RN(hi + lo), and whatever exact
numbers lie in the argument intervals, the exact result lies in the interval returned.
Overflow, division by an interval around 0 and NaN give rad = inf, never a finite claim.

Three sources enter a radius.

*Roundings of the operation.*  They are bounded after the fact, by u = 2**-53 times the
words that were rounded, not by a constant times the result: sharper, rigorous
without assuming much of the algorithm, and zero where nothing was rounded, so that
computations with integers keep the radius 0 and even an exact zero is certified.

*Radii of the arguments*, by the first-order term and a bound of the rest.

*The radius arithmetic itself.*  A radius is a sum of at most a dozen products of
non-negative numbers, each rounded once: GROW = 1 + 32 u covers the relative part.
Below 2**-969 the second word of a product is lost, at most 3.5 subnormal
units for Dekker's product (Boldo 2006) and 0.5 by fused multiply-add; with at most six
further underflows, 0.5 each, TINY = 16 subnormal units covers the absolute part.
Sums need no such term: a sum of float64 numbers that is subnormal is exact.

Algorithms: Dekker 1971, Knuth 1969, and Joldes, Muller & Popescu 2017, "Tight and
rigorous error bounds for basic building blocks of double-word arithmetic".
"""

from __future__ import annotations

import math

from realization._kernels import elementary
from realization._kernels.elementary import SHIFT, SHIFT_BITS, clamp, power_of_two
from realization._kernels.jit import HAS_FMA, float_bits, fma, small, two_prod

Triple = tuple[float, float, float]

INF = math.inf
U = 2.0**-53
GROW = 1.0 + 2.0**-48
TINY = 2.0**-1070


@small
def two_sum(a: float, b: float) -> tuple[float, float]:
    """s + e = a + b exactly, s = RN(a + b)."""
    s = a + b
    b_seen = s - a
    return s, (a - (s - b_seen)) + (b - b_seen)


@small
def fast_two_sum(a: float, b: float) -> tuple[float, float]:
    """s + e = a + b exactly if |a| >= |b|, or if a is a multiple of the last place of b."""
    s = a + b
    return s, b - (s - a)


@small
def _multiply_add(a: float, b: float, c: float) -> float:
    """a b + c with one or two roundings, whichever is fast; callers bound both."""
    return fma(a, b, c) if HAS_FMA else a * b + c


@small
def claim(hi: float, lo: float, rad: float) -> Triple:
    """Inflate a radius for its own roundings; whatever overflowed or is NaN claims nothing."""
    rad *= GROW
    return hi, lo, rad if rad < INF and abs(hi) < INF else INF


@small
def exact(x: float) -> Triple:
    """The float64 x itself."""
    return x, 0.0, 0.0 if abs(x) < INF else INF


@small
def negative(x: float, x_lo: float, x_rad: float) -> Triple:
    """-x, exactly."""
    return -x, -x_lo, x_rad


@small
def add(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x + y; own error at most 3 u**2 |x + y|, also under cancellation (Joldes et al., algorithm 6)."""
    s, e = two_sum(x, y)
    t, f = two_sum(x_lo, y_lo)
    c = e + t
    s, d = fast_two_sum(s, c)
    w = f + d
    hi, lo = fast_two_sum(s, w)
    return claim(hi, lo, U * (abs(c) + abs(w)) + (x_rad + y_rad))


@small
def subtract(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x - y."""
    return add(x, x_lo, x_rad, -y, -y_lo, y_rad)


@small
def product_error(x: float, x_rad: float, y: float, y_rad: float, first: float, second: float, low: float) -> float:
    """Radius of a product with cross terms x y_lo ~ first, x_lo y ~ second, and low word `low`.

    Rounded are first, second, their sum and low; neglected is |x_lo y_lo| <= u |first|.
    The arguments' radii enter as |x| y_rad + (|y| + y_rad) x_rad.
    """
    x_size = abs(x) + x_rad
    y_size = abs(y) + y_rad
    tiny = TINY if min(x_size, y_size) > 0.0 else 0.0  # 0 times anything is exact
    rounded = 3.0 * abs(first) + (2.0 * abs(second) + abs(low))
    return U * rounded + (abs(x) * y_rad + y_size * x_rad) + tiny


@small
def multiply(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x y; own error at most 5 u**2 |x y| (Joldes et al., algorithm 11)."""
    p, e = two_prod(x, y)
    first, second = x * y_lo, x_lo * y
    low = e + (first + second)
    hi, lo = fast_two_sum(p, low)
    return claim(hi, lo, product_error(x, x_rad, y, y_rad, first, second, low))


@small
def divide(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x / y by two steps of long division; own error at most 8 u**2 |x / y|.

    With q = RN(x / y) the remainder d = x - q y of the leading words is a float64, so
    the second quotient word (d + x_lo - q y_lo) / y is the only thing that is rounded.
    Dividing by y where y + y_lo is meant changes it by u of itself.
    """
    q = x / y
    p, e = two_prod(q, y)
    d = (x - p) - e
    t = d + x_lo
    m = q * y_lo
    n = t - m
    r = n / y
    hi, lo = fast_two_sum(q, r)
    # |x / y - X / Y| <= (x_rad + |X / Y| y_rad) / |y|  for any y of the interval
    nearest = abs(y) * (1.0 - 2.0**-50) - y_rad
    tiny = TINY if abs(x) + x_rad > 0.0 else 0.0
    own = (U * (abs(t) + abs(m)) + tiny) / abs(y) + 3.0 * U * abs(r)
    inherited = (x_rad + (abs(hi) + own) * y_rad) / nearest
    return claim(hi, lo, own + inherited + tiny if nearest > 0.0 else INF)


@small
def reciprocal(x: float, x_lo: float, x_rad: float) -> Triple:
    """1 / x."""
    return divide(1.0, 0.0, 0.0, x, x_lo, x_rad)


@small
def sqrt(x: float, x_lo: float, x_rad: float) -> Triple:
    """sqrt(x) = s + (x - s**2) / (2 s) - ..., s = RN(sqrt(hi)); no claim where the interval reaches below 0.

    The remainder hi - s**2 is a float64; the next term of the series is r**2 / (2 s), r the second word.
    """
    s = math.sqrt(abs(x))
    p, e = two_prod(s, s)
    t = ((x - p) - e) + x_lo
    twice = 2.0 * s if s > 0.0 else 1.0
    r = t / twice
    hi, lo = fast_two_sum(s, r)
    tiny = TINY if x > 0.0 else 0.0
    own = (U * abs(t) + r * r + tiny) / twice + U * abs(r) + tiny
    # |sqrt(x) - sqrt(X)| = |x - X| / (sqrt(x) + sqrt(X)) is at most |x - X| / sqrt(X)
    inherited = x_rad / (s * (1.0 - 2.0**-50)) if x_rad > 0.0 else 0.0
    inside = x >= 0.0 and x + (x_lo - x_rad) >= 0.0
    return claim(hi, lo, own + inherited if inside else INF)


@small
def maximum(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """The larger one; |max(x, y) - max(X, Y)| <= max(|x - X|, |y - Y|), the loser's only as far as it overlaps."""
    d, d_lo, d_rad = subtract(x, x_lo, 0.0, y, y_lo, 0.0)
    first = d > 0.0 or (d == 0.0 and d_lo >= 0.0)
    gap = abs(d) * (1.0 - 2.0**-50) - d_rad
    other = (y_rad if first else x_rad) - gap
    rad = x_rad if first else y_rad
    return claim(x if first else y, x_lo if first else y_lo, rad if other <= rad else max(x_rad, y_rad))


@small
def minimum(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """-max(-x, -y)."""
    return negative(*maximum(-x, -x_lo, x_rad, -y, -y_lo, y_rad))


def _words(x: Fraction, *bits: int) -> tuple[float, ...]:
    """Cut x into words of so many bits each, x = w1 + w2 + ... to the last of them."""
    words = []
    for count in bits:
        ulp = Fraction(2) ** (math.frexp(float(x))[1] - count)
        words.append(float(round(x / ulp) * ulp))
        x -= Fraction(words[-1])
    return tuple(words)


# exp(x) = 2**n exp(r) with |r| <= log(2) / 2.  The first word has 32 bits, so n * LN2 is exact for
# |n| < 2**21; three words leave an error below 2**-137, times n < 2**11 below 2**-126.
LN2, LN2_2, LN2_3 = _words(
    Fraction("0.69314718055994530941723212145817656807550013436025525412068000949339362196969472"), 32, 53, 53
)
# The Taylor series runs on r / 2**8, |r| / 2**8 <= 0.00136, up to degree 10:
# what is left out is (r / 2**8)**10 / 11! = 2**-120 of the result.
HALVINGS = 8
_C = [_words(Fraction(1, math.factorial(n)), 53, 53) for n in range(2, 11)]
_C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10 = (c[0] for c in _C)
_C3L, _C4L, _C5L, _C6L = (c[1] for c in _C[1:5])  # 1/2 has no second word, later ones are below 2**-110 of the sum
# Relative error of m = exp(r) - 1 for the r that was computed, in units of u**2 = 2**-106: the series 4 (its
# terms of degree 2 and more are below 0.0007 of it, so the last sum's 3 dominates), eight doublings
# m <- m (2 + m) at 3 each for the sum and in all 1 for the squares, all amplified by at most
# r exp(r) / (exp(r) - 1) <= 1.2: 34.  Where n != 0, r itself is off by 5 u**2 |r|, which is
# 2.5 u**2 in m.
EXPM1_ERROR = 2.0**-100
REDUCTION_ERROR = 2.0**-104


@small
def _plain_add(x: float, x_lo: float, y: float, y_lo: float) -> tuple[float, float]:
    """x + y without a radius, error 3 u**2 |x + y|."""
    s, e = two_sum(x, y)
    t, f = two_sum(x_lo, y_lo)
    s, d = fast_two_sum(s, e + t)
    return fast_two_sum(s, f + d)


@small
def _plain_multiply(x: float, x_lo: float, y: float, y_lo: float) -> tuple[float, float]:
    """x y without a radius, error 5 u**2 |x y|."""
    p, e = two_prod(x, y)
    return fast_two_sum(p, e + (x * y_lo + x_lo * y))


@small
def _reduced_exponential(x: float, x_lo: float) -> tuple[float, float, float, int]:
    """(m, m_lo, m_rad, n) with exp(x) = 2**n (1 + m), for |x| <= 1400."""
    shifted = fma(x, elementary.LOG2_E, SHIFT)
    count = shifted - SHIFT
    a, a_lo = two_sum(x, -count * LN2)
    a, a_lo = fast_two_sum(a, a_lo + x_lo)
    b, b_lo = two_prod(-count, LN2_2)
    r, r_lo = _plain_add(a, a_lo, b, b_lo - count * LN2_3)
    # exp(r) - 1 = r + r**2 (1/2! + r/3! + ...); terms below 2**-53 of the sum need one word
    r, r_lo = r * 2.0**-HALVINGS, r_lo * 2.0**-HALVINGS
    p = _C7 + r * (_C8 + r * (_C9 + r * _C10))
    q, q_lo = two_sum(_C6, r * p)
    q, q_lo = _plain_multiply(q, q_lo + _C6L, r, r_lo)
    q, q_lo = _plain_add(q, q_lo, _C5, _C5L)
    q, q_lo = _plain_multiply(q, q_lo, r, r_lo)
    q, q_lo = _plain_add(q, q_lo, _C4, _C4L)
    q, q_lo = _plain_multiply(q, q_lo, r, r_lo)
    q, q_lo = _plain_add(q, q_lo, _C3, _C3L)
    q, q_lo = _plain_multiply(q, q_lo, r, r_lo)
    q, q_lo = _plain_add(q, q_lo, _C2, 0.0)
    square, square_lo = _plain_multiply(r, r_lo, r, r_lo)
    q, q_lo = _plain_multiply(q, q_lo, square, square_lo)
    m, m_lo = _plain_add(q, q_lo, r, r_lo)
    for _ in range(HALVINGS):  # exp(2 r) - 1 = m (2 + m)
        square, square_lo = _plain_multiply(m, m_lo, m, m_lo)
        m, m_lo = _plain_add(2.0 * m, 2.0 * m_lo, square, square_lo)
    m_rad = EXPM1_ERROR * abs(m) + (REDUCTION_ERROR if count != 0.0 else 0.0)
    return m, m_lo, m_rad, float_bits(shifted) - SHIFT_BITS


@small
def _growth(rad: float) -> float:
    """exp(rad) - 1 <= rad + rad**2 for rad <= 1; no claim beyond."""
    return rad + rad * rad if rad <= 1.0 else INF


@small
def _scaled_exponential(m: float, m_lo: float, m_rad: float, n: int) -> Triple:
    """2**n (1 + m); below 2**-960 words are lost, at most a subnormal unit each."""
    y, y_lo, y_rad = add(1.0, 0.0, 0.0, m, m_lo, m_rad)
    y, y_lo, y_rad = elementary.scale(y, n), elementary.scale(y_lo, n), elementary.scale(y_rad, n)
    return y, y_lo, y_rad + (TINY if n < -900 else 0.0)


@small
def _exp_of_exact(x: float, x_lo: float) -> Triple:
    """exp(hi + lo); beyond [-760, 720] it is 0 with radius TINY, or infinite."""
    reach = clamp(x, -760.0, 720.0)
    m, m_lo, m_rad, n = _reduced_exponential(reach, x_lo if reach == x else 0.0)
    y, y_lo, y_rad = _scaled_exponential(m, m_lo, m_rad, n)
    return y, y_lo, y_rad if y_rad < INF and x < 720.0 else INF


@small
def exp(x: float, x_lo: float, x_rad: float) -> Triple:
    """exp(x); relative radius 2**-99.  |exp(x) - exp(X)| <= exp(X) (exp(x_rad) - 1)."""
    y, y_lo, y_rad = _exp_of_exact(x, x_lo)
    rad = y_rad + ((y + y_rad) * _growth(x_rad) if x_rad > 0.0 else 0.0)
    # an argument that is certainly below -760 gives 0, however wide its interval
    return claim(y, y_lo, TINY if x + x_rad < -760.0 else rad)


@small
def _expm1_of_exact(x: float, x_lo: float) -> Triple:
    """exp(hi + lo) - 1."""
    reach = clamp(x, -760.0, 720.0)
    m, m_lo, m_rad, n = _reduced_exponential(reach, x_lo if reach == x else 0.0)
    y, y_lo, y_rad = add(*_scaled_exponential(m, m_lo, m_rad, n), -1.0, 0.0, 0.0)
    # |x| < 2**-40: x + x**2 / 2 + x**3 / 6, the rest is below 2**-124 |x|
    z, z_lo, z_rad = multiply(x, x_lo, 0.0, 0.5 + x / 6.0, 0.0, U * abs(x))
    z, z_lo, z_rad = multiply(z, z_lo, z_rad, x, x_lo, 0.0)
    z, z_lo, z_rad = add(z, z_lo, z_rad + 2.0**-123 * abs(x), x, x_lo, 0.0)
    near, tiny = n == 0, abs(x) < 2.0**-40
    y, y_lo, y_rad = m if near else y, m_lo if near else y_lo, m_rad if near else y_rad
    y, y_lo, y_rad = z if tiny else y, z_lo if tiny else y_lo, z_rad if tiny else y_rad
    return y, y_lo, y_rad if x < 720.0 else INF


@small
def expm1(x: float, x_lo: float, x_rad: float) -> Triple:
    """exp(x) - 1; relative radius 2**-98."""
    y, y_lo, y_rad = _expm1_of_exact(x, x_lo)
    return claim(y, y_lo, y_rad + ((1.0 + y + y_rad) * _growth(x_rad) if x_rad > 0.0 else 0.0))
