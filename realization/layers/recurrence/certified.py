"""The recurrence in double-double with a radius: |exact - (hi + lo)| <= radius.

Decays are evaluated in double-double a block of steps at a time, so that (T, V, K)
numbers need not lie in memory at once; the recurrence itself is compiled.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization._kernels.dd_recurrence import recurrence as compiled
from realization.certify.dd import DD
from realization.core.functions import concatenate
from realization.core.pair import Pair
from realization.layers.recurrence import Run
from realization.layers.recurrence.transition import BEHIND_TIME, at, erase_norm, packed, share, transition, zeros

BLOCK = 2_000_000  # decays of a block: three words and some temporaries of each


@packed
def run(
    *, value: Any, key: Any, query: Any, log_decay: Any, rate: Any, angle: Any, spin: Any,
    erase_key: Any, erase_value: Any, hold: bool, reset: Any, initial: Any, states: bool,
) -> Run:  # fmt: skip
    """Read the recurrence with `DD` (see `recurrence` for the arguments)."""
    *batch, T, H, _ = value.shape
    given = {"value": value, "key": key, "query": query, "log_decay": log_decay, "angle": angle,
             "erase_key": erase_key, "erase_value": erase_value}  # fmt: skip
    arrays = {k: None if x is None else _merge(x, len(batch), 1 + BEHIND_TIME[k]) for k, x in given.items()}
    rate, spin = (None if x is None else DD.exact(x) for x in (rate, spin))
    reset = None if reset is None else np.reshape(reset, (math.prod(batch), T))
    S = _merge(zeros(value, key) if initial is None else initial, len(batch), 3)
    S = S if erase_key is None else DD(S.hi, S.lo, _row_norm(S.radius))
    ys, after = [_merge(value, len(batch), 3)[:, :0]], [DD.exact(np.zeros((S.shape[0], 0, *S.shape[1:])))]
    per_step = max(S.size if log_decay is not None or angle is not None else 1, 1)
    for start in range(0, T, max(1, BLOCK // per_step)):
        steps = slice(start, min(start + max(1, BLOCK // per_step), T))
        part = {name: at(x, steps, BEHIND_TIME[name]) for name, x in arrays.items()}
        a, w = transition(part["log_decay"], rate, part["angle"], spin, hold)
        y, last, record = compiled(
            value=part["value"].words, key=part["key"].words, query=part["query"].words,
            decay=_words(a), weight=_words(w), erase=_erase(part, H), reset=None if reset is None else reset[:, steps],
            initial=S.words, states=states,
        )  # fmt: skip
        S = DD(*last)
        ys.append(DD(*y))
        after += [DD(*record)] if record is not None else []
    y, record = concatenate(ys, 1), concatenate(after, 1) if states else None
    return Run(*(None if x is None else x.reshape(*batch, *x.shape[1:]) for x in (y, S, record)))


def _merge(x: Any, batch: int, behind: int) -> DD:
    """One batch axis in front; a time axis of decays that is shared by the batch is not copied."""
    x = DD.exact(x)
    return x.reshape(math.prod(x.shape[:batch]), *x.shape[batch : batch + behind])


def _row_norm(radius: Any) -> Any:
    """The 2-norm of each row, in each of its entries."""
    return np.broadcast_to(np.hypot.reduce(radius, -1, keepdims=True) * (1 + 2.0**-40), radius.shape)


def _erase(part: dict[str, Any], heads: int) -> Any:
    """The pair of every head, and the norm of I - c d'."""
    if part["erase_key"] is None:
        return None
    c, d = (share(part[name], heads) for name in ("erase_key", "erase_value"))
    values, errors = zip(*((x.hi, np.abs(x.lo) + x.radius) for x in (c, d)), strict=True)
    return c.words, d.words, erase_norm(*values, *errors)


def _words(a: Any) -> Any:
    return None if a is None else (a.real.words, a.imag.words) if isinstance(a, Pair) else a.words
