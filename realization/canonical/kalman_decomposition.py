"""Kalman decomposition: what an input reaches, what an output sees, and the four ways to combine them.

    z = T x,  z = (reached and unseen, reached and seen, neither, unreached and seen)

          [A11 A12 A13 A14]        [B1]
    A2 =  [ 0  A22  0  A24]   B2 = [B2]    C2 = [0 C2 0 C4]
          [ 0   0  A33 A34]        [ 0]
          [ 0   0   0  A44]        [ 0]

(A22, B2, C2) is minimal and has the transfer function of the whole.  The four spaces are those of R,
what is reached, and N, what is unseen: R meet N, its complement in R, its complement in N, and the
complement of R + N.  All bases are orthonormal; only the angle between the second and the third is
given by the system, and that alone sets the condition of T.  Where a rank is open in the given units of
the states and not in balanced ones, bases are orthonormal in those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.canonical.form import Conversion, conversion, one
from realization.canonical.reduction import Reduction, project, sample
from realization.linalg.decision import Decision, decide_rank
from realization.linalg.staircase import controllability_staircase, observability_staircase
from realization.systems.zeros import units


class Sizes(NamedTuple):
    """Dimensions of the four parts, in the order of z."""

    reached_unseen: int
    reached_seen: int
    neither: int
    unreached_seen: int


@dataclass(frozen=True, slots=True, eq=False)
class KalmanDecomposition:
    """The four parts of a system, and its minimal one.

    Parameters
    ----------
    conversion : Conversion
        System, T, condition, residual; the blocks that vanish are 0 exactly.
    sizes : Sizes
        Dimensions of the four parts.
    minimal : Reduction
        What is reached and seen.
    """

    conversion: Conversion
    sizes: Sizes
    minimal: Reduction

    @property
    def decided(self) -> bool:
        """Whether every rank on the way was decided."""
        return all(d.decided for d in self.conversion.decisions)


def kalman_decomposition(system: Any) -> KalmanDecomposition:
    """Return the system in coordinates that tell reached from unreached and seen from unseen.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Any.

    Returns
    -------
    KalmanDecomposition
        Its decisions are the ranks of both staircases and the dimension of what is reached and unseen.

    Raises
    ------
    ShapeError
        If the system is a batch.
    StructureError
        If what is reached and what is unseen meet at so small an angle that T is out of reach.

    References
    ----------
    Kalman (1963), Mathematical description of linear dynamical systems.

    Examples
    --------
    Four modes, each of another kind:

    >>> from realization.systems import LinearSSM
    >>> A = np.diag([0.1, 0.2, 0.3, 0.4])
    >>> found = kalman_decomposition(LinearSSM(A, [[1], [1], [0], [0]], [[1, 0, 1, 0]], [[0]]))
    >>> found.sizes
    Sizes(reached_unseen=1, reached_seen=1, neither=1, unreached_seen=1)
    >>> found.minimal.system.A.round(12), np.diag(found.conversion.system.A).round(12)
    (array([[0.1]]), array([0.2, 0.1, 0.4, 0.3]))
    """
    found = _decompose(one(system), np.ones(len(system.A)))
    if found.decided:
        return found
    # what is open may be a matter of units; the bases are then orthonormal in those of the balanced system
    other = _decompose(system, units(system.A, system.B, system.C))
    return other if other.decided else found


def _decompose(system: Any, unit: np.ndarray) -> KalmanDecomposition:
    """The decomposition with bases that are orthonormal in coordinates x / unit."""
    A, B, C = system.A * unit / unit[:, None], system.B / unit[:, None], system.C * unit
    reach, see = controllability_staircase(A, B), observability_staircase(A, C)
    R, rest, N = reach.Q[:, : reach.rank], reach.Q[:, reach.rank :], see.Q[:, see.rank :]
    spaces, decision = _spaces(R, rest, N)
    V, sizes = np.hstack(spaces), Sizes(*(space.shape[1] for space in spaces))
    T, V = np.linalg.solve(V, np.eye(len(V))) / unit, unit[:, None] * V
    decisions = (*reach.decisions, *see.decisions, decision)
    whole = conversion("kalman_decomposition", system, T, decisions=decisions)
    keep_A, keep_B, keep_C = _pattern(sizes)
    new = {"A": whole.system.A * keep_A, "B": whole.system.B * keep_B, "C": whole.system.C * keep_C}
    found = conversion("kalman_decomposition", system, T, **new, decisions=decisions)
    return KalmanDecomposition(found, sizes, _minimal(system, T, V, sizes, decisions))


def _spaces(R: np.ndarray, rest: np.ndarray, N: np.ndarray) -> tuple[list[np.ndarray], Decision]:
    """Orthonormal bases of the four spaces, and the decision how much of N lies in R."""
    # the singular values are the sines of the angles between N and R: 0 where a direction of N lies in R
    _, sines, Wh = np.linalg.svd(rest.conj().T @ N)
    sines = np.append(sines, np.zeros(N.shape[1] - len(sines)))
    decision = decide_rank(sines, scale=1.0, what="what is neither reached nor seen")
    k = decision.choice
    outside, inside = N @ Wh.conj().T[:, :k], N @ Wh.conj().T[:, k:]
    both = R @ _complement(R.conj().T @ inside)
    # the complement of R + N: within the complement of R, what is orthogonal to the part of N outside R
    last = rest @ _complement(rest.conj().T @ outside)
    return [inside, both, outside, last], decision


def _complement(X: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the complement of the columns of X, which have full rank."""
    Q, _ = np.linalg.qr(X, mode="complete")
    return Q[:, X.shape[1] :]


