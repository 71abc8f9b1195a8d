"""Zeros: where [A - z I, B; C, D] loses rank below what it has almost everywhere.

The pencil is deflated until its D is invertible (Emami-Naeini & Van Dooren 1982): an
output that sees no input, C2 x = 0, confines the state to the kernel of C2, and what
would leave the kernel becomes an output.  All changes of basis are orthogonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eig, matrix_balance

from realization.core.frozen import Sealed
from realization.linalg.decision import Decision, decide_rank, require_decided
from realization.systems.base import Step, single
from realization.systems.continuous import ContinuousSSM
from realization.systems.linear import LinearSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InvariantZeros(Sealed):
    """The zeros of a system, with the rank decisions that they rest on.

    Parameters
    ----------
    zeros : ndarray
        Complex, (k,): where the pencil loses rank, those included that cancel a mode which
        is not controllable or not observable.
    normal_rank : int
        Rank of C (zI - A)^-1 B + D at almost every z.
    decisions : tuple of Decision
        Every rank that was decided on the way, with its gap.
    """

    zeros: np.ndarray
    normal_rank: int
    decisions: tuple[Decision, ...]


def units(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> np.ndarray:
    """G of powers of 2 such that nothing is out of scale in G^-1 A G, G^-1 B, C G, its diagonal.

    Parameters
    ----------
    A, B, C : ndarray
        (n, n), (n, m), (p, n).

    Returns
    -------
    ndarray
        (n,): units of the states; a change to them is exact.

    Examples
    --------
    >>> bool(units(np.array([[0.5, 1e6], [0, 0.5]]), np.array([[0], [1e-6]]), np.array([[1.0, 0]]))[1] < 1e-4)
    True
    """
    n, m = B.shape
    # inputs have a zero row and outputs a zero column in the bordered matrix: balancing leaves their units alone
    border = np.zeros((n + m + len(C),) * 2)
    border[:n, :n], border[:n, n : n + m], border[n + m :, :n] = np.abs(A), np.abs(B), np.abs(C)
    with np.errstate(invalid="ignore"):  # SciPy also reads the scales as indices, which large ones are not
        return matrix_balance(border, permute=False, separate=True)[1][0][:n] if n else np.ones(0)


def scaled(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """G^-1 A G, G^-1 B, C G with G the `units` of the states.

    Parameters
    ----------
    A, B, C : ndarray
        (n, n), (n, m), (p, n).

    Returns
    -------
    tuple of ndarray
        The three in the new units.

    Examples
    --------
    >>> A, B, C = scaled(np.array([[0.5, 1e6], [0, 0.5]]), np.array([[0], [1e-6]]), np.array([[1.0, 0]]))
    >>> bool(1e-2 < A[0, 1] < 1e2)
    True
    """
    g = units(A, B, C)
    return A * g / g[:, None], B / g[:, None], C * g


def _rank(M: np.ndarray, scale: float, what: str) -> tuple[np.ndarray, np.ndarray, Decision]:
    """Left singular vectors, conjugated right ones as rows, and the rank of M beside entries of size `scale`."""
    U, s, V = np.linalg.svd(M)
    return U, V, decide_rank(s, scale=scale, what=what)


def _full_rows(system: Step, scale: float) -> tuple[Step, tuple[Decision, ...]]:
    """Deflate until D has full row rank: the zeros stay, n and p shrink."""
    A, B, C, D = system
    decisions: list[Decision] = []
    while True:
        U, _, rank = _rank(D, scale, f"rank of D, {len(A)} states left")
        decisions.append(rank)
        r = rank.choice
        if r == len(D):
            return (A, B, C, D), tuple(decisions)
        C, D = U.conj().T @ C, U.conj().T @ D
        _, V, rank = _rank(C[r:], scale, f"rank of the outputs that see no input, {len(A)} states left")
        decisions.append(rank)
        # C2 x = 0: the kernel first, then the k directions that are confined to 0
        k, q = rank.choice, len(A) - rank.choice
        W = np.vstack([V[k:], V[:k]]).conj().T
        A, B, C = W.conj().T @ A @ W, W.conj().T @ B, C[:r] @ W
        A, B, C, D = A[:q, :q], B[:q], np.vstack([C[:, :q], A[q:, :q]]), np.vstack([D[:r], B[q:]])


def _dual(system: Step) -> Step:
    A, B, C, D = system
    return A.conj().T, C.conj().T, B.conj().T, D.conj().T


def invariant_zeros(system: Any) -> InvariantZeros:
    """rank [A - z I, B; C, D] < its rank at almost every z: the z at which it drops.

    For a minimal system these are the transmission zeros; with fewer inputs than outputs,
    or the other way round, there are generically none.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Without batch axes.

    Returns
    -------
    InvariantZeros
        With the normal rank, also where it is below min(m, p).

    Raises
    ------
    ShapeError
        If the system has batch axes, or is of another kind.

    References
    ----------
    Emami-Naeini and Van Dooren, "Computation of zeros of linear multivariable systems", Automatica, 1982.

    Examples
    --------
    (z - 0.5) / ((z - 0.25)(z + 0.25)), and the same output twice:

    >>> from realization.systems import LinearSSM
    >>> system = LinearSSM([[0, 1], [0.0625, 0]], [[0], [1]], [[-0.5, 1], [-0.5, 1]], [[0], [0]])
    >>> found = invariant_zeros(system)
    >>> found.zeros.real.round(12).tolist(), found.normal_rank
    ([0.5], 1)
    """
    A, B, C, D = single("invariant_zeros", system, LinearSSM, ContinuousSSM)
    A, B, C = scaled(A, B, C)
    scale = float(np.linalg.svd(np.block([[A, B], [C, D]]), compute_uv=False).max(initial=0.0))
    reduced, rows = _full_rows((A, B, C, D), scale)
    reduced, columns = _full_rows(_dual(reduced), scale)
    A, B, C, D = _dual(reduced)
    n, r = B.shape
    # D is invertible: on the kernel of [C D] the pencil is F - z E with E invertible
    W = np.linalg.qr(np.hstack([C, D]).conj().T, mode="complete")[0][:, r:]
    alpha, beta = eig(np.hstack([A, B]) @ W, W[:n], right=False, homogeneous_eigvals=True) if n else np.zeros((2, 0))
    return InvariantZeros(np.asarray(alpha / beta, dtype=np.complex128), r, rows + columns)


def zeros(system: Any) -> np.ndarray:
    """Return the invariant zeros of a system, complex, (k,).

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Without batch axes.

    Returns
    -------
    ndarray
        As in `invariant_zeros`, without its decisions.

    Raises
    ------
    ShapeError
        If the system has batch axes, or is of another kind.
    StructureError
        If a rank on the way is undecided; the message gives the two gaps.

    Examples
    --------
    >>> from realization.systems.library import moving_average
    >>> zeros(moving_average([1.0, -0.75, 0.125])).real.round(12).tolist()
    [0.5, 0.25]
    """
    return decided_zeros(system).zeros


def decided_zeros(system: Any) -> InvariantZeros:
    """Return the invariant zeros, refused where their number is undecided."""
    found = invariant_zeros(system)
    require_decided(found.decisions, "the number of zeros depends on it; invariant_zeros gives the choice as it stands")
    return found
