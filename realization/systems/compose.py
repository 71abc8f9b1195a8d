"""Systems made of systems.

    series        H = H2 H1                     direct_sum    H = diag(H1, H2)
    parallel      H = H1 + H2                   dual          H = H1'
    feedback      H = inv(I + H1 H2) H1         similar       H = H1, in the states z = T x

All hold for discrete and for continuous time alike: only the matrices enter.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import array, numbers
from realization.linalg.decision import EPS
from realization.systems.base import broadcast, common_batch, of_kind, quiet, right_divide
from realization.systems.continuous import ContinuousSSM
from realization.systems.exponential import in_range
from realization.systems.linear import LinearSSM

S = TypeVar("S", LinearSSM, ContinuousSSM)


@quiet
def series(one: S, two: S) -> S:
    """H = H2 H1: the output of the first system is the input of the second.

    Parameters
    ----------
    one, two : LinearSSM or ContinuousSSM
        Of one kind; p of the first is m of the second.  Batch axes broadcast.

    Returns
    -------
    LinearSSM or ContinuousSSM
        With the states of the first, then those of the second.

    Raises
    ------
    ShapeError
        If the kinds differ or the sizes do not fit.

    Examples
    --------
    Two delays of one step make one of two:

    >>> delay = LinearSSM(A=[[0]], B=[[1]], C=[[1]], D=[[0]])
    >>> series(delay, delay).simulate([[1], [0], [0]]).y.ravel().tolist()
    [0.0, 0.0, 1.0]
    """
    _alike("series", one, two)
    _fits("series", "outputs of the first", one.C.shape[-2], "inputs of the second", two.B.shape[-1])
    A = _blocks([[one.A, None], [two.B @ one.C, two.A]])
    B = _blocks([[one.B], [two.B @ one.D]])
    C = _blocks([[two.D @ one.C, two.C]])
    return _system(one, A, B, C, two.D @ one.D)


@quiet
def parallel(one: S, two: S) -> S:
    """H = H1 + H2: one input drives both systems, and their outputs are added.

    Parameters
    ----------
    one, two : LinearSSM or ContinuousSSM
        Of one kind, with equal m and equal p.  Batch axes broadcast.

    Returns
    -------
    LinearSSM or ContinuousSSM
        With the states of the first, then those of the second.

    Raises
    ------
    ShapeError
        If the kinds differ or the sizes do not fit.

    Examples
    --------
    >>> delay = LinearSSM(A=[[0]], B=[[1]], C=[[1]], D=[[0]])
    >>> parallel(delay, delay).simulate([[1], [0], [0]]).y.ravel().tolist()
    [0.0, 2.0, 0.0]
    """
    _alike("parallel", one, two)
    _fits("parallel", "inputs of the first", one.B.shape[-1], "inputs of the second", two.B.shape[-1])
    _fits("parallel", "outputs of the first", one.C.shape[-2], "outputs of the second", two.C.shape[-2])
    A, B, C = _blocks([[one.A, None], [None, two.A]]), _blocks([[one.B], [two.B]]), _blocks([[one.C, two.C]])
    return _system(one, A, B, C, one.D + two.D)


def direct_sum(one: S, two: S) -> S:
    """H = diag(H1, H2): two systems side by side, each with its own inputs and outputs.

    Parameters
    ----------
    one, two : LinearSSM or ContinuousSSM
        Of one kind.  Batch axes broadcast.

    Returns
    -------
    LinearSSM or ContinuousSSM
        n, m and p are the sums.

    Raises
    ------
    ShapeError
        If the kinds differ.

    Examples
    --------
    >>> delay = LinearSSM(A=[[0]], B=[[1]], C=[[1]], D=[[0]])
    >>> direct_sum(delay, delay)
    LinearSSM(n=2, m=2, p=2)
    """
    _alike("direct_sum", one, two)
    pairs = ((one.A, two.A), (one.B, two.B), (one.C, two.C), (one.D, two.D))
    return _system(one, *(_blocks([[X, None], [None, Y]]) for X, Y in pairs))


@quiet
def feedback(one: S, two: S) -> S:
    """H = inv(I + H1 H2) H1: the second system leads the output back, u1 = u - y2.

    With E = inv(I + D1 D2) the loop is

        y  = E (C1 x1 - D1 C2 x2 + D1 u),     u1 = u - C2 x2 - D2 y,
        x1 <- A1 x1 + B1 u1,                  x2 <- A2 x2 + B2 y.

    For positive feedback negate C and D of the second.

    Parameters
    ----------
    one, two : LinearSSM or ContinuousSSM
        Of one kind; m and p of the second are p and m of the first.  Batch axes broadcast.

    Returns
    -------
    LinearSSM or ContinuousSSM
        From u to y, with the states of the first, then those of the second.

    Raises
    ------
    ShapeError
        If the kinds differ or the sizes do not fit.
    StructureError
        If the loop is not well posed: I + D1 D2 is singular; the message gives its condition.

    Examples
    --------
    An integrator in a loop of its own with gain 2 is a first-order lag, 1/(s + 2):

    >>> integrator = ContinuousSSM(A=[[0]], B=[[1]], C=[[1]], D=[[0]])
    >>> gain = ContinuousSSM(A=np.zeros((0, 0)), B=np.zeros((0, 1)), C=np.zeros((1, 0)), D=[[2]])
    >>> feedback(integrator, gain).A.tolist()
    [[-2.0]]
    """
    _alike("feedback", one, two)
    _fits("feedback", "outputs of the first", one.C.shape[-2], "inputs of the second", two.B.shape[-1])
    _fits("feedback", "inputs of the first", one.B.shape[-1], "outputs of the second", two.C.shape[-2])
    loop = np.eye(one.C.shape[-2]) + one.D @ two.D
    _regular("feedback: I + D1 D2, without whose inverse the loop has no solution,", loop)
    # y = Y1 x1 + Y2 x2 + Y0 u,  u1 = V1 x1 + V2 x2 + V0 u
    Y1, Y2, Y0 = (np.linalg.solve(loop, X) for X in (one.C, -one.D @ two.C, one.D))
    V1, V2, V0 = -two.D @ Y1, -two.C - two.D @ Y2, np.eye(one.B.shape[-1]) - two.D @ Y0
    A = _blocks([[one.A + one.B @ V1, one.B @ V2], [two.B @ Y1, two.A + two.B @ Y2]])
    B = _blocks([[one.B @ V0], [two.B @ Y0]])
    return _system(one, A, B, _blocks([[Y1, Y2]]), Y0)


def dual(system: S) -> S:
    """H'(z): the transposed system (A', C', B', D').

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With m inputs and p outputs.

    Returns
    -------
    LinearSSM or ContinuousSSM
        With p inputs and m outputs; controllability and observability change places.
        Complex matrices are transposed and not conjugated, so that H is.

    Examples
    --------
    >>> dual(LinearSSM(A=[[0, 1], [0, 0]], B=[[0], [1]], C=[[1, 0]], D=[[0]])).B.ravel().tolist()
    [1.0, 0.0]
    """
    _alike("dual", system)
    return _system(system, *(np.swapaxes(X, -1, -2) for X in (system.A, system.C, system.B, system.D)))


def subsystem(system: S, *, inputs: Any = None, outputs: Any = None, states: Any = None) -> S:
    """H[outputs, inputs]: a selection, in the order given.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With n states, m inputs, p outputs.
    inputs, outputs : sequence of int, optional
        Which to keep.  Default: all.
    states : sequence of int, optional
        Which to keep, while the others are held at 0; this changes H unless they have no part in it.

    Returns
    -------
    LinearSSM or ContinuousSSM
        The selection.

    Raises
    ------
    ShapeError
        If an index is out of range.

    Examples
    --------
    >>> pair = LinearSSM(A=[[0]], B=[[1, 2]], C=[[1], [3]], D=[[0, 0], [0, 0]])
    >>> subsystem(pair, inputs=[1], outputs=[1, 0]).C.ravel().tolist()
    [3.0, 1.0]
    """
    _alike("subsystem", system)
    n, m, p = system.A.shape[-1], system.B.shape[-1], system.C.shape[-2]
    i, u, y = _indices("states", states, n), _indices("inputs", inputs, m), _indices("outputs", outputs, p)
    A, B = system.A[..., i[:, None], i], system.B[..., i[:, None], u]
    return _system(system, A, B, system.C[..., y[:, None], i], system.D[..., y[:, None], u])


@quiet
def similar(system: S, T: Any) -> S:
    """A2 = T A inv(T), B2 = T B, C2 = C inv(T), D2 = D: the same system in the states z = T x.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With n states.
    T : array_like
        (*b, n, n), real or complex.  Batch axes broadcast.

    Returns
    -------
    LinearSSM or ContinuousSSM
        With the same H, to about eps cond(T) in the matrices.

    Raises
    ------
    ShapeError
        If T has another shape, or an entry is not finite.
    StructureError
        If T is singular in double precision; the message gives its condition.

    Examples
    --------
    >>> similar(LinearSSM(A=[[0.5]], B=[[1]], C=[[1]], D=[[0]]), [[4]]).B.tolist()
    [[4.0]]
    """
    _alike("similar", system)
    T, n = numbers("T", T), system.A.shape[-1]
    if T.shape[-2:] != (n, n):
        raise ShapeError(f"T has shape {T.shape}, but (..., {n}, {n}) is needed; n={n} (from A)")
    common_batch((system.A, T))
    _regular("T", T)
    A, C = (right_divide(X, T) for X in (T @ system.A, system.C))
    return _system(system, A, T @ system.B, C, system.D)


def _regular(name: str, T: np.ndarray) -> None:
    """Refuse a matrix whose condition is 1/(n eps) or more: rounding its entries alone could make it singular."""
    if not T.size:
        return
    s = np.linalg.svd(T, compute_uv=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        condition = np.nan_to_num(s[..., 0] / s[..., -1], nan=np.inf, posinf=np.inf).max()
    limit = 1 / (T.shape[-1] * EPS)
    if condition >= limit:
        raise StructureError(f"{name} has condition {condition:.1e}, need < 1/(n eps) = {limit:.1e}")


def _alike(what: str, *systems: Any) -> None:
    for system in systems:
        of_kind(what, system, LinearSSM, ContinuousSSM)
    if len({type(system) for system in systems}) > 1:
        kinds = " and ".join(f"a {type(system).__name__}" for system in systems)
        raise ShapeError(f"{what} of {kinds}: two systems of one kind are needed; discretize the continuous one")
    common_batch([system.A for system in systems])


def _fits(what: str, name: str, size: int, other: str, needed: int) -> None:
    if size != needed:
        raise ShapeError(f"{what}: {size} {name}, {needed} {other}; as many are needed")


def _indices(name: str, chosen: Any, size: int) -> np.ndarray:
    index = np.arange(size) if chosen is None else array(name, chosen).ravel()
    if index.size and (index.dtype.kind not in "iu" or index.min() < -size or index.max() >= size):
        raise ShapeError(f"{name} are {index.tolist()}, but whole numbers below {size} are needed")
    return index.astype(np.intp)


def _blocks(rows: list[list[Any]]) -> np.ndarray:
    """Assemble a matrix of blocks with batch axes that broadcast; None is a block of zeros."""
    given = [X for row in rows for X in row if X is not None]
    batch = common_batch(given)
    heights = [next(X.shape[-2] for X in row if X is not None) for row in rows]
    widths = [next(X.shape[-1] for X in column if X is not None) for column in zip(*rows, strict=True)]

    def block(X: Any, height: int, width: int) -> np.ndarray:
        return np.broadcast_to(np.zeros((height, width)) if X is None else X, (*batch, height, width))

    return np.concatenate(
        [
            np.concatenate([block(X, height, width) for X, width in zip(row, widths, strict=True)], axis=-1)
            for row, height in zip(rows, heights, strict=True)
        ],
        axis=-2,
    )


def _system(like: S, *matrices: Any) -> S:
    """Return a system of the same kind, its matrices with their common batch axes."""
    smaller = "smaller gains, or other units of the states, are needed"
    return type(like)(*(in_range("a matrix of the result", X, smaller) for X in broadcast(matrices)))
