"""Linear systems, time-invariant and time-varying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import describe, freeze


class Response(NamedTuple):
    """What a system answers: outputs (*b, T, p) and states x(0) ... x(T), (*b, T+1, n)."""

    y: np.ndarray
    x: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LinearSSM:
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

    def __repr__(self) -> str:
        return describe("LinearSSM", {"n": self.A.shape[-1], "m": self.B.shape[-1], "p": self.C.shape[-2]})

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
            If u or x0 does not fit.
        """
        u = signal("u", u, self.B.shape[-1])
        x0 = initial(x0, self.A.shape[-1], self.A.shape[:-2], u.shape[:-2])
        return _run(u, x0, self.C.shape[-2], lambda t: (self.A, self.B, self.C, self.D))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TimeVaryingSSM:
    """x(t+1) = A(t) x(t) + B(t) u(t),  y(t) = C(t) x(t) + D(t) u(t).

    Parameters
    ----------
    A, B, C, D : array_like
        (*b, T, n, n), (*b, T, n, m), (*b, T, p, n), (*b, T, p, m).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze(self, "A: *b T n n; B: *b T n m; C: *b T p n; D: *b T p m")

    def __repr__(self) -> str:
        T, n = self.A.shape[-3:-1]
        return describe("TimeVaryingSSM", {"T": T, "n": n, "m": self.B.shape[-1], "p": self.C.shape[-2]})

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
            If u or x0 does not fit.
        """
        u = signal("u", u, self.B.shape[-1])
        if u.shape[-2] != self.A.shape[-3]:
            raise ShapeError(f"u has {u.shape[-2]} steps, the system {self.A.shape[-3]}; they must be equal")
        at = [np.moveaxis(M, -3, 0) for M in (self.A, self.B, self.C, self.D)]
        x0 = initial(x0, self.A.shape[-1], self.A.shape[:-3], u.shape[:-2])
        return _run(u, x0, self.C.shape[-2], lambda t: tuple(M[t] for M in at))


def signal(name: str, u: Any, m: int) -> np.ndarray:
    """Return the signal u (*b, T, m) as an array, checked."""
    u = np.asarray(u)
    if u.ndim < 2 or u.shape[-1] != m:
        raise ShapeError(f"{name} has shape {u.shape}, but (..., T, {m}) is needed for axes (T, m); m={m} (from B)")
    return u


def initial(x0: Any, n: int, system: tuple[int, ...], signal: tuple[int, ...]) -> np.ndarray:
    """Return the state at time 0 with the common batch axes of system, input and x0, checked."""
    x0 = np.zeros(n) if x0 is None else np.asarray(x0)
    if x0.shape[-1:] != (n,):
        raise ShapeError(f"x0 has shape {x0.shape}, but (..., {n}) is needed; n={n} (from A)")
    try:
        batch = np.broadcast_shapes(system, signal, x0.shape[:-1])
    except ValueError:
        raise ShapeError(
            f"batch axes {system} of the system, {signal} of u and {x0.shape[:-1]} of x0 given; "
            "axes that broadcast are needed"
        ) from None
    return np.broadcast_to(x0, (*batch, n))


def _run(u: np.ndarray, x0: np.ndarray, p: int, matrices: Any) -> Response:
    x, ys = [x0], []
    for t in range(u.shape[-2]):
        A, B, C, D = matrices(t)
        v = u[..., t, :, None]
        ys.append((C @ x[-1][..., None] + D @ v)[..., 0])
        x.append((A @ x[-1][..., None] + B @ v)[..., 0])
    return response(ys, x, p)


def response(ys: list[Any], xs: list[Any], p: int) -> Response:
    """Stack steps to signals; p is the width of the output, also where there is no step."""
    x = np.stack(xs, axis=-2)
    y = np.stack(ys, axis=-2) if ys else np.zeros((*x.shape[:-2], 0, p))
    return Response(y, x)
