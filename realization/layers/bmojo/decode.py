"""Decoding: a layer that goes on from block to block, with a memory that does not grow.

    window     keys and values of the last tokens, as many as may still come to be seen for the first time
    slots      those of the selected tokens that the last query saw
    fading     those of the last lag + width - 1 fading tokens

A selected token is seen without a gap from its first to its last query, so that what the last query saw, and the
last tokens, are all that the next one can see.  Prefill is a long block and decoding a block of one token; no bit
depends on where a sequence is cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.layers.bmojo.definition import Reading, reading
from realization.layers.bmojo.front import Carried, Front, front
from realization.layers.bmojo.model import BMojo
from realization.layers.bmojo.streams import Streams, output, scale, span, streams
from realization.layers.readout import Source
from realization.layers.readout.kernel import kernel


class Held(NamedTuple):
    """Keys (*b, S, g, k) and values (*b, S, g, v)."""

    key: np.ndarray
    value: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Stream(Sealed):
    """What a layer remembers between two blocks; its size does not depend on how many tokens there were.

    Parameters
    ----------
    carried : Carried
        Documents, fading memory and innovation test.
    recent : Held
        The last raw tokens, oldest first.
    plain : ndarray or None
        Their keys without positions, where selected tokens have none (*b, S, g, k).
    slots : ndarray of int
        Selected tokens that the last query saw, newest first, -1 for none, (*b, M).
    kept : Held
        The selected tokens themselves.
    fading : Held
        The last fading tokens, oldest first.
    """

    carried: Carried
    recent: Held
    plain: np.ndarray | None
    slots: np.ndarray
    kept: Held
    fading: Held


def stream(layer: BMojo, state: Stream | None, block: Any, *, seq_idx: Any = None) -> tuple[Reading, Stream]:
    """Return the outputs of the next tokens, and the state after them.

    Parameters
    ----------
    layer : BMojo
        The layer; with window=None its state grows, for all that is past is seen.
    state : Stream or None
        Of the block before; None at the start.
    block : array_like
        Tokens (*b, T, d), any number of them.
    seq_idx : array_like of int, optional
        Document of each token (*b, T); for all blocks or for none.

    Returns
    -------
    Reading
        Outputs of the block; places count from the start of the stream.
    Stream
        To be handed in with the next block.

    Raises
    ------
    ShapeError
        If a shape does not fit, or a token is NaN or infinite.

    Examples
    --------
    Token by token as all at once:

    >>> layer, x = BMojo.random(4, window=3, rng=0), np.random.default_rng(1).standard_normal((9, 4))
    >>> state, parts = None, []
    >>> for token in x:
    ...     part, state = stream(layer, state, token[None])
    ...     parts.append(part.y[0])
    >>> np.array_equal(parts, stream(layer, None, x)[0].y), state.recent.key.shape
    (True, (2, 2, 2))
    """
    now = front(layer, block, None if state is None else state.carried, seq_idx)
    s = streams(layer, now)
    last = _begun(layer, now, s) if state is None else state
    T, raw = now.time.size, _joined(last.recent, s.raw)
    window = raw.key.shape[-3] if layer.window is None else min(layer.window, raw.key.shape[-3])
    sources = [Source(*raw, _local(span(now, window), now, raw), s.raw.query)]
    plain, slots, kept, fading = last.plain, last.slots, last.kept, last.fading
    if s.selected is not None:
        plain = None if layer.slot_positions else np.concatenate([last.plain, s.selected.key], axis=-3)
        memory = _joined(last.kept, Held(raw.key if plain is None else plain, raw.value))
        places = _located(now.places, last.slots, now.carried.step - raw.key.shape[-3])
        sources.append(Source(*memory, places, s.selected.query))
        slots, kept = _seen(now, places, memory) if T else (slots, kept)
    if s.fading is not None:
        fading = _joined(last.fading, s.fading)
        width = min(layer.width, fading.key.shape[-3])
        sources.append(Source(*fading, _local(span(now, width, layer.lag), now, fading), s.fading.query))
    y = output(layer, kernel(sources=tuple(sources), scale=scale(layer)))
    n = None if layer.window is None else layer.horizon
    after = Stream(
        now.carried, Held(*(_last(x, n) for x in raw)), None if plain is None else _last(plain, n), slots, kept,
        Held(*(_last(x, layer.lag + layer.width - 1) for x in fading)),
    )  # fmt: skip
    return reading(y, now), after


def _begun(layer: BMojo, now: Front, s: Streams) -> Stream:
    """Nothing is remembered."""
    batch, M = now.tokens.shape[:-2], layer.capacity
    none = Held(s.raw.key[..., :0, :, :], s.raw.value[..., :0, :, :])
    kept = Held(*(np.zeros((*batch, M, *x.shape[-2:])) for x in none))
    plain = None if layer.slot_positions or not M else none.key
    fading = none if s.fading is None else Held(s.fading.key[..., :0, :, :], s.fading.value[..., :0, :, :])
    return Stream(now.carried, none, plain, np.full((*batch, M), -1), kept, fading)


def _joined(old: Held, new: Any) -> Held:
    return Held(np.concatenate([old.key, new.key], axis=-3), np.concatenate([old.value, new.value], axis=-3))


def _last(x: np.ndarray, n: int | None) -> np.ndarray:
    """The last n of S, all for None; a copy, for a view would keep the whole block alive."""
    first = 0 if n is None else max(x.shape[-3] - max(n, 0), 0)
    return x[..., first:, :, :].copy()


def _local(places: np.ndarray, now: Front, held: Held) -> np.ndarray:
    """Indices of the stream as places among the tokens that are held, the newest of which is the newest of all."""
    return np.where(places >= 0, places - (now.carried.step - held.key.shape[-3]), -1)


def _located(places: np.ndarray, slots: np.ndarray, first: int) -> np.ndarray:
    """Where selected tokens stand in (slots, recent tokens), the first of which has the index `first`.

    Raises
    ------
    StructureError
        If a test selects a token that was seen neither by the query before nor among the recent ones.
    """
    *batch, M = slots.shape
    B = math.prod(batch)
    rows = zip(slots.reshape(B, M), places.reshape(B, places.shape[-2] * M), strict=True)
    # slots are sorted, newest first
    old = [M - 1 - np.searchsorted(slot[::-1], row) for slot, row in rows]
    among = np.array(old, np.int64).reshape(places.shape)
    found = np.take_along_axis(slots[..., None, :], np.maximum(among, 0), axis=-1) if M else places
    lost = (places >= 0) & (places < first) & ((found != places) | (among < 0))
    if lost.any():
        raise StructureError(
            f"token {int(places[lost][0])} is selected; remembered are tokens from {first} on, and those that the "
            "last query saw: a test must not come back to what it has dropped"
        )
    return np.where(places >= first, M + places - first, np.where(places < 0, -1, among))


def _seen(now: Front, places: np.ndarray, memory: Held) -> tuple[np.ndarray, Held]:
    """What the last query saw of the memory: indices, keys and values."""
    at = places[..., -1, :, None, None]
    kept = (np.where(at >= 0, np.take_along_axis(x, np.maximum(at, 0), axis=-3), 0.0) for x in memory)
    return now.places[..., -1, :], Held(*kept)
