"""The verdict on one output: two layers, both derived, neither tuned.

Layer A: on exact inputs every partial sum is an integer that the claimed formats hold,
so every right kernel, in any order, has the same bits.

Layer B: on real inputs |got - exact| may not exceed a worst-case bound,

    tol = e (1 + u_out) + u_out |y| + eta_out + radius

with e the bound of the claim (`Err`), the rounding to the output format, and the radius
of the certified value.  The bound carries its constants: the threshold of err/tol is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.ops import Op
from realization.core.pair import Pair
from realization.core.rounding import Format, format_of, round_to
from realization.layers.gradients import GRADIENT, forward
from realization.verify.cases import Case, handed_over

PASS, FAIL, UNINFORMATIVE = "pass", "fail", "uninformative"
NOTHING = "all that came is 0"
# The bound is evaluated in float64, whose own rounding changes it by less than this.
EVALUATION = 1 + 1e-6
# Of random mantissas 2**-13 end in 13 zeros; a state stored in a coarse format, all.
LATTICE_SHARE = 0.99
LATTICE_ENTRIES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """The verdict on one output of one case.

    Parameters
    ----------
    output : str
        Its name.
    status : {"pass", "fail", "uninformative"}
        A violated bound is a failure; a bound kept is a pass only if it is tight enough to
        have meant something.
    layer : {"A", "B"}
        Bit equality on exact inputs, or the bound.
    ratio : float
        Largest err/tol (layer A: inf or 0).
    place : tuple of int
        Where it is reached.
    reason : str
        What was seen, in words, where it is not a pass.
    error, tolerance : ndarray
        For the localisation.
    undecided : tuple of int
        Of an output of indices: how many rows are near-ties, of how many.
    """

    output: str
    status: str
    layer: str
    ratio: float
    place: tuple[int, ...]
    reason: str
    error: Any
    tolerance: Any
    undecided: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Certified outputs of a case: |exact - (value + low)| <= radius, real and imaginary part apart.

    Parameters
    ----------
    value, low, radius : mapping
        Arrays by output name.
    """

    value: Mapping[str, Any]
    low: Mapping[str, Any]
    radius: Mapping[str, Any]

    @classmethod
    def of(cls, op: Op, case: Case) -> Truth:
        """Certify the outputs of a case; on exact inputs plain float64 is exact."""
        if case.exact:
            outputs = op.named(op.definition(**case.arguments))
            zeros = {name: np.zeros(np.shape(x)) for name, x in outputs.items()}
            return cls(outputs, zeros, zeros)
        certified = op.certified(case.arguments)  # type: ignore[misc]
        parts = {name: _complex(x, "hi", "lo", "radius") for name, x in certified.items()}
        value, low, radius = ({name: p[i] for name, p in parts.items()} for i in range(3))
        return cls(value, low, {name: np.abs(r) for name, r in radius.items()})


def _complex(x: Any, *fields: str) -> list[Any]:
    if isinstance(x, Pair):
        return [getattr(x.real, f) + 1j * getattr(x.imag, f) for f in fields]
    return [getattr(x, f) for f in fields]


def output_format(op: Op, name: str, claim: Claim) -> Format:
    """The format in which an output is returned, as op and claim say together; a gradient has that of its argument."""
    if name in op.whole:
        return format_of("float64")  # holds all indices
    if name.startswith(GRADIENT):
        return format_of(handed_over(op, name.removeprefix(GRADIENT), claim))
    return claim.format(op.holder(name))


def spoken(name: str) -> str:
    """An output as it is named in sentences."""
    return f"gradient of {name.removeprefix(GRADIENT)}" if name.startswith(GRADIENT) else name


def bounds(op: Op, case: Case, claim: Claim) -> dict[str, Any]:
    """Worst-case error of every output under a claim, before the rounding to its format."""
    found = op.bound(case.arguments, claim)  # type: ignore[misc]
    return {name: np.hypot(x.real.error, x.imag.error) if isinstance(x, Pair) else x.error for name, x in found.items()}


def tolerances(op: Op, case: Case, truth: Truth, claim: Claim) -> dict[str, Any]:
    """tol = e (1 + u_out) + u_out |y| + eta_out + radius, for every output."""
    out = {}
    for name, e in bounds(op, case, claim).items():
        if name in op.whole:
            out[name] = e
            continue
        form = output_format(op, name, claim)
        size = np.abs(truth.value[name])
        # Arithmetic may flush subnormal results to zero; a conversion to a coarser format does not.
        eta = form.tiny if form.u <= claim.accumulator.u else form.smallest
        tol = (e * (1 + form.u) + form.u * size + eta) * EVALUATION + truth.radius[name]
        # Results that may leave the format's range have no bound; the logarithm of an empty sum is -inf exactly.
        tol = np.where(size + tol < form.largest, tol, np.inf)
        out[name] = np.where((truth.value[name] == -np.inf) & (e == 0), 0.0, tol)
    return out


