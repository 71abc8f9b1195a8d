"""A stack as a safetensors file, and back.

A tensor is called by the place of its weight in the stack; what is no array stands in a tree of JSON with the same
places, under `realization.stack` in the metadata of the file, or in `stack.json` beside it.  A weight that a part may
lack is spoken of there, as {"kind": "array"}.

    embedding, norm, head                        of the stack; without `head` it is tied to the embedding
    blocks.0.norm, blocks.0.mlp_norm             of the first block
    blocks.0.mixer.query_weight, ...             of its mixer: the fields of its class
    blocks.0.mlp.gate, .up, .down, ...           of its MLP

    {"kind": "Stack", "blocks": [{"kind": "Block", "mixer": {"kind": "BMojo", "window": 4096, ...}, ...}, ...]}

Weights of 64, 32, 16 and 8 bits are widened to float64, which is exact.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import finite
from realization.layers.stack import names
from realization.layers.stack.model import Stack
from realization.layers.stack.tree import built, taken_apart
from realization.memory.tensors import FORMATS, Tensors, opened, write_tensors

KEY, BESIDE, FOREIGN = "realization.stack", "stack.json", "config.json"


def save(path: str | os.PathLike[str], stack: Stack, *, dtype: str = "F64") -> None:
    """Write a stack to one safetensors file.

    Parameters
    ----------
    path : path-like
        The file; replaced where it exists.
    stack : Stack
        What `load` gives back, exactly where the format holds the weights.
    dtype : str
        Format of the weights: "F64", "F32", "BF16", ...

    Raises
    ------
    ShapeError
        If it is no stack, no format, or has a part that no file holds.
    """
    if not isinstance(stack, Stack):
        raise ShapeError(f"a {type(stack).__name__} given; a Stack is needed")
    if dtype not in FORMATS:
        raise ShapeError(f"dtype={dtype!r} given; {', '.join(FORMATS)} are known")
    weights, config = taken_apart(stack)
    write_tensors(path, weights, dtype=dtype, metadata={KEY: json.dumps(config)})


def load(path: str | os.PathLike[str]) -> Stack:
    """Read a stack from a safetensors file, of this library or of transformers.

    Parameters
    ----------
    path : path-like
        The file, the index of several, or their folder.  Weights of transformers are those beside a `config.json`;
        `realization.layers.stack.names` has the table of names.

    Returns
    -------
    Stack
        Weights widened to float64.

    Raises
    ------
    ShapeError
        If a file is damaged, a weight is missing, unknown, misshapen, not finite or no float, or the model is one that
        a stack cannot express.
    OSError
        If a file cannot be opened.
    """
    files, folder = opened(path), Path(path) if Path(path).is_dir() else Path(path).parent
    weights = {name: weight(file, name) for name, file in files.items()}
    said = next((file.metadata[KEY] for file in files.values() if KEY in file.metadata), None)
    if said is not None:
        return built(parsed(said, f"{KEY} in the metadata of {path}"), weights)
    for beside in (BESIDE, FOREIGN):
        if (folder / beside).exists():
            config = parsed((folder / beside).read_text("utf-8"), str(folder / beside))
            return built(config, weights) if beside == BESIDE else built(*names.translated(config, weights))
    raise ShapeError(
        f"{path} does not say what its weights are: {KEY} in its metadata, or {BESIDE} or {FOREIGN} beside it is needed"
    )


def weight(file: Tensors, name: str) -> np.ndarray:
    """One tensor of finite floats.

    Raises
    ------
    ShapeError
        If it is of integers, or has an entry that is not finite.
    """
    if file.dtype(name) not in FORMATS:
        raise ShapeError(f"{name} has dtype {file.dtype(name)}; weights are floats: {', '.join(FORMATS)}")
    return finite(name, file[name])


def parsed(text: str, where: str) -> dict[str, Any]:
    """A JSON object from its text.

    Raises
    ------
    ShapeError
        If it is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise ShapeError(f"{where} is not JSON ({e})") from None
    if not isinstance(found, dict):
        raise ShapeError(f"{where} is a JSON {type(found).__name__}; an object is needed")
    return found
