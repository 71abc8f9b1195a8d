"""Positive semidefinite matrices: a factor of each, its rank, and by how much a matrix fails to be one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS, Decision, decide_rank
from realization.linalg.dense import adjoint, powers_of_two


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PositiveFactor(Sealed):
    """M = F F', F of full column rank.

    Parameters
    ----------
    F : ndarray
        (n, r), columns by decreasing size, orthogonal to each other.
    eigenvalues : ndarray
        (n,) of M, largest first.
    rank : Decision
        How r was decided.
    """

    F: np.ndarray
    eigenvalues: np.ndarray
    rank: Decision


def positive_factor(M: Any, *, noise: float | None = None, what: str = "M") -> PositiveFactor:
    """Factor M = F F' with as many columns as M has eigenvalues that are not rounding.

    Parameters
    ----------
    M : array_like
        (n, n), symmetric and positive semidefinite up to its error.
    noise : float, optional
        2-norm of the error of M.  Default: n eps |M|.
    what : str
        Name of M, for messages.

    Returns
    -------
    PositiveFactor
        F (n, r), the eigenvalues, and the decision about r; where that is open, every eigenvalue
        above the noise is kept.

    Raises
    ------
    ShapeError
        If M is not square, not symmetric, or not finite.
    StructureError
        If M has an eigenvalue below minus its error.

    Examples
    --------
    Noise that enters the state and the output as one has rank 1:

    >>> found = positive_factor([[4, 2], [2, 1]])
    >>> found.rank.choice, (found.F @ found.F.T).round(12).tolist()
    (1, [[4.0, 2.0], [2.0, 1.0]])
    """
    (M,) = matrices("M: n n", M=M)
    size, skew = float(np.abs(M).max(initial=0.0)), float(np.abs(M - adjoint(M)).max(initial=0.0))
    level = len(M) * EPS * size * max(len(M), 1) if noise is None else max(noise, len(M) * EPS * size)
    if skew > 2 * level:
        raise ShapeError(f"{what} differs from its transpose by {skew:.1e}; a symmetric matrix is needed")
    values, V = np.linalg.eigh((M + adjoint(M)) / 2)
    values, V = values[::-1], V[:, ::-1]
    if len(values) and values[-1] < -10 * level:  # a digit for the constant of the eigenvalues' own rounding
        raise StructureError(
            f"{what} has eigenvalue {values[-1]:.3g}, need >= 0 (up to rounding, {-10 * level:.1e}): "
            "it is not positive semidefinite"
        )
    rank = decide_rank(np.maximum(values, 0.0), scale=size or None, noise=level, what=f"rank of {what}")
    r = rank.choice if rank.decided else int((values > level).sum())
    return PositiveFactor(V[:, :r] * np.sqrt(values[:r]), values, rank)


def covariance_factor(M: Any, *, what: str = "M") -> np.ndarray:
    """Factor M = F F' in units in which its diagonal is about 1: small variances are not taken for rounding.

    Parameters
    ----------
    M : array_like
        (n, n), symmetric and positive semidefinite, with entries that are right to rounding of their
        standard deviations; where they are right to rounding of the largest entry only, that is allowed for.
    what : str
        Name of M, for messages.

    Returns
    -------
    ndarray
        F (n, r), r the rank in these units.

    Raises
    ------
    ShapeError
        If M is not square, not symmetric, or not finite.
    StructureError
        If M has an eigenvalue below minus its error.

    Examples
    --------
    Noise of 1e-12 beside noise of 1 is a matter of units, for which `positive_factor` cannot know:

    >>> M = [[1, 0], [0, 1e-24]]
    >>> covariance_factor(M).shape, positive_factor(M).F.shape
    ((2, 2), (2, 1))
    """
    (M,) = matrices("M: n n", M=M)
    u = powers_of_two(np.sqrt(np.maximum(np.diag(M), 0.0)))[:, None]
    try:
        return u * positive_factor(M / u / u.T, what=what).F
    except (ShapeError, StructureError):
        return positive_factor(M, what=what).F
