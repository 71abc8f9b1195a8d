"""Linear time-invariant systems in continuous time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import freeze
from realization.systems.base import Response, System, bounded, initial, quiet, signal


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
    An integrator of a held input, sampled every half second:

    >>> integrator = ContinuousSSM(A=[[0]], B=[[1]], C=[[1]], D=[[0]])
    >>> integrator.simulate([[1], [1], [0], [0]], 0.5).y.ravel().tolist()
    [0.0, 0.5, 1.0, 1.0]
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze(self, "A: *b n n; B: *b n m; C: *b p n; D: *b p m")

    def simulate(self, u: Any, h: float, x0: Any = None, *, hold: Literal["zero", "first"] = "zero") -> Response:
        """Return outputs and states at the times 0, h, 2 h, ..., exactly, for an input known at those times.

        Parameters
        ----------
        u : array_like
            (*b, T, m): samples, held over a step or joined by straight lines.
        h : float
            Step, in the unit of time of A.
        x0 : array_like, optional
            State at time 0, (*b, n).  Default: 0.
        hold : {"zero", "first"}
            Whether the input is held, or linear in each step; it is held in the last one, whose
            end is not given.

        Returns
        -------
        Response
            y (*b, T, p) and x (*b, T+1, n).

        Raises
        ------
        ShapeError
            If u or x0 does not fit, an entry is not finite, h is not positive, or hold is another word.
        StructureError
            If the response leaves the range of float64; the message gives the step.
        """
        from realization.systems.discretize import zero_order_hold

        u = signal("u", u, self.B.shape[-1])
        x0 = initial(x0, self.A.shape[-1], self.A.shape[:-2], u.shape[:-2])
        if hold not in ("zero", "first"):
            raise ShapeError(f"hold is {hold!r}, but 'zero' or 'first' is needed")
        if hold == "zero" or not u.shape[-2]:
            return zero_order_hold(self, h).simulate(u, x0)
        return self._joined_by_lines(u, h, x0)

    @quiet
    def _joined_by_lines(self, u: np.ndarray, h: float, x0: np.ndarray) -> Response:
        from realization.systems.discretize import first_order_hold
        from realization.systems.exponential import in_range, ramped

        system = first_order_hold(self, h)
        # its state is z = x - G u, see `first_order_hold`
        G = ramped(self.A, self.B, h)[2]
        inputs = np.concatenate([u, u[..., -1:, :]], axis=-2) @ np.swapaxes(G, -1, -2)
        z0 = in_range("the answer to the first input", x0 - inputs[..., 0, :], "a smaller input is needed")
        y, z = system.simulate(u, z0)
        return bounded(Response(y, z + inputs))
