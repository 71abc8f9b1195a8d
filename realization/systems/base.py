"""What all systems share: signals checked at the door, the loop that defines a response, a way to show themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import describe
from realization.core.shapes import numbers

FEW = 256  # steps of all sequences together: the plain loop takes less time than loading the compiled one
quiet = np.errstate(over="ignore", invalid="ignore")  # what overflows is refused afterwards, by `bounded`
Step = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Response(NamedTuple):
    """What a system answers.

    Parameters
    ----------
    y : ndarray
        Outputs (*b, T, p).
    x : ndarray
        States x(0) ... x(T), (*b, T+1, n).
    """

    y: np.ndarray
    x: np.ndarray


class System:
    """A system can say what it is: in words, in HTML and in LaTeX."""

    __slots__ = ()

    def __repr__(self) -> str:
        system: Any = self
        *batch, n, _ = system.A.shape
        sizes = {"n": n, "m": system.B.shape[-1], "p": system.C.shape[-2]}
        return describe(type(self).__name__, sizes, batch)

    def describe(self) -> Any:
        """Return dimensions, poles, stability, minimality and memory, each with the number that decided it."""
        from realization.systems.describe import describe_system

        return describe_system(self)

    def _repr_html_(self) -> str:
        from realization.systems.describe import as_html

        return as_html(self)

    def _repr_latex_(self) -> str:
        from realization.systems.describe import as_latex

        return as_latex(self)


def of_kind(what: str, system: Any, *kinds: type) -> None:
    """Refuse a system of another kind: its matrices may have the same names and another meaning.

    Raises
    ------
    ShapeError
        With the kind that came and those that were needed.
    """
    if not isinstance(system, kinds):
        needed = " or a ".join(kind.__name__ for kind in kinds)
        raise ShapeError(f"{what} of a {type(system).__name__}: a {needed} is needed")


def single(what: str, system: Any, *kinds: type) -> Step:
    """Return A, B, C, D of one system, refusing other kinds and batch axes.

    Raises
    ------
    ShapeError
        With the kind or the shape that came.
    """
    of_kind(what, system, *kinds)
    if system.A.ndim != 2:
        raise ShapeError(f"A has shape {system.A.shape}; one system is needed, (n, n): index the batch axes first")
    return system.A, system.B, system.C, system.D


def count(name: str, steps: Any) -> int:
    """Return a number of steps or of anything else that is counted, checked."""
    if not isinstance(steps, int | np.integer) or steps < 0:
        raise ShapeError(f"{name} is {steps!r}, but a whole number >= 0 is needed")
    return int(steps)


def signal(name: str, u: Any, m: int) -> np.ndarray:
    """Return the signal u (*b, T, m) as an array, checked."""
    u = numbers(name, u)
    if u.ndim < 2 or u.shape[-1] != m:
        hint = f"; one column is {name}[:, None]" if u.ndim == 1 else ""
        raise ShapeError(
            f"{name} has shape {u.shape}, but (..., T, {m}) is needed for axes (T, m); m={m} (from B){hint}"
        )
    return u


def initial(x0: Any, n: int, system: tuple[int, ...], signal: tuple[int, ...]) -> np.ndarray:
    """Return the state at time 0 with the common batch axes of system, input and x0, checked."""
    x0 = np.zeros(n) if x0 is None else numbers("x0", x0)
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


def common_batch(matrices: Iterable[np.ndarray]) -> tuple[int, ...]:
    """Return the batch axes that those of the matrices broadcast to.

    Raises
    ------
    ShapeError
        If there are none.
    """
    given = [X.shape[:-2] for X in matrices]
    try:
        return np.broadcast_shapes(*given)
    except ValueError:
        raise ShapeError(f"batch axes {', '.join(map(str, given))} given; axes that broadcast are needed") from None


def broadcast(matrices: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the matrices with their common batch axes."""
    batch = common_batch(matrices)
    return [np.broadcast_to(X, (*batch, *X.shape[-2:])) for X in matrices]


def right_divide(X: np.ndarray, T: np.ndarray) -> np.ndarray:
    """X inv(T), by solving with T'."""
    return np.swapaxes(np.linalg.solve(np.swapaxes(T, -1, -2), np.swapaxes(X, -1, -2)), -1, -2)


@quiet
def stepped(u: np.ndarray, x0: np.ndarray, p: int, matrices: Callable[[int, np.ndarray], Step]) -> Response:
    """Step by step, x(t+1) = A x(t) + B u(t) and y(t) = C x(t) + D u(t): the definition of every response.

    Parameters
    ----------
    u : ndarray
        (*b, T, m).
    x0 : ndarray
        (*b, n), with the batch axes of the response.
    p : int
        Number of outputs.
    matrices : callable
        (t, u(t)) -> A, B, C, D at that step.

    Returns
    -------
    Response
        y (*b, T, p) and x (*b, T+1, n).
    """
    x, ys = [x0], []
    for t in range(u.shape[-2]):
        A, B, C, D = matrices(t, u[..., t, :])
        v = u[..., t, :, None]
        ys.append((C @ x[-1][..., None] + D @ v)[..., 0])
        x.append((A @ x[-1][..., None] + B @ v)[..., 0])
    states = np.stack(x, axis=-2)
    return Response(np.stack(ys, axis=-2) if ys else np.zeros((*states.shape[:-2], 0, p)), states)


def few(u: np.ndarray, x0: np.ndarray) -> bool:
    """Whether a response has so few steps that the definition itself is the fastest way to it."""
    return u.shape[-2] * int(np.prod(x0.shape[:-1])) < FEW


def begun(u: np.ndarray, x0: np.ndarray, *matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return u with the batch axes of x0, and states (*b, T+1, n) of which the first is set, in the common dtype."""
    dtype = np.result_type(u, x0, *matrices)
    x = np.empty((*x0.shape[:-1], u.shape[-2] + 1, x0.shape[-1]), dtype)
    x[..., 0, :] = x0
    return np.broadcast_to(u.astype(dtype, copy=False), (*x0.shape[:-1], *u.shape[-2:])), x


def bounded(response: Response) -> Response:
    """Return the response, refused where it has left the range of float64.

    Raises
    ------
    StructureError
        With the first step at which a state or an output is not finite.
    """
    for name, x in (("state", response.x), ("output", response.y)):
        if not (good := np.isfinite(x)).all():
            step = np.argmin(good.all(axis=-1).reshape(-1, x.shape[-2]).all(axis=0))
            raise StructureError(
                f"the {name} leaves the range of float64 at step {step} of {response.y.shape[-2]}; "
                "a stable system, fewer steps or a smaller input is needed"
            )
    return response
