"""Linear systems whose matrices change from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import describe, freeze
from realization.systems.base import Response, System, begun, bounded, few, initial, quiet, signal, stepped


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TimeVaryingSSM(System):
    """x(t+1) = A(t) x(t) + B(t) u(t),  y(t) = C(t) x(t) + D(t) u(t).

    Parameters
    ----------
    A, B, C, D : array_like
        (*b, T, n, n), (*b, T, n, m), (*b, T, p, n), (*b, T, p, m).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    Examples
    --------
    A running product: the state is multiplied by 1, 2, 3 in turn.

    >>> one = [[[1]]] * 3
    >>> factorial = TimeVaryingSSM(A=[[[1]], [[2]], [[3]]], B=np.zeros((3, 1, 0)), C=one, D=np.zeros((3, 1, 0)))
    >>> factorial.simulate(np.zeros((3, 0)), [1]).x.ravel().tolist()
    [1.0, 1.0, 2.0, 6.0]
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze(self, "A: *b T n n; B: *b T n m; C: *b T p n; D: *b T p m")

    def __repr__(self) -> str:
        *batch, T, n, _ = self.A.shape
        return describe("TimeVaryingSSM", {"T": T, "n": n, "m": self.B.shape[-1], "p": self.C.shape[-2]}, batch)

    def simulate(self, u: Any, x0: Any = None) -> Response:
        """Return outputs and states for the input u.

        Parameters
        ----------
        u : array_like
            (*b, T, m), T that of the system.
        x0 : array_like, optional
            State at time 0, (*b, n).  Default: 0.

        Returns
        -------
        Response
            y (*b, T, p) and x (*b, T+1, n).

        Raises
        ------
        ShapeError
            If u or x0 does not fit, or an entry is not finite.
        StructureError
            If the response leaves the range of float64; the message gives the step.
        """
        u = signal("u", u, self.B.shape[-1])
        if u.shape[-2] != self.A.shape[-3]:
            raise ShapeError(f"u has {u.shape[-2]} steps, the system {self.A.shape[-3]}; they must be equal")
        x0 = initial(x0, self.A.shape[-1], self.A.shape[:-3], u.shape[:-2])
        if not few(u, x0):
            return bounded(self._compiled(u, x0))
        at = [np.moveaxis(X, -3, 0) for X in (self.A, self.B, self.C, self.D)]
        return bounded(stepped(u, x0, self.C.shape[-2], lambda t, v: (at[0][t], at[1][t], at[2][t], at[3][t])))

    @quiet
    def _compiled(self, u: np.ndarray, x0: np.ndarray) -> Response:
        from realization._kernels import simulation

        u, x = begun(u, x0, self.A, self.B, self.C, self.D)
        x[..., 1:, :] = (self.B @ u[..., None])[..., 0]
        A = np.broadcast_to(self.A.astype(x.dtype, copy=False), (*x0.shape[:-1], *self.A.shape[-3:]))
        for i in np.ndindex(*x0.shape[:-1]):
            simulation.varying(x[i][1:], A[i], x[i])
        return Response((self.C @ x[..., :-1, :, None] + self.D @ u[..., None])[..., 0], x)
