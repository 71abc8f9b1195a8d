"""Fading memories that are linear systems: modes, a register, and none at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.layers import conv
from realization.layers.attention import whole
from realization.layers.fading.mixer import (
    Drive,
    Faded,
    State,
    block,
    convolved,
    emptied,
    opened,
    sealed,
    starts,
    tokens,
    weights,
)
from realization.layers.maps import gated, scaled, step_size
from realization.layers.recurrence.kernel import kernel
from realization.layers.register import register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Identity(Sealed):
    """f(t) = x(t): with tied weights a window that is longer by the width of the fading memory.

    Parameters
    ----------
    d : int
        Width of the tokens.
    """

    d: int

    def __post_init__(self) -> None:
        if not whole(self.d) or self.d < 0:
            raise ShapeError(f"d={self.d!r} given; a whole number of channels, 0 or more, is needed")

    @property
    def e(self) -> int:
        """Width of the fading tokens."""
        return self.d

    def __call__(self, x: np.ndarray, state: State | None = None, *, begins: Any = None) -> Faded:
        """Return the tokens; the features are the token itself."""
        x = tokens(x, self.d)
        return Faded(x, x, ())

    def drive(self, x: np.ndarray, *, begins: Any = None) -> Drive:
        """There is no state: all that is read is the token."""
        nothing = x[..., :0]
        return Drive(nothing, nothing, x)

    def read(self, state: np.ndarray, reader: np.ndarray) -> np.ndarray:
        """Return the token."""
        return reader


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ShortConvolution(Sealed):
    """f(t, c) = bias(c) + sum_i weight(c, i) x(t - w + 1 + i, c): a register, which forgets after w tokens.

    Parameters
    ----------
    weight : array_like
        Taps (d, w), the last one for the current token.
    bias : array_like, optional
        (d,).
    activation : bool
        Whether silu follows.
    """

    weight: Any
    bias: Any = None
    activation: bool = False

    def __post_init__(self) -> None:
        sealed(self, "weight: d w; bias?: d")
        conv.check_width(self.weight, None)

    @property
    def d(self) -> int:
        """Width of the tokens."""
        return self.weight.shape[0]

    @property
    def e(self) -> int:
        """Width of the fading tokens."""
        return self.weight.shape[0]

    def __call__(self, x: np.ndarray, state: State | None = None, *, begins: Any = None) -> Faded:
        """Return the filtered tokens; the features are the last w tokens (d w), oldest first in each channel."""
        x, w = tokens(x, self.d), self.weight.shape[1]
        before = emptied(None if state is None else state[0], (*x.shape[:-2], self.d, w - 1), begins)
        y, last = convolved(x, self.weight, self.bias, self.activation, before, begins)
        windows, _ = register(x=x, width=w, initial=before, starts=starts(begins, x.shape[-2]))
        return Faded(y, windows.reshape(*x.shape[:-1], self.d * w), (last,))

    def drive(self, x: np.ndarray, *, begins: Any = None) -> Drive:
        """No state fades: what is read is the filtered token."""
        nothing = x[..., :0]
        return Drive(nothing, nothing, self(x, begins=begins).tokens)

    def read(self, state: np.ndarray, reader: np.ndarray) -> np.ndarray:
        """Return the filtered token."""
        return reader


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Diagonal(Sealed):
    """s(t) = exp(log_decay) o s(t-1) + B x(t),   f(t) = C s(t) + D x(t): a linear system of independent modes.

    Parameters
    ----------
    log_decay : array_like
        (n,), negative for a memory that fades; the features are the n states.
    input_weight : array_like
        B, (n, d).
    output_weight : array_like
        C, (e, n).
    skip_weight : array_like, optional
        D, (e, d).

    Examples
    --------
    >>> halves = Diagonal(log_decay=[np.log(0.5)], input_weight=[[1.0]], output_weight=[[1.0]])
    >>> halves(np.ones((4, 1))).tokens.ravel().tolist()
    [1.0, 1.5, 1.75, 1.875]
    """

    log_decay: Any
    input_weight: Any
    output_weight: Any
    skip_weight: Any = None

    def __post_init__(self) -> None:
        sealed(self, "log_decay: n; input_weight: n d; output_weight: e n; skip_weight?: e d")

    @classmethod
    def random(cls, d: int, n: int, *, rng: Any) -> Diagonal:
        """Draw time constants between 1 and 1000 tokens, and weights that keep the size of a token."""
        rng = np.random.default_rng(rng)
        decay = -np.exp(-rng.uniform(0, np.log(1000), n))
        return cls(decay, np.sqrt(-decay / d)[:, None] * rng.standard_normal((n, d)), weights(rng, d, n))

    @property
    def d(self) -> int:
        """Width of the tokens."""
        return self.input_weight.shape[1]

    @property
    def e(self) -> int:
        """Width of the fading tokens."""
        return self.output_weight.shape[0]

    def __call__(self, x: np.ndarray, state: State | None = None, *, begins: Any = None) -> Faded:
        """Return the outputs; the features are the states."""
        from realization._kernels.ordered import linear  # loads numba

        x = tokens(x, self.d)
        write = linear(x, self.input_weight)[..., None, :]
        one = np.ones((*x.shape[:-1], 1, 1))
        initial = None if state is None else state[0][..., None, :, None]
        begins, initial = block(x, begins, initial, (1, len(self.log_decay), 1))
        run = kernel(
            step=(step_size, None, None, None, None), write=scaled, after=(gated, None, None, None),
            value=write, key=one, query=one, log_decay=one[..., None], rate=self.log_decay[None, :, None],
            reset=begins, initial=initial,
        )  # fmt: skip
        s = run.y[..., 0, :]  # one key, read by 1
        return Faded(self.read(s, x), s, (run.final[..., 0, :, 0],))

    def drive(self, x: np.ndarray, *, begins: Any = None) -> Drive:
        """The same decay at every step; the skip connection reads the token."""
        from realization._kernels.ordered import linear

        write = linear(x, self.input_weight)
        return Drive(opened(np.broadcast_to(np.exp(self.log_decay), write.shape), begins), write, x)

    def read(self, state: np.ndarray, reader: np.ndarray) -> np.ndarray:
        """C s + D x."""
        from realization._kernels.ordered import linear

        y = linear(state, self.output_weight)
        return y if self.skip_weight is None else y + linear(reader, self.skip_weight)
