"""Luenberger forms: companions with any number of inputs or outputs, one chain for each.

    A2 = [blocks S_k on the diagonal, a full row at the end of each],   B2 = 0 but in those rows

Popov's selection b1 ... bm, A b1 ... A bm, A^2 b1 ... keeps the first independent columns; the k_i of
them that belong to input i make chain i.  With M the selected columns, chain after chain,

    q_i = the last row of chain i in inv(M),     T = [q_i; q_i A; ...; q_i A^(k_i - 1)],  i = 1 ... m

so q_i A^(k_i - 1) b_i = 1 and all other selected columns give 0.  The indices k_i are invariants
of (A, B), and so is T: nothing is left free.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from realization.canonical.form import (
    CanonicalForm,
    Conversion,
    conversion,
    one,
    register,
    relative,
    size,
    within_reach,
)
from realization.canonical.hessenberg import Selection, controllable, in_selected
from realization.systems.base import right_divide
from realization.systems.compose import dual


def controllable_luenberger(system: Any) -> Conversion:
    """Return the companion form with one chain for each input that brings new directions.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Controllable; any number of inputs.

    Returns
    -------
    Conversion
        Unique; with one input it is the controllable companion.

    Raises
    ------
    StructureError
        If the inputs do not reach the whole state, or T is out of reach in double precision.

    References
    ----------
    Luenberger 1967; Popov 1972, Invariant description of linear, time-invariant controllable systems.

    Examples
    --------
    Two inputs, chains of two and of one:

    >>> from realization.systems import LinearSSM
    >>> system = LinearSSM(A=np.diag([1.0, 2, 4]), B=[[1, 1], [1, 0], [1, 0]], C=[[1, 1, 1]], D=[[0, 0]])
    >>> controllable_luenberger(system).system.A.round(9) + 0
    array([[ 0.,  1.,  0.],
           [-8.,  6.,  0.],
           [ 3.,  0.,  1.]])
    """
    name = "controllable_luenberger"
    found = controllable(name, system)
    return in_chains(name, system, found)


def in_chains(name: str, system: Any, found: Selection) -> Conversion:
    """Return the Luenberger form for a selection that was made."""
    hosted = in_selected(system, found)
    H, R, T = hosted.system.A, hosted.system.B, hosted.T
    chains = [(i, chain) for i, chain in enumerate(found.chains) if chain]
    # in the coordinates of the selection its columns are upper triangular: v[j] has no entry below row j
    M = np.zeros_like(H)
    for i, chain in chains:
        M[:, list(chain)] = _powers(H, R[:, i], len(chain)).T
    within_reach(name, M)
    rows = [_powers(H.T, solve_triangular(M, np.eye(len(M))[chain[-1]], trans="T"), len(chain)) for _, chain in chains]
    P = np.vstack([np.zeros((0, len(H))), *rows])
    within_reach(name, P)
    last = np.cumsum([len(chain) for _, chain in chains], dtype=int) - 1
    A = np.eye(len(H), k=1, dtype=H.dtype)
    A[last] = right_divide(P[last] @ H, P)
    B = np.zeros_like(R)
    B[last] = _inputs(P[last] @ R, found.indices)
    return conversion(name, system, P @ T, A=A, B=B, decisions=hosted.decisions)


def _powers(A: np.ndarray, x: np.ndarray, steps: int) -> np.ndarray:
    """Return the rows x, A x, ..., A^(steps - 1) x."""
    rows = [x]
    for _ in range(steps - 1):
        rows.append(A @ rows[-1])
    return np.array(rows)


def _inputs(G: np.ndarray, indices: tuple[int, ...]) -> np.ndarray:
    """Put 1 and 0 in place: q_i A^(k_i - 1) b_j is 1 for j = i, and free only if j > i has a shorter chain."""
    k = np.array(indices, dtype=int)
    i = np.flatnonzero(k)
    j = np.arange(len(k))
    free = (j > i[:, None]) & (k < k[i, None])
    return np.where(free, G, j == i[:, None])


def observable_luenberger(system: Any) -> Conversion:
    """Return the controllable form of the dual, transposed: one chain for each output.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Observable; any number of outputs.

    Returns
    -------
    Conversion
        Unique; with one output it is the observable companion.

    Raises
    ------
    StructureError
        If the outputs do not see the whole state, or T is out of reach in double precision.

    References
    ----------
    Luenberger 1967; Popov 1972.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> system = LinearSSM(A=np.diag([1.0, 2, 4]), B=[[1], [1], [1]], C=[[1, 1, 1], [1, 0, 0]], D=[[0], [0]])
    >>> observable_luenberger(system).system.C.round(9) + 0
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """
    name = "observable_luenberger"
    mirror = dual(one(system))
    found = in_chains(name, mirror, controllable(name, mirror, mirrored=True))
    new, T = dual(found.system), np.linalg.solve(found.T.T, np.eye(len(found.T)))
    return conversion(name, system, T, A=new.A, B=new.B, C=new.C, decisions=found.decisions)


def controllable_luenberger_defect(system: Any) -> float:
    """Return how far A is from shifts with full last rows, and B from 0 and unit entries, relative to both."""
    A, B = system.A, system.B
    last = [int(r) for r in np.flatnonzero(B.any(axis=1))]
    inputs = [int(np.flatnonzero(B[r])[0]) for r in last]
    if len(A) and (not last or last[-1] != len(A) - 1 or inputs != sorted(set(inputs))):
        return 1.0
    k = np.zeros(B.shape[1], dtype=int)
    k[inputs] = np.diff([-1, *last])
    ideal = np.eye(len(A), k=1, dtype=A.dtype)
    ideal[last] = A[last]
    off = B[last] - _inputs(B[last], tuple(k)) if last else np.zeros(0)
    return max(relative(A - ideal, size(A)), relative(off, size(B)))


def observable_luenberger_defect(system: Any) -> float:
    """Return the defect of the dual."""
    return controllable_luenberger_defect(dual(system))


CONTROLLABLE_LUENBERGER = register(
    CanonicalForm(
        name="controllable_luenberger",
        convert=controllable_luenberger,
        defect=controllable_luenberger_defect,
        group="general",
        title="controllable Luenberger form: one companion chain for each input",
        reference="Luenberger 1967; Popov 1972",
    )
)
OBSERVABLE_LUENBERGER = register(
    CanonicalForm(
        name="observable_luenberger",
        convert=observable_luenberger,
        defect=observable_luenberger_defect,
        group="general",
        title="observable Luenberger form: one companion chain for each output",
        reference="Luenberger 1967; Popov 1972",
    )
)