def _pattern(sizes: Sizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ones where a block of A2, B2, C2 need not vanish."""
    A = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
    rows = np.repeat(np.arange(4), sizes)
    return A[np.ix_(rows, rows)], np.isin(rows, (0, 1))[:, None], np.isin(rows, (1, 3))[None]


def _minimal(system: Any, T: np.ndarray, V: np.ndarray, sizes: Sizes, decisions: tuple[Decision, ...]) -> Reduction:
    start, end = sizes.reached_unseen, sizes.reached_unseen + sizes.reached_seen
    lost = ", ".join(
        f"{size} {name.replace('_', ' and ')}" for name, size in sizes._asdict().items() if name != "reached_seen"
    )
    return _part(system, T[start:end], V[:, start:end], decisions, "Kalman decomposition", lost)


def reachable_part(system: Any) -> Reduction:
    """Return the system restricted to what its input reaches, by an orthonormal basis: R = L'.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Any.

    Returns
    -------
    Reduction
        With the same transfer function.

    Raises
    ------
    ShapeError
        If the system is a batch.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> reachable_part(LinearSSM(np.diag([0.1, 0.2]), [[1], [0]], [[1, 1]], [[0]])).system.A.round(12)
    array([[0.1]])
    """
    found = controllability_staircase(one(system).A, system.B)
    R = found.Q[:, : found.rank]
    return _part(system, R.conj().T, R, found.decisions, "reachable part", "not reached")


def observable_part(system: Any) -> Reduction:
    """Return the system modulo what its output does not see, by an orthonormal basis: R = L'.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Any.

    Returns
    -------
    Reduction
        With the same transfer function.

    Raises
    ------
    ShapeError
        If the system is a batch.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> observable_part(LinearSSM(np.diag([0.1, 0.2]), [[1], [1]], [[0, 1]], [[0]])).system.A.round(12)
    array([[0.2]])
    """
    found = observability_staircase(one(system).A, system.C)
    R = found.Q[:, : found.rank]
    return _part(system, R.conj().T, R, found.decisions, "observable part", "not seen")


def _part(
    system: Any, L: np.ndarray, R: np.ndarray, decisions: tuple[Decision, ...], method: str, lost: str
) -> Reduction:
    small, samples = project(system, L, R), sample(system)
    residual, bound = (float(x.max(initial=0.0)) for x in (samples.distance(small), samples.noise))
    dropped = f"{len(R) - len(L)} of {len(R)} states: {lost}"
    return Reduction(method, small, L, R, residual, bound, samples.size, decisions, dropped)
