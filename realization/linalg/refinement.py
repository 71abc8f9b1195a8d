"""A staircase made exact to rounding, once its blocks are known: all of its subspaces at once, by Gauss-Newton steps.

Step by step, a staircase passes the error of one subspace on to the next one, enlarged.  Taken together
they are well determined: with S = Q' A Q, the subspaces that Q (I + P) spans, P strictly block lower
triangular, are mapped each into the one before it where, up to products of small numbers,

    low(S P - P S) = -low(S),        low: the entries that are to be zero.

Where an input comes in, A is [[0, 0], [B, A]], of which the first coordinates are not turned.  Zeros that
A does not have are not reached in this way, and what is left over shows it.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from realization.linalg.dense import two_norm

STEPS = 5  # each squares the error: from 1e-2 to rounding in four
UNKNOWNS = 700  # of P: one chain of 37 beside four other eigenvalues, some 0.1 s for a step

Zeros = tuple[np.ndarray, np.ndarray]


def nilpotent(blocks: tuple[int, ...], n: int) -> Zeros:
    """Return what is zero in a nilpotent staircase: all on and below the given blocks of the diagonal."""
    row, column = _numbered((*blocks, n - sum(blocks)))
    return (row >= column) & (column < len(blocks)), (row > column)


def controllability(blocks: tuple[int, ...], n: int, m: int) -> Zeros:
    """Return what is zero in [[0, 0], [B, A]], (m + n, m + n).

    The rows from the second block below each column on; and what is not reached, all of its rows.
    """
    row, column = _numbered((m, *blocks, n - sum(blocks)))
    rest = len(blocks) + 1
    return (row > column + 1) | ((row == rest) & (column < rest)), (row > column) & (column > 0)


def _numbered(blocks: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    block = np.repeat(np.arange(len(blocks)), blocks)
    return block[:, None], block[None, :]


def refined(A: np.ndarray, Q: np.ndarray, zeros: Zeros, level: float) -> np.ndarray:
    """Return Q with low(Q' A Q) at rounding level, if A has these zeros to rounding and Q is near to them.

    Parameters
    ----------
    A, Q : ndarray
        (n, n), A not zero, Q orthogonal.
    zeros : tuple of ndarray
        Which entries of Q' A Q are to be zero, and which entries of P are unknown.
    level : float
        Norm of low(Q' A Q), relative to |A|, that is good enough.

    Returns
    -------
    ndarray
        (n, n), the given Q where no step brings a gain; a step may fail before the next one succeeds.
    """
    (low, unknown), size = zeros, two_norm(A)

    def turned(Q: np.ndarray) -> tuple[np.ndarray, float]:
        S = Q.conj().T @ A @ Q / size
        return S, two_norm(np.where(low, S, 0))

    S, left = turned(Q)
    best, least = Q, left
    for _ in range(STEPS):
        if least <= level or left > 1e3 * least:
            break
        Q = _step(S, Q, low, unknown)
        S, left = turned(Q)
        if left < least:
            best, least = Q, left
    return best


def _step(S: np.ndarray, Q: np.ndarray, low: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the subspaces of Q (I + P)."""
    (i, j), (k, l) = np.nonzero(low), np.nonzero(unknown)
    upper = np.where(low, 0, S)
    # entry (i, j) of S P - P S contains S[i, k] P[k, j] and P[i, l] S[l, j]
    K = upper[np.ix_(i, k)] * (j[:, None] == l) - upper[np.ix_(l, j)].T * (i[:, None] == k)
    P = np.zeros_like(S)
    P[k, l] = scipy.linalg.lstsq(K, -S[low], lapack_driver="gelsy", check_finite=False)[0]
    basis, R = np.linalg.qr(Q @ (np.eye(len(Q)) + P))
    return basis * np.where(np.diag(R).real < 0, -1.0, 1.0)
