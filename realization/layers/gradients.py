"""The op of gradients: what an op's backward pass computes, as an op of its own.

    (x, ybar) -> xbar = J(x)' ybar

for an op y = f(x): its arguments and a cotangent of each output in, the gradient of every array of
real or complex numbers out.  It is derived from the op and read as every op is: with floats a
value, with `DD` certified, with `Err` a bound; so cases, verdict, localisation, ladder and
report serve it unchanged.

Integer inputs do not make it exact: a gradient has the slopes of exp, softplus and silu in it, and sums
of products of three arguments and a cotangent outgrow what formats hold.  The regimes that promise
exact bits are therefore left out.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.ops import Op
from realization.core.pair import Pair
from realization.core.shapes import Argument
from realization.layers.readings import complete, lift, pull_back

COTANGENT, GRADIENT = "cotangent_", "grad_"
STEP = 1e-150  # of the complex step: no digit is lost to a difference


@functools.cache
def gradient_of(op: Op) -> Op:
    """Return the op of gradients of `op`.

    Parameters
    ----------
    op : Op
        Any op whose definition is made of the functions of `core.functions`.

    Returns
    -------
    Op
        Named "<op>.grad".  Its arguments are those of the op and `cotangent_<output>`, each
        optional; its outputs are `grad_<argument>` for every array of numbers, which is absent (None)
        where the argument is.  For complex numbers a gradient is dL/dRe + i dL/dIm.

    Examples
    --------
    >>> from realization.layers import SELECTIVE_SCAN
    >>> grad = gradient_of(SELECTIVE_SCAN)
    >>> grad.outputs[:3], grad.arguments[-2:]
    (('grad_u', 'grad_delta', 'grad_A'), ('cotangent_y', 'cotangent_final_state'))

    With one step, no memory and no gate y = delta u B C:

    >>> one = np.ones((1, 1, 1))
    >>> x = {"u": 2 * one, "delta": 3 * one, "A": [[-1.0]], "B": 5 * one, "C": 7 * one}
    >>> grad.definition(**x, cotangent_y=one)[0].item()
    105.0
    """
    if not op.numbers:
        raise StructureError(f"{op.name} has no outputs but integers: there is nothing to differentiate")
    numbers = {k: a for k, a in op.axes.arguments.items() if k not in getattr(op.definition, "integers", ())}
    outputs = {name: op.axes.outputs[name] for name in op.numbers}
    sides = (
        [_spelled(a, a.name, optional=a.optional) for a in op.axes.arguments.values()]
        + [_spelled(a, COTANGENT + name, optional=True) for name, a in outputs.items()],
        [_spelled(a, GRADIENT + name) for name, a in numbers.items()],
    )
    return complete(
        Op(
            name=f"{op.name}.grad",
            title=f"gradients of {op.title[:1].lower()}{op.title[1:]}",
            signature=" -> ".join("; ".join(side) for side in sides),
            definition=_taking_cotangents(op, functools.partial(_definition, op, tuple(numbers))),
            direct=_taking_cotangents(op, functools.partial(_complex_steps, op, tuple(numbers))),
            as_realization=op.as_realization,
            cases=functools.partial(_cases, op),
            regimes=tuple(r for r in op.regimes if not r.exact),
            options=_options(op),
            properties=("repeat", "batch", "linearity", "adjoint"),
            linear=tuple(COTANGENT + name for name in outputs),
            masks=op.masks,
            envelope=op.envelope,
            reference=op.reference,
            claim=op.claim,
            formats={**(op.formats or {}), **{COTANGENT + name: op.holder(name) for name in outputs}},
            typical=op.typical,
        )
    )


def forward(op: Op, arguments: Mapping[str, Any]) -> tuple[Op, dict[str, Any]]:
    """The op that an op of gradients differentiates, and the arguments that it takes; another op is its own."""
    own: Op = getattr(op.definition, "forward", op)
    return own, dict(arguments) if own is op else _split(arguments)[0]


def _spelled(a: Argument, name: str, *, optional: bool = False) -> str:
    return f"{name}{'?' * optional}: {' | '.join(map(' '.join, a.alternatives))}"


def _taking_cotangents(op: Op, body: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function the op's keywords and those of the cotangents."""
    empty = inspect.Parameter.KEYWORD_ONLY
    own = [p.replace(kind=empty) for p in inspect.signature(op.definition).parameters.values()]
    cotangents = [inspect.Parameter(COTANGENT + name, empty, default=None) for name in op.numbers]

    @functools.wraps(body, assigned=())
    def function(**arguments: Any) -> Any:
        return body(**arguments)

    function.__dict__["__operation__"] = True  # the definition inside is one: arrays are checked there
    function.__dict__["forward"] = op
    function.__signature__ = inspect.Signature([*own, *cotangents])  # type: ignore[attr-defined]
    return function


