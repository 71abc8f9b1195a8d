"""A stack as a safetensors file, and back.

A tensor is called by the place of its weight in the stack; what is no array stands in a tree of JSON with the same
places, under `realization.stack` in the metadata of the file, or in `stack.json` beside it.

    embedding, norm, head                        of the stack; without `head` it is tied to the embedding
    blocks.0.norm, blocks.0.mlp_norm             of the first block
    blocks.0.mixer.query_weight, ...             of its mixer: the fields of its class
    blocks.0.mlp.gate, .up, .down, ...           of its MLP

    {"kind": "Stack", "blocks": [{"kind": "Block", "mixer": {"kind": "BMojo", "window": 4096, ...}, ...}, ...]}

Weights of 64, 32, 16 and 8 bits are widened to float64, which is exact.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import finite
from realization.layers.bmojo import BMojo, Rotary
from realization.layers.fading import Diagonal, Identity, Mamba1, Mamba2, ShortConvolution
from realization.layers.stack import names
from realization.layers.stack.model import Block, Stack
from realization.layers.stack.parts import FromPast, FromState, GatedMLP
from realization.memory.selection import Fitted, Given, InnovationTest, Selection
from realization.memory.tensors import FORMATS, Tensors, opened, write_tensors

KEY, BESIDE, FOREIGN = "realization.stack", "stack.json", "config.json"
KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Stack, Block, GatedMLP, BMojo, Rotary, Mamba1, Mamba2, Diagonal, ShortConvolution, Identity, InnovationTest,
        Selection, FromState, FromPast, Fitted, Given,
    )
}  # fmt: skip
ARRAY = {"kind": "array"}  # one that stands in a tuple


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
    """
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
        return built(tree(said, f"{KEY} in the metadata of {path}"), weights)
    for beside in (BESIDE, FOREIGN):
        if (folder / beside).exists():
            config = tree((folder / beside).read_text("utf-8"), str(folder / beside))
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


def tree(text: str, where: str) -> dict[str, Any]:
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


def taken_apart(part: Any, place: str = "") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a part by their places, and the tree of all else that is not a default.

    Raises
    ------
    ShapeError
        If a part is one that no file holds.
    """
    weights: dict[str, np.ndarray] = {}

    def plain(x: Any, place: str) -> Any:
        if type(x) in KINDS.values():
            inner, config = taken_apart(x, place + ".")
            weights.update(inner)
            return config
        if isinstance(x, np.ndarray):
            weights[place] = x
            return ARRAY
        if isinstance(x, tuple | list):
            return [plain(y, f"{place}.{i}") for i, y in enumerate(x)]
        x = x.item() if isinstance(x, np.generic) else x
        if not isinstance(x, bool | int | float | str | None):
            raise ShapeError(f"{place} is a {type(x).__name__}; a file holds numbers, texts and {', '.join(KINDS)}")
        return x

    config: dict[str, Any] = {"kind": type(part).__name__}
    for field in fields(part):
        x = getattr(part, field.name)
        if isinstance(x, np.ndarray):
            weights[place + field.name] = x
        elif x is not field.default:
            config[field.name] = plain(x, place + field.name)
    return weights, config


def built(config: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> Stack:
    """The stack of a tree and of weights by their places.

    Raises
    ------
    ShapeError
        If a weight is missing, unknown or misshapen, or the tree is not that of a stack.
    """
    left = dict(weights)
    stack = put_together(config, left, "")
    if not isinstance(stack, Stack):
        raise ShapeError(f"the kind {type(stack).__name__} given; Stack is needed")
    if left:
        name = next(iter(left))
        raise ShapeError(f"{name} is no weight of this stack{near(name, places(stack))}; {len(left)} such are there")
    return stack


def put_together(config: Any, left: dict[str, np.ndarray], place: str) -> Any:
    """One part; its weights leave those that are left."""
    kind = config.get("kind") if isinstance(config, Mapping) else None
    if kind not in KINDS:
        raise ShapeError(f"{place or 'the stack'} has kind {kind!r}; known are {', '.join(KINDS)}")
    known = {field.name: field for field in fields(KINDS[kind])}
    given: dict[str, Any] = {}
    for name, x in config.items():
        if name != "kind" and name not in known:
            raise ShapeError(f"{place}{name} is no option of {kind}{near(name, known)}")
        if name != "kind":
            given[name] = whole(x, left, f"{place}{name}")
    for name, field in known.items():
        if place + name in left:
            given[name] = left.pop(place + name)
        elif name not in given and field.default is MISSING:
            raise ShapeError(f"{place}{name} is missing, a weight of {kind}{near(place + name, left)}")
    try:
        return KINDS[kind](**given)
    except ShapeError as error:
        raise ShapeError(f"{place.rstrip('.') or 'stack'}: {error}") from None


def whole(x: Any, left: dict[str, np.ndarray], place: str) -> Any:
    """A value of the tree: a part, several, or a plain option."""
    if x == ARRAY and place in left:
        return left.pop(place)
    if isinstance(x, Mapping):
        return put_together(x, left, place + ".")
    if isinstance(x, list):
        return tuple(whole(y, left, f"{place}.{i}") for i, y in enumerate(x))
    return x


def places(part: Any, place: str = "") -> Iterator[str]:
    """The places of a part where a weight stands or may stand."""
    for field in fields(part):
        x = getattr(part, field.name)
        inner = {"": x} if is_dataclass(x) else {f".{i}": y for i, y in enumerate(x)} if isinstance(x, tuple) else {}
        for end, y in inner.items():
            yield from places(y, f"{place}{field.name}{end}.") if is_dataclass(y) else ()
        if x is None or isinstance(x, np.ndarray):
            yield place + field.name


def near(name: str, known: Iterable[str]) -> str:
    """The names that are nearest to one."""
    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"; nearest is {', '.join(found)}" if found else ""
