"""Old against new: which of two kernels moved, with the certified reference between them.

Two kernels on the same cases: how far they are apart in units of the tolerance, how far each is
from the reference, and with which of them it sides.  Or one kernel and an earlier report of
it: which cases have changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.verify.report import SCHEMA
from realization.verify.run import Report, Result, run_case
from realization.verify.subject import Subject, UsageError
from realization.verify.verdict import FAIL, PASS

DECIDED = (PASS, FAIL)


@dataclasses.dataclass(frozen=True, slots=True)
class Apart:
    """How two kernels compare on one output, over all cases that both have run.

    Parameters
    ----------
    output : str
        Its name.
    difference : float
        Largest difference between the two, over the tolerance.
    case, place : str, tuple of int
        Where it is reached.
    new, old : float
        err/tol of each at its own worst.
    """

    output: str
    difference: float
    case: str
    place: tuple[int, ...]
    new: float
    old: float

    def __str__(self) -> str:
        if self.difference == 0:
            return f"{self.output}: they agree bit for bit (err/tol {_ratio(self.new)})"
        where = f"[{', '.join(map(str, self.place))}] of {self.case}"
        apart = f"{self.output}: they differ by up to {_ratio(self.difference)} tolerances, at {where}"
        if self.difference == math.inf:
            apart = f"{self.output}: they differ at {where}, where nothing is allowed"
        return f"{apart}; err/tol {_ratio(self.new)} new, {_ratio(self.old)} old: {self.sides}"

    @property
    def sides(self) -> str:
        """With which of the two the reference sides."""
        if self.new > 1 >= self.old:
            return "the reference sides with OLD"
        if self.old > 1 >= self.new:
            return "the reference sides with NEW"
        if self.new > 1:
            return "the reference sides with neither"
        return "both are within the tolerance" + (
            "" if self.new == self.old else ", OLD is closer" if self.old < self.new else ", NEW is closer"
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """A comparison with another kernel: one row for each output, and cases that only one has run."""

    name: str
    rows: tuple[Apart, ...]
    alone: tuple[str, ...]

    def lines(self) -> list[str]:
        """In words."""
        rest = [f"run by one only: {_listed(self.alone)}"] if self.alone else []
        return [f"against   {self.name}", *(f"  {row}" for row in self.rows), *(f"  {x}" for x in rest)]

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        rows = [{**dataclasses.asdict(r), "difference": _number(r.difference), "new": _number(r.new),
                 "old": _number(r.old), "place": list(r.place), "sides": r.sides} for r in self.rows]  # fmt: skip
        return {"kind": "kernel", "name": self.name, "outputs": rows, "alone": list(self.alone)}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A comparison with an earlier report, by the identities of cases."""

    name: str
    broken: tuple[str, ...]
    mended: tuple[str, ...]
    moved: tuple[tuple[str, float, float], ...]  # case, err/tol then, err/tol now
    same: int
    unknown: tuple[str, ...]

    def lines(self) -> list[str]:
        """In words."""
        found = [f"against   {self.name}: {self.same} cases as before"]
        found += [f"  fails now, did not before: {_listed(self.broken)}"] if self.broken else []
        found += [f"  failed before, does not now: {_listed(self.mended)}"] if self.mended else []
        if self.moved:
            case, before, now = max(self.moved, key=lambda m: abs(math.log((m[2] or 1e-30) / (m[1] or 1e-30))))
            what = f"{len(self.moved)} cases have another err/tol"
            found.append(f"  {what}, most of all {case}: {_ratio(before)} then, {_ratio(now)} now")
        found += [f"  not in the earlier report: {_listed(self.unknown)}"] if self.unknown else []
        return found

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        moved = [{"id": c, "before": _number(b), "now": _number(n)} for c, b, n in self.moved]
        return {"kind": "report", "name": self.name, "broken": list(self.broken), "mended": list(self.mended),
                "moved": moved, "same": self.same, "unknown": list(self.unknown)}  # fmt: skip


# Two kernels ----------------------------------------------------------------


def common(new: Subject, old: Subject) -> tuple[Subject, Subject]:
    """Both subjects, to be given only what both take.

    Raises
    ------
    UsageError
        If they are judged as different ops, or one needs what the other does not take.
    """
    if new.op is not old.op:
        raise UsageError(f"{new.name} is judged as {new.op.name}, {old.name} as {old.op.name}; one op is needed")
    accepts, requires = new.accepts & old.accepts, new.requires | old.requires
    if requires - accepts:
        lacking = ", ".join(sorted(requires - accepts))
        raise UsageError(f"one of {new.name} and {old.name} needs {lacking}, which the other does not take")
    return tuple(dataclasses.replace(s, accepts=accepts, requires=requires) for s in (new, old))  # type: ignore[return-value]


