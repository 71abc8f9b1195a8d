"""The functions of `dd` over arrays of triples: one compiled loop each, made on first use.

The three words of a result are collected in one small block and copied out.  Written
straight into three arrays, the loop would need more overlap tests between arrays than the
compiler is willing to make, and would not vectorise.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from realization._kernels import dd
from realization._kernels.jit import jit, small, specialise

BLOCK = 64
Words = tuple[np.ndarray, np.ndarray, np.ndarray]

# The templates; `operation` is bound by `specialise`.
operation: Any = None


def flat(words: Words) -> list[np.ndarray]:
    """Return one-dimensional contiguous views, read-only: compiled code is made once per type of argument."""
    views = [np.ascontiguousarray(word).reshape(-1).view() for word in words]
    for view in views:
        view.flags.writeable = False
    return views


@jit
def _copy_out(block, start, count, y, y_lo, y_rad):  # type: ignore[no-untyped-def]
    for i in range(count):
        y[start + i] = block[i]
        y_lo[start + i] = block[i + BLOCK]
        y_rad[start + i] = block[i + 2 * BLOCK]


def _unary(x, x_lo, x_rad, parameter, y, y_lo, y_rad):  # type: ignore[no-untyped-def]
    block = np.empty(3 * BLOCK)
    for start in range(0, x.size, BLOCK):
        count = min(BLOCK, x.size - start)
        a, a_lo, a_rad = x[start:], x_lo[start:], x_rad[start:]
        for i in range(count):
            block[i], block[i + BLOCK], block[i + 2 * BLOCK] = operation(a[i], a_lo[i], a_rad[i], parameter)
        _copy_out(block, start, count, y, y_lo, y_rad)


def _binary(x, x_lo, x_rad, z, z_lo, z_rad, y, y_lo, y_rad):  # type: ignore[no-untyped-def]
    block = np.empty(3 * BLOCK)
    for start in range(0, x.size, BLOCK):
        count = min(BLOCK, x.size - start)
        a, a_lo, a_rad = x[start:], x_lo[start:], x_rad[start:]
        b, b_lo, b_rad = z[start:], z_lo[start:], z_rad[start:]
        for i in range(count):
            block[i], block[i + BLOCK], block[i + 2 * BLOCK] = operation(
                a[i], a_lo[i], a_rad[i], b[i], b_lo[i], b_rad[i]
            )
        _copy_out(block, start, count, y, y_lo, y_rad)


def _ignoring_parameter(f: Any) -> Any:
    def with_parameter(x, x_lo, x_rad, parameter):  # type: ignore[no-untyped-def]
        return f(x, x_lo, x_rad)

    return small(with_parameter)


UNARY = ("exp", "expm1", "log1p", "phi1", "phi1_slope", "sigmoid", "silu", "tanh", "sqrt", "reciprocal", "sin", "cos")
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "exceeds")


@functools.cache
def loop(name: str) -> Any:
    """Return the compiled loop of the function of `dd` of that name."""
    if name in BINARY:
        return specialise(_binary, operation=getattr(dd, name))
    f = getattr(dd, name)
    return specialise(_unary, operation=f if name == "softplus" else _ignoring_parameter(f))


def apply(name: str, *arguments: Words, parameter: float = 0.0) -> Words:
    """Apply a function of `dd` to triples of arrays of one shape.

    Parameters
    ----------
    name : str
        One of UNARY, BINARY, or "softplus".
    *arguments : tuple of ndarray
        Triples (hi, lo, rad) of float64 arrays.
    parameter : float
        The threshold of softplus.

    Returns
    -------
    tuple of ndarray
        The triple of the result, of the same shape.
    """
    shape = arguments[0][0].shape
    inputs = [view for words in arguments for view in flat(words)]
    extra = () if name in BINARY else (parameter,)
    result = tuple(np.empty(inputs[0].size) for _ in range(3))
    loop(name)(*inputs, *extra, *result)
    return tuple(word.reshape(shape) for word in result)  # type: ignore[return-value]


@jit
def _sum_rows(x, x_lo, x_rad, y, y_lo, y_rad):  # type: ignore[no-untyped-def]
    n = y.size
    for j in range(n):
        s, s_lo, s_rad = 0.0, 0.0, 0.0
        for i in range(j, x.size, n):
            s, s_lo, s_rad = dd.add(s, s_lo, s_rad, x[i], x_lo[i], x_rad[i])
        y[j], y_lo[j], y_rad[j] = s, s_lo, s_rad


def sum_first(words: Words) -> Words:
    """Sum a triple of arrays over their first axis, in order."""
    shape = words[0].shape[1:]
    result = tuple(np.empty(math.prod(shape)) for _ in range(3))
    _sum_rows(*flat(words), *result)
    return tuple(word.reshape(shape) for word in result)  # type: ignore[return-value]


@jit
def _normalise(x, x_lo, x_rad):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        hi, lo = dd.two_sum(x[i], x_lo[i])
        valid = x_rad[i] >= 0.0 and abs(hi) < np.inf
        x[i], x_lo[i], x_rad[i] = hi, lo if valid else 0.0, x_rad[i] if valid else np.inf


def normalise(words: Words) -> Words:
    """Copy a triple so that hi = RN(hi + lo); what is not finite, or has no radius >= 0, claims nothing."""
    shape = words[0].shape
    fresh = tuple(np.array(word, dtype=np.float64, order="C").reshape(-1) for word in words)
    _normalise(*fresh)
    return tuple(word.reshape(shape) for word in fresh)  # type: ignore[return-value]


@jit
def _decide(x, x_lo, x_rad, decided):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        decided[i] = dd.rounds_to_hi(x[i], x_lo[i], x_rad[i])


def decided(words: Words) -> np.ndarray:
    """Return where every number of the interval rounds to the float64 hi."""
    result = np.empty(words[0].size, dtype=np.bool_)
    _decide(*flat(words), result)
    return result.reshape(words[0].shape)


@jit
def _ends(x, x_lo, x_rad, low, high):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        low[i], high[i] = dd.ends(x[i], x_lo[i], x_rad[i])


def ends(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the intervals, rounded to odd: to fewer bits they round as the exact ends do."""
    low, high = np.empty(words[0].size), np.empty(words[0].size)
    _ends(*flat(words), low, high)
    return low.reshape(words[0].shape), high.reshape(words[0].shape)
