"""Controller-Hessenberg form: the input reaches the state one direction after the other.

    [B, A Q] = Q R,   R in row echelon form with positive pivots,   T = Q*,   [B2, A2] = R

Column by column this is the orthogonalisation of b1 ... bm, A b1 ... A bm, A^2 b1 ...: a column
that brings a new direction has a pivot, one that depends on those before it has none, and then
all later powers of A on it depend as well.  So the columns with a pivot are Popov's selection, and
how many belong to input i is its controllability index.  No power of A is formed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from realization.canonical.form import CanonicalForm, Conversion, conversion, one, register, relative, size
from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS, Decision, decide_rank


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Selection(Sealed):
    """Popov's selection of independent columns among b1 ... bm, A b1 ... A bm, A^2 b1 ...

    Parameters
    ----------
    Q : ndarray
        (n, n) orthogonal; its first r columns span what the input reaches, in the order of selection.
    chains : tuple of tuple of int
        For each input the columns of Q that A^k b_i, k = 0, 1, ..., brought.
    pivots : ndarray
        (r,): what is left of each selected column, relative to |b_i| or |A|: the margins.
    decision : Decision
        r, with the gap between the smallest pivot and the largest remainder that was dropped.
    """

    Q: np.ndarray
    chains: tuple[tuple[int, ...], ...]
    pivots: np.ndarray
    decision: Decision

    @property
    def indices(self) -> tuple[int, ...]:
        """Controllability index of each input."""
        return tuple(len(chain) for chain in self.chains)


def popov_selection(A: Any, B: Any) -> Selection:
    """Return the directions in which an input reaches the state, one after the other, by the largest gap.

    Every remainder is first kept unless it is at rounding level.  Where the gap decides that kept
    ones are zeros in disguise, the first of them is dropped and what follows is computed anew;
    where two gaps compete nothing is dropped.

    Parameters
    ----------
    A, B : array_like
        (n, n), (n, m).

    Returns
    -------
    Selection
        With `decision.decided` False where two cuts compete.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    References
    ----------
    Popov 1972, Invariant description of linear, time-invariant controllable systems.

    Examples
    --------
    The first input reaches two directions, the second what the first has left:

    >>> popov_selection([[0, 0, 0], [1, 0, 0], [0, 0, 0]], [[1, 0], [0, 0], [0, 1]]).indices
    (2, 1)
    """
    A, B = matrices("A: n n; B: n m", A=A, B=B)
    drop = 4 * max(len(A), 1) * EPS
    while True:
        Q, chains, seen = _orthogonalise(A, B, drop)
        # the last 0 is rounding level itself: a gap above it says that all count
        values = sorted((value for value, _ in seen), reverse=True)
        decision = decide_rank([*values, 0.0], scale=1.0, what="directions that the input reaches")
        cut = values[decision.choice] if decision.choice < len(values) else 0.0
        disguised = [value for value, kept in seen if kept and value <= cut]
        if not (decision.decided and disguised):
            return Selection(Q, chains, np.array([value for value, kept in seen if kept]), decision)
        drop = disguised[0]


def _orthogonalise(
    A: np.ndarray, B: np.ndarray, drop: float
) -> tuple[np.ndarray, tuple[tuple[int, ...], ...], list[tuple[float, bool]]]:
    n, m = B.shape
    Q = np.zeros((n, 0))
    chains: list[list[int]] = [[] for _ in range(m)]
    seen: list[tuple[float, bool]] = []
    norm = float(np.linalg.norm(A, 2)) if n else 0.0
    queue = [(i, B[:, i], size(B[:, i])) for i in range(m)]
    while queue and Q.shape[1] < n:
        i, v, scale = queue.pop(0)
        # twice: once leaves u |v| / |remainder| of the old directions
        for _ in range(2):
            v = v - Q @ (Q.conj().T @ v)
        left = size(v)
        value = left / scale if scale else 0.0
        seen.append((value, value > drop))
        if value > drop:
            chains[i].append(Q.shape[1])
            Q = np.column_stack([Q, v / left])
            queue.append((i, A @ Q[:, -1], norm))
    rest = np.linalg.svd(Q)[0][:, Q.shape[1] :]
    return np.column_stack([Q, rest]), tuple(tuple(chain) for chain in chains), seen


def controllable(form: str, system: Any, *, mirrored: bool = False) -> Selection:
    """Return the selection, refusing a system whose state the input does not reach whole.

    A mirrored system is the dual of the one in question: there the output does not see the whole state.
    """
    found = popov_selection(one(system).A, system.B)
    side, kind = ("output sees", "observable") if mirrored else ("input reaches", "controllable")
    n, r, decision = len(system.A), len(found.pivots), replace(found.decision, what=f"directions that the {side}")
    if r < n:
        margin = float(decision.values[r]) if r < len(decision.values) else 0.0
        raise StructureError(
            f"{form}: the {side} {r} of {n} directions of the state and the next with margin {margin:.1e} "
            f"(gap {decision.gap:.1e}); {'an' if mirrored else 'a'} {kind} system is needed, see minimal realization"
        )
    return replace(found, decision=decision)


def hessenberg(system: Any) -> Conversion:
    """Return [B2, A2] = Q* [B, A Q] in row echelon form with positive pivots, T = Q* orthogonal.

    With one input A2 is upper Hessenberg and B2 a multiple of e_1.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Any: the form always exists, and its T has condition 1.

    Returns
    -------
    Conversion
        Unique under orthogonal changes of basis where the input reaches the whole state.

    References
    ----------
    Van Dooren and Verhaegen 1985, On the use of unitary state-space transformations.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> found = hessenberg(LinearSSM(A=[[1, 2], [3, 4]], B=[[3], [4]], C=[[1, 0]], D=[[0]]))
    >>> found.system.B.round(12), found.system.A.round(12)
    (array([[5.],
           [0.]]), array([[ 5.32,  0.24],
           [ 1.24, -0.32]]))
    """
    return in_selected(system, popov_selection(one(system).A, system.B))


def in_selected(system: Any, found: Selection) -> Conversion:
    """Return the controller-Hessenberg form for a selection that was made."""
    Q, T = found.Q, found.Q.conj().T
    B, A = _echelon(T @ system.B, T @ system.A @ Q, found)
    r = len(found.pivots)
    free = None if r == len(Q) else f"the last {len(Q) - r} of {len(Q)} coordinates, which no input reaches"
    free = free or (None if found.decision.decided else "where the input stops reaching is undecided")
    return conversion("hessenberg", system, T, A=A, B=B, C=system.C @ Q, decisions=(found.decision,), freedom=free)


def _echelon(B: np.ndarray, A: np.ndarray, found: Selection) -> tuple[np.ndarray, np.ndarray]:
    """Put the zeros of the form in place: below each pivot, and below the last row of a column without one."""
    m, r = B.shape[1], len(found.pivots)
    R = np.column_stack([B, A])
    brought: dict[int, int] = {}
    for i, chain in enumerate(found.chains):
        brought |= dict(zip([i, *(m + q for q in chain)], chain, strict=False))
    rows = 0
    for j in range(m + r):
        rows = brought.get(j, rows - 1) + 1
        R[rows:, j] = 0.0
    return R[:, :m], R[:, m:]


def hessenberg_defect(system: Any) -> float:
    """Return how far [B, A] is from row echelon form with positive pivots, relative to |[B, A]|."""
    R, row, off = np.column_stack([system.B, system.A]), 0, 0.0
    n, m = system.B.shape
    for j in range(n + m):
        if row == n or j >= m + row:
            break
        tail = R[row:, j]
        off = max(off, size(tail[1:]), float(abs(tail[0] - abs(tail[0]))))
        row += int(tail[0] != 0)
    return relative(np.array(off), size(R))


HESSENBERG = register(
    CanonicalForm(
        name="hessenberg",
        convert=hessenberg,
        defect=hessenberg_defect,
        group="orthogonal",
        title="controller-Hessenberg: [B, A] in row echelon form",
        reference="Van Dooren and Verhaegen 1985",
    )
)
