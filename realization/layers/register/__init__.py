"""The register of a window: the last w tokens, a state that is moved and never computed.

    r(t) = (x(t-w+1), ..., x(t)),      r(t) = A r(t-1) + B x(t),      A the shift, A^w = 0

Short convolutions and sliding windows read it after the update.  Between two calls w - 1 of
its tokens are kept, oldest first: the oldest of w would be shifted out unread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.functions import arrange, concatenate, stack, where
from realization.layers.cores import core
from realization.layers.recurrence.transition import slices
from realization.systems import LinearSSM

Windows = tuple[Any, Any]


def packed(run: Callable[..., Windows]) -> Callable[..., Windows]:
    """Let a function of one sequence accept `offsets`: it runs on each sequence by itself, and outside is 0."""

    @functools.wraps(run)
    def whole(*, x: Any, initial: Any = None, starts: Any = None, offsets: Any = None, **rest: Any) -> Windows:
        if offsets is None:
            return run(x=x, initial=initial, starts=starts, **rest)
        parts = []
        for i, steps in enumerate(slices(offsets)):
            own = None if initial is None else initial[[i]]
            begin = None if starts is None else np.maximum(starts[:, steps] - steps.start, 0)
            parts.append(run(x=x[:, steps], initial=own, starts=begin, **rest))
        outside = np.zeros((1, x.shape[1] - int(offsets[-1]), *parts[0][0].shape[2:]))
        over_time = concatenate([part for part, _ in parts] + [outside], axis=1)
        return over_time, stack([last[0] for _, last in parts], axis=0)

    return whole


@core
def register(*, x: Any, width: int, initial: Any = None, starts: Any = None, offsets: Any = None) -> Windows:
    """Return the registers r(t) = (x(t-w+1), ..., x(t)), and the state after the last token.

    Parameters
    ----------
    x : array
        Tokens (*b, T, d), of any number type: they are moved and nothing else.
    width : int
        w >= 1.
    initial : array, optional
        The w-1 tokens before the first (*b, d, w-1), with `offsets` (s, d, w-1).  Default: 0.
    starts : ndarray of int, optional
        For each step (*b, T) the first step of its sequence; what lies before it counts as 0,
        but the initial state belongs to the sequence that begins at 0.
    offsets : sequence of int, optional
        Sequences packed along T in a batch of 1: each is a register of its own.

    Returns
    -------
    windows : array
        (*b, T, d, w), oldest first.
    last : array
        The last w-1 tokens (*b, d, w-1), with `offsets` (s, d, w-1).

    Examples
    --------
    >>> windows, last = register(x=np.array([[1.0], [2.0], [3.0]]), width=2)
    >>> windows[:, 0].tolist(), last.tolist()
    ([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]], [[3.0]])
    """
    return _windows(x=x, width=width, initial=initial, starts=starts, offsets=offsets)


@packed
def _windows(*, x: Any, width: int, initial: Any, starts: Any) -> Windows:
    T, tokens = x.shape[-2], tape(x, width, initial)
    windows = stack([tokens[..., i : i + T, :] for i in range(width)], axis=-1)
    if starts is not None:
        seen = np.arange(width) >= oldest(starts, width)[..., None]
        windows = where(seen[..., None, :], windows, 0)
    return windows, kept(tokens, width, starts)


def tape(x: Any, width: int, initial: Any = None) -> Any:
    """Tokens (*b, w-1+T, d): those of the initial state (*b, d, w-1), or zeros, and those of x (*b, T, d)."""
    if initial is None:
        # in the type of x: an integer 0 among objects leaves rationals what they are
        before = np.zeros((*x.shape[:-2], width - 1, x.shape[-1]), getattr(x, "dtype", np.float64))
    else:
        before = transposed(initial)
    return concatenate([before, x], axis=-2)


def kept(tokens: Any, width: int, starts: Any = None) -> Any:
    """The last w-1 tokens of a tape (*b, d, w-1); those of an earlier sequence are 0."""
    T = tokens.shape[-2] - width + 1
    last = transposed(tokens[..., T:, :])
    if starts is None or T == 0:
        return last
    seen = np.arange(1, width) >= oldest(starts, width)[..., -1:]
    return where(seen[..., None, :], last, 0)


def oldest(starts: np.ndarray, width: int) -> np.ndarray:
    """Place (*b, T) in each window of the oldest token that belongs to the sequence of its last."""
    own = np.arange(starts.shape[-1]) - starts + 1
    return np.where(starts == 0, 0, np.maximum(width - own, 0))


def transposed(x: Any) -> Any:
    """Exchange the last two axes of an array of any number type."""
    return arrange(lambda parts: np.swapaxes(parts[0], -1, -2), (x,))


def register_system(width: int, d: int) -> LinearSSM:
    """The register of w tokens with d channels as a system: x(t+1) = A x(t) + B u(t), y(t) = x(t+1).

    Parameters
    ----------
    width, d : int
        Tokens and channels; the state is (d, w) in a row, oldest token first.

    Returns
    -------
    LinearSSM
        A shifts, exactly nilpotent of index w; C = A and D = B read after the update.

    Examples
    --------
    >>> A = register_system(3, 1).A
    >>> (A @ A).any(), (A @ A @ A).any()
    (np.True_, np.False_)
    """
    channels, E = np.eye(d), np.eye(width)
    A, B = np.kron(channels, np.eye(width, k=1)), np.kron(channels, E[:, -1:])
    return LinearSSM(A=A, B=B, C=A, D=B)


def register_state(initial: np.ndarray) -> np.ndarray:
    """The state of the system before a token: w-1 tokens (*b, d, w-1) and, oldest, one that it shifts out."""
    full = np.concatenate([np.zeros((*initial.shape[:-1], 1)), initial], axis=-1)
    return full.reshape(*full.shape[:-2], -1)
