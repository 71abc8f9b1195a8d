"""The recurrence read before the write: what the state predicts for a token that has not met it yet.

    y(t) = S~(t) q(t),     S~(t) = S(t-1) o a(t)

With q = k this is the prediction of v(t) whose error, v(t) - S~(t) k(t), an erase of strength b
writes b times: the innovation of the delta rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.functions import stack
from realization.layers.recurrence import Run, recurrence
from realization.layers.recurrence.transition import BEHIND_TIME, at

FIRST = ("log_decay", "angle", "query", "reset")  # of each two half steps, what the first takes


def prior(*, core: Callable[..., Run] = recurrence, states: bool = False, **arguments: Any) -> Run:
    """y(t) = [S(t-1) o a(t)] q(t): decay and reset have met the state, the token has not.

    Parameters
    ----------
    core : callable
        The recurrence, or another route to it.
    states : bool
        Return the state after every step as well.
    **arguments
        As for `recurrence`.

    Returns
    -------
    Run
        y (*b, T, H, V); final and states as those of `recurrence`.

    Notes
    -----
    Every step becomes two: one that decays and reads, one that erases and writes.

    Examples
    --------
    A key that returns is read with the value that was written under it:

    >>> one = np.ones((3, 1, 1))
    >>> prior(value=5 * one, key=one, query=one, erase=one[..., 0]).y.ravel().tolist()
    [0.0, 5.0, 5.0]
    """
    halves = {name: _halved(name, x) for name, x in arguments.items()}
    if arguments.get("offsets") is not None:
        halves["offsets"] = [2 * int(i) for i in arguments["offsets"]]
    run = core(**halves, states=states)
    after = at(run.states, slice(1, None, 2), 3) if states else None
    return Run(at(run.y, slice(0, None, 2), 2), run.final, after)


def _halved(name: str, x: Any) -> Any:
    """x(t) in the half step that takes it, and zeros in the other."""
    if x is None or name not in BEHIND_TIME:
        return x
    if isinstance(x, tuple):
        return tuple(_halved("erase_key", part) for part in x)
    axis = len(x.shape) - BEHIND_TIME[name]
    zeros = np.zeros(x.shape, getattr(x, "dtype", None))
    both = stack([x, zeros] if name in FIRST else [zeros, x], axis)
    shape = (*x.shape[: axis - 1], 2 * x.shape[axis - 1], *x.shape[axis:])
    return both.reshape(*shape)
