"""States of a system over one sequence, added in place.

    linear      out(t) += F x(t)
    varying     out(t) += F(t) x(t)
    bilinear    out(t) += sum_i v_i(t) F_i x(t)

With out = x[1:] this is the recurrence x(t+1) = F x(t) + drive(t), where x[1:] holds the
drive before; with out = y it is a read-out.  So one loop serves both, and no loop may
assume that out and x lie apart: the sum of a step is kept in a buffer of its own.

Measured at m = p = 4 and 20 000 steps: loops are as fast as BLAS at n = 64 and faster
below; products of matrices instead of products with vectors pay from about n = 200.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from realization._kernels.jit import jit

LOOPS = 64  # states from which a step is left to BLAS
LIFT = 200  # states from which blocks of BLOCK steps, or one step of several sequences, are one product of matrices
BLOCK = 8
AT_ONCE = 128  # blocks
SPARSE = 8  # entries for each one that is not zero, from which only those are visited


@jit
def linear_loop(out: Any, Ft: Any, x: Any) -> None:
    """out(t) += F x(t); Ft = F' (n, q), so that the inner loop runs along memory and vectorises."""
    n, q = Ft.shape
    total = np.empty(q, out.dtype)
    for t in range(out.shape[0]):
        for i in range(q):
            total[i] = out[t, i]
        for j in range(n):
            a = x[t, j]
            for i in range(q):
                total[i] += Ft[j, i] * a
        for i in range(q):
            out[t, i] = total[i]


@jit
def linear_blas(out: Any, F: Any, x: Any) -> None:
    """out(t) += F x(t), F (q, n), a step as one product of BLAS."""
    total = np.empty(F.shape[0], out.dtype)
    for t in range(out.shape[0]):
        np.dot(F, x[t], total)
        for i in range(F.shape[0]):
            out[t, i] += total[i]


@jit
def varying_loop(out: Any, F: Any, x: Any) -> None:
    """out(t) += F(t) x(t), F (T, q, n)."""
    T, q, n = F.shape
    total = np.empty(q, out.dtype)
    for t in range(T):
        # four rows at a time: a sum waits for its last addition, four of them do not wait for each other
        full = q - q % 4
        for i in range(0, full, 4):
            a, b, c, d = out[t, i], out[t, i + 1], out[t, i + 2], out[t, i + 3]
            for j in range(n):
                a += F[t, i, j] * x[t, j]
                b += F[t, i + 1, j] * x[t, j]
                c += F[t, i + 2, j] * x[t, j]
                d += F[t, i + 3, j] * x[t, j]
            total[i], total[i + 1], total[i + 2], total[i + 3] = a, b, c, d
        for i in range(full, q):
            a = out[t, i]
            for j in range(n):
                a += F[t, i, j] * x[t, j]
            total[i] = a
        for i in range(q):
            out[t, i] = total[i]


@jit
def varying_blas(out: Any, F: Any, x: Any) -> None:
    """out(t) += F(t) x(t), a step as one product of BLAS."""
    total = np.empty(F.shape[1], out.dtype)
    for t in range(F.shape[0]):
        np.dot(F[t], x[t], total)
        for i in range(F.shape[1]):
            out[t, i] += total[i]


@jit
def bilinear_dense(out: Any, v: Any, Ft: Any, x: Any) -> None:
    """out(t) += sum_i v_i(t) F_i x(t); v (T, k), Ft = the F_i' (k, n, q)."""
    k, n, q = Ft.shape
    total = np.empty(q, out.dtype)
    for t in range(out.shape[0]):
        for i in range(q):
            total[i] = out[t, i]
        for l in range(k):
            if v[t, l] == 0.0:
                continue
            for j in range(n):
                a = v[t, l] * x[t, j]
                for i in range(q):
                    total[i] += Ft[l, j, i] * a
        for i in range(q):
            out[t, i] = total[i]


