"""What is admitted to the eidetic memory, what has to go, and from when on it is seen."""

from __future__ import annotations

from dataclasses import dataclass

from realization.core.frozen import Sealed

RULES = ("threshold", "top-of-chunk", "running-top")
EVICTIONS = ("smallest", "fifo", "reservoir")
VISIBILITIES = ("at-once", "next-chunk")
ENTRIES = ("arrival", "leaving")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Selection(Sealed):
    """How a memory of `capacity` places is filled from the statistics s(0), s(1), ... of a sequence.

    Positions count from the start of the document.  Ties: the lower index wins admission.

    Parameters
    ----------
    capacity : int
        M >= 0; 0 keeps nothing.
    rule : {"running-top", "threshold", "top-of-chunk"}
        Admit what belongs to the M largest so far; what exceeds `threshold`; the `count` largest of each chunk.
    threshold : float, optional
        Of the rule "threshold": admitted is s > threshold.  Below the least value of s everything is.
    count : int, optional
        Of the rule "top-of-chunk".
    eviction : {"smallest", "fifo", "reservoir"}
        What leaves a full memory: the smallest statistic, the oldest of equals; what was admitted first; a place
        drawn by `default_rng([seed, position])` so that all admitted are kept with equal probability.
    visibility : {"next-chunk", "at-once"}
        Whether a query sees the memory as it was at the end of the chunk before, or as it is now.
    chunk : int
        Length of a chunk.
    entry : {"arrival", "leaving"}
        Whether a token is tested when it arrives, or when the window has passed it.
    window : int
        Of the reader, the current token included; what lies in it is not read from the memory.
    seed : int
        Of the reservoir.
    forget : bool
        Whether a new document begins with an empty memory.
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
