"""Another convention: does the output equal the reference with something exchanged?

A finite list of swaps is tried: those that the op's record declares, and those that its signature
implies (arguments of equal axes in the wrong order, an optional one ignored, a state transposed).
A swapped definition is a definition: its certified value and its bound are read off it like
those of the op, so that "equals" has the meaning of the verdict.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.errors import RealizationError
from realization.core.ops import Op, Swap, incomplete
from realization.core.pair import Pair
from realization.layers.cores import fastest, standing_in
from realization.layers.readings import complete
from realization.verify.cases import Case
from realization.verify.pattern import EXPLAINED, comparable, errors, failing, score
from realization.verify.verdict import FAIL, PASS, Finding, Truth, judge

CANDIDATES = 3  # swaps that are certified; the screening leaves more only where they are alike


@dataclasses.dataclass(frozen=True, slots=True)
class Convention:
    """A swap with which the output agrees, or which explains most of its error.

    Parameters
    ----------
    name, sentence : str
        Of the swap.
    ratio : float
        Largest err/tol against the swapped reference, under the claim.
    explained : float
        Share of the error that the swap explains.
    """

    name: str
    sentence: str
    ratio: float
    explained: float

    def __str__(self) -> str:
        if self.ratio <= 1:
            return f"your output equals the reference with {self.sentence} (err/tol {self.ratio:.2g})"
        return (
            f"your output is near the reference with {self.sentence}: this explains {self.explained:.1%} of the "
            f"error, and leaves err/tol {self.ratio:.3g}"
        )


def diagnose_convention(
    op: Op, case: Case, outputs: Mapping[str, Any], findings: list[Finding], truth: Truth, claim: Claim
) -> Convention | None:
    """Return the swap that explains a failing case best, or None.

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
    claim : Claim
        The kernel's arithmetic.

    Returns
    -------
    Convention or None
    """
    got = errors(findings, outputs, truth.value)
    screened = []
    for swap in (*op.swaps, *implied(op, case.arguments)):
        other = swapped(op, swap)
        pattern = _pattern(other, case, findings, truth)
        alike = 0.0 if pattern is None else score(got, pattern)
        if alike > EXPLAINED:
            screened.append((alike, swap, other))
    screened.sort(key=lambda s: -s[0])
    found = [_certify(s, case, outputs, findings, claim) for s in screened[:CANDIDATES]]
    return min((c for c in found if c is not None), key=lambda c: max(c.ratio, 1.0), default=None)


def _pattern(other: Op, case: Case, findings: list[Finding], truth: Truth) -> np.ndarray | None:
    """The errors that the swap would make, in float64; None where it does not apply."""
    try:
        with np.errstate(all="ignore"):
            changed = other.named(other.definition(**case.arguments))
        return errors(findings, changed, truth.value) if comparable(changed, truth.value) else None
    except Exception:  # a swap of a user's record may not be made for these arguments; the verdict stands
        return None


def _certify(
    screened: tuple[float, Swap, Op], case: Case, outputs: Mapping[str, Any], findings: list[Finding], claim: Claim
) -> Convention | None:
    """Judge the outputs by the swapped reference."""
    explained, swap, other = screened
    case = dataclasses.replace(case, regime=None)  # what was swapped need no longer be exact
    try:
        with np.errstate(all="ignore"):
            judged = judge(other, case, outputs, claim)
    except Exception:  # as above; there it was read with floats, here with other number types
        return None
    before = failing(findings)
    mended = all(f.status == PASS for f in judged if f.output in before)
    if any(f.status == FAIL for f in judged) or mended:
        return Convention(swap.name, swap.sentence, max(f.ratio for f in judged), explained)
    return None  # its bound says nothing here


def swapped(op: Op, swap: Swap) -> Op:
    """The op whose definition has something exchanged; bound and certified value follow."""

    @functools.wraps(op.definition)
    def definition(**arguments: Any) -> Any:
        changed = swap.arguments(arguments)
        if changed is None:
            raise NotApplicableError(f"{swap.name} does not apply")
        with standing_in(None if swap.core is None else functools.partial(_answer, swap.core)):
            found = op.definition(**changed)
        return tuple(swap.outputs(op.named(found), arguments).values())

    readings = dict.fromkeys(("certified", "bound", "adjoint"), incomplete)
    return complete(dataclasses.replace(op, definition=definition, **readings))  # type: ignore[arg-type]


class NotApplicableError(RealizationError):
    """The swap has nothing to exchange in these arguments."""


def _answer(stand_in: Any, core: Any, **arguments: Any) -> Any:
    """Plain arrays go by the core's fast route, number types by the core."""
    return stand_in(fastest(core, arguments), **arguments)


# Swaps that a signature implies ---------------------------------------------


def implied(op: Op, arguments: Mapping[str, Any]) -> Iterator[Swap]:
    """Arguments of equal axes exchanged, optional ones ignored, flags the other way, states transposed."""
    yield from _exchanged(op, arguments)
    for name, parameter in inspect.signature(op.definition).parameters.items():
        default, given = parameter.default, arguments.get(name, parameter.default)
        if default is parameter.empty:
            continue
        if isinstance(default, bool):
            word = "without" if given else "with"
            yield _setting(f"{word} {name}", f"{name}={not given}", name, not given)
        elif name in arguments and given is not None:
            yield _setting(f"{name} ignored", f"{name} ignored", name, default)
    yield from _transposed(op, arguments)


def _setting(name: str, sentence: str, argument: str, value: Any) -> Swap:
    return Swap(name, sentence, arguments=lambda a: {**a, argument: value})


def _exchanged(op: Op, arguments: Mapping[str, Any]) -> Iterator[Swap]:
    arrays = {k: x for k, x in arguments.items() if isinstance(x, np.ndarray) and x.dtype.kind in "fc"}
    for one, other in itertools.combinations((k for k in op.axes.arguments if k in arrays), 2):
        axes = (op.axes.arguments[k].alternatives for k in (one, other))
        if len(set(axes)) == 1 and arrays[one].shape == arrays[other].shape:
            yield Swap(f"{one} and {other} exchanged", f"{one} and {other} exchanged", arguments=_exchange(one, other))


def _exchange(one: str, other: str) -> Any:
    return lambda a: {**a, one: a[other], other: a[one]}


def _transposed(op: Op, arguments: Mapping[str, Any]) -> Iterator[Swap]:
    """A state laid out with its last two axes exchanged, as it is read, returned, or both."""
    given = [k for k in op.axes.arguments if k.endswith("state") and arguments.get(k) is not None]
    returned = [k for k in op.outputs if k.endswith("state")]

    def read(a: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**a, **{k: _transpose(a[k]) for k in given}}

    def write(out: Mapping[str, Any], _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**out, **{k: _transpose(out[k]) for k in returned}}

    if returned:
        yield Swap("state returned transposed", "the final state transposed", outputs=write)
    if given:
        yield Swap("state read transposed", "the initial state transposed", arguments=read)
    if given and returned:
        yield Swap("states transposed", "initial and final state transposed", arguments=read, outputs=write)


def _transpose(x: Any) -> Any:
    """Rows and columns exchanged in memory: the shape stays."""
    if isinstance(x, Pair):
        return Pair(_transpose(x.real), _transpose(x.imag))
    *lead, n, m = x.shape
    order = np.arange(n * m).reshape(n, m).T.ravel()
    return x.reshape(*lead, n * m)[..., order].reshape(*lead, n, m)
