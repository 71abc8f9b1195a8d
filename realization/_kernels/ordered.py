"""Products of tokens and weights whose bits do not depend on how many tokens there are.

    y(r, j) = b(j) + w(j, 0) x(r, 0) + w(j, 1) x(r, 1) + ...      in this order, one rounding after the other

A matrix product of BLAS takes other paths for other numbers of rows, and so does an elementary function of
NumPy for the last few numbers of an array.  What decides whether a token is kept goes through here, so that
blocks of any length decide alike.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from realization._kernels.elementary import silu
from realization._kernels.jit import jit
from realization._kernels.views import entry

_floats = partial(entry, dtype=np.float64)
ROWS = 4  # that share a load of the weight; each has accumulators of its own


@jit
def _product(y: Any, x: Any, weight: Any, bias: Any) -> None:
    """y (N, m) of x (N, n), weight (n, m) and bias (m,) or None; outputs are innermost, so that the loop vectorises."""
    N, n = x.shape
    m = weight.shape[1]
    for r in range(N):
        for j in range(m):
            y[r, j] = 0.0 if bias is None else bias[j]
    whole = N - N % ROWS
    for r in range(0, whole, ROWS):
        for i in range(n):
            x0, x1, x2, x3 = x[r, i], x[r + 1, i], x[r + 2, i], x[r + 3, i]
            for j in range(m):
                w = weight[i, j]
                y[r, j] += x0 * w
                y[r + 1, j] += x1 * w
                y[r + 2, j] += x2 * w
                y[r + 3, j] += x3 * w
    for r in range(whole, N):
        for i in range(n):
            for j in range(m):
                y[r, j] += x[r, i] * weight[i, j]


@jit
def _normalise(y: Any, x: Any, weight: Any, gate: Any, eps: float, after: bool) -> None:
    """y (N, g, n) = x / sqrt(mean(x^2) + eps) weight, with the gate silu(z) before the norm or after it."""
    N, G, n = x.shape
    for r in range(N):
        for g in range(G):
            total = 0.0
            for i in range(n):
                y[r, g, i] = x[r, g, i]
                if gate is not None and not after:
                    y[r, g, i] *= silu(gate[r, g, i])
                total += y[r, g, i] * y[r, g, i]
            factor = 1.0 / math.sqrt(total / max(n, 1) + eps)
            for i in range(n):
                y[r, g, i] = y[r, g, i] * factor * weight[g, i]
                if gate is not None and after:
                    y[r, g, i] *= silu(gate[r, g, i])


@jit
def _gate(y: Any, z: Any, x: Any) -> None:
    """y (N,) = silu(z) x."""
    for i in range(z.shape[0]):
        y[i] = silu(z[i]) * x[i]


@jit
def _turns(cosine: Any, sine: Any, positions: Any, frequencies: Any) -> None:
    """cos and sin (N, r) of position times frequency."""
    for t in range(positions.shape[0]):
        for i in range(frequencies.shape[0]):
            angle = positions[t] * frequencies[i]
            cosine[t, i], sine[t, i] = math.cos(angle), math.sin(angle)


def linear(x: Any, weight: Any, bias: Any = None) -> np.ndarray:
    """Return x W' + b.

    Parameters
    ----------
    x : ndarray
        (..., n).
    weight : ndarray
        W, (m, n).
    bias : ndarray, optional
        b, (m,).

    Returns
    -------
    ndarray
        (..., m); the bits of a row depend on this row alone.

    Examples
    --------
    >>> x, W = np.random.default_rng(0).standard_normal((2, 37, 5))
    >>> bool((linear(x, W)[7:9] == linear(x[7:9], W)).all())
    True
    """
    (m, n), lead = weight.shape, x.shape[:-1]
    y = np.empty((math.prod(lead), m))
    _product(y, _floats(x, (len(y), n)), _floats(weight.T, (n, m)), _floats(bias, (m,)))
    return y.reshape(*lead, m)


def rms_norm(x: Any, weight: Any, eps: float, *, gate: Any = None, after: bool = False) -> np.ndarray:
    """Return x / sqrt(mean(x^2) + eps) weight, each group by itself, with a gate silu(z) before or after it.

    Parameters
    ----------
    x : ndarray
        (..., g n).
    weight : ndarray
        (g, n).
    eps : float
        Added to the mean square.
    gate : ndarray, optional
        z, of the shape of x.
    after : bool
        Whether the norm comes before the gate.

    Returns
    -------
    ndarray
        Of the shape of x.
    """
    shape = (math.prod(x.shape[:-1]), *weight.shape)
    y = np.empty(shape)
    _normalise(y, _floats(x, shape), _floats(weight, weight.shape), _floats(gate, shape), float(eps), after)
    return y.reshape(x.shape)


def gated(z: Any, x: Any) -> np.ndarray:
    """Return silu(z) x.

    Parameters
    ----------
    z, x : ndarray
        Of one shape.

    Returns
    -------
    ndarray
        Of the same shape; the bits of an entry depend on this entry alone.
    """
    y = np.empty(x.size)
    _gate(y, _floats(z, y.shape), _floats(x, y.shape))
    return y.reshape(x.shape)


def turns(positions: Any, frequencies: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the tables of rotary positions.

    Parameters
    ----------
    positions : ndarray of int
        (...).
    frequencies : ndarray
        Radians per token (r,).

    Returns
    -------
    tuple of ndarray
        cos and sin, (..., r).
    """
    shape = (positions.size, frequencies.size)
    cosine, sine = np.empty(shape), np.empty(shape)
    _turns(cosine, sine, _floats(positions.astype(np.float64), shape[:1]), _floats(frequencies, shape[1:]))
    whole = (*positions.shape, frequencies.size)
    return cosine.reshape(whole), sine.reshape(whole)
