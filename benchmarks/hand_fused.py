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
