"""Run the cases, ask the properties, and sum up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from realization.certify.rounded import Rounded
from realization.core.claim import Claim, ladder
from realization.core.ops import Op
from realization.core.pair import Pair
from realization.layers.readings import read
from realization.verify import properties
from realization.verify.asked import ask
from realization.verify.cases import Case
from realization.verify.convention import Convention, diagnose_convention
from realization.verify.faults import Closest, closest_fault, seconds
from realization.verify.localise import localise
from realization.verify.properties import Property
from realization.verify.rules import others
from realization.verify.subject import DefectError, LeftOutError, RefusedError, Subject
from realization.verify.verdict import (
    FAIL,
    PASS,
    UNINFORMATIVE,
    Finding,
    Truth,
    judge,
    output_format,
    spoken,
    tolerances,
)  # fmt: skip

# Of the runs that a diagnosis tries; a case of the plan takes 0.01 s, an activation of a large model more.
LONGEST_RUN = 0.2
REFUSED, LEFT_OUT = "refused", "left out"
CONFORMING, NOT_CONFORMING, UNDECIDED = "conforming", "not conforming", "nothing decided"


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of one case.

    Parameters
    ----------
    case : Case
        The case.
    status : str
        "pass", "fail", "uninformative", "refused" or "left out".
    findings : list of Finding
        One for each output.
    sentence : str
        What happened, in words, where it is not a pass.
    rules : mapping
        What other projects' rules say, by output.
    outputs, truth
        What came, and what is certified.
    """

    case: Case
    status: str
    findings: list[Finding] = field(default_factory=list)
    sentence: str = ""
    rules: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    truth: Truth | None = None

    @property
    def ratio(self) -> float:
        """Largest err/tol of the case."""
        return max((f.ratio for f in self.findings), default=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """Why a case failed: another convention, or else the closest known fault; None where neither is known.

    The note says why nothing was tried.
    """

    case: Case
    convention: Convention | None = None
    fault: Closest | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The verdict on a subject.

    Parameters
    ----------
    subject : Subject
        What was judged.
    claim : Claim
        Under which claim.
    seed : int
        Seed of the cases.
    results : list of Result
        The cases that were finished.
    properties : list of Property
        The properties that were asked.
    tightest : str or None
        The best rung of the precision ladder that all outputs satisfy.
    interrupted : bool
        Whether the run was stopped before its end.
    diagnosis : Diagnosis or None
        Why the failure that the report shows came about, where that can be said.
    against : object
        What a comparison with another kernel or an earlier report gave (see `against`).
    gradients : Report or None
        That on the backward pass, beside the forward pass.
    """

    subject: Subject
    claim: Claim
    seed: int
    results: list[Result]
    properties: list[Property]
    tightest: str | None
    interrupted: bool = False
    diagnosis: Diagnosis | None = None
    against: Any = None
    gradients: Report | None = None

    def __str__(self) -> str:
        from realization.verify.report import text

        return text(self)

    @property
    def verdict(self) -> str:
        """Conforming, not conforming, or nothing decided: what forward and backward pass both are, or the worse."""
        if self.gradients is None:
            return self._own_verdict
        found = {self._own_verdict, self.gradients.verdict}
        return next(v for v in (NOT_CONFORMING, UNDECIDED, CONFORMING) if v in found)

    @property
    def _own_verdict(self) -> str:
        if any(r.status == FAIL for r in self.results) or any(p.status == properties.FAIL for p in self.properties):
            return NOT_CONFORMING
        decided = any(r.status == PASS for r in self.results)
        asked = not self.results and any(p.status == properties.PASS for p in self.properties)
        return CONFORMING if (decided or asked) and not self.interrupted else UNDECIDED

    @property
    def worst(self) -> Result | None:
        """The failure to look at first: the course of an error is best seen at a memory of a part of a chunk."""
        failed = [r for r in self.results if r.status == FAIL]

        def distance(r: Result) -> float:
            memory = r.case.memory
            return abs(np.log(4 * memory / r.case.chunk)) if memory and np.isfinite(memory) else np.inf

        return min(failed, key=distance, default=None)

    @property
    def ratio(self) -> float:
        """Largest err/tol of all cases that were decided."""
        return max((r.ratio for r in self.results if r.status in (PASS, FAIL)), default=0.0)


def verify(
    subject: Subject,
    claim: Claim,
    cases: Iterable[Callable[[], Case]],
    *,
    ask_for: Iterable[str] = (),
    seed: int = 0,
    rules: bool = True,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Judge a subject.

    Parameters
    ----------
    subject : Subject
        The kernel.
    claim : Claim
        Its arithmetic.
    cases : iterable of callables
        Each draws a case.
    ask_for : iterable of str
        Properties.
    seed : int
        Seed of the properties' inputs.
    rules : bool
        Whether to compute what other projects' rules say.
    progress : callable
        Gets a line for each step.

    Returns
    -------
    Report
        With what was finished, also after an interruption.
    """
    results: list[Result] = []
    found: list[Property] = []
    interrupted = False
    try:
        for i, make in enumerate(cases):
            case = make()
            progress(f"case {i + 1}: {case.id}")
            results.append(run_case(subject, claim, case, rules=rules))
        for name in ask_for:
            progress(f"property: {name}")
            found.append(ask(subject, claim, name, seed=seed))
        progress("precision ladder")
        rung = tightest(subject.op, results, claim)
    except KeyboardInterrupt:
        interrupted, rung = True, None
    report = Report(subject, claim, seed, results, found, rung, interrupted)
    if report.worst is None or interrupted:
        return report
    with contextlib.suppress(KeyboardInterrupt):  # the verdict stands without a reason
        progress("why it failed")
        report = replace(report, diagnosis=diagnose(subject.op, report.worst, claim))
    return report


def diagnose(op: Op, failure: Result | None, claim: Claim) -> Diagnosis | None:
    """Say why a case failed; None if none did, or if it failed without a value to look at."""
    if failure is None or failure.truth is None or not failure.findings:
        return None
    took = seconds(op, failure.case)
    if took > LONGEST_RUN:
        slow = f"one run of the definition takes {took:.1f} s, and about 100 are needed; --shrink finds a smaller case"
        return Diagnosis(failure.case, note=f"why it failed was not asked: {slow}")
    seen = (op, failure.case, failure.outputs, failure.findings, failure.truth)
    convention = diagnose_convention(*seen, claim)
    fault = None if convention is not None and convention.ratio <= 1 else closest_fault(*seen)
    return Diagnosis(failure.case, convention, fault) if convention or fault else None


def run_case(subject: Subject, claim: Claim, case: Case, *, rules: bool = True) -> Result:
    """Call the subject on a case and judge what it returns."""
    truth = Truth.of(subject.op, case)
    try:
        outputs = subject.run(case.arguments, claim)
    except LeftOutError as e:
        return Result(case, LEFT_OUT, sentence=str(e))
    except RefusedError as e:
        return Result(case, REFUSED, sentence=str(e))
    except DefectError as e:
        return Result(case, FAIL, sentence=str(e), truth=truth)
    findings = judge(subject.op, case, outputs, claim, truth)
    failed = next((f for f in findings if f.status == FAIL), None)
    if failed is None:
        states = {f.status for f in findings}
        status = PASS if PASS in states else UNINFORMATIVE
        reasons: dict[str, list[str]] = {}
        for f in findings:
            if f.status == UNINFORMATIVE:
                reasons.setdefault(f.reason, []).append(spoken(f.output))
        sentence = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    else:
        status, sentence = FAIL, f"{spoken(failed.output)}: {localise(subject.op, case, failed)}"
    said = _rules(subject.op, case, outputs, claim, truth) if rules else {}
    return Result(case, status, findings, sentence, said, outputs, truth)


def _rules(op: Op, case: Case, outputs: Mapping[str, Any], claim: Claim, truth: Truth) -> dict[str, dict[str, bool]]:
    low: dict[str, Any] = {}

    def baseline(name: str) -> Any:
        if not low:
            with np.errstate(all="ignore"):
                low.update(read(op, case.arguments, lambda x: Rounded(x, claim.io)))
        x = low[name]
        return x.real.value + 1j * x.imag.value if isinstance(x, Pair) else getattr(x, "value", x)

    return {
        name: others(y, truth.value[name], output_format(op, name, claim).name, lambda name=name: baseline(name))  # type: ignore[misc]
        for name, y in outputs.items()
        if name not in op.whole
    }


def tightest(op: Op, results: Iterable[Result], claim: Claim) -> str | None:
    """The first rung of the precision ladder under which no finished case fails; None where nothing was decided."""
    done = [r for r in results if r.outputs]
    decided = any(r.status in (PASS, FAIL) for r in done)
    for rung, tighter in ladder(claim).items() if decided else ():
        if not any(_fails(op, r, tighter) for r in done):
            if not op.fades:
                return rung
            multiplied = tighter.replace(decay="product")
            product = tighter == multiplied or not any(_fails(op, r, multiplied) for r in done)
            return f"{rung}, decays as {'products' if product else 'differences of cumulative sums'}"
    return None


def _fails(op: Op, result: Result, claim: Claim) -> bool:
    return any(f.status == FAIL for f in judge(op, result.case, result.outputs, claim, result.truth))


def dominant_term(op: Op, case: Case, finding: Finding, claim: Claim, truth: Truth) -> str:
    """The term of the claim that makes up most of the tolerance where an output fails."""
    if finding.layer == "A" or not finding.place:
        return "exact integers: nothing is allowed"
    holder = op.holder(finding.output)
    returned = "accumulate" if holder == "accumulator" else holder
    without = {
        "operands": claim.replace(operand=None),
        "differences of cumulative decays": claim.replace(decay="product"),
        "storing the state": claim.replace(state=claim.accumulator.name),
        "rounding of the output": claim.replace(**{returned: "float64"}),
    }

    def allowed(c: Claim) -> float:
        return float(tolerances(op, case, truth, c)[finding.output][finding.place])

    total = allowed(claim)
    share = {term: total - allowed(less) for term, less in without.items()}
    share["accumulation and decays" if op.fades else "accumulation"] = total - sum(share.values())
    return max(share, key=lambda term: share[term])
