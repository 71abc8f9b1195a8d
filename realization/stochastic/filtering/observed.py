"""What a filter is given, checked once: the matrices of every step, the outputs with their gaps, the start.

    x(t+1) = A(t) x(t) + B(t) w(t) + c(t),    y(t) = C(t) x(t) + D(t) w(t) + d(t),    x(0) as `InitialState` says

An entry of y that is NaN was not observed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import array, finite, numbers
from realization.stochastic.covariance import state_covariance
from realization.systems.base import of_kind
from realization.systems.stochastic import InitialState, InnovationsSSM, StochasticSSM, TimeVaryingStochasticSSM


class Step(NamedTuple):
    """One step: A (n, n), B (n, m), C (p, n), D (p, m), offsets c (n,) and d (p,), output y (p,), seen (p,) bool."""

    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    D: np.ndarray
    c: np.ndarray
    d: np.ndarray
    y: np.ndarray
    seen: np.ndarray


class Observed(NamedTuple):
    """All steps: A (T, n, n), B (T, n, m), C (T, p, n), D (T, p, m), c (T, n), d (T, p), y and seen (T, p)."""

    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    D: np.ndarray
    c: np.ndarray
    d: np.ndarray
    y: np.ndarray
    seen: np.ndarray
    initial: InitialState

    def steps(self) -> Iterator[Step]:
        """Step by step."""
        return (Step(*parts) for parts in zip(*self[:-1], strict=True))


def observed(model: Any, y: Any, initial: Any = None, state_offset: Any = None, output_offset: Any = None) -> Observed:
    """Check a model, one sequence of outputs, the start and the offsets against each other.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        What the outputs are thought to come from.
    y : array_like
        (T, p); NaN where nothing was observed.
    initial : InitialState, optional
        Default: the stationary law of the model, which has to be stable then.
    state_offset, output_offset : array_like, optional
        c (n,) or (T, n) and d (p,) or (T, p).  Default: 0.

    Returns
    -------
    Observed
        Matrices repeated along time without copies.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry other than a gap in y is not finite.
    StructureError
        If no start is given and there is no stationary one.
    """
    of_kind("a filter", model, StochasticSSM, InnovationsSSM, TimeVaryingStochasticSSM)
    n, p = model.A.shape[-1], model.C.shape[-2]
    y, seen = outputs(y, p)
    T = len(y)
    if isinstance(model, TimeVaryingStochasticSSM) and len(model.A) != T:
        raise ShapeError(
            f"y has shape {y.shape}, but ({len(model.A)}, {p}) is needed: the model has {len(model.A)} steps"
        )
    initial = start(model, initial)
    model = model.as_stochastic() if isinstance(model, InnovationsSSM) else model
    A, B, C, D = (np.broadcast_to(X, (T, *X.shape[-2:])) for X in (model.A, model.B, model.C, model.D))
    return Observed(
        A, B, C, D, _offset("state_offset", state_offset, T, n), _offset("output_offset", output_offset, T, p),
        np.where(seen, y, 0.0), seen, initial,
    )  # fmt: skip


def outputs(y: Any, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return y (T, p) and which of its entries were observed.

    Raises
    ------
    ShapeError
        If y has another shape, or an entry is infinite or no number.
    """
    y = array("y", y)
    if y.dtype.kind not in "biuf" or y.ndim != 2 or y.shape[-1] != p:
        hint = "; one output is y[:, None]" if y.ndim == 1 else ""
        raise ShapeError(f"y has shape {y.shape} and dtype {y.dtype}, but real numbers (T, {p}) are needed{hint}")
    y = y.astype(np.float64)
    seen = ~np.isnan(y)
    finite("y", np.where(seen, y, 0.0))
    return y, seen


def start(model: Any, initial: Any) -> InitialState:
    """Return the start that was given, or the stationary one.

    Raises
    ------
    ShapeError
        If it is of another kind or size, or the model varies in time and no start is given.
    StructureError
        If the model is not stable and no start is given.
    """
    n = model.A.shape[-1]
    if initial is None and isinstance(model, TimeVaryingStochasticSSM):
        raise ShapeError("initial is missing: a model that varies has no stationary start; give an InitialState")
    if initial is None:
        try:
            return InitialState(np.zeros(n), state_covariance(model))
        except StructureError as error:
            raise StructureError(f"{error}; give initial=InitialState.unknown({n}) or another start") from None
    if not isinstance(initial, InitialState) or len(initial.mean) != n:
        raise ShapeError(f"initial is {initial!r}; an InitialState of n={n} entries is needed")
    return initial


def _offset(name: str, offset: Any, T: int, k: int) -> np.ndarray:
    x = np.zeros(k) if offset is None else numbers(name, offset)
    if x.shape not in ((k,), (T, k)):
        raise ShapeError(f"{name} has shape {x.shape}, but ({k},) or ({T}, {k}) is needed")
    return np.broadcast_to(x, (T, k))


def in_range(t: int, *parts: np.ndarray) -> None:
    """Refuse what has left the range of float64.

    Raises
    ------
    StructureError
        With the step.
    """
    if not all(np.isfinite(X).all() for X in parts):
        raise StructureError(
            f"the state leaves the range of float64 before step {t}: the model grows; take fewer steps"
        )
