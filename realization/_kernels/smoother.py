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
    """out = X Y."""
    n, k = X.shape
    m = Y.shape[1]
    for i in range(n):
        for j in range(m):
            out[i, j] = X[i, 0] * Y[0, j] if k else 0.0
        for h in range(1, k):
            a = X[i, h]
            for j in range(m):
                out[i, j] += a * Y[h, j]


@jit
def transposed_product(out: Any, X: Any, Y: Any, rows: int) -> None:
    """out += X' Y over the first rows."""
    for k in range(rows):
        for i in range(X.shape[1]):
            a = X[k, i]
            for j in range(Y.shape[1]):
                out[i, j] += a * Y[k, j]


@jit
def factor(W: Any, Z: Any, F: Any, C: Any, seen: Any) -> int:
    """W W' = F and Z = inv(W) C over the rows that are seen; their number."""
    p, n = C.shape
    q = 0
    for i in range(p):
        if not seen[i]:
            continue
        h = 0
        for j in range(i + 1):
            if not seen[j]:
                continue
            s = F[i, j]
            for k in range(h):
                s -= W[q, k] * W[h, k]
            W[q, h] = np.sqrt(s) if h == q else s / W[h, h]
            h += 1
        for k in range(n):
            Z[q, k] = C[i, k]
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
def vectors(r: Any, x: Any, v: Any, t: int, L: Any, P: Any, W: Any, Z: Any, z: Any, seen: Any) -> None:
    """r[t] = Z' z + L' r[t+1] with z = inv(W) v, and x[t] += P r[t], of one sequence."""
    n, q = len(L), 0
    for i in range(n):
        r[t, i] = 0.0
    for i in range(n):
        a = r[t + 1, i]
        for j in range(n):
            r[t, j] += a * L[i, j]
    for i in range(len(seen)):
        if not seen[i]:
            continue
        s = v[t, i]
        for h in range(q):
            s -= W[q, h] * z[h]
        z[q] = s / W[q, q]
        for j in range(n):
            r[t, j] += Z[q, j] * z[q]
        q += 1
    for i in range(n):
        s = 0.0
        for j in range(n):
            s += P[i, j] * r[t, j]
        x[t, i] += s


@jit
def smooth(r: Any, N: Any, x: Any, V: Any, A: Any, C: Any, K: Any, F: Any, v: Any, seen: Any, first: int) -> None:
    """Fill r and N from T down to `first`, and turn x and V, the predictions, into the smoothed moments.

    S sequences that lack the same outputs: r and x (S, T+1, n), v (S, T, p); N and V (T+1, n, n), r[:, T] and N[T]
    zero; A (1 or T, n, n), C (1 or T, p, n), K (T, n, p), F (T, p, p), seen (T, p).
    """
    T, n, p = K.shape
    L, M, X = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    Z, z, W = np.empty((p, n)), np.empty(p), np.empty((p, p))
    for t in range(T - 1, first - 1, -1):
        At, Ct, Kt, P = A[t % len(A)], C[t % len(C)], K[t], V[t]
        q = factor(W, Z, F[t], Ct, seen[t])
        product(M, Kt, Ct)
        for i in range(n):
            for j in range(n):
                L[i, j] = At[i, j] - M[i, j]
        for s in range(len(r)):
            vectors(r[s], x[s], v[s], t, L, P, W, Z, z, seen[t])
        X[:] = 0.0
        product(M, N[t + 1], L)
        transposed_product(X, L, M, n)
        transposed_product(X, Z, Z, q)
        for i in range(n):
            for j in range(n):
                N[t, i, j] = 0.5 * (X[i, j] + X[j, i])
        product(M, N[t], P)
        product(X, P, M)
        for i in range(n):
            for j in range(i + 1):
                P[i, j] -= 0.5 * (X[i, j] + X[j, i])
                P[j, i] = P[i, j]
