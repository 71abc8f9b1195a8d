"""The recurrence between its map and its epilogue, in one pass over float64 arrays.

    g(t) = step(log_decay(t), ...)                     the map, e.g. softplus(raw + bias)
    a(t) = exp(g(t) rate),    v(t) = write(value(t), g(t))
    S(t) = S~ - (S~ c(t)) d(t)' + w(t) o (v(t) k(t)'),    S~ = S(t-1) o a(t),    w = 1, or phi1(g(t) rate)
    y(t) = after(S(t) q(t), ...)                       the epilogue, e.g. skip and gate

Exponentials take nearly all of the time, and memory traffic the rest; hence:

- step, write and after are the plain functions that the definition calls, compiled into
  the loop; neither g nor a is stored for more than one step of one tile.
- A sum over the keys has a fixed order and cannot be vectorised, a loop over the values
  can.  So values are innermost: S[k, v] for a tile of values, and one accumulator for each.
  Other buffers have one row per key, or a single one that all keys share.
- What is None is left out: Numba compiles for the types of the arguments and removes the
  branch.  `pick` takes from each argument of step and after the number at a place, so
  that None stays None, and a constant needs no copy for each step.

Arrays have the axes (batch, time, head, key, value), those of states (sequence, batch,
head, value, key); a size that is shared is 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import cos, sin
from typing import Any

import numpy as np
from numba.extending import overload

from realization._kernels.elementary import exp, expm1, phi1
from realization._kernels.jit import small, specialise

# 64 / 128 / 256 / 768: 102 / 91 / 83 / 73 ms on one size with K = 16; with 256 a state of
# K = 128 still fits into the second cache.
TILE = 256


def at(x: Any, b: int, t: int, h: int, k: int, v: int) -> Any:
    """The number of x there: x has the axes (B, T, H, K, V) or (H, K, V), or is a number or None."""
    raise NotImplementedError("this function is compiled")


def pick(arguments: Any, b: int, t: int, h: int, k: int, v: int) -> Any:
    """The numbers of all arguments there."""
    raise NotImplementedError("this function is compiled")


@overload(at, jit_options={"forceinline": True})
def _at(x, b, t, h, k, v):  # type: ignore[no-untyped-def]
    # unsigned: the test for a negative index would keep the loop over v from vectorising
    axes = getattr(x, "ndim", 0)
    if axes == 5:
        return lambda x, b, t, h, k, v: x[b, t, h, np.uint64(k), np.uint64(v)]
    if axes == 3:
        return lambda x, b, t, h, k, v: x[h, np.uint64(k), np.uint64(v)]
    return lambda x, b, t, h, k, v: x


@overload(pick, jit_options={"forceinline": True})
def _pick(arguments, b, t, h, k, v):  # type: ignore[no-untyped-def]
    if len(arguments) == 0:
        return lambda arguments, b, t, h, k, v: ()
    return lambda arguments, b, t, h, k, v: (at(arguments[0], b, t, h, k, v),) + pick(arguments[1:], b, t, h, k, v)


@small
def fill(out: Any, function: Any, arguments: Any, b: int, t: int, h: int, first: int, count: int) -> None:
    """out[k, v] = function(arguments there), evaluated once for all values where they share the first argument."""
    alike = arguments[0].shape[4] == 1
    for k in range(out.shape[0]):
        if alike:
            x = function(*pick(arguments, b, t, h, k, 0))
            for v in range(count):
                out[k, v] = x
        else:
            for v in range(count):
                out[k, v] = function(*pick(arguments, b, t, h, k, first + v))


@small
def decays(a: Any, w: Any, g: Any, rate: Any, hold: Any, h: int, first: int, count: int) -> None:
    """a = exp(g rate), and w = phi1(g rate) under hold."""
    alike = rate.shape[2] == 1
    for k in range(a.shape[0]):
        i, j = min(k, g.shape[0] - 1), min(k, rate.shape[1] - 1)
        if alike:
            x = g[i, 0] * rate[h, j, 0]
            decay, weight = exp(x), 1.0 if hold is None else phi1(x)
            for v in range(count):
                a[k, v], w[k, v] = decay, weight
        else:
            for v in range(count):
                x = g[i, v] * at(rate, 0, 0, h, j, first + v)
                a[k, v] = exp(x)
                if hold is not None:
                    w[k, v] = phi1(x)


@small
def turns(a: Any, w: Any, g: Any, rate: Any, angle: Any, spin: Any, hold: Any, h: int, first: int, count: int) -> None:
    """a = exp(z), and w = phi1(z) under hold, at z = g rate + i angle spin; see `transition.complex_phi1`.

    Imaginary parts lie in the second half of the rows.
    """
    P = a.shape[0] // 2
    for k in range(P):
        i, j = min(k, g.shape[0] - 1), min(k, rate.shape[1] - 1)
        m, n = min(k, angle.shape[0] - 1), min(k, spin.shape[1] - 1)
        for v in range(count):
            x = g[i, v] * at(rate, 0, 0, h, j, first + v)
            y = angle[m, v] * at(spin, 0, 0, h, n, first + v)
            modulus, c, s = exp(x), cos(y), sin(y)
            a[k, v], a[P + k, v] = modulus * c, modulus * s
            if hold is not None:
                zero, half = x == 0.0 and y == 0.0, sin(0.5 * y)
                scale = 1.0 / (1.0 if zero else x * x + y * y)
                re, im = expm1(x) * c - 2.0 * (half * half), modulus * s
                w[k, v] = 1.0 if zero else (re * x + im * y) * scale
                w[P + k, v] = 0.0 if zero else (im * x - re * y) * scale


@small
def advance(
    S: Any, y: Any, a: Any, w: Any, x: Any, key: Any, query: Any, hold: Any, b: int, t: int, h: int, count: int
) -> None:
    """S = S o a + w o (x k'),  y = S q."""
    for v in range(count):
        y[v] = 0.0
    for i in range(S.shape[0]):
        row = min(i, a.shape[0] - 1)
        k, q = key[b, t, h, i], query[b, t, h, i]
        for v in range(count):
            write = x[v] * k
            if hold is not None:
                write = w[row, v] * write
            S[i, v] = a[row, v] * S[i, v] + write
            y[v] += S[i, v] * q


@small
def replace(
    S: Any, y: Any, old: Any, a: Any, x: Any, key: Any, query: Any, c: Any, d: Any,
    b: int, t: int, h: int, heads: int, count: int,
) -> None:  # fmt: skip
    """S = S o a,  S = S - (S c) d' + x k',  y = S q."""
    g, m, n = h * key.shape[2] // heads, h * c.shape[2] // heads, h * d.shape[2] // heads
    for v in range(count):
        y[v], old[v] = 0.0, 0.0
    for i in range(S.shape[0]):
        row, probe = min(i, a.shape[0] - 1), c[b, t, m, i]
        for v in range(count):
            S[i, v] = a[row, v] * S[i, v]
            old[v] += S[i, v] * probe
    for i in range(S.shape[0]):
        k, q, strike = key[b, t, g, i], query[b, t, g, i], d[b, t, n, i]
        for v in range(count):
            S[i, v] = (S[i, v] - old[v] * strike) + x[v] * k
            y[v] += S[i, v] * q


@small
def turn(
    S: Any, y: Any, a: Any, w: Any, x: Any, key: Any, query: Any, hold: Any, b: int, t: int, h: int, count: int
) -> None:
    """The same in complex numbers: rows i and P + i are real and imaginary part."""
    P, rows = S.shape[0] // 2, a.shape[0] // 2
    for v in range(count):
        y[v] = 0.0
    for i in range(P):
        row = min(i, rows - 1)
        k, l, q, r = key[b, t, h, i], key[b, t, h, P + i], query[b, t, h, i], query[b, t, h, P + i]
        for v in range(count):
            re, im = x[v] * k, x[v] * l
            if hold is not None:
                u, z = w[row, v], w[rows + row, v]
                re, im = u * re - z * im, z * re + u * im
            c, s, X, Y = a[row, v], a[rows + row, v], S[i, v], S[P + i, v]
            S[i, v] = (c * X - s * Y) + re
            S[P + i, v] = (s * X + c * Y) + im
            y[v] += S[i, v] * q + S[P + i, v] * r


@small
def load(S: Any, initial: Any, s: int, b: int, h: int, first: int, count: int) -> None:
    """The state before the first step; 0 by default."""
    for k in range(S.shape[0]):
        for v in range(count):
            if initial is None:
                S[k, v] = 0.0
            else:
                S[k, v] = initial[s, b, h, first + v, k]


@small
def store(states: Any, S: Any, s: int, b: int, h: int, first: int, count: int) -> None:
    """Hand out the state, if it is asked for."""
    if states is not None:
        for v in range(count):
            for k in range(S.shape[0]):
                states[s, b, h, first + v, k] = S[k, v]


@small
def forget(S: Any, reset: Any, b: int, t: int) -> None:
    """S = 0 where a reset is asked for."""
    if reset is not None and reset[b, t]:
        for k in range(S.shape[0]):
            for v in range(S.shape[1]):
                S[k, v] = 0.0


@small
def enter(x: Any, write: Any, value: Any, g: Any, b: int, t: int, h: int, first: int, count: int) -> None:
    """x(t) = write(value(t), g(t))."""
    for v in range(count):
        x[v] = write(at(value, b, t, h, 0, first + v), g[0, v])


@small
def leave(out: Any, after: Any, y: Any, rest: Any, b: int, t: int, h: int, first: int, count: int) -> None:
    """out(t) = after(y, ...)."""
    for v in range(count):
        out[b, t, h, np.uint64(first + v)] = after(y[v], *pick(rest, b, t, h, 0, first + v))


@small
def buffers(K: int, tile: int, steps: Any, rate: Any, angles: Any, spin: Any) -> Any:
    """S, y, x, g, angle, a, w of one tile; where there is no decay, g = 0 and a = 1."""
    g, angle, rows = np.zeros((1, tile)), np.zeros((1, tile)), 1
    if steps is not None:
        g = np.empty((steps[0].shape[3], tile))
        rows = max(g.shape[0], rate.shape[1])
    if angles is not None:
        angle = np.empty((angles[0].shape[3], tile))
        rows = 2 * max(rows, angle.shape[0], spin.shape[1])
    return np.empty((K, tile)), np.empty(tile), np.empty(tile), g, angle, np.ones((rows, tile)), np.empty((rows, tile))


def _layer(
    out: Any, final: Any, states: Any, bounds: Any, value: Any, key: Any, query: Any, steps: Any, rate: Any,
    spin: Any, angles: Any, erase_key: Any, erase_value: Any, hold: Any, reset: Any, initial: Any, rest: Any,
) -> None:  # fmt: skip
    """All sequences, heads and tiles, one after the other; `make_kernel` binds step, write and after."""
    B, _, H, _, V = value.shape
    share = max(1, H // key.shape[2])
    old = np.empty(min(TILE, V))
    S, y, x, g, angle, a, w = buffers(key.shape[3], min(TILE, V), steps, rate, angles, spin)
    for s in range(len(bounds) - 1):
        for b in range(B):
            for h in range(H):
                for first in range(0, V, TILE):
                    count = min(TILE, V - first)
                    load(S, initial, s, b, h, first, count)
                    for t in range(bounds[s], bounds[s + 1]):
                        forget(S, reset, b, t)
                        if steps is not None:
                            fill(g, step, steps, b, t, h, first, count)  # type: ignore[name-defined]  # noqa: F821
                        enter(x, write, value, g, b, t, h, first, count)  # type: ignore[name-defined]  # noqa: F821
                        if angles is None:
                            if steps is not None:
                                decays(a, w, g, rate, hold, h, first, count)
                            if erase_key is None:
                                advance(S, y, a, w, x, key, query, hold, b, t, h // share, count)
                            else:
                                replace(S, y, old, a, x, key, query, erase_key, erase_value, b, t, h, H, count)
                        else:
                            fill(angle, step, angles, b, t, h, first, count)  # type: ignore[name-defined]  # noqa: F821
                            turns(a, w, g, rate, angle, spin, hold, h, first, count)
                            turn(S, y, a, w, x, key, query, hold, b, t, h // share, count)
                        leave(out, after, y, rest, b, t, h, first, count)  # type: ignore[name-defined]  # noqa: F821
                        store(states, S, t, b, h, first, count)
                    store(final, S, s, b, h, first, count)


@functools.cache
def make_kernel(step: Callable[..., Any], write: Callable[..., Any], after: Callable[..., Any]) -> Any:
    """Compile the recurrence with these functions inlined.

    Parameters
    ----------
    step : callable
        (log_decay, ...) -> g; also applied to the angle.
    write : callable
        (value, g) -> v, with the g of the first key.
    after : callable
        (y, ...) -> output.

    Returns
    -------
    Dispatcher
        Takes the arguments of `_layer` and writes out, final and states.
    """
    return specialise(_layer, step=small(step), write=small(write), after=small(after))
