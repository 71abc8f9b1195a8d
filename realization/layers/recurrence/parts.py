"""The parts of a run: what faults of a recurrence are put together from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import concatenate
from realization.layers.recurrence import Run
from realization.layers.recurrence.transition import BEHIND_TIME, at, erasing, share, zeros

Core = Callable[..., Run]


def own(core: Core, a: dict[str, Any]) -> Run:
    """What the tokens of this run write: no state enters."""
    return core(**{**a, "initial": None})


def history(core: Core, a: dict[str, Any]) -> Run:
    """What is left of the state that enters: nothing is written."""
    start = a.get("initial")
    return core(**{**a, "value": a["value"] * 0.0, "initial": nothing(a) if start is None else start})


def plus(one: Run, other: Run) -> Run:
    """The sum of two runs."""
    return Run(one.y + other.y, one.final + other.final)


def decaying(a: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """The arguments with another log decay (and angle) at every step."""
    return {**a, **{k: change(a[k]) for k in ("log_decay", "angle") if a.get(k) is not None}}


def nothing(a: dict[str, Any]) -> Any:
    """The state 0 of every sequence."""
    S = zeros(a["value"], a["key"])
    return S if a.get("offsets") is None else np.stack([S] * (len(a["offsets"]) - 1))


def moved(x: Any, by: int, behind: int, outside: float = 0.0) -> Any:
    """x(t - by) for by = 1 or -1; where that is outside, 0 or so much of x(t)."""
    if isinstance(x, tuple):
        return tuple(moved(part, by, behind + 1, outside) for part in x)
    inside = at(x, slice(None, -1) if by > 0 else slice(1, None), behind)
    edge = at(x, slice(0, 1) if by > 0 else slice(-1, None), behind) * outside
    return concatenate([edge, inside] if by > 0 else [inside, edge], axis=-1 - behind)


def before(core: Core, a: dict[str, Any]) -> Any:
    """S(t-1) q(t): the read-out of a run that is one step behind."""
    moving = ("value", "key", "log_decay", "angle", "erase")
    late = {k: moved(a[k], 1, BEHIND_TIME[k]) for k in moving if a.get(k) is not None}
    reset = a.get("reset")
    return core(**{**a, **late, "reset": None if reset is None else moved(reset, 1, 0) != 0}).y


def each(x: Any, change: Callable[[Any], Any]) -> Any:
    """A change of an array, or of both of a pair."""
    return tuple(change(part) for part in x) if isinstance(x, tuple) else change(x)


def erase_pair(a: dict[str, Any]) -> tuple[Any, Any]:
    """c and d of the erase, of every head."""
    if a.get("erase") is None:
        raise ShapeError("there is no erase")
    heads = a["value"].shape[-2]
    c, d = erasing(a["erase"], a["key"], heads, None, False)
    return share(c, heads), share(d, heads)
