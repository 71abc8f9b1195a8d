"""The properties, asked of a subject of an op: which inputs, and what tolerance.

Two right ways to compute one thing differ by at most the sum of their bounds, so
every tolerance here is a sum of bounds under the subject's claim.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.verify import properties
from realization.verify.cases import Case, chunk_of, draw, usable
from realization.verify.properties import NOTE, Property
from realization.verify.rough import HANDLINGS
from realization.verify.subject import DefectError, LeftOutError, RefusedError, Subject
from realization.verify.verdict import Truth, tolerances

REGIME, SHORT = "fading-3c", 9


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
    "packed": "the subject takes neither cu_seqlens nor seq_idx",
}


def _cases(subject: Subject, claim: Claim, name: str, seed: int) -> list[Case]:
    """A short and a long case; for all options where the property is about options."""
    options = usable(subject.op, subject.accepts, subject.requires)
    packs = [bool({"cu_seqlens", "seq_idx"} & set(o["with"])) for o in options]
    wanted = [o for o, p in zip(options, packs, strict=True) if p == (name == "packed")]
    if name == "split":
        wanted = [o for o in wanted if "initial_state" in o["with"]]
    long = 2 * chunk_of(claim) + 1
    return [
        draw(subject.op, f"{REGIME}.T{T}.o{o['index']}.s{seed}", claim, subject.accepts, subject.requires)
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
    return {k: case.arguments[k] for k in subject.op.axes.over_time() if case.arguments.get(k) is not None}


def _causality(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property:
    first = subject.op.outputs[0]
    signals = _over_time(subject, case)
    rng = np.random.default_rng(1)
    other = {k: rng.permuted(x, axis=0 if x.shape[0] > 1 else 1)[:, ::-1] for k, x in signals.items()}
    tolerance = 0.0
    if properties.repeatability(lambda: run()[first]).status == NOTE:
        tolerance = 2 * _tolerance(subject, case, claim)[first]
    at = _cuts(len(next(iter(signals.values()))[0]), case)
    return properties.causality(lambda x: run(**x)[first], signals, other, at=at, tolerance=tolerance)


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
        alone = {k: x[row : row + 1, steps] for k, x in _over_time(subject, case).items()}
        state = {} if start is None else {"initial_state": start}
        separate = subject.run({**_unpacked(case), **alone, **state}, claim)[y]
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
    together, tol = run(), _tolerance(subject, case, claim)
    rows = range(len(together[subject.op.outputs[0]]))
    per_row = [k for k, a in subject.op.axes.arguments.items() if "*b" in a.axes and case.arguments.get(k) is not None]
    alone = [run(**{k: case.arguments[k][i : i + 1] for k in per_row}) for i in rows]
    joined = {k: np.concatenate([a[k] for a in alone]) for k in together}
    found = [
        properties.agreement("batch", together[k], joined[k], tolerance=2 * tol[k], axis=None, about=f"{k}: ")
        for k in together
    ]
    return max(found, key=lambda p: (p.status == properties.FAIL, p.ratio))


def _repeat(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property:
    return properties.repeatability(run)


def _linearity(subject: Subject, claim: Claim, case: Case, run: Callable[..., Any]) -> Property:
    """f(x + x') = f(x) + f(x') for sums that every format holds: multiples of 1/8 below 8."""
    names = [k for k in subject.op.linear if case.arguments.get(k) is not None]
    rng = np.random.default_rng(2)
    one, two = ({k: _eighths(case.arguments[k], rng) for k in names} for _ in range(2))
    total = {k: one[k] + two[k] for k in names}
    outputs = [run(**x) for x in (one, two, total)]
    tols = [_tolerance(subject, case, claim, {**case.arguments, **x}) for x in (one, two, total)]
    found = [
        properties.agreement(
            "linearity", outputs[0][k] + outputs[1][k], outputs[2][k],
            tolerance=sum(t[k] for t in tols), axis=None, about=f"{k}: ",
        )
        for k in outputs[0]
    ]  # fmt: skip
    return max(found, key=lambda p: (p.status == properties.FAIL, p.ratio))


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
    "packed": _packed,
    "batch": _batch,
    "repeat": _repeat,
    "linearity": _linearity,
    "rough": _rough,
}
