"""What a record leaves out, derived from its signature, the roles of its arguments, and a trial.

The *role* of an argument says how it is drawn.  By default it is the argument's name, where that is a role:

    value, key, query      the write v k' and the reader q, scaled so that a state is read at order 1
    log_decay, decay       g <= 0 and exp(g): a state decays by 1/e within the memory of the regime
    step, rate             two factors of a log decay, positive and negative
    state, gate, skip      before the first step (any name that ends in "state"); of the epilogue

Any other argument is drawn as a key if it goes over time, else as a skip.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.core.ops import DERIVED, Op, named, operation
from realization.core.rounding import FORMATS
from realization.core.shapes import Argument, Signature
from realization.layers import regimes
from realization.layers.regimes import Draw

# Axes of the cases: groups divide heads, and axes that usually meet in one array differ.
SIZES = (
    {"h": 4, "g": 2, "d": 8, "n": 16, "p": 6, "k": 8, "v": 6, "m": 3},
    {"h": 6, "g": 3, "d": 5, "n": 7, "p": 4, "k": 5, "v": 4, "m": 2},
)
OTHER_SIZE = 5
PACKING = ("cu_seqlens", "seq_idx")


def log_decay(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    """-step rate, where the rates do not change from step to step."""
    return -draw.steps(shape) * draw.rates(shape[2:])


ROLES: Mapping[str, Callable[[Draw, tuple[int, ...]], np.ndarray]] = {
    "value": Draw.values,
    "key": Draw.signal,
    "query": Draw.reader,
    "log_decay": log_decay,
    "decay": lambda draw, shape: np.exp(log_decay(draw, shape)),
    "step": Draw.steps,
    "rate": lambda draw, shape: -draw.rates(shape),
    "state": Draw.state,
    "gate": Draw.gate,
    "skip": Draw.skip,
}


def derived(op: Op) -> Op:
    """Fill in title, cases, options, regimes, properties and envelope where the record has none.

    Parameters
    ----------
    op : Op
        With name, signature and definition at least.

    Returns
    -------
    Op
        What it states is kept as it is.

    Raises
    ------
    StructureError
        If signature, definition and roles do not fit each other.
    """
    _check(op)
    if not hasattr(op.definition, "__operation__"):
        whole = [name for name in PACKING if name in op.axes.arguments]
        op = dataclasses.replace(op, definition=operation(op.signature, integers=whole)(op.definition))
    roles = _roles(op)
    exponents = [name for name, role in roles.items() if role in ("log_decay", "step", "rate")]
    readers = [name for name, role in roles.items() if role == "query"]
    op = dataclasses.replace(
        op,
        title=op.title or op.name,
        options=op.options or _options(op),
        cases=_stated(op.cases, lambda: _cases(op, roles)),
        envelope=_stated(op.envelope, lambda: regimes.envelope(read=readers, exponents=exponents)),
        properties=_stated(op.properties, lambda: _properties(op)),
    )
    return op if op.regimes else dataclasses.replace(op, regimes=_regimes(op))


def _stated(field: Any, derive: Callable[[], Any]) -> Any:
    return derive() if field is DERIVED else field


def _check(op: Op) -> None:
    """Refuse a signature that the definition does not follow, and roles that do not exist."""
    parameters = inspect.signature(op.definition).parameters
    for name, argument in op.axes.arguments.items():
        if name not in parameters:
            raise StructureError(
                f"{op.name}: the signature names {name}, but the definition takes ({', '.join(parameters)})"
            )
        if argument.optional and parameters[name].default is inspect.Parameter.empty:
            raise StructureError(f"{op.name}: {name}? is optional in the signature; give it a default, None")
    for name, role in op.roles.items():
        if name not in op.axes.arguments:
            raise StructureError(f"{op.name}: a role is given to {name}; arguments are {', '.join(op.axes.arguments)}")
        if role not in ROLES and not callable(role):
            near = difflib.get_close_matches(str(role), ROLES, n=3, cutoff=0.4) or ROLES
            raise StructureError(
                f"{op.name}: role {role!r} of {name} is unknown; nearest: {', '.join(near)}, "
                "or a function of (Draw, shape)"
            )


def _roles(op: Op) -> dict[str, Any]:
    def one(name: str, argument: Argument) -> Any:
        named = "state" if name.endswith("state") else name if name in ROLES else None
        return op.roles.get(name) or named or ("skip" if argument.axis("T") is None else "key")

    return {name: one(name, a) for name, a in op.axes.arguments.items() if name not in PACKING}


def _options(op: Op) -> tuple[Mapping[str, Any], ...]:
    """The state alone, all that is optional, nothing; and all of it beside each way to pack."""
    optional = [name for name, a in op.axes.arguments.items() if a.optional and name not in PACKING]
    states = [name for name in optional if name.endswith("state")]
    packed = [(*optional, name) for name in PACKING if name in op.axes.arguments]
    have = dict.fromkeys(map(tuple, [states, optional, [], *packed]))
    return tuple({"size": size, "with": names} for size, names in zip(itertools.cycle(SIZES), have, strict=False))


def _properties(op: Op) -> tuple[str, ...]:
    """Those that can be asked of every op with these arguments and outputs."""
    axes = op.axes
    signals = [axes.arguments[name] for name in axes.over_time()] + [axes.outputs[op.outputs[0]]]
    timely = all(a.axes[:2] == ("*b", "T") for a in signals) and len(signals) > 1
    stateful = "initial_state" in axes.arguments and op.outputs[1:2] == ("final_state",)
    possible = {
        "causality": timely,
        "split": timely and stateful,
        "packed": timely and any(name in axes.arguments for name in PACKING),
        "batch": all(a.axes[0] == "*b" for a in signals),
        "repeat": True,
        "linearity": bool(op.linear),
    }
    return tuple(name for name, can in possible.items() if can)


def _regimes(op: Op) -> tuple[regimes.Regime, ...]:
    """All regimes; the exact ones only if a trial, and the direct loop, give integers bit for bit."""
    exact = [r for r in regimes.REGIMES if r.exact]
    whole = all(_integral(op, regime, option) for regime in exact for option in op.options)
    return tuple(r for r in regimes.REGIMES if whole or not r.exact)


def _integral(op: Op, regime: regimes.Regime, option: Mapping[str, Any]) -> bool:
    rng, form = np.random.default_rng(0), FORMATS["float32"]
    case = op.cases(regime, option, T=9, chunk=4, rng=rng, form=form)
    try:
        with np.errstate(all="ignore"):
            outputs, enlarged = op.definition(**case), op.definition(**op.envelope(case))
            again = outputs if op.direct is None else named(op.axes, op.direct(**case))
        returned = dict(zip(op.outputs, outputs, strict=True))
        Signature({**op.axes.arguments, **op.axes.outputs}, {}).check({**case, **returned})
    except Exception as e:
        raise StructureError(
            f"{op.name}: definition or direct loop refuse arguments drawn for them ({type(e).__name__}: {e}); "
            "state roles, options with sizes that fit, or cases"
        ) from e
    same = all(np.array_equal(x, y) for x, y in zip(outputs, again, strict=True))
    return same and all(bool((x == np.round(x)).all()) for x in (*outputs, *enlarged))


# The cases --------------------------------------------------------------------


def _cases(op: Op, roles: Mapping[str, Any]) -> Callable[..., dict[str, Any]]:
    """Draw every argument in its role, in the sizes of the options."""
    axes = op.axes.arguments

    def cases(regime: Any, options: Any, *, T: int, chunk: int, rng: Any, form: Any, batch: int = 2) -> dict[str, Any]:
        draw, have = Draw(regime, T, chunk, rng, form), frozenset(options["with"])
        out: dict[str, Any] = {}
        rows = 1 if "cu_seqlens" in have else batch
        if "cu_seqlens" in have:
            out["cu_seqlens"] = regimes.offsets(T, chunk, rng)
        if "seq_idx" in have:
            out["seq_idx"] = regimes.sequence_index(rows, T, chunk, rng)
        sizes = {"T": T, "*b": rows, "s": len(out.get("cu_seqlens", "-")) - 1} | dict(options["size"])
        for name, role in roles.items():
            if name in have or not axes[name].optional:
                out[name] = _drawn(draw, role, axes[name], sizes, packed="cu_seqlens" in have)
        return _paired(out, roles, axes) if regime.name == "cancelling" else out

    return cases


def _drawn(draw: Draw, role: Any, argument: Argument, sizes: Mapping[str, int], *, packed: bool) -> np.ndarray:
    """Draw with axes (b, T, ...), as `Draw` knows them, and bring them into the order of the signature."""
    letters = next((a for a in argument.alternatives if packed and "s" in a), argument.axes)
    rest = [sizes.get(letter, OTHER_SIZE) for letter in letters if letter not in ("*b", "T")]
    lead = [sizes[letter] if letter in letters else 1 for letter in ("*b", "T")]
    make = role if callable(role) else ROLES["key" if role == "value" and "T" not in letters else role]
    x = np.asarray(make(draw, (*lead, *rest)))
    x = np.moveaxis(x, 1, letters.index("T") + ("*b" not in letters)) if "T" in letters else x[:, 0]
    return x if "*b" in letters else x[0]


def _paired(out: dict[str, Any], roles: Mapping[str, Any], axes: Mapping[str, Argument]) -> dict[str, Any]:
    """Let states come in pairs that the read-out subtracts, along the axis that keys and queries share."""
    last = {axes[name].axes[-1] for name, role in roles.items() if role in ("key", "query") and name in out}
    if len(last) != 1 or not {"key", "query"} <= set(roles.values()):
        return out
    (letter,) = last

    def pair(name: str, x: Any) -> Any:
        axis, role = axes[name].axis(letter), roles.get(name)
        if axis is None or role in ("value", "gate", "skip", None):
            return x
        return np.moveaxis(regimes.cancel(np.moveaxis(x, axis, -1), sign=-1 if role == "query" else 1), -1, axis)

    return {name: pair(name, x) for name, x in out.items()}
