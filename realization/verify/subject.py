"""A subject: the function that is judged, found by name and called with care.

Whatever it does (raise, return a wrong shape, write into its inputs) becomes a sentence,
never a traceback of ours.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import operator
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.errors import RealizationError
from realization.core.ops import Op
from realization.layers.readings import complete
from realization.verify import adapters, demo
from realization.verify.arrays import kind
from realization.verify.cases import handed_over
from realization.verify.rough import COMFORT, Handling, House
from realization.verify.verdict import output_format


class UsageError(RealizationError):
    """What was asked for does not exist or does not fit; exit status 2."""


class MissingError(RealizationError):
    """A package that is needed cannot be imported; exit status 3."""


class RefusedError(RealizationError):
    """The subject raised: it refuses the case."""


class LeftOutError(RealizationError):
    """The subject has no means to express the case."""


class DefectError(RealizationError):
    """The subject returned something that is no answer: a failure of the case."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A function, and how it is called as an op.

    Parameters
    ----------
    name : str
        As the user named it.
    op : Op
        What it is judged as.
    call : callable
        Canonical arguments as arrays of its kind -> outputs: an array, a tuple in the op's
        order, or a mapping by name.
    accepts : frozenset of str
        Canonical arguments it takes ("complex" for complex numbers).
    requires : frozenset of str
        Optional ones it cannot do without.
    changes : frozenset of str
        Arguments it may change in place.
    array : str
        Kind of its arrays.
    claim : Claim
        Its own claim, or the fair one for the op.
    note : str
        How its convention differs.
    flags : tuple of str
        Options of the command that found it.
    command : bool
        Whether the command finds it by this name: not if it lives in another function only.
    forward : Subject or None
        Of a backward pass, the forward pass.
    slotted : callable, optional
        The same call with its states in a pool of slots, where the function knows slots.
    """

    name: str
    op: Op
    call: Callable[..., Any]
    accepts: frozenset[str]
    requires: frozenset[str]
    changes: frozenset[str]
    array: str
    claim: Claim
    note: str = ""
    flags: tuple[str, ...] = ()
    command: bool = True
    forward: Subject | None = None
    slotted: Callable[..., Any] | None = None

    def run(
        self, arguments: Mapping[str, Any], claim: Claim, handling: Handling | None = None
    ) -> dict[str, np.ndarray]:
        """Call the function on fresh copies and return its outputs, checked.

        Parameters
        ----------
        arguments : mapping
            Canonical float64, complex128 or integer arrays, and options.
        claim : Claim
            Gives the formats of inputs and outputs.
        handling : Handling, optional
            How the arrays are handed over.  Default: as they are made, contiguous and aligned.

        Returns
        -------
        dict
            Float64 or complex128 arrays by output name.

        Raises
        ------
        RefusedError, LeftOutError, DefectError
            With one line that says what came and what was needed.
        """
        arrays = kind(self.array)
        form = {k: handed_over(self.op, k, claim) for k in arguments}
        encoded = {k: arrays.encode(x, form[k]) if isinstance(x, np.ndarray) else x for k, x in arguments.items()}
        house = House(handling or COMFORT)
        encoded = {
            k: house.place(k, x, arrays.blank) if isinstance(arguments[k], np.ndarray) else x
            for k, x in encoded.items()
        }
        call = self.slotted if house.handling.slots and self.slotted is not None else self.call
        before = {k: np.array(arrays.decode(x)) for k, x in encoded.items() if isinstance(arguments[k], np.ndarray)}
        try:
            with np.errstate(all="ignore"), house.around(arrays.poison):
                returned = call(**encoded)
        except adapters.MisplacedError as e:
            raise DefectError(str(e)) from e
        except NotImplementedError as e:
            raise LeftOutError(str(e)) from e
        except (KeyboardInterrupt, DefectError):
            raise
        except BaseException as e:
            raise RefusedError(f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}") from e
        outputs = named(returned, self.op)
        seen = {k: arrays.decode(encoded[k]) for k in before}
        self._check_inputs(before, seen)
        beside = house.trespassed(arrays.decode, {k: x.size for k, x in before.items()})
        if beside is not None:
            raise DefectError(f"it writes beyond the input {beside}")
        found = {k: self._check_output(k, x, arrays, seen, claim) for k, x in outputs.items()}
        _check_shapes(self.op, arguments, found)
        return found

    def _check_inputs(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        for name, x in before.items():
            if name not in self.changes and not np.array_equal(x, after[name], equal_nan=True):
                raise DefectError(f"the input {name} was changed, which is not declared")

    def _check_output(self, name: str, x: Any, arrays: Any, inputs: Mapping[str, Any], claim: Claim) -> np.ndarray:
        try:
            y, dtype = arrays.decode(x), arrays.dtype(x)
        except Exception as e:
            raise DefectError(f"{name} is {type(x).__name__}, an array of kind {self.array} is needed") from e
        if name in self.op.whole:
            if "int" not in dtype:
                raise DefectError(f"{name} has dtype {dtype}, integers are needed")
            return y.astype(np.float64)
        wanted = arrays.native(output_format(self.op, name, claim).name)
        if dtype.startswith("complex"):
            wanted = "complex128" if wanted == "float64" else "complex64"
        if dtype != wanted:
            raise DefectError(f"{name} has dtype {dtype}, {wanted} is needed (the claim's format)")
        for other, given in inputs.items():
            if other not in self.changes and y.size and np.shares_memory(y, given):
                raise DefectError(f"{name} shares memory with the input {other}, which is not declared")
        return y.astype(np.complex128 if y.dtype.kind == "c" else np.float64)


def named(returned: Any, op: Op) -> dict[str, Any]:
    if isinstance(returned, Mapping):
        unknown = set(returned) - set(op.outputs)
        if unknown:
            raise DefectError(f"outputs {', '.join(sorted(unknown))} came; {op.name} has {', '.join(op.outputs)}")
        return dict(returned)
    parts = returned if isinstance(returned, tuple | list) else (returned,)
    if all(x is None for x in parts):
        raise DefectError(f"no output came; {op.name} has {', '.join(op.outputs)}")
    if len(parts) > len(op.outputs):
        raise DefectError(f"{len(parts)} outputs came; {op.name} has {len(op.outputs)}: {', '.join(op.outputs)}")
    return {name: x for name, x in zip(op.outputs, parts, strict=False) if x is not None}


def _check_shapes(op: Op, arguments: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    """Refuse outputs whose shapes, or kinds of number, are not those of the definition."""
    for name, wanted in op.named(_blank(op, arguments)).items():
        y = outputs.get(name, wanted)
        if y.shape != wanted.shape:
            raise DefectError(f"{name} has shape {y.shape}, {wanted.shape} is needed")
        if np.iscomplexobj(y) != np.iscomplexobj(wanted):
            came, needed = ("complex" if np.iscomplexobj(x) else "real" for x in (y, wanted))
            raise DefectError(f"{name} is {came}, {needed} numbers are needed")


def _blank(op: Op, arguments: Mapping[str, Any]) -> Any:
    """What the definition gives for zeros: outputs of the right shape and kind."""
    floats = {k for k, x in arguments.items() if isinstance(x, np.ndarray) and x.dtype.kind in "fc"}
    zeros = {k: np.zeros_like(x) if k in floats else x for k, x in arguments.items()}
    return op.definition(**zeros)


# Finding a subject ----------------------------------------------------------


def find(
    function: Callable[..., Any] | str,
    ops: Mapping[str, Op],
    *,
    op: Op | str | None = None,
    convention: str | None = None,
    array: str | None = None,
    path: str | None = None,
) -> Subject:
    """Find a subject: a function, or what a name stands for.

    Parameters
    ----------
    function : callable or str
        A function, or `package.module:function`, `path/file.py:function`, an embedded subject.
    ops : mapping
        The ops that are known.
    op : Op or str, optional
        The op, its name, or `file.py:OP`; needed where no adapter names it.
    convention : str, optional
        Full name of a foreign function whose calling convention the subject follows, or "complex".
    array : str, optional
        Kind of array; the adapter's, or NumPy's.
    path : str, optional
        Folder in which the subject's modules are looked for first.

    Returns
    -------
    Subject

    Raises
    ------
    UsageError, MissingError
        With the nearest known names.
    """
    if path is not None:
        look_in(path)
    name, reached = (function, True) if isinstance(function, str) else place(function)
    chosen = None if op is None else known_op(op, ops)
    found = _found(name, None if function is name else function, ops, chosen, convention, array)
    spelled = _op_place(op, ops) if isinstance(op, Op) else op or found.op.name
    asked = {"--op": spelled, "--convention": convention, "--array": array, "--path": path}
    flags = tuple(x for k, v in asked.items() if v is not None for x in (k, v))
    return dataclasses.replace(found, flags=flags, command=reached)


def _found(
    name: str, function: Any, ops: Mapping[str, Op], chosen: Op | None, convention: str | None, array: str | None
) -> Subject:
    if function is None and name in demo.SUBJECTS:
        function, claim = demo.SUBJECTS[name]
        return plain(name, function, chosen or ops["selective_scan"], "numpy", claim=claim)
    function = load(name) if function is None else function
    if not callable(function):
        raise UsageError(f"{name} is {type(function).__name__}, a function is needed")
    borrowed = convention not in (None, "complex")
    adapter = adapters.find(convention if borrowed else name, None if chosen is None else chosen.name)  # type: ignore[arg-type]
    if adapter is None and borrowed:
        raise UsageError(f"convention {convention!r} is unknown; known are {', '.join(conventions())}")
    if adapter is None:
        if chosen is None:
            raise UsageError(f"nothing names the op of {name}; give --op, one of {', '.join(ops)}")
        return plain(name, function, chosen, array or "numpy", complexes=convention == "complex")
    target = chosen or ops[adapter.op]
    return Subject(
        name, target, lambda **kw: adapter.call(function, **kw), adapter.accepts, adapter.requires, adapter.changes,
        array or adapter.array, Claim(**{**(target.claim or {}), **adapter.claim}), adapter.note,
        slotted=_in_slots(adapter, function),
    )  # fmt: skip


def place(function: Any) -> tuple[str, bool]:
    """The name by which the command finds a function, and whether it does.

    A module outside any package, as tests are, is named by its file: the command may not import it.
    """
    name = getattr(function, "__qualname__", type(function).__name__)
    return _within(sys.modules.get(getattr(function, "__module__", "")), name, function)


def _op_place(op: Op, ops: Mapping[str, Op]) -> str:
    """The same for an op: its own name if it is built in, else where its definition was written, else "<name>"."""
    if ops.get(op.name) is op:
        return op.name
    module = sys.modules.get(inspect.unwrap(op.definition).__module__)
    held = (name for name, x in vars(module).items() if x is op) if module else iter(())
    name, reached = _within(module, next(held, ""), op)
    return name if reached else f"<{op.name}>"


def _within(module: Any, name: str, what: Any) -> tuple[str, bool]:
    try:
        held = operator.attrgetter(name)(module) is what
    except AttributeError:
        held = False
    if not held:
        return name.rpartition(".")[2], False
    file, spec = getattr(module, "__file__", None), getattr(module, "__spec__", None)
    packed = spec is not None and getattr(sys.modules.get(spec.parent), "__file__", None)
    if spec is not None and (packed or file is None):
        return f"{spec.name}:{name}", True
    if file is None:  # a notebook, or the interpreter's prompt
        return name, False
    path, here = Path(file).resolve(), Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{name}", True


def _in_slots(adapter: adapters.Adapter, function: Any) -> Callable[..., Any] | None:
    """The adapted call with states in slots, if both adapter and function know them."""
    takes = parameters(function)
    if adapter.slots is None or (takes is not None and "state_batch_indices" not in takes):
        return None
    slots = adapter.slots
    return lambda **kw: adapter.call(slots(function), **kw)


def conventions() -> list[str]:
    """Names that `--convention` knows."""
    return ["complex", *sorted(adapters.known())]


def plain(
    name: str, function: Any, op: Op, array: str = "numpy", *, complexes: bool = False, claim: Claim | None = None
) -> Subject:
    """Return the subject of a function that takes the op's own arguments.

    Parameters
    ----------
    name : str
        How it is called in reports.
    function : callable
        Takes canonical arguments by keyword; those it does not take are left out of the cases.
    op : Op
        What it computes.
    array : {"numpy", "torch", "jax"}
        Arrays that it takes.
    complexes : bool
        Whether it takes complex numbers.
    claim : Claim, optional
        Its arithmetic.  Default: what is fair for the op.

    Returns
    -------
    Subject

    Raises
    ------
    UsageError
        If it does not take an argument that the op cannot do without.
    """
    takes = parameters(function)
    accepts = frozenset(op.arguments) if takes is None else frozenset(op.arguments) & takes
    if op.required - accepts:
        raise UsageError(
            f"{name} takes ({', '.join(sorted(takes or ()))}), but {op.name} needs "
            f"{', '.join(sorted(op.required - accepts))} too; name them so, or give the --convention that it follows"
        )
    embedded = any(function is known for known, _ in demo.SUBJECTS.values())
    accepts |= {"complex"} if complexes or embedded else set()
    required = parameters(function, required=True) or frozenset()
    if required - set(op.arguments):
        foreign = ", ".join(sorted(required - set(op.arguments)))
        raise UsageError(f"{name} needs {foreign}, which {op.name} does not have")
    return Subject(
        name, op, function, accepts, required - op.required, frozenset(), array, claim or Claim(**(op.claim or {})),
        flags=("--op", op.name),
    )  # fmt: skip


def parameters(function: Any, *, required: bool = False) -> frozenset[str] | None:
    """Names a function takes by keyword, or cannot do without; None if it takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    named = [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if required:
        return frozenset(p.name for p in named if p.default is p.empty)
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in named)


