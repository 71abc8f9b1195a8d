"""How long a token stays: from the first query that sees it in the memory to the last."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import array


class Spans(NamedTuple):
    """Tokens that some query sees in the memory, oldest first, each from its first query to its last.

    Parameters
    ----------
    token, first, last : ndarray of int64
        (k,): seen is token[i] by the queries first[i], ..., last[i], all of them.
    """

    token: np.ndarray
    first: np.ndarray
    last: np.ndarray


def spans(places: Any) -> Spans:
    """When each token is seen in the memory: the bars of a figure of its places over time.

    Parameters
    ----------
    places : array_like of int
        (T, M), as `select` gives them for one sequence.

    Returns
    -------
    Spans
        token, first and last (k,); a token comes once, since one that has left does not come back.

    Raises
    ------
    ShapeError
        If places have other axes, or are no whole numbers.

    Examples
    --------
    >>> from realization.memory.selection import Selection, select
    >>> run = select([3.0, 1.0, 2.0, 2.0, 9.0], Selection(2, visibility="at-once"))
    >>> [x.tolist() for x in spans(run.places)]
    [[0, 1, 2, 4], [0, 1, 2, 4], [4, 1, 3, 4]]
    """
    places = array("places", places)
    if places.ndim != 2 or (places.dtype.kind not in "iu" and places.size):
        raise ShapeError(
            f"places has shape {places.shape} and dtype {places.dtype}, but whole numbers (T, M) of one sequence are "
            "needed"
        )
    t, place = np.nonzero(places >= 0)
    j = places[t, place].astype(np.int64)
    token, first = np.unique(j, return_index=True)
    _, last = np.unique(j[::-1], return_index=True)
    return Spans(token, t[first], t[::-1][last])
