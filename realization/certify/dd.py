"""`DD`: double-double numbers with a radius, the certified reading of maps and epilogues.

    |exact - (hi + lo)| <= radius

for the exact value of the same formula on the exact arguments.  An overflow, a division
by an interval around 0, or NaN gives the radius inf: nothing is claimed.  The radius is 0
where nothing was rounded, so integers stay exact and an exact zero is certified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization._kernels import dd_arrays
from realization._kernels.dd_arrays import Words
from realization.core.errors import ShapeError
from realization.core.rounding import Format, round_to


@dataclass(frozen=True, slots=True, eq=False)
class DD:
    """An array of intervals hi + lo -+ radius.

    Parameters
    ----------
    hi, lo, radius : array_like
        Float64 numbers of one shape; renormalised so that hi = RN(hi + lo), copied and
        made read-only.
    """

    hi: np.ndarray
    lo: np.ndarray
    radius: np.ndarray

    __array_ufunc__ = None  # let `ndarray * DD` reach __rmul__
    reading = "certified"

    def __post_init__(self) -> None:
        words = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (self.hi, self.lo, self.radius)))
        self._set(dd_arrays.normalise(words))  # type: ignore[arg-type]

    def _set(self, words: Sequence[np.ndarray]) -> None:
        for name, word in zip(("hi", "lo", "radius"), words, strict=True):
            word = np.asarray(word)
            word.flags.writeable = False
            object.__setattr__(self, name, word)

    @classmethod
    def _of(cls, words: Sequence[np.ndarray]) -> DD:
        """Words that are normalised already, fresh or read-only."""
        self = object.__new__(cls)
        self._set(words)
        return self

    @classmethod
    def exact(cls, x: Any) -> DD:
        """Return x with radius 0; a DD as it is.

        Parameters
        ----------
        x : DD or array_like
            Floats of at most 64 bits, or integers that float64 holds.

        Returns
        -------
        DD
            The same numbers; what is not finite claims nothing.

        Raises
        ------
        ShapeError
            If a number has no float64 equal to it.
        """
        if isinstance(x, cls):
            return x
        given = np.asarray(x)
        hi = np.array(given, dtype=np.float64) if given.dtype.kind in "fiub" else None
        if hi is None or given.dtype.itemsize > 8 or not _equal(hi, given):
            raise ShapeError(f"DD.exact got numbers of type {given.dtype} that float64 does not hold exactly")
        return cls._of((hi, np.zeros(hi.shape), np.where(np.isfinite(hi), 0.0, np.inf)))

    def __repr__(self) -> str:
        return f"DD(hi={self.hi}, lo={self.lo}, radius={self.radius})"

    # Results ------------------------------------------------------------------

    @property
    def words(self) -> Words:
        """The triple (hi, lo, radius) that the kernels take."""
        return self.hi, self.lo, self.radius

    def rounded(self) -> tuple[np.ndarray, np.ndarray]:
        """Round to float64, and say where the interval decides the result (Ziv's test).

        Returns
        -------
        value : ndarray
            RN(hi + lo).
        decided : ndarray of bool
            Where every number of the interval rounds to it: there, value is the correctly
            rounded exact result.
        """
        return self.hi.copy(), dd_arrays.decided(self.words)

    # Arithmetic ---------------------------------------------------------------

    def __add__(self, other: Any) -> DD:
        return _apply("add", self, other)

    def __sub__(self, other: Any) -> DD:
        return _apply("subtract", self, other)

    def __mul__(self, other: Any) -> DD:
        return _apply("multiply", self, other)

    def __truediv__(self, other: Any) -> DD:
        return _apply("divide", self, other)

    def __radd__(self, other: Any) -> DD:
        return _apply("add", other, self)

    def __rsub__(self, other: Any) -> DD:
        return _apply("subtract", other, self)

    def __rmul__(self, other: Any) -> DD:
        return _apply("multiply", other, self)

    def __rtruediv__(self, other: Any) -> DD:
        return _apply("divide", other, self)

    def __neg__(self) -> DD:
        return DD._of((-self.hi, -self.lo, self.radius))

    def sum(self, axis: int = -1) -> DD:
        """Sum along an axis, in order."""
        return DD._of(dd_arrays.sum_first(self._map(lambda x: np.moveaxis(x, axis, 0)).words))

    @staticmethod
    def __elementary__(name: str, *arguments: Any) -> DD:
        if name == "cast":
            return _cast(DD.exact(arguments[0]), arguments[1])
        if name == "softplus":
            return _apply(name, arguments[0], parameter=float(arguments[1]))
        return _apply(name, *arguments)

    # Arrangement --------------------------------------------------------------

    def _map(self, rearrangement: Callable[[np.ndarray], Any]) -> DD:
        return DD._of([rearrangement(word) for word in self.words])

    @classmethod
    def _zip(cls, rearrangement: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> DD:
        parts = zip(*(cls.exact(x).words for x in items), strict=True)
        return cls._of([rearrangement(part) for part in parts])

    def __getitem__(self, index: Any) -> DD:
        return self._map(lambda x: x[index])

    def __len__(self) -> int:
        return len(self.hi)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of each word."""
        return self.hi.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.hi.ndim

    @property
    def size(self) -> int:
        """Number of intervals."""
        return self.hi.size

    def reshape(self, *shape: Any) -> DD:
        """Same numbers, another shape."""
        return self._map(lambda x: x.reshape(*shape))

    def swapaxes(self, first: int, second: int) -> DD:
        """Exchange two axes."""
        return self._map(lambda x: x.swapaxes(first, second))

    def transpose(self, *axes: Any) -> DD:
        """Permute the axes."""
        return self._map(lambda x: x.transpose(*axes))


def _equal(x: np.ndarray, given: np.ndarray) -> bool:
    """Whether the conversion to float64 was exact; NumPy would compare integers after the same conversion."""
    if given.dtype.kind not in "iu" or (np.abs(x) < 2.0**53).all():
        return True
    return all(int(a) == int(b) for a, b in zip(x.flat, given.flat, strict=True))


def _apply(name: str, *arguments: Any, parameter: float = 0.0) -> DD:
    items = [DD.exact(x) for x in arguments]
    shape = np.broadcast_shapes(*(x.shape for x in items))
    triples = [tuple(np.broadcast_to(word, shape) for word in x.words) for x in items]
    return DD._of(dd_arrays.apply(name, *triples, parameter=parameter))  # type: ignore[arg-type]


def _cast(x: DD, form: str | Format) -> DD:
    """Round to a number format.  Rounding is monotone: where both ends of the interval agree the result is exact.

    Otherwise it is the candidate next to the middle, with the distance to the outer candidates.
    """
    low, high = (round_to(end, form) for end in dd_arrays.ends(x.words))
    with np.errstate(invalid="ignore", over="ignore"):
        middle = round_to(x.hi, form)
        value = np.where(low == high, low, np.clip(middle, low, high))
        radius = np.where(low == high, 0.0, np.maximum(high - value, value - low))
    return DD(value, np.zeros(value.shape), radius)
