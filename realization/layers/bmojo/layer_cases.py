"""The cases of `bmojo_layer`: tokens of many sizes, so that few statistics are nearly equal."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.rounding import Format
from realization.layers import attention_cases, regimes
from realization.layers.bmojo.cases import TURNED, chosen, option
from realization.layers.bmojo.released_layer import size, weight
from realization.layers.regimes import Regime

# What the cases of `bmojo_layer` combine: sizes (h, g, k, v, d, e, n).  What is kept must not hang on rounding in
# coarse formats either, so most of the tests are thresholds.
BIASES = "query_bias key_bias value_bias output_bias"
UNTIED_WEIGHTS = "fading_query_weight fading_key_weight fading_value_weight"
PREDICTED = "features predictor_weight"
OPTIONS = (
    option((4, 2, 8, 8, 24, 24, 6), f"{PREDICTED} {BIASES} {TURNED}", window=6, capacity=4, chunk=7),
    option((4, 2, 8, 8, 16, 10, 5), UNTIED_WEIGHTS, window=3, capacity=5, rule="threshold", threshold=16.0,
           eviction="fifo", visibility="at-once"),
    option((4, 4, 8, 6, 24, 24, 8), f"{PREDICTED} {TURNED} query_norm key_norm seq_idx", window=2, capacity=3,
           rule="threshold", threshold=1.5, eviction="reservoir", chunk=5, entry="leaving", statistic="relative",
           slot_positions=False, seed=1),
    option((2, 1, 8, 8, 12, 12, 4), f"{PREDICTED} fading_key_bias", window=0, capacity=6, rule="threshold",
           threshold=12.0, visibility="at-once", fading_lag=0, fading_width=1),
    option((2, 2, 8, 8, 12, 12, 4), f"{PREDICTED} {TURNED} output_bias", window=4, capacity=8, rule="top-of-chunk",
           count=2, eviction="fifo", chunk=6, interleaved=True, scale=0.3),
)  # fmt: skip


def draw(regime: Regime, options: Any, *, T: int, chunk: int, rng: Any, form: Format, batch: int = 2) -> Any:
    """Draw tokens of many sizes, and weights through which the regime acts."""
    (h, g, k, v, d, e, n), have, out = options["size"], frozenset(options["with"]), chosen(options)
    drawn = attention_cases.Draw(regime, rng, form)
    out["x"] = rng.standard_normal((batch, T, d)) * 2.0 ** rng.uniform(-1.5, 1.5, (batch, T, 1))
    untied = {*UNTIED_WEIGHTS.split()} <= have
    out["fading"] = rng.standard_normal((batch, T, e if untied else d))
    if {*PREDICTED.split()} <= have:
        out["features"], out["predictor_weight"] = rng.standard_normal((batch, T, n)), rng.standard_normal((d, n)) / n
    shapes = {"query": (h, k, d), "key": (g, k, d), "value": (g, v, d)}
    shapes |= {f"fading_{name}": (*shape[:2], d if name == "query" else e) for name, shape in shapes.items()}
    for name, shape in shapes.items():
        if not name.startswith("fading") or untied:
            out[f"{name}_weight"] = weight(drawn, name, shape)
        if f"{name}_bias" in have:
            out[f"{name}_bias"] = weight(drawn, name, shape[:2])
    out["output_weight"] = rng.standard_normal((d, h, v)) / np.sqrt(h * v)
    if "output_bias" in have:
        out["output_bias"] = rng.standard_normal(d) * size(drawn)
    if {"cos", "sin"} <= have:
        out["cos"], out["sin"] = drawn.turns(T, k // 2)
    if "seq_idx" in have:
        out["seq_idx"] = regimes.sequence_index(batch, T, chunk, rng)
    return out | {name: drawn.norm(k) for name in sorted(have) if name.endswith("norm")}
