"""The parts of a block beside its mixer: affine maps, norm, rotary positions, gated MLP.

rms(x) = x / sqrt(mean(x^2) + eps) w;     mlp(x) = Wd (silu(Wg x) * Wu x);     angle(t, i) = t base^(-2 i / width)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.functions import silu
from realization.core.shapes import Signature, numbers
from realization.layers import maps


class Weights(Sealed):
    """Base of what holds weights: float64 arrays, read-only, checked against `axes` when they are given."""

    __slots__ = ()

    axes = ""

    def __post_init__(self) -> None:
        for name in Signature.parse(self.axes + "->").arguments:
            x = getattr(self, name)
            if x is not None and not hasattr(type(x), "__elementary__"):
                object.__setattr__(self, name, numbers(name, x))
        self.sizes()
        Sealed.__post_init__(self)

    def sizes(self) -> Mapping[str, int]:
        """The size of every axis."""
        axes = Signature.parse(self.axes + "->")
        return axes.check({name: getattr(self, name) for name in axes.arguments})


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """W x + b for x (..., n) and W (..., n): what stands before n in W stands behind x in the result."""
    rows, n = weight.shape[:-1], weight.shape[-1]
    flat = weight.reshape(int(np.prod(rows)), n)
    y = maps.linear(x, flat, None if bias is None else bias.reshape(len(flat)))
    return y.reshape(*x.shape[:-1], *rows)


@dataclass(frozen=True, slots=True)
class Rotary:
    """Positions as rotations: pair i of a key at position t turns by t base^(-2 i / width).

    Parameters
    ----------
    width : int
        Columns that turn, even; the columns behind them stay.
    base : float
        Of the wave lengths 2 pi base^(2 i / width).
    interleaved : bool
        Whether pairs are the columns (2 i, 2 i + 1), and not (i, i + width / 2).

    Raises
    ------
    ShapeError
        If width is odd or negative, or base is not positive.
    """

    width: int
    base: float = 10000.0
    interleaved: bool = False

    def __post_init__(self) -> None:
        if self.width < 0 or self.width % 2 or not 0 < self.base < np.inf:
            raise ShapeError(
                f"a rotation of width {self.width} and base {self.base} given; an even width and a positive base needed"
            )

    def tables(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and sine of the angles at positions (T,), (T, width / 2) each."""
        angle = positions[:, None] * self.base ** (-np.arange(0, self.width, 2) / max(self.width, 1))
        return np.cos(angle), np.sin(angle)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GatedMLP(Weights):
    """y = Wd (silu(Wg x + bg) * (Wu x + bu)) + bd, token by token.

    Parameters
    ----------
    gate, up : array_like
        (f, d).
    down : array_like
        (d, f).
    gate_bias, up_bias, down_bias : array_like, optional
        (f,), (f,) and (d,).

    References
    ----------
    Shazeer 2020, GLU Variants Improve Transformer, arXiv 2002.05202, equation 6.
    """

    gate: Any
    up: Any
    down: Any
    gate_bias: Any = None
    up_bias: Any = None
    down_bias: Any = None

    axes = "gate: f d; up: f d; down: d f; gate_bias?: f; up_bias?: f; down_bias?: d"

    def __call__(self, x: Any) -> Any:
        """Apply to tokens (*b, T, d)."""
        opened = silu(linear(x, self.gate, self.gate_bias)) * linear(x, self.up, self.up_bias)
        return linear(opened, self.down, self.down_bias)
