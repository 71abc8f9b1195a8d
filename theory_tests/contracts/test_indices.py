"""Outputs that are indices: judged as they are, with reasons in words; near-ties are counted and decide nothing."""

import numpy as np
import pytest

from realization import judge
from realization.core.claim import Claim
from realization.core.errors import StructureError
from realization.core.rounding import round_to
from realization.layers import OPS, cores
from realization.layers.bmojo.eidetic import faults
from realization.layers.gradients import gradient_of
from realization.verify import cases, run
from realization.verify.pattern import score
from realization.verify.report import as_json
from realization.verify.subject import UsageError, plain
from realization.verify.verdict import FAIL, PASS, UNINFORMATIVE, Truth
from realization.verify.verdict import judge as judged

SELECT, BMOJO, LAYER = (OPS[name] for name in ("select", "bmojo", "bmojo_layer"))
ROUGH = Claim(io="bfloat16", accumulate="bfloat16", out="float32")


def whole(x):
    return x.astype(np.int32)


def select(**a):
    return whole(SELECT.definition(**a).places)


def layer(**a):
    y, s, places = LAYER.kernel(**a)
    return np.float32(y), np.float32(s), whole(places)


def result(op, function, case, claim=None):
    subject = plain("kernel", function, op)
    claim = claim or subject.claim
    return run.run_case(subject, claim, cases.draw(op, case, claim, subject.accepts), rules=False)


def test_right_kernels_conform():
    """Whatever integers they return: nothing but the values counts."""
    for dtype in (np.int16, np.int32, np.int64):
        report = judge(lambda *, kind=dtype, **a: select(**a).astype(kind), SELECT, cases=12)
        assert report.verdict == "conforming"
    assert judge(layer, LAYER, cases=9, properties=()).verdict == "conforming"


@pytest.mark.parametrize("name", ["float32", "bool"])
def test_places_that_are_no_integers_are_a_defect(name):
    found = result(SELECT, lambda **a: select(**a).astype(name), "ties.T33.o0.s0")
    assert found.status == FAIL
    assert found.sentence == f"places has dtype {name}, integers are needed"


def test_a_wrong_place_is_named():
    """Which place, of which query, what it holds, and what belongs there."""

    def wrong(**a):
        places = select(**a)
        places[1, 17, 2] = 1
        return places

    found = result(SELECT, wrong, "rising.T33.o1.s0")
    (finding,) = found.findings
    right = int(found.truth.value["places"][1, 17, 2])
    assert (finding.status, finding.layer, finding.place) == (FAIL, "A", (1, 17, 2))
    assert finding.reason == f"place 2 of query 17 of row 1 holds token 1, token {right} was admitted"
    assert found.sentence.startswith("places: first wrong at step 17 (chunk 0, position 17): place 2 of query 17")

    def missing(**a):
        places = select(**a)
        places[:, -1, 0] = -1
        return places

    assert "place 0 of query 32 of row 0 is empty, token " in result(SELECT, missing, "rising.T33.o1.s0").sentence


def test_a_memory_that_stays_empty_says_nothing():
    """Without a place, without a token, and where nothing passes."""
    for case in ("ties.T33.o5.s0", "ties.T0.o0.s0"):
        assert result(SELECT, select, case).status == UNINFORMATIVE
    nothing = judge(lambda **a: np.full((2, 4, 1), -1), SELECT, inputs={"surprise": np.ones((2, 4)), "capacity": 1})
    assert nothing.verdict == "nothing decided"


@pytest.mark.parametrize("op", [SELECT, BMOJO, LAYER], ids=lambda op: op.name)
def test_one_wrong_place_is_not_conforming(op):
    """The control: in any op, with all else right."""

    def wrong(**a):
        found = [x if k in op.whole else np.float32(x) for k, x in zip(op.outputs, op.kernel(**a), strict=True)]
        found[-1] = np.where(found[-1] == found[-1].max(), found[-1] - 1, found[-1])
        return tuple(found)

    found = result(op, wrong, "generic.T33.o1.s0")
    assert found.status == FAIL
    assert {f.output for f in found.findings if f.status == FAIL} == {"places"}


# Near-ties ------------------------------------------------------------------


