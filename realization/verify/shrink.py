"""Shrink: a case that still fails, as small as can be found, for a script that a person can read.

Greedy: a smaller case is kept if the verdict on it is still a failure under the same claim, with
its own certified value.  Options go first, then rows, heads and widths, then time, then values.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.errors import RealizationError
from realization.layers.cores import fast, standing_in
from realization.verify import run
from realization.verify.cases import Case
from realization.verify.faults import seconds as seconds_of
from realization.verify.run import Report, Result, run_case
from realization.verify.subject import Subject
from realization.verify.verdict import FAIL, Finding

SECONDS, SECONDS_OF_A_REASON = 60.0, 20.0
Arguments = dict[str, Any]
# From the simplest on; what is simpler than an array's own values is tried first.
CONSTANTS = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0)


def failure(result: Result) -> Finding | None:
    """The finding that names a wrong value, if there is one."""
    return next((f for f in result.findings if f.status == FAIL and f.place), None)


def smallest(report: Report) -> Result | None:
    """The failing case to start from: real numbers before exact integers, few numbers before many."""
    failed = [r for r in report.results if r.status == FAIL and failure(r) is not None]
    return min(failed, key=lambda r: (r.case.exact, size(r.case.arguments)), default=None)


def size(arguments: Mapping[str, Any]) -> int:
    """How many numbers there are."""
    return sum(x.size for x in arguments.values() if isinstance(x, np.ndarray))


def shrink(
    subject: Subject,
    claim: Claim,
    result: Result,
    *,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Return the verdict on a small case that fails like a given one.

    Parameters
    ----------
    subject : Subject
        The kernel.
    claim : Claim
        Its arithmetic.
    result : Result
        A failing case with a wrong value.
    seconds : float
        When to stop.
    progress : callable
        Gets a line for each trial.

    Returns
    -------
    Result
        The given one if nothing smaller fails.
    """
    search = _Search(subject, claim, result, time.monotonic() + seconds, progress)
    search.run()
    return search.best


def explained(report: Report) -> Report:
    """Return a report with a reason that is found on a part of its case, where a run of the whole takes too long.

    Parameters
    ----------
    report : Report
        What was found.

    Returns
    -------
    Report
        The given one if its case was asked, or if no part fails on which asking is quick.
    """
    worst, op = report.worst, report.subject.op
    if worst is None or report.diagnosis is None or not report.diagnosis.note or failure(worst) is None:
        return report
    search = _Search(report.subject, report.claim, worst, time.monotonic() + SECONDS_OF_A_REASON, lambda line: None)
    if not search.quicken(lambda case: seconds_of(op, case) <= run.LONGEST_RUN):
        return report
    part, none = search.best, "no known convention or fault explains it"
    found = run.diagnose(op, part, report.claim) or run.Diagnosis(part.case, note=none)
    counts = f"{size(part.case.arguments):,} of the {size(worst.case.arguments):,} numbers"
    note = found.note or f"asked on a part of the case that fails too, {counts}"
    return dataclasses.replace(report, diagnosis=dataclasses.replace(found, case=worst.case, note=note))