def _split(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the op, and cotangents by output."""
    cotangents = {k: x for k, x in arguments.items() if k.startswith(COTANGENT)}
    rest = {k: x for k, x in arguments.items() if k not in cotangents and x is not None}
    return rest, {k.removeprefix(COTANGENT): x for k, x in cotangents.items() if x is not None}


def _definition(op: Op, numbers: tuple[str, ...], **arguments: Any) -> tuple[Any, ...]:
    """J' ybar by reverse accumulation through the definition, for every argument in order."""
    given, cotangents = _split(arguments)
    if not cotangents:
        known = ", ".join(COTANGENT + name for name in op.numbers)
        raise ShapeError(f"no cotangent was given; one of {known} is needed")
    found = pull_back(op, given, cotangents)
    return tuple(found.get(name) for name in numbers)


# The second route -----------------------------------------------------------


def _complex_steps(op: Op, numbers: tuple[str, ...], **arguments: Any) -> tuple[Any, ...]:
    """J' ybar column by column: the derivative of <ybar, f> along every entry is Im f(x + i h e) / h.

    Reference: Squire and Trapp 1998.  For small sizes, since it runs the definition once for each entry.
    """
    given, cotangents = _split(arguments)
    given = {k: np.asarray(x) if k in op.axes.arguments else x for k, x in given.items()}
    parts = {k: _parts(x) for k, x in given.items() if k in numbers and x.dtype.kind in "fc"}

    def along(name: str, part: int, place: tuple[int, ...]) -> float:
        moved = {k: [p.astype(complex) for p in pair] for k, pair in parts.items()}
        moved[name][part][place] += 1j * STEP
        arrays = {k: Pair(*pair) if len(pair) == 2 else pair[0] for k, pair in moved.items()}
        outputs = op.named(getattr(op.definition, "__wrapped__", op.definition)(**given | arrays))
        return sum(_paired(cotangents[k], outputs[k]) for k in cotangents)

    def gradient(name: str) -> Any:
        columns = [np.zeros(p.shape) for p in parts[name]]
        for part, column in enumerate(columns):
            for place in np.ndindex(column.shape):
                column[place] = along(name, part, place)
        return columns[0] + 1j * columns[1] if len(columns) == 2 else columns[0]

    return tuple(gradient(name) if name in parts else None for name in numbers)


def _parts(x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (x.real, x.imag) if x.dtype.kind == "c" else (x,)


def _paired(bar: Any, y: Any) -> float:
    """<ybar, Im y / h>, real and imaginary part apart."""
    values = (y.real, y.imag) if isinstance(y, Pair) else (y,)
    return sum(float((b * np.imag(v)).sum()) / STEP for b, v in zip(_parts(np.asarray(bar)), values, strict=True))


# Cases ----------------------------------------------------------------------


def _options(op: Op) -> tuple[dict[str, Any], ...]:
    """Those of the op with all cotangents; and for every output one with its cotangent only."""
    names = [COTANGENT + name for name in op.numbers]
    alone = [(op.options[i % len(op.options)], (name,)) for i, name in enumerate(names)] if len(names) > 1 else []
    return tuple({**o, "with": (*o["with"], *chosen)} for o, chosen in [*((o, names) for o in op.options), *alone])


def _cases(op: Op, regime: Any, options: Mapping[str, Any], **sizes: Any) -> dict[str, Any]:
    """A case of the op with cotangents of order 1."""
    own = {**options, "with": tuple(x for x in options["with"] if not x.startswith(COTANGENT))}
    case = dict(op.cases(regime, own, **sizes))
    zeros = lift(op, case, np.zeros_like)
    outputs = op.named(op.definition(**zeros))
    for name, y in ((name, outputs[name]) for name in op.numbers if name in outputs):
        bar = sizes["rng"].standard_normal(y.shape)
        bar = bar + 1j * sizes["rng"].standard_normal(y.shape) if np.iscomplexobj(y) else bar
        if COTANGENT + name in options["with"]:
            case[COTANGENT + name] = bar
    return case
