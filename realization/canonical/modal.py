"""Modal forms: one coordinate for each eigenvalue.

    complex     T A = diag(l_1, ..., l_n) T
    real        T A = blkdiag(l_1, ..., [[s, -w], [w, s]], ...) T,    eigenvalues s +- i w

A mode z_i = d_i w_i' x, with w_i' A = l_i w_i', keeps a scale d_i.  It is chosen such that the mode
enters as strongly as it leaves, |B_i| = |C_i|, and such that the first large entry of B_i is positive.
Modes come in the order of decreasing modulus, then of increasing angle.  Which of them are reached, and
which are seen, is decided against what rounding of A, B and C does to w_i' B and C v_i, and comes back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from realization.canonical.form import (
    LIMIT,
    CanonicalForm,
    Conversion,
    condition,
    conversion,
    one,
    register,
    relative,
    size,
)
from realization.canonical.reduction import UNIT
from realization.core.errors import ShapeError, StructureError
from realization.linalg.block_schur import order_eigenvalues
from realization.linalg.decision import Decision

# eigenvectors of an eigenvalue that rounding cannot tell from another are at an angle of sqrt(eps) or
# less where it is defective, and of any size where it is not
DEFECTIVE = 1e6
# half of the digits: what is larger is no zero, however little rounding leaves of it; what is smaller is
# no sign to go by
WEAK = 1e-8
# a coupling that rounding leaves one digit of, or none, may be there or not
OPEN = 10.0


class Modes(NamedTuple):
    """Eigenvalues (n,), and T, B2, C2 of the complex form; what was decided, and what is left free, or None."""

    eigenvalues: np.ndarray
    T: np.ndarray
    B: np.ndarray
    C: np.ndarray
    decisions: tuple[Decision, ...]
    freedom: str | None


def complex_modal(system: Any) -> Conversion:
    """Return the system with A2 = diag(eigenvalues).

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With separated eigenvalues.

    Returns
    -------
    Conversion
        Complex.

    Raises
    ------
    ShapeError
        If the system is a batch.
    StructureError
        If eigenvectors are so close to each other that T is out of reach: a repeated eigenvalue.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> turn = LinearSSM(A=[[0, -1], [1, 0]], B=[[1], [0]], C=[[1, 0]], D=[[0]])
    >>> complex_modal(turn).system.A.round(12)
    array([[0.-1.j, 0.+0.j],
           [0.+0.j, 0.+1.j]])
    """
    modes = _modes("complex_modal", one(system))
    A = np.diag(modes.eigenvalues)
    return conversion(
        "complex_modal", system, modes.T, A=A, B=modes.B, C=modes.C, decisions=modes.decisions, freedom=modes.freedom
    )


def real_modal(system: Any) -> Conversion:
    """Return the system with A2 = blkdiag of eigenvalues and of [[s, -w], [w, s]], w > 0, for pairs s +- i w.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Real, with separated eigenvalues.

    Returns
    -------
    Conversion
        Real.  A pair has the coordinates sqrt(2) (Re z, Im z) of its complex mode z.

    Raises
    ------
    ShapeError
        If the system is a batch, or complex.
    StructureError
        As for `complex_modal`.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> turn = LinearSSM(A=[[0, -2], [0.5, 0]], B=[[1], [0]], C=[[1, 0]], D=[[0]])
    >>> real_modal(turn).system.A.round(12) + 0
    array([[ 0., -1.],
           [ 1.,  0.]])
    """
    if any(np.iscomplexobj(X) for X in (one(system).A, system.B, system.C)):
        raise ShapeError("the system has complex entries; the real modal form needs real ones, see complex_modal")
    values, T, B, C, decisions, freedom = _modes("real_modal", system)
    kept = [i for i, value in enumerate(values) if value.imag >= 0]

    def rows(X: np.ndarray) -> np.ndarray:
        return np.vstack([X.real[:0], *(_rows(values[i], X[i]) for i in kept)])

    A = scipy.linalg.block_diag(np.zeros((0, 0)), *(_block(values[i]) for i in kept))
    # C z + conj(C z) = 2 (Re C Re z - Im C Im z): the conjugate of C is what stands beside (Re z, Im z)
    B, C = rows(B), rows(C.conj().T).T
    return conversion("real_modal", system, rows(T), A=A, B=B, C=C, decisions=decisions, freedom=freedom)


def _block(value: complex) -> np.ndarray:
    s, w = value.real, value.imag
    return np.array([[s, -w], [w, s]]) if w else np.array([[s]])


def _rows(value: complex, z: np.ndarray) -> np.ndarray:
    """Real coordinates of a mode; its conjugate is the other half of 2 Re, hence the sqrt(2)."""
    return np.sqrt(2) * np.array([z.real, z.imag]) if value.imag else z.real[None]


def _modes(form: str, system: Any) -> Modes:
    values, V = np.linalg.eig(system.A)
    order = order_eigenvalues(values)
    values, V = values[order].astype(complex), V[:, order].astype(complex)
    W, freedom = _left(form, system.A, values, V)
    B, C = W @ system.B, system.C @ V
    entering, leaving = _rounding(system, values, W, B, C)
    reached, enters = _coupled("modes that an input reaches", B, np.linalg.norm(W, axis=1) * size(system.B), entering)
    seen, leaves = _coupled("modes that an output sees", C.T, np.full(len(W), size(system.C)), leaving)
    # 0 in place of its own rounding, which another basis would take for a weak coupling
    B[~reached], C[:, ~seen] = 0.0, 0.0
    d = _scales(B, C, reached, seen)
    freedom = freedom or _free(reached, seen, (enters, leaves))
    return Modes(values, d[:, None] * W, d[:, None] * B, C / d, (enters, leaves), freedom)


def _free(reached: np.ndarray, seen: np.ndarray, decisions: tuple[Decision, ...]) -> str | None:
    idle = np.flatnonzero(~reached & ~seen)
    if len(idle):
        return f"scale of mode {idle[0]}, which is neither reached nor seen"
    undecided = next((d for d in decisions if not d.decided), None)
    return f"scales: undecided {undecided}" if undecided else None


def _left(form: str, A: np.ndarray, values: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Return inv(V), refusing eigenvectors that are out of reach; what is free where eigenvalues coincide."""
    n, kappa = len(A), condition(V)
    i, j = _closest(values)
    pair = " and ".join(f"{v:.10g}" if v.imag else f"{v.real:.10g}" for v in values[[i, j]]) if n > 1 else ""
    if not kappa <= LIMIT:
        raise StructureError(_refusal(form, kappa, LIMIT, pair))
    W = np.linalg.solve(V, np.eye(n))
    # to first order rounding of A moves an eigenvalue by n u |A| |w_i| |v_i|, |v_i| = 1
    moved = n * UNIT * size(A) * np.linalg.norm(W, axis=1)
    distance = np.abs(values[:, None] - values) + np.where(np.eye(n), np.inf, 0)
    if not (distance <= moved[:, None] + moved).any():
        return W, None
    if kappa > DEFECTIVE:
        raise StructureError(_refusal(form, kappa, DEFECTIVE, pair))
    return W, f"the basis of a space of eigenvectors: eigenvalues {pair} agree to rounding"


