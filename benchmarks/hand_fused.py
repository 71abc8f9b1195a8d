"""The selective scan written by hand for one case: softplus, bias, skip and gate, real A, no initial state.

What `realization._kernels.recurrence` makes of general parts is measured against it.
"""

import numpy as np

from realization._kernels.elementary import exp, silu, softplus
from realization._kernels.jit import jit

TILE = 256


@jit
def selective_scan(u, delta, A, B, C, D, z, bias, y, final):
    """Write y (b, T, d) and final (b, d, n); A is (n, d)."""
    batch, T, d = u.shape
    n = A.shape[0]
    S, acc, step, value = np.empty((n, TILE)), np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for b in range(batch):
        for first in range(0, d, TILE):
            count = min(TILE, d - first)
            for k in range(n):
                for v in range(count):
                    S[k, v] = 0.0
            for t in range(T):
                for v in range(count):
                    i = np.uint64(first + v)
                    step[v] = softplus(delta[b, t, i] + bias[i], 20.0)
                    value[v] = step[v] * u[b, t, i]
                    acc[v] = 0.0
                for k in range(n):
                    for v in range(count):
                        S[k, v] = exp(step[v] * A[k, np.uint64(first + v)]) * S[k, v] + value[v] * B[b, t, k]
                        acc[v] += S[k, v] * C[b, t, k]
                for v in range(count):
                    i = np.uint64(first + v)
                    y[b, t, i] = (acc[v] + D[i] * u[b, t, i]) * silu(z[b, t, i])
            for v in range(count):
                for k in range(n):
                    final[b, first + v, k] = S[k, v]


@jit
def given_decays(value, key, query, decay, y):
    """S = a o S + v k', y = S q in plain float64; decay (b, T, V or 1, K or 1), one head."""
    batch, T, d = value.shape
    n = key.shape[2]
    per_value, per_key = min(decay.shape[2] - 1, 1), min(decay.shape[3] - 1, 1)
    S, acc, a, write = np.empty((n, TILE)), np.empty(TILE), np.empty(TILE), np.empty(TILE)
    for b in range(batch):
        for first in range(0, d, TILE):
            count = min(TILE, d - first)
            for k in range(n):
                for v in range(TILE):
                    S[k, v] = 0.0
            for t in range(T):
                for v in range(count):
                    write[v] = value[b, t, first + v]
                    acc[v] = 0.0
                for k in range(n):
                    if per_key or k == 0:
                        for v in range(count):
                            a[v] = decay[b, t, (first + v) * per_value, k * per_key]
                    for v in range(count):
                        S[k, v] = a[v] * S[k, v] + write[v] * key[b, t, k]
                        acc[v] += S[k, v] * query[b, t, k]
                for v in range(count):
                    y[b, t, first + v] = acc[v]
