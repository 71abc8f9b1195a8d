"""The matrix that decides: the covariance of the noise in a model whose state has covariance P.

M(P) = [P - A P A'    G - A P C'      ]        continuous    [-A P - P A'    G - P C']
       [.             Lambda0 - C P C']                      [.              R       ]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.linalg.certificate import U
from realization.linalg.dense import powers_of_two
from realization.stochastic.continuous_covariance import ContinuousCovarianceModel, decaying
from realization.stochastic.covariance import CovarianceModel
from realization.systems.base import of_kind
from realization.systems.stochastic import stable
from realization.systems.zeros import units as balancing_units

LITTLE = 2.0**10  # three digits are left to rounding anyway


def checked(what: str, data: Any) -> None:
    """Refuse data of another kind, and those without a stationary state.

    Raises
    ------
    ShapeError
        With the kind that came.
    StructureError
        With the spectral radius or abscissa.
    """
    of_kind(what, data, CovarianceModel, ContinuousCovarianceModel)
    if isinstance(data, ContinuousCovarianceModel):
        decaying(data.A)
    else:
        stable(data.A)


def at_once(data: Any) -> np.ndarray:
    """Covariance of an output with itself at one time: Lambda0, or R in continuous time."""
    found: np.ndarray = data.R if isinstance(data, ContinuousCovarianceModel) else data.Lambda0
    return found


def noise_matrix(data: Any, P: np.ndarray) -> np.ndarray:
    """M(P) = [Q S; S' R], (n+p, n+p): what the noise of a model with state covariance P has as its covariance."""
    A, C, G = data.A, data.C, data.G
    if isinstance(data, ContinuousCovarianceModel):
        M = np.block([[-A @ P - P @ A.T, G - P @ C.T], [G.T - C @ P, data.R]])
    else:
        E = np.vstack([A, C])
        M = np.block([[P, G], [G.T, data.Lambda0]]) - E @ P @ E.T
    return (M + M.T) / 2


def noise_size(data: Any, P: np.ndarray) -> np.ndarray:
    """M(P) with the magnitude of each term in its place, (n+p, n+p): a rounding changes an entry by u times this."""
    A, C, G, P, L0 = (np.abs(X) for X in (data.A, data.C, data.G, P, at_once(data)))
    if isinstance(data, ContinuousCovarianceModel):
        size = np.block([[A @ P + P @ A.T, G + P @ C.T], [G.T + C @ P, L0]])
    else:
        E = np.vstack([A, C])
        size = np.block([[P, G], [G.T, L0]]) + E @ P @ E.T
    return (size + size.T) / 2


def noise_rounding(data: Any, P: np.ndarray) -> np.ndarray:
    """Bound of the rounding of each entry of M(P): (2n + 4) u of what its sums are made of, and as much again."""
    return 4 * (len(data.A) + 4) * U * noise_size(data, P)


def reflected(data: Any, z: np.ndarray) -> np.ndarray:
    """1 / conj(z), infinite for z = 0, or -conj(z) in continuous time: where zeros go that change sides; complex."""
    if isinstance(data, ContinuousCovarianceModel):
        return np.asarray(-z.conj(), dtype=complex)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(z == 0, np.inf, 1 / np.asarray(z.conj(), dtype=complex))


def units(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Units of states (n,) and outputs (p,), powers of 2, in which nothing is out of scale; 1 where little is gained.

    Norms and eigenvalues mean nothing where states are measured in units that differ by many powers of ten.
    """
    diagonal = np.sqrt(np.abs(np.diag(at_once(data))))
    y = powers_of_two(diagonal)
    x = balancing_units(data.A, data.G / y, data.C / y[:, None])
    plain = all(g.max(initial=1.0) <= LITTLE * g.min(initial=1.0) for g in (x, y))
    return (np.ones_like(x), np.ones_like(y)) if plain else (x, y)


def in_units(data: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """The data of the same process in these units: nothing is rounded."""
    A, C, G = data.A * x / x[:, None], data.C * x / y[:, None], data.G / x[:, None] / y
    return type(data)(A, C, G, at_once(data) / np.outer(y, y))
