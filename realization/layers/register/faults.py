"""How registers go wrong: the faults that short convolutions have had, each as a run of its own.

Nothing is computed in a register, so a fault is a token at another place: taken from before a boundary, from
the future, from a stale state, or not at all.  `CONVENTIONS` are exact in every number type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import arrange, concatenate, stack
from realization.core.ops import Swap
from realization.layers.cores import Fault
from realization.layers.packing import moved
from realization.layers.recurrence.transition import slices
from realization.layers.register import Windows, packed, tape, transposed

Core = Callable[..., Windows]


# Tokens at another place ----------------------------------------------------


@packed
def _moved(*, core: Core, ahead: int, **a: Any) -> Windows:
    """r(t + ahead), beyond both ends 0; the state is right."""
    if a["starts"] is not None:
        raise ShapeError("what lies ahead of a boundary is not defined")
    x, width = a["x"], a["width"]
    tokens, T = tape(x, width, a["initial"]), x.shape[-2]
    none = np.zeros((*x.shape[:-2], abs(ahead), x.shape[-1]), getattr(x, "dtype", np.float64))
    tokens = concatenate([tokens, none] if ahead > 0 else [none, tokens], axis=-2)
    first = max(ahead, 0)
    windows = stack([tokens[..., first + i : first + i + T, :] for i in range(width)], axis=-1)
    return windows, core(**a)[1]


def _centred(core: Core, **a: Any) -> Windows:
    if a["width"] < 3:
        raise ShapeError("there is no centre")
    return _moved(core=core, ahead=a["width"] // 2, **a)


def _future(core: Core, **a: Any) -> Windows:
    return _moved(core=core, ahead=a["width"] - 1, **a)


def _reversed(core: Core, **a: Any) -> Windows:
    windows, last = core(**a)
    return arrange(lambda parts: parts[0][..., ::-1], [windows]), last


def _without(core: Core, chunk: int, *, tap: int, **a: Any) -> Windows:
    windows, last = core(**a)
    return np.where(np.arange(a["width"]) == tap % a["width"], 0.0, windows), last


# States ---------------------------------------------------------------------


def _state_of(core: Core, chunk: int, *, change: dict[str, Any], **a: Any) -> Windows:
    """Right windows, and the state of a run with other arguments."""
    return core(**a)[0], core(**{**a, **change})[1]


@packed
def _early(*, core: Core, steps: int, **a: Any) -> Windows:
    """The state before the last steps, or before as many as do not fill a chunk."""
    T = a["x"].shape[-2]
    kept = T - 1 - (T - 1) % steps if T else 0
    begin = None if a["starts"] is None else a["starts"][..., :kept]
    return core(**a)[0], core(**{**a, "x": a["x"][..., :kept, :], "starts": begin})[1]


def _first_state_for_all(core: Core, chunk: int, **a: Any) -> Windows:
    if a.get("offsets") is not None and a.get("initial") is not None:
        a["initial"] = np.stack([a["initial"][0]] * len(a["initial"]))
    return core(**a)


def _rows_leak(core: Core, chunk: int, **a: Any) -> Windows:
    """Each row of the batch starts from the state in which the row before ended."""
    if a.get("offsets") is not None or a["x"].ndim != 3 or len(a["x"]) < 2:
        return core(**a)
    runs: list[Windows] = []
    for i in range(len(a["x"])):
        row = {**a, **{k: a[k][i : i + 1] for k in ("x", "starts", "initial") if a.get(k) is not None}}
        runs.append(core(**{**row, "initial": runs[-1][1]} if runs else row))
    return concatenate([windows for windows, _ in runs], 0), concatenate([last for _, last in runs], 0)


# Boundaries -----------------------------------------------------------------


def _boundaries_ignored(core: Core, chunk: int, *, offsets: Any = None, initial: Any = None, **a: Any) -> Windows:
    """One sequence instead of many, from the initial state of the first."""
    if offsets is None:
        return core(**a, initial=initial)
    inside = int(offsets[-1])
    own = None if initial is None else initial[:1]
    begin = None if a.get("starts") is None else a["starts"][:, :inside]
    x = a["x"][:, :inside]
    windows, _ = core(**{**a, "x": x, "starts": begin}, initial=own)
    tokens, width = tape(x, a["width"], own), a["width"]
    lasts = stack([transposed(tokens[0, s.stop : s.stop + width - 1]) for s in slices(offsets)], axis=0)
    outside = np.zeros((1, a["x"].shape[1] - inside, *windows.shape[2:]))
    return concatenate([windows, outside], axis=1), lasts


def _boundary_moved(core: Core, chunk: int, *, by: int, **a: Any) -> Windows:
    begin = a.get("starts")
    return core(**a) if begin is None else core(**{**a, "starts": moved(begin, by)})


# Chunks ---------------------------------------------------------------------


@packed
def _dropped(*, core: Core, chunk: int, **a: Any) -> Windows:
    """Each chunk but the first starts from 0."""
    steps = np.broadcast_to(np.arange(a["x"].shape[-2]) // chunk * chunk, a["x"].shape[:-1])
    begin = steps if a["starts"] is None else np.maximum(a["starts"], steps)
    return core(**{**a, "starts": begin})[0], core(**a)[1]


@packed
def _stale(*, core: Core, chunk: int, **a: Any) -> Windows:
    """Tokens before a chunk are those before the chunk before."""
    windows, last = core(**a)
    T, width = a["x"].shape[-2], a["width"]
    first = np.arange(T) // chunk * chunk
    before = np.arange(T)[:, None] - width + 1 + np.arange(width) < first[:, None]
    late = np.concatenate([np.repeat(windows[..., :1, :, :] * 0.0, min(chunk, T), axis=-3), windows], axis=-3)
    return np.where((before & (first > 0)[:, None])[:, None, :], late[..., :T, :, :], windows), last


# The tables -----------------------------------------------------------------


def _whole(run: Callable[..., Windows], **fixed: Any) -> Callable[..., Windows]:
    """A fault that knows no chunks."""
    return lambda core, chunk, **a: run(core=core, **fixed, **a)


def _in_chunks(run: Callable[..., Windows]) -> Callable[..., Windows]:
    return lambda core, chunk, **a: run(core=core, chunk=chunk, **a)


def _with(**fixed: Any) -> Callable[..., Windows]:
    """A fault of arguments: some have another value."""
    return lambda core, chunk, **a: core(**{**a, **fixed})


FAULTS = (
    Fault("initial state ignored", "the initial state is not read", _with(initial=None)),
    Fault("initial state missing from the final state",
          "the final state of fewer tokens than it holds lacks what is left of the initial state",
          partial(_state_of, change={"initial": None})),
    Fault("output before its token", "the output reads the tokens before the current one, and not that",
          _whole(_moved, ahead=-1)),
    Fault("one token ahead", "the output reads one token of the future", _whole(_moved, ahead=1)),
    Fault("padded on the right", "the output reads the current token and those after it (padding on the right)",
          _whole(_future)),
    Fault("taps reversed", "the first tap meets the current token, the last one the oldest", _whole(_reversed)),
    Fault("first tap missing", "the first tap, on the oldest token, is left out", partial(_without, tap=0)),
    Fault("last tap missing", "the last tap, on the current token, is left out", partial(_without, tap=-1)),
    Fault("final state before the last token", "the final state is stored before the last token",
          _whole(_early, steps=1)),
    Fault("final state across a boundary", "the final state holds tokens of the sequence before",
          partial(_state_of, change={"starts": None})),
    Fault("rows leak", "each row of the batch starts from the state in which the row before ended", _rows_leak),
    Fault("boundaries ignored", "tokens are read across a change of the sequence index", _with(starts=None)),
    Fault("boundary one token late", "the first token of a sequence is taken for the last of the one before",
          partial(_boundary_moved, by=1)),
    Fault("boundary one token early", "the last token of a sequence is taken for the first of the next",
          partial(_boundary_moved, by=-1)),
    Fault("packed boundaries ignored", "the register runs on across the ends of packed sequences",
          _boundaries_ignored),
    Fault("first initial state for all", "every packed sequence starts from the initial state of the first",
          _first_state_for_all),
    Fault("state between chunks dropped", "the tokens before a chunk of {chunk} steps count as 0",
          _in_chunks(_dropped), chunked=True),
    Fault("stale state", "a chunk of {chunk} steps starts from the tokens before the previous chunk",
          _in_chunks(_stale), chunked=True),
    Fault("final state before the last chunk", "the final state is stored before the last chunk of {chunk} steps",
          lambda core, chunk, **a: _early(core=core, steps=chunk, **a), chunked=True),
)  # fmt: skip

# Conventions rather than slips: as references they are read with every number type.
CONVENTIONS = (
    Swap("current token excluded", "the last tap meeting the token before the current one",
         core=lambda core, **a: _moved(core=core, ahead=-1, **a)),
    Swap("padding on the right", "padding on the right, so that outputs read the future", core=_future),
    Swap("padding on both sides", "padding on both sides, so that taps are centred", core=_centred),
    Swap("taps reversed", "the taps in reverse (a convolution for a correlation)", core=_reversed),
)  # fmt: skip
