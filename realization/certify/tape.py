"""`Tape`: a value that remembers how to pull a cotangent back to its inputs.

For y = f(x) the pullback maps ybar = dL/dy to xbar = J_f' ybar; `gradients`
applies the pullbacks from the last value to the first (reverse accumulation).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from realization.certify.table import TABLE
from realization.core import functions

_order = itertools.count()


Pull = Callable[[Any], Iterable[tuple["Tape", Any]]]


class Tape:
    """A float64 array and its history: `pull` turns a cotangent into (parent, cotangent) pairs."""

    __slots__ = ("age", "pull", "value")
    __array_ufunc__ = None
    reading = "adjoint"

    def __init__(self, value: Any, pull: Pull = lambda ybar: ()) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        self.pull = pull
        self.age = next(_order)  # a value is younger than all that it was computed from

    def __repr__(self) -> str:
        return f"Tape({self.value})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.value.ndim

    # Arithmetic -------------------------------------------------------------

    def __add__(self, other: Any) -> Tape:
        return _apply(self.value + _value(other), (self, 1.0), (other, 1.0))

    def __mul__(self, other: Any) -> Tape:
        return _apply(self.value * _value(other), (self, _value(other)), (other, self.value))

    def __truediv__(self, other: Any) -> Tape:
        return self * functions.reciprocal(other)

    def __rtruediv__(self, other: Any) -> Tape:
        return functions.reciprocal(self) * other

    def __neg__(self) -> Tape:
        return self * -1.0

    def __sub__(self, other: Any) -> Tape:
        return _apply(self.value - _value(other), (self, 1.0), (other, -1.0))

    def __rsub__(self, other: Any) -> Tape:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    @staticmethod
    def __contract__(x: Any, y: Any, axes: Any) -> Tape:
        values = [_value(a) for a in (x, y)]
        value = functions.contract(values[0], values[1], axes)
        inside = functions.normal_axes(axes, value.ndim + np.size(axes))
        pairs = [(a, b) for a, b in zip((x, y), values[::-1], strict=True) if isinstance(a, Tape)]

        def pull(ybar: Any) -> Iterable[tuple[Tape, Any]]:
            return [(a, unbroadcast(np.expand_dims(ybar, inside) * b, a.shape)) for a, b in pairs]

        return Tape(value, pull)

    @staticmethod
    def __elementary__(name: str, *arguments: Any) -> Tape:
        values = [_value(x) for x in arguments]
        y = getattr(functions, name)(*values)
        # A cast has slope 1: its steps are rounding, not part of the function one differentiates.
        slopes = (1.0,) if name == "cast" else TABLE[name].derivative(y, *values)
        return _apply(y, *zip(arguments, slopes, strict=False))

    # Arrangement ------------------------------------------------------------

    def _map(self, rearrangement: Callable[[Any], Any]) -> Tape:
        return self._zip(lambda items: rearrangement(items[0]), (self,))

    @classmethod
    def _zip(cls, rearrangement: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> Tape:
        """Numbers that only move: label every entry, and send cotangents home by label."""
        values = [_value(x) for x in items]
        ends = np.cumsum([v.size for v in values])
        labels = [np.arange(e - v.size, e).reshape(v.shape) for e, v in zip(ends, values, strict=True)]
        source = np.asarray(rearrangement(labels))

        def pull(ybar: Any) -> Iterable[tuple[Tape, Any]]:
            weights = np.broadcast_to(ybar, source.shape).ravel()
            total = np.split(np.bincount(source.ravel(), weights, minlength=ends[-1]), ends[:-1])
            return [(x, bar.reshape(x.shape)) for x, bar in zip(items, total, strict=True) if isinstance(x, Tape)]

        return cls(rearrangement(values), pull)

    def __getitem__(self, index: Any) -> Tape:
        return self._map(lambda x: x[index])

    def sum(self, axis: int) -> Tape:
        """Sum along an axis."""
        ones = np.ones(self.shape)
        return Tape(self.value.sum(axis), lambda ybar: [(self, np.expand_dims(ybar, axis) * ones)])

    def reshape(self, *shape: Any) -> Tape:
        """Same numbers, another shape."""
        return self._map(lambda x: x.reshape(*shape))


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Tape) else np.asarray(x) if not isinstance(x, str) else x


def _apply(y: Any, *factors: tuple[Any, Any]) -> Tape:
    """An elementwise result with the slope dy/dx for each operand x."""
    tapes = [(x, slope) for x, slope in factors if isinstance(x, Tape)]
    return Tape(y, lambda ybar: [(x, unbroadcast(ybar * slope, x.shape)) for x, slope in tapes])


def unbroadcast(x: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Sum x over the axes along which `shape` was broadcast to get its shape."""
    x = np.asarray(x)
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1)
    return np.broadcast_to(x.sum(axis=axes, keepdims=True), shape)


def gradients(outputs: Sequence[tuple[Tape, Any]], inputs: Sequence[Tape]) -> list[np.ndarray]:
    """Return dL/dx for every input x, where L = sum of <cotangent, output>.

    Parameters
    ----------
    outputs : sequence of (Tape, array_like)
        Outputs with their cotangents.
    inputs : sequence of Tape
        Leaves.

    Returns
    -------
    list of ndarray
        Zero where an output does not depend on the input.

    Examples
    --------
    >>> x = Tape([3.0])
    >>> gradients([(x * x, [1.0])], [x])[0].tolist()
    [6.0]
    """
    bars: dict[int, Any] = {}
    youngest: list[tuple[int, Tape]] = []

    def give(x: Tape, xbar: Any) -> None:
        if x.age not in bars:
            heapq.heappush(youngest, (-x.age, x))
        bars[x.age] = bars.get(x.age, 0.0) + np.broadcast_to(xbar, x.shape)

    for y, ybar in outputs:
        give(y, np.asarray(ybar, dtype=np.float64))
    leaves = {x.age for x in inputs}
    while youngest:  # a parent is older than its children: its cotangent is complete when its turn comes
        _, x = heapq.heappop(youngest)
        if x.age not in leaves:
            for parent, bar in x.pull(bars.pop(x.age)):
                give(parent, bar)
    return [np.array(np.broadcast_to(bars.get(x.age, 0.0), x.shape)) for x in inputs]
