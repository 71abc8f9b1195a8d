"""Block-diagonal Schur form: as many blocks as a bounded condition allows.

    T A inv(T) = blkdiag(A_1, ..., A_k),     inv(T) = [V_1 ... V_k],     V_i' V_i = I,     cond(T) <= bound

V_i spans the invariant subspace of one group of eigenvalues.  Groups are merged until the angles
between their subspaces allow the bound: what a Jordan form would split, and rounding cannot, stays together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import block_diag, schur
from scipy.linalg.lapack import get_lapack_funcs

from realization.core.errors import ConvergenceError
from realization.core.frozen import Sealed
from realization.linalg.arguments import matrices
from realization.linalg.decision import at_least
from realization.linalg.fitting import LARGEST_CONDITION


@dataclass(frozen=True, slots=True, eq=False)
class Merge:
    """Two groups of eigenvalues that were put into one block.

    Parameters
    ----------
    first, second : tuple of complex
        Their eigenvalues; of a complex pair of a real matrix the upper one.
    projector : float
        Norm of the spectral projector onto the first group, the largest of all groups.
    condition : float
        Of T before the merge: above the bound.
    """

    first: tuple[complex, ...]
    second: tuple[complex, ...]
    projector: float
    condition: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BlockDiagonalSchur(Sealed):
    """T A = A2 T with A2 block diagonal.

    Parameters
    ----------
    T, inverse : ndarray
        (n, n); the columns of `inverse` are orthonormal within each block.
    A2 : ndarray
        (n, n), each block a real Schur form (a complex one where A is complex).
    blocks : tuple of int
        Sizes, in order of decreasing modulus of their largest eigenvalue, then of increasing angle.
    condition, bound : float
        Of T in the 2-norm, and what it was not to exceed.
    residual : float
        |T A - A2 T| / (|T| |A|).
    merges : tuple of Merge
        What was put together and why, in order.
    """

    T: np.ndarray
    inverse: np.ndarray
    A2: np.ndarray
    blocks: tuple[int, ...]
    condition: float
    bound: float
    residual: float
    merges: tuple[Merge, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Eigenvalues, where they stand in the Schur form, a basis of their subspace, the norm of their projector."""

    eigenvalues: np.ndarray
    places: np.ndarray
    V: np.ndarray
    projector: float


def block_diagonal_schur(A: Any, *, bound: float = LARGEST_CONDITION) -> BlockDiagonalSchur:
    """Return T with T A inv(T) block diagonal and cond(T) <= bound.

    At first every eigenvalue, and every complex pair of a real matrix, is a group.  While
    [V_1 ... V_k] is worse conditioned than the bound, the group with the largest spectral
    projector is merged with the one nearest to it.

    Parameters
    ----------
    A : array_like
        (n, n), real or complex.
    bound : float
        Largest condition of T.  Default: 1e-6 / eps, at which rounding looks like structure.

    Returns
    -------
    BlockDiagonalSchur
        One block where nothing can be separated.

    Raises
    ------
    ShapeError
        If A is not square or not finite, or the bound is below 1.
    ConvergenceError
        If the QR algorithm does not converge.

    Notes
    -----
    Orthonormal bases within the blocks are within sqrt(k) of the smallest condition that these k blocks
    allow (Demmel 1983).  Equal eigenvalues share a block.

    References
    ----------
    Bavely and Stewart (1979), SIAM J. Numer. Anal. 16, 359-367; Demmel (1983), SIAM J. Numer. Anal. 20, 599-610.

    Examples
    --------
    A pair 1e-9 apart stays together, at a bound of 1e3; the third eigenvalue is separated from it:

    >>> form = block_diagonal_schur([[0.5, 1, 1], [0, 0.5 + 1e-9, 1], [0, 0, -0.2]], bound=1e3)
    >>> form.blocks, form.condition < 1e3, form.residual < 1e-15
    ((2, 1), True, True)
    >>> block_diagonal_schur([[0.5, 1], [0, 0.4]]).A2.round(12).tolist()
    [[0.5, 0.0], [0.0, 0.4]]
    """
    A = matrices("A: n n", A=A)[0]
    bound = at_least(1.0, "bound", bound)
    if not len(A):
        return BlockDiagonalSchur(A, A, A, (), 1.0, bound, 0.0, ())
    try:
        S, Q = schur(A)
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(f"the QR algorithm stopped on A of {len(A)} rows: {error}; scale A") from None
    groups = [_group(S, Q, places, eigenvalues) for places, eigenvalues in _finest(S)]
    merges: list[Merge] = []
    while (condition := _condition(groups)) > bound and len(groups) > 1:
        groups, merge = _merge(S, Q, groups, condition)
        merges.append(merge)
    order = order_eigenvalues([g.eigenvalues[order_eigenvalues(g.eigenvalues)[0]] for g in groups])
    pieces = [_standard(groups[i].V, A) for i in order]
    V, A2 = np.hstack([v for v, _ in pieces]), block_diag(*(a for _, a in pieces))
    T = np.linalg.solve(V, np.eye(len(A)))
    scale = np.linalg.norm(T, 2) * np.linalg.norm(A, 2)
    residual = float(np.linalg.norm(T @ A - A2 @ T, 2) / scale) if scale else 0.0
    blocks = tuple(v.shape[1] for v, _ in pieces)
    return BlockDiagonalSchur(T, V, A2, blocks, condition, bound, residual, tuple(merges))


