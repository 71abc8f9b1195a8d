"""Whether two runs of a stack keep the same tokens, and where they do not, whether rounding explains it.

One layer is given identical tokens and keeps identical ones in every mode.  The tokens of a layer further up are sums
that the definition and the two-pass merge round otherwise than chunks and streams do, which have the same bits; where
that turns the order of two statistics, both choices are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.layers.bmojo import BMojo
from realization.layers.stack.model import Forward, Stack
from realization.memory.selection import certain


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ties(Sealed):
    """One block in two runs.

    Parameters
    ----------
    error : ndarray
        |s' - s| of the statistics of each token (*b, T).
    near : ndarray of bool
        Whether statistics that differ by no more could show a query something else (*b, T).
    differ : ndarray of bool
        Whether it was shown something else (*b, T).
    """

    error: np.ndarray
    near: np.ndarray
    differ: np.ndarray

    @property
    def unexplained(self) -> np.ndarray:
        """Queries that were shown something else without a near-tie (*b, T): one of the runs selects wrongly."""
        return self.differ & ~self.near


def near_ties(stack: Stack, one: Forward, other: Forward, *, seq_idx: Any = None) -> tuple[Ties | None, ...]:
    """differ(t) implies near(t): places(t) differ only where statistics within |s' - s| leave a choice.

    Parameters
    ----------
    stack : Stack
        The stack.
    one, other : Forward
        What it made of the same tokens in two ways, such as two modes.
    seq_idx : array_like of int, optional
        Document of each token (*b, T), if there are several.

    Returns
    -------
    tuple
        `Ties` for every block with an innovation test, None for the others.

    Raises
    ------
    ShapeError
        If the runs are not those of this stack, or of other tokens.

    Notes
    -----
    Where places differ in one block, the next one is given other tokens: its errors are no longer of the size of
    rounding, and what they explain says less.  The first block that differs is the one to look at.
    """
    if not len(stack.blocks) == len(one.layers) == len(other.layers) or one.logits.shape != other.logits.shape:
        raise ShapeError(
            f"runs of {len(one.layers)} and {len(other.layers)} blocks with logits {one.logits.shape} and "
            f"{other.logits.shape} given; two runs of this stack of {len(stack.blocks)} on the same tokens are needed"
        )
    found: list[Ties | None] = []
    for block, a, b in zip(stack.blocks, one.layers, other.layers, strict=True):
        test = block.mixer.test if isinstance(block.mixer, BMojo) else None
        if test is None or a is None or b is None:
            found.append(None)
            continue
        error = abs(b.surprise - a.surprise)
        near = ~certain(a.surprise, error, test.selection, seq_idx=seq_idx)
        found.append(Ties(error, near, (a.places != b.places).any(-1)))
    return tuple(found)
