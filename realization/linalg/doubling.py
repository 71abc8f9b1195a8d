"""Doubling: sums of 2^k terms in k steps, by squaring.

    X = sum A^j Q A'^j:      X <- X + A X A',            A <- A A          (Smith 1968, squared)
    L L' = the same for Q = B B':  L <- [L, A L] compressed,  A <- A A      (never forms X)
    Riccati:                 A, G, H <- their composition with themselves   (Anderson 1978; Chu, Fan, Lin, Wang 2004)

Each converges quadratically as soon as A is a contraction, needs products and solves only,
and keeps the symmetry of what it doubles.  Here ' is the conjugate transpose.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.linalg.decision import EPS
from realization.linalg.dense import adjoint

STEPS = 64  # 2^64 terms: a spectral radius of 1 - eps has forgotten after 2^58
HUGE = 1e50  # A X A' is then below 1e200: no overflow on the way out


def smith(A: np.ndarray, Q: np.ndarray) -> np.ndarray | None:
    """Return X = sum A^j Q A'^j for Q (*b, n, n), or None where powers of A do not die out.

    What is left out after k steps is A_k X A_k', hence the test on |A_k|^2: returning X
    proves, up to rounding, that the spectral radius of A is less than 1.
    """
    X = Q
    for _ in range(STEPS):
        size = np.linalg.norm(A)
        if size * size <= EPS / 4:
            return X
        if size > HUGE:
            return None
        X = X + A @ X @ adjoint(A)
        A = A @ A
    return None


def factored_smith(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Return L (n, r), r <= n, with L L' = sum A^j B B' A'^j, or None where powers of A do not die out.

    The second number is the largest |A_k| that was met, in the Frobenius norm: what squaring
    loses grows with its square.

    L is compressed by the QR factorisation of [L, A L]', which is stable row by row: the
    error of L is eps |L|, so that singular values of L far below sqrt(eps) |L| survive,
    where those of a Gramian that is formed and then factored do not.  For their sake the
    powers are followed until |A_k| (not its square) is at rounding level.
    """
    L, largest = B, 0.0
    for _ in range(STEPS):
        size = float(np.linalg.norm(A))
        if size > HUGE:
            return None
        L, largest = compress(np.hstack([L, A @ L])), max(largest, size)
        if size <= EPS:
            return L, largest
        A = A @ A
    return None


def compress(L: np.ndarray) -> np.ndarray:
    """Return L2 with L2 L2' = L L' and no more columns than rows."""
    if L.shape[1] <= L.shape[0]:
        return L
    R: Any = np.linalg.qr(adjoint(L), mode="r")
    return adjoint(R)


def cayley(A: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return Ad = (s - A)^-1 (s + A), M = (s - A)^-1 and s > 0: the half-plane becomes the disc.

    A X + X A' + Q = 0 and X = Ad X Ad' + 2 s M Q M' have the same solutions; hence the
    Gramians of (A, B, C) are those of (Ad, sqrt(2s) M B, sqrt(2s) C M).  s is the root mean
    square of the entries' weight per row, |A| / sqrt(n), which is the modulus that the
    eigenvalues of a normal A have on average.
    """
    n = len(A)
    # squares of entries beyond 1e154, or below 1e-154, are no doubles
    size = float(np.abs(A).max(initial=0.0)) or 1.0
    s = size * float(np.linalg.norm(A / size) / np.sqrt(max(n, 1))) or 1.0
    I = np.eye(n)
    M = np.linalg.solve(s * I - A, I)
    return 2 * s * M - I, M, s


def symplectic(A: np.ndarray, G: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the limits (X, Y) of the doubled Riccati map, or None where it breaks down.

    X = A' X (I + G X)^-1 A + H   is the stabilizing solution,
    Y = A Y (I + H Y)^-1 A' + G   that of the dual equation; -inv(Y) solves the first one.

    A step composes (A, G, H) with itself:

        A <- A W A,    G <- G + A W G A',    H <- H + A' H W A,      W = (I + G H)^-1.

    With closed-loop eigenvalues on the unit circle the error halves in every step instead of
    being squared; 2^-STEPS is below rounding.
    """
    I = np.eye(len(A))
    for _ in range(STEPS):
        try:
            WA, WG = np.split(np.linalg.solve(I + G @ H, np.hstack([A, G])), 2, axis=1)
        except np.linalg.LinAlgError:
            return None
        dG, dH = A @ WG @ adjoint(A), adjoint(A) @ H @ WA
        A, G, H = A @ WA, G + (dG + adjoint(dG)) / 2, H + (dH + adjoint(dH)) / 2
        left = np.linalg.norm(A)
        if not left + np.linalg.norm(G) + np.linalg.norm(H) < HUGE:
            return None
        # quadratic convergence leaves |A|^2 out; on the unit circle A stays, and the changes tell
        if left * left <= EPS / 4 or all(
            np.linalg.norm(d) <= EPS / 4 * np.linalg.norm(X) for d, X in ((dG, G), (dH, H))
        ):
            break
    return H, G


def symplectic_of_hamiltonian(A: np.ndarray, G: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (A, G, H) of the discrete equation with the solutions of A'X + X A - X G X + H = 0.

    The Cayley map of the Hamiltonian [[A, -G], [-H, -A']] with s > 0 (Chu, Fan and Lin 2005):

        F = A - s,   W = (F' + H F^-1 G)^-1:    I + 2 s W',    2 s F^-1 G W,    2 s W H F^-1.
    """
    I = np.eye(len(A))
    s = float(np.linalg.norm(np.block([[A, G], [H, A]])) / np.sqrt(max(2 * len(A), 1))) or 1.0
    F = A - s * I
    FG, HF = np.linalg.solve(F, G), adjoint(np.linalg.solve(adjoint(F), H))
    W = np.linalg.solve(adjoint(F) + H @ FG, I)
    return I + 2 * s * adjoint(W), 2 * s * FG @ W, 2 * s * W @ HF
