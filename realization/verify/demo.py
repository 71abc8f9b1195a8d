"""Two embedded subjects, as an engineer would write them: one right, one with a bug.

Both compute the selective scan in float32 by chunks of 64, with products of decays.
The bug is the classic one: the first step of each later chunk gets the decay of the
chunk's second step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.claim import Claim

CHUNK = 64


def demo(**arguments: Any) -> tuple[Any, Any]:
    """Selective scan in float32, chunked."""
    return _chunked(**arguments)


def demo_bug(**arguments: Any) -> tuple[Any, Any]:
    """The same with a wrong decay at every boundary between chunks."""
    return _chunked(**arguments, boundary=1)


def _chunked(
    u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any = None, z: Any = None, delta_bias: Any = None,
    delta_softplus: bool = False, discretization: str = "euler", initial_state: Any = None, boundary: int = 0,
) -> tuple[Any, Any]:  # fmt: skip
    """S = exp(step A) S + step u B, chunk by chunk; `boundary` shifts the decay at a chunk's first step."""
    step = delta if delta_bias is None else delta + delta_bias
    if delta_softplus:
        step = np.where(step > 20, step, np.log1p(np.exp(np.minimum(step, 20))))
    z_A = step[..., None] * A
    write = step[..., None] if discretization == "euler" else _held(z_A, step[..., None])
    write = write * u[..., None] * B[:, :, None, :]
    decay = np.exp(z_A)
    state = np.zeros(write.shape[:1] + write.shape[2:], write.dtype) if initial_state is None else initial_state.copy()
    y = np.zeros(u.shape, u.dtype)
    for start in range(0, u.shape[1], CHUNK):
        a = decay[:, start : start + CHUNK].copy()
        if boundary and start and a.shape[1] > 1:
            a[:, 0] = a[:, boundary]
        for t in range(a.shape[1]):
            state = a[:, t] * state + write[:, start + t]
            read = (state * C[:, start + t, None, :]).sum(-1)
            y[:, start + t] = 2 * read.real if np.iscomplexobj(read) else read
    if D is not None:
        y = y + D * u
    if z is not None:
        y = y * z / (1 + np.exp(-z))
    return y, state


def _held(z: Any, step: Any) -> Any:
    """The weight of a held input, step (exp(z) - 1)/z; step where z is 0."""
    return np.where(z == 0, step, step * np.expm1(z) / np.where(z == 0, 1, z))


SUBJECTS = {"demo": (demo, Claim(chunk=CHUNK)), "demo-bug": (demo_bug, Claim(chunk=CHUNK))}
