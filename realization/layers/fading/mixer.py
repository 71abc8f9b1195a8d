"""What a layer asks of its fading memory, and what all mixers do alike.

    s(t) = a(t) o s(t-1) + w(t),      f(t) = read(s(t), r(t)),      a, w, r maps of the last few tokens

A mixer goes on from the state of the block before, and the bits of what it returns do not depend on how the
tokens were cut into blocks: an innovation test that reads them decides alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import Signature, numbers
from realization.layers import conv

State = tuple[np.ndarray, ...]


class Faded(NamedTuple):
    """Fading tokens (*b, T, e), features of the memory after each token (*b, T, n), and the state after the last."""

    tokens: np.ndarray
    features: np.ndarray
    state: State


class Drive(NamedTuple):
    """Decays and writes of the state, (*b, T, n) each, and what its reader needs besides, (*b, T, r)."""

    decay: np.ndarray
    write: np.ndarray
    reader: np.ndarray


class FadingMixer(Protocol):
    """A fading memory; d and e are the widths of tokens and of fading tokens."""

    @property
    def d(self) -> int:
        """Width of the tokens."""

    @property
    def e(self) -> int:
        """Width of the fading tokens."""

    def __call__(self, x: np.ndarray, state: State | None = None, *, begins: Any = None) -> Faded:
        """Return fading tokens, features and state; the memory is empty before a token that begins a document."""

    def drive(self, x: np.ndarray, *, begins: Any = None) -> Drive:
        """Return what drives the state as a bilinear system, for a whole sequence; a decay of 0 begins a document."""

    def read(self, state: np.ndarray, reader: np.ndarray) -> np.ndarray:
        """Return the fading tokens of given states (*b, T, n): no memory is needed for it."""


def sealed(owner: Any, signature: str) -> dict[str, int]:
    """Copy the arrays of a frozen dataclass and check their shapes, those that are given; return the sizes."""
    parsed = Signature.parse(signature + " ->")
    given: dict[str, Any] = {}
    for name in parsed.arguments:
        x = getattr(owner, name)
        if x is not None:
            x = np.array(numbers(name, x))
            if x.dtype.kind == "c":
                raise ShapeError(f"{name} has dtype {x.dtype}; real weights are needed")
            x.setflags(write=False)
        object.__setattr__(owner, name, x)
        given[name] = x
    return parsed.check(given)


def tokens(x: Any, d: int) -> np.ndarray:
    """Tokens (*b, T, d) as an array.

    Raises
    ------
    ShapeError
        If a shape does not fit, or a token is complex, NaN or infinite.
    """
    x = numbers("x", x)
    if x.ndim < 2 or x.shape[-1] != d or x.dtype.kind == "c":
        raise ShapeError(f"x has shape {x.shape} and dtype {x.dtype}; real tokens (..., T, {d}) are needed")
    return x


def weights(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A matrix that keeps the size of what it multiplies."""
    return rng.standard_normal((rows, columns)) / np.sqrt(max(columns, 1))


def convolved(
    x: np.ndarray, weight: np.ndarray, bias: Any, activation: bool, before: np.ndarray | None, begins: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The short convolution of a block and the last w - 1 tokens; `before` are those of the block before."""
    before = emptied(before, (*x.shape[:-2], x.shape[-1], weight.shape[1] - 1), begins)
    return conv.fused(
        x=x, weight=weight, bias=bias, active=conv.active(activation), initial=before,
        starts=starts(begins, x.shape[-2]), offsets=None,
    )  # fmt: skip


def block(x: np.ndarray, begins: Any, initial: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where documents begin (*b, T), and the state before (*b, *shape): arrays always, one type for the compiler."""
    marks = np.zeros(x.shape[:-1], bool) if begins is None else begins
    return marks, np.zeros((*x.shape[:-2], *shape)) if initial is None else initial


def emptied(before: Any, shape: tuple[int, ...], begins: Any) -> np.ndarray:
    """The register before a block: zeros at first, and where the block begins another document."""
    if before is None:
        return np.zeros(shape)
    if begins is None or not begins.shape[-1]:
        return before
    return np.where(begins[..., :1, None], 0.0, before)


def opened(decay: np.ndarray, begins: Any) -> np.ndarray:
    """Decays that are 0 where a document begins: nothing of the state before is left."""
    return decay if begins is None else np.where(begins[..., None], 0.0, decay)


def starts(begins: Any, T: int) -> Any:
    """First step (*b, T) of the document of each step, 0 for one that goes on from the block before."""
    return None if begins is None else np.maximum.accumulate(np.where(begins, np.arange(T), 0), axis=-1)
