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
from realization.canonical.modal import phases
from realization.linalg.block_schur import BlockDiagonalSchur
from realization.linalg.block_schur import block_diagonal_schur as split

# a behaviour is kept to u cond(T)^2, here to ten digits
BOUND = 1e3


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
    first = np.cumsum([0, *found.blocks])
    T, B, C = found.T, found.T @ system.B, system.C @ found.inverse
    # one sign for each block: a pair is rotated as one
    lead = [int(i) for i in first[:-1]]
    reached = np.linalg.norm(B[lead], axis=1) > 1e-12 * size(B)
    d = np.repeat(phases(B[lead], C[:, lead], reached), found.blocks)
    A = found.A2 * (d[:, None] / d)
    return conversion(
        "block_diagonal_schur",
        system,
        d[:, None] * T,
        A=A,
        B=d[:, None] * B,
        C=C / d,
        freedom=_free(found),
    )


def _free(found: BlockDiagonalSchur) -> str | None:
    i = 0
    for k in found.blocks:
        A = found.A2[i : i + k, i : i + k]
        if k > 2 or (k == 2 and A[1, 0] == 0):
            return f"the order of the {k} eigenvalues in the block at {i}"
        if k == 2 and abs(A[0, 1] + A[1, 0]) <= 1e-8 * abs(A[0, 1]):
            return f"a rotation: the block at {i} is normal"
        i += k
    values = np.linalg.eigvals(found.A2)
    if (np.abs(values[:, None] - values)[np.triu_indices(i, 1)] <= 1e-8 * size(found.A2)).any():
        return "the basis of a space of eigenvectors: eigenvalues of two blocks agree"
    return None


def block_schur_defect(system: Any) -> float:
    """Return how far A is from upper quasi-triangular with 2 x 2 blocks of equal diagonal, relative to |A|."""
    A = np.tril(system.A, -1)
    for i in np.flatnonzero(np.diag(A, -1)):
        A[i + 1, i] = system.A[i, i] - system.A[i + 1, i + 1]
    return relative(A, size(system.A))


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
