"""The recurrence between its map and its epilogue, in one pass over float64 arrays.

    g(t) = step(log_decay(t), ...)              the map, e.g. softplus(raw + bias)
    a(t) = exp(g(t) rate),    v(t) = write(value(t), g(t))
    S(t) = S(t-1) o a(t) + w(t) o (v(t) k(t)'),     w = 1 or phi1(g(t) rate)
    y(t) = after(S(t) q(t), ...)                the epilogue, e.g. skip and gate

The exponentials are nearly all of the time, and memory traffic is the rest; hence:

- step, write and after are the plain functions that the definition calls, compiled into
  the loop; neither g nor a is ever stored for more than one step of one tile.
- A sum over the keys has a fixed order and cannot be vectorised, a loop over the values
  can.  So values are innermost: a state is S[k, v] for a tile of 64 values, read out into
  one accumulator per value, and buffers have one row per key, or one row that all share.
- What is None is left out: Numba compiles per type and removes the branch.  Arguments of
  step and after come as tuples; `pick` takes from each its number at a place, so that a
  None remains a None and a constant has no copy for each step.

Axes are batch, time, head, key, value; sizes that are shared are 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from realization._kernels.elementary import exp, expm1, phi1
from realization._kernels.jit import small, specialise
from realization.core.functions import cos, sin

TILE = 64  # 8 / 16 / 32 / 64: 163 / 127 / 77 / 67 ms on one size


def at(x: Any, b: int, t: int, h: int, k: int, v: int) -> Any:
    """The number of x there: x has the axes (B, T, H, K, V) or (H, K, V), or is a number or None."""
    raise NotImplementedError("compiled only")


def pick(arguments: Any, b: int, t: int, h: int, k: int, v: int) -> Any:
    """The numbers of all arguments there."""
    raise NotImplementedError("compiled only")


@overload(at, jit_options={"forceinline": True})
def _at(x, b, t, h, k, v):  # type: ignore[no-untyped-def]
    axes = getattr(x, "ndim", 0)
    if axes == 5:
        return lambda x, b, t, h, k, v: x[b, t, h, k, v]
    if axes == 3:
        return lambda x, b, t, h, k, v: x[h, k, v]
    return lambda x, b, t, h, k, v: x


@overload(pick, jit_options={"forceinline": True})
def _pick(arguments, b, t, h, k, v):  # type: ignore[no-untyped-def]
    if len(arguments) == 0:
        return lambda arguments, b, t, h, k, v: ()
    return lambda arguments, b, t, h, k, v: (at(arguments[0], b, t, h, k, v), *pick(arguments[1:], b, t, h, k, v))


@small
def load(S: Any, x: Any, s: int, b: int, h: int, first: int, count: int) -> None:
    """S[k, v] = x[s, b, h, first + v, k]; 0 where x is None."""
    for k in range(S.shape[0]):
        for v in range(count):
            if x is None:
                S[k, v] = 0.0
            else:
                S[k, v] = x[s, b, h, first + v, k]


@small
def decay(a: Any, weight: Any, g: Any, rate: Any, h: int, first: int, count: int) -> None:
    """a = exp(g rate), weight = phi1(g rate); once for all values where neither g nor rate tells them apart."""
    for k in range(a.shape[0]):
        i, j = min(k, g.shape[0] - 1), min(k, rate.shape[1] - 1)
        for v in range(count):
            x = g[i, v] * rate[h, j, first + v]
            a[k, v] = exp(x)
            if weight is not None:
                weight[k, v] = phi1(x)
