"""Inputs of a user's own, from a file or a mapping, checked against the signature of the op."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.ops import Op
from realization.core.shapes import finite
from realization.verify.cases import PACKING
from realization.verify.subject import UsageError


def read_inputs(path: str, op: Op) -> dict[str, Any]:
    """Read the arguments of an op from an .npz file; options are stored as scalars or strings.

    Raises
    ------
    UsageError
        If the file cannot be read, names no argument of the op, or holds NaN or infinity.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as e:
        raise UsageError(f"{path} cannot be read as .npz with plain arrays ({type(e).__name__})") from e
    return check_inputs(arrays, op, path)


def check_inputs(given: Mapping[str, Any], op: Op, path: str) -> dict[str, Any]:
    """Return these arguments of an op, checked as those of a file of this name are."""
    arrays = {name: np.asarray(x) for name, x in given.items() if x is not None}
    unknown = set(arrays) - set(op.arguments)
    if unknown:
        raise UsageError(f"{path} has {', '.join(sorted(unknown))}; {op.name} takes {', '.join(op.arguments)}")
    try:
        axes = op.axes.arguments
        checked = {k: _numbers(k, x, hides=k in op.masks) if k in axes else _option(x) for k, x in arrays.items()}
        checked |= {k: _whole(k, checked[k]) for k in PACKING & set(checked)}
        op.axes.check(checked)
        op.definition(**{k: np.zeros_like(x) if k in axes and k not in PACKING else x for k, x in checked.items()})
    except Exception as e:  # a file may hold anything: what the definition refuses is not an input
        raise UsageError(f"{path}: {e}") from e
    return checked


def _whole(name: str, x: np.ndarray) -> np.ndarray:
    if (x != np.floor(x)).any():
        raise ShapeError(f"{name} has entries that are no whole numbers")
    return x.astype(np.int64)


def _numbers(name: str, x: np.ndarray, *, hides: bool = False) -> np.ndarray:
    """Return x in float64, complex128 or int64, refusing NaN and infinity, but for -inf where it hides."""
    finite(name, np.where(np.isneginf(x), 0, x) if hides else x)
    return x.astype({"c": np.complex128, "i": np.int64, "u": np.int64}.get(x.dtype.kind, np.float64))


def _option(x: np.ndarray) -> Any:
    return tuple(x.tolist()) if x.ndim else x.item()
