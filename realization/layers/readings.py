"""Bound, certified value and gradient of an op: its definition, read with `Err`, `DD` and `Tape`."""

from __future__ import annotations

import dataclasses
import inspect
import traceback
from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.certify.err import Err
from realization.certify.tape import Tape, gradients
from realization.core.claim import Claim
from realization.core.errors import RealizationError, ShapeError, StructureError
from realization.core.ops import Op, floats_again, incomplete
from realization.core.pair import Pair
from realization.layers.derive import derived


def complete(op: Op) -> Op:
    """Return the record with all that it does not bring along.

    Cases, options, regimes, properties and envelope are derived from signature and roles (see
    `layers.derive`), certified value, bound and gradient are readings of the definition.

    Parameters
    ----------
    op : Op
        With name, signature and definition at least.

    Returns
    -------
    Op
        What the record states is kept as it is.

    Raises
    ------
    StructureError
        If signature, definition and roles do not fit each other.

    Examples
    --------
    >>> scale = complete(Op("scale", "x: *b T d; w: d -> y: *b T d", lambda x, w: x * w))
    >>> x, w, one = np.full((1, 2, 1), 0.1), np.array([3.0]), np.ones((1, 2, 1))
    >>> scale.properties, scale.adjoint({"x": x, "w": w}, {"y": one})["w"].tolist()
    (('causality', 'batch', 'repeat'), [0.2])
    """
    op = derived(op)

    def certified(arguments: Mapping[str, Any]) -> dict[str, Any]:
        from realization.certify.dd import DD  # compiled: loaded when a certificate is asked for

        return _exactly(read(op, arguments, DD.exact), DD.exact)

    def bound(arguments: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
        return _exactly(read(op, arguments, lambda x: Err(x, claim=claim)), lambda x: Err(x, claim=claim))

    def adjoint(arguments: Mapping[str, Any], cotangents: Mapping[str, Any]) -> dict[str, Any]:
        return pull_back(op, arguments, cotangents)

    return dataclasses.replace(
        op,
        certified=certified if op.certified is incomplete else op.certified,
        bound=bound if op.bound is incomplete else op.bound,
        adjoint=adjoint if op.adjoint is incomplete else op.adjoint,
    )


def _exactly(found: Mapping[str, Any], number: Any) -> dict[str, Any]:
    """Outputs that came as integers as numbers of the type, without an error."""
    return {name: number(x.astype(float)) if isinstance(x, np.ndarray) else x for name, x in found.items()}


def lift(op: Op, arguments: Mapping[str, Any], number: Any) -> dict[str, Any]:
    """Read every array of real or complex numbers as the number type; leave options and integers."""

    def one(name: str, x: Any) -> Any:
        if name not in op.axes.arguments or x is None:
            return x
        if isinstance(x, Pair):
            return Pair(number(x.real), number(x.imag))
        if hasattr(type(x), "__elementary__"):
            return number(x)
        x = np.asarray(x)
        if x.dtype.kind in "iub":
            return x
        if x.dtype.kind == "c":
            return Pair(number(x.real.astype(np.float64)), number(x.imag.astype(np.float64)))
        return number(x if x.dtype == object else x.astype(np.float64))

    return {name: one(name, x) for name, x in arguments.items()}


def read(op: Op, arguments: Mapping[str, Any], number: Any) -> dict[str, Any]:
    """Run the definition on the number type; return its outputs by name.

    Raises
    ------
    StructureError
        If the definition does what only floats can, with the line.
    """
    return outputs(op, lift(op, arguments, number))


def outputs(op: Op, lifted: Mapping[str, Any]) -> dict[str, Any]:
    """Run the definition on arguments that are lifted already."""
    try:
        found = op.named(op.definition(**lifted))
    except RealizationError:
        raise
    except (TypeError, AttributeError, ValueError) as e:
        raise _unreadable(op, f"{_line(op, e)}: {e}") from e
    for name, y in found.items():
        if isinstance(y, np.ndarray) and y.dtype == object and not _objects(lifted):
            raise _unreadable(op, f"{name} came as an array of objects")
    return found


def _unreadable(op: Op, what: str) -> StructureError:
    return StructureError(
        f"the definition of {op.name} is arithmetic on floats only ({what}); certified value, bound and gradient "
        "need +, -, *, /, @, indexing and the functions of realization.core.functions"
    )


def _line(op: Op, e: Exception) -> str:
    """The last line of the definition's own file that the error passed through."""
    code = getattr(inspect.unwrap(op.definition), "__code__", None)
    frames = [f for f in traceback.extract_tb(e.__traceback__) if code and f.filename == code.co_filename]
    return f"line {frames[-1].lineno}, {frames[-1].line}" if frames else "in its call"


def _objects(lifted: Mapping[str, Any]) -> bool:
    """Whether arrays of exact numbers went in."""
    return any(isinstance(x, np.ndarray) and x.dtype == object for x in lifted.values())


def pull_back(op: Op, arguments: Mapping[str, Any], cotangents: Mapping[str, Any]) -> dict[str, Any]:
    """Return dL/dx for every array x, where L = sum of <cotangent, output>.

    Parameters
    ----------
    op : Op
        The operation.
    arguments : mapping
        As for its definition; arrays of any one number type.
    cotangents : mapping
        Cotangent of each output that takes part, by name.  For complex numbers
        <a, b> = Re a Re b + Im a Im b, so a gradient is dL/dRe + i dL/dIm.

    Returns
    -------
    dict
        Gradients by name of the argument, each of its shape and in the number type: values of
        floats, bounds of `Err`, certified values of `DD`; a Pair for complex ones but of floats.

    Raises
    ------
    ShapeError
        If a cotangent names no output or has not its shape.
    """
    tapes = lift(op, arguments, Tape)
    found = outputs(op, tapes)
    seeds = []
    for name, bar in cotangents.items():
        if name not in op.numbers:
            raise ShapeError(f"cotangent {name} given; outputs are {', '.join(op.numbers)}")
        y, bar = found[name], bar if hasattr(bar, "shape") else np.asarray(bar)
        if bar.shape != y.shape:
            raise ShapeError(f"the cotangent of {name} has shape {bar.shape}, {y.shape} is needed")
        if isinstance(y, Pair):
            bar = Pair.of(bar)
        seeds += [(y.real, bar.real), (y.imag, bar.imag)] if isinstance(y, Pair) else [(y, bar)]
    leaves = {name: x for name, x in tapes.items() if isinstance(x, Tape | Pair)}
    flat = [part for x in leaves.values() for part in ([x.real, x.imag] if isinstance(x, Pair) else [x])]
    parts = iter(gradients([(y, bar) for y, bar in seeds if isinstance(y, Tape)], flat))
    return {
        name: floats_again(Pair(next(parts), next(parts))) if isinstance(x, Pair) else next(parts)
        for name, x in leaves.items()
    }
