"""The Fitting split: every square matrix is nilpotent on one subspace and invertible on a complement of it.

    Q' A Q = [[N, X], [0, M]],     N nilpotent, M invertible,     Q orthogonal
    T A inv(T) = [[N, 0], [0, M]],     T = [[I, -Y], [0, I]] Q',     Y M - N Y = X

The first line always exists and is found by rotations.  The second one has the condition |Y|^2, which
grows as |inv(M)|^index: T can be out of reach where the first line is exact to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from realization.core.frozen import Sealed
from realization.linalg.arguments import matrices
from realization.linalg.decision import CEILING, EPS, Decision, at_least
from realization.linalg.dense import two_norm
from realization.linalg.staircase import nilpotent_staircase

# An error u |A| in any entry of T A inv(T) is one of u cond(T) |A| in A, for instance in the lower left block, where
# it stands between C2 + C1 Y and B1 - Y B2: u |Y|^2.  It must stay below what a rank decision takes for structure.
LARGEST_CONDITION = CEILING / EPS


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FittingSplit(Sealed):
    """A = Q [[N, X], [0, M]] Q', and the similarity that removes X where it is within reach.

    Parameters
    ----------
    N, X, M : ndarray
        (k, k) nilpotent, (k, n - k), (n - k, n - k) invertible.
    Q : ndarray
        (n, n), orthogonal.
    Y : ndarray
        (k, n - k) with Y M - N Y = X; infinite entries where it overflows.
    T : ndarray or None
        (n, n) with T A inv(T) = [[N, 0], [0, M]]; None where its condition forbids it, or where a rank
        is undecided, as then it is not known what to decouple from what.
    condition, bound : float
        Condition of T in the 2-norm, (y / 2 + sqrt(1 + y^2 / 4))^2 for y = |Y|; what it must not exceed.
    index : int
        That of N; 0 where there is no nilpotent part.
    decisions : tuple of Decision
        The ranks of the staircase.
    residual : float
        |A Q - Q [[N, X], [0, M]]| / |A|; with T, the larger of it and of |T A - [[N, 0], [0, M]] T| / (|T| |A|).
    noise : float
        Measured error of the blocks from whose ranks N was found, relative to |A|.
    """

    N: np.ndarray
    X: np.ndarray
    M: np.ndarray
    Q: np.ndarray
    Y: np.ndarray
    T: np.ndarray | None
    condition: float
    bound: float
    index: int
    decisions: tuple[Decision, ...]
    residual: float
    noise: float

    @property
    def decoupled(self) -> bool:
        """Whether T is there."""
        return self.T is not None

    @property
    def decided(self) -> bool:
        """Whether every rank was decided."""
        return all(d.decided for d in self.decisions)


def fitting_split(A: Any, *, bound: float = LARGEST_CONDITION, rtol: float | None = None) -> FittingSplit:
    """Return Q' A Q = [[N, X], [0, M]], and T with T A inv(T) = [[N, 0], [0, M]] where cond(T) <= bound.

    Y = sum over j < index of N^j X inv(M)^(j+1) is a finite sum, hence the fixed point of
    Y <- (X + N Y) inv(M) that is reached in `index` steps.

    Parameters
    ----------
    A : array_like
        (n, n), real or complex.
    bound : float
        Largest condition of T.  Default: 1e-6 / eps, at which rounding looks like structure.
    rtol : float, optional
        As in `nilpotent_staircase`.

    Returns
    -------
    FittingSplit
        With T None, and the condition that it would have, where that exceeds the bound; with T None and
        `decided` False where the dimension of N is open.

    Raises
    ------
    ShapeError
        If A is not square or not finite, or the bound is below 1.

    References
    ----------
    Fitting (1933), Math. Ann. 107, 514-542; Golub and Van Loan, Matrix Computations, on block diagonalization.

    Examples
    --------
    An eigenvalue 1/2 beside a register of two tokens: y = |Y| = sqrt(2^2 + 4^2).

    >>> split = fitting_split([[0, 1, 0], [0, 0, 1], [0, 0, 0.5]])
    >>> split.index, split.M.round(12).tolist(), split.decoupled, round(split.condition, 3)
    (2, [[0.5]], True, 21.954)

    At 1/2000 it would cost eleven digits:

    >>> split = fitting_split([[0, 1, 0], [0, 0, 1], [0, 0, 0.0005]])
    >>> split.decoupled, f"{split.condition:.0e}"
    (False, '2e+13')
    """
    A = matrices("A: n n", A=A)[0]
    bound = at_least(1.0, "bound", bound)
    s = nilpotent_staircase(A, rtol=rtol)
    k, n = sum(s.blocks), len(A)
    N, X, M = s.A2[:k, :k], s.A2[:k, k:], s.A2[k:, k:]
    Y = _coupling(N, X, M, s.index)
    y = float(np.linalg.norm(Y, 2)) if Y.size and np.isfinite(Y).all() else (np.inf if Y.size else 0.0)
    condition = (y / 2 + np.hypot(1, y / 2)) ** 2 if y < 1e150 else np.inf
    T, residual = None, s.residual
    if condition <= bound and all(d.decided for d in s.decisions):
        T = s.Q.conj().T.copy()
        T[:k] -= Y @ T[k:]
        A2 = np.block([[N, np.zeros_like(X)], [np.zeros((n - k, k)), M]])
        scale = two_norm(T) * two_norm(A)
        residual = max(residual, two_norm(T @ A - A2 @ T) / scale if scale else 0.0)
    return FittingSplit(N, X, M, s.Q, Y, T, float(condition), bound, s.index, s.decisions, residual, s.noise)


def _coupling(N: np.ndarray, X: np.ndarray, M: np.ndarray, index: int) -> np.ndarray:
    """Y with Y M - N Y = X."""
    Y = np.zeros_like(X)
    if not X.size:
        return Y
    factors = lu_factor(M.T, check_finite=False)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(index):
            Y = lu_solve(factors, (X + N @ Y).T, check_finite=False).T
    return Y
