"""What the verdict can tell: no right kernel is rejected, no wrong one gets through.

The kernels and the list of their faults were written from what goes wrong in practice,
without knowledge of the rule and without its code (`simulated`).  A bound that loosens
shows here as a surviving mutant, one that tightens too far as a rejected kernel.
"""

import functools

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.layers import OPS
from realization.verify import verdict
from realization.verify.cases import draw, plan
from theory_tests.contracts import simulated

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the simulated kernels overflow where real ones do

# Subjects of operations that the library does not have yet wait for them.
CORRECT = [k for k in simulated.CORRECT if k.op in OPS]
MUTANTS = [m for m in simulated.MUTANTS if m.op in OPS]

# Mutants that satisfy what they claim: no rule that is fair to the claim may reject them.
MEETS_ITS_CLAIM = {
    "ssd.chunk16_logdiff: truncating accumulator where float32 is claimed": (
        "A truncating sum costs a term 2 u.  The term written at s and read at t passes through n of them in the "
        "score and t - s + 1 in the sum over the chunk; what is older, through as many in the state.  The claim "
        "allows it n + chunk + log2 T + 4 roundings u once and 6 (t - s) u for the decays and steps, which is no "
        "less while n <= chunk + 7 + 4 (t - s); here n <= 16 = chunk."
    ),
}
ALIVE = [m for m in MUTANTS if not m.equivalent and m.name not in MEETS_ITS_CLAIM]


@functools.cache
def drawn(op, io, chunk, accepts, identity):
    """A case and its certified value; shared by all claims with this input format and chunk."""
    case = draw(OPS[op], identity, Claim(io=io, chunk=chunk), accepts)
    return case, verdict.Truth.of(OPS[op], case)


@functools.cache
def cases(op, claim, accepts):
    """The cases of the plan, their certified values and what the claim allows; shared by a kernel and its mutants."""
    found = [drawn(op, claim.io, claim.chunk, accepts, i) for i in plan(OPS[op], claim, accepts)]
    return [(case, truth, Later(OPS[op], case, truth, claim)) for case, truth in found]


class Later:
    """What a claim allows, derived when a mutant first comes so far."""

    def __init__(self, *of):
        self.of = of

    @functools.cached_property
    def allowed(self):
        return verdict.Allowed.of(*self.of)


def findings(kernel):
    """Yield every finding on the kernel, case after case."""
    op, claim = OPS[kernel.op], Claim(**kernel.claim)
    for case, truth, later in cases(kernel.op, claim, frozenset(kernel.accepts) | {"complex"}):
        outputs = zip(op.outputs, kernel.function(**case.arguments), strict=True)
        got = {name: np.asarray(y, np.complex128 if np.iscomplexobj(y) else np.float64) for name, y in outputs}
        found = verdict.judge(op, case, got, claim, truth, allowed=later.allowed)
        yield from ((case.id, f) for f in found)


@pytest.mark.parametrize("kernel", CORRECT, ids=lambda k: k.name)
def test_no_correct_kernel_is_rejected(kernel, record_property):
    """Every order, chunking and precision that an engineer would use stays within its claim, and is decided.

    Not on every case: a state rounded to bfloat16 at each step has no correct digit left after a
    long memory, which the verdict calls uninformative.
    """
    found = list(findings(kernel))
    record_property("max_ratio", max(f.ratio for _, f in found))
    assert not [(i, f.output, f.ratio, f.reason) for i, f in found if f.status == verdict.FAIL]
    decided = np.mean([f.status == verdict.PASS for _, f in found])
    assert decided > (0.25 if kernel.claim["state"] == "bfloat16" else 0.6)


@pytest.mark.parametrize("mutant", ALIVE, ids=lambda m: m.name)
def test_every_mutant_dies(mutant, record_property):
    """Some case of the plan rejects it."""
    killed = next(((i, f.layer, f.ratio) for i, f in findings(mutant) if f.status == verdict.FAIL), None)
    record_property("killed_by", killed)
    assert killed


@pytest.mark.parametrize("name", MEETS_ITS_CLAIM)
def test_mutants_that_meet_their_claim_are_not_rejected(name):
    """Control of the proofs above: what is proven to be within the bound is within it."""
    mutant = next(m for m in MUTANTS if m.name == name)
    assert all(f.status != verdict.FAIL for _, f in findings(mutant))


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.equivalent], ids=lambda m: m.name)
def test_equivalent_mutants_are_not_rejected(mutant):
    """Their proofs say that they compute the same."""
    assert all(f.status != verdict.FAIL for _, f in findings(mutant))