def kernels(new: Report, old: Subject, claim: Claim, *, progress: Callable[[str], None] = lambda line: None) -> Kernels:
    """Compare a judged kernel with another on the same cases, under the same claim.

    Parameters
    ----------
    new : Report
        The verdict on the one.
    old : Subject
        The other.
    claim : Claim
        The arithmetic of both.
    progress : callable
        Gets a line for each case.

    Returns
    -------
    Kernels
    """
    pairs: list[tuple[Result, Result]] = []
    with contextlib.suppress(KeyboardInterrupt):  # what was finished is compared
        for result in new.results:
            progress(f"against {old.name}: {result.case.id}")
            pairs.append((result, run_case(old, claim, result.case, rules=False)))
    both = [(n, o) for n, o in pairs if n.outputs and o.outputs]
    alone = [n.case.id for n, o in pairs if bool(n.outputs) != bool(o.outputs)]
    rows = [_apart(name, both) for name in new.subject.op.outputs]
    return Kernels(old.name, tuple(r for r in rows if r is not None), tuple(alone))


def _apart(name: str, pairs: list[tuple[Result, Result]]) -> Apart | None:
    """The largest difference in an output, and the worst of each side."""
    worst, ratios = None, [0.0, 0.0]
    for new, old in pairs:
        if name not in new.outputs or name not in old.outputs:
            continue
        found = [next(f for f in r.findings if f.output == name) for r in (new, old)]
        ratios = [max(r, f.ratio) for r, f in zip(ratios, found, strict=True)]
        difference, place = _difference(new.outputs[name], old.outputs[name], found[0].tolerance)
        if worst is None or difference > worst[0]:
            worst = (difference, new.case.id, place)
    return None if worst is None else Apart(name, *worst, *ratios)


def _difference(one: Any, other: Any, tolerance: Any) -> tuple[float, tuple[int, ...]]:
    """Largest difference in units of the tolerance; where there is none, nothing is charged."""
    if not one.size:
        return 0.0, ()
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, np.abs(one - other))
        ratio = np.where(apart == 0, 0.0, np.where(np.isinf(tolerance), 0.0, apart / tolerance))
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    place = np.unravel_index(np.argmax(ratio), ratio.shape)
    return float(ratio[place]), tuple(int(i) for i in place)


# An earlier report ----------------------------------------------------------


def read(path: str) -> Mapping[str, Any]:
    """Read a report that `--json` wrote.

    Raises
    ------
    UsageError
        If the file holds no report of this schema.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError) as e:
        raise UsageError(f"{path} cannot be read as JSON ({type(e).__name__})") from e
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise UsageError(f"{path} has schema {schema!r}, a report of schema {SCHEMA!r} is needed")
    return content


def fitting(content: Mapping[str, Any], path: str, subject: Subject, claim: Claim) -> None:
    """Refuse a report on another op or under another claim.

    Raises
    ------
    UsageError
        With what differs.
    """
    if content["op"] != subject.op.name:
        raise UsageError(f"{path} judges {content['op']}, {subject.name} is judged as {subject.op.name}")
    asked, stored = dataclasses.asdict(claim), content["claim"]
    differ = [f"{k}={stored.get(k)} there, {v} here" for k, v in asked.items() if stored.get(k) != v]
    if differ:
        raise UsageError(f"{path} was made under another claim: {'; '.join(differ)}")


def baseline(report: Report, content: Mapping[str, Any], path: str) -> Baseline:
    """Compare a report with an earlier one.

    Parameters
    ----------
    report : Report
        What was found now.
    content : mapping
        The earlier report, as `read` gives it.
    path : str
        Its name.

    Returns
    -------
    Baseline

    Raises
    ------
    UsageError
        If no case is in both.
    """
    before = {c["id"]: c for c in content["cases"]}
    known = [r for r in report.results if r.case.id in before]
    if report.results and not known:
        raise UsageError(f"{path} has none of the cases that were judged; its seed was {content['seed']}")
    broken = [r.case.id for r in known if r.status == FAIL != before[r.case.id]["status"]]
    mended = [r.case.id for r in known if r.status != FAIL == before[r.case.id]["status"]]
    pairs = [(r.case.id, _stored(before[r.case.id]), r.ratio) for r in known if _both_decided(r, before)]
    moved = [(case, then, now) for case, then, now in pairs if then != now]
    changed = {*broken, *mended, *(m[0] for m in moved)}
    unknown = [r.case.id for r in report.results if r.case.id not in before]
    return Baseline(path, tuple(broken), tuple(mended), tuple(moved), len(known) - len(changed), tuple(unknown))


def _both_decided(result: Result, before: Mapping[str, Any]) -> bool:
    return result.status in DECIDED and before[result.case.id]["status"] in DECIDED


def _stored(case: Mapping[str, Any]) -> float:
    """err/tol of a stored case; null stands for infinity."""
    return max((math.inf if o["ratio"] is None else float(o["ratio"]) for o in case["outputs"]), default=0.0)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _ratio(x: float) -> str:
    return "inf" if math.isinf(x) else f"{x:.3g}"


def _number(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None
