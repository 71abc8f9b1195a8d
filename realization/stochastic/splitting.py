"""Subspaces of random variables as geometry: angles, conditioning, splitting, perpendicular intersection.

Variables with joint covariance J = F F' are the rows of F, vectors whose inner products are their covariances.  With
orthonormal bases Q_a, Q_b, Q_x, Q_p, Q_f of the rows that belong to some of them,

    cosines of the angles of a and b       singular values of Q_a' Q_b
    sines                                  singular values of (I - Q_a Q_a') Q_b
    covariance of a given b                F_a (I - Q_b Q_b') F_a'
    X splits past and future               Q_f' (I - Q_x Q_x') Q_p = 0: given x they are uncorrelated
    S and Sbar intersect perpendicularly   all their angles are 0 or pi/2
    X is observable, constructible         nothing in X is uncorrelated with the future, with the past

Angles close to 0 are read off the sines and those close to pi/2 off the cosines, so that each is known to rounding.
What follows from other variables is left out, by a decision about rank.

References
----------
Bjorck and Golub 1973 for the angles; Lindquist and Picci 2015 for the geometry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS, Decision, decide_rank
from realization.linalg.dense import two_norm
from realization.linalg.psd import positive_factor

UNKNOWN = 0.01  # an angle that is off by more says nothing about 0 or pi/2


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PrincipalAngles(Sealed):
    """The angles between two subspaces, smallest first.

    Parameters
    ----------
    angles, cosines, sines : ndarray
        (k,), k the smaller of the two dimensions; angles in [0, pi/2].
    dimensions : tuple of Decision
        Of the two subspaces.
    apart, related : Decision
        How many sines, and how many cosines, are not 0.
    """

    angles: np.ndarray
    cosines: np.ndarray
    sines: np.ndarray
    dimensions: tuple[Decision, Decision]
    apart: Decision
    related: Decision

    @property
    def shared(self) -> int:
        """Dimension of the intersection: how many angles are 0."""
        return len(self.angles) - self.apart.choice

    @property
    def right(self) -> int:
        """How many angles are pi/2."""
        return len(self.angles) - self.related.choice

    @property
    def decided(self) -> bool:
        """Whether no dimension and no angle of 0 or pi/2 was a close call."""
        return all(decision.decided for decision in (*self.dimensions, self.apart, self.related))

    @property
    def perpendicular(self) -> bool:
        """Whether the subspaces intersect perpendicularly: all angles are 0 or pi/2, and clearly so."""
        return self.decided and self.shared + self.right == len(self.angles)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Splitting(Sealed):
    """Whether past and future are uncorrelated given x, and whether a part of x would do.

    Parameters
    ----------
    defect : float
        |Q_f' (I - Q_x Q_x') Q_p|: the largest correlation of past and future that x does not explain.
    noise : float
        What rounding explains of it.
    dimension, observable, constructible : Decision
        Of X; of what the future shows of it; of what the past does.
    """

    defect: float
    noise: float
    dimension: Decision
    observable: Decision
    constructible: Decision

    @property
    def splits(self) -> bool:
        """Whether the defect is rounding."""
        return self.defect <= self.noise

    @property
    def decided(self) -> bool:
        """Whether none of the three dimensions was a close call."""
        return self.dimension.decided and self.observable.decided and self.constructible.decided

    @property
    def minimal(self) -> bool:
        """Whether X splits, is observable and constructible, and clearly so: no proper subspace of such an X splits."""
        n = self.dimension.choice
        return self.splits and self.decided and self.observable.choice == n and self.constructible.choice == n


def principal_angles(joint: Any, a: Any, b: Any, *, noise: float | None = None) -> PrincipalAngles:
    """Return the angles of two spaces of variables, cosines from Q_a' Q_b and sines from (I - Q_a Q_a') Q_b.

    Parameters
    ----------
    joint : array_like
        Covariance of all variables, (N, N), singular or not.
    a, b : sequence of int or slice
        Which variables span each space; they may overlap.
    noise : float, optional
        2-norm of the error of joint, in units in which each variable has variance 1.  Default: rounding.

    Returns
    -------
    PrincipalAngles
        As many as the smaller space has dimensions.

    Raises
    ------
    ShapeError
        If joint is not symmetric, or an index is out of range.
    StructureError
        If joint is not positive semidefinite, or so close to a singular one that angles are not known to 0.01.

    References
    ----------
    Bjorck and Golub 1973.

    Examples
    --------
    An angle of 1e-9 has the cosine 1 in double precision; the sine knows it, through a third variable:

    >>> J = [[1, 1, 0], [1, 1, 1e-9], [0, 1e-9, 1]]
    >>> found = principal_angles(J, [0], [1])
    >>> found.cosines, found.angles.round(15)
    (array([1.]), array([1.e-09]))

    Spaces of two of three variables share one dimension:

    >>> principal_angles(np.eye(3), [0, 1], [1, 2]).shared
    1
    """
    space = _Space.of(joint, noise)
    (Qa, da), (Qb, db) = space.basis("a", a), space.basis("b", b)
    large, small = (Qa, Qb) if Qa.shape[1] >= Qb.shape[1] else (Qb, Qa)
    k = small.shape[1]
    cosines = np.minimum(np.linalg.svd(large.T @ small, compute_uv=False), 1.0)
    sines = np.minimum(np.linalg.svd(small - large @ (large.T @ small), compute_uv=False)[:k], 1.0)
    apart, related = (
        decide_rank(x, scale=1.0, noise=space.noise, what=f"nonzero {name}")
        for name, x in (("sines", sines), ("cosines", cosines))
    )
    sines = sines[::-1]
    angles = np.where(sines < cosines, np.arcsin(sines), np.arccos(cosines))
    return PrincipalAngles(angles, cosines, sines, (da, db), apart, related)


def conditional_covariance(joint: Any, a: Any, given: Any, *, noise: float | None = None) -> np.ndarray:
    """Return the covariance of a given b, J_aa - J_ab inv(J_bb) J_ba = F_a (I - Q_b Q_b') F_a'.

    Parameters
    ----------
    joint : array_like
        Covariance of all variables, (N, N), singular or not.
    a, given : sequence of int or slice
        Which variables.
    noise : float, optional
        2-norm of the error of joint, in units in which each variable has variance 1.  Default: rounding.

    Returns
    -------
    ndarray
        (len(a), len(a)), positive semidefinite; two variables are uncorrelated given b where it has a 0.

    Raises
    ------
    ShapeError
        If joint is not symmetric, or an index is out of range.
    StructureError
        If joint is not positive semidefinite, or so close to a singular one that angles are not known to 0.01.

    Examples
    --------
    Two noisy copies of one variable are correlated until it is known:

    >>> conditional_covariance([[1, 1, 1], [1, 2, 1], [1, 1, 2]], [1, 2], given=[0]).round(12) + 0
    array([[1., 0.],
           [0., 1.]])
    """
    space = _Space.of(joint, noise)
    Q, _ = space.basis("given", given)
    F = space.rows("a", a) * space.units[_indices("a", a, len(space.units))][:, None]
    E = F - (F @ Q) @ Q.T
    return E @ E.T


def splitting(joint: Any, x: Any, past: Any, future: Any, *, noise: float | None = None) -> Splitting:
    """Judge whether past and future are uncorrelated given x: Q_f' (I - Q_x Q_x') Q_p = 0.

    Parameters
    ----------
    joint : array_like
        Covariance of all variables, (N, N), singular or not.
    x, past, future : sequence of int or slice
        Which variables.
    noise : float, optional
        2-norm of the error of joint, in units in which each variable has variance 1.  Default: rounding.

    Returns
    -------
    Splitting
        With the number that decides, and how much of X future and past show.

    Raises
    ------
    ShapeError
        If joint is not symmetric, or an index is out of range.
    StructureError
        If joint is not positive semidefinite, or so close to a singular one that angles are not known to 0.01.

    References
    ----------
    Lindquist and Picci 2015.

    Examples
    --------
    In an autoregression of order 1 the present splits past and future, and the step before it does not:

    >>> J = 0.5 ** abs(np.subtract.outer(np.arange(5), np.arange(5)))
    >>> now, before = splitting(J, [2], past=[0, 1], future=[3, 4]), splitting(J, [0], past=[0, 1], future=[3, 4])
    >>> now.splits, now.minimal, before.splits, round(before.defect, 3)
    (True, True, False, 0.217)
    """
    space = _Space.of(joint, noise)
    Qx, dimension = space.basis("x", x)
    Qp, Qf = space.basis("past", past)[0], space.basis("future", future)[0]
    defect = two_norm(Qf.T @ Qp - (Qf.T @ Qx) @ (Qx.T @ Qp))
    shown = (
        decide_rank(np.linalg.svd(Q.T @ Qx, compute_uv=False), scale=1.0, noise=space.noise, what=name)
        for name, Q in (("observable", Qf), ("constructible", Qp))
    )
    return Splitting(defect, space.noise, dimension, *shown)


@dataclass(frozen=True, slots=True, eq=False)
class _Space:
    """Variables as rows: F (N, r) in units in which each has variance 1, and what rounding of J does to angles."""

    F: np.ndarray
    units: np.ndarray
    noise: float

    @classmethod
    def of(cls, joint: Any, noise: float | None) -> _Space:
        (J,) = matrices("joint: N N", joint=joint)
        units = np.sqrt(np.maximum(np.diag(J), 0.0))
        units = np.where(units > 0, units, 1.0)
        found = positive_factor(J / np.outer(units, units), noise=noise, what="the joint covariance")
        kept = found.eigenvalues[: found.F.shape[1]]
        level = max(10 * len(J) * EPS * float(kept.max(initial=1.0)), noise or 0.0)
        # angles do not change with the basis: they see dJ as inv(sqrt(J)) dJ inv(sqrt(J)), on the range of J
        blur = level / float(kept.min(initial=1.0))
        if blur > UNKNOWN:
            raise StructureError(
                f"the joint covariance has eigenvalues from {kept[0]:.1e} down to {kept[-1]:.1e} and an error of "
                f"{level:.1e}: angles are known to {blur:.1e}, need <= {UNKNOWN:g}; take fewer variables"
            )
        return cls(found.F, units, blur)

    def rows(self, name: str, chosen: Any) -> np.ndarray:
        return self.F[_indices(name, chosen, len(self.F))]

    def basis(self, name: str, chosen: Any) -> tuple[np.ndarray, Decision]:
        """Q (r, d), orthonormal, of the rows, and how d was decided."""
        U, s, _ = np.linalg.svd(self.rows(name, chosen).T, full_matrices=False)
        # F (I + E) F' = F (I + E/2 + ...) (...)': rows are off by no more than J is
        dimension = decide_rank(s, noise=self.noise * float(s.max(initial=0.0)), what=f"dimension of {name}")
        return U[:, : dimension.choice], dimension


def _indices(name: str, chosen: Any, N: int) -> np.ndarray:
    try:
        return np.arange(N)[chosen if isinstance(chosen, slice) else np.asarray(chosen, dtype=int).ravel()]
    except (IndexError, TypeError, ValueError) as error:
        raise ShapeError(f"{name} is no choice among {N} variables ({error}); indices or a slice are needed") from None
