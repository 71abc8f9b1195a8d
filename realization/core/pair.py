"""Complex numbers as pairs of real ones, for number types that know only real arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The complex array real + i imag; both parts of any one number type and of one shape."""

    real: Any
    imag: Any

    @classmethod
    def of(cls, x: Any) -> Pair:
        """Read a complex array, a real array or number type (imaginary part 0), or a Pair."""
        if isinstance(x, cls):
            return x
        return cls(x.real, x.imag) if isinstance(x, np.ndarray) else cls(x, np.zeros(x.shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of either part."""
        return self.real.shape

    def __getitem__(self, index: Any) -> Pair:
        return Pair(self.real[index], self.imag[index])

    def array(self) -> np.ndarray:
        """Return the complex ndarray; the parts must be arrays of floats."""
        return self.real + 1j * self.imag