def test_near_ties_are_counted_and_not_failed():
    """A bfloat16 kernel keeps other tokens than the definition, is not failed for it, and the report says so."""

    def coarse(**a):
        s = LAYER.kernel(**a).surprise
        s = round_to(s * (1 + 2.0**-6 * np.random.default_rng(0).uniform(-1, 1, s.shape)), "bfloat16")
        found = BMOJO.kernel(**streams(a), surprise=s, **{k: a[k] for k in a.keys() & {*BMOJO.arguments}})
        y = np.einsum("...hv,dhv->...d", found.y, a["output_weight"]) + a.get("output_bias", 0.0)
        return np.float32(y), np.float32(s), whole(found.places)

    differs = []
    for seed in range(4):
        found = result(LAYER, coarse, f"generic.T65.o0.s{seed}", ROUGH)
        assert found.status != FAIL
        differs.append((found.outputs["places"] != found.truth.value["places"]).any())
        n, rows = found.findings[-1].undecided
        assert 0 < n < rows == 2 * 65
    assert any(differs)
    report = judge(coarse, LAYER, claim=ROUGH, case="generic.T65.o0.s3")
    assert f"undecided {n} of 130 rows are near-ties" in str(report)
    assert as_json(report)["cases"][0]["outputs"][-1]["undecided"] == [n, 130]
    # the control: what float32 separates, bfloat16 statistics do not
    assert result(LAYER, coarse, "generic.T65.o0.s3").status == FAIL


def streams(a):
    from realization.layers.bmojo.released_layer import product, projected

    every = {name: a.get(name) for name in LAYER.arguments}
    return {k: x for k, x in projected(product, a["x"], a["fading"], every).items() if x is not None}


def identical():
    """Tokens that are all alike, one of which is kept."""
    W = np.eye(4).reshape(1, 4, 4)
    return {"x": np.ones((1, 6, 4)), "fading": np.ones((1, 6, 4)), "query_weight": W, "key_weight": W,
            "value_weight": W, "output_weight": W.reshape(4, 1, 4), "window": 1, "capacity": 1, "fading_width": 0,
            "visibility": "at-once"}  # fmt: skip


def close_by(rng, form):
    """Two tokens that come again and again, their entries in another order: statistics equal but for rounding."""
    T, d, shapes = 24, 6, {"query": (2, 4, 6), "key": (1, 4, 6), "value": (1, 4, 6)}
    two = rng.standard_normal((2, d))[rng.integers(0, 2, T)]
    given = {"x": np.array([[x[rng.permutation(d)] for x in two]]), "fading": rng.standard_normal((1, T, d))}
    given |= {f"{name}_weight": rng.standard_normal(shape) / 2 for name, shape in shapes.items()}
    given = {k: round_to(x, form) for k, x in (given | {"output_weight": rng.standard_normal((d, 2, 4))}).items()}
    given |= {"window": 2, "capacity": int(rng.integers(1, 5)), "chunk": int(rng.integers(1, 8))}
    if rng.random() < 0.5:
        exact = LAYER.definition(**given).surprise
        return given | {"rule": "threshold", "threshold": float(rng.choice(exact[0])), "eviction": "fifo"}
    return given


def rounded(a, form):
    """A right kernel: squares summed one after the other, each rounded."""
    s = np.zeros(a["x"].shape[:-1])
    for x in np.moveaxis(a["x"], -1, 0):
        s = round_to(s + round_to(x * x, form), form)
    found = BMOJO.kernel(**streams(a), surprise=s, **{k: a[k] for k in a.keys() & {*BMOJO.arguments}})
    y = np.einsum("...hv,dhv->...d", found.y, a["output_weight"])
    return {"y": round_to(y, "float32"), "surprise": s, "places": found.places.astype(float)}


@pytest.mark.parametrize("form", ["float32", "bfloat16"])
def test_no_right_kernel_is_rejected_at_near_ties(form):
    """A threshold that is a statistic, and tokens alike; the control: some of them keep other tokens."""
    claim, differ = Claim() if form == "float32" else ROUGH, 0
    for seed in range(40):
        given = close_by(np.random.default_rng(seed), form)
        case = cases.given(LAYER, given, claim, "given")
        truth, got = Truth.of(LAYER, case), rounded(case.arguments, form)
        assert FAIL not in {f.status for f in judged(LAYER, case, got, claim, truth)}, seed
        differ += (got["places"] != truth.value["places"]).any()
    assert differ


def test_gradients_behind_near_ties_say_so():
    """That no bound is known there has this reason and no other; the control is a memory that nothing is kept in."""
    op = gradient_of(LAYER)
    for capacity in (1, 0):
        given = {**identical(), "capacity": capacity, "cotangent_y": np.ones((1, 6, 4))}
        case = cases.given(op, given, Claim(), "given")
        right = {k: np.asarray(x) for k, x in op.named(op.definition(**given)).items() if x is not None}
        reasons = {f.output: f.reason for f in judged(op, case, right, Claim())}
        told = "undecided: 5 of 6 rows are near-ties" in reasons["grad_key_weight"]
        assert told == (capacity == 1), reasons


