"""Cores: the few recurrences and read-outs that all layers call, and how another one can stand in.

A definition is map -> core -> epilogue.  Whoever answers in the place of the core (a faulty
run, another convention) thereby answers in every layer that calls it, a user's own included.
The faults that are known of a core stand in the module `faults` beside it: a table `FAULTS`,
and `route`, the core by a fast float64 route.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])
StandIn = Callable[..., Any]  # (core, its arguments as keywords) -> what the core returns
_STAND_IN: ContextVar[StandIn | None] = ContextVar("stand_in", default=None)


def core(function: Function) -> Function:
    """Mark a function of keywords as a core: what stands in for it answers its calls."""

    @functools.wraps(function)
    def call(**arguments: Any) -> Any:
        answer = _STAND_IN.get()
        return function(**arguments) if answer is None else answer(function, **arguments)

    return call  # type: ignore[return-value]


@contextmanager
def standing_in(answer: StandIn | None) -> Iterator[None]:
    """Let `answer(core, **arguments)` return in the place of every core that is called; None changes nothing."""
    token = _STAND_IN.set(answer)
    try:
        yield
    finally:
        _STAND_IN.reset(token)


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """A known way to get a core wrong.

    Parameters
    ----------
    name : str
        A few words.
    sentence : str
        What a kernel with the fault does; `{chunk}` is the length of a chunk.
    run : callable
        (right core, length of a chunk, **arguments of the core) -> what the fault makes of it.
    chunked : bool
        Whether it lies in how chunks are joined, so that the length of a chunk matters.
    """

    name: str
    sentence: str
    run: Callable[..., Any]
    chunked: bool = False


def numbers(arguments: Mapping[str, Any]) -> Iterator[Any]:
    """The arguments of a core one by one, those inside of its sources too."""
    for x in arguments.values():
        if isinstance(x, tuple | list):  # sources, or a pair of arrays
            for part in x:
                yield from part.numbers() if hasattr(part, "numbers") else (part,)
        else:
            yield x


def called(function: Callable[[], Any]) -> list[Callable[..., Any]]:
    """The cores that a function calls, each once."""
    met: dict[str, Callable[..., Any]] = {}

    def listen(core: Callable[..., Any], **arguments: Any) -> Any:
        met[core.__module__] = core
        return fast(core, **arguments)

    with standing_in(listen):
        function()
    return list(met.values())


def faults(core: Callable[..., Any]) -> tuple[Fault, ...]:
    """The table of a core's known faults; empty for a core without one."""
    return tuple(getattr(_beside(core), "FAULTS", ()))


def route(core: Callable[..., Any]) -> Callable[..., Any]:
    """The core by its fast float64 route, or itself."""
    found: Callable[..., Any] = getattr(_beside(core), "route", core)
    return found


def fast(core: Callable[..., Any], **arguments: Any) -> Any:
    """What a core answers: plain arrays go by its fast route, number types, as those of gradients, by the core."""
    return fastest(core, arguments)(**arguments)


def fastest(core: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[..., Any]:
    """The core's fast route, or the core where that cannot take the arguments."""
    given = list(numbers(arguments))
    plain = all(x.dtype != object for x in given if isinstance(x, np.ndarray)) and not any(
        hasattr(type(x), "__elementary__") for x in given
    )
    return route(core) if plain else core


def alone(core: Callable[..., Any], answer: Callable[..., Any]) -> Callable[..., Any]:
    """Let an answer stand in for one core, by whichever route, beside others that answer for themselves."""

    routes = (inspect.unwrap(core), route(core))

    def stand_in(called: Callable[..., Any], **arguments: Any) -> Any:
        return answer(called, **arguments) if called in routes else called(**arguments)

    return stand_in


def _beside(core: Callable[..., Any]) -> Any:
    try:
        return import_module(f"{core.__module__}.faults")
    except ModuleNotFoundError:
        return None
