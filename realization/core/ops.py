"""Op: the one record that tests, verify, documentation and command line all read."""

from __future__ import annotations

import functools
import inspect
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.pair import Pair
from realization.core.shapes import Signature

# Left out of a record: `realization.complete` derives it from the rest.
DERIVED: Any = None


def incomplete(*_: Any, **__: Any) -> Any:
    """Stand for a reading that `realization.complete` attaches.

    Raises
    ------
    StructureError
        Always.
    """
    raise StructureError("the record is incomplete; complete(Op(...)) attaches certified value, bound and gradient")


def _as_they_are(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return given


@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """Another convention that a kernel may follow: the definition with something exchanged.

    Its three functions get numbers of every type, as maps do, and use `core.functions`.

    Parameters
    ----------
    name : str
        "exclusive read".
    sentence : str
        Completes "your output equals the reference with ...".
    arguments : callable
        Arguments of the definition -> other arguments; None where the swap does not apply.
    outputs : callable
        (outputs by name, arguments) -> other outputs.
    core : callable, optional
        (core, **its arguments) -> what stands in for the core's answer.
    """

    name: str
    sentence: str
    arguments: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] = _as_they_are
    outputs: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]] = lambda outputs, _: outputs
    core: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """An operation of a sequence model, and everything that is known about it.

    Name, signature and definition are the record; `realization.complete` derives the rest,
    less the second route, the realization and what `linear` states.

    Parameters
    ----------
    name : str
        "selective_scan".
    title : str
        What it is, in a few words.
    signature : str
        Axes of every argument and output, as in `core.shapes`.
    definition : callable
        Map, core, epilogue in plain NumPy: the specification.  Called with keywords.
    direct : callable
        The textbook loop: the independent second route.
    as_realization : callable
        Parameters -> Realization(schedule, system, readout), built without seeing data; None for a
        composition, whose pieces have theirs.
    roles : mapping
        How arguments are drawn where there are no `cases`: one of `layers.derive.ROLES` for each
        name, or a function of (Draw, shape).
    cases : callable
        (regime, options, length, rng) -> arguments: named input regimes with chosen memory.
    regimes : tuple
        The regimes that `cases` knows.
    options : tuple of mapping
        Combinations of options that the cases go through.
    properties : tuple of str
        Checks that need no reference: causality, split, packing, ...
    linear : tuple of str
        Arguments in which the outputs are jointly linear.
    envelope : callable
        Exact-integer arguments -> arguments whose outputs bound all states and partial sums.
    reference : str
        Paper and equation.
    logarithms : tuple of str
        Outputs that are rounded on exact inputs too, and linear in nothing.
    masks : tuple of str
        Arguments in which -inf is a number: it hides.
    kernel : callable
        The same as `definition`, compiled.
    certified, bound, adjoint : callable
        Readings of the definition: `certified(arguments)`, `bound(arguments, claim)`,
        `adjoint(arguments, cotangents)`.
    claim : mapping
        Fields of the claim that is fair for a kernel of which nothing is known.
    swaps : tuple of Swap
        Conventions with which it is confused; those that the signature implies (arguments of
        equal axes, optional ones ignored, a transposed state) need no entry.
    formats : mapping
        Format of a state or an output, by name, where it is not the usual one: "io", "out", "state" or
        "accumulator" of the claim.
    typical : str
        The regime in which nothing is extreme, for checks that need one only.
    whole : tuple of str
        Outputs that are integers: indices.  They are judged as they are, and have no gradient.
    """

    name: str
    signature: str
    definition: Callable[..., Any]
    title: str = ""
    direct: Callable[..., Any] | None = None
    as_realization: Callable[..., Any] | None = None
    roles: Mapping[str, Any] = field(default_factory=dict)
    cases: Callable[..., Mapping[str, Any]] = DERIVED
    regimes: tuple[Any, ...] = ()
    options: tuple[Mapping[str, Any], ...] = ()
    properties: tuple[str, ...] = DERIVED
    linear: tuple[str, ...] = ()
    envelope: Callable[[Mapping[str, Any]], Mapping[str, Any]] = DERIVED
    reference: str = ""
    logarithms: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    kernel: Callable[..., Any] | None = None
    certified: Callable[..., Any] | None = incomplete
    bound: Callable[..., Any] | None = incomplete
    adjoint: Callable[..., Any] | None = incomplete
    claim: Mapping[str, Any] | None = None
    swaps: tuple[Swap, ...] = ()
    formats: Mapping[str, str] | None = None
    typical: str = "fading-3c"
    whole: tuple[str, ...] = ()

    @property
    def axes(self) -> Signature:
        """The parsed signature."""
        return Signature.parse(self.signature)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(self.axes.outputs)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the outputs that are no integers, in order."""
        return tuple(name for name in self.outputs if name not in self.whole)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of all arguments, arrays and options."""
        return tuple(inspect.signature(self.definition).parameters)

    def named(self, outputs: Iterable[Any]) -> dict[str, Any]:
        """Outputs by name; those that are None, since an argument is absent, are left out."""
        return {name: x for name, x in zip(self.outputs, outputs, strict=True) if x is not None}

    @property
    def required(self) -> frozenset[str]:
        """Names of the arguments that have no default."""
        parameters = inspect.signature(self.definition).parameters.values()
        return frozenset(p.name for p in parameters if p.default is p.empty)

    @property
    def fades(self) -> bool:
        """Whether a state decays in some regime; else what a claim says of decays means nothing."""
        return any(np.isfinite(regime.memory(1)) for regime in self.regimes)

    def holder(self, name: str) -> str:
        """Which format of a claim a state or an output has: "state" for states, "out" for the rest, if not declared."""
        return (self.formats or {}).get(name, "state" if name.endswith("state") else "out")

    def __call__(self, **arguments: Any) -> Any:
        """Compute with the compiled kernel where there is one."""
        return (self.kernel or self.definition)(**arguments)


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """What the keywords of a function are that nobody gives."""
    parameters = inspect.signature(function).parameters
    return {name: p.default for name, p in parameters.items() if p.default is not p.empty}


