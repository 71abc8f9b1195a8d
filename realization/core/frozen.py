"""Arrays that belong to their owner: copied at birth, read-only from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from realization.core.shapes import Signature, numbers


def freeze(owner: Any, signature: str) -> dict[str, int]:
    """Copy the arrays of a frozen dataclass, make them read-only and check their shapes.

    Parameters
    ----------
    owner : dataclass instance
        Its fields named in the signature become float64 (or complex128) arrays.
    signature : str
        As in `realization.core.shapes`.

    Returns
    -------
    dict
        The size of every axis.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry is NaN, infinite or no number.
    """
    parsed = Signature.parse(signature + " ->")
    arrays: dict[str, np.ndarray] = {}
    for name in parsed.arguments:
        x = np.array(numbers(name, getattr(owner, name)))
        x.setflags(write=False)
        object.__setattr__(owner, name, x)
        arrays[name] = x
    return parsed.check(arrays)


class Sealed:
    """Base of results, dataclasses with repr=False: arrays are read-only, as a system's are, and shown by shape."""

    __slots__ = ()

    def __repr__(self) -> str:
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{name}={_short(value)}' for name, value in values.items())})"

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            x = getattr(self, field.name)
            if isinstance(x, np.ndarray):  # a view: what another owns stays as it is
                x = x.view()
                x.setflags(write=False)
                object.__setattr__(self, field.name, x)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    if isinstance(value, tuple) and any(isinstance(x, np.ndarray | Sealed) for x in value):
        return f"{len(value)} x {type(value[0]).__name__}"
    return f"{value:.3g}" if isinstance(value, float) else repr(value)


def describe(name: str, sizes: Mapping[str, int], batch: Sequence[int] = ()) -> str:
    """One line that fits a terminal: `LinearSSM(n=3, m=1, p=1)`, and `batch=(2,)` in it where there are batch axes."""
    shown = [f"{letter}={size}" for letter, size in sizes.items()]
    return f"{name}({', '.join(shown + [f'batch={tuple(batch)}'] * bool(batch))})"
