"""Recursive least squares by rotations of a triangle, one step after the other.

    [R z] <- Q [sqrt(f) R  sqrt(f) z]          R' R = f R' R + x x',      R' z = f R' z + x y',
               [x'          y'       ]

with Q orthogonal, so that R' R theta = R' z are the normal equations without the squares of the data ever being
formed: errors are those of the condition of R and not of its square.  What x predicts is g' z with R' g = x; the
coefficients themselves are not needed for it.
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import Any

import numpy as np

from realization._kernels.jit import jit


@jit
def start(R: Any, renewed: Any, left: Any, ridge: float) -> None:
    """[R z] = [sqrt(ridge) I, 0]: nothing was seen."""
    n, width = R.shape
    renewed[0] = 0
    for i in range(n):
        left[i] = ridge
        for j in range(width):
            R[i, j] = sqrt(ridge) if i == j else 0.0


@jit
def predict(y: Any, R: Any, w: Any) -> None:
    """y = g' z with R' g = x; w holds x at first."""
    n, m = R.shape[0], y.shape[0]
    for j in range(m):
        y[j] = 0.0
    for i in range(n):
        g = w[i] / R[i, i]
        for j in range(i + 1, n):
            w[j] -= g * R[i, j]
        for j in range(m):
            y[j] += g * R[i, n + j]


@jit
def absorb(R: Any, w: Any, first: int, root: float) -> None:
    """[R z] <- rotations of root [R z] and the row w, which is 0 before `first`; a row of zeros may stay one."""
    n, width = R.shape
    for i in range(first, n):
        a, b = root * R[i, i], w[i]
        r = hypot(a, b)
        if r == 0.0:
            continue
        c, s = a / r, b / r
        R[i, i] = r
        for j in range(i + 1, width):
            a, b = root * R[i, j], w[j]
            R[i, j], w[j] = c * a + s * b, c * b - s * a


@jit
def run(
    prediction: Any, R: Any, renewed: Any, left: Any, x: Any, y: Any, begins: Any, forgetting: float, ridge: float
) -> None:
    """Predict y (B, T, m) from x (B, T, n), each step from those before it; [R z] (B, n, n+m) and the rest go on.

    The ridge would fade with the data: one coordinate's is made whole in each step, `renewed` (B, 1) counts them
    and left (B, n) is what they have.
    """
    B, T, n = x.shape
    m = y.shape[2]
    w, root = np.empty(n + m), sqrt(forgetting)
    for b in range(B):
        for t in range(T):
            if begins[b, t]:
                start(R[b], renewed[b], left[b], ridge)
            for i in range(n):
                w[i] = x[b, t, i]
            predict(prediction[b, t], R[b], w)
            for i in range(n):
                w[i] = x[b, t, i]
            for i in range(m):
                w[n + i] = y[b, t, i]
            absorb(R[b], w, 0, root)
            if forgetting < 1.0 and n > 0:
                for i in range(n):
                    left[b, i] *= forgetting
                k = renewed[b, 0]
                for i in range(n + m):
                    w[i] = 0.0
                w[k] = sqrt(ridge - left[b, k])
                absorb(R[b], w, k, 1.0)
                left[b, k], renewed[b, 0] = ridge, (k + 1) % n
