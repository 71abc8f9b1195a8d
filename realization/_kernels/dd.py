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
from fractions import Fraction

import numpy as np

from realization._kernels import elementary
from realization._kernels.elementary import SHIFT, SHIFT_BITS, clamp
from realization._kernels.jit import float_bits, fma, int_to_float_bits, small, two_prod

Triple = tuple[float, float, float]

INF = math.inf
U = 2.0**-53
GROW = 1.0 + 2.0**-48
TINY = 2.0**-1070
LOST = 2.0**-900  # numbers below it may lose second words


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
def claim(hi: float, lo: float, rad: float) -> Triple:
    """Inflate a radius for its own roundings; whatever overflowed or is NaN claims nothing."""
    rad *= GROW
    return hi, lo, rad if rad < INF and abs(hi) < INF else INF


@small
def negative(x: float, x_lo: float, x_rad: float) -> Triple:
    """-x, exactly."""
    return -x, -x_lo, x_rad


@small
def add(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x + y; own error at most 3 u**2 |x + y|, also under cancellation (Joldes et al., algorithm 6).

    Where 4 u**2 |hi| underflows, so does the error, which is a multiple of the smallest subnormal.
    """
    s, e = two_sum(x, y)
    t, f = two_sum(x_lo, y_lo)
    c = e + t
    s, d = fast_two_sum(s, c)
    w = f + d
    hi, lo = fast_two_sum(s, w)
    own = min(U * (abs(c) + abs(w)), 4.0 * U * U * abs(hi))
    return claim(hi, lo, own + (x_rad + y_rad))


@small
def subtract(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x - y."""
    return add(x, x_lo, x_rad, -y, -y_lo, y_rad)


@small
def product(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x y as (p, low, rad), not yet renormalised: |low| <= 4 u |p|, and rad not yet inflated.

    Rounded are both cross terms, their sum and the low word; neglected is |x_lo y_lo| <= u |x y_lo|.
    The radii of the arguments enter as |x| y_rad + (|y| + y_rad) x_rad.
    """
    p, e = two_prod(x, y)
    first, second = x * y_lo, x_lo * y
    low = e + (first + second)
    own = U * (3.0 * abs(first) + (2.0 * abs(second) + abs(low))) + TINY
    x_size, y_size = abs(x) + x_rad, abs(y) + y_rad
    # 0 times anything is exact, and so are p + e of two float64 numbers above the underflow of e
    blurred = (abs(x_lo) + x_rad) + (abs(y_lo) + y_rad) > 0.0 or abs(p) < LOST
    inherited = abs(x) * y_rad + y_size * x_rad
    return p, low, inherited + (own if blurred and min(x_size, y_size) > 0.0 else 0.0)


@small
def multiply(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x y; own error at most 5 u**2 |x y| (Joldes et al., algorithm 11)."""
    p, low, rad = product(x, x_lo, x_rad, y, y_lo, y_rad)
    hi, lo = fast_two_sum(p, low)
    return claim(hi, lo, rad)


@small
def accumulate(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """x + y for sums of products: own error at most 2 u (|x_lo| + |y_lo|), not small against a cancelling sum.

    A product is uncertain by as much, so a sum of products loses nothing, and half the
    work of `add` is saved.  The operands may be products that are not renormalised: with
    low words below 4 u of theirs, the leading sum s is either larger than w, or the operands nearly cancel and s
    is a multiple of the last place of w; both make fast_two_sum exact.

    The result is inflated but not guarded: NaN and inf stay in the radius for `guard` to see.
    """
    s, e = two_sum(x, y)
    v = x_lo + y_lo
    w = e + v
    hi, lo = fast_two_sum(s, w)
    return hi, lo, (U * (abs(v) + abs(w)) + (x_rad + y_rad)) * GROW


@small
def guard(hi: float, lo: float, rad: float) -> Triple:
    """Let whatever overflowed or is NaN claim nothing."""
    return hi, lo, rad if rad < INF and abs(hi) < INF else INF


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
    blurred = (abs(x_lo) + x_rad) + (abs(y_lo) + y_rad) + abs(d) > 0.0 or min(abs(p), abs(q)) < LOST
    tiny = TINY if blurred and abs(x) + x_rad > 0.0 else 0.0
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
    tiny = TINY if x > 0.0 and (t != 0.0 or x < LOST) else 0.0
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


@small
def exceeds(x: float, x_lo: float, x_rad: float, y: float, y_lo: float, y_rad: float) -> Triple:
    """1 where x > y, else 0; uncertain by 1 where the intervals meet."""
    d, d_lo, d_rad = subtract(x, x_lo, x_rad, y, y_lo, y_rad)
    certain = d_rad == 0.0 or abs(d) * (1.0 - 2.0**-50) > d_rad
    above = d > 0.0 or (d == 0.0 and d_lo > 0.0)
    return 1.0 if above else 0.0, 0.0, 0.0 if certain else (1.0 if d_rad < INF else INF)


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
    # 2**-1000: what underflow can lose where x is tiny
    floor = REDUCTION_ERROR if count != 0.0 else (2.0**-1000 if x != 0.0 else 0.0)
    m_rad = EXPM1_ERROR * abs(m) + floor
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
    c, c_lo = fast_two_sum(0.5, x / 6.0)
    z, z_lo, z_rad = multiply(x, x_lo, 0.0, c, c_lo, U * abs(x))
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
    return claim(y, y_lo, y_rad + (((1.0 + y) + y_lo + y_rad) * _growth(x_rad) if x_rad > 0.0 else 0.0))


@small
def phi1(x: float, x_lo: float, x_rad: float) -> Triple:
    """(exp(x) - 1) / x, and 1 at 0; relative radius 2**-97, and (log phi1)' lies in (0, 1)."""
    e, e_lo, e_rad = _expm1_of_exact(x, x_lo)
    y, y_lo, y_rad = divide(e, e_lo, e_rad, x if x != 0.0 else 1.0, x_lo, 0.0)
    # |x| < 2**-40: 1 + x (1/2 + x/6), the rest is below 2**-124
    c, c_lo = fast_two_sum(0.5, x / 6.0)
    z, z_lo, z_rad = multiply(x, x_lo, 0.0, c, c_lo, U * abs(x))
    z, z_lo, z_rad = add(1.0, 0.0, 0.0, z, z_lo, z_rad + 2.0**-84 * abs(x))
    tiny = abs(x) < 2.0**-40
    y, y_lo, y_rad = z if tiny else y, z_lo if tiny else y_lo, z_rad if tiny else y_rad
    return claim(y, y_lo, y_rad + ((y + y_rad) * _growth(x_rad) if x_rad > 0.0 else 0.0))


# 1 / (k! (k + 2)), the Taylor coefficients of phi1'.
SLOPE = np.array([_words(Fraction(1, math.factorial(k) * (k + 2)), 53, 53) for k in range(8)])


@small
def phi1_slope(x: float, x_lo: float, x_rad: float) -> Triple:
    """(exp(x) - phi1(x)) / x, and 1/2 at 0; relative radius 2**-80, and (log phi1')' lies in (0, 1)."""
    far = abs(x) >= 2.0**-12
    n, n_lo, n_rad = subtract(*_exp_of_exact(x, x_lo), *phi1(x, x_lo, 0.0))
    y, y_lo, y_rad = divide(n, n_lo, n_rad, x if far else 1.0, x_lo, 0.0)
    # |x| < 2**-12: eight terms, and x**8 / (8! 10) bounds half of what is left out
    z, z_lo, z_rad = SLOPE[7, 0], SLOPE[7, 1], U * U
    for k in range(6, -1, -1):
        z, z_lo, z_rad = multiply(z, z_lo, z_rad, x, x_lo, 0.0)
        z, z_lo, z_rad = add(z, z_lo, z_rad, SLOPE[k, 0], SLOPE[k, 1], U * U if k else 0.0)
    x4 = x * x * x * x
    y, y_lo, y_rad = y if far else z, y_lo if far else z_lo, y_rad if far else z_rad + x4 * x4 * (2.0 / 403200.0)
    return claim(y, y_lo, y_rad + ((y + y_rad) * _growth(x_rad) if x_rad > 0.0 else 0.0))


@small
def log1p(x: float, x_lo: float, x_rad: float) -> Triple:
    """log(1 + x); relative radius 2**-97.  One step of Newton's method from the float64 value:

    log(1 + x) = y + log(1 + d),    d = (1 + x) exp(-y) - 1,    log(1 + d) = d - d**2 / 2 + ...

    With exp(y) = 2**n (1 + m) the numerator of d is x - m for n = 0, where 1 + x would lose the digits of a small x.
    """
    s, s_lo, s_rad = add(1.0, 0.0, 0.0, x, x_lo, 0.0)
    y = elementary.log_of_sum(s if s > 0.0 else 1.0, s_lo)
    y = y if abs(x) >= 2.0**-40 else x
    y = clamp(y, -760.0, 720.0)
    m, m_lo, m_rad, n = _reduced_exponential(y, 0.0)
    e, e_lo, e_rad = add(1.0, 0.0, 0.0, m, m_lo, m_rad)
    r, r_lo, r_rad = elementary.scale(s, -n), elementary.scale(s_lo, -n), elementary.scale(s_rad, -n)
    near = n == 0
    a, a_lo, a_rad = subtract(
        x if near else r, x_lo if near else r_lo, 0.0 if near else r_rad,
        m if near else e, m_lo if near else e_lo, m_rad if near else e_rad,
    )  # fmt: skip
    d, d_lo, d_rad = divide(a, a_lo, a_rad, e, e_lo, e_rad)
    # d**2 / 2 needs one word: it is below 2**-96 of y
    y, y_lo, y_rad = add(y, 0.0, 0.0, d, d_lo - 0.5 * d * d, d_rad + 2.0 * U * (abs(d_lo) + d * d) + abs(d * d * d))
    # |x| < 2**-40: x - x**2 (1/2 - x/3), the rest is below 2**-121 |x|
    c, c_lo = fast_two_sum(-0.5, x / 3.0)
    z, z_lo, z_rad = multiply(x, x_lo, 0.0, c, c_lo, U * abs(x))
    z, z_lo, z_rad = multiply(z, z_lo, z_rad, x, x_lo, 0.0)
    z, z_lo, z_rad = add(z, z_lo, z_rad + 2.0**-121 * abs(x), x, x_lo, 0.0)
    tiny = abs(x) < 2.0**-40
    y, y_lo, y_rad = z if tiny else y, z_lo if tiny else y_lo, z_rad if tiny else y_rad
    nearest = s * (1.0 - 2.0**-50) - x_rad  # lower bound of 1 + x in the interval
    valid = (nearest > 0.0 and abs(d) < 2.0**-40) or (tiny and x_rad < 0.5)
    return claim(y, y_lo, y_rad + x_rad / nearest if valid else INF)


@small
def _decaying_exponential(x: float, x_lo: float) -> Triple:
    """exp(-|x|)."""
    sign = -1.0 if x > 0.0 else 1.0
    return _exp_of_exact(sign * x, sign * x_lo)


@small
def softplus(x: float, x_lo: float, x_rad: float, threshold: float) -> Triple:
    """max(x, 0) + log(1 + exp(-|x|)) up to the threshold, x beyond it; both where the interval holds the threshold."""
    e, e_lo, e_rad = claim(*_decaying_exponential(x, x_lo))
    s, s_lo, s_rad = log1p(e, e_lo, e_rad)
    positive = x > 0.0
    y, y_lo, y_rad = add(x if positive else 0.0, x_lo if positive else 0.0, 0.0, s, s_lo, s_rad)
    # softplus' = sigmoid <= min(1, exp(x))
    slope = 1.0 if positive or x_rad > 1.0 else min(1.0, (e + e_rad) * (1.0 + 2.0 * x_rad))
    y_rad = y_rad + slope * x_rad
    d, _, d_rad = add(x, x_lo, 0.0, -threshold, 0.0, 0.0)
    distance, blur = abs(d) * (1.0 - 2.0**-50), d_rad + x_rad
    above = d > 0.0 and distance > blur
    below = d <= 0.0 and distance >= blur
    # in doubt, add the height of the jump: softplus(x) - x = log(1 + exp(-|x|)) + max(-x, 0)
    jump = 0.0 if below else (s + (0.0 if positive else -x)) * (1.0 + 2.0**-40) + 2.0 * x_rad
    rad = x_rad if above else y_rad + jump
    return claim(x if above else y, x_lo if above else y_lo, rad)


@small
def sigmoid(x: float, x_lo: float, x_rad: float) -> Triple:
    """1 / (1 + exp(-x)); with e = exp(-|x|) it is 1 / (1 + e) or e / (1 + e), and sigmoid' = e / (1 + e)**2."""
    e, e_lo, e_rad = claim(*_decaying_exponential(x, x_lo))
    d, d_lo, d_rad = add(1.0, 0.0, 0.0, e, e_lo, e_rad)
    positive = x > 0.0
    y, y_lo, y_rad = divide(
        1.0 if positive else e, 0.0 if positive else e_lo, 0.0 if positive else e_rad, d, d_lo, d_rad
    )
    # |(log sigmoid')'| <= 1 bounds the slope in the interval; the function stays in (0, 1) anyhow, and
    # next to one end of it where the whole interval lies beyond 760
    change = min((e + e_rad) * _growth(x_rad), 1.0) if x_rad > 0.0 else 0.0
    change = TINY if abs(x) - x_rad > 760.0 else change
    return claim(y, y_lo, y_rad + change if x_rad < INF else INF)


@small
def silu(x: float, x_lo: float, x_rad: float) -> Triple:
    """x sigmoid(x)."""
    return multiply(x, x_lo, x_rad, *sigmoid(x, x_lo, x_rad))


@small
def tanh(x: float, x_lo: float, x_rad: float) -> Triple:
    """-m / (2 + m) at m = exp(-2 |x|) - 1, with the sign of x; tanh' = 1 - tanh**2 <= 1, and |tanh| <= 1."""
    sign = -1.0 if x > 0.0 else 1.0
    m, m_lo, m_rad = claim(*_expm1_of_exact(2.0 * sign * x, 2.0 * sign * x_lo))
    d, d_lo, d_rad = add(2.0, 0.0, 0.0, m, m_lo, m_rad)
    y, y_lo, y_rad = divide(sign * m, sign * m_lo, m_rad, d, d_lo, d_rad)
    return claim(y, y_lo, y_rad + min(x_rad, 2.0) if x_rad < INF else INF)


# pi / 2 in four words: the first two have 23 bits, so n times them is exact for |n| <= 2**30; what
# is left out, and the rounding of n times the last word, are below |n| 2**-149.
PI_2, PI_2_2, PI_2_3, PI_2_4 = _words(
    Fraction("1.5707963267948966192313216916397514420985846996875529104874722961539082031431045"), 23, 23, 53, 53
)
TWO_OVER_PI = 0.6366197723675814
# cos(r) and sin(r) / r as polynomials of r**2; what is left out is r**30 / 30! < 2**-117.
SERIES = np.array(
    [[_words(Fraction((-1) ** n, math.factorial(2 * n + odd)), 53, 53) for n in range(15)] for odd in (0, 1)]
)
# The last sum's 3 u**2, the product's 5 before it times r**2 / 2 <= 0.31, the error 5 of r**2 times
# 0.31, further steps shrinking by r**2 / 12, divided by cos(r) >= 0.7, and the product with r: below 20 u**2.
CIRCLE_ERROR = 2.0**-101


@small
def _reduced_angle(x: float, x_lo: float) -> tuple[float, float, float, int]:
    """(r, r_lo, r_rad, n) with x = n pi / 2 + r, |r| <= pi / 4; for |x| <= 2**30."""
    shifted = fma(x, TWO_OVER_PI, SHIFT)
    n = shifted - SHIFT
    r, r_lo, r_rad = add(x, x_lo, 0.0, -n * PI_2, 0.0, 0.0)
    r, r_lo, r_rad = add(r, r_lo, r_rad, -n * PI_2_2, 0.0, 0.0)
    b, b_lo = two_prod(-n, PI_2_3)
    r, r_lo, r_rad = add(r, r_lo, r_rad, b, b_lo - n * PI_2_4, abs(n) * 2.0**-149)
    return r, r_lo, r_rad, float_bits(shifted) - SHIFT_BITS


@small
def _circle(x: float, x_lo: float, x_rad: float, shift: int) -> Triple:
    """cos(x - shift pi / 2): shift 0 is cos, 1 is sin.  Beyond 2**30 only |cos| <= 1 is claimed."""
    near = abs(x) <= 2.0**30
    r, r_lo, r_rad, n = _reduced_angle(x if near else 0.0, x_lo if near else 0.0)
    turn = n - shift
    odd = turn & 1
    z, z_lo = _plain_multiply(r, r_lo, r, r_lo)
    y, y_lo = SERIES[odd, 14, 0], SERIES[odd, 14, 1]
    for i in range(13, -1, -1):
        y, y_lo = _plain_multiply(y, y_lo, z, z_lo)
        y, y_lo = _plain_add(y, y_lo, SERIES[odd, i, 0], SERIES[odd, i, 1])
    if odd:
        y, y_lo = _plain_multiply(y, y_lo, r, r_lo)
    # cos(r + turn pi / 2) = cos r, -sin r, -cos r, sin r
    sign = -1.0 if ((turn + 1) & 2) else 1.0
    rad = (CIRCLE_ERROR * abs(y) + TINY if r != 0.0 else 0.0) + (r_rad + x_rad)
    useful = near and rad < 1.0
    rad = rad if useful else (1.0 if x_rad < INF and abs(x) < INF else INF)
    return claim(sign * y if useful else 0.0, sign * y_lo if useful else 0.0, rad)


@small
def cos(x: float, x_lo: float, x_rad: float) -> Triple:
    """cos(x); |cos(x) - cos(X)| <= |x - X|."""
    return _circle(x, x_lo, x_rad, 0)


@small
def sin(x: float, x_lo: float, x_rad: float) -> Triple:
    """sin(x)."""
    return _circle(x, x_lo, x_rad, 1)


@small
def rounds_to_hi(hi: float, lo: float, rad: float) -> bool:
    """Whether every number of the interval rounds to the float64 hi (Ziv's test).

    Rounding is monotone, so the two ends decide; they are moved outwards by the rounding of lo -+ rad.
    """
    low, high = lo - rad, lo + rad
    spread = 2.0**-52 * (abs(lo) + rad) + 2.0**-1074 if rad > 0.0 else 0.0
    return abs(hi) < INF and rad < INF and hi + (low - spread) == hi and hi + (high + spread) == hi


@small
def _to_odd(a: float, b: float, c: float) -> float:
    """a + b + c rounded to odd: where inexact, the neighbour whose last bit is 1.

    Rounding the result to at most 51 bits then gives what rounding the exact sum gives.
    Used with |c| below the last place of b.
    """
    b, c = two_sum(b, c)
    s, f = two_sum(a, b)
    rest = f + c  # its sign is exact
    bits = float_bits(s)
    away = (rest > 0.0) == (s > 0.0)
    odd = int_to_float_bits(bits + (1 if away else -1))
    odd = odd if s != 0.0 else math.copysign(5e-324, rest)
    return odd if rest != 0.0 and (bits & 1) == 0 else s


@small
def ends(hi: float, lo: float, rad: float) -> tuple[float, float]:
    """The ends of the interval, rounded to odd; -inf and inf where nothing is claimed."""
    claimed = rad < INF
    low, high = _to_odd(hi, lo, -rad), _to_odd(hi, lo, rad)
    return low if claimed else -INF, high if claimed else INF
