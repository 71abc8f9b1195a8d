"""What the layers of a Mamba checkpoint remember, read from its weights alone.

    decay(h, i) = exp(-Delta(h) exp(A_log(h, i))),      Delta = softplus(bias)

A layer chooses its step Delta from the data; without data only the bias is known, so every
number here is the one at that step; limits on the step, which a configuration may set, are
not in the weights.  In front of the scan a short convolution holds its last
w inputs exactly: the eidetic part.

Read are files of state-spaces, of Hugging Face and of hybrids such as Bamba: whatever has
`A_log` beside `dt_bias` (Mamba-2: heads) or beside `dt_proj.bias` (Mamba-1: channels, states).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.functions import softplus
from realization.core.rounding import FORMATS, format_of
from realization.core.shapes import finite
from realization.memory.tensors import Tensors, opened


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LayerMemory(Sealed):
    """One layer at the step size of its bias.

    Parameters
    ----------
    name : str
        "backbone.layers.0.mixer".
    kind : str
        "Mamba-1", "Mamba-2", or "decay per head" where there is no skip D, as in gated delta rules.
    eidetic : int or None
        Inputs, the current one included, that the short convolution holds; None without one.
    step : ndarray
        Delta at the bias, (h,): one for each head, or each channel of Mamba-1.
    exponent : ndarray
        -log decay per step, (h, n): n = 1 for Mamba-2, whose heads have one decay.
    """

    name: str
    kind: str
    eidetic: int | None
    step: np.ndarray
    exponent: np.ndarray

    @property
    def slowest(self) -> np.ndarray:
        """Exponent of the state of each head that remembers longest, (h,)."""
        return self.exponent.min(axis=-1, initial=np.inf)

    @property
    def fastest(self) -> np.ndarray:
        """Exponent of the state of each head that forgets first, (h,)."""
        return self.exponent.max(axis=-1, initial=0.0)

    @property
    def integrators(self) -> int:
        """States whose decay is 1 in double precision."""
        return int((np.exp(-self.exponent) == 1).sum())


def checkpoint_memory(
    path: str | os.PathLike[str], *, progress: Callable[[str], None] | None = None
) -> tuple[LayerMemory, ...]:
    """Return what every Mamba layer of a checkpoint remembers, at the step size of its bias.

    Parameters
    ----------
    path : path-like
        `model.safetensors`, the index of a checkpoint in several files, or the folder of either.
    progress : callable, optional
        Gets the name of each layer before it is read.

    Returns
    -------
    tuple of LayerMemory
        In the order of the layers.

    Raises
    ------
    ShapeError
        If a file is damaged, has no Mamba layer, or a weight is absent, misshapen or not finite.
    OSError
        If a file cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from realization.memory.example import write_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_checkpoint(f"{folder}/model.safetensors", kind="Mamba-2", rng=0)
    ...     first, second = checkpoint_memory(folder)
    >>> first.name, first.kind, first.eidetic, first.exponent.shape
    ('backbone.layers.0.mixer', 'Mamba-2', 4, (8, 1))
    """
    files = opened(path)
    places = sorted((name.removesuffix("A_log") for name in files if name.split(".")[-1] == "A_log"), key=_natural)
    if not places:
        shown = ", ".join([*list(files)[:3], "..."][: len(files)]) or "no tensor"
        raise ShapeError(f"{path} has no Mamba layer: no name ends in A_log; it has {shown}")
    layers = []
    for place in places:
        if progress is not None:
            progress(place.rstrip("."))
        layers.append(_layer(files, place))
    return tuple(layers)


def layer_count(path: str | os.PathLike[str]) -> int:
    """Return the number of Mamba layers of a checkpoint; only headers are read."""
    return sum(name.split(".")[-1] == "A_log" for name in opened(path))


def _natural(name: str) -> list[Any]:
    """Layer 2 before layer 10."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))]


def _layer(files: Mapping[str, Tensors], place: str) -> LayerMemory:
    def weight(name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        if place + name not in files:
            raise ShapeError(f"{place}A_log is there, but {place}{name} is not; the step size cannot be read")
        came = files[place + name].shape(place + name)
        if shape is not None and came != shape:
            raise ShapeError(f"{place}{name} has shape {came}, but {shape} is needed (from {place}A_log)")
        return finite(place + name, files[place + name][place + name])

    A_log = weight("A_log")
    if A_log.ndim not in (1, 2):
        raise ShapeError(f"{place}A_log has shape {A_log.shape}; (heads,) or (channels, states) is needed")
    selective = A_log.ndim == 2
    skip = place + "D" in files
    step = softplus(weight("dt_proj.bias" if selective else "dt_bias", A_log.shape[:1]))
    with np.errstate(over="ignore", invalid="ignore"):  # beyond the largest number: an infinite rate forgets at once
        exponent = step[:, None] * np.exp(A_log.reshape(len(A_log), math.prod(A_log.shape[1:])))
    exponent[step == 0] = 0.0  # a step of 0 holds, whatever the rate
    if skip:
        weight("D")
    kind = "Mamba-1" if selective else "Mamba-2" if skip else "decay per head"
    return LayerMemory(place.rstrip("."), kind, _taps(files, place + "conv1d.weight"), step, exponent)


def _taps(files: Mapping[str, Tensors], name: str) -> int | None:
    """Width of a depthwise convolution: (channels, 1, w) here, (channels, w, 1) in other libraries."""
    if name not in files:
        return None
    shape = files[name].shape(name)
    if len(shape) < 2:
        raise ShapeError(f"{name} has shape {shape}; (channels, 1, w) is needed")
    return math.prod(shape[1:])


def precision_of(text: str) -> float:
    """Return a precision from its text: a number between 0 and 1, or the unit roundoff of a named format.

    Raises
    ------
    ShapeError
        If it is neither.
    """
    if text in FORMATS:
        return format_of(text).u
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise ShapeError(f"precision {text!r} given; a number between 0 and 1, or one of {', '.join(FORMATS)} needed")
    return value
