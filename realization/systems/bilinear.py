"""Bilinear systems: linear in the state and in the input, not in both together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.frozen import freeze
from realization.systems.base import Response, Step, System, begun, bounded, few, initial, quiet, signal, stepped


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BilinearSSM(System):
    """x(t+1) = A x + sum_i u_i N_i x + B u,  y(t) = C x + sum_i u_i M_i x + D u.

    Selective layers are of this kind once their decays count as inputs; the term M
    lets a layer read its state after the update.

    Parameters
    ----------
    A, N, B : array_like
        (*b, n, n), (*b, m, n, n) and (*b, n, m); N has one matrix for each input.
    C, M, D : array_like
        (*b, p, n), (*b, m, p, n) and (*b, p, m); so has M.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    Examples
    --------
    One state whose decay is the first input and whose write is the second:

    >>> gate = BilinearSSM(A=[[0]], N=[[[1]], [[0]]], B=[[0, 1]], C=[[0]], M=[[[1]], [[0]]], D=[[0, 1]])
    >>> gate.simulate([[0.5, 1], [0.5, 1], [0.0, 1]]).y.ravel().tolist()
    [1.0, 1.5, 1.0]
    """

    A: Any
    N: Any
    B: Any
    C: Any
    M: Any
    D: Any

    def __post_init__(self) -> None:
        freeze(self, "A: *b n n; N: *b m n n; B: *b n m; C: *b p n; M: *b m p n; D: *b p m")

    def at(self, u: np.ndarray) -> Step:
        """Return A + sum_i u_i N_i, B, C + sum_i u_i M_i and D for the input u (*b, m) of one step."""
        A, C = (F + np.einsum("...i, ...ijk -> ...jk", u, G) for F, G in ((self.A, self.N), (self.C, self.M)))
        return A, self.B, C, self.D

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
            return bounded(stepped(u, x0, self.C.shape[-2], lambda t, v: self.at(v)))
        return bounded(self._compiled(u, x0))

    @quiet
    def _compiled(self, u: np.ndarray, x0: np.ndarray) -> Response:
        from realization._kernels import simulation

        u, x = begun(u, x0, *(getattr(self, name) for name in "ANBCMD"))
        x[..., 1:, :], y = u @ np.swapaxes(self.B, -1, -2), np.ascontiguousarray(u @ np.swapaxes(self.D, -1, -2))
        # with v = (1, u) the matrices A and C are those of one more input
        v = np.concatenate([np.ones((*u.shape[:-1], 1), x.dtype), u], axis=-1)
        own, batch = self.A.shape[:-2], x0.shape[:-1]
        F, G = (
            np.concatenate([X[..., None, :, :], Y], axis=-3).astype(x.dtype, copy=False)
            for X, Y in ((self.A, self.N), (self.C, self.M))
        )
        update, read = ({i: simulation.bilinear(X[i]) for i in np.ndindex(*own)} for X in (F, G))
        for i in np.ndindex(*batch):
            # axes of size 1, and those that the system lacks, are shared
            s = tuple(k % size for k, size in zip(i[len(batch) - len(own) :], own, strict=True))
            update[s](x[i][1:], v[i], x[i])
            read[s](y[i], v[i], x[i][:-1])
        return Response(y, x)