class _Search:
    """The smallest failure so far, and the ways to make it smaller."""

    def __init__(
        self, subject: Subject, claim: Claim, result: Result, until: float, progress: Callable[[str], None]
    ) -> None:
        self.subject, self.claim, self.best, self.until, self.progress = subject, claim, result, until, progress
        self.trials, self.tried, self.refused = 0, set[int](), False
        # A structural fault fails on real numbers too, which then may be changed one by one.
        self.free = not result.case.exact or self._keep(dict(result.case.arguments), regime=None)

    @property
    def arguments(self) -> Arguments:
        return dict(self.best.case.arguments)

    def run(self) -> None:
        """Every kind of step until none makes it smaller."""
        steps = [self._drop, self._narrow, self._lower, self._shorten, self._forget]
        kinds = [*steps, self._simplify] if self.free else steps[1:]
        smaller = True
        while smaller:
            smaller = max([step() for step in kinds])

    def quicken(self, quick: Callable[[Case], bool]) -> bool:
        """Half of the steps, or one row or head, as long as a run is not quick; whether it is in the end."""
        while not quick(self.best.case):
            if not any(self._keep(less) for less in self._parts_of_it()):
                return False
        return True

    def _parts_of_it(self) -> Iterator[Arguments]:
        """Either half of the steps; of each other axis the one place that is wrong."""
        T = self._sizes().get("T", 0)
        if T > 1:
            yield from (self._in_time(0, T - T // 2), self._in_time(T // 2, T))
        for letter, n in self._sizes().items():
            if n > 1 and letter not in ("T", "S"):
                at = self._wrong(letter) or 0
                yield self._cut({letter: slice(at, at + 1)})

    def _keep(self, arguments: Arguments, regime: Any = ...) -> bool:
        """Judge other arguments; keep them if they fail."""
        mark, self.refused = _fingerprint(arguments), False
        if time.monotonic() > self.until or (mark in self.tried and regime is ...):
            return False
        self.tried.add(mark)
        self.trials += 1
        self.progress(f"shrinking: {size(self.arguments)} numbers after {self.trials} trials")
        regime = self.best.case.regime if regime is ... else regime
        case = dataclasses.replace(self.best.case, arguments=arguments, regime=regime)
        try:
            with np.errstate(all="ignore"):
                if not self._looks_wrong(arguments):
                    return False
                result = run_case(self.subject, self.claim, case, rules=False)
        except (RealizationError, ValueError, IndexError):  # no arguments of the op
            self.refused = True
            return False
        if result.status != FAIL or failure(result) is None:
            return False
        self.best = result
        return True

    def _looks_wrong(self, arguments: Arguments) -> bool:
        """Whether an output is off by more than a few units in the last place of the largest: cheaper than a bound.

        What is not looked at is only not kept; what is kept has failed by the verdict.
        """
        with standing_in(fast):
            got = self.subject.run(arguments, self.claim)
            right = dict(zip(self.subject.op.outputs, self.subject.op.definition(**arguments), strict=True))
        u = min(self.claim.out_format.u, self.claim.state_format.u)
        return any(not _apart(y, right[k]) <= 4 * u * np.abs(y[np.isfinite(y)]).max(initial=0.0)
                   for k, y in got.items())  # fmt: skip

    # Options ----------------------------------------------------------------

    def _drop(self) -> bool:
        """Leave out optional arguments; two at once where neither can go alone, as tables of cos and of sin."""
        needed = self.subject.op.required | self.subject.requires
        found, tied = [], []
        for name in [k for k in self.arguments if k not in needed]:
            found.append(self._keep(_without(self.arguments, name)))
            tied += [name] * self.refused
        for pair in itertools.combinations(tied, 2):
            found.append({*pair} <= {*self.arguments} and self._keep(_without(self.arguments, *pair)))
        return any(found)

    def _lower(self) -> bool:
        """Lengths among the options, as that of a window: 1, half, one less."""
        done = False
        for name in [k for k, n in self.arguments.items() if type(n) is int]:
            while any(self._keep({**self.arguments, name: m}) for m in _less(self.arguments[name])):
                done = True
        return done

    # Axes -------------------------------------------------------------------

    def _narrow(self) -> bool:
        """Fewer rows, heads, channels: one axis, or two at once where one must divide the other."""
        sizes = self._sizes()
        letters = [x for x in sizes if x not in ("T", "S") and not _follows(x, sizes)]
        pairs = itertools.combinations(letters, 2)
        found = [self._cut_each(group) for group in [*((x,) for x in letters), *pairs]]
        return any(found)

    def _cut_each(self, letters: tuple[str, ...]) -> bool:
        """Cut these axes together: to the one that is wrong, to the first, to halves, by the last."""
        done = False
        while True:
            sizes = self._sizes()
            if any(sizes.get(x, 0) < 2 for x in letters):
                return done
            ways = zip(*(list(_ranges(sizes[x], self._wrong(x))) for x in letters), strict=True)
            if not any(self._keep(self._cut(dict(zip(letters, way, strict=True)))) for way in ways):
                return done
            done = True

    def _shorten(self) -> bool:
        """Fewer steps, from the end and from the beginning."""
        done = False
        T = self._sizes().get("T", 0)
        wrong = self._wrong("T")
        if wrong is not None and wrong + 1 < T:
            done = self._keep(self._in_time(0, wrong + 1))
        step = T
        while step := step // 2:
            for head in (False, True):
                while step < (T := self._sizes().get("T", 0)) and self._keep(
                    self._in_time(step, T) if head else self._in_time(0, T - step)
                ):
                    done = True
        return done

    def _forget(self) -> bool:
        """Fewer keys before the first query: none, half, one less."""
        done = False
        while (past := self._sizes().get("S", 0) - self._sizes().get("T", 0)) > 0:
            if not any(self._keep(self._keys_from(past - m)) for m in (0, *_less(past))):
                break
            done = True
        return done

    def _keys_from(self, start: int) -> Arguments:
        """Without the first keys."""
        return _renumbered(self._cut({"S": slice(start, None)}), start)

    def _in_time(self, start: int, stop: int) -> Arguments:
        """Some of the steps; where keys run along S, as many of these are cut away."""
        sizes = self._sizes()
        keys = {"S": slice(start, sizes["S"] - (sizes["T"] - stop))} if "S" in sizes else {}
        cut = self._cut({"T": slice(start, stop), **keys})
        if "cu_seqlens" in cut:
            cut["cu_seqlens"] = np.clip(cut["cu_seqlens"] - start, 0, stop - start)
        return _renumbered(cut, start)

    def _cut(self, ranges: Mapping[str, slice]) -> Arguments:
        """Every array with only a range of some of its axes; sizes like s1 = s + 1 follow."""
        sizes, arguments = self._sizes(), self.arguments
        less = {x: sizes[x] - len(range(*r.indices(sizes[x]))) for x, r in ranges.items()}
        follow = {f"{x}1": slice(0, sizes[f"{x}1"] - n) for x, n in less.items() if f"{x}1" in sizes}
        ranges = {**follow, **ranges}
        for name, letters in self.subject.op.axes.labels(arguments).items():
            arguments[name] = arguments[name][tuple(ranges.get(x, slice(None)) for x in letters)].copy()
        return arguments

    def _sizes(self) -> dict[str, int]:
        labels = self.subject.op.axes.labels(self.arguments)
        return {x: n for k, letters in labels.items() for x, n in zip(letters, self.arguments[k].shape, strict=True)}

    def _wrong(self, letter: str) -> int | None:
        """Where along an axis the worst value is."""
        finding = failure(self.best)
        if finding is None:
            return None
        axis = self.subject.op.axes.outputs[finding.output].axis(letter) if letter != "*b" else -len(finding.place)
        return None if axis is None or -axis > len(finding.place) else finding.place[axis]

    # Values -----------------------------------------------------------------

    def _simplify(self) -> bool:
        """Each array to a constant; else part by part to 0 and 1, and the rest to powers of two."""
        whole = {k: x.real.copy() if np.iscomplexobj(x) else x for k, x in self.arguments.items()}
        real = self._keep(whole)
        names = [k for k, x in self.arguments.items() if isinstance(x, np.ndarray) and x.dtype.kind in "fc" and x.size]
        found = [self._constant(name) or self._by_parts(name) for name in names]
        return real or any(found)

    def _constant(self, name: str) -> bool:
        return any(self._put(name, np.full_like(self.arguments[name], c)) for c in CONSTANTS)

    def _by_parts(self, name: str) -> bool:
        found = [self._parts(name, change) for change in (np.zeros_like, np.ones_like, _power)]
        return any(found)

    def _parts(self, name: str, change: Callable[[Any], Any]) -> bool:
        """Change halves, quarters, ... of an array, as far as the failure goes on."""
        done, length = False, self.arguments[name].size
        while length:
            for start in range(0, self.arguments[name].size, length):
                x = self.arguments[name].copy()
                part = x.reshape(-1)[start : start + length]  # a view of the copy
                part[part != 0] = change(part[part != 0])
                done |= self._put(name, x)
            length //= 2
        return done

    def _put(self, name: str, x: Any) -> bool:
        """Other values of an array, if they are simpler: so the search comes to an end."""
        if _complexity(x) >= _complexity(self.arguments[name]):
            return False
        return self._keep({**self.arguments, name: x})


def _ranges(n: int, wrong: int | None) -> Iterator[slice]:
    """What to keep of an axis: the one place that is wrong, the first, halves, all but an end."""
    at = 0 if wrong is None else wrong
    yield from (slice(at, at + 1), slice(0, 1), slice(0, n // 2), slice(n - n // 2, n), slice(0, n - 1), slice(1, n))


def _renumbered(arguments: Arguments, start: int) -> Arguments:
    """Selected keys keep their place; one that is cut away is none."""
    selected = arguments.get("selected")
    return arguments if selected is None else {**arguments, "selected": np.maximum(selected - start, -1)}


def _less(n: int) -> list[int]:
    return [m for m in dict.fromkeys((1, n // 2, n - 1)) if 0 < m < n]


def _apart(x: Any, y: Any) -> float:
    """The largest difference; none between equal infinities."""
    return float(np.abs(np.where(x == y, 0.0, x - y)).max(initial=0.0))


def _follows(letter: str, sizes: Mapping[str, int]) -> bool:
    return letter.endswith("1") and letter[:-1] in sizes


def _fingerprint(arguments: Arguments) -> int:
    """Equal for equal arguments."""
    arrays = {k: (x.dtype.str, x.shape, x.tobytes()) for k, x in arguments.items() if isinstance(x, np.ndarray)}
    return hash(tuple((k, arrays.get(k, x)) for k, x in arguments.items() if k in arrays or x.__hash__))


def _without(arguments: Arguments, *names: str) -> Arguments:
    return {k: x for k, x in arguments.items() if k not in names}


def _complexity(x: np.ndarray) -> int:
    """Sum over the entries: 0 costs nothing, 1 little, other powers of two more, and all else most."""
    x = np.concatenate([np.ravel(x.real), np.ravel(x.imag)]) if np.iscomplexobj(x) else np.ravel(x)
    return int(np.select([x == 0, x == 1, x == -1, np.abs(np.frexp(x)[0]) == 0.5], [0, 1, 2, 3], 5).sum())


def _power(x: Any) -> Any:
    """The nearest powers of two, which every format holds."""
    if np.iscomplexobj(x):
        return _power(x.real) + 1j * _power(x.imag)
    with np.errstate(divide="ignore"):
        return np.where(x == 0, 0.0, np.sign(x) * 2.0 ** np.round(np.log2(np.abs(x))))
