"""The Kalman filter over sequences that share one covariance recursion, written into arrays that are given.

    F = C P C' + R,   K = (A P C' + S) inv(F),   P+ = (A - K C) P (A - K C)' + (B - K D) (B - K D)' + Q

with the noise turned so that the outputs see p of its components only: D (p, p), S = B D', R = D D', and Q what the
rest of it adds to the state.  This form (Joseph's) then costs what A P A' + Q - K F K' costs, and where an output is
known far better than it is predicted it loses no digits: an error of K enters squared, an error u |P| of a product
is multiplied by A - K C, which takes away what is large in P.  Only half of a symmetric matrix is computed.

Matrices are transposed where that lets the inner loop run along memory: sums of fixed order do not vectorise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization._kernels.jit import jit

BLAS = 64  # states from which the two products of n^3 are left to BLAS: measured 1.0 times at 48, 1.6 at 64, 3 at 128
MEANS, COVARIANCES, GAINS = 1, 2, 3  # what is kept of every step, each with what stands before it


@jit
def cholesky(F: Any, L: Any, q: int, floor: float) -> bool:
    """F = L L' in the first q rows; False where a pivot is below floor times the diagonal, hence rounding or worse."""
    for j in range(q):
        d = F[j, j]
        for k in range(j):
            d -= L[j, k] * L[j, k]
        if not d > floor * F[j, j]:
            return False
        d = np.sqrt(d)
        L[j, j] = d
        for i in range(j + 1, q):
            s = F[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            L[i, j] = s / d
    return True


@jit
def solve(L: Any, X: Any, q: int) -> None:
    """X <- inv(L L') X, in place, for q rows."""
    n = X.shape[1]
    for i in range(q):
        for k in range(i):
            c = L[i, k]
            for j in range(n):
                X[i, j] -= c * X[k, j]
        c = 1.0 / L[i, i]
        for j in range(n):
            X[i, j] *= c
    for i in range(q - 1, -1, -1):
        for k in range(i + 1, q):
            c = L[k, i]
            for j in range(n):
                X[i, j] -= c * X[k, j]
        c = 1.0 / L[i, i]
        for j in range(n):
            X[i, j] *= c


@jit
def spread(P: Any) -> None:
    """The lower half written into the upper one."""
    for i in range(P.shape[0]):
        for j in range(i):
            P[j, i] = P[i, j]


@jit
def copied(out: Any, X: Any) -> None:
    """out = X for matrices; slices of arrays compile ten times slower."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            out[i, j] = X[i, j]


@jit
def add_product(out: Any, X: Any, Y: Any, q: int) -> None:
    """out += X Y for q rows of X (., k), Y (k, n)."""
    k, n = Y.shape
    for i in range(q):
        for l in range(k):
            c = X[i, l]
            for j in range(n):
                out[i, j] += c * Y[l, j]


@jit
def product(out: Any, X: Any, Y: Any, q: int) -> None:
    """out = X Y for q rows."""
    for i in range(q):
        for j in range(Y.shape[1]):
            out[i, j] = 0.0
    add_product(out, X, Y, q)


@jit
def covariance(F: Any, M: Any, C: Any, R: Any) -> None:
    """F = C P C' + R, with M = C P."""
    p, n = M.shape
    for r in range(p):
        for s in range(r + 1):
            e = R[r, s]
            for k in range(n):
                e += C[r, k] * M[s, k]
            F[r, s] = e
            F[s, r] = e


@jit
def add_gram(P: Any, X: Any, Y: Any) -> None:
    """P += X' Y in the lower half, for X (k, n) and Y (k, n) of which the product is symmetric."""
    k, n = X.shape
    for i in range(n):
        for l in range(k):
            c = X[l, i]
            for j in range(i + 1):
                P[i, j] += c * Y[l, j]


@jit
def predict(new: Any, P: Any, Phi: Any, Gamma: Any, Q: Any, work: Any) -> None:
    """new = Phi' P Phi + Gamma' Gamma + Q, Phi = (A - K C)' and Gamma = (B - K D)'."""
    n = P.shape[0]
    if n >= BLAS:
        np.dot(P, Phi, work)
        np.dot(Phi.T, work, new)
        for i in range(n):
            for j in range(i + 1):
                new[i, j] += Q[i, j]
    else:
        product(work, P, Phi, n)
        for i in range(n):
            for j in range(i + 1):
                new[i, j] = Q[i, j]
        add_gram(new, Phi, work)
    add_gram(new, Gamma, Gamma)
    spread(new)


@jit
def update(new: Any, P: Any, M: Any, K: Any, Co: Any, Ro: Any, q: int) -> None:
    """new = (I - K C) P (I - K C)' + K R K' = E - (E C' - K R) K' with E = P - K C P; M = C P, K' and C of q rows.

    Joseph's form without a product of n^3: what rounding leaves in E is multiplied by I - K C here too.
    """
    n = P.shape[0]
    for i in range(n):
        for j in range(i + 1):
            new[i, j] = P[i, j]
        for r in range(q):
            c = K[r, i]
            for j in range(i + 1):
                new[i, j] -= c * M[r, j]
    spread(new)
    for r in range(q):  # M is not needed any more: its rows take those of (E C' - K R)'
        for j in range(n):
            M[r, j] = 0.0
        for k in range(n):
            c = Co[r, k]
            for j in range(n):
                M[r, j] += c * new[k, j]
        for s in range(q):
            c = Ro[s, r]
            for j in range(n):
                M[r, j] -= c * K[s, j]
    for i in range(n):
        for r in range(q):
            c = K[r, i]
            for j in range(i + 1):
                new[i, j] -= c * M[r, j]
    spread(new)


@jit
def settled(new: Any, P: Any, scale: Any, tolerance: float) -> bool:
    """Whether |new - P| <= tolerance in the units of the states, scale (their squares) or P itself."""
    for i in range(P.shape[0]):
        for j in range(i + 1):
            change = new[i, j] - P[i, j]
            if change * change > tolerance * tolerance * (scale[i] + P[i, i]) * (scale[j] + P[j, j]):
                return False
    return True


@jit
def first_infinite(y: Any) -> int:
    """The place of the first infinite entry of a flat array, -1 if there is none; NaN is none."""
    for i in range(y.shape[0]):
        if np.isinf(y[i]):
            return i
    return -1


@jit
def seen(y: Any, rows: Any) -> int:
    """Write the places of the outputs that are not NaN into rows; their number."""
    q = 0
    for r in range(y.shape[0]):
        if not np.isnan(y[r]):
            rows[q] = r
            q += 1
    return q


@jit
def selected(rows: Any, q: int, C: Any, S: Any, R: Any, F: Any, M: Any, Co: Any, Ro: Any, Fo: Any, G: Any) -> None:
    """The q rows of C, R, F and M = C P that are seen; G = S' there."""
    n = C.shape[1]
    for r in range(q):
        row = rows[r]
        for k in range(n):
            Co[r, k], M[r, k], G[r, k] = C[row, k], M[row, k], S[row, k]
        for s in range(q):
            Ro[r, s], Fo[r, s] = R[row, rows[s]], F[row, rows[s]]


@jit
def run(
    At: Any, C: Any, B: Any, D: Any, S: Any, R: Any, Q: Any, y: Any, c: Any, d: Any,
    a: Any, P: Any, F: Any, scale: Any, tolerance: float, keep: int, start: int,
    total: Any, steps: Any, predicted: Any, filtered: Any, innovations: Any,
    Ps: Any, Pf: Any, Fs: Any, Kp: Any, Kf: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Filter y (s, T, p): s sequences with NaN at the same places.

    Models have a first axis of 1 or T: A' (., n, n), C (., p, n), B' (., p, n), D' (., p, p), S' (., p, n),
    R (., p, p), Q (., n, n).  Offsets c, d have first axes (1 or s, 1 or T).  a (s, n) and P (n, n) are replaced by the last, F
    (p, p) by the last that was computed, at a failure the one that failed.  scale (n,): units of the states squared,
    for the tolerance; one below 0 freezes nothing.  `keep` says which
    of the arrays after it are written, total always, which is added to.  The steps before `start` are left as they are.

    Returns the step at which F is not positive definite (-1: none), the first step of frozen gains (-1: none) and the
    number of such steps.
    """
    count, T, p = y.shape
    n = P.shape[0]
    half = 0.5 * np.log(2 * np.pi)
    floor = (n + p) * 2.0**-52  # F is a sum of so many products: a pivot below is rounding
    M, G, K, Co, Gamma = np.empty((p, n)), np.empty((p, n)), np.empty((p, n)), np.empty((p, n)), np.empty((p, n))
    Ro, Fo, L = np.empty((p, p)), np.empty((p, p)), np.empty((p, p))
    Phi, work, new, updated = np.empty((n, n)), np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    v, z, x, rows = np.empty(p), np.empty(p), np.empty(n), np.empty(p, np.int64)
    lost = np.zeros(count)  # what rounding takes from the sums of the likelihood, after Neumaier
    frozen, first, many, logdet, q = False, -1, 0, 0.0, 0
    for t in range(start, T):
        m = 0 if At.shape[0] == 1 else t
        if keep >= MEANS:
            for g in range(count):
                for k in range(n):
                    predicted[g, t, k] = a[g, k]
        if keep >= COVARIANCES:
            copied(Ps[t], P)
        now = seen(y[0, t], rows)
        frozen = frozen and now == p
        if frozen:
            many += 1
        else:
            q = now
            product(M, C[m], P, p)
            covariance(F, M, C[m], R[m])
            selected(rows, q, C[m], S[m], R[m], F, M, Co, Ro, Fo, G)
            if not cholesky(Fo, L, q, floor):
                return t, first, many
            logdet = 0.0
            for r in range(q):
                logdet += np.log(L[r, r])
            add_product(G, M, At[m], q)
            solve(L, G, q)
            copied(Phi, At[m])
            copied(Gamma, B[m])
            for r in range(q):
                for j in range(n):
                    e = Co[r, j]
                    for k in range(n):
                        Phi[j, k] -= e * G[r, k]
                for j in range(p):
                    e = D[m, j, rows[r]]
                    for k in range(n):
                        Gamma[j, k] -= e * G[r, k]
            predict(new, P, Phi, Gamma, Q[m], work)
            if keep >= MEANS:
                for r in range(q):
                    for k in range(n):
                        K[r, k] = M[r, k]
                solve(L, K, q)
            if keep >= COVARIANCES:
                update(updated, P, M, K, Co, Ro, q)
            if tolerance >= 0 and q == p and settled(new, P, scale, tolerance):
                frozen = True
                first = t + 1 if first < 0 else first
            copied(P, new)
        if keep >= COVARIANCES:
            copied(Pf[t], updated)
            copied(Fs[t], F)
        if keep >= GAINS:
            for r in range(q):
                for k in range(n):
                    Kp[t, k, rows[r]] = G[r, k]
                    Kf[t, k, rows[r]] = K[r, k]
        for g in range(count):
            i, j = 0 if c.shape[0] == 1 else g, 0 if c.shape[1] == 1 else t
            h, l = 0 if d.shape[0] == 1 else g, 0 if d.shape[1] == 1 else t
            value = -(q * half + logdet)
            for r in range(q):
                e = y[g, t, rows[r]] - d[h, l, rows[r]]
                for k in range(n):
                    e -= Co[r, k] * a[g, k]
                v[r] = e
            for r in range(q):
                e = v[r]
                for s in range(r):
                    e -= L[r, s] * z[s]
                z[r] = e / L[r, r]
                value -= 0.5 * z[r] * z[r]
            if keep >= MEANS:
                steps[g, t] = value
                for r in range(q):
                    innovations[g, t, rows[r]] = v[r]
                for k in range(n):
                    filtered[g, t, k] = a[g, k]
                for r in range(q):
                    e = v[r]
                    for k in range(n):
                        filtered[g, t, k] += e * K[r, k]
            for k in range(n):
                x[k] = c[i, j, k]
            for s in range(n):
                e = a[g, s]
                for k in range(n):
                    x[k] += At[m, s, k] * e
            for r in range(q):
                e = v[r]
                for k in range(n):
                    x[k] += G[r, k] * e
            for k in range(n):
                a[g, k] = x[k]
            summed = total[g] + value
            if abs(total[g]) >= abs(value):
                lost[g] += (total[g] - summed) + value
            else:
                lost[g] += (value - summed) + total[g]
            total[g] = summed
    for g in range(count):
        total[g] += lost[g]
    return -1, first, many
