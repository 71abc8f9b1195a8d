"""The report: one line first, then the table, then how to see the failure again."""

from __future__ import annotations

import itertools
import math
import platform
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from realization.verify import properties
from realization.verify.run import CONFORMING, LEFT_OUT, REFUSED, UNDECIDED, Report, Result, dominant_term
from realization.verify.verdict import FAIL, PASS, UNINFORMATIVE, Finding, spoken

SCHEMA = "realization-report/1"
RULES = ("torch", "mamba", "fla", "flash")
WORDS = {PASS: "pass", FAIL: "FAIL", UNINFORMATIVE: "uninformative"}


def text(report: Report, *, quiet: bool = False) -> str:
    """Return the report as text for a terminal of 100 columns.

    Parameters
    ----------
    report : Report
        What was found.
    quiet : bool
        Only the first line, and the failure.

    Returns
    -------
    str
    """
    lines = [headline(report)]
    if not quiet:
        lines += ["", *_settings(report), "", *_table(report)]
        if report.subject.forward is not None:
            lines += ["", *_gradients(report)]
        if report.properties:
            lines += ["", *_properties(report)]
        lines += _aside(report)
    if report.against is not None:
        lines += ["", *report.against.lines()]
    if report.worst is not None:
        lines += ["", *_failure(report, report.worst)]
    if report.gradients is not None:
        lines += ["", text(report.gradients, quiet=quiet)]
    return "\n".join(lines)


def headline(report: Report) -> str:
    """Return the verdict in one line."""
    decided = sum(r.status in (PASS, FAIL) for r in report.results)
    failed = sum(r.status == FAIL for r in report.results)
    broken = [p.name for p in report.properties if p.status == properties.FAIL]
    parts = []
    if report.results:
        fine = f"{decided} cases, worst err/tol {_ratio(report.ratio)}"
        parts.append(f"{failed} of {decided} decided cases fail" if failed else fine)
    refused = sum(r.status == REFUSED for r in report.results)
    parts += [f"{refused} refused"] if refused else []
    parts += [f"not {PLAIN[name]}" for name in broken]
    if report.interrupted:
        parts.append("interrupted")
    elif report.verdict == UNDECIDED and report.results:
        seen = next((r for r in report.results if r.status in (REFUSED, UNINFORMATIVE)), None)
        parts.append(f"{seen.status}: {seen.sentence}" if seen else "no case could be run")
    if report.gradients is not None:
        parts += [f"gradients {report.gradients.verdict}"]
    verdict = f"{report.verdict.upper()}: {report.subject.name} as {report.subject.op.name}"
    return verdict + (f" ({'; '.join(parts)})" if parts else "")


PLAIN = {
    "causality": "causal",
    "split": "the same when fed in pieces",
    "packed": "the same packed and separate",
    "batch": "the same alone and in a batch",
    "repeat": "repeatable",
    "linearity": "linear",
    "adjoint": "the adjoint of its forward pass",
    "rough": "right wherever its arrays lie",
}


def _settings(report: Report) -> Iterator[str]:
    fades = report.subject.op.fades
    claim = {k: v for k, v in asdict(report.claim).items() if v is not None and (fades or k != "decay")}
    yield "claim     " + ", ".join(f"{k}={v}" for k, v in claim.items())
    if any(r.status in (PASS, FAIL) and r.outputs for r in report.results) and not report.interrupted:
        worse = "worse than every rung of the precision ladder"
        yield "behaves   " + (f"as {report.tightest}" if report.tightest else worse)
    rows = [f.undecided for r in report.results for f in r.findings if f.undecided[0]]
    if rows:
        total = sum(n for r in report.results for f in r.findings for n in f.undecided[1:])
        yield f"undecided {sum(n for n, _ in rows)} of {total} rows are near-ties: what is kept there is left open"
    if report.subject.note:
        yield "adapter   " + report.subject.note


def _table(report: Report) -> Iterator[str]:
    """A row for each regime: cases, worst ratio, and what other rules accept."""
    rows: dict[str, list[Result]] = {}
    for r in report.results:
        rows.setdefault(r.case.regime.name if r.case.regime else r.case.id, []).append(r)
    if not rows:
        return
    yield f"{'regime':14} {'cases':>5}  {'verdict':13} {'max err/tol':>11}   what other rules would have said"
    for name, results in rows.items():
        ran = [r for r in results if r.status not in (REFUSED, LEFT_OUT)]
        statuses = {r.status for r in results}
        word = next(w for w in (FAIL, PASS, UNINFORMATIVE, REFUSED, LEFT_OUT) if w in statuses)
        decided = [r.ratio for r in ran if r.status in (PASS, FAIL)]
        ratio = _ratio(max(decided)) if decided else "-"
        yield f"{name:14} {len(ran):>5}  {WORDS.get(word, word):13} {ratio:>11}   {_said(ran)}".rstrip()


def _gradients(report: Report) -> Iterator[str]:
    """A row for each argument."""
    rows: dict[str, list[Finding]] = {}
    for r in report.results:
        for f in r.findings:
            rows.setdefault(spoken(f.output), []).append(f)
    width = max(map(len, rows), default=0)
    for name, findings in rows.items():
        statuses = {f.status for f in findings}
        word = next(w for w in (FAIL, PASS, UNINFORMATIVE) if w in statuses)
        decided = [f.ratio for f in findings if f.status in (PASS, FAIL)]
        ratio = _ratio(max(decided)) if decided else "-"
        yield f"{name:{width}} {len(findings):>5}  {WORDS[word]:13} {ratio:>11}"


