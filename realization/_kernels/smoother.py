"""Backward recursion of the fixed-interval smoother: no covariance is inverted but that of the innovations.

    r(t-1) = C' inv(F) v + L' r(t),    N(t-1) = C' inv(F) C + L' N(t) L,    L = A - K C

    x(t|T) = x(t|t-1) + P r(t-1),      V(t) = P - P N(t-1) P,               P = P(t|t-1)

r[t] and N[t] hold r(t-1) and N(t-1): what the outputs from t on say of x(t).  All arrays are C-contiguous;
inner loops run along rows, so that they vectorise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization._kernels.jit import jit


@jit
def product(out: Any, X: Any, Y: Any) -> None:
    """out = X Y: two rows and four columns at a time, so that sums do not wait for each other."""
    n, m = X.shape[0], Y.shape[1]
    rows, columns = n - n % 2, m - m % 4
    for i in range(0, rows, 2):
        for j in range(0, columns, 4):
            a = b = c = d = e = f = g = h = 0.0
            for k in range(len(Y)):
                x, z = X[i, k], X[i + 1, k]
                y0, y1, y2, y3 = Y[k, j], Y[k, j + 1], Y[k, j + 2], Y[k, j + 3]
                a += x * y0
                b += x * y1
                c += x * y2
                d += x * y3
                e += z * y0
                f += z * y1
                g += z * y2
                h += z * y3
            out[i, j], out[i, j + 1], out[i, j + 2], out[i, j + 3] = a, b, c, d
            out[i + 1, j], out[i + 1, j + 1], out[i + 1, j + 2], out[i + 1, j + 3] = e, f, g, h
    for i in range(n):
        for j in range(columns if i < rows else 0, m):
            a = 0.0
            for k in range(len(Y)):
                a += X[i, k] * Y[k, j]
            out[i, j] = a


@jit
def factor(W: Any, Z: Any, F: Any, C: Any, seen: Any, t: int, c: int) -> int:
    """W W' = F[t] and Z = inv(W) C[c] over the rows that are seen; their number."""
    p, n = Z.shape
    q = 0
    for i in range(p):
        if not seen[t, i]:
            continue
        h = 0
        for j in range(i + 1):
            if not seen[t, j]:
                continue
            s = F[t, i, j]
            for k in range(h):
                s -= W[q, k] * W[h, k]
            W[q, h] = np.sqrt(s) if h == q else s / W[h, h]
            h += 1
        for k in range(n):
            Z[q, k] = C[c, i, k]
        for h in range(q):
            a = W[q, h]
            for k in range(n):
                Z[q, k] -= a * Z[h, k]
        a = 1.0 / W[q, q]
        for k in range(n):
            Z[q, k] *= a
        q += 1
    return q


@jit
def vectors(r: Any, x: Any, v: Any, s: int, t: int, L: Any, P: Any, W: Any, Z: Any, z: Any, seen: Any) -> None:
    """r[t] = Z' z + L' r[t+1] with z = inv(W) v, and x[t] += P r[t], of sequence s."""
    n, q = len(L), 0
    for j in range(n):
        r[s, t, j] = 0.0
    for i in range(n):
        a = r[s, t + 1, i]
        for j in range(n):
            r[s, t, j] += a * L[i, j]
    for i in range(len(W)):
        if not seen[t, i]:
            continue
        a = v[s, t, i]
        for h in range(q):
            a -= W[q, h] * z[h]
        z[q] = a / W[q, q]
        for j in range(n):
            r[s, t, j] += Z[q, j] * z[q]
        q += 1
    for i in range(n):
        a = r[s, t, i]
        for j in range(n):
            x[s, t, j] += a * P[i, j]


@jit
def smooth(r: Any, N: Any, x: Any, V: Any, A: Any, C: Any, K: Any, F: Any, v: Any, seen: Any, first: int) -> None:
    """Fill r and N from T down to `first`, and turn x and V, the predictions, into the smoothed moments.

    S sequences that lack the same outputs: r and x (S, T+1, n), v (S, T, p); N and V (T+1, n, n), r[:, T] and N[T]
    zero; A (1 or T, n, n), C (1 or T, p, n), K (T, n, p), F (T, p, p), seen (T, p).
    """
    T, n, p = K.shape
    L, Lt, M = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    P, X, Y = np.empty((n, n)), np.zeros((n, n)), np.empty((n, n))
    Z, z, W = np.empty((p, n)), np.empty(p), np.empty((p, p))
    for t in range(T - 1, first - 1, -1):
        a, c = t % len(A), t % len(C)
        q = factor(W, Z, F, C, seen, t, c)
        for i in range(n):
            for j in range(n):
                L[i, j] = A[a, i, j]
                P[i, j] = V[t, i, j]
            for h in range(p):
                k = K[t, i, h]
                for j in range(n):
                    L[i, j] -= k * C[c, h, j]
            for j in range(n):
                Lt[j, i] = L[i, j]
        for s in range(len(r)):
            vectors(r, x, v, s, t, L, P, W, Z, z, seen)
        # X is N(t), and becomes N(t-1)
        product(M, X, L)
        product(Y, Lt, M)
        for i in range(n):
            for h in range(q):
                k = Z[h, i]
                for j in range(n):
                    Y[i, j] += k * Z[h, j]
        for i in range(n):
            for j in range(n):
                X[i, j] = 0.5 * (Y[i, j] + Y[j, i])
                N[t, i, j] = X[i, j]
        product(M, X, P)
        product(Y, P, M)
        for i in range(n):
            for j in range(n):
                V[t, i, j] = P[i, j] - 0.5 * (Y[i, j] + Y[j, i])
