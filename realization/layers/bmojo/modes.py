"""A whole sequence through a layer, in chunks, and memory by memory; and the bound of the values.

The tokens that are kept are the same as by the definition, index by index; the values agree within their bounds, and
those of chunks are the bits of a stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.layers.attention import whole
from realization.layers.bmojo.definition import Reading, reading
from realization.layers.bmojo.front import Front, front, given
from realization.layers.bmojo.model import BMojo
from realization.layers.bmojo.streams import output, scale, sources, streams
from realization.layers.maps import linear
from realization.layers.readout import Read, merge, readout
from realization.layers.readout.kernel import kernel


def chunked(layer: BMojo, x: Any, *, chunk: int = 64, seq_idx: Any = None) -> Reading:
    """Return the outputs of chunks of queries against window, selected and fading tokens, by compiled code.

    Parameters
    ----------
    layer : BMojo
        The layer.
    x : array_like
        Tokens (*b, T, d).
    chunk : int
        Queries that are computed at once, at least 1; no bit depends on it.
    seq_idx : array_like of int, optional
        Document of each token (*b, T).

    Returns
    -------
    Reading
        Outputs and selected tokens.

    Raises
    ------
    ShapeError
        As `sequential`, and for a chunk that is no positive whole number.
    """
    if not whole(chunk) or chunk < 1:
        raise ShapeError(f"chunk={chunk!r} given; a positive whole number of queries is needed")
    now = in_blocks(layer, x, chunk, seq_idx)
    s, T = streams(layer, now), now.time.size
    blocks = [slice(t, t + chunk) for t in range(0, max(T, 1), chunk)]
    parts = [output(layer, kernel(sources=sources(layer, now, s, b), scale=scale(layer))) for b in blocks]
    return reading(np.concatenate(parts, axis=-2), now)


def in_blocks(layer: BMojo, x: Any, chunk: int, seq_idx: Any = None) -> Front:
    """The front of a whole sequence, some tokens at a time."""
    x, seq_idx = given(layer, x, seq_idx)
    parts: list[Front] = []
    for t in range(0, max(x.shape[-2], 1), chunk):
        steps, carried = slice(t, t + chunk), parts[-1].carried if parts else None
        parts.append(front(layer, x[..., steps, :], carried, None if seq_idx is None else seq_idx[..., steps]))
    names = [name for name in Front._fields if name != "carried"]
    joined = {name: np.concatenate([getattr(part, name) for part in parts], axis=x.ndim - 2) for name in names}
    return Front(**joined, carried=parts[-1].carried)


def two_pass(layer: BMojo, x: Any, *, seq_idx: Any = None) -> Reading:
    """Return the outputs with each memory read by itself, and the read-outs merged by their logarithms.

    Parameters
    ----------
    layer : BMojo
        The layer.
    x : array_like
        Tokens (*b, T, d).
    seq_idx : array_like of int, optional
        Document of each token (*b, T).

    Returns
    -------
    Reading
        Outputs and selected tokens.

    Raises
    ------
    ShapeError
        As `sequential`.
    """
    now = front(layer, x, None, seq_idx)
    parts = [readout(sources=(s,), scale=scale(layer)) for s in sources(layer, now, streams(layer, now))]
    return reading(output(layer, merge(parts)), now)


def bound(layer: BMojo, x: Any, *, seq_idx: Any = None, claim: Claim | None = None) -> Any:
    """Return outputs with a bound of the error of a kernel that is given the right fading and selected tokens.

    Parameters
    ----------
    layer : BMojo
        The layer.
    x : array_like
        Tokens (*b, T, d).
    seq_idx : array_like of int, optional
        Document of each token (*b, T).
    claim : Claim, optional
        Its arithmetic.  Default: float64, three memories merged, as the modes of this module have it.

    Returns
    -------
    Err
        value and error, (*b, T, d).
    """
    from realization.certify.err import Err

    claim = Claim(io="float64", accumulate="float64", splits=3) if claim is None else claim
    now = front(layer, x, None, seq_idx)
    lifted = now._replace(tokens=Err(now.tokens, claim=claim), fading=Err(now.fading, claim=claim))
    read: Read = readout(sources=sources(layer, lifted, streams(layer, lifted, linear)), scale=scale(layer))
    return output(layer, read, linear)
