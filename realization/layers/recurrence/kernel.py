"""The recurrence between a map and an epilogue as compiled loops over float64 arrays: the reading for speed.

    g = step(log_decay, *steps),    v = write(value, g),    y = after(S q, *rest)

This file brings shapes into order; the loops are in `_kernels.recurrence`, which is
imported here on first use because it loads the compiler.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from realization._kernels.views import entry
from realization.layers.recurrence import Run
from realization.layers.recurrence.transition import erasing


def kernel(
    *,
    step: tuple[Any, ...],
    write: Callable[..., Any],
    after: tuple[Any, ...],
    value: Any,
    key: Any,
    query: Any,
    log_decay: Any = None,
    rate: Any = None,
    angle: Any = None,
    spin: Any = None,
    erase: Any = None,
    hold: bool = False,
    reset: Any = None,
    offsets: Any = None,
    initial: Any = None,
    states: bool = False,
) -> Run:
    """Run step, write, recurrence and after in one pass.

    Parameters
    ----------
    step : tuple
        A function of one number of log_decay (and of angle), and its further arguments:
        None, numbers, or constants that broadcast to (H, V, K).
    write : callable
        Function of a number of value and of g, which must not differ between keys.
    after : tuple
        A function of one number of S q, and its further arguments: None, numbers, arrays
        (*b, T, H, V), or constants that broadcast to (H, V).
    value, key, query, log_decay, rate, angle, spin, erase, hold, reset, offsets, initial, states
        As for `recurrence`; value, log_decay and angle before write and step.

    Returns
    -------
    Run
        y after the epilogue, final and states.
    """
    from realization._kernels.recurrence import make_kernel  # loads numba

    *batch, T, H, V = value.shape
    (G, K), B = key.shape[-2:], math.prod(batch)
    if angle is not None and log_decay is None:
        log_decay, rate = np.zeros((*value.shape[:-1], 1, 1)), None
    decay, turn = (_mapped(x, step[1:], (B, T, H)) for x in (log_decay, angle))
    rate, spin = (np.ones((1, 1, 1)) if x is None else x for x in (rate, spin))
    alike = turn is None and rate.shape[1] == 1 and (decay is None or decay[0].shape[-1] == 1)
    bounds = np.asarray([0, T] if offsets is None else offsets, dtype=np.int64)
    sequences = len(bounds) - 1
    erase_key, erase_value = erasing(erase, key, H, angle, hold)

    y = np.zeros((B, T, H, V))  # steps outside of all sequences stay 0
    final = np.empty((sequences, B, H, V, K))
    everything = np.zeros((T, B, H, V, K)) if states else None
    make_kernel(step[0], write, after[0])(
        y, final, everything, bounds,
        entry(value, (B, T, H, 1, V)), entry(key, (B, T, G, K)), entry(query, (B, T, G, K)),
        decay, *(_constant(x, (H, 1 if alike else V, x.shape[2])) for x in (rate, spin)), turn,
        *(entry(x, None if x is None else (B, T, *x.shape[-2:])) for x in (erase_key, erase_value)), hold or None,
        entry(reset, (B, T)), entry(initial, final.shape), tuple(_beside(x, value) for x in after[1:]),
    )  # fmt: skip
    return Run(
        y.reshape(value.shape),
        final.reshape(*(() if offsets is None else (sequences,)), *batch, H, V, K),
        None if everything is None else np.moveaxis(everything, 0, 1).reshape(*batch, T, H, V, K),
    )


def trailing(x: Any, count: int = 1) -> Any:
    """Append axes of size 1; None stays None."""
    return None if x is None else x[(..., *(None,) * count)]


def _constant(x: Any, shape: tuple[int, int, int]) -> Any:
    """What broadcasts to (H, V, K) as (H, K, V); None and numbers as they are."""
    if not isinstance(x, np.ndarray):
        return x if x is None else float(x)
    return entry(np.swapaxes(np.broadcast_to(x, shape), -1, -2), (shape[0], shape[2], shape[1]))


def _mapped(x: Any, constants: tuple[Any, ...], lead: tuple[int, int, int]) -> Any:
    """The arguments of step: x (*b, T, H, V|1, K|1) as (B, T, H, K|1, V|1), and its constants."""
    if x is None:
        return None
    one = (1, 1, 1)
    _, V, K = np.broadcast_shapes(one, x.shape[-2:], *(c.shape for c in constants if isinstance(c, np.ndarray)))
    x = np.broadcast_to(x, (*x.shape[:-2], V, K))
    return entry(np.swapaxes(x, -1, -2), (*lead, K, V)), *(_constant(c, (lead[2], V, K)) for c in constants)


def _beside(x: Any, value: np.ndarray) -> Any:
    """An argument of after as (B, T, H, 1, V), a constant as (H, 1, V)."""
    *batch, T, H, V = value.shape
    if isinstance(x, np.ndarray) and x.shape == value.shape:
        return entry(x, (math.prod(batch), T, H, 1, V))
    return _constant(trailing(x) if isinstance(x, np.ndarray) else x, (H, V, 1))