def judge(
    op: Op, case: Case, got: Mapping[str, Any], claim: Claim, truth: Truth | None = None, *,
    allowed: Allowed | None = None,
) -> list[Finding]:  # fmt: skip
    """Judge the outputs of a kernel.

    Parameters
    ----------
    op : Op
        The operation.
    case : Case
        What the kernel was called with.
    got : mapping
        Its outputs by name, float64 or complex128; a kernel need not return all.
    claim : Claim
        What it says of its arithmetic.
    truth : Truth, optional
        Certified outputs, where they are at hand.
    allowed : Allowed, optional
        What the claim allows on this case, where it is at hand.

    Returns
    -------
    list of Finding
        One for each output.
    """
    truth = truth or Truth.of(op, case)
    allowed = allowed or Allowed.of(op, case, truth, claim)
    findings = []
    ties = near_ties(op, case, claim, allowed)
    for name, y in got.items():
        if name in op.whole:
            findings.append(_indices(name, y, truth.value[name], ties))
        elif name in allowed.exact:
            findings.append(_layer_a(name, y, truth.value[name], output_format(op, name, claim)))
        else:
            with np.errstate(invalid="ignore"):
                error = np.abs((y - truth.value[name]) - truth.low[name])
                error = np.where(y == truth.value[name], np.abs(truth.low[name]), error)
            findings.append(_layer_b(name, y, error, allowed.tolerance[name], truth.value[name], ties))
    return [
        _lattice(f, got[f.output], truth.value[f.output], case, output_format(op, f.output, claim))
        if f.output.endswith("state")
        else f
        for f in findings
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Allowed:
    """What a claim allows on a case: outputs that must have the exact bits, tolerances of the rest."""

    exact: frozenset[str]
    tolerance: Mapping[str, Any]

    @classmethod
    def of(cls, op: Op, case: Case, truth: Truth, claim: Claim) -> Allowed:
        """Derive it from the claim."""
        exact = exactly(op, case, claim) if case.exact else frozenset()
        return cls(exact, tolerances(op, case, truth, claim) if set(op.numbers) - exact else {})


def exactly(op: Op, case: Case, claim: Claim) -> frozenset[str]:
    """Outputs that every kernel of this claim gets exactly on the integers of this case.

    The op's envelope bounds all states and partial sums.  They are exact while the accumulator
    holds them, the state's format the states, and the operands' format (where scores and
    states are cast before a product) the read-out.
    """
    outputs = zip(op.outputs, op.definition(**op.envelope(case.arguments)), strict=True)
    sizes = {name: float(np.abs(x).max(initial=0.0)) for name, x in outputs if name not in (*op.logarithms, *op.whole)}
    largest = max(sizes.values(), default=0.0)

    def holds(u: float, x: float) -> bool:
        """Whether p bits hold the integers up to x: 1/u = 2**p; u = 0 stands for no rounding."""
        return u == 0 or x <= 1 / u

    safe = holds(claim.accumulator.u, largest) and holds(claim.u_state, largest)
    if not safe or largest > min(claim.out_format.largest, claim.state_format.largest):
        return frozenset()
    exact_y = holds(claim.u_operand, largest)
    return frozenset(name for name in sizes if name.endswith("state") or exact_y)


def _layer_a(name: str, y: Any, truth: Any, form: Format) -> Finding:
    want = round_to(truth.real, form) + (1j * round_to(truth.imag, form) if np.iscomplexobj(truth) else 0.0)
    error = np.abs(y - want)
    wrong = ~(error == 0)
    place = _first(wrong)
    if not wrong.any():
        mostly_zero = not want.size or bool((want == 0).mean() > 0.9)
        reason = "nearly all exact outputs are 0" if mostly_zero else ""
        return Finding(name, UNINFORMATIVE if mostly_zero else PASS, "A", 0.0, place, reason, error, 0 * error)
    reason = f"{int(wrong.sum())} of {wrong.size} outputs differ from exact integers"
    return Finding(name, FAIL, "A", np.inf, place, reason, error, np.zeros(error.shape))


def near_ties(op: Op, case: Case, claim: Claim, allowed: Allowed) -> Any:
    """Rows of the selections that the claim leaves undecided, of the forward pass for gradients; None without any."""
    tolerance = allowed.tolerance
    own, arguments = forward(op, case.arguments)
    if own is not op and own.whole and any(np.isinf(x).any() for x in tolerance.values()):
        tolerance = {name: x.error for name, x in own.bound(arguments, claim).items() if name in own.whole}  # type: ignore[misc]
    found = [np.isinf(tolerance[name]) for name in own.whole if name in tolerance]
    rows = [x.any(-1) for x in found if x.shape[-1]]
    return np.any(rows, axis=0) if rows else None


def _indices(name: str, y: Any, truth: Any, ties: Any) -> Finding:
    """Bit equality of indices, in rows that are decided."""
    decided = np.ones(truth.shape[:-1], bool) if ties is None else ~ties
    error = np.where(decided[..., None], np.abs(y - truth), 0.0)
    tolerance = np.where(decided[..., None], 0.0, np.inf) + np.zeros(truth.shape)
    undecided = (int((~decided).sum()), decided.size)
    wrong = error != 0
    place = _first(wrong)
    if wrong.any():
        row = f" of row {', '.join(map(str, place[:-2]))}" if decided.ndim > 1 and len(decided) > 1 else ""
        held, right = (int(x[place]) for x in (y, truth))
        holds = "is empty" if held < 0 else f"holds token {held}"
        admitted = "nothing belongs there" if right < 0 else f"token {right} was admitted"
        reason = f"place {place[-1]} of query {place[-2]}{row} {holds}, {admitted}"
        return Finding(name, FAIL, "A", np.inf, place, reason, error, tolerance, undecided)
    status, reason = PASS, ""
    if not (truth[decided] >= 0).any():
        status, reason = UNINFORMATIVE, _undecided(ties) or "no token is selected"
    return Finding(name, status, "A", 0.0, (), reason, error, tolerance, undecided)


def _undecided(ties: Any) -> str:
    """How many rows are near-ties, in words."""
    return "" if ties is None or not ties.any() else f"undecided: {ties.sum()} of {ties.size} rows are near-ties"


def _layer_b(name: str, y: Any, error: Any, tol: Any, truth: Any, ties: Any = None) -> Finding:
    if not error.size:
        return Finding(name, UNINFORMATIVE, "B", 0.0, (), "there is no output", error, tol)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(np.isinf(tol) | (error == 0), 0.0, error / tol)
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    place = tuple(int(i) for i in np.unravel_index(np.argmax(ratio), ratio.shape))
    worst = float(ratio[place])
    if worst > 1:
        reason = "NaN came" if np.isnan(y[place]) else f"error {error[place]:.3g} where {tol[place]:.3g} is allowed"
        reason += "" if y.any() else f"; {NOTHING}"
        return Finding(name, FAIL, "B", worst, place, reason, error, tol)
    if not (np.isfinite(y) | (y == truth)).all():
        reason = "NaN or infinity came where numbers may leave the range of a claimed format"
        return Finding(name, UNINFORMATIVE, "B", worst, place, reason, error, tol)
    # what is 0 by structure, as behind a mask, says nothing of how much the tolerance leaves open elsewhere
    telling = (truth != 0) | ~truth.any()
    vague = float((tol > 0.1 * np.abs(truth))[telling].mean())
    if vague > 0.5:
        out_of_range = np.isinf(tol).mean() > 0.5
        reason = "numbers may leave the range of a claimed format" if out_of_range else "the tolerance is large"
        reason = _undecided(ties) or reason
        reason += f": over a tenth of the value in {vague:.0%} of the outputs"
        return Finding(name, UNINFORMATIVE, "B", worst, place, reason, error, tol)
    return Finding(name, PASS, "B", worst, place, "", error, tol)


def _lattice(finding: Finding, state: Any, truth: Any, case: Case, claimed: Format) -> Finding:
    """Fail a float32 state all of whose entries are numbers of a coarser format: it was stored in it."""
    if case.exact or finding.status == FAIL or claimed.name not in ("float32", "float64"):
        return finding
    x, exact = _entries(state), _entries(truth)
    telling = (x != 0) & np.isfinite(x) & (round_to(exact, "tf32") != exact)
    x = x[telling]
    given = np.concatenate([np.zeros(1), *(_entries(v) for k, v in case.arguments.items() if k.endswith("state"))])
    if x.size < LATTICE_ENTRIES or np.isin(x, given).mean() > 0.01:
        return finding  # a state that was handed through proves nothing
    for form in ("bfloat16", "tf32"):
        if (round_to(x, form) == x).mean() > LATTICE_SHARE:
            reason = f"{LATTICE_SHARE:.0%} of the state are {form} numbers: stored so, while {claimed.name} is claimed"
            return Finding(finding.output, FAIL, finding.layer, np.inf, (), reason, finding.error, finding.tolerance)
    return finding


def _entries(x: Any) -> np.ndarray:
    """Real and imaginary parts of all entries, in a row."""
    return np.concatenate([np.ravel(x.real), np.ravel(x.imag)]) if np.iscomplexobj(x) else np.ravel(x)


def _first(mask: Any) -> tuple[int, ...]:
    where = np.argwhere(mask)
    return tuple(int(i) for i in where[0]) if len(where) else ()
