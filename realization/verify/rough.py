"""Rough handling: arrays as they come in practice, strided, misaligned, between other people's numbers.

What a call is given is right in value; only where it lies in memory is uncomfortable.
A kernel that reads or writes where it should not is seen by the NaN that lies there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

GUARD = 64  # entries on either side: the width of a vector of the widest units, and more


@dataclass(frozen=True, slots=True, eq=False)
class Handling:
    """One way to hand arrays over.

    Parameters
    ----------
    name : str
        "strided".
    sentence : str
        What the kernel is wrong under, for the reader of a finding.
    house : callable, optional
        (array, blank) -> an equal array that lies elsewhere, where blank(count) makes a buffer
        full of NaN (of -1 for integers).
    poison : bool
        Whether memory that is allocated without a value holds NaN during the call.
    slots : bool
        Whether states lie in a pool with empty slots.
    """

    name: str
    sentence: str
    house: Callable[[Any, Callable[[int], Any]], Any] | None = None
    poison: bool = False
    slots: bool = False


def _strided(x: Any, blank: Callable[[int], Any]) -> Any:
    return blank(2 * _size(x)).reshape((*x.shape, 2))[..., 0]


def _transposed(x: Any, blank: Callable[[int], Any]) -> Any:
    if x.ndim < 2:
        return blank(_size(x)).reshape(tuple(x.shape))
    *lead, m, n = x.shape
    return blank(_size(x)).reshape((*lead, n, m)).swapaxes(-1, -2)


def _misaligned(x: Any, blank: Callable[[int], Any]) -> Any:
    return blank(_size(x) + 1)[1:].reshape(tuple(x.shape))


def _guarded(x: Any, blank: Callable[[int], Any]) -> Any:
    return blank(_size(x) + 2 * GUARD)[GUARD : GUARD + _size(x)].reshape(tuple(x.shape))


def _size(x: Any) -> int:
    return int(np.prod(x.shape))


COMFORT = Handling("comfort", "nothing is out of the ordinary")
HANDLINGS = (
    Handling("strided", "inputs are not contiguous (every second entry of a buffer)", _strided),
    Handling("transposed", "the last two axes of inputs lie in the other order in memory", _transposed),
    Handling("misaligned", "inputs begin one entry into a buffer", _misaligned),
    Handling("guarded", "NaN lies around every input: it reads beyond their ends", _guarded),
    Handling("poisoned", "new memory holds NaN: it returns what it has not written", poison=True),
    Handling("slots", "states lie in a pool, with empty slots full of NaN and a padded row of index -1", slots=True),
)


@dataclass(slots=True)
class House:
    """Puts the arrays of one call in their place, and looks afterwards at what lies around them."""

    handling: Handling
    buffers: dict[str, Any] = field(default_factory=dict)

    def place(self, name: str, x: Any, blank: Callable[[Any, int], Any]) -> Any:
        """An equal array, somewhere else."""
        if self.handling.house is None:
            return x

        def buffer(count: int) -> Any:
            self.buffers[name] = blank(x, count)
            return self.buffers[name]

        y = self.handling.house(x, buffer)
        y[...] = x
        return y

    def around(self, poison: Callable[[], AbstractContextManager[None]]) -> AbstractContextManager[None]:
        """What holds during the call."""
        return poison() if self.handling.poison else nullcontext()

    def trespassed(self, decode: Callable[[Any], np.ndarray], sizes: Mapping[str, int]) -> str | None:
        """The name of an array beside which something was written."""
        for name, buffer in self.buffers.items():
            around = decode(buffer)
            untouched = np.isnan(around) if around.dtype.kind in "fc" else around == -1
            if int(untouched.sum()) < around.size - sizes[name]:
                return name
        return None


@contextmanager
def poisoned_numpy() -> Iterator[None]:
    """Fill what `np.empty` and `np.empty_like` return with NaN; the largest number in arrays of integers."""

    def filled(allocate: Callable[..., Any]) -> Callable[..., Any]:
        def allocated(*args: Any, **options: Any) -> Any:
            x = allocate(*args, **options)
            if x.dtype.kind in "fciu":
                x.fill(np.nan if x.dtype.kind in "fc" else np.iinfo(x.dtype).max)
            return x

        return allocated

    with mock.patch.object(np, "empty", filled(np.empty)), mock.patch.object(np, "empty_like", filled(np.empty_like)):
        yield


def blank_numpy(x: Any, count: int) -> np.ndarray:
    """A buffer of the type of x, full of NaN, of -1 for integers."""
    return np.full(count, np.nan if x.dtype.kind in "fc" else -1, x.dtype)
