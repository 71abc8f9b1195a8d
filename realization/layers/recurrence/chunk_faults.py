"""Faults of the march over chunks: how kernels have lost, kept or bent the state between one chunk and the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from realization.core.functions import concatenate
from realization.layers.cores import Fault
from realization.layers.recurrence import Run
from realization.layers.recurrence.parts import Core, decaying, each, erase_pair, history, moved, own, plus
from realization.layers.recurrence.transition import BEHIND_TIME, at, packed, share, zeros


class Chunk(NamedTuple):
    """One chunk: its arguments, the state that enters, and what the chunks before left."""

    core: Core
    arguments: dict[str, Any]
    entering: Any  # the right state before the chunk
    stale: Any  # the right state before the chunk before
    written: Any  # what the tokens of the chunk before left of themselves
    first: bool
    short: bool

    @property
    def time(self) -> int:
        """The axis of time, from the front."""
        return self.arguments["value"].ndim - 3

    def run(self, state: Any) -> Run:
        """The chunk from a state."""
        return self.core(**self.arguments, initial=state)

    def steps(self, start: int, stop: int | None) -> dict[str, Any]:
        """The arguments of some of its steps."""
        a = self.arguments
        return {k: at(x, slice(start, stop), BEHIND_TIME[k]) if k in BEHIND_TIME else x for k, x in a.items()}

    def kept(self, state: Any, start: int = 0, stop: int | None = None) -> Any:
        """What some of the steps leave of a state."""
        return history(self.core, {**self.steps(start, stop), "initial": state}).final


Joined = Callable[[Chunk], tuple[Any, Any]]


@packed
def _march(*, core: Core, chunk: int, joined: Joined, states: bool = False, **a: Any) -> Run:
    """Chunk after chunk; `joined` gives the outputs of a chunk and the state it leaves."""
    T = a["value"].shape[-3]
    S = zeros(a["value"], a["key"]) if a.get("initial") is None else a["initial"]
    stale, written, ys = S, S * 0.0, [a["value"][..., :0, :, :]]
    for start in range(0, T, chunk):
        steps = slice(start, min(start + chunk, T))
        part = {k: at(x, steps, BEHIND_TIME[k]) if k in BEHIND_TIME else x for k, x in a.items() if k != "initial"}
        c = Chunk(core, part, S, stale, written, start == 0, steps.stop - start < chunk)
        y, leaving = joined(c)
        written, stale, S = own(core, part).final, S, leaving
        ys.append(y)
    last = stale if joined is _stored_early and T else S
    return Run(concatenate(ys, axis=-3), last)


def _entered_by(c: Chunk, state: Any) -> tuple[Any, Any]:
    """Outputs from a wrong state; the state that is passed on is right."""
    return c.run(state).y, c.run(c.entering).final


def _left(c: Chunk, leaving: Any) -> tuple[Any, Any]:
    """Right outputs; what is passed on is the chunk's own part and a wrong remainder."""
    return c.run(c.entering).y, own(c.core, c.arguments).final + leaving


def _dropped(c: Chunk) -> tuple[Any, Any]:
    run = c.run(c.entering if c.first else c.entering * 0.0)
    return run.y, run.final


def _history_missing(c: Chunk) -> tuple[Any, Any]:
    return _entered_by(c, c.entering if c.first else c.entering * 0.0)


def _stored_early(c: Chunk) -> tuple[Any, Any]:
    run = c.run(c.entering)
    return run.y, run.final


def _boundary_lost(c: Chunk) -> tuple[Any, Any]:
    value = c.arguments["value"]
    last = np.arange(value.shape[-3])[:, None, None] == value.shape[-3] - 1
    silent = {**c.arguments, "value": np.where(last, 0.0, value)}
    return c.run(c.entering).y, c.core(**silent, initial=c.entering).final


def _late_history(c: Chunk) -> tuple[Any, Any]:
    """The state reaches a row with the decay up to the row before."""
    kept = decaying(c.arguments, lambda g: moved(g, 1, 3))
    y = own(c.core, c.arguments).y + history(c.core, {**kept, "initial": c.entering}).y
    return y, c.run(c.entering).final


def _history_short(c: Chunk) -> tuple[Any, Any]:
    """The same, and so is the state that is passed on: it lacks the decay of the last row."""
    return _late_history(c)[0], _left(c, c.kept(c.entering, 0, -1))[1]


def _second_decay(c: Chunk) -> tuple[Any, Any]:
    """The state meets the decay of the chunk's second step at its first."""
    if c.first or c.arguments["value"].shape[-3] < 2:
        return _stored_early(c)
    twice = decaying(c.arguments, lambda g: concatenate([at(g, slice(1, 2), 3), at(g, slice(1, None), 3)], axis=-4))
    run = plus(own(c.core, c.arguments), history(c.core, {**twice, "initial": c.entering}))
    return run.y, run.final


