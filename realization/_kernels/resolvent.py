"""C inv(z I - H) B for many z and an upper Hessenberg H: n^2 products for each z, where a dense solve takes n^3/3.

Gaussian elimination with partial pivoting compares each pivot with the one entry below it.
Its growth is at most n (Wilkinson), so that a solution is exact for a matrix that is
within about n^2 eps |z I - H| of the given one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization._kernels.jit import jit


@jit
def resolvent(out: Any, z: Any, H: Any, B: Any, C: Any) -> int:
    """Write out (K, p, m) for z (K,), H (n, n), B (n, m), C (p, n), all complex; the first z that is a pole, or -1."""
    n, m = B.shape
    M = np.empty((n, n), np.complex128)
    X = np.empty((n, m), np.complex128)
    for k in range(z.shape[0]):
        for i in range(n):
            for j in range(max(i - 1, 0), n):
                M[i, j] = -H[i, j]
            M[i, i] += z[k]
            for l in range(m):
                X[i, l] = B[i, l]
        for i in range(n):
            if i + 1 < n and abs(M[i + 1, i]) > abs(M[i, i]):
                for j in range(i, n):
                    M[i, j], M[i + 1, j] = M[i + 1, j], M[i, j]
                for l in range(m):
                    X[i, l], X[i + 1, l] = X[i + 1, l], X[i, l]
            if M[i, i] == 0.0:
                return k
            if i + 1 < n:
                factor = M[i + 1, i] / M[i, i]
                for j in range(i + 1, n):
                    M[i + 1, j] -= factor * M[i, j]
                for l in range(m):
                    X[i + 1, l] -= factor * X[i, l]
        for i in range(n - 1, -1, -1):
            for j in range(i + 1, n):
                for l in range(m):
                    X[i, l] -= M[i, j] * X[j, l]
            for l in range(m):
                X[i, l] /= M[i, i]
        for i in range(out.shape[1]):
            for l in range(m):
                total = 0.0j
                for j in range(n):
                    total += C[i, j] * X[j, l]
                out[k, i, l] = total
    return -1
