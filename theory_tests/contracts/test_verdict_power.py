"""What the verdict can tell: no right kernel is rejected, no wrong one gets through, forward and backward.

The kernels and the list of their faults were written from what goes wrong in practice,
without knowledge of the rule and without its code (`simulated`).  A bound that loosens
shows here as a surviving mutant, one that tightens too far as a rejected kernel.
"""

import functools

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.layers import OPS
from realization.layers.gradients import COTANGENT, GRADIENT, gradient_of
from realization.verify import verdict
from realization.verify.cases import chunk_of, draw, given, plan
from theory_tests.contracts import simulated

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the simulated kernels overflow where real ones do

# Certificates of gradients cost most of the time: so many cases, all regimes and options by turns, are enough.
BACKWARD_CASES = 40
# The ops whose plan is longest likewise.
CASES = {"bmojo": 45, "bmojo.grad": 24, "bmojo_layer.grad": 12, "gated_delta_rule": 64}
BACKWARD = {k.name for k in simulated.CORRECT_BACKWARD} | {m.name for m in simulated.MUTANTS_BACKWARD}
CORRECT = simulated.CORRECT + simulated.CORRECT_BACKWARD
MUTANTS = simulated.MUTANTS + simulated.MUTANTS_BACKWARD

SHORT = ("bfloat16", "float16", "tf32")

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


def op_of(kernel):
    """What a kernel is judged as."""
    return gradient_of(OPS[kernel.op]) if kernel.name in BACKWARD else OPS[kernel.op]


@functools.cache
def drawn(op, io, out, state, chunk, accepts, identity):
    """A case and its certified value; shared by all claims with these formats and this chunk."""
    case = draw(op, identity, Claim(io=io, out=out, state=state, chunk=chunk), accepts)
    return case, verdict.Truth.of(op, case)


@functools.cache
def cases(op, claim, accepts, count):
    """The cases of the plan, their certified values and what the claim allows; shared by a kernel and its mutants."""
    # only cotangents come in another format than that of the inputs
    formats = (claim.out, claim.state) if any(name.startswith(COTANGENT) for name in accepts) else (None, None)
    ids = plan(op, claim, accepts, count=count)
    found = [drawn(op, claim.io, *formats, chunk_of(claim), accepts, i) for i in ids]
    return [(case, truth, Later(op, case, truth, claim)) for case, truth in found]


class Later:
    """What a claim allows, derived when a mutant first comes so far."""

    def __init__(self, *of):
        self.of = of

    @functools.cached_property
    def allowed(self):
        return verdict.Allowed.of(*self.of)


def outputs(kernel, op, case):
    """What a kernel returns, by name."""
    found = kernel.function(**case.arguments)
    named = {GRADIENT + k: x for k, x in found.items()} if kernel.name in BACKWARD else op.named(found)
    return {k: np.asarray(y, np.complex128 if np.iscomplexobj(y) else np.float64) for k, y in named.items()}


def findings(kernel):
    """Yield every finding on the kernel, case after case."""
    op, claim, backward = op_of(kernel), Claim(**kernel.claim), kernel.name in BACKWARD
    more = {COTANGENT + name for name in OPS[kernel.op].outputs} if backward else {"complex"}
    count = CASES.get(op.name, BACKWARD_CASES if backward else None)
    for case, truth, later in cases(op, claim, frozenset(kernel.accepts) | more, count):
        found = verdict.judge(op, case, outputs(kernel, op, case), claim, truth, allowed=later.allowed)
        yield from ((case.id, f) for f in found)


def short(kernel):
    """Whether operands, or a state at each step, are coarser than the sums: then many cases have no digit left."""
    return kernel.claim["state"] == "bfloat16" or (kernel.name in BACKWARD and kernel.claim["operand"] in SHORT)


def least(kernel):
    """The share of findings that is decided at least: few where autograd rounds every step to 8 bits."""
    if kernel.op == "gated_delta_rule" and kernel.claim["operand"] in SHORT:
        # What is cast is fed back, token after token, and an innovation hangs on it at full size: the bound is
        # sound and loose.  Decided are 10 % (bfloat16 by 64) to 55 % (float16 by 16), of gradients 1 %.
        return 0.005 if kernel.name in BACKWARD else 0.08
    if kernel.op == "bmojo_layer" and short(kernel):
        return 0.1  # a weight's gradient adds up what every token may be off by
    return 0.0 if kernel.claim["scores"] else 0.25 if short(kernel) else 0.6


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
    record_property("decided", decided)
    assert decided > least(kernel)


def cancelling():
    """Values whose mean is 0 in each of many channels, where the sum of p dp over them is not small on its way."""
    value = np.zeros((1, 4, 1, 1024))
    value[0, :3, 0] = np.array([0.1, 0.0625, -0.1 - 0.0625], np.float32)[:, None]
    return {"value": value, "scale": 1.0, "cotangent_y": np.ones((1, 1, 1, 1024))}


def steps_of_one_number():
    """One key with a value and even weights: each gradient is a chain of roundings, of the soft cap too."""
    rng, rows = np.random.default_rng(0), 1024
    value = np.zeros((rows, 64, 1, 1))
    value[:, 0, 0, 0] = rng.uniform(1, 2, rows)
    return {"value": value, "scale": 0.3, "softcap": 3.0, "cotangent_y": rng.uniform(1, 2, (rows, 1, 1, 1))}


# With queries of 0 and a single key that is not, the gradient of the query is one zbar and nothing hides its error.
BARE = {
    "swa.eager'": (cancelling, {"accumulate": "float64"}),
    "swa.eager_bf16'": (steps_of_one_number, {"scores": None}),
}


@pytest.mark.parametrize("name", BARE)
def test_eager_kernels_are_not_rejected_where_delta_cancels_or_every_step_rounds(name):
    """And are, control, by the claim of an arithmetic that is not theirs."""
    kernel, (inputs, other) = next(k for k in CORRECT if k.name == name), BARE[name]
    op, claim, more = op_of(kernel), Claim(**kernel.claim), inputs()
    rows, keys = more["value"].shape[:2]
    key = np.zeros((rows, keys, 1, 1))
    key[:, 3 if keys == 4 else 0] = 1
    case = given(op, {"query": np.zeros((rows, 1, 1, 1)), "key": key, **more}, claim, "bare")
    for says, rejects in ((claim, False), (claim.replace(**other), True)):
        found = verdict.judge(op, case, outputs(kernel, op, case), says, verdict.Truth.of(op, case))
        assert any(f.status == verdict.FAIL for f in found) == rejects


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
