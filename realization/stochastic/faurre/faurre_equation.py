"""Faurre's equation, solved in coordinates and with so much noise as it needs.

    P = A P A' + (G - A P C') inv(R) (.)',    R = Lambda0 - C P C',    A - K C stable,    K = (G - A P C') inv(R)

It is the Riccati equation of (A', C', 0, -Lambda0, -G).  Where the coordinates given are too far from what reaches
and is seen, balanced ones serve.  A zero on the circle leaves no stabilizing solution: data that differ by rounding
have none.  There white noise at the level of rounding is added to the outputs, which moves an m-fold zero off the
circle by that level to the power 1 / (2m), and P by as much.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from realization.core.errors import ConvergenceError, StructureError
from realization.linalg.decision import EPS
from realization.linalg.dense import two_norm
from realization.linalg.gramians import (
    continuous_controllability_factor,
    continuous_observability_factor,
    controllability_factor,
    observability_factor,
)
from realization.linalg.riccati import RiccatiSolution, continuous_riccati, discrete_riccati
from realization.stochastic.covariance import CovarianceModel
from realization.stochastic.faurre.noise_matrix import at_once

NOISES = 4  # the largest is 1e-10 of the variance: beyond it nothing is known


def stabilizing(data: Any, level: float = 0.0) -> RiccatiSolution:
    """Solve with Lambda0 + level I (R + level I), in the coordinates given or else in balanced ones.

    Raises
    ------
    StructureError, ConvergenceError
        If neither gives a solution.
    """
    try:
        return _solved(data.A, data.C, data.G, data, level)
    except (StructureError, ConvergenceError) as error:
        basis = _balancing(data)
        if basis is None:
            raise
        T, I = basis
        try:
            found = _solved(T @ data.A @ I, data.C @ I, T @ data.G, data, level)
        except (StructureError, ConvergenceError):
            raise error from None
        lost = found.error * np.linalg.cond(T)
        return replace(found, X=I @ found.X @ I.T, gain=found.gain @ I.T, error=float(max(lost, EPS)))


def _solved(A: np.ndarray, C: np.ndarray, G: np.ndarray, data: Any, level: float) -> RiccatiSolution:
    solve = discrete_riccati if isinstance(data, CovarianceModel) else continuous_riccati
    return solve(A.T, C.T, np.zeros_like(A), -at_once(data) - level * np.eye(len(C)), -G)


def _balancing(data: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """T = S^(-1/2) U' M' and inv(T) = L V S^(-1/2), M' L = U S V', balancing (A, G, C); None if not minimal."""
    discrete = isinstance(data, CovarianceModel)
    L = (controllability_factor if discrete else continuous_controllability_factor)(data.A, data.G)
    M = (observability_factor if discrete else continuous_observability_factor)(data.A, data.C)
    U, S, Vh = np.linalg.svd(M.T @ L, full_matrices=False)
    if len(S) < len(data.A) or not len(S) or S[-1] <= len(S) * EPS * two_norm(M) * two_norm(L):
        return None
    return U.T @ M.T / np.sqrt(S)[:, None], L @ Vh.T / np.sqrt(S)


def softened(data: Any) -> RiccatiSolution | None:
    """The equation with the least noise that lets it be solved; what 16 times as much changes is what is not known.

    An m-fold zero moves by 16^(1/2m) times as much then: 4 for m = 1, 1.4 for m = 4; zeros elsewhere stay.  None
    where no noise helps.

    Raises
    ------
    StructureError
        If an output is a function of the others and of the past.
    """
    n, p = data.G.shape
    size = two_norm(at_once(data))
    for k in range(NOISES):
        level = 16**k * 10 * (n + p) * EPS * size
        try:
            near, far = stabilizing(data, level), stabilizing(data, 16 * level)
            break
        except (StructureError, ConvergenceError):
            continue
    else:
        return None
    smallest = np.linalg.eigvalsh(innovation_covariance(near)).min(initial=np.inf)
    if smallest <= np.sqrt(level * size):
        raise StructureError(f"given the others and the past an output has variance {smallest:.1e}: leave it out")
    moved = np.sort(distances(data, far)) > 1.2 * np.sort(distances(data, near))
    share = two_norm(far.X - near.X) / (two_norm(near.X) or 1.0) / (16**0.125 - 1)
    return replace(near, error=share, on_boundary=int(moved.sum()))


def distances(data: Any, found: RiccatiSolution) -> np.ndarray:
    """Of the zeros from the circle, or from the imaginary axis relative to |A|."""
    z = np.linalg.eigvals(found.closed_loop)
    return 1 - np.abs(z) if isinstance(data, CovarianceModel) else -z.real / (two_norm(data.A) or 1.0)


def innovation_covariance(found: RiccatiSolution) -> np.ndarray:
    """R = Lambda0 - C P C', symmetric."""
    return -(found.weight + found.weight.T) / 2
