"""What is admitted to the eidetic memory, what has to go, and from when on it is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed

RULES = ("threshold", "top-of-chunk", "running-top")
EVICTIONS = ("smallest", "fifo", "reservoir")
VISIBILITIES = ("at-once", "next-chunk")
ENTRIES = ("arrival", "leaving")
# Of each rule: the parameter that is its own, its evictions and visibilities, and why it has no others.
LEGAL = {
    "running-top": (None, ("smallest",), VISIBILITIES, "it admits what is larger than the smallest it drops"),
    "threshold": ("threshold", EVICTIONS, VISIBILITIES, ""),
    "top-of-chunk": ("count", EVICTIONS, ("next-chunk",), "the largest of a chunk are not known before its end"),
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Selection(Sealed):
    """How a memory of `capacity` places is filled from the statistics s(0), s(1), ... of a sequence.

    Positions count from the start of the document, chunks likewise.  Ties: the lower index wins admission.

    Parameters
    ----------
    capacity : int
        M >= 0; 0 keeps nothing.
    rule : {"running-top", "threshold", "top-of-chunk"}
        Admit what belongs to the M largest so far; what exceeds `threshold`; the `count` largest of each chunk,
        at its end and in order of index.
    threshold : float, optional
        Of the rule "threshold": admitted is s > threshold.  Below the least value of s everything is.
    count : int, optional
        Of the rule "top-of-chunk", >= 0.
    eviction : {"smallest", "fifo", "reservoir"}
        What leaves a full memory: the smallest statistic, the newcomer's included, and the oldest of equals; what was
        admitted first; a place drawn by `default_rng([seed, position])` so that all admitted are kept with equal
        probability, position being the newcomer's.
    visibility : {"next-chunk", "at-once"}
        Whether a query sees the memory as it was at the end of the last complete chunk, or as it is now.
    chunk : int
        Length of a chunk, at least 1.
    entry : {"arrival", "leaving"}
        Whether token j is tested when it arrives, or at j + window when the window has passed it.
    window : int
        Of the reader, the current token included; what lies in it is not read from the memory.  0: there is none.
    seed : int
        Of the reservoir, 0 <= seed < 2^32.
    forget : bool
        Whether a new document begins with an empty memory; if not, all documents are one to the memory.

    Raises
    ------
    ShapeError
        If a name is unknown, a number out of range, or the combination is not in the table.

    Notes
    -----
    Legal are these, each with both entries, and no others: the running top is what eviction of the smallest makes of
    a memory that admits whatever belongs to it, and the largest of a chunk are not known before its end.

    ============  =========  =========================  ===================
    rule          needs      eviction                   visibility
    ============  =========  =========================  ===================
    running-top   -          smallest                   at-once, next-chunk
    threshold     threshold  smallest, fifo, reservoir  at-once, next-chunk
    top-of-chunk  count      smallest, fifo, reservoir  next-chunk
    ============  =========  =========================  ===================

    Examples
    --------
    >>> Selection(4, rule="top-of-chunk", count=2, visibility="at-once")
    Traceback (most recent call last):
    realization.core.errors.ShapeError: visibility is 'at-once' with the rule 'top-of-chunk', but next-chunk is needed:
    the largest of a chunk are not known before its end
    """

    capacity: int
    rule: str = "running-top"
    threshold: float | None = None
    count: int | None = None
    eviction: str = "smallest"
    visibility: str = "next-chunk"
    chunk: int = 64
    entry: str = "arrival"
    window: int = 0
    seed: int = 0
    forget: bool = True

    def __post_init__(self) -> None:
        for name, names in (
            ("rule", RULES), ("eviction", EVICTIONS), ("visibility", VISIBILITIES), ("entry", ENTRIES),
        ):  # fmt: skip
            _one_of(name, getattr(self, name), names)
        for name, least, power in (("capacity", 0, 63), ("chunk", 1, 63), ("window", 0, 63), ("seed", 0, 32)):
            _whole(name, getattr(self, name), least, power)
        if not isinstance(self.forget, bool | np.bool_):
            raise ShapeError(f"forget is {self.forget!r}, but True or False is needed")
        own, evictions, visibilities, why = LEGAL[self.rule]
        for name in ("threshold", "count"):
            _belongs(name, getattr(self, name), self.rule, needed=name == own)
        if self.count is not None:
            _whole("count", self.count, 0, 63)
        if self.threshold is not None:
            _number("threshold", self.threshold)
        for name, legal in (("eviction", evictions), ("visibility", visibilities)):
            if getattr(self, name) not in legal:
                raise ShapeError(
                    f"{name} is {getattr(self, name)!r} with the rule {self.rule!r}, "
                    f"but {' or '.join(legal)} is needed: {why}"
                )


def _one_of(name: str, x: Any, names: tuple[str, ...]) -> None:
    if not isinstance(x, str) or x not in names:
        raise ShapeError(f"{name} is {x!r}, but one of {', '.join(names)} is needed")


def _whole(name: str, x: Any, least: int, power: int) -> None:
    if not isinstance(x, int | np.integer) or isinstance(x, bool) or not least <= x < 2**power:
        raise ShapeError(f"{name} is {x!r}, but a whole number, at least {least} and below 2^{power}, is needed")


def _number(name: str, x: Any) -> None:
    if isinstance(x, bool | np.bool_) or not isinstance(x, int | float | np.integer | np.floating) or math.isnan(x):
        raise ShapeError(f"{name} is {x!r}, but a number is needed; -inf admits everything, inf nothing")


def _belongs(name: str, x: Any, rule: str, *, needed: bool) -> None:
    if needed and x is None:
        raise ShapeError(f"{name} is missing; the rule {rule!r} needs it")
    if not needed and x is not None:
        owner = next(other for other, legal in LEGAL.items() if legal[0] == name)
        raise ShapeError(f"{name} is {x!r} with the rule {rule!r}; it belongs to {owner!r}: leave it out")