def _said(results: list[Result]) -> str:
    parts = []
    for rule in RULES:
        votes = [said[rule] for r in results for said in r.rules.values()]
        if votes:
            parts.append(f"{rule} {'accepts' if all(votes) else f'rejects {votes.count(False)}/{len(votes)}'}")
    return ", ".join(parts)


def _properties(report: Report) -> Iterator[str]:
    for p in report.properties:
        yield f"{p.name:14} {'':5}  {WORDS.get(p.status, p.status):13} {_ratio(p.ratio):>11}   {p.reason}"


def _aside(report: Report) -> list[str]:
    """Refused and left out cases, once for each reason."""
    lines: list[str] = []
    for status in (REFUSED, LEFT_OUT):
        reasons: dict[str, list[str]] = {}
        for r in report.results:
            if r.status == status:
                reasons.setdefault(r.sentence, []).append(r.case.id)
        for reason, ids in reasons.items():
            listed = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
            lines.append(f"{status}: {listed}: {reason}")
    return ["", *lines] if lines else []


def _failure(report: Report, r: Result) -> Iterator[str]:
    yield f"case {r.case.id}: {r.sentence}"
    finding = next((f for f in r.findings if f.status == FAIL), None)
    if finding is not None and finding.place and r.truth is not None:
        place = "[" + ", ".join(map(str, finding.place)) + "]"
        got, want = r.outputs[finding.output][finding.place], r.truth.value[finding.output][finding.place]
        allowed = f", allowed {finding.tolerance[finding.place]:.3g}" if finding.layer == "B" else ""
        term = dominant_term(report.subject.op, r.case, finding, report.claim, r.truth)
        ratio = f"err/tol {_ratio(finding.ratio)}"
        yield f"  {spoken(finding.output)}{place}: got {got:.9g}, certified {want:.9g}{allowed} ({ratio})"
        yield f"  largest part of the tolerance: {term}"
    if report.diagnosis is not None:
        why = report.diagnosis
        yield from (f"  {x}" for x in (why.convention, why.fault, why.note) if x)
    yield f"  again: {reproduce(report, r)}"


def reproduce(report: Report, result: Result) -> str:
    """Return the command that judges one case again; the call from Python where no command finds the function."""
    s = report.subject
    changed = [f"{k}={v}" for k, v in asdict(report.claim).items() if v != getattr(s.claim, k)]
    words = [*s.flags, *(["--claim", ",".join(changed)] if changed else [])]
    words += ["--case" if result.case.regime else "--inputs", result.case.id]
    if s.command and not any(map(_nameless, words)):
        return shlex.join(["realization", "verify", s.name, *words])
    keywords = [f"{k[2:]}={v if _nameless(v) else repr(v)}" for k, v in itertools.pairwise(words) if k[:2] == "--"]
    return f"realization.judge({', '.join([s.name.rpartition(':')[2], *keywords])})"


def _nameless(value: str) -> bool:
    """Whether it stands for an object that was handed over in Python, "<gla>"."""
    return value.startswith("<")


def _ratio(x: float) -> str:
    return "inf" if math.isinf(x) else f"{x:.2f}" if 0.01 <= x < 1000 else f"{x:.1e}" if x else "0"


# JSON -----------------------------------------------------------------------


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as a JSON object; its members are documented in `docs/verify-your-kernel.md`.

    Parameters
    ----------
    report : Report
        What was found.

    Returns
    -------
    dict
        Numbers that JSON lacks (infinity) are null.
    """
    from realization import __version__

    return {
        "schema": SCHEMA,
        "verdict": report.verdict,
        "subject": report.subject.name,
        "op": report.subject.op.name,
        "claim": asdict(report.claim),
        "behaves_as": report.tightest,
        "max_ratio": _number(report.ratio),
        "seed": report.seed,
        "interrupted": report.interrupted,
        "cases": [_case(report, r) for r in report.results],
        "properties": [
            {"name": p.name, "status": p.status, "ratio": _number(p.ratio), "difference": _number(p.difference),
             "reason": p.reason, "first_step": p.first, "cut": list(p.cut) if p.cut else None}
            for p in report.properties
        ],
        "diagnosis": _diagnosis(report),
        "against": None if report.against is None else report.against.as_json(),
        "gradients": None if report.gradients is None else as_json(report.gradients),
        "versions": {"realization": __version__, "python": platform.python_version(), "numpy": np.__version__},
    }  # fmt: skip


def _case(report: Report, r: Result) -> dict[str, Any]:
    return {
        "id": r.case.id,
        "status": r.status,
        "sentence": r.sentence,
        "again": reproduce(report, r),
        "outputs": [
            {"name": f.output, "status": f.status, "layer": f.layer, "ratio": _number(f.ratio),
             "place": list(f.place), "reason": f.reason, "undecided": list(f.undecided),
             "rules": dict(r.rules.get(f.output, {}))}
            for f in r.findings
        ],
    }  # fmt: skip


def _diagnosis(report: Report) -> dict[str, Any] | None:
    why = report.diagnosis
    if why is None:
        return None
    c, f = why.convention, why.fault
    return {
        "case": why.case.id,
        "convention": c and {"name": c.name, "sentence": c.sentence, "ratio": _number(c.ratio),
                             "explained": _number(c.explained)},
        "fault": f and {"name": f.name, "sentence": f.sentence, "score": _number(f.score),
                        "matches": f.matches, "alike": list(f.alike)},
        "note": why.note,
    }  # fmt: skip


def _number(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None


__all__ = ["CONFORMING", "SCHEMA", "as_json", "headline", "reproduce", "text"]
