"""How selections go wrong: the memory of another step, other ties, another eviction, a reset that is missing.

A fault is made of right runs: with another choice, over statistics in another order, or of the memory

    memory(e) = what is in it after step e,      places(t) = memory(e(t)) without what the window of t shows

that a query reads at another e(t).  `CONVENTIONS` serve as references too; `FAULTS` holds them as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.ops import Swap
from realization.layers.bmojo.eidetic import Kept, eidetic
from realization.layers.cores import Fault, alone
from realization.layers.packing import moved, starts
from realization.layers.readout import real_part
from realization.memory.selection import Selection

Core = Callable[..., Kept]
Arguments = dict[str, Any]


# Another choice -----------------------------------------------------------------------------------


def _choosing(change: Callable[[Selection], dict[str, Any]]) -> Callable[..., Kept]:
    """Some fields of the selection have other values; illegal ones are refused by it."""

    def run(core: Core, **a: Any) -> Kept:
        choice = replace(a["selection"], **change(a["selection"]))
        return _of_width(core(**{**a, "selection": choice}), a["selection"].capacity)

    return run


def _of_width(kept: Kept, M: int) -> Kept:
    """M places: those that are missing are empty."""
    room = np.full((*kept.places.shape[:-1], max(M - kept.places.shape[-1], 0)), -1)
    return Kept(np.concatenate([kept.places[..., :M], room], axis=-1))


def _only(x: Any, what: str) -> Any:
    if not x:
        raise ShapeError(f"there is nothing of the kind: {what}")
    return x


def _limit(choice: Selection) -> float:
    if choice.threshold is None:
        raise ShapeError("there is no threshold")
    return choice.threshold


def _hidden(by: int) -> Callable[..., Kept]:
    """The window that is left out is longer; tokens that are tested when they leave it lie behind it anyway."""
    return _choosing(lambda c: {"window": max(_only(c.entry == "arrival" and c.window, "a window") + by, 0)})


# Another order of the statistics ------------------------------------------------------------------


def _ordered(core: Core, *, of_equals: int, size: int = 1, **a: Any) -> Kept:
    """Statistics by rank: of equals the later is the larger (1), or the smaller (-1); all reversed (size -1)."""
    s, choice = size * real_part(a["surprise"]), a["selection"]
    order = np.lexsort((of_equals * np.broadcast_to(np.arange(s.shape[-1]), s.shape), s), axis=-1)
    ranks = np.argsort(order, axis=-1).astype(float)
    if choice.rule == "threshold":
        # what is admitted stays so: all ranks that pass lie above 0
        _only(size == 1, "a rule that compares")
        ranks, choice = np.where(s > choice.threshold, ranks + 1.0, 0.0), replace(choice, threshold=0.0)
    return core(**{**a, "surprise": ranks, "selection": choice})


def _newest_goes(core: Core, **a: Any) -> Kept:
    """The first M - 1 that are admitted, and the latest."""
    s, c = real_part(a["surprise"]), a["selection"]
    _only(c.rule == "threshold" and c.eviction == "fifo" and c.capacity > 0, "a queue behind a threshold")
    older = np.where(s > c.threshold, float(s.shape[-1]) - np.arange(s.shape[-1]), 0.0)
    first = replace(c, capacity=c.capacity - 1, threshold=0.0, eviction="smallest")
    rest = core(**{**a, "surprise": older, "selection": first}).places
    latest = core(**{**a, "selection": replace(c, capacity=1)}).places
    latest = np.where((rest == latest).any(-1, keepdims=True), -1, latest)
    return Kept(_packed(np.concatenate([latest, rest], axis=-1)))


# Another step -------------------------------------------------------------------------------------


def _memory(core: Core, a: Arguments) -> np.ndarray:
    """What is in the memory after each step, (*b, T, M)."""
    c, s, names = a["selection"], real_part(a["surprise"]), a.get("seq_idx")
    c = replace(c, window=c.window if c.entry == "leaving" else 0)
    if c.rule != "top-of-chunk":
        return core(surprise=s, selection=replace(c, visibility="at-once"), seq_idx=names).places
    # what its chunk admits is seen one step later
    longer = np.concatenate([s, s[..., -1:]], axis=-1)
    names = None if names is None else np.concatenate([names, names[..., -1:]], axis=-1)
    return core(surprise=longer, selection=c, seq_idx=names).places[..., 1:, :]


def _reading(step: Callable[..., Any], *, visibility: str) -> Callable[..., Kept]:
    """A query at t of a document that began at `start` reads the memory after step(t, start, chunk)."""

    def run(core: Core, **a: Any) -> Kept:
        c, T = a["selection"], a["surprise"].shape[-1]
        _only(c.visibility == visibility and T, f"visibility {visibility}")
        t, start = np.arange(T), _starts(a)
        e = np.minimum(step(t, start, c.chunk), _lasts(start))
        memory = np.take_along_axis(_memory(core, a), np.maximum(e, 0)[..., None], axis=-2)
        shown = (e >= start)[..., None] & (memory >= start[..., None]) & (memory <= (t - c.window)[:, None])
        return Kept(_packed(np.where(shown, memory, -1)))

    return run


def _packed(places: np.ndarray) -> np.ndarray:
    """Empty places behind the others."""
    return np.take_along_axis(places, np.argsort(places < 0, axis=-1, kind="stable"), axis=-1)


def _starts(a: Arguments) -> np.ndarray:
    """First step of the document of each step."""
    names = a.get("seq_idx")
    return np.zeros(a["surprise"].shape, int) if names is None else starts(np.asarray(names))


def _lasts(start: np.ndarray) -> np.ndarray:
    """Last step of the document of each step."""
    T = start.shape[-1]
    after = np.append(start[..., 1:], np.full((*start.shape[:-1], 1), T), axis=-1)
    ends = np.where(after != start, np.arange(T), T)
    return np.flip(np.minimum.accumulate(np.flip(ends, -1), axis=-1), -1)


def _ends(t: Any, start: Any, chunk: int, by: int = 0) -> Any:
    """The last step of the last complete chunk but `by`."""
    return start + ((t - start) // chunk - by) * chunk - 1


# Documents, and the form of the answer ------------------------------------------------------------


def _resetting(change: Callable[[np.ndarray], Any]) -> Callable[..., Kept]:
    """Documents that begin elsewhere."""

    def run(core: Core, **a: Any) -> Kept:
        _only(a.get("seq_idx") is not None, "documents")
        return core(**{**a, "seq_idx": change(_starts(a))})

    return run


def _answering(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., Kept]:
    """Right places, written otherwise."""
    return lambda core, **a: Kept(change(core(**a).places, _starts(a)))


# The tables ---------------------------------------------------------------------------------------

_NEXT, _ONCE = "next-chunk", "at-once"
_RUNS: tuple[tuple[str, str, Callable[..., Kept]], ...] = (
    ("selection looks ahead", "tokens are selected together with those of their chunk that come later",
     _reading(partial(_ends, by=-1), visibility=_NEXT)),
    ("memory seen at once", "the memory is read as it is, and not as it was at the end of the last chunk",
     _reading(lambda t, start, c: t, visibility=_NEXT)),
    ("memory seen from the next chunk on", "the memory is read as at the end of the last chunk, and not as it is",
     _reading(_ends, visibility=_ONCE)),
    ("memory of the chunk before", "the memory read is one chunk older than that of the last complete chunk",
     _reading(partial(_ends, by=1), visibility=_NEXT)),
    ("memory of the step before", "the memory is read before the current token has been tested",
     _reading(lambda t, start, c: t - 1, visibility=_ONCE)),
    ("next memory one step early", "the last query of a chunk reads the memory of its own chunk",
     _reading(lambda t, start, c: _ends(t + 1, start, c), visibility=_NEXT)),
    ("next memory one step late", "the first query of a chunk reads the memory of the chunk before the last",
     _reading(lambda t, start, c: _ends(t - 1, start, c), visibility=_NEXT)),
    ("chunks counted from the first step", "chunks are counted from the first step, and not from that of the document",
     _reading(lambda t, start, c: _ends(t, 0, c), visibility=_NEXT)),
    ("tokens of the window count twice", "selected tokens that the window shows are not left out, and count twice",
     _hidden(-(2**40))),
    ("oldest of the window counts twice", "a selected token that is the oldest of the window counts twice",
     _hidden(-1)),
    ("hidden one token too far", "a selected token just behind the window is left out", _hidden(1)),
    ("of equals the newer enters", "of equal statistics the newer token enters a full memory",
     partial(_ordered, of_equals=1)),
    ("of equals the newer goes", "of equal statistics the newer token leaves a full memory first",
     partial(_ordered, of_equals=-1)),
    ("smallest kept", "the tokens with the smallest statistics are kept", partial(_ordered, of_equals=1, size=-1)),
    ("threshold itself passes", "a statistic equal to the threshold passes it",
     _choosing(lambda c: {"threshold": float(np.nextafter(_limit(c), -np.inf))})),
    ("threshold not asked", "every token is admitted, whatever the threshold is",
     _choosing(lambda c: {"threshold": min(_limit(c), -np.inf)})),
    ("smallest goes", "the smallest statistic leaves a full memory, and not what is asked for",
     _choosing(lambda c: {"eviction": "smallest"})),
    ("oldest goes", "the oldest token leaves a full memory, and not what is asked for",
     _choosing(lambda c: {"eviction": "fifo"})),
    ("newest goes", "the newest token leaves a full memory, and not the oldest", _newest_goes),
    ("memory one place short", "the memory has one place less", _choosing(lambda c: {"capacity": c.capacity - 1})),
    ("one token less per chunk", "one token less of each chunk is admitted",
     _choosing(lambda c: {"count": _only(c.count, "a count") - 1})),
    ("one token more per chunk", "one token more of each chunk is admitted",
     _choosing(lambda c: {"count": _only(c.count, "a count") + 1})),
    ("tested on arrival", "tokens are tested when they come, and not when they leave the window",
     _choosing(lambda c: {"entry": "arrival"})),
    ("tested on leaving", "tokens are tested when they leave the window, and not when they come",
     _choosing(lambda c: {"entry": "leaving"})),
    ("memory not emptied", "the memory is not emptied where a document begins", _resetting(lambda start: None)),
    ("memory emptied one token late", "the memory is emptied one token after a document begins",
     _resetting(partial(moved, by=1))),
    ("memory emptied one token early", "the memory is emptied one token before a document begins",
     _resetting(partial(moved, by=-1))),
    ("oldest first", "places hold the oldest token first", _answering(lambda j, start: _packed(j[..., ::-1]))),
    ("positions in the document", "places count from the first step of the document",
     _answering(lambda j, start: np.where(j < 0, j, j - start[..., None]))),
)  # fmt: skip


def _whole(run: Callable[..., Kept]) -> Callable[..., Kept]:
    """A fault that knows no chunks but those of the selection."""
    return lambda core, chunk, **a: run(core, **a)


FAULTS = tuple(Fault(name, sentence, _whole(run)) for name, sentence, run in _RUNS)

# Conventions rather than slips.
_AS_REFERENCES = {
    "memory seen at once": "the memory as it is, and not as at the end of the last chunk",
    "memory seen from the next chunk on": "the memory as at the end of the last chunk, and not as it is",
    "of equals the newer enters": "the newer of equal statistics entering a full memory",
    "of equals the newer goes": "the newer of equal statistics leaving a full memory first",
    "tokens of the window count twice": "selected tokens of the window counting twice",
    "oldest first": "places that hold the oldest token first",
    "positions in the document": "places counted from the first step of the document",
}
CONVENTIONS = tuple(
    Swap(name, _AS_REFERENCES[name], core=alone(eidetic, run)) for name, _, run in _RUNS if name in _AS_REFERENCES
)
