"""Judge a function: the one path that the command, Python and the pytest plugin take."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from realization.core.claim import Claim, parse_claim
from realization.core.ops import Op
from realization.verify import against as against_
from realization.verify import cases as casebook
from realization.verify import run
from realization.verify.cases import Case
from realization.verify.gradients import backward_of
from realization.verify.inputs import check_inputs, read_inputs
from realization.verify.run import Report
from realization.verify.shrink import explained
from realization.verify.subject import Subject, UsageError, find

Compare = Callable[[Report, Callable[[str], None]], Any]


def judge(
    function: Callable[..., Any] | str,
    op: Op | str | None = None,
    *,
    claim: Claim | str | None = None,
    convention: str | None = None,
    array: str | None = None,
    path: str | None = None,
    cases: int | None = None,
    seed: int = 0,
    case: str | None = None,
    inputs: Mapping[str, Any] | str | None = None,
    properties: Iterable[str] | None = None,
    against: Callable[..., Any] | str | None = None,
    grad: bool = False,
    backward: Callable[..., Any] | str | None = None,
) -> Report:
    """Judge a function: |got - exact| <= bound(claim) in every output of every case.

    Parameters
    ----------
    function : callable or str
        What is judged, or its name as the command takes it: `file.py:function`,
        `package.module:function`, "demo" or "demo-bug".
    op : Op or str, optional
        What it computes: a record, a name of `realization list`, or `file.py:OP`.  Needed
        where no adapter names it.
    claim : Claim or str, optional
        Its arithmetic, or "field=value,..." or a name on top of the default.  Default: the
        adapter's, or what is fair for the op.
    convention : str, optional
        Full name of the foreign function whose calling convention it follows, or "complex".
    array : {"numpy", "torch", "jax"}, optional
        Arrays that it takes.
    path : str, optional
        A folder of sources, or a checkout, in which its modules are looked for first.
    cases : int, optional
        How many cases; 0 asks for properties only.  Default: the op's plan, which covers every
        regime, length and option.
    seed : int
        Seed of the cases.
    case : str, optional
        Identity of the one case to judge.
    inputs : mapping or str, optional
        Arguments of the op to judge it on, or the .npz file that holds them.
    properties : iterable of str, optional
        Properties to ask for.  Default: those of the op; none beside `case` or `inputs`.
    against : callable or str, optional
        An older kernel, given the same cases, or the file of an earlier report: `Report.against`
        says what has moved.
    grad : bool
        Judge the gradients of every input too; a PyTorch subject is differentiated by autograd.
    backward : callable or str, optional
        The backward pass of a NumPy subject: the op's arguments and `cotangent_<output>` in, a dict
        of gradients by argument out.

    Returns
    -------
    Report
        `verdict`, `ratio`, `results`, `properties`, `tightest`; `str` of it is the text.

    Raises
    ------
    RealizationError
        `UsageError` or `ShapeError` if a name, a value or a signature does not fit, with the
        nearest ones; a function that misbehaves is a finding and no error.

    Examples
    --------
    >>> judge("demo", cases=4, properties=()).verdict
    'conforming'
    >>> judge("demo-bug", case="fading-c/2.T129.o2.s0").verdict
    'not conforming'
    """
    return prepare(
        function, op, claim=claim, convention=convention, array=array, path=path, cases=cases, seed=seed, case=case,
        inputs=inputs, properties=properties, against=against,
        grad=grad, backward=backward,
    ).run()  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is about to be judged, every mistake of the asker already found.

    Parameters
    ----------
    subject : Subject
        The function.
    claim : Claim
        Its arithmetic.
    draws : tuple of callables
        Each draws a case.
    properties : tuple of str
        What is asked beside the cases.
    seed : int
        Seed of the properties' inputs.
    compare : callable, optional
        (report, progress) -> how it compares with an older kernel or report.
    backward : Task, optional
        Its backward pass, to be judged beside it.
    """

    subject: Subject
    claim: Claim
    draws: tuple[Callable[[], Case], ...]
    properties: tuple[str, ...]
    seed: int
    compare: Compare | None = None
    backward: Task | None = None

    @property
    def steps(self) -> int:
        """How many steps `run` takes, about: a comparison with an older kernel takes as many as there are cases."""
        again = 0 if self.compare is None else len(self.draws)
        return len(self.draws) + again + len(self.properties) + (self.backward.steps if self.backward else 0)

    def run(self, progress: Callable[[str], None] = lambda line: None) -> Report:
        """Judge; `progress` gets a line for each step."""
        asked = self.properties
        found = run.verify(self.subject, self.claim, self.draws, ask_for=asked, seed=self.seed, progress=progress)
        with contextlib.suppress(KeyboardInterrupt):  # the verdict stands without a reason
            found = explained(found)
        if self.compare is not None:
            found = replace(found, against=self.compare(found, progress))
        if self.backward is None or found.interrupted:
            return found
        return replace(found, gradients=self.backward.run(progress))


