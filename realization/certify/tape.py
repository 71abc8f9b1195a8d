"""`Tape`: a value that remembers how to pull a cotangent back to its inputs.

For y = f(x) the pullback maps ybar = dL/dy to xbar = J_f' ybar; `gradients`
applies the pullbacks from the last value to the first (reverse accumulation).

Values and cotangents are numbers of any one type: floats give the gradient, `DD` the
certified gradient, `Err` how far a kernel may be from it.  A gradient is thereby one
more formula, read like the others.  What a kernel sums in an order of its own is
summed here without one: products over an axis by `contract`, and the cotangents
that reach a value from several sides by one sum.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from realization.certify.table import TABLE
from realization.core import functions
from realization.core.functions import arrange, broadcast, contract, stack, total

_order = itertools.count()


Pull = Callable[[Any], Iterable[tuple["Tape", Any]]]


class Tape:
    """An array of any number type and its history: `pull` turns a cotangent into (parent, cotangent) pairs."""

    __slots__ = ("age", "pull", "value")
    __array_ufunc__ = None
    reading = "adjoint"

    def __init__(self, value: Any, pull: Pull = lambda ybar: ()) -> None:
        self.value = _number(value)
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
        return len(self.value.shape)

    def collect(self, bars: Sequence[Any]) -> Any:
        """Add up the cotangents that came from all sides."""
        return bars[0] if len(bars) == 1 else stack(bars, 0).sum(0)

    # Arithmetic -------------------------------------------------------------

    def __add__(self, other: Any) -> Tape:
        return _apply(self.value + _value(other), (self, 1), (other, 1))

    def __mul__(self, other: Any) -> Tape:
        return _apply(self.value * _value(other), (self, _value(other)), (other, self.value))

    def __truediv__(self, other: Any) -> Tape:
        return self * functions.reciprocal(other)

    def __rtruediv__(self, other: Any) -> Tape:
        return functions.reciprocal(self) * other

    def __neg__(self) -> Tape:
        return _apply(-self.value, (self, -1))

    def __sub__(self, other: Any) -> Tape:
        return _apply(self.value - _value(other), (self, 1), (other, -1))

    def __rsub__(self, other: Any) -> Tape:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    @staticmethod
    def __contract__(x: Any, y: Any, axes: Any) -> Tape:
        values = [_value(a) for a in (x, y)]
        shape = np.broadcast_shapes(*(v.shape for v in values))
        inside = functions.normal_axes(axes, len(shape))
        pairs = [(a, b) for a, b in zip((x, y), values[::-1], strict=True) if isinstance(a, Tape)]

        def pull(ybar: Any) -> Iterable[tuple[Tape, Any]]:
            full = broadcast(_expand(ybar, inside), shape)
            return [(a, unbroadcast(full, a.shape, b)) for a, b in pairs]

        return Tape(contract(values[0], values[1], axes), pull)

    @staticmethod
    def __elementary__(name: str, *arguments: Any) -> Tape:
        values = [_value(x) for x in arguments]
        y = getattr(functions, name)(*values)
        # A cast has slope 1: its steps are rounding, not part of the function one differentiates.
        slopes = (1,) if name == "cast" else TABLE[name].derivative(y, *values)
        return _apply(y, *zip(arguments, slopes, strict=False))

    # Arrangement ------------------------------------------------------------

    def _map(self, rearrangement: Callable[[Any], Any]) -> Tape:
        return self._zip(lambda items: rearrangement(items[0]), (self,))

    @classmethod
    def _zip(cls, rearrangement: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> Tape:
        """Numbers that only move: label every entry, and send cotangents home by label."""
        values = [_value(x) for x in items]
        sizes = [int(np.prod(v.shape)) for v in values]
        ends = np.cumsum(sizes)
        starts = ends - sizes
        labels = [np.arange(a, e).reshape(v.shape) for a, e, v in zip(starts, ends, values, strict=True)]
        source = np.asarray(rearrangement(labels)).ravel()

        def pull(ybar: Any) -> Iterable[tuple[Tape, Any]]:
            parts = zip(items, starts, ends, strict=True)
            return [(x, gathered(ybar, source - a, x.shape)) for x, a, e in parts if isinstance(x, Tape) and e > a]

        return cls(arrange(rearrangement, values), pull)

    def __getitem__(self, index: Any) -> Tape:
        return self._map(lambda x: x[index])

    def sum(self, axis: Any = -1) -> Tape:
        """Sum along axes."""
        shape, inside = self.shape, functions.normal_axes(axis, self.ndim)
        return Tape(self.value.sum(axis), lambda ybar: [(self, broadcast(_expand(ybar, inside), shape))])

    def reshape(self, *shape: Any) -> Tape:
        """Same numbers, another shape."""
        return self._map(lambda x: x.reshape(*shape))


class _Joint(Tape):
    """Several values that one pullback serves; a cotangent is a pair (which value, its cotangent)."""

    __slots__ = ()

    def collect(self, bars: Sequence[Any]) -> Any:
        """Return the cotangents by the number of the value."""
        which = {i for i, _ in bars}
        return {i: Tape.collect(self, [bar for j, bar in bars if j == i]) for i in which}


def joint(values: Sequence[Any], pull: Callable[[dict[int, Any]], Iterable[tuple[Tape, Any]]]) -> list[Tape]:
    """Put several results of one computation on the tape.

    Parameters
    ----------
    values : sequence
        Arrays of any number type.
    pull : callable
        {number of the value: cotangent}, those that take part, -> (parent, cotangent) pairs.

    Returns
    -------
    list of Tape
        The values.
    """
    whole = _Joint(np.zeros(()), pull)

    def member(i: int, y: Any) -> Tape:
        return Tape(y, lambda bar: [(whole, (i, bar))])

    return [member(i, y) for i, y in enumerate(values)]


def primal(x: Any) -> Any:
    """The value of a Tape; anything else as it is."""
    return x.value if isinstance(x, Tape) else x


def _number(x: Any) -> Any:
    if hasattr(type(x), "__elementary__"):
        return x
    x = np.asarray(x)
    return x if x.dtype == object else x.astype(np.float64, copy=False)


def _value(x: Any) -> Any:
    x = primal(x)
    return x if isinstance(x, str) or hasattr(type(x), "__elementary__") else np.asarray(x)


def _apply(y: Any, *factors: tuple[Any, Any]) -> Tape:
    """An elementwise result with the slope dy/dx for each operand x; a slope None is 0."""
    tapes = [(x, slope) for x, slope in factors if isinstance(x, Tape) and slope is not None]

    def pull(ybar: Any) -> Iterable[tuple[Tape, Any]]:
        for x, slope in tapes:
            # A sign is no product: nothing is rounded.
            signed = -ybar if isinstance(slope, int) and slope < 0 else ybar
            yield x, unbroadcast(signed, x.shape, None if isinstance(slope, int) else slope)

    return Tape(y, pull)


def _expand(x: Any, axes: tuple[int, ...]) -> Any:
    return arrange(lambda parts: np.expand_dims(parts[0], axes), (x,))


def unbroadcast(x: Any, shape: tuple[int, ...], factor: Any = None) -> Any:
    """Sum x (or x factor) over the axes along which `shape` was broadcast to get its shape."""
    lead = len(x.shape) - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1))
    if factor is None:
        summed = total(x, axes)
    else:
        summed = contract(x, factor, axes) if axes else x * factor
    return summed if summed.shape == shape else arrange(lambda parts: parts[0].reshape(shape), (summed,))


def gathered(x: Any, place: np.ndarray, shape: tuple[int, ...]) -> Any:
    """The sum of the entries of x with place 0, of those with place 1, ..., in an array of that shape.

    Entries with a place outside of the array are left out.  The k-th entries of all places make
    one row of a table, which is summed over its rows: by the rules of any number type.
    """
    size = int(np.prod(shape))
    kept = np.flatnonzero((place >= 0) & (place < size))
    kept = kept[np.argsort(place[kept], kind="stable")]
    counts = np.bincount(place[kept], minlength=size)
    row = np.arange(kept.size) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((max(counts.max(initial=0), 1), size), place.size)  # one beyond the last: an exact zero
    table[row, place[kept]] = kept
    rows = arrange(lambda parts: np.append(parts[0].ravel(), 0.0)[table].reshape(-1, *shape), (x,))
    return rows[0] if len(table) == 1 else rows.sum(0)


def gradients(outputs: Sequence[tuple[Tape, Any]], inputs: Sequence[Tape]) -> list[Any]:
    """Return dL/dx for every input x, where L = sum of <cotangent, output>.

    Parameters
    ----------
    outputs : sequence of (Tape, array)
        Outputs with their cotangents: floats, or numbers of the type of the values.
    inputs : sequence of Tape
        Leaves.

    Returns
    -------
    list of arrays
        Of the number type of the values; zero where no output depends on the input.

    Examples
    --------
    >>> x = Tape([3.0])
    >>> gradients([(x * x, [1.0])], [x])[0].tolist()
    [6.0]
    """
    bars: dict[int, list[Any]] = {}
    youngest: list[tuple[int, Tape]] = []

    def give(x: Tape, xbar: Any) -> None:
        if x.age not in bars:
            heapq.heappush(youngest, (-x.age, x))
        bars.setdefault(x.age, []).append(xbar)

    for y, ybar in outputs:
        give(y, broadcast(_number(ybar), y.shape))
    leaves = {x.age for x in inputs}
    while youngest:  # a parent is older than its children: its cotangent is complete when its turn comes
        _, x = heapq.heappop(youngest)
        if x.age not in leaves:
            for parent, bar in x.pull(x.collect(bars.pop(x.age))):
                give(parent, bar)
    found = [x.collect(bars[x.age]) if x.age in bars else np.zeros(x.shape) for x in inputs]
    # what nothing was computed for, an exact 0 or a cotangent handed through, has the type of the value as well
    return [arrange(lambda parts: parts[0], (bar, x.value)) for bar, x in zip(found, inputs, strict=True)]
