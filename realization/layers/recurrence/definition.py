"""The recurrence as it is defined, one step after the other.

Plain array arithmetic: the same lines run on floats, on complex numbers, on exact
objects (rationals, balls), on `Tape`, and on `DD` where speed does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.functions import stack, where
from realization.layers.recurrence import Run
from realization.layers.recurrence.transition import at, erased, packed, share, times, transition, zeros


@packed
def run(
    *, value: Any, key: Any, query: Any, log_decay: Any, rate: Any, angle: Any, spin: Any,
    hold: bool, reset: Any, initial: Any, states: bool, erase_key: Any = None, erase_value: Any = None,
) -> Run:  # fmt: skip
    """Read the recurrence with arrays (see `recurrence` for the arguments)."""
    *_, T, H, _ = value.shape
    S = zeros(value, key) if initial is None else initial
    ys, after = [], []
    for t in range(T):
        v, k, q = at(value, t, 2), share(at(key, t, 2), H), share(at(query, t, 2), H)
        a, w = transition(at(log_decay, t, 3), rate, at(angle, t, 3), spin, hold)
        if reset is not None:
            S = where(at(reset, t, 0)[..., None, None, None], 0, S)
        S = erased(times(S, a), at(erase_key, t, 2), at(erase_value, t, 2))
        S = S + times(v[..., :, None] * k[..., None, :], w)
        ys.append((S * q[..., None, :]).sum(-1))
        after.append(S)
    y = stack(ys, axis=-3) if T else np.zeros(value.shape)
    everything = (stack(after, axis=-4) if T else np.zeros((*value.shape[:-3], 0, *S.shape[-3:]))) if states else None
    return Run(y, S, everything)
