"""Attention over a window as a mixer of a stack: projections, attention, projection, and the window as its state.

q, k, v = Wq x + bq, Wk x + bk, Wv x + bv;      y = Wo attention(q, k, v) + bo
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.frozen import Sealed
from realization.core.functions import concatenate
from realization.layers.attention import SLIDING_WINDOW_ATTENTION
from realization.layers.stack.parts import Rotary, Weights, linear


class Mixed(NamedTuple):
    """What a mixer makes of tokens: y (*b, T, d), its state, and what it selected, if it does."""

    y: Any
    state: Any
    places: Any = None
    surprise: Any = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Window(Sealed):
    """The keys and values that the next token may see, (*b, S, g, k) and (*b, S, g, v), and its position."""

    key: Any
    value: Any
    position: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Attention(Weights):
    """y = Wo attention(Wq x, Wk x, Wv x) over the last `window` tokens.

    Parameters
    ----------
    query, key, value, output : array_like
        (h, k, d), (g, k, d), (g, v, d) and (d, h, v); g divides h.
    query_bias, key_bias, value_bias, output_bias : array_like, optional
        (h, k), (g, k), (g, v) and (d,).
    query_norm, key_norm : array_like, optional
        RMS norm (k,) of queries and keys before they turn.
    window : int, optional
        The current token included.  Default: all that is past.
    rotary : Rotary, optional
        Default: no positions.
    scale, softcap, norm_eps
        As for `sliding_window_attention`.
    """

    query: Any
    key: Any
    value: Any
    output: Any
    query_bias: Any = None
    key_bias: Any = None
    value_bias: Any = None
    output_bias: Any = None
    query_norm: Any = None
    key_norm: Any = None
    window: int | None = None
    rotary: Rotary | None = None
    scale: float | None = None
    softcap: float | None = None
    norm_eps: float = 1e-6

    axes = (
        "query: h k d; key: g k d; value: g v d; output: d h v; query_bias?: h k; key_bias?: g k; value_bias?: g v;"
        "output_bias?: d; query_norm?: k; key_norm?: k"
    )

    def __call__(self, x: Any, state: Window | None = None) -> Mixed:
        """Apply to tokens (*b, T, d), which follow those that made the state."""
        query, key, value = (
            linear(x, *pair)
            for pair in ((self.query, self.query_bias), (self.key, self.key_bias), (self.value, self.value_bias))
        )
        T = x.shape[-2]
        end = T + (0 if state is None else state.position)
        if state is not None:
            key, value = concatenate([state.key, key], axis=-3), concatenate([state.value, value], axis=-3)
        y = SLIDING_WINDOW_ATTENTION(
            query=query, key=key, value=value, query_norm=self.query_norm, key_norm=self.key_norm, window=self.window,
            scale=self.scale, softcap=self.softcap, norm_eps=self.norm_eps, **self._turned(end, key.shape[-3]),
        ).y  # fmt: skip
        flat = self.output.reshape(x.shape[-1], y.shape[-2] * y.shape[-1])
        y = linear(y.reshape(*x.shape[:-1], flat.shape[-1]), flat, self.output_bias)
        return Mixed(y, self._kept(key, value, end))

    def _turned(self, end: int, S: int) -> dict[str, Any]:
        """Tables of the S positions before `end`."""
        if self.rotary is None:
            return {}
        cos, sin = self.rotary.tables(np.arange(end - S, end))
        return {"cos": cos, "sin": sin, "interleaved": self.rotary.interleaved}

    def _kept(self, key: Any, value: Any, end: int) -> Window:
        """The last window - 1 tokens; all of them without a window."""
        S = key.shape[-3]
        first = 0 if self.window is None else max(0, S - max(self.window - 1, 0))
        return Window(key[..., first:, :, :], value[..., first:, :, :], end)
