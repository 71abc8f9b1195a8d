"""Which keys a query sees: index arrays (T, W), negative for none.

Query t of T stands at position i = t + S - T, for the queries are the last of S tokens: a prompt has S = T,
one step of decoding T = 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import where


def band(T: int, S: int, width: int | None, *, shift: int = 0, first: Any = None) -> np.ndarray:
    """The keys i - shift - width + 1 ... i - shift of the query at position i.

    Parameters
    ----------
    T, S : int
        Queries and keys, T <= S.
    width : int, optional
        Length of the window, the current token included.  Default: all that is past.
    shift : int
        Tokens by which the window lies back.
    first : ndarray of int, optional
        First step of the sequence of each position, (S,) or (*b, S): no key of another sequence is seen.

    Returns
    -------
    ndarray
        (T, min(width, S - shift)), with the batch axes of `first`.

    Examples
    --------
    >>> band(4, 4, 2).tolist(), band(1, 4, 2, shift=2).tolist()
    ([[-1, 0], [0, 1], [1, 2], [2, 3]], [[0, 1]])
    """
    positions = np.arange(S - T, S)
    reach = max(S - shift, 0)
    places = (positions - shift)[:, None] - np.arange(reach if width is None else min(width, reach))[::-1]
    first = np.zeros(S, int) if first is None else first
    return np.where(places >= first[..., S - T :, None], places, -1)


def starts(offsets: Any, S: int) -> np.ndarray:
    """First step of the sequence of each step; S for steps outside of all sequences."""
    offsets = np.asarray(offsets)
    sequence = np.searchsorted(offsets, np.arange(S), side="right") - 1
    return np.where(sequence < len(offsets) - 1, offsets[np.maximum(sequence, 0)], S)


def with_selected(places: np.ndarray, selected: np.ndarray, S: int, first: Any = None) -> np.ndarray:
    """Append selected keys (*b, T, M); a key counts once: j stands as -2 - j where it is shown or selected already.

    Raises
    ------
    ShapeError
        If an index is none of -1 ... position of the query, or lies in another packed sequence.
    """
    T = places.shape[-2]
    positions = np.arange(S - T, S)[:, None]
    first = np.zeros(S, int) if first is None else first
    wrong = (selected < -1) | (selected > positions) | ((selected >= 0) & (selected < first[S - T :, None]))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ShapeError(
            f"selected{list(place)} is {int(selected[place])}; query {place[-2]} stands at position "
            f"{int(positions[place[-2], 0])} and may select keys of its own sequence up to there, or -1 for none"
        )
    shown = (selected[..., :, None] == places[..., None, :]).any(-1)
    earlier = np.tril(np.ones((selected.shape[-1],) * 2, bool), -1)
    again = ((selected[..., :, None] == selected[..., None, :]) & earlier).any(-1)
    selected = np.where((shown | again) & (selected >= 0), -2 - selected, selected)
    return np.concatenate([np.broadcast_to(places, (*selected.shape[:-1], places.shape[-1])), selected], axis=-1)


def tokens(x: Any, places: np.ndarray, behind: int = 2) -> Any:
    """The entries of x (B, S, ...) at places (B|1, T, W), of any number type; 0 for none."""
    B, S = x.shape[:2]
    rows = np.arange(B)[:, None, None] * S + np.maximum(places, 0)
    found = x.reshape(B * S, *x.shape[2 : 2 + behind])[rows]
    there = (places >= 0)[(..., *(None,) * behind)]
    return found if there.all() else where(there, found, 0)  # what is not seen may be NaN
