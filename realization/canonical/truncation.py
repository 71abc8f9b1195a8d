"""Balanced truncation and singular perturbation: states that are hardly reached and hardly seen are left out.

    P = L L',  Q = M M',  M' L = U S V',      L_r = S_r^(-1/2) U_r' M',     R_r = L V_r S_r^(-1/2)

    |G - G_r|  <=  2 (s_(r+1) + ... + s_n)     in the H-infinity norm

Truncation holds the states that go at 0 and keeps G at infinity; singular perturbation holds them at
rest and keeps G(1), the gain of constant inputs (G(0) in continuous time).  Both obey the bound, which is
known before anything is left out (Enns 1984, Glover 1984; Al-Saggaf and Franklin 1987 in discrete
time; Liu and Anderson 1989 for singular perturbation).  Values that are equal count once, which is not used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from realization.canonical.balanced import TIED, Balance, factors
from realization.canonical.form import one
from realization.canonical.reduction import Reduction, project
from realization.core.errors import StructureError
from realization.linalg.decision import Decision
from realization.linalg.gramians import continuous_hankel_singular_values, hankel_singular_values
from realization.systems.base import count
from realization.systems.continuous import ContinuousSSM
from realization.systems.responses import evaluate


def balanced_truncation(system: Any, order: int) -> Reduction:
    """Return the balanced system's first states, and the a-priori bound of the error.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Stable; it need not be minimal.
    order : int
        Number r of states to keep, at most that of the Hankel singular values above rounding.

    Returns
    -------
    Reduction
        `residual` is the largest 2-norm of G - G_r over points of the circle (of the imaginary
        axis), `bound` is 2 (s_(r+1) + ... + s_n), `size` the largest 2-norm of G; the decision holds the
        Hankel singular values, with `gap` = s_r / s_(r+1), and is open where the two agree: what is
        kept is then left to rounding, although the bound holds.

    Raises
    ------
    ShapeError
        If the system is a batch, or the order is no whole number >= 0.
    StructureError
        If the system is not stable, or the order is beyond what rounding leaves.

    Examples
    --------
    A pole with a tenth of the weight of another is left out at an error below the bound:

    >>> from realization.systems import LinearSSM
    >>> system = LinearSSM(np.diag([0.8, -0.3]), [[1], [0.3]], [[1, 0.3]], [[0]])
    >>> small = balanced_truncation(system, 1)
    >>> small.order, small.residual <= small.bound < 0.2 * small.size
    (1, True)
    """
    found = factors(one(system))
    L, R = bases(found, count("order", order))
    return _reduction("balanced truncation", system, project(system, L, R), L, R)


def singular_perturbation(system: Any, order: int) -> Reduction:
    """Return the balanced system with its last states at rest: x2 = A21 x1 + A22 x2 + B2 u, 0 in continuous time.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Stable; it need not be minimal.
    order : int
        Number r of states to keep, at most that of the Hankel singular values above rounding.

    Returns
    -------
    Reduction
        As for `balanced_truncation`, with the same bound.  L and R belong to the states that are kept;
        the matrices are not L A R and its like, since the others follow.

    Raises
    ------
    ShapeError
        If the system is a batch, or the order is no whole number >= 0.
    StructureError
        If the system is not stable, or the order is beyond what rounding leaves.

    Examples
    --------
    The answer to a constant input is kept:

    >>> from realization.systems import LinearSSM, evaluate
    >>> system = LinearSSM(np.diag([0.8, -0.3]), [[1], [0.3]], [[1, 0.3]], [[0]])
    >>> rest, cut = (f(system, 1).system for f in (singular_perturbation, balanced_truncation))
    >>> [round(float(abs(evaluate(small, 1) - evaluate(system, 1)).item()), 3) for small in (rest, cut)]
    [0.0, 0.058]
    """
    found = factors(one(system))
    r, k = count("order", order), max(order, int((found.noise < found.S).sum()))
    L, R = bases(found, k)
    return _reduction("singular perturbation", system, at_rest(project(system, L, R), r), L[:r], R[:, :r])


def at_rest(system: Any, order: int) -> Any:
    """Return the system whose states beyond the first ones are at rest: x2 = A21 x1 + A22 x2 + B2 u.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        In continuous time the left side is 0.
    order : int
        Number r of states that move.

    Returns
    -------
    LinearSSM or ContinuousSSM
        With r states.
    """
    r, s = order, system
    A11, A12, A21, A22 = s.A[:r, :r], s.A[:r, r:], s.A[r:, :r], s.A[r:, r:]
    moving = -A22 if isinstance(system, ContinuousSSM) else np.eye(len(A22)) - A22
    X, U = np.linalg.solve(moving, A21), np.linalg.solve(moving, s.B[r:])
    A, B = A11 + A12 @ X, s.B[:r] + A12 @ U
    C, D = s.C[:, :r] + s.C[:, r:] @ X, s.D + s.C[:, r:] @ U
    return replace(s, A=A, B=B, C=C, D=D)


def bases(found: Balance, order: int) -> tuple[np.ndarray, np.ndarray]:
    """L_r = S_r^(-1/2) U_r' M' and R_r = L V_r S_r^(-1/2), refusing an order that rounding does not leave."""
    n, S = len(found.S), found.S
    if order > n or (order and S[order - 1] <= found.noise):
        above = int((found.noise < S).sum())
        raise StructureError(
            f"order {order}: {above} of {n} Hankel singular values are above what rounding explains, "
            f"{found.noise:.1e}; an order of at most {above} is needed"
        )
    root = np.sqrt(S[:order])
    return (found.M @ found.U[:, :order] / root).conj().T, found.L @ found.V[:, :order] / root


def _reduction(method: str, system: Any, small: Any, L: np.ndarray, R: np.ndarray) -> Reduction:
    n, r, exact = len(R), len(L), _values(system)
    residual, size = _distance(system, small)
    dropped = f"{n - r} of {n} states, with Hankel singular values up to {exact[r:].max(initial=0.0):.1e}"
    return Reduction(method, small, L, R, residual, 2 * float(exact[r:].sum()), size, (given(exact, r),), dropped)


def given(values: np.ndarray, r: int) -> Decision:
    """The order r as a decision about values: open where the last that is kept and the next agree."""
    gap = float(values[r - 1] / values[r]) if 0 < r < len(values) and values[r] else np.inf
    return Decision("order, given", r, gap, None, 1.0, gap > 1 + TIED, values)


def _values(system: Any) -> np.ndarray:
    values = continuous_hankel_singular_values if isinstance(system, ContinuousSSM) else hankel_singular_values
    return values(system.A, system.B, system.C)


def _distance(system: Any, small: Any) -> tuple[float, float]:
    """Largest 2-norm of G - G_r and of G over frequencies, those nearest to each pole among them."""
    poles = np.linalg.eigvals(system.A)
    z = _axis(poles) if isinstance(system, ContinuousSSM) else _circle(poles)
    G, G_r = evaluate(system, z), evaluate(small, z)
    norms = [np.linalg.norm(X, 2, axis=(1, 2)) if X.size else np.zeros(1) for X in (G - G_r, G)]
    return float(norms[0].max()), float(norms[1].max()) or 1.0


def _circle(poles: np.ndarray) -> np.ndarray:
    return np.exp(1j * np.concatenate([np.linspace(0, np.pi, 129), np.abs(np.angle(poles))]))


def _axis(poles: np.ndarray) -> np.ndarray:
    sizes = np.abs(poles)
    spread = np.geomspace(1e-2 * sizes.min(), 1e2 * sizes.max(), 129) if len(sizes) else np.ones(1)
    return 1j * np.concatenate([[0.0], spread, np.abs(poles.imag)])
