"""Rotary positions of a stream: turned by frequencies without end, or by a table as long as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.layers.fading.mixer import sealed


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rotary(Sealed):
    """Pair i of the columns of a query or key at position p is turned by p frequencies(i), or by row p of a table.

    Parameters
    ----------
    frequencies : array_like, optional
        Radians per token (r,).
    cos, sin : array_like, optional
        Tables (S, r) in their place; there are no positions from S on.
    interleaved : bool
        Pairs are columns (2 i, 2 i + 1), and not (i, i + r).

    Raises
    ------
    ShapeError
        If shapes do not fit, or neither or both are given.

    References
    ----------
    Su et al. 2021, arXiv 2104.09864.

    Examples
    --------
    >>> c, s = Rotary([0.0, np.pi / 2]).at(np.array([1]))
    >>> c.round(3).tolist(), s.round(3).tolist()
    ([[1.0, 0.0]], [[0.0, 1.0]])
    """

    frequencies: Any = None
    cos: Any = None
    sin: Any = None
    interleaved: bool = False

    def __post_init__(self) -> None:
        tables = (self.cos is not None) + (self.sin is not None)
        if tables != 2 * (self.frequencies is None):
            raise ShapeError("Rotary needs frequencies, or both tables cos and sin in their place")
        sealed(self, "frequencies?: r; cos?: S r; sin?: S r")

    @classmethod
    def of_width(cls, k: int, *, theta: float = 10000.0, interleaved: bool = False) -> Rotary:
        """Return the usual frequencies theta^(-2 i / k), i < k / 2, of keys of width k."""
        return cls(theta ** (-2.0 * np.arange(k // 2) / max(k, 1)), interleaved=interleaved)

    @property
    def pairs(self) -> int:
        """The number r of pairs that are turned."""
        return int(self.cos.shape[1] if self.frequencies is None else self.frequencies.size)

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return cos and sin (..., r) at positions (...), the same bits for a position whatever stands beside it.

        Raises
        ------
        ShapeError
            If a table has no such position.
        """
        if self.frequencies is not None:
            from realization._kernels.ordered import turns  # loads numba

            return turns(positions, self.frequencies)
        last = positions.max(initial=-1)
        if last >= len(self.cos):
            raise ShapeError(f"a token stands at position {last}; the tables cos and sin have {len(self.cos)} rows")
        return self.cos[positions], self.sin[positions]
