"""The properties, asked of a subject of an op: which inputs, and what tolerance.

Two right ways to compute one thing differ by at most the sum of their bounds, so
every tolerance here is a sum of bounds under the subject's claim.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from realization.core.claim import NAMED, Claim
from realization.core.ops import Op
from realization.layers.gradients import COTANGENT, GRADIENT
from realization.verify import properties
from realization.verify.cases import Case, chunk_of, draw, usable
from realization.verify.properties import NOTE, Property
from realization.verify.rough import HANDLINGS
from realization.verify.subject import DefectError, LeftOutError, RefusedError, Subject
from realization.verify.verdict import Truth, spoken, tolerances

SHORT = 9


def ask(subject: Subject, claim: Claim, name: str, *, seed: int = 0) -> Property:
    """Ask a subject for one property.

    Parameters
    ----------
    subject : Subject
        The kernel.
    claim : Claim
        Its arithmetic.
    name : str
        One of its op's properties.
    seed : int
        Seed of the inputs.

    Returns
    -------
    Property
        The worst over the inputs asked; a note where it cannot be asked.
    """
    answers = [_ask_case(subject, claim, name, case) for case in _cases(subject, claim, name, seed)]
    found = [p for p in answers if p is not None]
    if not found:
        return Property(name, NOTE, 0.0, 0.0, "not asked: " + NEEDS.get(name, "no case fits"))
    order = {properties.FAIL: 2, properties.PASS: 1, NOTE: 0 if name != "repeat" else 1.5}
    return max(found, key=lambda p: (order[p.status], p.ratio, p.difference))


NEEDS = {
    "split": "the subject takes no initial state, or returns no final state",
    "adjoint": "there is no forward pass beside it, or it is linear in nothing of which a gradient came",
    "packed": "the subject takes neither cu_seqlens nor seq_idx",
    "linearity": "no output is linear with the options that the subject takes",
}


def _cases(subject: Subject, claim: Claim, name: str, seed: int) -> list[Case]:
    """A short and a long case; for all options where the property is about options."""
    options = usable(subject.op, subject.accepts, subject.requires)
    packs = [bool({"cu_seqlens", "seq_idx"} & set(o["with"])) for o in options]
    wanted = [o for o, p in zip(options, packs, strict=True) if p == (name == "packed")]
    if name == "split":
        wanted = [o for o in wanted if "initial_state" in o["with"]]
    if name == "causality":  # what changes at a step is then the same index of queries and keys
        wanted = [o for o in wanted if "past" not in o["with"]]
    long = 2 * chunk_of(claim) + 1
    names = [r.name for r in subject.op.regimes]
    regime = subject.op.typical if subject.op.typical in names else names[0]
    return [
        draw(subject.op, f"{regime}.T{T}.o{o['index']}.s{seed}", claim, subject.accepts, subject.requires)
        for o in wanted[:3]
        for T in (SHORT, long)
    ]


def _ask_case(subject: Subject, claim: Claim, name: str, case: Case) -> Property | None:
    def run(**changed: Any) -> dict[str, Any]:
        return subject.run({**case.arguments, **changed}, claim)

    try:
        return QUESTIONS[name](subject, claim, case, run)
    except (RefusedError, LeftOutError):
        return None
    except DefectError as e:  # the cases fail for it already, unless only this question is asked
        return Property(name, NOTE, 0.0, 0.0, f"not asked: {e}")


def _tolerance(
    subject: Subject, case: Case, claim: Claim, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    case = case if arguments is None else Case(case.id, arguments, case.regime, case.chunk)
    return tolerances(subject.op, case, Truth.of(subject.op, case), claim)


def _over_time(subject: Subject, case: Case) -> dict[str, Any]:
    """Arguments of numbers that run over time; steps (T) come before keys (S) where an argument has both."""
    axes = subject.op.axes.arguments
    given = {k: case.arguments.get(k) for k in axes}
    return {k: x for k, x in given.items() if x is not None and {"T", "S"} & {*axes[k].letters(np.ndim(x))}}


def _restricted(subject: Subject, arguments: Mapping[str, Any], cut: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with the axes named in `cut` sliced."""
    axes = subject.op.axes.arguments
    out = dict(arguments)
    for name in (k for k, x in arguments.items() if k in axes and x is not None):
        letters = axes[name].letters(np.ndim(arguments[name]))
        out[name] = arguments[name][tuple(cut.get(letter, slice(None)) for letter in letters)]
    return out