@jit
def bilinear_sparse(out: Any, v: Any, places: Any, values: Any, x: Any) -> None:
    """The same, F_l[i, j] = values[e] at (l, i, j) = places[e] and 0 elsewhere."""
    q = out.shape[1]
    total = np.empty(q, out.dtype)
    for t in range(out.shape[0]):
        for i in range(q):
            total[i] = out[t, i]
        for e in range(values.shape[0]):
            total[places[e, 1]] += values[e] * (v[t, places[e, 0]] * x[t, places[e, 2]])
        for i in range(q):
            out[t, i] = total[i]


def linear(x: np.ndarray, A: np.ndarray, B: np.ndarray, u: np.ndarray) -> None:
    """Write x(t+1) = A x(t) + B u(t) into x (T+1, n), x(0) given; all arrays of one dtype."""
    n, m = B.shape
    if n >= LIFT and BLOCK * m <= n and len(u) >= 16 * n:
        powers = [np.eye(n, dtype=A.dtype)]
        for _ in range(BLOCK):
            powers.append(A @ powers[-1])
        # a power may overflow where no state does
        if np.isfinite(powers).all():
            return lifted(x, powers, B, u)
    np.matmul(u, B.T, out=x[1:])
    # copies: an array that cannot be written is another type to the compiler
    if n < LOOPS:
        return linear_loop(x[1:], np.array(A.T, order="C"), x)
    return linear_blas(x[1:], np.array(A, order="C"), x)


def together(x: np.ndarray, A: np.ndarray, B: np.ndarray, u: np.ndarray) -> None:
    """The same for many sequences x (..., T+1, n) of one large system: a step is one product of matrices."""
    np.matmul(u, B.T, out=x[..., 1:, :])
    for t in range(u.shape[-2]):
        x[..., t + 1, :] += x[..., t, :] @ A.T


def lifted(x: np.ndarray, powers: list[np.ndarray], B: np.ndarray, u: np.ndarray) -> None:
    """The same by blocks of L steps: x(kL + i) = A^i x(kL) + sum_j A^(i-1-j) B u(kL + j), i = 1 ... L; A^0 ... A^L."""
    L, (n, m), T = len(powers) - 1, B.shape, len(u)
    driven = np.zeros((L, m, L, n), B.dtype)
    for i in range(L):
        for j in range(i + 1):
            driven[j, :, i] = (powers[i - j] @ B).T
    driven, carried = driven.reshape(L * m, L * n), np.concatenate([P.T for P in powers[1:]], axis=1)
    whole = T - T % L
    # by so many blocks at a time that the states of all of them stay in the cache
    for first in range(0, whole, L * AT_ONCE):
        last = min(first + L * AT_ONCE, whole)
        blocks = x[first + 1 : last + 1].reshape(-1, L * n)
        np.matmul(u[first:last].reshape(-1, L * m), driven, out=blocks)
        starts = np.empty((len(blocks) + 1, n), B.dtype)
        starts[0], starts[1:] = x[first], blocks[:, -n:]
        linear_blas(starts[1:], powers[L], starts)
        blocks += starts[:-1] @ carried
    np.matmul(u[whole:], B.T, out=x[whole + 1 :])
    linear_blas(x[whole + 1 :], powers[1], x[whole:])


def varying(out: np.ndarray, F: np.ndarray, x: np.ndarray) -> None:
    """out(t) += F(t) x(t) for arrays of one dtype, F (T, q, n)."""
    F = np.ascontiguousarray(F).view()
    F.setflags(write=False)  # as those of a system are: one type for the compiler, and no copy
    (varying_loop if F.shape[-1] < LOOPS else varying_blas)(out, F, x)


def bilinear(F: np.ndarray) -> Callable[[np.ndarray, np.ndarray, np.ndarray], None]:
    """Return (out, v, x) -> out(t) += sum_i v_i(t) F_i x(t), for F (k, q, n); all arrays of one dtype."""
    places = np.argwhere(F)
    if SPARSE * len(places) <= F.size:
        values = F[tuple(places.T)]
        return lambda out, v, x: bilinear_sparse(out, v, places, values, x)
    Ft = np.array(np.swapaxes(F, -1, -2), order="C")
    return lambda out, v, x: bilinear_dense(out, v, Ft, x)
