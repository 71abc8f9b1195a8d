"""The recurrence as one masked matrix: its dual form, which is that of attention.

    y(t) = sum_{s <= t} W(t, s) v(s) + [m(t, s0) o S(s0)] q(t),      W(t, s) = q(t)' (m(t, s) o k(s))

with m(t, s) the decay from s to t, which all values of a head must share; for one number
per head W = L o (Q K'), L(t, s) = m(t, s).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.layers.recurrence import Run
from realization.layers.recurrence.chunked import decays, factors
from realization.layers.recurrence.transition import packed


def matrix(*, decay: str = "logdiff", **arrays: Any) -> Run:
    """Run the recurrence as a matrix; other arguments as for `recurrence`, arrays of floats only.

    Parameters
    ----------
    decay : {"product", "logdiff"}
        How the decay over several steps is formed.
    **arrays
        The arguments of `recurrence`; V|1 is 1 in log decay, rate, angle and spin.

    Returns
    -------
    Run
        y and final.

    Raises
    ------
    ShapeError
        If values of a head have different decays: that is no matrix in time.
    """
    names = ("log_decay", "rate", "angle", "spin", "reset", "initial")
    return _run(**{**dict.fromkeys(names), "hold": False, **arrays}, states=False, decay=decay)


@packed
def _run(*, reset: Any, states: bool, decay: str, **arrays: Any) -> Run:
    value, T = arrays["value"], arrays["value"].shape[-3]
    g, key, read, S, back = factors(**arrays, columns=True)
    if g.shape[-2] != 1:
        raise ShapeError(f"log decays of shape {g.shape} differ between the values of a head; V = 1 is needed")
    if not T:
        return Run(np.zeros(value.shape), back(S))
    reset = np.zeros(g.shape[:-3], bool) if reset is None else reset
    m = decays(g, reset, decay)[..., 0, :]
    W = (read[..., :, None, :, :] * m[..., 1:, :, :] * key[..., None, :, :, :]).sum(-1)
    old = (read[..., None, :] * m[..., 0, :, None, :] * S[..., None, :, :, :]).sum(-1)
    y = (W[..., None] * value[..., None, :, :, :]).sum(-3) + old
    kept = (m[..., -1, 1:, :, :] * key)[..., None, :]
    final = (value[..., None] * kept).sum(-4) + m[..., -1, 0, :, None, :] * S
    return Run(y.real, back(final))
