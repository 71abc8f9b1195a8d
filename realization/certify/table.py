"""The table of elementary functions: what each number type needs to know of f.

For y = f(x) a row gives, besides the value (`core.functions`),

    derivative   the partial derivatives, for `Tape`; functions of any number type, None for 0
    variation    sup |f(x + d) - f(x)| over |d| <= e, for `Err`
    roundings    absolute error of a sane implementation with roundoff u
    underflow    the same in units of the smallest normal number
    within       the roundings anywhere within e of x, where the general rule of `Err` would be absurd

and `certified`, its double-double value with radius, which `DD` reads from
`_kernels.dd` under the same name.

A sane implementation is accurate relative to its *result* (log1p and expm1 are
not formed as log(1 + x) and exp(x) - 1).  An exponential may be computed as
exp2(x log2 e): the rounded constant and the rounded product cost 2 |x| u, and
hardware's exp2 another 4 u: the relative error is exp((4 + 2 |x|) u) - 1, which in
coarse formats is more than its first-order term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.functions import cos, exceeds, exp, phi1, phi1_slope, plain, reciprocal, sigmoid, sin, where

Array = Any


@dataclass(frozen=True, slots=True)
class Row:
    """What the number types know of one elementary function."""

    derivative: Callable[..., tuple[Array, ...]]
    variation: Callable[..., Array]
    roundings: Callable[..., Array]
    underflow: Callable[..., Array] = lambda y, *x: 1.0
    within: Callable[..., Array] | None = None


def _exp_error(u: float, x: Array) -> Array:
    """Relative error of an exponential."""
    return np.expm1((4 + 2 * np.abs(x)) * u)


def _positive(x: Array) -> Array:
    """x where it is positive, else 0, and with it a quotient by x that is infinite."""
    return np.maximum(x, 0.0)


def _phi1_slope_roundings(u: float, y: Array, x: Array) -> Array:
    # 1/4 more than the quotient's own: x, being rounded itself, may be a little closer to 0
    size = np.abs(x)
    parts = np.exp(x) * _exp_error(u, x) + 6 * u * phi1(x) + 2 * u * np.exp(x) * phi1(2 * u * size)
    return 4 * u * y + np.where(size > 0, 1.25 * parts / np.where(size > 0, size, 1.0), 0.0)


def _phi1_curvature(y: Array, x: Array) -> Array:
    """phi1'' = (exp(x) - 2 phi1') / x, and 1/3 at 0."""
    zero = plain(x) == 0
    return where(zero, reciprocal(3.0 + 0.0 * x), (exp(x) - 2.0 * y) * reciprocal(where(zero, 1.0, x)))


def _softplus_variation(e: Array, y: Array, x: Array, threshold: float) -> Array:
    jump = np.log1p(np.exp(-threshold)) * ((np.abs(x - threshold) <= e) & (e > 0))
    below = sigmoid(np.minimum(x, threshold)) * np.expm1(e)
    return np.where(x > threshold, e, np.minimum(e, below)) + jump


def _softplus_roundings(u: float, y: Array, x: Array, threshold: float) -> Array:
    # An argument that is uncertain by up to 1 may lie on the other side of the threshold.
    error = 4 * u * y + _exp_error(u, x) * sigmoid(np.minimum(x, threshold))
    return np.where(x > threshold + 1, 0.0, error)


def _silu_variation(e: Array, y: Array, x: Array) -> Array:
    # silu'' = s' (2 + x (1 - 2 s)) is at most 1/2; and s'(x + e) <= s'(x) exp(e), as for the sigmoid s.
    with np.errstate(over="ignore", invalid="ignore"):
        local = sigmoid(x) * sigmoid(-x) * np.exp(e) * (2 + np.abs(x) + e)
        # |silu''(t)| <= (2 + |t|) exp(-|t|), which falls with |t|
        near = np.maximum(np.abs(x) - e, 0.0)
        bend = np.fmin(np.fmin(0.5, local), (2 + near) * np.exp(-near))
    return e * np.abs(_silu_derivative(sigmoid(x), x)) + np.where(bend > 0, bend * e * e / 2, 0.0)


def _silu_roundings(u: float, e: Array, varies: Array, y: Array, x: Array) -> Array:
    """Of |y| (5 u + _exp_error s(-x)), the largest within e of x, where y varies by so much.

    y s(-x) is x s(x) s(-x), and s(x) s(-x) <= exp(-|x|) changes by a factor of exp(e) at most.
    """
    size, near = np.abs(x) + e, np.maximum(np.abs(x) - e, 0.0)
    t = (4 + 2 * size) * u
    damped = np.fmin(sigmoid(x) * sigmoid(-x) * np.exp(e) * np.expm1(t), np.exp(t - near))
    return 5 * u * (np.abs(y) + varies) + size * damped


def _silu_derivative(s: Array, x: Array) -> Array:
    return s * (1 + x * (1 - s))


def _tanh_slope(x: Array) -> Array:
    """1 - tanh(x)^2, which would cancel where |x| is large."""
    return 4 * sigmoid(2 * x) * sigmoid(-2 * x)


TABLE: Mapping[str, Row] = {
    "exp": Row(
        derivative=lambda y, x: (y,),
        variation=lambda e, y, x: y * np.expm1(e),
        roundings=lambda u, y, x: y * _exp_error(u, x),
    ),
    "expm1": Row(
        derivative=lambda y, x: (exp(x),),
        variation=lambda e, y, x: np.exp(x) * np.expm1(e),
        roundings=lambda u, y, x: 4 * u * np.abs(y) + np.expm1(2 * u * np.abs(x)) * np.exp(x),
    ),
    "log1p": Row(
        derivative=lambda y, x: (reciprocal(1 + x),),
        variation=lambda e, y, x: -np.log1p(-np.minimum(e / (1 + x), 1)),
        roundings=lambda u, y, x: 4 * u * np.abs(y),
    ),
    # phi1 is the average of exp(s x) over s in [0, 1], so (log phi1')' lies in (0, 1): phi1'(x + e) <= phi1'(x) exp(e).
    # The roundings are those of expm1(x) / x, as long as exp(x) does not overflow.
    "phi1": Row(
        derivative=lambda y, x: (phi1_slope(x),),
        variation=lambda e, y, x: phi1_slope(x) * np.expm1(e),
        roundings=lambda u, y, x: 6 * u * y + 2 * u * np.exp(x) * phi1(2 * u * np.abs(x)),
    ),
    # Formed as the quotient that defines it, which cancels: a kernel that differentiates expm1(x) / x does so.
    "phi1_slope": Row(
        derivative=lambda y, x: (_phi1_curvature(y, x),),
        variation=lambda e, y, x: y * np.expm1(e),
        roundings=_phi1_slope_roundings,
    ),
    "softplus": Row(
        derivative=lambda y, x, threshold: (sigmoid(x) + exceeds(x, threshold) * sigmoid(-x),),
        variation=_softplus_variation,
        roundings=_softplus_roundings,
    ),
    # The slopes of sigmoid, silu and tanh are formed from y, as everybody does; 1 - y has the absolute error of y.
    # |(log s')'| = |1 - 2 s| <= 1 for s the sigmoid: s'(x + e) <= s'(x) exp(e).
    "sigmoid": Row(
        derivative=lambda y, x: (y * (1 - y),),
        variation=lambda e, y, x: np.minimum(y * sigmoid(-x) * np.expm1(e), 1.0),
        roundings=lambda u, y, x: y * (4 * u + _exp_error(u, x) * sigmoid(-x)),
    ),
    # Formed as x / (1 + exp(-x)) it becomes 0 as soon as exp(-x)
    # overflows, where it is still |x| times the smallest normal number.
    "silu": Row(
        derivative=lambda y, x: (_silu_derivative(sigmoid(x), x),),
        variation=_silu_variation,
        roundings=lambda u, y, x: _silu_roundings(u, 0.0, 0.0, y, x),
        underflow=lambda y, x: 1 + np.abs(x),
        within=_silu_roundings,
    ),
    # tanh(x + d) - tanh(x) = tanh(d) (1 - y^2) / (1 + y tanh(d)), largest in size where d points to 0.
    "tanh": Row(
        derivative=lambda y, x: (1 - y * y,),
        variation=lambda e, y, x: np.tanh(e) * _tanh_slope(x) / (1 - np.abs(y) * np.tanh(e)),
        roundings=lambda u, y, x: 8 * u * np.abs(y),
    ),
    "sqrt": Row(
        derivative=lambda y, x: (0.5 * reciprocal(y),),
        variation=lambda e, y, x: np.where(x > e, e / (y + np.sqrt(np.maximum(x - e, 0))), np.sqrt(e)),
        roundings=lambda u, y, x: 2 * u * y,
    ),
    "reciprocal": Row(
        derivative=lambda y, x: (-(y * y),),
        variation=lambda e, y, x: e * y * y / _positive(1 - e * np.abs(y)),
        roundings=lambda u, y, x: 2 * u * np.abs(y),
    ),
    "sin": Row(
        derivative=lambda y, x: (cos(x),),
        variation=lambda e, y, x: np.minimum(e, 2.0),
        roundings=lambda u, y, x: 4 * u * np.minimum(np.abs(x), 1.0),
    ),
    "cos": Row(
        derivative=lambda y, x: (-sin(x),),
        variation=lambda e, y, x: np.minimum(e, 2.0),
        roundings=lambda u, y, x: 4 * u + 0 * y,
    ),
    "maximum": Row(
        derivative=lambda y, a, b: (exceeds(a, b), 1 - exceeds(a, b)),
        variation=lambda ea, eb, y, a, b: np.maximum(ea, eb),
        roundings=lambda u, y, a, b: 0 * y,
        underflow=lambda y, a, b: 0.0,
    ),
    # A step that the errors may reach is uncertain by its height.
    "exceeds": Row(
        derivative=lambda y, a, b: (None, None),
        variation=lambda ea, eb, y, a, b: 1.0 * (np.abs(a - b) <= ea + eb),
        roundings=lambda u, y, a, b: 0 * y,
        underflow=lambda y, a, b: 0.0,
    ),
    "minimum": Row(
        derivative=lambda y, a, b: (exceeds(b, a), 1 - exceeds(b, a)),
        variation=lambda ea, eb, y, a, b: np.maximum(ea, eb),
        roundings=lambda u, y, a, b: 0 * y,
        underflow=lambda y, a, b: 0.0,
    ),
}