def _unwritten(c: Chunk) -> tuple[Any, Any]:
    run = c.run(c.entering)
    return run.y * (0.0 if c.short else 1.0), run.final


def _padded(c: Chunk, chunk: int) -> tuple[Any, Any]:
    """A short chunk is filled with its last token."""
    run = c.run(c.entering)
    missing = chunk - c.arguments["value"].shape[-3]
    if not missing:
        return run.y, run.final
    last = c.steps(-1, None)
    more = {k: each(x, lambda part: np.repeat(part, missing, axis=c.time))
            if k in BEHIND_TIME and x is not None else x for k, x in last.items()}  # fmt: skip
    more["reset"] = None
    return run.y, c.core(**more, initial=run.final).final


def _history_not_erased(c: Chunk) -> tuple[Any, Any]:
    """The entering state decays through the chunk, and no key of it erases."""
    erase_pair(c.arguments)
    run = plus(own(c.core, c.arguments), history(c.core, {**c.arguments, "erase": None, "initial": c.entering}))
    return run.y, run.final


def _erases_unaware(c: Chunk) -> tuple[Any, Any]:
    """Erases read what the state would be without any erase in the chunk: inv(I + L) taken for I."""
    probe, strike = erase_pair(c.arguments)
    heads = c.arguments["value"].shape[-2]
    plain = {**c.arguments, "erase": None, "key": share(c.arguments["key"], heads),
             "query": share(c.arguments["query"], heads)}  # fmt: skip
    met = (plain["key"] * probe).sum(-1)[..., None] * plain["value"]
    held = c.core(**{**plain, "query": probe}, initial=c.entering).y - met
    run = plus(c.core(**plain, initial=c.entering), c.core(**{**plain, "value": -held, "key": strike}, initial=None))
    return run.y, run.final


def _marching(joined: Joined) -> Callable[..., Run]:
    return lambda core, chunk, **a: _march(core=core, chunk=chunk, joined=joined, **a)


def _padding(core: Core, chunk: int, **a: Any) -> Run:
    return _march(core=core, chunk=chunk, joined=lambda c: _padded(c, chunk), **a)


_JOINED = (
    ("state between chunks dropped", "the state between chunks of {chunk} steps is dropped", _dropped),
    ("state between chunks not read", "outputs of a chunk of {chunk} steps lack the state, which is passed on rightly",
     _history_missing),
    ("stale state", "a chunk of {chunk} steps starts from the state before the previous chunk",
     lambda c: _entered_by(c, c.stale)),
    ("state decayed twice", "the first step of a chunk of {chunk} decays the entering state twice",
     lambda c: _entered_by(c, c.kept(c.entering, 0, 1))),
    ("chunk decay one step short", "the state passes a chunk of {chunk} steps with the decay of one step too few",
     lambda c: _left(c, c.kept(c.entering, 0, -1))),
    ("chunk decay missing", "the state passes a chunk of {chunk} steps without decay",
     lambda c: _left(c, c.entering)),
    ("history of one chunk", "what a chunk of {chunk} steps passes on holds its own tokens only",
     lambda c: _left(c, 0.0)),
    ("history of two chunks", "what a chunk of {chunk} steps passes on goes back two chunks only",
     lambda c: _left(c, c.kept(c.written))),
    ("boundary token lost", "the last token of a chunk of {chunk} steps is missing from the state passed on",
     _boundary_lost),
    ("entering decay one step short", "in a chunk of {chunk} steps the entering state lacks the decay of the row",
     _late_history),
    ("history one step short", "in a chunk of {chunk} steps all that is left of the state lacks one decay",
     _history_short),
    ("second decay at the first step", "the first step of a chunk of {chunk} takes the decay of the chunk's second",
     _second_decay),
    ("short last chunk forgets", "a last chunk shorter than {chunk} steps returns the state of its own tokens only",
     lambda c: _left(c, 0.0) if c.short else _stored_early(c)),
    ("final state before the last chunk", "the final state is stored before the last chunk of {chunk} steps",
     _stored_early),
    ("entering state not erased", "keys of a chunk of {chunk} steps do not erase the state that enters it",
     _history_not_erased),
    ("erases unaware of each other", "erases in a chunk of {chunk} steps do not see one another",
     _erases_unaware),
    ("short last chunk unwritten", "outputs of a last chunk shorter than {chunk} steps are not written", _unwritten),
)  # fmt: skip
CHUNK_FAULTS = (
    *(Fault(name, sentence, _marching(joined), chunked=True) for name, sentence, joined in _JOINED),
    Fault("short last chunk padded", "a last chunk shorter than {chunk} steps is filled with its last token", _padding,
          chunked=True),
)  # fmt: skip
