"""The whitened square of innovations against the covariance of those before them, step by step.

    s(t) = (nu + n) |inv(L) e(t)|^2,    L L' = nu Sigma0 + e(t-n) e(t-n)' + ... + e(t-1) e(t-1)'

A Cholesky factor takes one innovation in m^2 (rotations of Givens, which are stable), and no inverse is kept: the
order of all sums is fixed, and nothing drifts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization._kernels.jit import jit, small
from realization._kernels.least_squares import absorb


@small
def square(L: Any, e: Any, z: Any, floor: float) -> float:
    """|inv(L) e|^2, and -1 where a pivot is rounding of its row (the sum of its sizes: no square is taken)."""
    total = 0.0
    for i in range(e.shape[0]):
        r, size = e[i], L[i, i]
        for k in range(i):
            r -= L[i, k] * z[k]
            size += abs(L[i, k])
        if not L[i, i] > floor * size:
            return -1.0
        z[i] = r / L[i, i]
        total += z[i] * z[i]
    return total


@jit
def whitened(
    e: Any, begins: Any, count: Any, L: Any, first_count: float, first: Any, running: bool, floor: float, out: Any
) -> None:
    """out (B, T) of e (B, T, m); count (B,) and L (B, m, m) go on, from `first` at every beginning; 0 without one.

    Not running: count and L stay as they are.
    """
    B, T, m = e.shape
    x, z = np.empty(m), np.empty(m)
    for b in range(B):
        for t in range(T):
            if running and begins[b, t]:
                count[b] = first_count
                for i in range(m):
                    for k in range(m):
                        L[b, i, k] = first[i, k]
            # roundings of the rotations add up like a random walk
            value = square(L[b], e[b, t], z, floor * np.sqrt(max(count[b], 1.0)))
            out[b, t] = count[b] * value if value >= 0.0 else 0.0
            if running:
                count[b] += 1.0
                for i in range(m):
                    x[i] = e[b, t, i]
                absorb(L[b].T, x, 0, 1.0)
