"""The corners of Faurre's set: models with as few noises as outputs, one for each invariant subspace of the predictor.

    P = P_- + V inv(V' O V) V',    F V = V F1,    F = A - K C,    O = F' O F + C' inv(R) C

The zeros that belong to V move to their reciprocals (in continuous time to their negatives), the others stay.
V = 0 gives P_-, the whole space P_+; a larger subspace gives a larger P.  With k zeros that can move one by one
there are 2^k corners.  They are the internal realizations: their states are functions of the outputs, and what is
left of them given all outputs, Q - Q O Q, is 0.  A repeated zero has more of them, one for each subspace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.core.shapes import array
from realization.linalg.block_schur import block_diagonal_schur
from realization.linalg.decision import EPS
from realization.linalg.dense import two_norm
from realization.stochastic.faurre.covariance_set import FaurreSet
from realization.stochastic.faurre.noise_matrix import reflected
from realization.stochastic.faurre.smallest import inverse
from realization.systems.base import count, of_kind

GROUPS = 12  # 4096 models


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Extremal(Sealed):
    """A covariance whose model has p noises.

    Parameters
    ----------
    P : ndarray
        (n, n).
    flipped : tuple of int
        The groups of zeros, as `zero_groups` has them, that are outside the circle (in the right half-plane).
    zeros : ndarray
        (n,), complex, of the model; infinite where a zero at the origin was flipped.
    error : float
        2-norm of the error of P, to first order, in the units of the set.
    """

    P: np.ndarray
    flipped: tuple[int, ...]
    zeros: np.ndarray
    error: float


def zero_groups(full: FaurreSet) -> tuple[np.ndarray, ...]:
    """Return the zeros of the forward innovations model, by groups that move together.

    Parameters
    ----------
    full : FaurreSet
        Of a process.

    Returns
    -------
    tuple of ndarray
        A real zero, a complex pair, or a cluster whose members rounding cannot tell apart.

    Raises
    ------
    ShapeError
        If full is of another kind.
    """
    return tuple(values for values, _ in _groups(full))


def extremal(full: FaurreSet, flipped: Sequence[int] = ()) -> Extremal:
    """P_- + V inv(V' O V) V', V the invariant subspace of F that belongs to some of its zeros.

    Parameters
    ----------
    full : FaurreSet
        Of a process.
    flipped : sequence of int
        Which of `zero_groups` move to the other side.  None of them gives P_-, all of them P_+.

    Returns
    -------
    Extremal
        A covariance with rank M(P) = p.

    Raises
    ------
    ShapeError
        If full is of another kind, or an index is no whole number, out of range, or comes twice.
    StructureError
        If there are zeros on the boundary, or V' O V is singular to rounding.

    Examples
    --------
    >>> from realization.stochastic import CovarianceModel, faurre_set
    >>> one = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]))
    >>> [extremal(one, flipped).zeros.real.round(4).tolist() for flipped in ([], [0])]
    [[0.2679], [3.7321]]
    """
    groups = _groups(full)
    chosen = tuple(sorted(count("an index in flipped", i) for i in np.atleast_1d(array("flipped", flipped))))
    if len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(len(groups))):
        raise ShapeError(f"flipped is {chosen}; different numbers from 0 to {len(groups) - 1} are needed")
    zeros = [reflected(full.data, values) if i in chosen else values for i, (values, _) in enumerate(groups)]
    P, error = full.P_minus, full.error
    if chosen:
        x = full.units[: len(P)]
        O, V = np.outer(x, x) * full.weight, np.linalg.qr(np.hstack([groups[i][1] for i in chosen]))[0]
        Q = inverse(V.T @ O @ V, "V' O V")
        P = P + np.outer(x, x) * (V @ Q @ V.T)
        error += len(O) * EPS * two_norm(O) * two_norm(Q) ** 2  # d inv(Y) = -inv(Y) dY inv(Y)
    return Extremal((P + P.T) / 2, chosen, np.concatenate([np.zeros(0, dtype=complex), *zeros]), error)


def extremals(full: FaurreSet) -> tuple[Extremal, ...]:
    """All corners that `extremal` gives, from P_- to P_+: 2^k of them for k groups of zeros.

    Parameters
    ----------
    full : FaurreSet
        Of a process.

    Returns
    -------
    tuple of Extremal
        By the number of groups that are flipped.

    Raises
    ------
    ShapeError
        If full is of another kind.
    StructureError
        If there are zeros on the boundary, or more than 12 groups.
    """
    k = len(zero_groups(full))
    if k > GROUPS:
        raise StructureError(f"{k} groups of zeros give 2^{k} models, need at most {GROUPS} groups; use extremal")
    return tuple(extremal(full, flipped) for r in range(k + 1) for flipped in combinations(range(k), r))


def _groups(full: FaurreSet) -> list[tuple[np.ndarray, np.ndarray]]:
    """Zeros and a basis of their invariant subspace, in units, by groups."""
    of_kind("zeros by groups", full, FaurreSet)
    x = full.units[: len(full.data.A)]
    found = block_diagonal_schur(full.predictor * x / x[:, None])
    ends = np.cumsum([0, *found.blocks])
    spans = [slice(i, j) for i, j in zip(ends[:-1], ends[1:], strict=True)]
    return [(np.linalg.eigvals(found.A2[s, s]).astype(complex), found.inverse[:, s]) for s in spans]
