"""Linear time-invariant systems in discrete time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.frozen import freeze
from realization.systems.base import Response, System, begun, bounded, few, initial, quiet, signal, stepped


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LinearSSM(System):
    """x(t+1) = A x(t) + B u(t),  y(t) = C x(t) + D u(t).

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
    A delay of two steps is nilpotent: its impulse response ends.

    >>> delay = LinearSSM(A=[[0, 1], [0, 0]], B=[[0], [1]], C=[[1, 0]], D=[[0]])
    >>> delay.simulate([[1], [0], [0], [0], [0]]).y.ravel().tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze(self, "A: *b n n; B: *b n m; C: *b p n; D: *b p m")

    def simulate(self, u: Any, x0: Any = None) -> Response:
        """Return outputs and states for the input u.

        Parameters
        ----------
        u : array_like
            (*b, T, m).
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
        x0 = initial(x0, self.A.shape[-1], self.A.shape[:-2], u.shape[:-2])
        if few(u, x0):
            return bounded(stepped(u, x0, self.C.shape[-2], lambda t, v: (self.A, self.B, self.C, self.D)))
        return bounded(self._compiled(u, x0))

    @quiet
    def _compiled(self, u: np.ndarray, x0: np.ndarray) -> Response:
        from realization._kernels import simulation

        u, x = begun(u, x0, self.A, self.B, self.C, self.D)
        A, B = (X.astype(x.dtype, copy=False) for X in (self.A, self.B))
        batch = x0.shape[:-1]
        if A.ndim == 2 and np.prod(batch) >= 4 and A.shape[-1] >= simulation.LIFT:
            simulation.together(x, A, B, u)
        else:
            A, B = (np.broadcast_to(X, (*batch, *X.shape[-2:])) for X in (A, B))
            for i in np.ndindex(*batch):
                simulation.linear(x[i], A[i], B[i], u[i])
        C, D = (np.swapaxes(X, -1, -2) for X in (self.C, self.D))
        return Response(x[..., :-1, :] @ C + u @ D, x)
