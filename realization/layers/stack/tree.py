"""A stack as a tree and arrays: what is no array stands in the tree, an array under the place where it belongs.

{"kind": "Stack", "blocks": [{"kind": "Block", "mixer": {"kind": "BMojo", "window": 8}}]},   blocks.0.norm -> array
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.layers.bmojo import BMojo, Rotary
from realization.layers.fading import Diagonal, Identity, Mamba1, Mamba2, ShortConvolution
from realization.layers.stack.model import Block, Stack
from realization.layers.stack.parts import FromPast, FromState, GatedMLP
from realization.memory.selection import Fitted, Given, InnovationTest, Selection

KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Stack, Block, GatedMLP, BMojo, Rotary, Mamba1, Mamba2, Diagonal, ShortConvolution, Identity, InnovationTest,
        Selection, FromState, FromPast, Fitted, Given,
    )
}  # fmt: skip
ARRAY = {"kind": "array"}  # stands for one that may be absent elsewhere, or lies in a tuple


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
        if isinstance(x, np.ndarray) and field.default is MISSING:
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
    if not isinstance(kind, str) or kind not in KINDS:
        raise ShapeError(f"{place.rstrip('.') or 'the stack'} has kind {kind!r}; known are {', '.join(KINDS)}")
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
            raise ShapeError(f"{place}{name} is missing, of {kind}{near(place + name, left)}")
    try:
        return KINDS[kind](**given)
    except (TypeError, AttributeError, ValueError) as error:  # an option of another type is met anywhere
        raise ShapeError(f"{place.rstrip('.') or 'stack'}: {error}") from None


def whole(x: Any, left: dict[str, np.ndarray], place: str) -> Any:
    """A value of the tree: a part, several, or a plain option."""
    if x == ARRAY:
        if place not in left:
            raise ShapeError(f"{place} is missing, which the tree speaks of{near(place, left)}")
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
