"""A state in a file: written, read and gone on from, bit for bit.

A nest of arrays, numbers, texts, None, tuples, lists, dictionaries and the frozen dataclasses and named tuples of this
package is a list of arrays and a description of how they lie in one another.  Both stand in one .npz file, the
description as JSON; nothing in it is run, and a class is found by its name in this package only.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from realization.core.errors import ShapeError

PACKAGE = __name__.partition(".")[0]
STRUCTURE = "structure"
PLAIN = (bool, int, float, str, type(None))


def save_state(path: str | Path, state: Any) -> None:
    """Write a state into a file that `load_state` reads back exactly.

    Parameters
    ----------
    path : str or Path
        Of the file, under this very name; an old one is overwritten.
    state : object
        Arrays, numbers, texts, None, and tuples, lists, dictionaries with texts as keys, dataclasses and named tuples
        of this package that hold such, to any depth.

    Raises
    ------
    ShapeError
        If something else is in it; the message says where.

    Examples
    --------
    >>> import tempfile
    >>> from realization.memory.selection import Selection, select
    >>> top, s = Selection(2, visibility="at-once"), [3.0, 1.0, 2.0, 4.0]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_state(f"{folder}/state.npz", select(s[:2], top).state)
    ...     state = load_state(f"{folder}/state.npz")
    >>> select(s[2:], top, state=state).places.tolist() == select(s, top).places[2:].tolist()
    True
    """
    arrays: list[np.ndarray] = []
    structure = np.array(json.dumps(_described(state, arrays, "state")))
    named: dict[str, Any] = {STRUCTURE: structure} | {str(i): x for i, x in enumerate(arrays)}
    # a file and not its name: NumPy would add .npz to another
    with Path(path).open("wb") as file:
        np.savez(file, **named)


def load_state(path: str | Path) -> Any:
    """Read what `save_state` has written.

    Parameters
    ----------
    path : str or Path
        Of the file.

    Returns
    -------
    object
        The state, each array with the dtype, shape and bits that it had.

    Raises
    ------
    ShapeError
        If the file is none of `save_state`.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            structure = json.loads(str(stored[STRUCTURE]))
            return _built(structure, [stored[str(i)] for i in range(len(stored.files) - 1)])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ShapeError(f"{path} is no file that save_state has written ({error})") from None


def _described(x: Any, arrays: list[np.ndarray], where: str) -> Any:
    """The description of x as JSON holds it; its arrays go to the end of the list."""
    if isinstance(x, np.ndarray | np.generic) and not x.dtype.hasobject:
        arrays.append(np.asarray(x))
        return {"array": len(arrays) - 1} if isinstance(x, np.ndarray) else {"number": len(arrays) - 1}
    if type(x) in PLAIN:
        return x
    if type(x) in (tuple, list):
        return {type(x).__name__: [_described(y, arrays, f"{where}[{i}]") for i, y in enumerate(x)]}
    if type(x) is dict and all(isinstance(key, str) for key in x):
        return {"dict": {key: _described(y, arrays, f"{where}[{key!r}]") for key, y in x.items()}}
    if (names := _fields(type(x))) is not None:
        parts = {name: _described(getattr(x, name), arrays, f"{where}.{name}") for name in names}
        return {"class": [type(x).__module__, type(x).__qualname__], "fields": parts}
    raise ShapeError(
        f"{where} is a {type(x).__name__}; a state holds arrays, numbers, texts, None, tuples, lists, dictionaries "
        f"with texts as keys, and dataclasses and named tuples of {PACKAGE}"
    )


def _built(x: Any, arrays: list[np.ndarray]) -> Any:
    """What was described."""
    if not isinstance(x, dict):
        return x
    if "class" in x:
        return _class(*x["class"])(**{name: _built(y, arrays) for name, y in x["fields"].items()})
    ((kind, content),) = x.items()
    if kind in ("array", "number"):
        return arrays[content] if kind == "array" else arrays[content][()]
    if kind == "dict":
        return {key: _built(y, arrays) for key, y in content.items()}
    return {"tuple": tuple, "list": list}[kind](_built(y, arrays) for y in content)


def _fields(kind: type) -> list[str] | None:
    """Names of what an instance holds, of a dataclass or named tuple of the package."""
    if kind.__module__.partition(".")[0] != PACKAGE or "<locals>" in kind.__qualname__:
        return None
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(kind._fields) if issubclass(kind, tuple) and hasattr(kind, "_fields") else None


def _class(module: str, name: str) -> type:
    """The class of this name, in this package and nowhere else."""
    if module.partition(".")[0] != PACKAGE:
        raise ValueError(f"{module} is no module of {PACKAGE}")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not isinstance(found, type) or found.__module__ != module or _fields(found) is None:
        raise ValueError(f"{module}.{name} is no class of states")
    return found
