"""Balanced truncation: states that are hardly reached and hardly seen are left out.

    P = L L',  Q = M M',  M' L = U S V',      L_r = S_r^(-1/2) U_r' M',     R_r = L V_r S_r^(-1/2)

    |G - G_r|  <=  2 (s_(r+1) + ... + s_n)     in the H-infinity norm

The bound is known before anything is truncated (Enns 1984, Glover 1984; Al-Saggaf and Franklin 1987
in discrete time).  Values that are equal count once, which is not used here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.canonical.balanced import TIED, factors
from realization.canonical.form import one
from realization.canonical.reduction import Reduction, project
from realization.core.errors import StructureError
from realization.linalg.decision import Decision
from realization.linalg.gramians import continuous_hankel_singular_values, hankel_singular_values
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
        If the system is a batch.
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
    n, S = len(system.A), found.S
    if not 0 <= order <= n or (order and S[order - 1] <= found.noise):
        above = int((found.noise < S).sum())
        raise StructureError(
            f"order {order}: {above} of {n} Hankel singular values are above what rounding explains, "
            f"{found.noise:.1e}; an order of at most {above} is needed"
        )
    root = np.sqrt(S[:order])
    L = (found.M @ found.U[:, :order] / root).conj().T
    R = found.L @ found.V[:, :order] / root
    small, exact = project(system, L, R), _values(system)
    residual, size = _distance(system, small)
    gap = float(exact[order - 1] / exact[order]) if 0 < order < n and exact[order] else np.inf
    decision = Decision("order, given", order, gap, None, 1.0, gap > 1 + TIED, exact)
    dropped = f"{n - order} of {n} states, with Hankel singular values up to {exact[order:].max(initial=0.0):.1e}"
    tail = 2 * float(exact[order:].sum())
    return Reduction("balanced truncation", small, L, R, residual, tail, size, (decision,), dropped)


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
