"""A whole sequence through a layer: by the definition, in chunks, and memory by memory.

The tokens that are kept are the same in all modes, and in the decoding of `decode`, index by index; the values
agree within their bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.layers.attention import embed, whole
from realization.layers.bmojo.front import Carried, Front, front
from realization.layers.bmojo.model import BMojo
from realization.layers.bmojo.streams import output, scale, sources, streams, weight
from realization.layers.maps import linear
from realization.layers.readout import Read, merge, readout
from realization.layers.readout.kernel import kernel


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reading(Sealed):
    """What a layer makes of tokens.

    Parameters
    ----------
    y : ndarray
        Outputs (*b, T, d).
    surprise : ndarray
        Statistic of each token (*b, T), 0 without a test.
    places : ndarray of int
        Selected tokens that each query sees, newest first, as indices since the start of the stream; -1 for an
        empty place, (*b, T, M).
    admitted : ndarray of bool
        Whether a token was admitted to the memory (*b, T).
    """

    y: np.ndarray
    surprise: np.ndarray
    places: np.ndarray
    admitted: np.ndarray


def reading(y: np.ndarray, front: Front) -> Reading:
    """The result of a block."""
    return Reading(y, front.surprise, front.places, front.admitted)


def sequential(layer: BMojo, x: Any, *, seq_idx: Any = None) -> Reading:
    """y(i) = Wo sum_j p(i, j) v(j) + bo, token by token: the definition of the layer.

    Parameters
    ----------
    layer : BMojo
        The layer.
    x : array_like
        Tokens (*b, T, d).
    seq_idx : array_like of int, optional
        Document of each token (*b, T); none is seen by another, and all that is remembered begins afresh.

    Returns
    -------
    Reading
        Outputs and selected tokens.

    Raises
    ------
    ShapeError
        If a shape does not fit, or a token is NaN or infinite.
    """
    now = front(layer, np.asarray(x)[..., :0, :], None, None if seq_idx is None else np.asarray(seq_idx)[..., :0])
    x = np.asarray(x)
    *batch, T, d = x.shape
    y, past, found = np.zeros((math.prod(batch), T, d)), [Past(layer) for _ in range(math.prod(batch))], [now]
    for t in range(T):
        step = slice(t, t + 1)
        now = front(layer, x[..., step, :], now.carried, None if seq_idx is None else np.asarray(seq_idx)[..., step])
        found.append(now)
        u, f, places = (a.reshape(len(past), a.shape[-1]) for a in (now.tokens, now.fading, now.places))
        for b, start in enumerate(now.start.ravel()):
            y[b, t] = past[b].read(u[b], f[b], t, int(start), places[b])
    whole = (np.concatenate([getattr(part, name) for part in found], axis=len(batch)) for name in Reading.__slots__[1:])
    return Reading(y.reshape(x.shape), *whole)


class Past:
    """Keys and values of one row so far, and how the next token reads them."""

    def __init__(self, layer: BMojo) -> None:
        self.layer = layer
        self.k, self.v, self.k_slot, self.k_fading, self.v_fading = ([] for _ in range(5))  # type: ignore[var-annotated]

    def read(self, u: np.ndarray, f: np.ndarray, i: int, start: int, places: np.ndarray) -> np.ndarray:
        """Append token i, and read what it sees."""
        layer, p = self.layer, i - start
        q, q_slot = self.head("query", "", u, p), self.head("query", "", u, None if not layer.slot_positions else p)
        self.k.append(self.head("key", "", u, p))
        self.k_slot.append(self.head("key", "", u, None if not layer.slot_positions else p))
        self.v.append(self.head("value", "", u))
        window = range(start if layer.window is None else max(start, i - layer.window + 1), i + 1)
        kept = [j for j in places if j >= 0]
        z = [self.scores(q, [self.k[j] for j in window]), self.scores(q_slot, [self.k_slot[j] for j in kept])]
        v = [self.v[j] for j in window] + [self.v[j] for j in kept]
        if layer.width:
            self.k_fading.append(self.head("key", "fading_", f, p))
            self.v_fading.append(self.head("value", "fading_", f))
            fading = range(max(start, i - layer.lag - layer.width + 1), i - layer.lag + 1)
            z.append(self.scores(self.head("query", "fading_", u, p), [self.k_fading[j] for j in fading]))
            v += [self.v_fading[j] for j in fading]
        return self.softmax(np.concatenate(z, axis=1), v)

    def head(self, name: str, prefix: str, x: np.ndarray, position: int | None = None) -> np.ndarray:
        """W x + b for each head, normalised, and turned to its position; values are neither."""
        layer = self.layer
        W, b = (weight(layer, prefix, f"{name}_{part}") for part in ("weight", "bias"))
        y = W @ x if b is None else W @ x + b
        if name == "value":
            return y
        norm, rotary = weight(layer, prefix, f"{name}_norm"), None if position is None else layer.rotary
        tables = (None, None) if rotary is None else rotary.at(np.array([position]))
        return np.array([embed(row, 0, tables, rotary and rotary.interleaved, norm, layer.norm_eps) for row in y])

    def scores(self, q: np.ndarray, keys: list[np.ndarray]) -> np.ndarray:
        """Scale times q'k (h, number of keys); groups of heads share a key."""
        h, g = len(q), self.layer.key_weight.shape[0]
        k = np.array(keys).reshape(len(keys), g, q.shape[1]).repeat(h // g, axis=1)
        return scale(self.layer) * (k * q).sum(-1).T

    def softmax(self, z: np.ndarray, values: list[np.ndarray]) -> np.ndarray:
        """Wo sum_j p(j) v(j) + bo with p(j) = exp z(j) / sum exp z."""
        layer, (h, n) = self.layer, z.shape
        g, width = layer.value_weight.shape[:2]
        v = np.array(values).reshape(n, g, width).repeat(h // g, axis=1)
        e = np.exp(z - z.max(axis=1, keepdims=True, initial=-np.inf)) if n else z
        p = e / e.sum(axis=1, keepdims=True) if n else z
        y = np.einsum("dhv, hv -> d", layer.output_weight, np.einsum("hn, nhv -> hv", p, v))
        return y if layer.output_bias is None else y + layer.output_bias


def chunked(layer: BMojo, x: Any, *, chunk: int = 64, seq_idx: Any = None) -> Reading:
    """Return the outputs of chunks of queries against window, selected and fading tokens, by compiled code.

    Parameters
    ----------
    layer : BMojo
        The layer.
    x : array_like
        Tokens (*b, T, d).
    chunk : int
        Queries that are computed at once, at least 1; nothing depends on it but rounding.
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
    x, seq_idx = np.asarray(x), None if seq_idx is None else np.asarray(seq_idx)
    carried: Carried | None = None
    found: list[Front] = []
    for t in range(0, max(x.shape[-2], 1), chunk):
        steps = slice(t, t + chunk)
        found.append(front(layer, x[..., steps, :], carried, None if seq_idx is None else seq_idx[..., steps]))
        carried = found[-1].carried
    names = [name for name in Front._fields if name != "carried"]
    return Front(
        **{name: np.concatenate([getattr(part, name) for part in found], axis=x.ndim - 2) for name in names},
        carried=found[-1].carried,
    )


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
