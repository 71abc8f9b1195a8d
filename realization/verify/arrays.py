"""Arrays of the kinds that subjects take: encode canonical numbers, decode outputs.

`encode` makes a fresh array in the format of the claim; `decode` gives a NumPy view that
shares memory with it wherever the kind allows, so that aliases can be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.verify.rough import blank_numpy, poisoned_numpy

# NumPy has no bfloat16 and no tf32: their numbers travel in float32.
NUMPY = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "tf32": np.float32,
    "bfloat16": np.float32,
}
COMPLEX = {"float64": np.complex128, "float32": np.complex64}


class Kind(NamedTuple):
    """A kind of array.

    Parameters
    ----------
    encode : callable
        (float64, complex128 or integer ndarray, format) -> array.
    decode : callable
        Array -> ndarray that shares its memory where possible.
    dtype : callable
        Array -> name of its number format.
    native : callable
        Format -> name of the number format that carries it.
    blank : callable
        (array, count) -> buffer of its type, full of NaN (-1 for integers).
    poison : callable
        Context in which memory allocated without a value holds NaN.
    """

    encode: Callable[[Any, str], Any]
    decode: Callable[[Any], np.ndarray]
    dtype: Callable[[Any], str]
    native: Callable[[str], str]
    blank: Callable[[Any, int], Any]
    poison: Callable[[], AbstractContextManager[None]]


def kind(name: str) -> Kind:
    """Return the kind "numpy" (also for jax, which takes NumPy arrays) or "torch".

    Raises
    ------
    ShapeError
        If the name is unknown.
    """
    if name in ("numpy", "jax"):
        return Kind(
            encode, np.asarray, lambda x: np.asarray(x).dtype.name, lambda form: np.dtype(NUMPY[form]).name,
            blank_numpy, poisoned_numpy,
        )  # fmt: skip
    if name == "torch":
        return Kind(*import_module("realization.verify.adapters.torch_arrays").KIND)
    raise ShapeError(f"arrays of kind {name!r} are unknown; known are numpy, torch, jax")


def encode(x: np.ndarray, form: str) -> np.ndarray:
    """Copy to a fresh NumPy array in the format; integers become int32, as kernels take them."""
    if form not in NUMPY:
        raise ShapeError(f"inputs in {form} have no NumPy array; known are {', '.join(NUMPY)}")
    if x.dtype.kind == "c":
        return x.astype(COMPLEX.get(form, np.complex64))
    return x.astype(np.int32 if x.dtype.kind in "iu" else NUMPY[form])
