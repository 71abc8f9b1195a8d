"""Elementary functions with their NumPy meaning.

A map or an epilogue of a layer is a plain Python function of these.  Given arrays
(of floats, complex numbers, or objects such as rationals and balls) they compute
values.  Given a number type (`Err`, `Tape`, `DD`) they hand over to its static
method `__elementary__(name, *arguments)`, and to `_zip(function, items)` where
only the arrangement of the numbers changes.  `_kernels` overloads the same names
for compiled code, so one source serves all readings.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

SOFTPLUS_THRESHOLD = 20.0


def elementary(value: Callable[..., Any]) -> Callable[..., Any]:
    """Let the first argument that is a number type interpret the function."""
    defaults = value.__defaults__ or ()
    required = value.__code__.co_argcount - len(defaults)

    @functools.wraps(value)
    def function(*arguments: Any) -> Any:
        arguments += defaults[len(arguments) - required :]
        for x in arguments:
            if hasattr(type(x), "__elementary__"):
                return type(x).__elementary__(value.__name__, *arguments)
        return value(*(_of_one_kind(x) for x in arguments))

    return function


def _of_one_kind(x: Any) -> Any:
    """An array of objects (balls, rationals) without the plain numbers that a mask or a constant has put among them."""
    if not isinstance(x, np.ndarray) or x.dtype != object:
        return x
    flat = x.ravel()
    kind = next((type(entry) for entry in flat if not isinstance(entry, int | float)), float)
    found = np.empty(flat.shape, object)
    found[:] = [kind(entry) if isinstance(entry, int | float) else entry for entry in flat]
    return found.reshape(x.shape) if kind is not float else found.reshape(x.shape).astype(float)


@elementary
def exp(x: Any) -> Any:
    """exp(x)."""
    return np.exp(x)


@elementary
def expm1(x: Any) -> Any:
    """exp(x) - 1, accurate near 0."""
    return np.expm1(x)


@elementary
def log1p(x: Any) -> Any:
    """log(1 + x), accurate near 0."""
    return np.log1p(x)


@elementary
def sin(x: Any) -> Any:
    """sin(x)."""
    return np.sin(x)


@elementary
def cos(x: Any) -> Any:
    """cos(x)."""
    return np.cos(x)


@elementary
def sqrt(x: Any) -> Any:
    """sqrt(x)."""
    return np.sqrt(x)


@elementary
def reciprocal(x: Any) -> Any:
    """1 / x."""
    return 1 / x


@elementary
def phi1(x: Any) -> Any:
    """(exp(x) - 1) / x, and 1 at 0: the average of exp over [0, x]."""
    zero = x == 0
    return np.where(zero, 1, np.expm1(x) / np.where(zero, 1, x))


@elementary
def phi1_slope(x: Any) -> Any:
    """(exp(x) - phi1(x)) / x, and 1/2 at 0: the derivative of phi1."""
    # The quotient cancels near 0, where the series 1/2 + x/3 + x^2/8 + ... serves; exact objects lose nothing to it.
    x = np.asarray(x)
    small = x == 0 if x.dtype == object else np.abs(x) < 0.5
    near, far = np.where(small, x, 0), np.where(small, 1, x)
    series = sum(near**k / (math.factorial(k) * (k + 2)) for k in range(16))
    return np.where(small, series, (np.exp(x) - phi1(x)) / far)


@elementary
def softplus(x: Any, threshold: float = SOFTPLUS_THRESHOLD) -> Any:
    """log(1 + exp(x)) up to the threshold, x beyond it.

    The threshold belongs to the definition: at 20 it costs 2e-9, which is 9e6
    units in the last place of a float64.
    """
    below = np.where(x > threshold, -x, x)  # not used beyond the threshold, where exp(x) would overflow
    return np.where(x > threshold, x, np.log1p(np.exp(below)))


@elementary
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(np.where(x > 0, -x, x))
    return np.where(x > 0, 1, e) / (1 + e)


@elementary
def silu(x: Any) -> Any:
    """x / (1 + exp(-x))."""
    return x * sigmoid(x)


@elementary
def tanh(x: Any) -> Any:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return np.tanh(x)


@elementary
def maximum(x: Any, y: Any) -> Any:
    """The larger of x and y."""
    return np.where(x > y, x, y)


@elementary
def minimum(x: Any, y: Any) -> Any:
    """The smaller of x and y."""
    return np.where(x < y, x, y)


@elementary
def exceeds(x: Any, y: Any) -> Any:
    """1 where x > y, else 0."""
    return np.where(x > y, 1.0, 0.0)


@elementary
def cast(x: Any, form: Any) -> Any:
    """Round to a number format once, to nearest, ties to even (see `rounding`)."""
    from realization.core.rounding import round_to

    return round_to(x, form)


def contract(x: Any, y: Any, axes: Any = -1) -> Any:
    """Sum of x y over axes (of the broadcast product): what a matrix unit does, whose arithmetic a claim describes."""
    for a in (x, y):
        if hasattr(type(a), "__contract__"):
            return type(a).__contract__(x, y, axes)
    return total(x * y, axes)


def total(x: Any, axes: Any) -> Any:
    """Sum over one or several axes as one sum, whose order no claim fixes."""
    axes = normal_axes(axes, len(x.shape))
    if not axes:
        return x
    count, front = math.prod(x.shape[axis] for axis in axes), range(len(axes))

    def merged(x: Any) -> Any:
        x = np.moveaxis(x, axes, front)
        return x.reshape(count, *x.shape[len(axes) :])

    return arrange(lambda parts: merged(parts[0]), (x,)).sum(0)


def plain(x: Any) -> Any:
    """The float64 numbers (or objects) that stand for numbers of any type, to decide a branch."""
    while not isinstance(x, np.ndarray | float | int):
        x = x.value if hasattr(x, "value") else x.hi
    return x


def normal_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front."""
    return tuple(axis % ndim for axis in (axes if isinstance(axes, tuple) else (axes,)))


def arrange(rearrangement: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> Any:
    """Apply to `items` a function of arrays that moves numbers but does no arithmetic."""
    for x in items:
        if hasattr(type(x), "_zip"):
            return type(x)._zip(rearrangement, items)
    return rearrangement(items)


def concatenate(items: Sequence[Any], axis: int) -> Any:
    """Join arrays of any one number type along an axis."""
    return arrange(lambda parts: np.concatenate(parts, axis=axis), items)


def stack(items: Sequence[Any], axis: int) -> Any:
    """Stack arrays of any one number type along a new axis."""
    return arrange(lambda parts: np.stack(parts, axis=axis), items)


def broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """Repeat an array of any number type to a shape."""
    return arrange(lambda parts: np.broadcast_to(parts[0], shape), (x,))


def where(mask: Any, x: Any, y: Any) -> Any:
    """Select x where the mask holds, y elsewhere; the mask is a plain array."""
    return arrange(lambda parts: np.where(mask, parts[0], parts[1]), (x, y))
