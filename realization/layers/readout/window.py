"""A window read back from the places that it has become, so that it can be another one.

The first columns of `places` stand at fixed lags behind the position of the query, the oldest first; where an
earlier key is not shown though there is one, a packed sequence begins.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from realization.layers.readout import Source


class Window(NamedTuple):
    """A band of places: lags oldest ... youngest behind the position of the query."""

    columns: int
    oldest: int
    starts: np.ndarray  # first key of the sequence of each position, (*b|, S), as far as the band shows it
    outside: np.ndarray  # queries that lie in no sequence, (*b|, T, 1)

    @property
    def youngest(self) -> int:
        """Lag of the last column."""
        return self.oldest - self.columns + 1


def positions(source: Source) -> np.ndarray:
    """Of the queries, the last T of S tokens, (T, 1)."""
    T, S = source.places.shape[-2], source.key.shape[-3]
    return np.arange(S - T, S)[:, None]


def window(source: Source) -> Window | None:
    """The band that the places of a source begin with; None where nothing is seen."""
    places, S = source.places, source.key.shape[-3]
    seen = places >= 0
    if not seen.any():
        return None
    lags = positions(source) - places + np.arange(places.shape[-1])  # of the first column, in a band the same for all
    by_column = tuple(range(places.ndim - 1))
    met = np.asarray(seen.any(by_column))
    first = int(np.argmax(met))
    oldest = int(lags[..., first][seen[..., first]][0])
    agrees = np.asarray((~seen | (lags == oldest)).all(by_column))
    length = places.shape[-1] if agrees.all() else int(np.argmin(agrees))
    columns = 1 + int(np.flatnonzero(met[:length])[-1])
    seen = seen[..., :columns]
    cut = ~seen & (positions(source) - oldest + np.arange(columns) >= 0)
    inside, cuts = np.asarray(seen.any(-1)), np.asarray(cut.any(-1))
    begin = np.where(cuts & inside, np.where(seen, places[..., :columns], S).min(-1), 0)
    before = np.zeros((*begin.shape[:-1], S - begin.shape[-1]), int)
    starts = np.maximum.accumulate(np.concatenate([before, begin], axis=-1), axis=-1)
    return Window(columns, oldest, starts, (cuts & ~inside)[..., None])


def sees(source: Source, band: Window, oldest: int, youngest: int) -> Source:
    """The source with a band of other lags; keys beside the band stay, and count once."""
    i, S = positions(source), source.key.shape[-3]
    j = i - np.arange(youngest, min(oldest, S - 1) + 1)[::-1]
    there = (j >= 0) & (j < S) & ~band.outside
    later = np.clip(np.maximum(i, j), 0, S - 1)
    places = np.where(there & (np.take(band.starts, later, axis=-1) <= np.minimum(i, j)), j, -1)
    rest = source.places[..., band.columns :]
    rest = np.where((rest[..., :, None] == places[..., None, :]).any(-1), -1, rest)
    return dataclasses.replace(source, places=np.concatenate([places, rest], axis=-1))
