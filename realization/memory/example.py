"""A tiny random checkpoint with the names of real ones, to try the reader on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.memory.tensors import write_tensors

# The names of state-spaces, and how two other families call the same.
NAMES = {
    "state-spaces": {},
    "transformers": {"embedding": "embeddings"},
    "bamba": {
        "backbone.": "model.", "embedding": "embed_tokens", "mixer": "mamba", "norm_f": "final_layernorm",
    },
}  # fmt: skip


def write_checkpoint(
    path: str | os.PathLike[str], *, kind: str = "Mamba-1", layers: int = 2, d_model: int = 16,
    names: str = "state-spaces", dtype: str = "F32", rng: Any = None,
) -> None:  # fmt: skip
    """Write a random Mamba checkpoint, initialised as such models are.

    Parameters
    ----------
    path : path-like
        The `.safetensors` file.
    kind : {"Mamba-1", "Mamba-2"}
        Channels with 16 states each, or heads of width 4.
    layers, d_model : int
        Layers, and width of the model; the inner width is twice that.
    names : {"state-spaces", "transformers", "bamba"}
        Whose names the tensors have.
    dtype : str
        Format of the weights: "F32", "BF16", "F8_E4M3", ...
    rng : int or Generator, optional
        Source of the weights.

    Raises
    ------
    ShapeError
        If kind or names are unknown.
    """
    if kind not in MIXERS or names not in NAMES:
        raise ShapeError(f"kind {kind!r} and names {names!r} given; known: {', '.join(MIXERS)}; {', '.join(NAMES)}")
    rng = np.random.default_rng(rng)
    tensors: dict[str, np.ndarray] = {"backbone.embedding.weight": rng.normal(0, 0.02, (32, d_model))}
    for i in range(layers):
        tensors[f"backbone.layers.{i}.norm.weight"] = np.ones(d_model)
        inner = MIXERS[kind](d_model, rng)
        tensors |= {f"backbone.layers.{i}.mixer.{name}": x for name, x in inner.items()}
    tensors["backbone.norm_f.weight"] = np.ones(d_model)
    write_tensors(path, {_renamed(name, NAMES[names]): x for name, x in tensors.items()}, dtype=dtype)


def _renamed(name: str, table: dict[str, str]) -> str:
    for ours, theirs in table.items():
        name = name.replace(ours, theirs)
    return name


def _bias(rng: np.random.Generator, h: int) -> np.ndarray:
    """Steps between 0.001 and 0.1, evenly in their logarithm, through the inverse of softplus."""
    step = np.exp(rng.uniform(np.log(1e-3), np.log(0.1), h))
    return step + np.log(-np.expm1(-step))


def _mamba1(d_model: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    d, n, rank, width = 2 * d_model, 16, max(d_model // 16, 1), 4
    return {
        "in_proj.weight": rng.normal(0, 0.1, (2 * d, d_model)),
        "conv1d.weight": rng.normal(0, 0.5, (d, 1, width)),
        "conv1d.bias": rng.normal(0, 0.1, d),
        "x_proj.weight": rng.normal(0, 0.1, (rank + 2 * n, d)),
        "dt_proj.weight": rng.normal(0, 0.1, (d, rank)),
        "dt_proj.bias": _bias(rng, d),
        "A_log": np.log(np.tile(np.arange(1.0, n + 1), (d, 1))),
        "D": np.ones(d),
        "out_proj.weight": rng.normal(0, 0.1, (d_model, d)),
    }


def _mamba2(d_model: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    d, n, width = 2 * d_model, 16, 4
    h = max(d // 4, 1)
    return {
        "in_proj.weight": rng.normal(0, 0.1, (2 * d + 2 * n + h, d_model)),
        "conv1d.weight": rng.normal(0, 0.5, (d + 2 * n, 1, width)),
        "conv1d.bias": rng.normal(0, 0.1, d + 2 * n),
        "dt_bias": _bias(rng, h),
        "A_log": np.log(rng.uniform(1, 16, h)),
        "D": np.ones(h),
        "norm.weight": np.ones(d),
        "out_proj.weight": rng.normal(0, 0.1, (d_model, d)),
    }


MIXERS: dict[str, Callable[[int, np.random.Generator], dict[str, np.ndarray]]] = {
    "Mamba-1": _mamba1,
    "Mamba-2": _mamba2,
}
