"""The closest known fault: which of the library's own mutants makes the error that was seen?

The faults of a core act in every op whose definition calls it, a user's own included.  Each
runs on the failing input in float64; named is the one whose error pattern is that of the kernel.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from realization.core.ops import Op
from realization.layers import cores
from realization.layers.cores import Fault, standing_in
from realization.verify.cases import Case
from realization.verify.pattern import EXPLAINED, comparable, errors, score
from realization.verify.verdict import Finding, Truth


@dataclasses.dataclass(frozen=True, slots=True)
class Closest:
    """The fault that comes closest.

    Parameters
    ----------
    name, sentence : str
        Of the fault.
    score : float
        How alike the error patterns are; 1 is equal.
    matches : bool
        Whether the fault explains the error.
    alike : tuple of str
        Sentences of faults that this case cannot tell from it.
    """

    name: str
    sentence: str
    score: float
    matches: bool
    alike: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.matches:
            return f"closest known fault: none matches (the nearest, {self.name}, scores {self.score:.2f})"
        rest = "".join(f"\n    or, not to be told apart on this case: {s}" for s in self.alike)
        return f"closest known fault: {self.sentence} (score {self.score:.3f})" + rest


def closest_fault(
    op: Op, case: Case, outputs: Mapping[str, Any], findings: list[Finding], truth: Truth
) -> Closest | None:
    """Return the fault whose errors are most like those of a failing case; None if the op has no known faults.

    Parameters
    ----------
    op : Op
        The operation.
    case : Case
        What was computed.
    outputs : mapping
        What came, by name.
    findings : list of Finding
        The verdict on it.
    truth : Truth
        The certified outputs.

    Returns
    -------
    Closest or None
    """
    got = errors(findings, outputs, truth.value)
    tried = []
    for fault, chunk, faulty in mutants(op, case, lengths(op, case, findings)):
        if not comparable(faulty, truth.value):
            continue
        pattern = errors(findings, faulty, truth.value)
        tried.append((score(got, pattern), fault, chunk, pattern))
    if not tried:
        return None
    best, fault, chunk, pattern = max(tried, key=lambda t: t[0])
    matches = best > EXPLAINED
    alike = [_spell(f, c) for s, f, c, p in tried if matches and f is not fault and _equal(p, pattern)]
    return Closest(fault.name, _spell(fault, chunk), best, matches, tuple(dict.fromkeys(alike)))


def mutants(op: Op, case: Case, chunks: list[int]) -> Iterator[tuple[Fault, int, dict[str, Any]]]:
    """Every known fault of the cores that the op calls, and its outputs on the case."""
    for core in cores.called(lambda: op.definition(**case.arguments)):
        for fault in cores.faults(core):
            for chunk in chunks if fault.chunked else chunks[:1]:
                try:
                    with np.errstate(all="ignore"), standing_in(plant(core, fault, chunk)):
                        outputs = op.definition(**case.arguments)
                except Exception:  # not defined for these arguments, or an op asks the core for more than a fault has
                    continue
                yield fault, chunk, op.named(outputs)


def seconds(op: Op, case: Case) -> float:
    """Processor time of one run of the definition by the fast routes of its cores; the first of two warms up."""
    spent = []
    for _ in range(2):
        began = time.process_time()
        with np.errstate(all="ignore"), standing_in(cores.fast):
            op.definition(**case.arguments)
        spent.append(time.process_time() - began)
    return min(spent)


def plant(core: Callable[..., Any], fault: Fault, chunk: int) -> Callable[..., Any]:
    """What answers for this core with the fault, and for others as they are."""

    def right(**arguments: Any) -> Any:
        return cores.fast(core, **arguments)

    def answer(called: Callable[..., Any], **arguments: Any) -> Any:
        return fault.run(right, chunk, **arguments) if called is core else called(**arguments)

    return answer


def lengths(op: Op, case: Case, findings: list[Finding]) -> list[int]:
    """Lengths of chunks to try: the claimed one, and the power of two at which the error may begin.

    Where queries are the last T of S positions, a step counts from the first of these.
    """
    sizes = op.axes.check(case.arguments)
    past = sizes.get("S", 0) - sizes["T"] if {"S", "T"} <= {*sizes} else 0
    first = min((step + past for f in findings if (step := _first_step(op, f)) is not None), default=0)
    powers = [c for c in (256, 128, 64, 32, 16, 8) if first and first % c == 0]
    return list(dict.fromkeys([case.chunk, *powers[:1]]))


def _first_step(op: Op, finding: Finding) -> int | None:
    """The first step that is wrong in an output over time."""
    time = op.axes.outputs[finding.output].axis("T")
    with np.errstate(invalid="ignore"):
        wrong = ~(finding.error <= finding.tolerance)
    if time is None or not wrong.any():
        return None
    return int(np.argmax(np.moveaxis(wrong, time, 0).reshape(wrong.shape[time], -1).any(-1)))


def _spell(fault: Fault, chunk: int) -> str:
    return fault.sentence.format(chunk=chunk)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two faults differ by no more than the tolerance: patterns are in its units."""
    both = np.isfinite(one) & np.isfinite(other)
    return bool((np.abs(one[both] - other[both]) <= 1).all())