def test_what_is_undecided_alone_is_no_pass():
    """Identical tokens: all that a kernel can be asked is the statistic; without it nothing is decided."""
    given = identical()

    def other(**a):
        """Of equals the newest behind the window."""
        y, s, places = layer(**a)
        return y, s, np.arange(-1, 5, dtype=np.int32)[None, :, None] + 0 * places

    report = judge(other, LAYER, inputs=given)
    states = {f.output: f.status for f in report.results[0].findings}
    assert states == {"y": UNINFORMATIVE, "surprise": PASS, "places": UNINFORMATIVE}
    assert report.results[0].sentence == "" or "near-ties" in report.results[0].sentence
    only = judge(lambda **a: {"places": other(**a)[2]}, LAYER, inputs=given)
    assert only.verdict == "nothing decided"
    assert "undecided: 5 of 6 rows are near-ties" in str(only)


# Gradients ------------------------------------------------------------------


def test_indices_have_no_gradient():
    """They have no cotangent, and an op of nothing else cannot be differentiated."""
    assert "cotangent_places" not in gradient_of(BMOJO).arguments
    assert "grad_surprise" in gradient_of(BMOJO).outputs
    with pytest.raises(StructureError, match="select has no outputs but integers"):
        gradient_of(SELECT)
    with pytest.raises(UsageError, match="select has no outputs but integers"):
        judge(select, SELECT, grad=True)


def backward(**a):
    cotangents = {k.removeprefix("cotangent_"): a.pop(k) for k in list(a) if k.startswith("cotangent_")}
    return {k: np.float32(x) for k, x in BMOJO.adjoint(a, cotangents).items()}


def through(**a):
    """As if statistics were weights: something comes back to them."""
    return backward(**a) | {"surprise": np.float32(a["surprise"])}


def test_a_backward_pass_is_judged_with_its_selection():
    """Right gradients conform; one that flows back to the statistics does not."""

    def forward(**a):
        y, lse, places = BMOJO.kernel(**a)
        return np.float32(y), np.float32(lse), whole(places)

    for function, verdict in ((backward, "conforming"), (through, "not conforming")):
        report = judge(forward, BMOJO, backward=function, cases=6, properties=())
        assert report.gradients.verdict == verdict


# Why it failed --------------------------------------------------------------

SAME = {"smallest goes": "eviction ignored", "memory not emptied": "seq_idx ignored"}  # as what it is found too
NAMES = [name for name, _, _ in faults._RUNS]


@pytest.mark.parametrize("name", NAMES)
def test_faults_are_named(name):
    """Each fault of the selection, planted in `select`, is found: as a convention, or as itself among its likes."""
    fault = next(f for f in faults.FAULTS if f.name == name)
    (core,) = cores.called(lambda: SELECT.definition(surprise=np.ones((1, 2)), capacity=1))
    from realization.verify.faults import plant

    def kernel(**a):
        with cores.standing_in(plant(core, fault, 16)):
            return whole(SELECT.definition(**a).places)

    for regime in ("ties", "generic", "rising"):
        for i in range(len(SELECT.options)):
            found = result(SELECT, kernel, f"{regime}.T61.o{i}.s0")
            if found.status != FAIL or not found.findings:  # right, or refused: it has nothing to do here
                continue
            why = run.diagnose(SELECT, found, plain("kernel", kernel, SELECT).claim)
            certified = why.convention is not None and why.convention.ratio == 0
            told = {why.convention.name} if certified else {why.fault.name}
            assert certified or (why.fault.matches and why.fault.score == pytest.approx(1))
            if {name, SAME.get(name)} & told or fault.sentence in getattr(why.fault, "alike", ()):
                return
    raise AssertionError(f"{name} is found nowhere, {told} is said")


def test_patterns_of_indices_are_compared():
    """The control: errors of another fault do not score."""
    rng = np.random.default_rng(0)
    one, other = (rng.integers(-3, 4, 100).astype(float) for _ in range(2))
    assert score(one, one) == 1
    assert score(one, other) < 0.5


def test_in_attention_and_layer_the_cause_is_the_same():
    """The same slip inside of the ops that read the selected tokens."""
    name = "tokens of the window count twice"
    fault = next(f for f in faults.FAULTS if f.name == name)
    from realization.verify.faults import plant

    (core,) = cores.called(lambda: SELECT.definition(surprise=np.ones((1, 2)), capacity=1))
    for op in (BMOJO, LAYER):

        def kernel(*, op=op, **a):
            with cores.standing_in(plant(core, fault, 16)):
                found = op.definition(**a)
            return tuple(x if k in op.whole else np.float32(x) for k, x in zip(op.outputs, found, strict=True))

        found = result(op, lambda k=kernel, **a: k(**a), "generic.T41.o0.s0")
        why = run.diagnose(op, found, plain("kernel", kernel, op).claim)
        assert why.convention.name == name
        assert why.convention.ratio <= 1
