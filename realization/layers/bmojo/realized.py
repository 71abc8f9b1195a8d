"""The whole layer as one bilinear system, driven by a schedule and read without memory.

    raw(t+1)      = S raw(t) + e u                   a register: nilpotent, forgotten with the window
    eidetic(t+1)  = P eidetic(t) + Q raw(t) + W      P, Q of zeros and ones: what is kept, and what enters
    s(t+1)        = a o s(t) + w                     the fading memory
    fading(t+1)   = S fading(t) + e (a o s(t) + w)   a register of its states, which fading tokens are read from

The inputs are (P, Q, W, u, a, w, r); all products are of one input and one state.  Of both registers a query reads
what is no older than its document.  P keeps the order of the slots, newest first.  Where what was admitted first has
to go, and tokens are tested as they leave the window, P is the shift to the power of the writes: any word with as many
writes as slots vanishes, nilpotent in innovation time.  Other evictions delete slots and close the gaps, and a slot
may stay for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.layers.bmojo.front import Front, front
from realization.layers.bmojo.model import BMojo
from realization.layers.bmojo.streams import heads, ordered, output, placed, scale, streams
from realization.layers.readout import Read, Source, readout
from realization.layers.realize import Realization
from realization.systems import BilinearSSM


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of the parts: slots and the width of one, for each register, and the states of the mixer."""

    recent: int
    slots: int
    token: int
    states: int
    fading: int
    entry: int

    @property
    def of_state(self) -> list[int]:
        """Sizes of raw register, eidetic memory, fading state and register."""
        return [self.recent * self.token, self.slots * self.token, self.states, self.fading * self.entry]

    @property
    def of_input(self) -> list[int]:
        """Sizes of P, Q, W, u, a, w, r."""
        M, n = self.slots, self.states
        return [M * M, M * self.recent, M * self.token, self.token, n, n, self.entry - n]


def as_realization(layer: BMojo) -> Realization:
    """Return schedule, bilinear system and read-out of a layer with these weights.

    Parameters
    ----------
    layer : BMojo
        With a finite window.

    Returns
    -------
    Realization
        schedule(x=, seq_idx=None), a system that depends on no data, and readout(y, x=, seq_idx=None), which reads
        the system's outputs step by step.

    Raises
    ------
    StructureError
        If the window is None: what holds all that is past has no finite state.

    Notes
    -----
    The schedule runs the innovation test, whose decisions are inputs of the system, and the short convolution of a
    Mamba mixer; both have registers and states of their own.

    References
    ----------
    Isidori, Direct construction of minimal bilinear realizations, IEEE Trans. Automatic Control 18 (1973), 626-631.
    """
    if layer.window is None:
        raise StructureError("window=None has a state that grows with the sequence; a finite window is needed")
    size = _layout(layer)

    def schedule(*, x: Any, seq_idx: Any = None) -> np.ndarray:
        now = front(layer, x, None, seq_idx)
        return np.concatenate([*_gates(size, now), *_writes(layer, size, now)], axis=-1)

    def read(y: np.ndarray, *, x: Any, seq_idx: Any = None) -> np.ndarray:
        return _read(layer, size, y, front(layer, x, None, seq_idx))

    return Realization(schedule, system(size), read, lambda state: np.zeros(sum(size.of_state)))


def _layout(layer: BMojo) -> Layout:
    (g, k), v = layer.key_weight.shape[:2], layer.value_weight.shape[1]
    keys = 1 if layer.slot_positions or not layer.capacity else 2
    states = entry = 0
    if layer.mixer is not None and layer.width:
        drive = layer.mixer.drive(np.zeros((0, layer.d)))
        states = drive.decay.shape[-1]
        entry = states + drive.reader.shape[-1]
    fading = layer.lag + layer.width if layer.width else 0
    return Layout(layer.horizon + 1, layer.capacity, g * (keys * k + v) + 1, states, fading, entry)


def system(size: Layout) -> BilinearSSM:
    """The system of a layer with these sizes: no data, and none of its weights."""
    R, M, width, n = size.recent, size.slots, size.token, size.states
    x, u = np.cumsum([0, *size.of_state]), np.cumsum([0, *size.of_input])
    A, N, B = np.zeros((x[-1], x[-1])), np.zeros((u[-1], x[-1], x[-1])), np.zeros((x[-1], u[-1]))
    raw, slot = (
        np.arange(start, start + count * width).reshape(count, width) for start, count in ((x[0], R), (x[1], M))
    )
    s, register = x[2] + np.arange(n), x[3] + np.arange(size.fading * size.entry).reshape(size.fading, size.entry)
    for slots in (raw, register):
        A[slots[:-1].ravel(), slots[1:].ravel()] = 1
    for m in range(M):
        for j in range(M):
            N[u[0] + m * M + j, slot[m], slot[j]] = 1
        for j in range(R):
            N[u[1] + m * R + j, slot[m], raw[j]] = 1
    B[slot.ravel(), u[2] + np.arange(M * width)] = 1
    B[raw[-1], u[3] + np.arange(width)] = 1
    for states in (s, register[-1:, :n].ravel()):
        N[u[4] + np.arange(len(states)), states, s[: len(states)]] = 1
        B[states, u[5] + np.arange(len(states))] = 1
    B[register[-1:, n:].ravel(), u[6] + np.arange(size.entry - n)] = 1
    return BilinearSSM(A=A, N=N, B=B, C=A, M=N, D=B)


