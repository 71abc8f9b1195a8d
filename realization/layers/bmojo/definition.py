"""The layer by its definition: token by token, in the letters of `model`.

All else that computes a layer keeps the same tokens, index by index, and has the same values within its bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.layers.attention import embed
from realization.layers.bmojo.front import Front, front, given
from realization.layers.bmojo.model import BMojo
from realization.layers.bmojo.streams import scale, weight


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
    """The result of a block.

    Raises
    ------
    StructureError
        If an output is not finite.
    """
    if not np.isfinite(y).all():
        raise StructureError(
            f"{int((~np.isfinite(y)).sum())} outputs are NaN or infinite: tokens before the projections reach "
            f"{np.abs(front.tokens).max():.1e}, and scores or values exceed 1.8e308; scale tokens or weights down"
        )
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
    x, seq_idx = given(layer, x, seq_idx)
    rows = [_row(layer, x[b], None if seq_idx is None else seq_idx[b]) for b in np.ndindex(*x.shape[:-2])]
    if not rows:
        return reading(x, front(layer, x, None, seq_idx))
    parts = (np.array([getattr(row, name) for row in rows]) for name in Reading.__slots__)
    return Reading(*(part.reshape(x.shape[:-2] + part.shape[1:]) for part in parts))


def _row(layer: BMojo, x: np.ndarray, seq_idx: np.ndarray | None) -> Reading:
    """One sequence (T, d)."""
    now = front(layer, x[:0], None, None if seq_idx is None else seq_idx[:0])
    found, past = [reading(x[:0], now)], [[], [], []]  # type: ignore[var-annotated]
    for i in range(len(x)):
        step = slice(i, i + 1)
        now = front(layer, x[step], now.carried, None if seq_idx is None else seq_idx[step])
        z, v = [], []
        for (prefix, source, position, seen), held in zip(_memories(layer, now, i), past, strict=False):
            held.append([_heads(layer, prefix, name, source, position) for name in ("key", "value")])
            q = _heads(layer, prefix, "query", now.tokens[0], position)
            z += [scale(layer) * (q * held[j][0]).sum(-1) for j in seen]
            v += [held[j][1] for j in seen]
        y = np.einsum("dhv, hv -> d", layer.output_weight, _mean(z, v, layer))
        found.append(reading((y if layer.output_bias is None else y + layer.output_bias)[None], now))
    return Reading(*(np.concatenate([getattr(part, name) for part in found]) for name in Reading.__slots__))


def _memories(layer: BMojo, now: Front, i: int) -> list[tuple[str, np.ndarray, int | None, Any]]:
    """Whose weights, of which token, at which position, and which tokens j query i sees; for each memory."""
    u, f, start = now.tokens[0], now.fading[0], int(now.start[0])
    oldest = start if layer.window is None else max(start, i - layer.window + 1)
    selected = [j for j in now.places[0] if j >= 0]
    found: list[tuple[str, np.ndarray, int | None, Any]] = [
        ("", u, i - start, range(oldest, i + 1)),
        ("", u, i - start if layer.slot_positions else None, selected),
    ]
    if layer.width:
        seen = range(max(start, i - layer.lag - layer.width + 1), i - layer.lag + 1)
        found.append(("fading_", f, i - start, seen))
    return found


def _heads(layer: BMojo, prefix: str, name: str, x: np.ndarray, position: int | None) -> np.ndarray:
    """W x + b for each head (h, k); queries and keys normalised, and turned where they have a position."""
    W, b = (weight(layer, prefix, f"{name}_{part}") for part in ("weight", "bias"))
    y: np.ndarray = W @ x if b is None else W @ x + b
    if name != "value":
        norm, rotary = weight(layer, prefix, f"{name}_norm"), None if position is None else layer.rotary
        tables = (None, None) if rotary is None else rotary.at(np.array([position]))
        y = np.array([embed(row, 0, tables, rotary and rotary.interleaved, norm, layer.norm_eps) for row in y])
    # the heads of a group share keys and values
    return y.repeat(layer.query_weight.shape[0] // len(y), axis=0)


def _mean(z: list[np.ndarray], v: list[np.ndarray], layer: BMojo) -> np.ndarray:
    """sum_j p(j) v(j) with p(j) = exp z(j) / sum exp z for each head; 0 where nothing is seen."""
    if not z:
        return np.zeros(layer.output_weight.shape[1:])
    e = np.exp(np.array(z) - np.max(z, axis=0))
    return np.einsum("jh, jhv -> hv", e / e.sum(0), np.array(v))
