"""A step of the filter while part of the state is unknown: cov x = P + k W W' with k without bound.

Of outputs y = C x + D w, x(t+1) = A x + B w + (noise of covariance Q), one component after the other is taken, the
one that tells most first,

    y_i = h' s,    s = (x, w),    h = (C_i, D_i)

so that no covariance of noise is left, correlated or not, and each says one of two things.  If g = W'h is not zero,
y_i tells a direction of which nothing was known: the gain is W g / |g|^2 and W loses a column.  Else it tells what an
output tells a state that is known, with the gain P h / h'P h.  After as many of the first kind as W had columns, or
when A has made the rest of W zero, all is known.

References
----------
Koopman 1997 (exact initial filter); Koopman and Durbin 2000 (one output at a time).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS

SLACK = 10  # a digit for the roundings of the steps before, beside those of the product that is judged


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DiffuseStep(Sealed):
    """What a step does to covariances and, for any output, to the mean.

    Parameters
    ----------
    predictor_gain, filter_gain : ndarray
        (n, q) from the innovations v of the q outputs that are seen.
    covariance, diffuse : ndarray
        P (n, n) and W (n, d) of the next state.
    updated, updated_diffuse : ndarray
        P and W of this state, its outputs seen.
    whitening, variances, tells : ndarray
        u = Z v (q, q), variances (q,) of its entries; where an entry tells what was unknown (q,), its variance is k
        times that number.
    """

    predictor_gain: np.ndarray
    filter_gain: np.ndarray
    covariance: np.ndarray
    diffuse: np.ndarray
    updated: np.ndarray
    updated_diffuse: np.ndarray
    whitening: np.ndarray
    variances: np.ndarray
    tells: np.ndarray

    def log_likelihood(self, v: np.ndarray) -> np.ndarray:
        """-1/2 sum log 2 pi f_i + (u_i^2 / f_i where y_i is not diffuse), (...) for innovations (..., q)."""
        u = (self.whitening @ v[..., None])[..., 0]  # each by itself: its bits do not depend on the others
        return -0.5 * (np.log(2 * np.pi * self.variances) + np.where(self.tells, 0.0, u * u / self.variances)).sum(-1)


def diffuse_step(
    A: np.ndarray, C: np.ndarray, B: np.ndarray, D: np.ndarray, Q: np.ndarray, P: np.ndarray, W: np.ndarray, t: int
) -> DiffuseStep:
    """Update by the outputs in the rows of C (q, n) and D (q, r), and predict.

    Raises
    ------
    StructureError
        If an output is a linear function of others and of what is known; with step and variance.
    """
    n, r, q = len(A), B.shape[1], len(C)
    P = np.block([[P, np.zeros((n, r))], [np.zeros((r, n)), np.eye(r)]])
    W = np.concatenate([W, np.zeros((r, W.shape[1]))])
    G, Z = np.zeros((n + r, q)), np.zeros((q, q))
    variances, tells = np.ones(q), np.zeros(q, bool)
    H, left = np.concatenate([C, D], axis=1), list(range(q))
    while left:
        # what tells most comes first: a gain of 1 / |g| leaves P as large as its square, for others to take away
        i = max(left, key=lambda i: np.sum((W.T @ H[i]) ** 2) / max(H[i] @ P @ H[i], np.finfo(float).tiny))
        left.remove(i)
        h = H[i]
        Z[i] = np.eye(q)[i] - h @ G
        g, m = W.T @ h, P @ h
        # a sum of n products is known to n eps times the sum of their magnitudes
        tells[i] = np.linalg.norm(g) > SLACK * n * EPS * np.linalg.norm(np.abs(W).T @ np.abs(h))
        if tells[i]:
            variances[i] = g @ g
            k, W = W @ g / variances[i], without(W, g)
        else:
            variances[i], need = h @ m, SLACK * (n + r) * EPS * (np.abs(h) @ np.abs(P) @ np.abs(h))
            if not variances[i] > need:
                raise StructureError(
                    f"innovation {i} of those seen at step {t} has variance {variances[i]:.3g} given the others, "
                    f"need > {need:.1e}: an output that repeats what is known; leave it out (NaN) or give it noise"
                )
            k = m / variances[i]
        G += np.outer(k, Z[i])
        P = joseph(np.eye(n + r) - np.outer(k, h), P)
    forward = np.concatenate([A, B], axis=1)
    return DiffuseStep(
        forward @ G,
        G[:n],
        joseph(forward, P) + Q,
        moved(A, W[:n]),
        P[:n, :n],
        W[:n],
        Z,
        variances,
        tells,
    )


def joseph(N: np.ndarray, P: np.ndarray) -> np.ndarray:
    """N P N', symmetric."""
    X = N @ P @ N.T
    return (X + X.T) / 2


def without(W: np.ndarray, g: np.ndarray) -> np.ndarray:
    """W' of one column less with W' W'' = W W' - W g g' W' / |g|^2: what is left when g' (the unknown) is told.

    A reflection takes g to a multiple of the first unit vector, and the first column of W goes.
    """
    u = g / np.linalg.norm(g)
    u[0] += 1.0 if u[0] >= 0 else -1.0
    left = (W - np.outer(W @ u, u) * (2 / (u @ u)))[:, 1:]
    # a row of W keeps its norm, and with it the size of its rounding: what is below is zero
    left[np.abs(left) <= SLACK * EPS * np.linalg.norm(W, axis=1)[:, None]] = 0.0
    return left


def moved(A: np.ndarray, W: np.ndarray) -> np.ndarray:
    """A W with as many columns as it has rank; in units of its columns, so that what decays fast is not lost.

    A W and A W U have the same square for orthogonal U: where columns depend on each other, U makes some zero.
    """
    new = cleaned(A, W)
    new = new[:, new.any(axis=0)]
    if new.shape[1] < 2:
        return new
    values = np.linalg.svd(new / np.linalg.norm(new, axis=0), compute_uv=False)
    rank = int((values > SLACK * len(A) * EPS).sum())
    if rank == new.shape[1]:
        return new
    U, s, _ = np.linalg.svd(new, full_matrices=False)
    return (U * s)[:, :rank]


def cleaned(X: np.ndarray, W: np.ndarray) -> np.ndarray:
    """X W with zeros for what is rounding: a sum of n products is known to n eps times the sum of their magnitudes."""
    new = X @ W
    new[np.abs(new) <= SLACK * len(W) * EPS * (np.abs(X) @ np.abs(W))] = 0.0
    return new


def unseen(A: np.ndarray, C: np.ndarray, W: np.ndarray) -> bool:
    """Whether C A^k W = 0 for k < n, hence for all k: no output ever tells of what is unknown."""
    for _ in range(len(A)):
        if cleaned(C, W).any():
            return False
        W = cleaned(A, W)
    return True
