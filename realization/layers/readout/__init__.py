"""The second core: a softmax read-out over a set of keys.

    z(t, j) = cap tanh(scale q(t)'k(j) / cap) + b(t, j),      p(t, j) = exp(z(t, j) - lse(t))
    y(t) = sum_j p(t, j) v(j),      lse(t) = log( sum_j exp z(t, j) + exp(sink) )

Sums run over the keys that a query sees, of one source or of several (a window of tokens, selected
tokens, what fading memory has made of older ones): one softmax over their union.  A sink is a logit
without a value.  Where nothing is seen y = 0 and lse = -inf.

One file per reading: `definition` (arrays, exact objects, `DD`), `bound` (`Err`), `adjoint` (`Tape`),
`kernel` (compiled).  `merge` is the second route: the read-outs of the parts of any partition of the
keys determine that of their union.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from realization.core.functions import exp, log1p, plain, stack, where
from realization.layers.cores import core


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Keys and values, and which of them each query sees.

    Parameters
    ----------
    key, value : array
        (*b, S, G, K) and (*b, S, G, V); G divides the number H of heads, head h uses group h // (H // G).
    places : ndarray of int
        (T, W) or (*b, T, W): indices into S of the keys that query t sees, negative for none.
    query : array
        (*b, T, H, K).
    bias : array, optional
        Added to the scores, (H|1, T, S) or (*b, H|1, T, S); -inf hides a key.
    """

    key: Any
    value: Any
    places: np.ndarray
    query: Any
    bias: Any = None

    def numbers(self) -> Iterator[Any]:
        """The arrays of numbers."""
        return (getattr(self, f.name) for f in fields(self) if f.name != "places")


class Read(NamedTuple):
    """Outputs (*b, T, H, V) and the logarithm of the sum of exponentials (*b, T, H)."""

    y: Any
    lse: Any


@core
def readout(*, sources: Sequence[Source], scale: float, softcap: float | None = None, sink: Any = None) -> Read:
    """y(t) = sum_j p(t, j) v(j),  p = softmax of cap tanh(scale q'k / cap) + b over all sources and the sink.

    Parameters
    ----------
    sources : sequence of Source
        At least one; they agree in batch, T, H and V.
    scale : float
        Factor of the scores; 0 gives the mean of the values seen.
    softcap : float, optional
        Bound of the scores.  Default: none.
    sink : array, optional
        A logit per head (H,) that takes part in the sum and has no value.

    Returns
    -------
    Read
        y and lse.

    Notes
    -----
    The number type of the arguments chooses the reading.

    References
    ----------
    Vaswani et al. 2017, arXiv 1706.03762, equation 1; Milakov and Gimelshein 2018, arXiv 1805.02867 (online
    normaliser); Xiao et al. 2023, arXiv 2309.17453 (sinks).

    Examples
    --------
    Equal scores give the mean of what is seen, here the last two of three tokens:

    >>> from realization.layers.readout.places import band
    >>> q, v = np.zeros((3, 1, 1)), np.array([1.0, 3.0, 7.0]).reshape(3, 1, 1)
    >>> readout(sources=[Source(q, v, band(3, 3, 2), q)], scale=1.0).y.ravel().tolist()
    [1.0, 2.0, 5.0]
    """
    numbers = [x for source in sources for x in source.numbers()] + [sink]
    readings = {getattr(type(x), "reading", "definition") for x in numbers} - {"definition", "certified"}
    reading = next(iter(readings), "definition")
    read: Read = import_module(f"{__name__}.{reading}").run(tuple(sources), scale, softcap, sink)
    return read


def merge(parts: Sequence[Read]) -> Read:
    """y = sum_i w_i y_i / sum_i w_i with w_i = exp(lse_i - m),  lse = m + log sum_i w_i,  m = max lse_i.

    Parameters
    ----------
    parts : sequence of Read
        Read-outs of the parts of a partition of the keys; a part that is empty has lse = -inf and counts 0.

    Returns
    -------
    Read
        That of the union; 0 and -inf where all parts are empty.

    Examples
    --------
    >>> empty = Read(np.zeros((1, 1, 2)), np.full((1, 1), -np.inf))
    >>> merge([empty, empty]).y.tolist(), merge([empty, empty]).lse.tolist()
    ([[[0.0, 0.0]]], [[-inf]])
    """
    y, lse = stack([part.y for part in parts], axis=0), stack([part.lse for part in parts], axis=0)
    w, top, empty = weights(lse, real_part(lse) != -np.inf, axis=0)  # NaN is passed on
    total = w.sum(0)
    y = (w[..., None] * y).sum(0) / where(empty, 1.0, total)[..., None]
    return Read(y, log_sum(total, top, empty))


def weights(z: Any, seen: np.ndarray, axis: int) -> tuple[Any, Any, Any]:
    """exp(z - m) where seen and 0 elsewhere, m = max of z over what is seen (a plain number), where nothing is."""
    empty = ~seen.any(axis)
    top = np.where(empty, 0.0, np.where(seen, real_part(z), -np.inf).max(axis, initial=-np.inf))
    shift = np.broadcast_to(np.expand_dims(top, axis), seen.shape)
    return where(seen, exp(where(seen, z, shift) - shift), 0.0), top, empty


def log_sum(total: Any, top: np.ndarray, empty: np.ndarray) -> Any:
    """m + log(sum of exp(z - m)): the largest term is 1, so log(1 + rest) loses nothing."""
    return where(empty, -np.inf, log1p(where(empty, 1.0, total) - 1.0) + top)


def real_part(x: Any) -> np.ndarray:
    """Plain real numbers next to those of x: what is decided by them (a shift, a mask) changes no result."""
    return np.asarray(np.real(plain(x)), dtype=float)
