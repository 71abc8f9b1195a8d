"""The read-out as compiled loops over float64 arrays, source by source, and their merge: the reading for speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from realization._kernels.views import entry
from realization.layers.readout import Read, Source
from realization.layers.readout.definition import merged


def kernel(*, sources: Sequence[Source], scale: float, softcap: float | None = None, sink: Any = None) -> Read:
    """Read out with compiled code; arguments as for `readout`, arrays of floats only.

    Parameters
    ----------
    sources : sequence of Source
        As for `readout`; the sink goes with the first.
    scale, softcap, sink
        As for `readout`.

    Returns
    -------
    Read
        y and lse.
    """
    parts = [_part(source, scale, softcap, sink if i == 0 else None) for i, source in enumerate(sources)]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Read]) -> Read:
    """`merge`, compiled: the bits of a query depend on this query alone."""
    from realization._kernels.readout import join

    *lead, V = parts[0].y.shape
    P, N = len(parts), math.prod(lead)
    ys, sums = (np.stack(x) for x in zip(*parts, strict=True))
    y, lse = np.zeros((N, V)), np.empty(N)
    join(y, lse, entry(ys.reshape(P, N, V)), entry(sums.reshape(P, N)))
    return Read(y.reshape(*lead, V), lse.reshape(lead))


def _part(source: Source, scale: float, softcap: float | None, sink: Any) -> Read:
    from realization._kernels.readout import read_out  # loads numba

    s = merged(source)
    B, T, H, _ = s.query.shape
    y, lse = np.zeros((B, T, H, s.value.shape[-1])), np.empty((B, T, H))
    arrays = (entry(x) for x in (s.query, s.key, s.value, s.places, s.bias, sink))
    read_out(y, lse, *arrays, float(scale), None if softcap is None else float(softcap))
    batch = source.query.shape[:-3]
    return Read(y.reshape(*batch, *y.shape[1:]), lse.reshape(*batch, *lse.shape[1:]))
