"""Op: the one record that tests, verify, documentation and command line all read."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.pair import Pair
from realization.core.shapes import Signature


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """An operation of a sequence model, and everything that is known about it.

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
    kernel : callable
        The same as `definition`, compiled.
    certified, bound, adjoint : callable
        Readings of the definition: `certified(arguments)`, `bound(arguments, claim)`,
        `adjoint(arguments, cotangents)`.
    claim : mapping
        Fields of the claim that is fair for a kernel of which nothing is known.
    formats : mapping
        Format of a state or an output, by name, where it is not the usual one: "io", "out", "state" or
        "accumulator" of the claim.
    typical : str
        The regime in which nothing is extreme, for checks that need one only.
    """

    name: str
    title: str
    signature: str
    definition: Callable[..., Any]
    direct: Callable[..., Any]
    as_realization: Callable[..., Any] | None
    cases: Callable[..., Mapping[str, Any]]
    regimes: tuple[Any, ...]
    options: tuple[Mapping[str, Any], ...]
    properties: tuple[str, ...]
    linear: tuple[str, ...]
    envelope: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    reference: str
    kernel: Callable[..., Any] | None = None
    certified: Callable[..., Any] | None = None
    bound: Callable[..., Any] | None = None
    adjoint: Callable[..., Any] | None = None
    claim: Mapping[str, Any] | None = None
    formats: Mapping[str, str] | None = None
    typical: str = "fading-3c"

    @property
    def axes(self) -> Signature:
        """The parsed signature."""
        return Signature.parse(self.signature)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(self.axes.outputs)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of all arguments, arrays and options."""
        return tuple(inspect.signature(self.definition).parameters)

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
        parameters = inspect.signature(model).parameters
        defaults = {name: p.default for name, p in parameters.items() if p.default is not p.empty}

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
            return _own(type_preserving(body(**defaults | arguments)), arguments.values())

        return public

    return decorate


def type_preserving(outputs: Any) -> Any:
    """Turn pairs of plain arrays back to complex arrays; leave other number types."""
    leave = [x.array() if isinstance(x, Pair) and _floats(x) else x for x in outputs]
    return type(outputs)(*leave)


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
