"""A staircase made exact to rounding, once its blocks are known: all of its subspaces at once, by Gauss-Newton steps.

Step by step, a staircase passes the error of one subspace on to the next one, enlarged.  Taken together
they are well determined: with S = Q' A Q, the subspaces that Q (I + P) spans, P strictly block lower
triangular, are mapped each into the one before it where, up to products of small numbers,

    low(S P - P S) = -low(S),        low: the blocks that are to be zero.

Blocks that A does not have are not reached in this way, and what is left over shows it.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from realization.linalg.twins import norm2

STEPS = 5  # each squares the error: from 1e-2 to rounding in four
UNKNOWNS = 700  # of P: one chain of 37 beside four other eigenvalues, some 0.1 s for a step


def unknowns(blocks: tuple[int, ...], n: int) -> int:
    """Return the number of entries of P."""
    return sum(size * (n - end) for size, end in zip(blocks, np.cumsum(blocks).tolist(), strict=True))


def below(blocks: tuple[int, ...], n: int) -> np.ndarray:
    """Return which entries of an (n, n) matrix are to be zero: on and below the given blocks of its diagonal."""
    block = np.repeat(np.arange(len(blocks) + 1), (*blocks, n - sum(blocks)))
    return (block[:, None] >= block) & (block < len(blocks))


def refined(A: np.ndarray, Q: np.ndarray, blocks: tuple[int, ...], level: float) -> np.ndarray:
    """Return Q with low(Q' A Q) at rounding level, if A has these blocks to rounding and Q is near to them.

    Parameters
    ----------
    A, Q : ndarray
        (n, n), A not zero, Q orthogonal.
    blocks : tuple of int
        Sizes of the zero blocks on the diagonal.
    level : float
        Norm of low(Q' A Q), relative to |A|, that is good enough.

    Returns
    -------
    ndarray
        (n, n), the given Q where no step brings a gain.
    """
    low, size = below(blocks, len(A)), norm2(A)

    def turned(Q: np.ndarray) -> tuple[np.ndarray, float]:
        S = Q.conj().T @ A @ Q / size
        return S, norm2(np.where(low, S, 0))

    S, left = turned(Q)
    for _ in range(STEPS):
        if left <= level:
            break
        further = _step(S, Q, low)
        S, now = turned(further)
        if not now < left:
            break
        Q, left = further, now
    return Q


def _step(S: np.ndarray, Q: np.ndarray, low: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the subspaces of Q (I + P)."""
    (i, j), (k, l) = np.nonzero(low), np.nonzero(low & ~low.T)
    upper = np.where(low, 0, S)
    # entry (i, j) of S P - P S contains S[i, k] P[k, j] and P[i, l] S[l, j]
    K = upper[np.ix_(i, k)] * (j[:, None] == l) - upper[np.ix_(l, j)].T * (i[:, None] == k)
    P = np.zeros_like(S)
    P[k, l] = scipy.linalg.lstsq(K, -S[low], lapack_driver="gelsy", check_finite=False)[0]
    basis, R = np.linalg.qr(Q @ (np.eye(len(Q)) + P))
    return basis * np.where(np.diag(R).real < 0, -1.0, 1.0)
