"""Linear time-invariant systems in continuous time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from realization.core.frozen import describe, freeze
from realization.systems.base import System


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ContinuousSSM(System):
    """dx/dt = A x(t) + B u(t),  y(t) = C x(t) + D u(t).

    Parameters
    ----------
    A, B, C, D : array_like
        (*b, n, n), (*b, n, m), (*b, p, n), (*b, p, m).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    Examples
    --------
    An integrator:

    >>> ContinuousSSM(A=[[0]], B=[[1]], C=[[1]], D=[[0]])
    ContinuousSSM(n=1, m=1, p=1)
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze(self, "A: *b n n; B: *b n m; C: *b p n; D: *b p m")

    def __repr__(self) -> str:
        return describe("ContinuousSSM", {"n": self.A.shape[-1], "m": self.B.shape[-1], "p": self.C.shape[-2]})
