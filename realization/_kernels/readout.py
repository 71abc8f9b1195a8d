"""The softmax read-out over the keys at given places, in one pass over float64 arrays.

Scores of a query lie in a buffer as long as its row of places; their maximum is subtracted, and values are
added with the weights exp(z - m).  The work is that of the (query, key) pairs that are named.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization._kernels.elementary import exp, log1p, tanh
from realization._kernels.jit import jit, small


@small
def score(query: Any, key: Any, b: int, t: int, h: int, g: int, j: int, scale: float, softcap: Any) -> float:
    """cap tanh(scale q'k / cap)."""
    # four sums: one would wait for itself at every term
    K = query.shape[3]
    s, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    for i in range(0, K - 3, 4):
        s += query[b, t, h, i] * key[b, j, g, i]
        s1 += query[b, t, h, i + 1] * key[b, j, g, i + 1]
        s2 += query[b, t, h, i + 2] * key[b, j, g, i + 2]
        s3 += query[b, t, h, i + 3] * key[b, j, g, i + 3]
    for i in range(K - K % 4, K):
        s += query[b, t, h, i] * key[b, j, g, i]
    s = ((s + s1) + (s2 + s3)) * scale
    return s if softcap is None else tanh(s / softcap) * softcap


@jit
def read_out(
    y: Any, lse: Any, query: Any, key: Any, value: Any, places: Any, bias: Any, sink: Any, scale: float, softcap: Any
) -> None:
    """y (B, T, H, V) and lse (B, T, H); places (B|1, T, W), bias (B|1, H|1, T, S) or None, sink (H,) or None."""
    B, T, H, _ = query.shape
    V, W, share = value.shape[3], places.shape[2], max(1, H // key.shape[2])
    z = np.empty(W)
    for b in range(B):
        row = min(b, places.shape[0] - 1)
        for t in range(T):
            for h in range(H):
                top = -math.inf if sink is None else sink[h]
                for w in range(W):
                    j = places[row, t, w]
                    z[w] = -math.inf
                    if j >= 0:
                        # what is hidden is not read: it may be NaN
                        more = 0.0 if bias is None else bias[min(b, bias.shape[0] - 1), min(h, bias.shape[1] - 1), t, j]
                        if more != -math.inf:
                            z[w] = score(query, key, b, t, h, h // share, j, scale, softcap) + more
                    # NaN is passed on, not passed over
                    top = z[w] if z[w] > top or z[w] != z[w] else top
                if top == -math.inf:
                    lse[b, t, h] = -math.inf
                    continue
                # the terms beside one of the largest, so that the logarithm loses nothing
                rest, met = 0.0, 0
                if sink is not None:
                    rest, met = (0.0, 1) if sink[h] == top else (exp(sink[h] - top), 0)
                for w in range(W):
                    if z[w] != -math.inf:
                        e = exp(z[w] - top)
                        if z[w] == top and met == 0:
                            met = 1
                        else:
                            rest += e
                        for i in range(V):
                            y[b, t, h, i] += e * value[b, places[row, t, w], h // share, i]
                for i in range(V):
                    y[b, t, h, i] /= 1.0 + rest
                lse[b, t, h] = top + log1p(rest)


@jit
def join(y: Any, lse: Any, parts: Any, sums: Any) -> None:
    """y (N, V) and lse (N,) of a union of keys, from those of its parts (P, N, V) and (P, N)."""
    P, N, V = parts.shape
    for n in range(N):
        top = -math.inf
        for p in range(P):
            # NaN is passed on, not passed over
            top = sums[p, n] if sums[p, n] > top or sums[p, n] != sums[p, n] else top
        lse[n] = top
        if top == -math.inf:
            continue
        rest, met = 0.0, 0
        for p in range(P):
            if sums[p, n] == -math.inf:
                continue
            w = exp(sums[p, n] - top)
            if sums[p, n] == top and met == 0:
                met = 1
            else:
                rest += w
            for i in range(V):
                y[n, i] += w * parts[p, n, i]
        for i in range(V):
            y[n, i] /= 1.0 + rest
        lse[n] += log1p(rest)
