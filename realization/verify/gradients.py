"""The backward pass of a subject, as a subject of the op of gradients.

PyTorch differentiates the forward pass itself; a NumPy subject brings a function

    backward(arguments of the op, cotangent_<output>=...) -> {argument: gradient}

A gradient that does not come (None, or no entry) counts as 0: right where no output depends on the argument,
and a failure anywhere else.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from realization.core.ops import Op
from realization.layers.gradients import COTANGENT, GRADIENT, gradient_of
from realization.verify.cases import draw, plan
from realization.verify.subject import (
    DefectError,
    LeftOutError,
    RefusedError,
    Subject,
    UsageError,
    load,
    named,
    parameters,
)

PROBES = 8  # cases that are tried to see which outputs come


def backward_of(subject: Subject, backward: Callable[..., Any] | str | None = None) -> Subject:
    """Return the subject that computes the gradients of `subject`.

    Parameters
    ----------
    subject : Subject
        The forward pass.
    backward : callable or str, optional
        A function, or its name: `module:function` or `file.py:function`.  Default: autograd, for a PyTorch subject.

    Returns
    -------
    Subject
        Of the op `gradient_of(subject.op)`, with the forward pass beside it.

    Raises
    ------
    UsageError
        If there is no backward pass, or it does not take what it needs.
    """
    if not subject.op.numbers:
        raise UsageError(f"{subject.op.name} has no outputs but integers: there is nothing to differentiate")
    op = gradient_of(subject.op)
    cotangents = frozenset(COTANGENT + name for name in subject.op.numbers)
    function: Any = load(backward) if isinstance(backward, str) else backward
    name = backward if isinstance(backward, str) else getattr(backward, "__name__", "")
    if backward is not None:
        accepts = _taken(name, function, subject, cotangents)
        call = _by_hand(name, function, op)
    elif subject.array == "torch":
        accepts, call = subject.accepts | {COTANGENT + y for y in _returned(subject)}, _by_autograd(subject)
    else:
        raise UsageError(
            f"{subject.name} takes {subject.array} arrays, which nothing differentiates; "
            "give --backward module:function, or --array torch for autograd"
        )
    flags = (*subject.flags, "--grad", *(("--backward", name) if name else ()))
    return dataclasses.replace(
        subject, op=op, call=call, accepts=accepts, changes=frozenset(), flags=flags, forward=subject
    )


def _returned(subject: Subject) -> frozenset[str]:
    """Outputs that the forward pass returns, seen on the first case that it takes; all where it takes none."""
    planned = plan(subject.op, subject.claim, subject.accepts, requires=subject.requires)
    for identity in planned[:PROBES]:
        case = draw(subject.op, identity, subject.claim, subject.accepts, subject.requires)
        with contextlib.suppress(RefusedError, LeftOutError, DefectError):
            return frozenset(subject.run(case.arguments, subject.claim)) & {*subject.op.numbers}
    return frozenset(subject.op.numbers)


def _taken(name: str, function: Any, subject: Subject, cotangents: frozenset[str]) -> frozenset[str]:
    """Arguments and cotangents that a backward function takes, checked."""
    takes = parameters(function) if callable(function) else frozenset()
    accepts = subject.accepts | cotangents
    accepts = accepts if takes is None else accepts & (takes | {"complex"})
    missing = sorted(subject.op.required - accepts) or (sorted(cotangents) if not cotangents & accepts else [])
    if missing:
        raise UsageError(
            f"--backward {name} takes ({', '.join(sorted(takes or ()))}), but the arguments of {subject.op.name} and "
            f"the cotangents {', '.join(sorted(cotangents))} are needed, by these names; {missing[0]} is missing"
        )
    return accepts


def _by_hand(name: str, function: Callable[..., Any], op: Op) -> Callable[..., Any]:
    def call(**given: Any) -> dict[str, Any]:
        found = function(**given)
        if not isinstance(found, Mapping):
            raise DefectError(f"{name} returns {type(found).__name__}, a dict of gradients by argument name is needed")
        unknown = sorted(k for k in found if GRADIENT + k not in op.outputs)
        if unknown:
            raise DefectError(f"a gradient of {', '.join(map(str, unknown))} came; there is no such array of numbers")
        return _complete(found, given, op, np.zeros_like)

    return call


def _by_autograd(subject: Subject) -> Callable[..., Any]:
    from realization.verify.adapters.autograd import backward

    op = gradient_of(subject.op)

    def call(**given: Any) -> dict[str, Any]:
        cotangents = {k.removeprefix(COTANGENT): x for k, x in given.items() if k.startswith(COTANGENT)}
        rest = {k: x for k, x in given.items() if not k.startswith(COTANGENT)}
        try:
            found = backward(
                subject.call, rest, cotangents, named=lambda y: named(y, subject.op), changes=subject.changes
            )
        except ValueError as e:
            raise DefectError(str(e)) from e
        return _complete(found, rest, op, lambda x: x.detach() * 0)

    return call


def _complete(found: Mapping[str, Any], given: Mapping[str, Any], op: Op, zero: Callable[[Any], Any]) -> dict[str, Any]:
    """Every gradient by output name, 0 for those that did not come."""
    wanted = [k for k, x in given.items() if GRADIENT + k in op.outputs and x is not None]
    return {GRADIENT + k: found[k] if found.get(k) is not None else zero(given[k]) for k in wanted}
