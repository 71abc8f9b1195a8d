"""The key sets of B'MOJO: raw tokens of a window, selected raw tokens, fading tokens; each with its query.

    raw        j in [i - window + 1, i]                     scores q(i)'k(j),     values v(j)
    selected   j in places(i), all of them <= i - window    scores q(i)'k(j),     values v(j)
    fading     j in [i - lag - width + 1, i - lag]          scores q~(i)'k~(j),   values v~(j)

of the document that i lies in.  B'MOJO-F is lag = width = window without selected tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.layers.attention import positioned
from realization.layers.maps import rotary
from realization.layers.readout import Source
from realization.layers.readout.places import band

FADING = ("fading_query", "fading_key", "fading_query_norm", "fading_key_norm")


class Reach(NamedTuple):
    """Which tokens a query sees.

    Parameters
    ----------
    window : int
        Of the raw tokens, the current one included.
    lag, width : int
        Of the fading tokens: how far their window lies back, and how long it is.
    places : ndarray of int, optional
        Selected tokens (*b, T, M), -1 for none.
    first : ndarray of int, optional
        First step of the document of each position, (*b, S).
    turned : bool
        Whether selected keys have rotary positions, those of their tokens.
    """

    window: int
    lag: int
    width: int
    places: np.ndarray | None = None
    first: np.ndarray | None = None
    turned: bool = True


def union(
    reach: Reach, *, query, key, value, fading_query, fading_key, fading_value, cos, sin, interleaved, query_norm,
    key_norm, fading_query_norm, fading_key_norm, norm_eps,
) -> tuple[Source, ...]:  # fmt: skip
    """Sources of raw and selected tokens, of fading ones, and of selected ones where these have no positions."""
    T, S = query.shape[-3], key.shape[-3]
    tables = (cos, sin, interleaved)
    q, k = positioned(query, key, *tables, query_norm, key_norm, norm_eps)
    apart = cos is not None and not reach.turned
    shown = band(T, S, reach.window, first=reach.first)
    found = [Source(k, value, shown if reach.places is None or apart else beside(shown, reach.places), q)]
    if fading_key is not None:
        q, k = positioned(
            query if fading_query is None else fading_query, fading_key, *tables,
            query_norm if fading_query_norm is None else fading_query_norm,
            key_norm if fading_key_norm is None else fading_key_norm, norm_eps,
        )  # fmt: skip
        found.append(Source(k, fading_value, band(T, S, reach.width, shift=reach.lag, first=reach.first), q))
    if reach.places is not None and apart:
        q, k = positioned(query, key, None, None, interleaved, query_norm, key_norm, norm_eps)
        found.append(Source(k, value, reach.places, q))
    return tuple(found)


def slotted(number: Callable[[np.ndarray], np.ndarray], reach: Reach, *, cos, sin, interleaved, **streams):
    """The same of a kernel that turns a selected key by the number of its slot: a source for each slot.

    `number` gives the slots (*b, T, M) of places.
    """
    if reach.places is None or cos is None or not reach.turned:
        raise ShapeError("no selected key is turned: there is no memory, or there are no positions")
    rest = union(reach._replace(places=None), cos=cos, sin=sin, interleaved=interleaved, **streams)
    _, key = positioned(streams["query"], streams["key"], None, None, interleaved, None, streams["key_norm"],
                        streams["norm_eps"])  # fmt: skip
    slots = number(reach.places)
    found = [
        Source(rotary(key, cos[..., m : m + 1, :], sin[..., m : m + 1, :], interleaved), streams["value"],
               np.where(slots == m, reach.places, -1), rest[0].query)
        for m in range(min(reach.places.shape[-1], key.shape[-3]))
    ]  # fmt: skip
    return (*rest, *found)


def newest_first(places: np.ndarray) -> np.ndarray:
    """Slots in the order of the places."""
    return np.broadcast_to(np.arange(places.shape[-1]), places.shape)


def oldest_first(places: np.ndarray) -> np.ndarray:
    """Slots in the order of the tokens."""
    return (places >= 0).sum(-1, keepdims=True) - 1 - np.arange(places.shape[-1])


def beside(shown: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places of the window, then the selected ones, which lie before it."""
    return np.concatenate([np.broadcast_to(shown, (*places.shape[:-1], shown.shape[-1])), places], axis=-1)


def check_fading(fading_query: Any, fading_key: Any, fading_value: Any) -> None:
    """Refuse fading keys without values, and a query for keys that do not come.

    Raises
    ------
    ShapeError
        With what is missing.
    """
    if (fading_key is None) != (fading_value is None):
        missing = "fading_key" if fading_key is None else "fading_value"
        raise ShapeError(f"{missing} is missing; fading keys and values, or neither, are needed")
    if fading_key is None and fading_query is not None:
        raise ShapeError("fading_query was given without fading_key; its keys are needed, or leave it out")
