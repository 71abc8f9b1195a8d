"""`Rounded`: ordinary arithmetic in a given format, every result rounded once.

Operations are carried out in float64 and rounded to the format, which for formats of
at most 25 bits gives the same as rounding the exact result of +, -, x, / and sqrt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from realization.core import functions
from realization.core.rounding import format_of, round_to


class Rounded:
    """A float64 array whose entries are numbers of a format.

    Examples
    --------
    One third in bfloat16:

    >>> (Rounded(1.0, "bfloat16") / 3.0).value.item()
    0.333984375
    """

    __slots__ = ("form", "value")
    __array_ufunc__ = None

    def __init__(self, value: Any, form: Any) -> None:
        self.form = format_of(form)
        self.value = round_to(value, self.form)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.value.shape

    def _new(self, value: Any) -> Rounded:
        return Rounded(value, self.form)

    def __add__(self, other: Any) -> Rounded:
        return self._new(self.value + _value(other))

    def __mul__(self, other: Any) -> Rounded:
        return self._new(self.value * _value(other))

    def __truediv__(self, other: Any) -> Rounded:
        return self._new(self.value / _value(other))

    def __rtruediv__(self, other: Any) -> Rounded:
        return self._new(_value(other) / self.value)

    def __neg__(self) -> Rounded:
        return self._new(-self.value)

    def __sub__(self, other: Any) -> Rounded:
        return self._new(self.value - _value(other))

    def __rsub__(self, other: Any) -> Rounded:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    @staticmethod
    def __elementary__(name: str, *arguments: Any) -> Rounded:
        form = next(x.form for x in arguments if isinstance(x, Rounded))
        return Rounded(getattr(functions, name)(*(_value(x) for x in arguments)), form)

    def _map(self, rearrangement: Callable[[Any], Any]) -> Rounded:
        return self._new(rearrangement(self.value))

    @classmethod
    def _zip(cls, rearrangement: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> Rounded:
        form = next(x.form for x in items if isinstance(x, Rounded))
        return cls(rearrangement([_value(x) for x in items]), form)

    def __getitem__(self, index: Any) -> Rounded:
        return self._map(lambda x: x[index])

    def reshape(self, *shape: Any) -> Rounded:
        """Same numbers, another shape."""
        return self._map(lambda x: x.reshape(*shape))

    def sum(self, axis: int) -> Rounded:
        """Sum along an axis, one term after the other."""
        terms = np.moveaxis(self.value, axis, 0)
        total = self._new(np.zeros(terms.shape[1:]))
        for term in terms:
            total = total + term
        return total


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Rounded) else x
