"""Block-diagonal Schur form: as many blocks as a bounded condition of T allows.

    T A inv(T) = blkdiag(A_1, ..., A_k),    each A_i a real Schur form,    cond(T) <= bound

Unlike the modal form it exists for every system: eigenvalues that rounding cannot separate, those
of a Jordan block among them, share a block.  The bound is one on angles between subspaces, so the
blocks stay the same under orthogonal changes of basis and not under others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.canonical.form import CanonicalForm, Conversion, conversion, one, register, relative, size
from realization.canonical.modal import WEAK, phases
from realization.linalg.block_schur import BlockDiagonalSchur
from realization.linalg.block_schur import block_diagonal_schur as split

# a behaviour is kept to u cond(T)^2, here to ten digits
BOUND = 1e3
# half of the digits: eigenvalues that agree in these leave the rotation between their coordinates to rounding
TIED = 1e-8


def block_diagonal_schur(system: Any) -> Conversion:
    """Return the system with A2 = blkdiag of real Schur forms, the condition of T at most 1e3.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Any.

    Returns
    -------
    Conversion
        Unique where no block holds more than one eigenvalue or one pair and none agree; inside larger
        blocks the order is that of LAPACK.  `realization.linalg.block_diagonal_schur` takes other bounds, and has the
        sizes of the blocks.

    Raises
    ------
    ShapeError
        If the system is a batch.

    References
    ----------
    Bavely and Stewart (1979), An algorithm for computing reducing subspaces by block diagonalization.

    Examples
    --------
    A Jordan block stays whole beside a third eigenvalue:

    >>> from realization.systems import LinearSSM
    >>> system = LinearSSM([[0.5, 1, 1], [0, 0.5, 1], [0, 0, -0.2]], [[0], [1], [1]], [[1, 0, 0]], [[0]])
    >>> abs(block_diagonal_schur(system).system.A).round(3)
    array([[0.5, 1. , 0. ],
           [0. , 0.5, 0. ],
           [0. , 0. , 0.2]])
    """
    found = split(one(system).A, bound=BOUND)
    d, freedom = signs(system, found.T, found.inverse, found)
    T, B, C = d[:, None] * found.T, d[:, None] * (found.T @ system.B), system.C @ found.inverse / d
    A = found.A2 * (d[:, None] / d)
    return conversion("block_diagonal_schur", system, T, A=A, B=B, C=C, freedom=freedom)


def signs(system: Any, T: np.ndarray, V: np.ndarray, found: BlockDiagonalSchur) -> tuple[np.ndarray, str | None]:
    """Return one sign for each block, since a pair is rotated as one, and what else is free in these coordinates.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With n states.
    T, V : ndarray
        (k, n) and (n, k): rows and columns that belong to the blocks, T V = I.
    found : BlockDiagonalSchur
        Of T A V.

    Returns
    -------
    tuple
        d (k,), and one line or None.
    """
    first = np.cumsum([0, *found.blocks])[:-1].astype(int)
    B, C = T[first] @ system.B, system.C @ V[:, first]
    reached = np.linalg.norm(B, axis=1) > WEAK * size(system.B) * np.linalg.norm(T[first], axis=1)
    seen = np.linalg.norm(C, axis=0) > WEAK * size(system.C) * np.linalg.norm(V[:, first], axis=0)
    idle = np.flatnonzero(~reached & ~seen)
    sign = f"the sign of the block at {first[idle[0]]}, which is neither reached nor seen" if len(idle) else None
    return np.repeat(phases(B, C, reached), found.blocks), _free(found) or sign


def _free(found: BlockDiagonalSchur) -> str | None:
    i = 0
    for k in found.blocks:
        A = found.A2[i : i + k, i : i + k]
        if k > 2 or (k == 2 and A[1, 0] == 0):
            return f"the order of the {k} eigenvalues in the block at {i}"
        if k == 2 and abs(A[0, 1] + A[1, 0]) <= TIED * abs(A[0, 1]):
            return f"a rotation: the block at {i} is normal"
        i += k
    values = np.linalg.eigvals(found.A2)
    if (np.abs(values[:, None] - values)[np.triu_indices(i, 1)] <= TIED * size(found.A2)).any():
        return "the basis of a space of eigenvectors: eigenvalues of two blocks agree"
    return None


def block_schur_defect(system: Any) -> float:
    """Return how far A is from upper quasi-triangular with 2 x 2 blocks of equal diagonal, relative to |A|."""
    A = np.array(system.A)
    i = 0
    while i + 1 < len(A):
        below, between = A[i + 1, i], A[i, i] - A[i + 1, i + 1]
        # a pair, or two numbers: whichever is nearer
        pair = abs(between) < abs(below)
        A[i + 1, i] = between if pair else below
        i += 2 if pair else 1
    return relative(np.tril(A, -1), size(system.A))


BLOCK_DIAGONAL_SCHUR = register(
    CanonicalForm(
        name="block_diagonal_schur",
        convert=block_diagonal_schur,
        defect=block_schur_defect,
        group="orthogonal",
        title="block-diagonal Schur: as many blocks as a bounded T allows",
        reference="Bavely and Stewart 1979",
    )
)
