"""Memory split: what a system remembers exactly and then forgets, beside what fades.

    T A inv(T) = blkdiag(N, A_1, ..., A_k),    N strictly upper triangular,    A_i invertible

    G(z) = D + sum_(j < index) C_1 N^j B_1 z^-(j+1)  +  C_2 inv(zI - M) B_2,    M = blkdiag(A_1, ..., A_k)

The first part is a window of `index` steps, the second has no end; both are unique (Fitting).  Where the
condition of T forbids the zeros above M, they are given up and the number says so:

    T A inv(T) = [[N, X], [0, M]],    T orthogonal.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from realization.canonical.block_schur import BOUND, block_schur_defect, signs
from realization.canonical.form import CanonicalForm, Conversion, conversion, one, register, size
from realization.canonical.modal import WEAK, phases
from realization.linalg.block_schur import block_diagonal_schur
from realization.linalg.decision import EPS, Decision, require_decided
from realization.linalg.fitting import FittingSplit, fitting_split


@dataclass(frozen=True, slots=True, eq=False)
class MemorySplit:
    """The two memories of a system, and what could not be decoupled.

    Parameters
    ----------
    conversion : Conversion
        System, T, condition, residual.
    window : int
        Number of states of the nilpotent part, the first ones.
    index : int
        Of nilpotency: the number of steps that this part remembers.
    blocks : tuple of int
        Sizes of the blocks of the invertible part.
    decoupled : bool
        Whether both parts go their own ways.
    forbidden : float
        Condition of the T that decouples them; what is allowed is in `bound`.
    bound : float
        See `forbidden`.
    """

    conversion: Conversion
    window: int
    index: int
    blocks: tuple[int, ...]
    decoupled: bool
    forbidden: float
    bound: float


def memory_split(system: Any) -> MemorySplit:
    """Return the system with its nilpotent part first and its invertible part in block-diagonal form.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Any; in continuous time nilpotent means a polynomial response, not a window.

    Returns
    -------
    MemorySplit
        Not decoupled where an eigenvalue is so small that T is out of reach.  Unique under orthogonal
        changes of basis where the window is one chain and the blocks are those of separated eigenvalues.

    Raises
    ------
    ShapeError
        If the system is a batch.
    StructureError
        If a rank is undecided: an eigenvalue may be 0 or not; the message gives the singular values.

    References
    ----------
    Fitting (1933); Golub and Wilkinson (1976), Ill-conditioned eigensystems and the Jordan canonical form.

    Examples
    --------
    A window of three steps beside two fading modes:

    >>> from realization.systems.library import window_and_fading
    >>> found = memory_split(window_and_fading(3, (0.9, 0.5)))
    >>> found.window, found.index, found.blocks, found.decoupled
    (3, 3, (1, 1), True)
    """
    split = fitting_split(one(system).A)
    require_decided(split.decisions, "what is remembered exactly and what fades are not to be told apart")
    k, n = len(split.N), len(system.A)
    modes = block_diagonal_schur(split.M, bound=BOUND)
    T = scipy.linalg.block_diag(np.eye(k), modes.T) @ (split.Q.conj().T if split.T is None else split.T)
    V = np.linalg.solve(T, np.eye(n))
    X = split.X @ modes.inverse if split.T is None else np.zeros_like(split.X)
    A = np.block([[split.N, X], [np.zeros_like(X).T, modes.A2]])
    (d, window), (e, fading) = _signs(system, T[:k], V[:, :k], split), signs(system, T[k:], V[:, k:], modes)
    d = np.concatenate([d, e])
    decisions = (*split.decisions, _dimension("window", k), _dimension("index", split.index))
    A, T = A * (d[:, None] / d), d[:, None] * T
    found = conversion("memory_split", system, T, A=A, decisions=decisions, freedom=window or fading)
    return MemorySplit(found, k, split.index, modes.blocks, split.decoupled, split.condition, split.bound)


def _dimension(what: str, k: int) -> Decision:
    """Follows from the ranks; it is in the list so that it is compared where coordinates are free."""
    return Decision(what, k, np.inf, None, 1.0, True, np.array([float(k)]))


def _signs(system: Any, T: np.ndarray, V: np.ndarray, split: FittingSplit) -> tuple[np.ndarray, str | None]:
    """Return units that make the entries above the diagonal of a single chain positive; what else is free, or None.

    A chain keeps one sign for all of it, which the first large entry of B or C in it fixes.
    """
    N, k = split.N, len(split.N)
    if split.index < k:
        return np.ones(k), f"orthogonal coordinates in the window: its {k} states are more than one chain"
    above = np.diag(N, 1)
    d = np.cumprod(np.append(np.ones(min(k, 1)), above / np.abs(above)))
    B, C = d[:, None] * (T @ system.B), system.C @ V / d
    reached = size(B) > WEAK * size(T) * size(system.B)
    if k and not reached and not size(C) > WEAK * size(V) * size(system.C):
        return d, "the sign of the window, which is neither reached nor seen"
    return d * phases(B.reshape(1, -1), C.reshape(-1, 1), np.array([reached])), None


def memory_split_form(system: Any) -> Conversion:
    """Return `memory_split(system).conversion`, as the registry has it.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Any.

    Returns
    -------
    Conversion
        Unique under orthogonal changes of basis where the window is one chain and the blocks are
        those of separated eigenvalues.

    Raises
    ------
    ShapeError
        If the system is a batch.

    Examples
    --------
    >>> from realization.systems.library import delay_line
    >>> memory_split_form(delay_line(3)).decisions[-1].choice
    3
    """
    return memory_split(system).conversion


def memory_split_defect(system: Any) -> float:
    """Return how far A is from [[N, X], [0, M]], N strictly upper and M upper quasi-triangular, relative to |A|."""
    A = np.array(system.A)
    n, small = len(A), EPS * size(A)
    k = 0
    while k < n and size(A[k:, k]) <= small * max(n, 1):
        k += 1
    A[:k] = 0.0
    return block_schur_defect(dataclasses.replace(system, A=A))


MEMORY_SPLIT = register(
    CanonicalForm(
        name="memory_split",
        convert=memory_split_form,
        defect=memory_split_defect,
        group="orthogonal",
        title="memory split: a window beside what fades",
        reference="Fitting 1933",
    )
)
