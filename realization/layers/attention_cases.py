"""Input regimes of the read-out family: how scores are spread, and what would hide an error.

A fault in the maximum shows only where the maximum moves, one in the window only where the oldest key weighs,
a rounded weight only where values differ; so the spread of scores is *chosen*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.rounding import Format
from realization.layers.readout.places import tokens
from realization.layers.regimes import Regime


def regime(name: str, about: str, *, exact: bool = False) -> Regime:
    """A window forgets at once: there is no time after which a state has decayed."""
    return Regime(name, lambda c: np.inf, about, exact)


REGIMES = (
    regime("generic", "scores of order 1"),
    regime("flat", "all keys weigh alike: the ends of the window show"),
    regime("sharp", "one key takes nearly all"),
    regime("rising", "scores rise along time: every block moves the maximum"),
    regime("falling", "the oldest key weighs most: what leaves the window shows"),
    regime("offset", "scores far from 0: an exponential without its maximum overflows"),
    regime("common-mean", "values alike up to a small part: a common factor of the weights cancels"),
    regime("cancelling", "scores that are small differences of large products"),
    regime("positive", "terms of one sign: rounding that leans one way adds up"),
    regime("tiny", "values close to the subnormal range"),
    regime("huge", "values close to overflow"),
    regime("exact", "each query meets one or two keys: structure, bit for bit", exact=True),
)

STEP, BIAS_FLOOR = 64.0, -4096.0


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """Draws queries, keys and values (b, T, h, k) in a regime, for kernels of this input format."""

    regime: Regime
    rng: np.random.Generator
    form: Format

    def queries(self, shape: Any) -> np.ndarray:
        """Of order 1, with the component along the first column that keys answer to."""
        q = self.rng.standard_normal(shape) * {"flat": 0.02, "sharp": 8.0}.get(self.regime.name, 1.0)
        if self.regime.name in ("rising", "falling", "offset"):
            q[..., 0] = 4.0
        if self.regime.name == "cancelling":
            q = opposed(q * 16.0, -1 - 2.0**-7)
        return np.abs(q) if self.regime.name == "positive" else q

    def keys(self, shape: Any) -> np.ndarray:
        """Of order 1."""
        k, S, width = self.rng.standard_normal(shape), shape[1], shape[-1] ** 0.5
        ramp = np.linspace(0, 8.0 * width, S)[:, None]
        level = {"rising": ramp, "falling": ramp[::-1], "offset": 25.0 * width}.get(self.regime.name)
        if level is not None:
            k[..., 0] = level + 0.1 * k[..., 0]
        if self.regime.name == "cancelling":
            k = opposed(k, 1.0)
        return np.abs(k) if self.regime.name == "positive" else k

    def values(self, shape: Any) -> np.ndarray:
        """Of order 1 in most regimes; small integers in the exact one."""
        if self.regime.exact:
            return 2.0 * self.rng.integers(-60, 61, shape)
        v, name = self.rng.standard_normal(shape), self.regime.name
        small, large = 2.0 ** min(self.form.emin + 16, 0), 2.0 ** max(self.form.emax - 12, 0)
        v = v * {"tiny": small, "huge": large}.get(name, 1.0)
        return np.abs(v) + 0.1 if name == "positive" else v + 64.0 if name == "common-mean" else v

    def sink(self, h: int) -> np.ndarray:
        """A logit that takes its part among scores of the regime; out of reach in the exact one."""
        level = {"rising": 24.0, "falling": 24.0, "offset": 96.0}.get(self.regime.name, 1.0)
        return np.full(h, BIAS_FLOOR) if self.regime.exact else level + self.rng.standard_normal(h)

    def bias(self, shape: Any) -> np.ndarray:
        """Of order 1, with -inf here and there, and for some queries everywhere."""
        b = np.zeros(shape) if self.regime.exact else self.rng.standard_normal(shape)
        blind = self.rng.uniform(size=(shape[-2], 1)) < 0.1
        return np.where((self.rng.uniform(size=shape) < 0.1) | blind, -np.inf, b)

    def turns(self, S: int, r: int) -> tuple[np.ndarray, np.ndarray]:
        """Tables of cosines and sines; angle 0 in the exact regime."""
        angles = np.arange(S)[:, None] * 100.0 ** (-np.arange(r) / max(r, 1))
        angles = 0.0 * angles if self.regime.exact else angles
        return np.cos(angles), np.sin(angles)

    def norm(self, k: int) -> np.ndarray:
        """Weights of an RMS norm."""
        return 1 + 0.3 * self.rng.standard_normal(k)

    def selected(self, b: int, T: int, S: int, m: int) -> np.ndarray:
        """Past keys, some of them twice, some in the window, some none."""
        positions = np.arange(S - T, S)[:, None]
        drawn = self.rng.integers(-1, positions + 1, (b, T, m)) if T else np.zeros((b, 0, m), int)
        return np.where(self.rng.uniform(size=drawn.shape) < 0.2, positions, drawn)


def opposed(x: np.ndarray, sign: float) -> np.ndarray:
    """Columns in pairs: the second half is the first times sign."""
    half, y = x.shape[-1] // 2, x.copy()
    y[..., half : 2 * half] = sign * x[..., :half]
    return y


def meet(
    rng: np.random.Generator, heads: int, k: int, streams: Sequence[tuple[tuple[int, ...], np.ndarray]],
    *, tied: bool = True,
) -> tuple[list[np.ndarray], list[np.ndarray]]:  # fmt: skip
    """Queries and keys with q'k = 0 for one or two of the keys that a query sees, and below -8000 for all others.

    A key carries a code of k - 1 signs of size 64 and the entry -64 (k - 1), a query a code and the entry 64;
    so q'k = 4096 (signs that agree - signs that differ - (k - 1)), all partial sums are integers, the largest
    score is 0 whatever scale and cap are, and a right kernel returns the value, or the mean of two.

    Parameters
    ----------
    rng : Generator
        Draws codes and targets.
    heads, k : int
        Number of heads, width of the keys.
    streams : sequence
        Shape (b, S, g) of the keys of each source, and the places (b|1, T, W) that queries see (-1: none).
    tied : bool
        All streams have one query.

    Returns
    -------
    queries, keys : list of ndarray
        For each stream (b, T, h, k) and (b, S, g, k); untied, the query of a stream in which its target does
        not lie meets no key there.
    """
    codes = rng.permutation(2 ** min(k - 1, 12))
    names, first = [], 1  # code 0 is kept for queries that meet nothing
    for (b, S, g), _ in streams:
        order = first + np.arange(S)
        order = np.where(order % 5 == 1, order - 1, order)  # every fifth key bears the code of the one before
        names.append(codes[1 + np.maximum(order - 1, 0)[None, :, None] % (len(codes) - 1)] + np.zeros((b, 1, g), int))
        first += S
    share = heads // streams[0][0][2]
    shown = [_shown(name, places) for name, (_, places) in zip(names, streams, strict=True)]
    target = _target(rng, shown, share, codes[0])
    queries = []
    for seen in shown:
        here = (np.repeat(seen, share, axis=2) == target[..., None]).any(-1)
        queries.append(_signs(target if tied else np.where(here, target, codes[0]), k, STEP))
    return queries, [_signs(name, k, -STEP * (k - 1)) for name in names]


def _shown(name: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Codes of the keys that are seen, (b, T, g, W); -1 for none."""
    places = np.broadcast_to(places, (name.shape[0], *places.shape[-2:]))
    if not name.shape[1]:
        return np.full((*places.shape[:2], name.shape[2], places.shape[2]), -1)
    found = np.where(places[..., None] >= 0, tokens(name[..., None], places)[..., 0].astype(int), -1)
    return np.moveaxis(found, -1, -2)


def _target(rng: np.random.Generator, shown: Sequence[np.ndarray], share: int, none: int) -> np.ndarray:
    """For each head a code that one or two of the keys seen bear, (b, T, h)."""
    seen = np.repeat(np.concatenate(shown, axis=-1), share, axis=2)
    count = (seen[..., :, None] == seen[..., None, :]).sum(-1)
    fair = np.where((seen >= 0) & ((count == 1) | (count == 2) | (count == 4)), rng.uniform(size=seen.shape), -1.0)
    if not seen.shape[-1]:
        return np.full(seen.shape[:-1], none)
    best = fair.argmax(-1)[..., None]
    return np.where(fair.max(-1) < 0, none, np.take_along_axis(seen, best, -1)[..., 0])


def _signs(name: np.ndarray, k: int, last: float) -> np.ndarray:
    """Codes as signs of size 64, and a last entry."""
    bits = (name[..., None] >> np.arange(k - 1)) & 1
    return np.concatenate([STEP * (2.0 * bits - 1), np.full((*name.shape, 1), last)], axis=-1)


def envelope(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Values in their size: what is read is a mean of them, and exact scores are integers of their own."""
    return {k: np.abs(x) if k.endswith("value") else x for k, x in arguments.items()}
