"""What comes before the attention of a layer, in an order that is the same for blocks of any length.

    u = norm(x),      f = mixer(u),      surprise, places, admitted = test(u)

All modes of the layer call it, so that they keep the same tokens: the bits do not depend on how a sequence is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.layers.bmojo.model import BMojo
from realization.layers.fading.mixer import State, tokens


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Carried(Sealed):
    """What goes on from one block to the next.

    Parameters
    ----------
    step : int
        Tokens so far.
    start : ndarray of int
        Index of the first token of the document that goes on, (*b,).
    sequence : ndarray of int or None
        Its name, (*b,); None where none was given.
    mixer : tuple of ndarray
        State of the fading memory.
    test : object
        State of the innovation test.
    """

    step: int
    start: np.ndarray
    sequence: np.ndarray | None = None
    mixer: State | None = None
    test: Any = None


class Front(NamedTuple):
    """Normed tokens (*b, T, d), fading tokens (*b, T, e), what the test says, and starts of documents (*b, T)."""

    tokens: Any
    fading: Any
    surprise: np.ndarray
    places: np.ndarray
    admitted: np.ndarray
    start: np.ndarray
    carried: Carried

    @property
    def time(self) -> np.ndarray:
        """Index of each token of the block since the start of the stream, (T,)."""
        T = self.tokens.shape[-2]
        return np.arange(self.carried.step - T, self.carried.step)

    @property
    def positions(self) -> np.ndarray:
        """The same from the start of its document, (*b, T)."""
        return self.time - self.start


def front(layer: BMojo, x: Any, carried: Carried | None = None, seq_idx: Any = None) -> Front:
    """Norm, fading memory and innovation test of a block.

    Parameters
    ----------
    layer : BMojo
        The layer.
    x : array_like
        Tokens (*b, T, d), finite.
    carried : Carried, optional
        Of the block before.
    seq_idx : array_like of int, optional
        Document of each token (*b, T).

    Returns
    -------
    Front
        With what is carried to the next block.

    Raises
    ------
    ShapeError
        If a shape does not fit, or a token is NaN or infinite.
    """
    x, seq_idx = given(layer, x, seq_idx)
    *batch, T, _ = x.shape
    carried = Carried(0, np.zeros(batch, np.int64)) if carried is None else carried
    begins, last = _documents(carried, seq_idx)
    index = carried.step + np.arange(T)
    start = np.broadcast_to(carried.start[..., None], (*batch, T))
    if begins is not None:
        start = np.maximum.accumulate(np.where(begins, index, start), axis=-1)
    u, fading, mixer = _normed(layer, x), x[..., :0], None
    if layer.mixer is not None:
        fading, _, mixer = layer.mixer(u, carried.mixer, begins=begins)
    surprise, places, admitted, test = _tested(layer, u, carried.test, seq_idx)
    after = Carried(carried.step + T, start[..., -1] if T else carried.start, last, mixer, test)
    return Front(u, fading, surprise, places, admitted, start, after)


def given(layer: BMojo, x: Any, seq_idx: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Tokens (*b, T, d) and documents (*b, T) as arrays.

    Raises
    ------
    ShapeError
        If a shape does not fit, or a token is NaN or infinite.
    """
    x = tokens(x, layer.d)
    if seq_idx is None:
        return x, None
    seq_idx = np.asarray(seq_idx)
    if seq_idx.shape != x.shape[:-1] or seq_idx.dtype.kind not in "iu":
        raise ShapeError(
            f"seq_idx has shape {seq_idx.shape} and dtype {seq_idx.dtype}; integers {x.shape[:-1]} are needed"
        )
    return x, seq_idx


def _normed(layer: BMojo, x: np.ndarray) -> np.ndarray:
    from realization._kernels.ordered import rms_norm  # loads numba

    return x if layer.norm_weight is None else rms_norm(x, layer.norm_weight[None], layer.norm_eps)


def _tested(layer: BMojo, u: np.ndarray, state: Any, seq_idx: Any) -> tuple[Any, Any, Any, Any]:
    """Surprise, places, admitted and state; without a test nothing surprises."""
    if layer.test is None:
        shape = u.shape[:-1]
        return np.zeros(shape), np.zeros((*shape, 0), np.int64), np.zeros(shape, bool), None
    found = layer.test.test(u, seq_idx=seq_idx, state=state)
    return found.surprise, found.places, found.admitted, found.state


def _documents(carried: Carried, seq_idx: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Where documents begin (*b, T), and the name of the last one."""
    if carried.step and (seq_idx is None) != (carried.sequence is None):
        raise ShapeError("seq_idx is given for some blocks of a stream and not for others; give it for all or for none")
    if seq_idx is None:
        return None, None
    if not seq_idx.shape[-1]:
        return np.zeros(seq_idx.shape, bool), carried.sequence
    before = seq_idx[..., :1] if carried.sequence is None else carried.sequence[..., None]
    return np.diff(seq_idx, axis=-1, prepend=before) != 0, seq_idx[..., -1]
