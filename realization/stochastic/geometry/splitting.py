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
What follows from other variables is left out.  An error of J moves F by its size over the root of the smallest
eigenvalue of J, and a space by that over the smallest singular value of its rows: what is then not known is not said.

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
from realization.linalg.decision import EPS, SAME_SIZE, Decision, at_least, decide_rank
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
    noise : float
        Bound of the error of sines and cosines; an angle that is off by more than 0.01 is refused.
    """

    angles: np.ndarray
    cosines: np.ndarray
    sines: np.ndarray
    dimensions: tuple[Decision, Decision]
    apart: Decision
    related: Decision
    noise: float

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
    a, b : sequence of int, of N bool, or slice
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
        If joint is not symmetric or complex, or an index is out of range.
    StructureError
        If joint is not positive semidefinite, or variables are so nearly dependent that angles are not known to 0.01.

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
    (Qa, da, blur_a), (Qb, db, blur_b) = space.basis("a", a), space.basis("b", b)
    large, small = (Qa, Qb) if Qa.shape[1] >= Qb.shape[1] else (Qb, Qa)
    k = small.shape[1]
    cosines = np.minimum(np.linalg.svd(large.T @ small, compute_uv=False), 1.0)
    sines = np.minimum(np.linalg.svd(small - large @ (large.T @ small), compute_uv=False)[:k], 1.0)
    noise = blur_a + blur_b
    apart, related = _nonzero(sines, noise, "nonzero sines"), _nonzero(cosines, noise, "nonzero cosines")
    sines = sines[::-1]
    angles = np.where(sines < cosines, np.arcsin(sines), np.arccos(cosines))
    return PrincipalAngles(angles, cosines, sines, (da, db), apart, related, noise)


def conditional_covariance(joint: Any, a: Any, given: Any, *, noise: float | None = None) -> np.ndarray:
    """Return the covariance of a given b, J_aa - J_ab inv(J_bb) J_ba = F_a (I - Q_b Q_b') F_a'.

    Parameters
    ----------
    joint : array_like
        Covariance of all variables, (N, N), singular or not.
    a, given : sequence of int, of N bool, or slice
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
        If joint is not symmetric or complex, or an index is out of range.
    StructureError
        If joint is not positive semidefinite, or variables are so nearly dependent that angles are not known to 0.01.

    Examples
    --------
    Two noisy copies of one variable are correlated until it is known:

    >>> conditional_covariance([[1, 1, 1], [1, 2, 1], [1, 1, 2]], [1, 2], given=[0]).round(12) + 0
    array([[1., 0.],
           [0., 1.]])
    """
    space = _Space.of(joint, noise)
    Q, _, _ = space.basis("given", given)
    F = space.rows("a", a) * space.units[_indices("a", a, len(space.units))][:, None]
    E = F - (F @ Q) @ Q.T
    return E @ E.T


def splitting(joint: Any, x: Any, past: Any, future: Any, *, noise: float | None = None) -> Splitting:
    """Judge whether past and future are uncorrelated given x: Q_f' (I - Q_x Q_x') Q_p = 0.

    Parameters
    ----------
    joint : array_like
        Covariance of all variables, (N, N), singular or not.
    x, past, future : sequence of int, of N bool, or slice
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
        If joint is not symmetric or complex, or an index is out of range.
    StructureError
        If joint is not positive semidefinite, or variables are so nearly dependent that angles are not known to 0.01.

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
    (Qx, dimension, blur), (Qp, _, blur_p), (Qf, _, blur_f) = (
        space.basis(*each) for each in (("x", x), ("past", past), ("future", future))
    )
    defect = two_norm(Qf.T @ Qp - (Qf.T @ Qx) @ (Qx.T @ Qp))
    observable, constructible = (
        _nonzero(np.linalg.svd(Q.T @ Qx, compute_uv=False), blur + off, name)
        for name, Q, off in (("observable", Qf, blur_f), ("constructible", Qp, blur_p))
    )
    return Splitting(defect, 2 * blur + blur_p + blur_f, dimension, observable, constructible)


@dataclass(frozen=True, slots=True, eq=False)
class _Space:
    """Variables as rows: F (N, r) in units in which each has variance 1, and how far off a row is."""

    F: np.ndarray
    units: np.ndarray
    noise: float

    @classmethod
    def of(cls, joint: Any, noise: Any) -> _Space:
        (J,) = matrices("joint: N N", joint=joint)
        if J.dtype.kind == "c":
            raise ShapeError("joint is complex, but real variables are needed; take real and imaginary part as two")
        noise = None if noise is None else at_least(0.0, "noise", noise)
        units = np.sqrt(np.maximum(np.diag(J), 0.0))
        units = np.where(units > 0, units, 1.0)
        found = positive_factor(J / np.outer(units, units), noise=noise, what="the joint covariance")
        r = found.F.shape[1]
        kept, dropped = found.eigenvalues[:r], float(np.abs(found.eigenvalues[r:]).max(initial=0.0))
        rounding = 10 * len(J) * EPS * float(kept.max(initial=1.0))
        level = max(rounding, noise or 0.0)
        # F F' moves by level where F does by level / sqrt(kept); what is left out is 0 to rounding, or may be there
        off = max(level / np.sqrt(kept.min(initial=1.0)), np.sqrt(dropped) if dropped > rounding else 0.0)
        return cls(found.F, units, float(off))

    def rows(self, name: str, chosen: Any) -> np.ndarray:
        return self.F[_indices(name, chosen, len(self.F))]

    def basis(self, name: str, chosen: Any) -> tuple[np.ndarray, Decision, float]:
        """Q (r, d), orthonormal, of the rows; how d was decided; and what the error of the rows does to angles."""
        U, s, _ = np.linalg.svd(self.rows(name, chosen).T, full_matrices=False)
        # what is above the noise counts: an angle to a space of one dimension less may be any
        dimension = decide_rank(s, noise=self.noise, ceiling=0.0, what=f"dimension of {name}")
        d = dimension.choice
        blur = self.noise / float(s[:d].min(initial=1.0))
        # what is left out is 0 to half of the digits, as rounding leaves it, or may be a dimension
        if s[d:].max(initial=0.0) > max(self.noise / 1000, np.sqrt(EPS)):
            blur = 1.0
        if blur > UNKNOWN:
            raise StructureError(
                f"{name} has {d} dimensions down to {s[d - 1]:.1e}, known to {self.noise:.1e}, in units of standard "
                f"deviations: angles are known to {blur:.1e}, need <= {UNKNOWN:g}; take fewer variables"
            )
        return U[:, :d], dimension, blur


def _nonzero(values: np.ndarray, noise: float, what: str) -> Decision:
    """How many sines or cosines are above their noise, with a digit to spare."""
    return decide_rank(values, scale=1.0, noise=noise, ceiling=SAME_SIZE * noise, what=what)


def _indices(name: str, chosen: Any, N: int) -> np.ndarray:
    """Positions among N variables, from indices, a slice, or N truth values."""
    index = chosen if isinstance(chosen, slice) else np.asarray(chosen).ravel()
    try:
        # no index at all is an array of floats to NumPy
        return np.arange(N)[index if isinstance(index, slice) or index.size else np.arange(0)]
    except (IndexError, TypeError) as error:
        raise ShapeError(
            f"{name} is no choice among {N} variables ({error}); whole numbers, {N} truth values, or a slice are needed"
        ) from None