def known_op(op: Op | str, ops: Mapping[str, Op]) -> Op:
    """Return the op of this name, of `file.py:OP`, or the record itself, complete.

    Raises
    ------
    UsageError
        If there is none; with the nearest names.
    """
    if isinstance(op, str) and ":" not in op:
        if op not in ops:
            raise UsageError(f"op {op!r} is unknown; {_nearest(op, ops)}")
        return ops[op]
    found: Any = load(op) if isinstance(op, str) else op
    if not isinstance(found, Op):
        named = f"{op} is" if isinstance(op, str) else "op is"
        raise UsageError(f"{named} {type(found).__name__}, an Op is needed")
    return found if found in ops.values() else complete(found)


def load(name: str) -> Any:
    """Import `module:attribute` or `file.py:attribute`.

    Raises
    ------
    UsageError
        If file or attribute do not exist, or the file fails on import.
    MissingError
        If a package cannot be imported.
    """
    place, colon, attribute = name.rpartition(":")
    if not colon:
        known = ", ".join(demo.SUBJECTS)
        raise UsageError(f"subject {name!r} is unknown; give module:function, file.py:function, or one of {known}")
    module = _from_file(Path(place)) if place.endswith(".py") else _from_package(place)
    for part in attribute.split("."):
        if not hasattr(module, part):
            public = [n for n in dir(module) if not n.startswith("_")]
            raise UsageError(f"{place} has no {attribute!r}; {_nearest(part, public)}")
        module = getattr(module, part)
    return module


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"there is no file {str(path)!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent.resolve()))  # so that it finds its neighbours
    return _executed(lambda: spec.loader.exec_module(module) or module, str(path))  # type: ignore[union-attr]


def _from_package(name: str) -> Any:
    sys.path.insert(0, os.getcwd())
    return _executed(lambda: adapters.imported(name), name)


def look_in(path: str) -> None:
    """Let Python find modules in a folder before all others.

    Raises
    ------
    UsageError
        If there is no such folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"--path was given {path!r}, which is no folder; one that holds the package is needed")
    sys.path.insert(0, str(folder.resolve()))


def _executed(run: Callable[[], Any], name: str) -> Any:
    try:
        return run()
    except SystemExit as e:
        raise UsageError(f"{name} exits on import (status {e.code})") from e
    except ImportError as e:
        raise MissingError(f"{name} cannot be imported: {e}") from e
    except Exception as e:
        raise UsageError(f"{name} raises on import: {type(e).__name__}: {e}") from e


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"nearest: {', '.join(near)}" if near else f"known are {', '.join(known[:20])}"
