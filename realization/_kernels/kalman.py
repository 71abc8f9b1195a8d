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

from realization._kernels.jit import jit, small

BLAS = 16  # states from which the two products of n^3 are left to BLAS: 1.3 times faster at 16, 1.5 from 24 on
MEANS, COVARIANCES, GAINS = 1, 2, 3  # what is kept of every step, each with what stands before it


@jit
def cholesky(F: Any, L: Any, q: int, floor: float) -> bool:
    """F = L L' in the first q rows, 1 / L[i, i] on the diagonal.

    False where a pivot is below floor times the diagonal of F, hence rounding or worse.
    """
    for j in range(q):
        d = F[j, j]
        for k in range(j):
            d -= L[j, k] * L[j, k]
        if not d > floor * F[j, j]:
            return False
        d = 1.0 / np.sqrt(d)
        L[j, j] = d
        for i in range(j + 1, q):
            s = F[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            L[i, j] = s * d
    return True


@jit
def solve(L: Any, X: Any, q: int) -> None:
    """X <- inv(L L') X, in place, for q rows; L as `cholesky` leaves it."""
    n = X.shape[1]
    for i in range(q):
        for k in range(i):
            c = L[i, k]
            for j in range(n):
                X[i, j] -= c * X[k, j]
        for j in range(n):
            X[i, j] *= L[i, i]
    for i in range(q - 1, -1, -1):
        for k in range(i + 1, q):
            c = L[k, i]
            for j in range(n):
                X[i, j] -= c * X[k, j]
        for j in range(n):
            X[i, j] *= L[i, i]


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


@small
def add(out: Any, X: Any, Y: Any, q: int, k: int, sign: float, half: bool) -> None:
    """out += sign X' Y in q rows, a sum over k rows of X and Y (k, n); half: at least where i >= j.

    Two terms at a time, since loading and storing out costs what they do; whole groups of four, which vectorise.
    """
    n = Y.shape[1]
    full = k - k % 2
    for i in range(q):
        last = min(n, i + 4 - i % 4) if half else n
        for l in range(0, full, 2):
            a, b = sign * X[l, i], sign * X[l + 1, i]
            for j in range(last):
                out[i, j] += a * Y[l, j] + b * Y[l + 1, j]
        if full < k:
            a = sign * X[full, i]
            for j in range(last):
                out[i, j] += a * Y[full, j]


@jit
def predict(new: Any, P: Any, Phi: Any, work: Any, Q: Any) -> None:
    """new = Phi' work + Q in the lower half, Phi = [A - K C, B - K D]' and work = [P 0; 0 1] Phi, both (n+p, n)."""
    n, k = P.shape[0], Phi.shape[0]
    for i in range(n, k):
        for j in range(n):
            work[i, j] = Phi[i, j]
    if n >= BLAS:
        np.dot(P, Phi[:n], work[:n])
        np.dot(Phi.T, work, new)
        for i in range(n):
            for j in range(i + 1):
                new[i, j] += Q[i, j]
        return
    for i in range(n):
        for j in range(n):
            work[i, j], new[i, j] = 0.0, Q[i, j]
    add(work, P, Phi, n, n, 1.0, False)
    add(new, Phi, work, n, k, 1.0, True)


@jit
def update(new: Any, P: Any, M: Any, K: Any, Ct: Any, Ro: Any, q: int) -> None:
    """new = (I - K C) P (I - K C)' + K R K' = E - (E C' - K R) K' with E = P - K C P; M = C P and K' of q rows.

    Joseph's form without a product of n^3: what rounding leaves in E is multiplied by I - K C here too.
    """
    n = P.shape[0]
    copied(new, P)
    add(new, K, M, n, q, -1.0, True)
    spread(new)
    for r in range(q):  # M is not needed any more: its rows take those of (E C' - K R)'
        for j in range(n):
            M[r, j] = 0.0
    add(M, Ct, new, q, n, 1.0, False)
    add(M, Ro, K, q, q, -1.0, False)
    add(new, K, M, n, q, -1.0, True)
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
def seen(y: Any, t: int, rows: Any) -> int:
    """Write the places of the outputs at t that are not NaN into rows; their number."""
    q = 0
    for r in range(y.shape[2]):
        if not np.isnan(y[0, t, r]):
            rows[q] = r
            q += 1
    return q


@jit
def selected(rows: Any, q: int, C: Any, D: Any, S: Any, R: Any, Co: Any, Cto: Any, Do: Any, So: Any, Ro: Any) -> None:
    """The q rows of C, D, S' and R that are seen, and C' of them."""
    p, n = C.shape
    for r in range(q):
        row = rows[r]
        for k in range(n):
            Co[r, k], Cto[k, r], So[r, k] = C[row, k], C[row, k], S[row, k]
        for k in range(p):
            Do[r, k] = D[row, k]
        for s in range(q):
            Ro[r, s] = R[row, rows[s]]


@small
def innovation(
    v: Any, z: Any, y: Any, d: Any, Co: Any, L: Any, a: Any, rows: Any, n: int, q: int, g: int, t: int
) -> float:
    """v = y - C a - d of sequence g; returns v' inv(F) v = |z|^2 with L z = v."""
    i, j = 0 if d.shape[0] == 1 else g, 0 if d.shape[1] == 1 else t
    for r in range(q):
        e = y[g, t, rows[r]] - d[i, j, rows[r]]
        for k in range(n):
            e -= Co[r, k] * a[g, k]
        v[r] = e
    square = 0.0
    for r in range(q):
        e = v[r]
        for s in range(r):
            e -= L[r, s] * z[s]
        z[r] = e * L[r, r]
        square += z[r] * z[r]
    return square


@small
def updated_mean(
    filtered: Any, innovations: Any, v: Any, K: Any, a: Any, rows: Any, n: int, q: int, g: int, t: int
) -> None:
    """x(t|t) = a + Kf v."""
    for k in range(n):
        filtered[g, t, k] = a[g, k]
    for r in range(q):
        innovations[g, t, rows[r]] = v[r]
        for k in range(n):
            filtered[g, t, k] += v[r] * K[r, k]


@small
def predicted_mean(a: Any, x: Any, v: Any, At: Any, G: Any, c: Any, n: int, q: int, g: int, t: int) -> None:
    """a <- A a + K v + c; x is room for it."""
    i, j = 0 if c.shape[0] == 1 else g, 0 if c.shape[1] == 1 else t
    for k in range(n):
        x[k] = c[i, j, k]
    for s in range(n):
        e = a[g, s]
        for k in range(n):
            x[k] += At[s, k] * e
    for r in range(q):
        e = v[r]
        for k in range(n):
            x[k] += G[r, k] * e
    for k in range(n):
        a[g, k] = x[k]


@small
def accumulate(total: Any, lost: Any, g: int, value: float) -> None:
    """total += value, what rounding takes kept in lost (Neumaier)."""
    s = total[g] + value
    lost[g] += (total[g] - s) + value if abs(total[g]) >= abs(value) else (value - s) + total[g]
    total[g] = s


@jit
def run(
    Ats: Any, Cs: Any, Cts: Any, Bts: Any, Ds: Any, Ss: Any, Rs: Any, Qs: Any, y: Any, c: Any, d: Any,
    a: Any, P: Any, F: Any, scale: Any, tolerance: float, keep: int, start: int,
    total: Any, steps: Any, predicted: Any, filtered: Any, innovations: Any,
    Ps: Any, Pf: Any, Fs: Any, Kp: Any, Kf: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Filter y (s, T, p): s sequences with NaN at the same places.

    Models have a first axis of 1 or T: A' (., n, n), C (., p, n), C' (., n, p), B' (., p, n), D (., p, p),
    S' (., p, n), R (., p, p), Q (., n, n); offsets c, d have two, 1 or s and 1 or T.  The last a (s, n), P (n, n) and
    F (p, p) replace what is given; at a failure F is the one that failed.  scale (n,): units of the states squared,
    for the tolerance; one below 0 freezes nothing.  `keep` says which of the last arrays are written.  total (s,) is
    added to.  Steps before `start` are left as they are.

    Returns the step at which F is not positive definite (-1: none), the first step of frozen gains (-1: none) and the
    number of such steps.
    """
    count, T, p = y.shape
    n = P.shape[0]
    half = 0.5 * np.log(2 * np.pi)
    floor = (n + p) * 2.0**-52  # F is a sum of so many products: a pivot below is rounding
    M, G, K = np.empty((p, n)), np.empty((p, n)), np.empty((p, n))
    Co, So = np.empty((p, n)), np.empty((p, n))
    Cto, Do, Ro, Fo, L = np.empty((n, p)), np.empty((p, p)), np.empty((p, p)), np.empty((p, p)), np.empty((p, p))
    both, work, new, updated = np.empty((n + p, n)), np.empty((n + p, n)), np.empty((n, n)), np.empty((n, n))
    Phi, Gamma = both[:n], both[n:]
    v, z, x, rows = np.empty(p), np.empty(p), np.empty(n), np.empty(p, np.int64)
    lost = np.zeros(count)
    Mt, last, P = M.T, P, np.copy(P)
    varying = Ats.shape[0] != 1
    frozen, first, many, logdet, q = False, -1, 0, 0.0, 0
    for t in range(start, T):
        if varying or t == start:  # a view costs as much as a product, so constant matrices are taken once
            m = t if varying else 0
            At, C, Ct, Bt, D, S, R, Q = Ats[m], Cs[m], Cts[m], Bts[m], Ds[m], Ss[m], Rs[m], Qs[m]
        if keep >= MEANS:
            copied(predicted[:, t], a)
        if keep >= COVARIANCES:
            copied(Ps[t], P)
        now = seen(y, t, rows)
        frozen = frozen and now == p
        if frozen:
            many += 1
        else:
            if varying or t == start or now < p or q < p:
                selected(rows, now, C, D, S, R, Co, Cto, Do, So, Ro)
            q = now
            for r in range(p):
                for k in range(n):
                    M[r, k] = 0.0
            copied(F, R)
            add(M, Ct, P, p, n, 1.0, False)
            add(F, Mt, Ct, p, n, 1.0, True)
            for r in range(q):
                for s in range(r + 1):
                    Fo[r, s] = F[rows[r], rows[s]]
                for k in range(n):
                    M[r, k], G[r, k] = M[rows[r], k], So[r, k]
            if not cholesky(Fo, L, q, floor):
                return t, first, many
            logdet = 0.0
            for r in range(q):
                logdet -= np.log(L[r, r])
            add(G, Mt, At, q, n, 1.0, False)
            solve(L, G, q)
            copied(Phi, At)
            copied(Gamma, Bt)
            add(Phi, Co, G, n, q, -1.0, False)
            add(Gamma, Do, G, p, q, -1.0, False)
            predict(new, P, both, work, Q)
            if keep >= MEANS:
                for r in range(q):
                    for k in range(n):
                        K[r, k] = M[r, k]
                solve(L, K, q)
            if keep >= COVARIANCES:
                update(updated, P, M, K, Cto, Ro, q)
            if tolerance >= 0 and q == p and settled(new, P, scale, tolerance):
                frozen = True
                first = t + 1 if first < 0 else first
            for i in range(n):
                for j in range(i + 1):
                    P[i, j] = new[i, j]
                    P[j, i] = new[i, j]
        if keep >= COVARIANCES:
            copied(Pf[t], updated)
            spread(F)
            copied(Fs[t], F)
        if keep >= GAINS:
            for r in range(q):
                for k in range(n):
                    Kp[t, k, rows[r]] = G[r, k]
                    Kf[t, k, rows[r]] = K[r, k]
        for g in range(count):
            value = -(q * half + logdet) - 0.5 * innovation(v, z, y, d, Co, L, a, rows, n, q, g, t)
            if keep >= MEANS:
                steps[g, t] = value
                updated_mean(filtered, innovations, v, K, a, rows, n, q, g, t)
            predicted_mean(a, x, v, At, G, c, n, q, g, t)
            accumulate(total, lost, g, value)
    copied(last, P)
    for g in range(count):
        total[g] += lost[g]
    return -1, first, many