def order_eigenvalues(eigenvalues: Sequence[complex] | np.ndarray, *, rtol: float = 1e-8) -> list[int]:
    """Return the order by decreasing modulus, then by increasing angle in (-pi, pi].

    Parameters
    ----------
    eigenvalues : array_like
        (k,).
    rtol : float
        Moduli that differ by less, relative to the largest, are equal: rounding must not choose the order
        of 0.5 and -0.5.  Half of the digits, as an eigenvalue of condition 1e8 is known to no more.

    Returns
    -------
    list of int
        Places in the given list, the first to come first.

    Examples
    --------
    >>> order_eigenvalues([-0.5, 0.9, 0.5 + 1e-17, 0.5j])
    [1, 2, 3, 0]
    """
    values = np.asarray(eigenvalues, dtype=np.complex128)
    moduli = np.abs(values)
    falling = np.argsort(-moduli, kind="stable")
    jumps = -np.diff(moduli[falling]) > rtol * moduli.max(initial=0.0)
    level = np.zeros(len(values), int)
    level[falling[1:]] = np.cumsum(jumps)
    # an angle of -pi is pi with the sign of a rounding error
    angle = np.angle(values)
    angle[angle <= -np.pi + rtol] = np.pi
    return [int(i) for i in np.lexsort((angle, level))]


def _finest(S: np.ndarray) -> list[tuple[list[int], np.ndarray]]:
    """Places and eigenvalues of the diagonal blocks of a Schur form, 1 x 1 or 2 x 2."""
    found = []
    i = 0
    while i < len(S):
        if i + 1 < len(S) and S[i + 1, i] != 0:
            b, c = S[i, i + 1], S[i + 1, i]
            found.append(([i, i + 1], np.array([S[i, i] + 1j * np.sqrt(abs(b)) * np.sqrt(abs(c))])))
        else:
            found.append(([i], np.array([complex(S[i, i])])))
        i += len(found[-1][0])
    return found


def _group(S: np.ndarray, Q: np.ndarray, places: Any, eigenvalues: np.ndarray) -> _Group:
    """Bring the eigenvalues at these places to the front; LAPACK's 1 / s bounds the norm of their projector."""
    places = np.asarray(places)
    trsen = get_lapack_funcs("trsen", (S,))
    select = np.zeros(len(S), dtype=np.int32)
    select[places] = 1
    # job E: 1 / s from one Sylvester equation, for which the workspace is its unknown
    _, Q2, *_, s, _, info = trsen(select, S, Q, job="E", lwork=max(len(S), len(S) ** 2 // 4))
    # eigenvalues that are too close to be swapped have no subspaces of their own
    return _Group(eigenvalues, places, Q2[:, : len(places)], 1 / s if info == 0 and s > 0 else np.inf)


def _condition(groups: list[_Group]) -> float:
    s = np.linalg.svd(np.hstack([g.V for g in groups]), compute_uv=False)
    return float(s[0] / s[-1]) if s[-1] > 0 else np.inf


def _merge(S: np.ndarray, Q: np.ndarray, groups: list[_Group], condition: float) -> tuple[list[_Group], Merge]:
    """Put the group with the largest projector and the one nearest to it together."""
    worst = max(groups, key=lambda g: g.projector)
    rest = [g for g in groups if g is not worst]
    near = min(rest, key=lambda g: np.abs(g.eigenvalues[:, None] - worst.eigenvalues).min())
    both = np.concatenate([worst.eigenvalues, near.eigenvalues])
    merged = _group(S, Q, np.sort(np.concatenate([worst.places, near.places])), both)
    merge = Merge(tuple(worst.eigenvalues.tolist()), tuple(near.eigenvalues.tolist()), worst.projector, condition)
    return [g for g in rest if g is not near] + [merged], merge


def _standard(V: np.ndarray, A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The basis of span V in which V' A V is a Schur form, a 2 x 2 block of which has b >= |c| above c."""
    A2, U = schur(V.conj().T @ A @ V)
    if len(A2) == 2 and A2[1, 0] != 0:
        if abs(A2[0, 1]) < abs(A2[1, 0]):
            A2, U = A2[::-1, ::-1], U[:, ::-1]
        sign = np.diag([1.0, np.copysign(1.0, A2[0, 1])])
        A2, U = sign @ A2 @ sign, U @ sign
    return V @ U, A2