def _closest(values: np.ndarray) -> tuple[int, int]:
    distance = np.abs(values[:, None] - values) + np.where(np.eye(len(values)), np.inf, 0)
    i, j = np.unravel_index(np.argmin(distance), distance.shape) if len(values) > 1 else (0, 0)
    return int(i), int(j)


def _refusal(form: str, kappa: float, limit: float, pair: str) -> str:
    return (
        f"{form}: the eigenvectors have condition {kappa:.1e}, need <= {limit:.0e}: eigenvalues {pair} are not "
        "separated; block_diagonal_schur keeps such eigenvalues in one block"
    )


def _rounding(
    system: Any, values: np.ndarray, W: np.ndarray, B: np.ndarray, C: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a relative change e of A, B and C does to the rows w_i B and the columns C v_i, to first order.

    E moves w_i by sum_j (w_i E v_j) / (l_i - l_j) w_j, j != i, and v_i by its dual, so with |v_i| = 1

        e |w_i| (|B| + |A| sum_j |w_j B| / |l_i - l_j|),      e (|C| + |A| sum_j |C v_j| |w_j| / |l_i - l_j|)

    and e = 10 n u, as numbers have that went through a change of basis of condition 10.
    """
    gaps = np.abs(values[:, None] - values)
    near = np.divide(1, gaps, out=np.zeros_like(gaps), where=gaps > 0) * size(system.A)
    w, enters, leaves = (np.linalg.norm(X, axis=1) for X in (W, B, C.T))
    e = 10 * len(W) * UNIT
    return e * w * (size(system.B) + near @ enters), e * (size(system.C) + near @ (leaves * w))


def _coupled(what: str, X: np.ndarray, largest: np.ndarray, rounding: np.ndarray) -> tuple[np.ndarray, Decision]:
    """Return which rows of X are not 0, (n,) bool, and the decision: open where a row is hardly above rounding."""
    x = np.linalg.norm(X, axis=1)
    there = x > np.minimum(rounding, WEAK * largest)
    margin = np.divide(x, rounding, out=np.full(len(x), np.inf), where=rounding > 0)[there].min(initial=np.inf)
    sizes = np.divide(x, largest, out=np.zeros(len(x)), where=largest > 0)
    values = np.concatenate([np.sort(sizes[part])[::-1] for part in (there, ~there)])
    return there, Decision(what, int(there.sum()), float(margin), None, 1.0, bool(margin > OPEN), values)


def _scales(B: np.ndarray, C: np.ndarray, reached: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return d with |d_i B_i| = |C_i / d_i|."""
    enters, leaves = np.linalg.norm(B, axis=1), np.linalg.norm(C, axis=0)
    ratio = np.where(seen, leaves, 1) / np.where(reached, enters, 1)
    # with one side only, that side has norm 1
    d = np.where(reached & seen, np.sqrt(ratio), ratio)
    return d * phases(B, C, reached)


def phases(B: np.ndarray, C: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """Return units d with d_i B_i, or C_i / d_i where mode i is not reached, positive in its first large entry.

    Large is at least half of the largest, so that rounding does not choose the entry.

    Parameters
    ----------
    B, C : ndarray
        (n, m), (p, n).
    reached : ndarray
        (n,) bool.

    Returns
    -------
    ndarray
        (n,), of modulus 1; signs where B and C are real.
    """
    d = np.ones(len(B), dtype=np.result_type(B, C))
    for i in range(len(B)):
        v = B[i] if reached[i] else C[:, i].conj()
        large = v[np.abs(v) >= 0.5 * np.abs(v).max(initial=0)]
        if large.any():
            d[i] = abs(large[0]) / large[0]
    return d


def _off_diagonal(A: np.ndarray) -> np.ndarray:
    return A - np.diag(np.diag(A))


def complex_modal_defect(system: Any) -> float:
    """Return |A - diag(A)| / |A|."""
    return relative(_off_diagonal(system.A), size(system.A))


def real_modal_defect(system: Any) -> float:
    """Return how far A is from blkdiag of numbers and of blocks [[s, -w], [w, s]], relative to |A|."""
    A, i = np.array(system.A), 0
    while i < len(A):
        step = 2 if i + 1 < len(A) and A[i + 1, i] != 0 else 1
        X = A[i : i + step, i : i + step]
        # J X J' = [[d, -c], [-b, a]]: X commutes with the quarter turn J where it equals that
        turned = X[::-1, ::-1] * [[1, -1], [-1, 1]] if step == 2 else X
        A[i : i + step, i : i + step] = X - (X + turned) / 2
        i += step
    return relative(A, size(system.A))


COMPLEX_MODAL = register(
    CanonicalForm(
        name="complex_modal",
        convert=complex_modal,
        defect=complex_modal_defect,
        group="general",
        title="complex modal: A diagonal",
        reference="Kailath 1980, Linear Systems",
    )
)
REAL_MODAL = register(
    CanonicalForm(
        name="real_modal",
        convert=real_modal,
        defect=real_modal_defect,
        group="general",
        title="real modal: numbers and 2 x 2 rotations on the diagonal",
        reference="Kailath 1980, Linear Systems",
    )
)