def _causality(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property:
    first = subject.op.outputs[0]
    signals = {k: x for k, x in _over_time(subject, case).items() if x.dtype.kind in "fc"}
    axes = {k: _time(subject, k, x) for k, x in signals.items()}
    rng = np.random.default_rng(1)
    inputs = {k: np.moveaxis(x, axes[k], 1) for k, x in signals.items()}
    other = {k: rng.permuted(x, axis=0 if x.shape[0] > 1 else 1)[:, ::-1] for k, x in inputs.items()}
    tolerance = 0.0
    if properties.repeatability(lambda: run()[first]).status == NOTE:
        tolerance = 2 * _tolerance(subject, case, claim)[first]

    def function(x: Mapping[str, Any]) -> Any:
        return run(**{k: np.ascontiguousarray(np.moveaxis(v, 1, axes[k])) for k, v in x.items()})[first]

    at = _cuts(next(iter(inputs.values())).shape[1], case)
    return properties.causality(function, inputs, other, at=at, tolerance=tolerance)


def _time(subject: Subject, name: str, x: Any) -> int:
    """The axis of time of an argument."""
    letters = subject.op.axes.arguments[name].letters(x.ndim)
    return letters.index("T" if "T" in letters else "S")


def _cache(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property:
    """A prompt at once, in two pieces, and token by token, each piece with all keys up to its end."""
    y = subject.op.outputs[0]
    sizes = subject.op.axes.check({k: case.arguments.get(k) for k in subject.op.axes.arguments})
    T, past = sizes["T"], sizes["S"] - sizes["T"]
    whole, allowed = run()[y], 2 * _tolerance(subject, case, claim)[y]
    ways = [(c,) for c in _cuts(T, case) if 0 < c < T] + [tuple(range(1, T))] * (T == SHORT)
    found = []
    for places in ways:
        edges = [0, *places, T]
        pieces = [
            subject.run(_restricted(subject, case.arguments, {"T": slice(a, b), "S": slice(past + b)}), claim)[y]
            for a, b in itertools.pairwise(edges)
        ]
        about = "token by token: " if len(places) > 1 else f"cut at {places[0]}: "
        joined = np.concatenate(pieces, axis=1)
        found.append(properties.agreement("cache", whole, joined, tolerance=allowed, about=about))
    return max(found, key=lambda p: (p.status == properties.FAIL, p.ratio))


def _cuts(T: int, case: Case) -> list[int]:
    """Places to cut, those about the ends of chunks among them."""
    edges = {k * case.chunk + d for k in (1, 2) for d in (-1, 0, 1)}
    return sorted({*properties.cuts(T), *(c for c in edges if 0 < c < T)})


def _split(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property | None:
    y, state = subject.op.outputs[:2]
    if state not in run():
        return None

    def function(x: Any, s: Any) -> tuple[Any, Any]:
        out = run(**x, initial_state=s)
        return out[y], out[state]

    # The pieces may round the state at every cut, and cut their chunks elsewhere.
    whole, pieces = (_tolerance(subject, case, c) for c in (claim, claim.replace(chunk=None)))
    T = len(next(iter(_over_time(subject, case).values()))[0])
    singles = [(c,) for c in _cuts(T, case)]
    ways = singles + [tuple(range(1, T))] if T == SHORT else singles
    return properties.split_invariance(
        function, _over_time(subject, case), state=case.arguments["initial_state"], at=ways,
        tolerance=whole[y] + pieces[y], state_tolerance=whole[state] + pieces[state],
    )  # fmt: skip


def _packed(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property | None:
    """Packed sequences against each by itself."""
    y = subject.op.outputs[0]
    together, tol = run()[y], _tolerance(subject, case, claim)[y]
    found = []
    for row, steps, start in _sequences(case):
        cut = {"*b": slice(row, row + 1), "T": steps, "S": steps}
        state = {} if start is None else {"initial_state": start}
        separate = subject.run(_restricted(subject, _unpacked(case), cut) | state, claim)[y]
        if y in subject.op.whole:  # positions count from the first step
            separate = np.where(separate < 0, separate, separate + steps.start)
        about = f"row {row}, steps {steps.start} to {steps.stop}: "
        packed, allowed = (x[row : row + 1, steps] for x in (together, 2 * tol))
        found.append(properties.agreement("packed", packed, separate, tolerance=allowed, about=about))
    return max(found, key=lambda p: (p.status == properties.FAIL, p.ratio), default=None)


def _unpacked(case: Case) -> dict[str, Any]:
    return {k: x for k, x in case.arguments.items() if k not in ("cu_seqlens", "seq_idx", "initial_state")}


def _sequences(case: Case) -> list[tuple[int, slice, Any]]:
    """Row, steps and initial state of every sequence."""
    state, offsets = case.arguments.get("initial_state"), case.arguments.get("cu_seqlens")
    if offsets is not None:
        pairs = list(enumerate(zip(offsets[:-1], offsets[1:], strict=True)))
        return [(0, slice(int(a), int(b)), None if state is None else state[i : i + 1]) for i, (a, b) in pairs if b > a]
    index, found = case.arguments["seq_idx"], []
    for row, names in enumerate(index):
        cuts = [0, *(np.flatnonzero(np.diff(names)) + 1).tolist(), len(names)]
        for a, b in zip(cuts[:-1], cuts[1:], strict=True):
            found.append((row, slice(a, b), state[row : row + 1] if state is not None and a == 0 else None))
    return found


def _batch(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property:
    """Each row alone against the row in its batch."""
    outputs, tol = run(), _tolerance(subject, case, claim)
    # a gradient of what the rows share is a sum over them
    together = {k: x for k, x in outputs.items() if "*b" in subject.op.axes.outputs[k].letters(np.ndim(x))}
    rows = range(len(next(iter(together.values()))))
    alone = [run(**_restricted(subject, case.arguments, {"*b": slice(i, i + 1)})) for i in rows]
    joined = {k: np.concatenate([a[k] for a in alone]) for k in together}
    found = [
        properties.agreement("batch", together[k], joined[k], tolerance=2 * tol[k], axis=None, about=f"{spoken(k)}: ")
        for k in together
    ]
    return max(found, key=lambda p: (p.status == properties.FAIL, p.ratio))


def _repeat(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property:
    return properties.repeatability(run)


def _linearity(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property | None:
    """f(x + x') = f(x) + f(x') for sums that every format holds: multiples of 1/8 below 8.

    Outputs in which the definition itself is not linear, behind an activation, are not asked.
    """
    changed = _summands(subject.op, case)
    outputs = [run(**x) for x in changed]
    tols = [_tolerance(subject, case, claim, x) for x in changed]
    found = [
        properties.agreement(
            "linearity", outputs[0][k] + outputs[1][k], outputs[2][k],
            tolerance=sum(t[k] for t in tols), axis=None, about=f"{spoken(k)}: ",
        )
        for k in _linear_outputs(subject, case)
        if k in outputs[0]
    ]  # fmt: skip
    return max(found, key=lambda p: (p.status == properties.FAIL, p.ratio), default=None)


def _summands(op: Op, case: Case) -> list[dict[str, Any]]:
    """The case with x, x' and x + x' in place of the arguments in which the op is linear."""
    names = [k for k in op.linear if case.arguments.get(k) is not None]
    rng = np.random.default_rng(2)
    one, two = ({k: _eighths(case.arguments[k], rng) for k in names} for _ in range(2))
    return [{**case.arguments, **x} for x in (one, two, {k: one[k] + two[k] for k in names})]


def _linear_outputs(subject: Subject, case: Case) -> list[str]:
    """Outputs in which the definition, summed in float64, is linear: not a logarithm, nor behind an activation."""
    changed = _summands(subject.op, case)
    one, two, both = (subject.op.named(subject.op.definition(**x)) for x in changed)
    tols = [_tolerance(subject, case, NAMED["float64"], x) for x in changed]
    return [k for k in both if (np.abs(one[k] + two[k] - both[k]) <= sum(t[k] for t in tols)).all()]


def _adjoint(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property | None:
    """<cot, f(v)> = <f' cot, v> for v in all arguments in which the forward pass f is linear.

    Cotangents of outputs in which it is not are 0.
    """
    forward = subject.forward
    names = [k for k in forward.op.linear if case.arguments.get(k) is not None] if forward else []
    if forward is None or not names:
        return None
    cotangents = {k: x for k, x in case.arguments.items() if k.startswith(COTANGENT)}
    plain = replace(case, arguments={k: x for k, x in case.arguments.items() if k not in cotangents})
    linear = {COTANGENT + k for k in _linear_outputs(forward, plain)}
    if not linear & cotangents.keys():
        return None
    at_v = _summands(forward.op, plain)[0]
    v = {k: at_v[k] for k in names}
    seen = {k: x if k in linear else np.zeros_like(x) for k, x in cotangents.items()}
    y, tol_y = forward.run(at_v, claim), _tolerance(forward, plain, claim, at_v)
    x, tol_x = run(**v, **seen), _tolerance(subject, case, claim, {**at_v, **seen})
    bars = {k.removeprefix(COTANGENT): x for k, x in seen.items() if k in linear}
    if bars.keys() - y.keys() or {GRADIENT + k for k in v} - x.keys():
        return None
    pairs = [(bars[k], y[k], tol_y[k]) for k in bars], [(v[k], x[GRADIENT + k], tol_x[GRADIENT + k]) for k in v]
    sides = [np.array([sum(_inner(a, b) for a, b, _ in side)]) for side in pairs]
    tolerance = sum(float((np.abs(a) * tol).sum()) for side in pairs for a, _, tol in side)
    return properties.agreement("adjoint", *sides, tolerance=tolerance, axis=None)


def _inner(a: Any, b: Any) -> float:
    """Re a Re b + Im a Im b, summed."""
    return float((np.real(a) * np.real(b) + np.imag(a) * np.imag(b)).sum())


def _rough(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property | None:
    """The same arrays, uncomfortably placed.

    Where arrays lie decides which instructions a right kernel takes, so the sum of both bounds is allowed.
    """
    plain, found, refused = run(), [], []
    tolerance = functools.cache(lambda: _tolerance(subject, case, claim))
    for handling in HANDLINGS if subject.slotted is not None else [h for h in HANDLINGS if not h.slots]:
        about = f"wrong where {handling.sentence}: "
        try:
            rough = subject.run(case.arguments, claim, handling)
        except (RefusedError, LeftOutError):
            refused.append(handling.name)
        except DefectError as e:
            found.append(Property("rough", properties.FAIL, np.inf, np.inf, f"{about}{e}"))
        else:
            for k, y in plain.items():
                limit = 0.0 if np.array_equal(y, rough[k], equal_nan=True) else 2 * tolerance()[k]
                name = f"{about}{k} "
                found.append(properties.agreement("rough", y, rough[k], tolerance=limit, axis=None, about=name))
    worst = max(found, key=lambda p: (p.status == properties.FAIL, p.ratio), default=None)
    if worst is None or worst.status == properties.FAIL:
        return worst
    same = "bit for bit" if worst.difference == 0 else f"to {worst.ratio:.2g} of the tolerance"
    rest = f"; refused: {', '.join(refused)}" if refused else ""
    return Property("rough", worst.status, worst.ratio, worst.difference, f"agrees {same} wherever arrays lie{rest}")


def _eighths(x: Any, rng: np.random.Generator) -> Any:
    eighths = rng.integers(-31, 32, (2, *x.shape)) / 8.0
    return eighths[0] + 1j * eighths[1] if np.iscomplexobj(x) else eighths[0]


QUESTIONS: Mapping[str, Callable[..., Property | None]] = {
    "causality": _causality,
    "split": _split,
    "cache": _cache,
    "packed": _packed,
    "batch": _batch,
    "repeat": _repeat,
    "linearity": _linearity,
    "adjoint": _adjoint,
    "rough": _rough,
}
