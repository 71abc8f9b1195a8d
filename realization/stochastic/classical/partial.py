"""Partial realization: the fewest states that give Lambda(1), ..., Lambda(N), and what that does not promise.

    Lambda(k) = C A^(k-1) G,  k = 1 ... N,    n = dim A least

Of blocks by Ho and Kalman's factorization of a Hankel matrix; of one output in fractions by the shortest linear
recursion c(k) = a_1 c(k-1) + ... + a_n c(k-n), k = n+1 ... N (Berlekamp 1968; Massey 1969).  It continues the
window to a sequence of covariances if and only if Phi >= 0; although the window is positive definite, A need not
even be stable.  The autoregression with the same window always is the model of a process, of N p states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.canonical.ho_kalman import ho_kalman
from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import Decision, require_decided
from realization.linalg.dense import powers_of_two, spectral_radius
from realization.linalg.rational import rationals
from realization.stochastic.classical.window import covariance_window, diagonal_units, exact
from realization.stochastic.covariance import CovarianceModel
from realization.stochastic.faurre.positive_real import PositiveRealCertificate, positive_real


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recursion(Sealed):
    """c(k) = a_1 c(k-1) + ... + a_n c(k-n), k = n+1 ... N.

    Parameters
    ----------
    a : ndarray of Fraction
        (n,).
    unique : bool
        Whether no other recursion of this length fits: 2 n <= N.
    """

    a: np.ndarray
    unique: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PartialRealization(Sealed):
    """A, C, G of least dimension with Lambda(k) = C A^(k-1) G, k = 1 ... N.

    Parameters
    ----------
    data : CovarianceModel
        Minimal; perhaps of no process.
    decision : Decision
        Its order; open where the window does not determine the realization and one of them was taken.
    residual : float
        Largest error of a Lambda(k), relative to the largest of them, where the variances are about 1.
    spectral_radius : float
        Of A.
    certificate : PositiveRealCertificate or None
        What decides whether Phi >= 0; None where A is not stable, so that there is no Phi.
    """

    data: CovarianceModel
    decision: Decision
    residual: float
    spectral_radius: float
    certificate: PositiveRealCertificate | None

    @property
    def verdict(self) -> str:
        """Whether a process has these covariances: "positive real", "not positive real", "undecided" or "unstable"."""
        return "unstable" if self.certificate is None else self.certificate.verdict


def partial_realization(covariances: Any) -> PartialRealization:
    """Return the covariance model of least order that continues a window.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.  Of p = 1 and Fractions the order is exact.

    Returns
    -------
    PartialRealization
        With the verdict whether a process has it.

    Raises
    ------
    ShapeError
        If the axes are others, Lambda(0) is not symmetric, or an entry is no finite real number.
    StructureError
        If the floats leave the order open, or the window is too short to determine a realization; with the numbers.

    References
    ----------
    Kalman 1971; Tether 1970.

    Examples
    --------
    The window 1, 1/4, 1/2 is positive definite, and its shortest recursion doubles at every step:

    >>> found = partial_realization(["1", "1/4", "1/2"])
    >>> found.data.A, found.decision.decided, found.verdict
    (array([[2.]]), True, 'unstable')
    """
    Lambda = covariance_window(covariances)
    if exact(Lambda) and Lambda.shape[-1] == 1:
        return _from_recursion(Lambda[:, 0, 0])
    Lambda = Lambda.astype(np.float64)
    u = powers_of_two(diagonal_units(Lambda))  # the rank is decided where the variances are about 1
    scaled = Lambda / np.outer(u, u)
    found = ho_kalman(scaled)
    N, (decision,) = len(Lambda) - 1, found.decisions
    require_decided([decision], "the order shows in exact covariances only; give it to `era` where they are estimates")
    if found.residual > (bound := 100 * found.bound):  # digits to spare for powers of an A that grows
        raise StructureError(
            f"lags up to {N} do not determine a minimal realization: the Hankel matrix has rank {decision.choice}, and "
            f"that order misses a lag by {found.residual:.1e}, need at most {bound:.1e}; give more lags"
        )
    A, G, C = found.system.A, found.system.B * u, u[:, None] * found.system.C
    size = float(np.linalg.norm(scaled[1:], axis=(1, 2)).max(initial=0.0)) or 1.0
    return _judged(CovarianceModel(A, C, G, Lambda[0]), decision, found.residual / size)


def shortest_recursion(sequence: Any) -> Recursion:
    """Return the shortest linear recursion that a sequence of rational numbers satisfies.

    Parameters
    ----------
    sequence : array_like
        c(1), ..., c(N), (N,): integers, Fractions, strings such as "1/3", floats at their exact value.

    Returns
    -------
    Recursion
        Coefficients, and whether they are the only ones.

    Raises
    ------
    ShapeError
        If it is no row of rational numbers.

    References
    ----------
    Berlekamp 1968; Massey 1969.

    Examples
    --------
    >>> [int(a) for a in shortest_recursion([1, 1, 2, 3, 5, 8]).a]
    [1, 1]
    """
    c = rationals("sequence", sequence)
    if c.ndim != 1:
        raise ShapeError(f"sequence has shape {c.shape}, but one row (N,) is needed")
    one = rationals("1", [1])
    q = before = one  # q(1) c(k) + q(2) c(k-1) + ... = 0; before: the q at which the length grew last,
    miss, n = one[0], 0  # and by how much it missed
    for k in range(len(c)):
        before = np.append(one * 0, before)  # one step older
        if not (error := q[: k + 1] @ c[k::-1][: len(q)]):
            continue
        changed = _sum(q, -error / miss * before)
        if 2 * n <= k:
            n, before, miss = k + 1 - n, q, error
        q = changed
    return Recursion(-_sum(q, np.repeat(one * 0, n + 1))[1 : n + 1], 2 * n <= len(c))


def _sum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x + y of polynomials whose lengths differ."""
    if len(x) < len(y):
        x, y = y, x
    return np.append(x[: len(y)] + y, x[len(y) :])


def _from_recursion(c: np.ndarray) -> PartialRealization:
    """State c(k), ..., c(k+n-1): A shifts, and computes c(k+n) by the recursion."""
    found = shortest_recursion(c[1:])
    n = len(found.a)
    A = np.eye(n, k=1)
    A[-1:] = found.a[::-1].astype(np.float64)
    data = CovarianceModel(A, np.eye(1, n), c[1 : n + 1, None].astype(np.float64), [[float(c[0])]])
    decision = Decision("order of the shortest recursion", n, np.inf, None, 1.0, found.unique, np.zeros(0))
    return _judged(data, decision, 0.0)


def _judged(data: CovarianceModel, decision: Decision, residual: float) -> PartialRealization:
    radius = spectral_radius(data.A)
    return PartialRealization(data, decision, residual, radius, positive_real(data) if radius < 1 else None)