def operation(
    signature: str, *, integers: Iterable[str] = (), like: Callable[..., Any] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function of number types a public function: shapes checked once, at the door.

    Arrays become float64, complex ones a `Pair` inside and complex128 again outside;
    objects and number types pass as they are.

    Parameters
    ----------
    signature : str
        Axes of the arguments, as in `core.shapes`.
    integers : iterable of str
        Arguments that stay integers.
    like : callable, optional
        The definition of which the function is a compiled form: it lends its keywords, their
        defaults and its docstring, and takes over where numbers are not floats.
    """
    axes = Signature.parse(signature)
    integers = frozenset(integers)

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        model = like or body
        parameters, values = inspect.signature(model).parameters, defaults(model)

        @functools.wraps(model)
        def public(**arguments: Any) -> Any:
            unknown = set(arguments) - set(parameters)
            if unknown:
                known = ", ".join(parameters)
                raise ShapeError(f"{model.__name__} has no argument {', '.join(sorted(unknown))}; it takes {known}")
            for name in axes.arguments:
                if arguments.get(name) is not None:
                    arguments[name] = _enter(arguments[name], name in integers)
            axes.check(arguments)
            if like is not None and not all(_floats(arguments.get(name)) for name in axes.arguments):
                return like(**arguments)
            return _own(type_preserving(named(axes, body(**values | arguments))), arguments.values())

        public.__operation__ = signature  # type: ignore[attr-defined]
        public.__dict__["integers"] = integers  # they have no gradient
        return public

    return decorate


def named(axes: Signature, returned: Any) -> Any:
    """Return outputs as a named tuple: as it came if it is one, else named by the signature.

    Raises
    ------
    ShapeError
        If their number is not that of the signature.
    """
    parts = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
    if len(parts) != len(axes.outputs):
        names = ", ".join(axes.outputs)
        raise ShapeError(f"{len(parts)} outputs came, the signature names {len(axes.outputs)}: {names}")
    return returned if hasattr(returned, "_fields") else _outputs(*axes.outputs)(*parts)


@functools.cache
def _outputs(*names: str) -> Any:
    return namedtuple("Outputs", names)


def type_preserving(outputs: Any) -> Any:
    """Turn pairs of plain arrays back to complex arrays; leave other number types."""
    return type(outputs)(*(floats_again(x) for x in outputs))


def floats_again(x: Any) -> Any:
    """A pair of plain arrays as a complex array; anything else as it is."""
    return x.array() if isinstance(x, Pair) and _floats(x) else x


def _own(outputs: Any, inputs: Iterable[Any]) -> Any:
    """Copy an output that is the caller's own array, as the state is when there is no step."""
    given = [x for x in inputs if isinstance(x, np.ndarray)]
    owned = [
        x.copy() if isinstance(x, np.ndarray) and any(np.may_share_memory(x, a) for a in given) else x for x in outputs
    ]
    return type(outputs)(*owned)


def _floats(x: Any) -> bool:
    """Whether compiled code can read x, as it comes from `_enter`."""
    x = x.real if isinstance(x, Pair) else x
    return x is None or (isinstance(x, np.ndarray) and x.dtype != object)


def _enter(x: Any, integer: bool) -> Any:
    if isinstance(x, Pair) or hasattr(type(x), "__elementary__"):
        return x
    x = np.asarray(x)
    if x.dtype == object:
        return x
    if integer:
        return x.astype(np.int64, copy=False)
    if x.dtype.kind == "c":
        return Pair(x.real.astype(np.float64), x.imag.astype(np.float64))
    if x.dtype.kind not in "fiub":
        raise ShapeError(f"an array of dtype {x.dtype} was given, an array of numbers is needed")
    return x.astype(np.float64, copy=False)
