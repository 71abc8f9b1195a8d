"""Which tokens a memory keeps, as an op: statistics in, places out.

    places(t) = what the memory shows to query t, newest first, of the tokens j <= t - window; -1 for an empty place

Its output is a matter of bits: two kernels that are given the same statistics keep the same tokens.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.core.ops import Op, operation
from realization.layers.bmojo import cases
from realization.layers.bmojo.eidetic import eidetic
from realization.layers.bmojo.eidetic.faults import CONVENTIONS
from realization.layers.readings import complete
from realization.memory.selection import Selection
from realization.memory.selection.direct import direct as one_row

SIGNATURE = "surprise: *b T; seq_idx?: *b T -> places: *b T m"


class Places(NamedTuple):
    """Positions of the tokens that each query sees (*b, T, m), -1 for none."""

    places: np.ndarray


@operation(SIGNATURE, integers=("seq_idx",))
def selected_tokens(
    *, surprise: Any, capacity: int, seq_idx: Any = None, rule: str = "running-top", threshold: float | None = None,
    count: int | None = None, eviction: str = "smallest", visibility: str = "next-chunk", chunk: int = 64,
    entry: str = "arrival", window: int = 0, seed: int = 0,
) -> Places:  # fmt: skip
    """places(t) = the tokens j <= t - window in the memory that query t sees, newest first; -1 for an empty place.

    Parameters
    ----------
    surprise : array_like
        Statistics of the tokens, (*b, T).
    capacity : int
        m, the number of places.
    seq_idx : array_like of int, optional
        Document of each step, (*b, T): at every change the memory begins empty.
    rule, threshold, count, eviction, visibility, chunk, entry, window, seed
        As for `Selection`.

    Returns
    -------
    Places
        places (*b, T, m) of integers.  The statistics have no gradient.

    Raises
    ------
    ShapeError
        If a shape or an option does not fit, or a statistic is NaN.

    Examples
    --------
    A memory of two that all may enter as they leave a window of one, first in first out:

    >>> order = {"eviction": "fifo", "visibility": "at-once", "entry": "leaving"}
    >>> read = selected_tokens(surprise=np.ones(4), capacity=2, rule="threshold", threshold=0.0, window=1, **order)
    >>> read.places.tolist()
    [[-1, -1], [0, -1], [1, 0], [2, 1]]
    """
    choice = Selection(capacity, rule, threshold, count, eviction, visibility, chunk, entry, window, seed)
    return Places(eidetic(surprise=surprise, selection=choice, seq_idx=seq_idx).places)


def direct(*, surprise, seq_idx=None, **choice) -> Places:
    """Row by row, from the definition."""
    selection, places = Selection(**choice), np.full((*surprise.shape, choice["capacity"]), -1)
    for row in np.ndindex(surprise.shape[:-1]):
        names = None if seq_idx is None else np.asarray(seq_idx)[row].tolist()
        seen = one_row(surprise[row].tolist(), selection, names)
        places[row] = np.array(seen, int).reshape(places[row].shape)
    return Places(places)


SELECT = complete(
    Op(
        name="select",
        title="Selection of the tokens that a memory keeps verbatim",
        signature=SIGNATURE,
        definition=selected_tokens,
        kernel=selected_tokens,  # compiled as it is
        direct=direct,
        cases=cases.select_cases,
        regimes=cases.REGIMES,
        options=cases.SELECT_OPTIONS,
        properties=("causality", "packed", "batch", "repeat", "rough"),
        envelope=dict,
        whole=("places",),
        swaps=CONVENTIONS,
        typical="generic",
        reference="Zancato et al. 2024, arXiv 2407.06324; Vitter 1985 (reservoir)",
    )
)
