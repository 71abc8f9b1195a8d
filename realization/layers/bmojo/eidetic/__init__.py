"""The third core: which tokens are kept verbatim, and which of them each query sees.

    places(t) = what the memory shows to query t, newest first, of the tokens j <= t - window; -1 for an empty place

The statistics decide, and nothing else of them is used: no gradient flows through a selection.  Where the error that
a claim allows in the statistics could give other places, these are *undecided*, and what is computed from
them has no bound.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.layers.bmojo.by_hand import by_hand
from realization.layers.cores import core
from realization.layers.readout import real_part
from realization.memory.selection import Selection


class Kept(NamedTuple):
    """Places (*b, T, M), and whether they are undecided (*b, T)."""

    places: np.ndarray
    undecided: np.ndarray


@core
def eidetic(*, surprise: Any, selection: Selection, seq_idx: np.ndarray | None = None) -> Kept:
    """Places of the tokens that each query sees in the memory.

    Parameters
    ----------
    surprise : array
        Statistics (*b, T), of any number type.
    selection : Selection
        How the memory is filled.
    seq_idx : ndarray of int, optional
        Document of each step (*b, T): at every change the memory is empty again.

    Returns
    -------
    Kept
        Places, and undecided where the error of the statistics matters.

    Examples
    --------
    The two largest so far, of equals the older; query 3 no longer sees token 0:

    >>> s = np.array([1.0, 2.0, 2.0, 3.0])
    >>> eidetic(surprise=s, selection=Selection(2, visibility="at-once")).places.tolist()
    [[0, -1], [1, 0], [2, 1], [3, 2]]
    """
    s = real_part(surprise)
    places = by_hand(s, selection, seq_idx)
    return Kept(places, np.zeros(s.shape, bool))