def prepare(
    function: Callable[..., Any] | str,
    op: Op | str | None = None,
    *,
    claim: Claim | str | None = None,
    convention: str | None = None,
    array: str | None = None,
    path: str | None = None,
    cases: int | None = None,
    seed: int = 0,
    case: str | None = None,
    inputs: Mapping[str, Any] | str | None = None,
    properties: Iterable[str] | None = None,
    against: Callable[..., Any] | str | None = None,
    grad: bool = False,
    backward: Callable[..., Any] | str | None = None,
) -> Task:
    """Find and check everything that `judge` needs, with its parameters, and run nothing."""
    from realization.layers import KNOWN

    subject = find(function, KNOWN, op=op, convention=convention, array=array, path=path)
    claim = claim if isinstance(claim, Claim) else parse_claim(claim or "", subject.claim)
    differentiated = grad or backward is not None
    # a case, inputs with cotangents and a property that is named are those of the gradients
    alone = differentiated and (case is not None or inputs is not None or bool(properties))
    if alone:
        subject = backward_of(subject, backward)
    compare = None
    if against is not None:
        subject, compare = _compared(subject, claim, against, backward, convention=convention, array=array, path=path)
    plan = partial(_plan, claim=claim, cases=cases, seed=seed, case=case, inputs=inputs)
    task = plan(subject, properties, compare=compare)
    if alone or not differentiated:
        return task
    return replace(task, backward=plan(backward_of(subject, backward), properties))


def _plan(
    subject: Subject, properties: Iterable[str] | None, *, claim: Claim, cases: int | None, seed: int,
    case: str | None, inputs: Any, compare: Compare | None = None,
) -> Task:  # fmt: skip
    """The task of one subject."""
    draws = _draws(subject, claim, cases, seed, case, inputs)
    asked = subject.op.properties if properties is None and case is None and inputs is None else properties or ()
    return Task(subject, claim, tuple(draws), tuple(map(partial(_known, subject.op), asked)), seed, compare)


def _compared(
    subject: Subject, claim: Claim, other: Callable[..., Any] | str, backward: Any, **found: str | None
) -> tuple[Subject, Compare]:
    """The subject, given no more than the one it is compared with takes; and what compares a report."""
    from realization.layers import KNOWN

    if isinstance(other, str) and other.endswith(".json"):
        content = against_.read(other)
        if subject.forward is not None:
            content = content.get("gradients") or content
        against_.fitting(content, other, subject, claim)
        return subject, lambda found, progress: against_.baseline(found, content, other)
    if subject.forward is not None and backward is not None:
        raise UsageError(
            "a case, inputs or a property beside --backward ask for gradients only, and of those that --against "
            "names there is no backward pass; leave out --backward, or give --against a report that --json wrote"
        )
    # the op of the first, also where it is the user's own
    old = find(other, KNOWN, op=(subject.forward or subject).op, **found)
    subject, old = against_.common(subject, old if subject.forward is None else backward_of(old))
    return subject, lambda found, progress: against_.kernels(found, old, claim, progress=progress)


def _known(op: Op, name: str) -> str:
    if name not in op.properties:
        raise UsageError(f"property {name!r} is unknown; {op.name} has {', '.join(op.properties)}")
    return name


def _draws(
    subject: Subject, claim: Claim, count: int | None, seed: int, case: str | None, inputs: Any
) -> Iterable[Callable[[], Case]]:
    """What draws each case that was asked for."""

    def draw(identity: str) -> Callable[[], Case]:
        return lambda: casebook.draw(subject.op, identity, claim, subject.accepts, subject.requires)

    if inputs is not None:
        return [partial(casebook.given, subject.op, *_given(subject, inputs, claim))]
    if case is not None:
        draw(case)()  # an unknown case is a usage error, before anything runs
        return [draw(case)]
    if (count is not None and count < 0) or seed < 0:
        raise UsageError(f"cases={count}, seed={seed} given, whole numbers from 0 on are needed")
    planned = casebook.plan(subject.op, claim, subject.accepts, requires=subject.requires, count=count, seed=seed)
    return map(draw, planned)


def _given(subject: Subject, inputs: Any, claim: Claim) -> tuple[dict[str, Any], Claim, str]:
    """The arguments of `cases.given`."""
    name = inputs if isinstance(inputs, str) else "<inputs>"
    given = read_inputs(name, subject.op) if inputs is name else check_inputs(inputs, subject.op, name)
    untaken = sorted(set(given) - subject.accepts)
    if untaken:
        raise UsageError(f"{name} has {', '.join(untaken)}, which {subject.name} does not take")
    return given, claim, name