def _gates(size: Layout, now: Front) -> list[np.ndarray]:
    """P (*b, T, M M) and Q (*b, T, M R)."""
    places, R, i = now.places, size.recent, now.time
    before = np.concatenate([np.full_like(places[..., :1, :], -1), places[..., :-1, :]], axis=-2)[..., : len(i), :]
    there = places >= 0
    P = there[..., None] & (places[..., None] == before[..., None, :])
    Q = (places[..., None] == i[:, None, None] - R + np.arange(R)) & there[..., None] & ~P.any(-1, keepdims=True)
    return [a.reshape(*a.shape[:-2], math.prod(a.shape[-2:])).astype(float) for a in (P, Q)]


def _writes(layer: BMojo, size: Layout, now: Front) -> list[np.ndarray]:
    """W (*b, T, M width), u (*b, T, width), and what drives the mixer: a, w, r."""
    s, lead = streams(layer, now), now.places.shape[:-1]
    parts = [s.raw.key, s.raw.value]
    if s.selected is not None and not layer.slot_positions:
        parts.append(s.selected.key)
    flat = [a.reshape(*lead, math.prod(a.shape[-2:])) for a in parts]
    token = np.concatenate([*flat, np.ones((*lead, 1))], axis=-1)
    # a window of 0 shows a token to its own query
    enters = (now.places == now.time[:, None])[..., None] * token[..., None, :]
    writes = [enters.reshape(*lead, size.slots * size.token), token]
    if not size.fading or layer.mixer is None:
        return writes
    begins = (now.time == now.start) & (now.time > 0)
    decay, write, reader = layer.mixer.drive(now.tokens, begins=begins)
    return [*writes, decay, write, reader]


def _read(layer: BMojo, size: Layout, y: np.ndarray, now: Front) -> np.ndarray:
    """Each step by itself: its query against the slots that are taken."""
    s, parts = streams(layer, now), np.split(y, np.cumsum(size.of_state)[:-1], axis=-1)
    raw = parts[0].reshape(*now.start.shape, size.recent, size.token)[..., size.recent - (layer.window or 0) :, :]
    # positions of the tokens in a register; below 0 another document, or none
    place = now.positions[..., None] - np.arange(layer.window or 0)[::-1]
    sources = [_source(s.raw.query, *_tokens(layer, raw, plain=False), place >= 0)]
    if s.selected is not None:
        slots = parts[1].reshape(*now.start.shape, size.slots, size.token)
        kept = _tokens(layer, slots, plain=not layer.slot_positions)
        sources.append(_source(s.selected.query, *kept, slots[..., -1] > 0))
    if s.fading is not None:
        register = parts[3].reshape(*now.start.shape, size.fading, size.entry)[..., : layer.width, :]
        place = now.positions[..., None] - (size.fading - 1 - np.arange(layer.width))
        sources.append(_source(s.fading.query, *_faded(layer, size, register, place), place >= 0))
    read = readout(sources=sources, scale=scale(layer))
    return output(layer, Read(read.y[..., 0, :, :], read.lse[..., 0, :]))


def _tokens(layer: BMojo, slots: np.ndarray, *, plain: bool) -> tuple[np.ndarray, np.ndarray]:
    """Keys and values in slots (*b, T, S, width)."""
    (g, k), v = layer.key_weight.shape[:2], layer.value_weight.shape[1]
    first = g * (k + v) if plain else 0
    key, value = slots[..., first : first + g * k], slots[..., g * k : g * (k + v)]
    return key.reshape(*slots.shape[:-1], g, k), value.reshape(*slots.shape[:-1], g, v)


def _faded(layer: BMojo, size: Layout, slots: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of slots that hold states of the mixer and what reads them, of tokens at these positions."""
    states, reader = slots[..., : size.states], slots[..., size.states :]
    tokens = layer.mixer.read(states, reader)  # type: ignore[union-attr]  # there is one where tokens fade
    key = placed(layer, "fading_", "key", heads(layer, "fading_", "key", tokens, ordered), np.maximum(place, 0))
    return key, heads(layer, "fading_", "value", tokens, ordered)


def _source(query: np.ndarray, key: np.ndarray, value: np.ndarray, seen: np.ndarray) -> Source:
    """One source for each step by itself."""
    hidden = np.where(seen, 0.0, -np.inf)[..., None, None, :]
    return Source(key, value, np.arange(seen.shape[-1])[None], query[..., None, :, :], hidden)
