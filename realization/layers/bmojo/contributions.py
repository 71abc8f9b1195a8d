"""What each token of the past contributes to one answer: through the window, the eidetic memory, the fading one.

    raw and selected tokens   p(i, j)
    fading tokens             sum_j p~(i, j) r(j, s),     r(j, s) = |a(j) ... a(s+1) w(s)| over its sum over s

for the mixer's states s(t) = a(t) o s(t-1) + w(t): r says how much of the state behind a fading token is due to each
token before it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.layers.bmojo.front import front
from realization.layers.bmojo.model import BMojo
from realization.layers.bmojo.streams import scale, sources, streams
from realization.layers.fading.mixer import FadingMixer
from realization.layers.readout import Source, readout


class Share(NamedTuple):
    """Tokens (n,), ascending, and their weights (n,), the mean over the heads."""

    tokens: np.ndarray
    weights: np.ndarray


class Contributions(NamedTuple):
    """Shares of the three memories in one answer; all weights together sum to 1."""

    window: Share
    selected: Share
    fading: Share


def contributions(layer: BMojo, x: Any, *, step: int = -1) -> Contributions:
    """Return what every token weighs in the answer to the query of one step.

    Parameters
    ----------
    layer : BMojo
        Any.
    x : array_like
        Tokens (T, d), T >= 1.
    step : int
        Of the query, from the end if negative.

    Returns
    -------
    Contributions
        A fading share has all tokens up to the newest fading token that is seen; one of them may be in the window too.

    Raises
    ------
    ShapeError
        If there are batch axes, or no such step.

    Examples
    --------
    >>> from realization.layers.fading import Diagonal
    >>> layer = BMojo.random(4, window=3, mixer=Diagonal.random(4, 2, rng=0), rng=0)
    >>> held, _, fading = contributions(layer, np.random.default_rng(1).standard_normal((9, 4)))
    >>> held.tokens.tolist(), fading.tokens.tolist(), f"{held.weights.sum() + fading.weights.sum():.9f}"
    ([6, 7, 8], [0, 1, 2, 3, 4, 5], '1.000000000')
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or not -len(x) <= step < len(x):
        raise ShapeError(f"x has shape {x.shape} and step is {step}; tokens (T, d) and one of their steps are needed")
    i = step % len(x)
    now = front(layer, x)
    made = streams(layer, now)
    seen = sources(layer, now, made, slice(i, i + 1))
    lse = readout(sources=seen, scale=scale(layer)).lse[0]
    shares = iter([_share(source, scale(layer), lse) for source in seen])
    nothing = Share(np.zeros(0, int), np.zeros(0))
    window = next(shares)
    selected = nothing if made.selected is None else next(shares)
    if layer.mixer is None or made.fading is None:
        return Contributions(window, selected, nothing)
    return Contributions(window, selected, _traced(layer.mixer, now.tokens, next(shares)))


def _share(source: Source, factor: float, lse: np.ndarray) -> Share:
    """p(i, j) = exp(scale q(i)'k(j) - lse(i)) of the keys that are seen."""
    places = np.sort(source.places.ravel()[source.places.ravel() >= 0])
    q, key = source.query[0], source.key[places]
    k = np.repeat(key, len(q) // key.shape[1], axis=1)
    return Share(places, np.exp(factor * np.einsum("hk,jhk->jh", q, k) - lse).mean(axis=1))


def _traced(mixer: FadingMixer, u: np.ndarray, share: Share) -> Share:
    """The weights of fading tokens, handed on to the tokens that their states are made of."""
    a, w, _ = mixer.drive(u)
    n = int(share.tokens.max(initial=-1)) + 1
    weights = np.zeros(n)
    for j, p in zip(*share, strict=True):
        left = np.concatenate([np.cumprod(a[j:0:-1], axis=0)[::-1], np.ones((1, a.shape[1]))])
        size = np.linalg.norm(left * w[: j + 1], axis=1)
        if not size.any():  # a mixer without a state reads its token only
            size[j] = 1.0
        weights[: j + 1] += p * size / size.sum()
    return Share(np.arange(n), weights)
