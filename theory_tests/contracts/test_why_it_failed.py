"""A failing verdict says why: every known fault and every swap is recognised in a kernel that has it."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest

import realization
from realization.core.claim import Claim
from realization.core.errors import RealizationError
from realization.core.ops import Swap, incomplete
from realization.layers import OPS, cores
from realization.layers.readings import complete, pull_back
from realization.layers.recurrence import faults, recurrence
from realization.verify import cases, report, run, shrink, subject
from realization.verify.convention import implied, swapped
from realization.verify.faults import closest_fault, lengths, mutants, plant
from realization.verify.pattern import EXPLAINED, errors, score
from realization.verify.verdict import FAIL, Truth, judge
from theory_tests.contracts.simulated import MUTANTS

CHUNK = 16
CLAIM = Claim(chunk=CHUNK)
(CORE,) = cores.called(lambda: recurrence(value=np.ones((1, 1, 1)), key=np.ones((1, 1, 1)), query=np.ones((1, 1, 1))))


def kernel(op, answer):
    """The definition with something else in the place of the core, in float32; indices stay as they are."""

    def function(**arguments):
        with cores.standing_in(answer):
            found = op.definition(**arguments)
        forms = {"c": np.complex64, "f": np.float32}
        return tuple(np.asarray(y, forms.get(y.dtype.kind)) for y in found)

    return function


def judged(op, function, identity, claim=CLAIM):
    judged = subject.plain("kernel", function, op, complexes=True)
    case = cases.draw(op, identity, claim, judged.accepts)
    return run.run_case(judged, claim, case, rules=False)


def explain(op, result, claim=CLAIM):
    assert result.status == FAIL, result.sentence
    return run.diagnose(op, result, claim)


# Which case brings a fault to light; the rest shows on the first.
SCAN, SSD, DELTA = "selective_scan", "ssd", "gated_delta_rule"
USUAL = (SCAN, "fading-c/2.T39.o0.s0")
PACKED, INDEXED = (SSD, "fading-c/2.T39.o5.s0"), (SSD, "fading-c/2.T39.o4.s0")
CASES = {
    "log decay clamped at -20": (SCAN, "reset.T39.o2.s0"),
    "write not held": (SCAN, "fading-c/2.T39.o4.s0"),
    "rotation reversed": (SCAN, "fading-c/2.T39.o5.s0"),
    "rotation missing": (SCAN, "fading-c/2.T39.o5.s0"),
    "groups interleaved": (SSD, "fading-c/2.T39.o0.s0"),
    "columns beyond a multiple of 4": (SSD, "fading-c/2.T39.o3.s0"),
    "resets ignored": INDEXED,
    "reset one token late": INDEXED,
    "reset one token early": INDEXED,
    "resets inside chunks ignored": INDEXED,
    "packed boundaries ignored": PACKED,
    "first initial state for all": PACKED,
    "empty sequence keeps the previous state": PACKED,
    "strength at most 1": (DELTA, "fading-c/2.T39.o2.s0"),
    **dict.fromkeys(
        (f.name for f in faults.FAULTS if "eras" in f.name or f.name == "strength of the previous token"),
        (DELTA, "fading-c/2.T39.o0.s0"),
    ),
}


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda f: f.name)
def test_every_known_fault_is_recognised(fault):
    """Planted in an op, it is named in its own words, and its score is next to 1."""
    name, identity = CASES.get(fault.name, USUAL)
    op = OPS[name]
    result = judged(op, kernel(op, plant(CORE, fault, CHUNK)), identity)
    assert result.status == FAIL
    found = closest_fault(op, result.case, result.outputs, result.findings, result.truth)
    sentence = fault.sentence.format(chunk=CHUNK)
    assert found.matches
    assert sentence in (found.sentence, *found.alike)
    assert f"closest known fault: {found.sentence} (score 1.000)" in str(found)


def test_most_faults_are_told_from_all_others():
    """On the cases above; what a case cannot tell apart is listed, and is rare."""
    alike = []
    for fault in faults.FAULTS:
        name, identity = CASES.get(fault.name, USUAL)
        result = judged(OPS[name], kernel(OPS[name], plant(CORE, fault, CHUNK)), identity)
        found = closest_fault(OPS[name], result.case, result.outputs, result.findings, result.truth)
        alike += [(fault.name, found.name, found.alike)] if found.alike else []
    assert len(alike) <= 4, alike


def test_different_faults_seldom_score_as_one():
    """What the threshold rests on: of all pairs that differ on a case, 99 in 100 score below it."""
    scores = []
    for name, option in ((SCAN, 0), (SCAN, 2), (SCAN, 5), (SSD, 0), (SSD, 4), (SSD, 5)):
        op = OPS[name]
        for regime in ("fading-3", "fading-c/2", "fading-3c"):
            case = cases.draw(op, f"{regime}.T39.o{option}.s0", CLAIM, {*op.arguments, "complex"})
            truth = Truth.of(op, case)
            right = judge(op, case, truth.value, CLAIM, truth)
            patterns = [errors(right, outputs, truth.value) for _, _, outputs in mutants(op, case, [CHUNK])]
            patterns = [p for p in patterns if np.abs(p).max() > 1]
            pairs = itertools.combinations(patterns, 2)
            scores += [score(e, f) for e, f in pairs if np.abs(e - f).max() > 1]
    assert len(scores) > 5000
    assert np.mean(np.array(scores) > EXPLAINED) < 0.015
    assert np.median(np.abs(scores)) < 0.1


# Kernels that the library did not make: name of the slip there -> name of the fault here.
INDEPENDENT = {
    "output reads the state before its token": "output before its token",
    "final state before the last token": "final state before the last token",
    "initial state not decayed": "initial state not decayed",
    "decay of the next token": "decay of the next token",
    "decay of the previous token": "decay of the previous token",
    "carry dropped": "state between chunks not read",
    "carry of the previous chunk": "stale state",
    "carry decayed twice": "state decayed twice",
    "chunk decay one step short": "chunk decay one step short",
    "chunk decay missing": "chunk decay missing",
    "history of one chunk": "history of one chunk",
    "history of two chunks": "history of two chunks",
    "boundary token lost": "boundary token lost",
    "entering decay one step short": "history one step short",
    "state replaced by a short last chunk": "short last chunk forgets",
    "final state before the last chunk": "final state before the last chunk",
    "mask strict": None,
    "group h % g": "groups interleaved",
    "reset missing": "resets ignored",
    "reset one token late": "reset one token late",
    "reset one token early": "reset one token early",
    "reset only where a chunk begins": "resets inside chunks ignored",
    "first initial state for all sequences": "first initial state for all",
    "empty sequence returns the previous final state": "empty sequence keeps the previous state",
    "log-decay clamped at -20": "log decay clamped at -20",
    "state leaks between batch rows": "rows leak",
    "outputs of the short last chunk unwritten": "short last chunk unwritten",
}
WHERE = {
    "initial state not decayed": "T39.o0", "reset": "T39.o4", "empty": "T39.o5", "first initial": "T39.o5",
    "group": "T39.o0", "carry of": "T39.o2",
}  # fmt: skip


PARENTS = ("scan.sequential", "scan.chunk16_product", "ssd.sequential", "ssd.chunk16_logdiff")


def slips():
    for m in MUTANTS:
        slip = m.name.partition(": ")[2]
        if slip in INDEPENDENT and m.parent in PARENTS:
            yield pytest.param(m, INDEPENDENT[slip], id=m.name)


@pytest.mark.parametrize("mutant, name", list(slips()))
def test_faults_of_kernels_written_elsewhere(mutant, name):
    """Simulated kernels, independent of the library, with the same slip: the same name, or none."""
    op, slip = OPS[mutant.op], mutant.name.partition(": ")[2]
    where = next((w for start, w in WHERE.items() if slip.startswith(start)), "T39.o0")
    regime = "strong-decay" if "clamped" in slip else "fading-c/2"
    claim = Claim(**{**mutant.claim, "chunk": mutant.claim["chunk"] or CHUNK})
    kernel = subject.Subject(
        mutant.name, op, lambda **kw: [np.asarray(x, np.float32) for x in mutant.function(**kw)],
        mutant.accepts, frozenset(), frozenset(), "numpy", claim,
    )  # fmt: skip
    case = cases.draw(op, f"{regime}.{where}.s0", claim, kernel.accepts)
    result = run.run_case(kernel, claim, case, rules=False)
    assert result.status == FAIL, result.sentence
    found = closest_fault(op, result.case, result.outputs, result.findings, result.truth)
    assert found.name == name if name else not found.matches, str(found)


# Conventions ----------------------------------------------------------------


def all_swaps():
    for name in (SCAN, SSD, DELTA):
        op = OPS[name]
        for i in range(len(op.options)):
            case = cases.draw(op, f"fading-c/2.T39.o{i}.s0", CLAIM, {*op.arguments, "complex"})
            for swap in (*op.swaps, *implied(op, case.arguments)):
                yield name, i, case, swap


@functools.cache
def first_of_each():
    """Each swap on the first options where it applies and changes something."""
    return tuple(_first_of_each())


def _first_of_each():
    seen = set()
    for name, i, case, swap in all_swaps():
        op = OPS[name]
        if (name, swap.name) in seen:
            continue
        try:
            with np.errstate(all="ignore"):
                other = swapped(op, swap).definition(**case.arguments)
        except RealizationError:
            continue
        right = op.definition(**case.arguments)
        # an erase under keys that are not of norm 1 makes states explode, and with them their bounds
        largest = 1e3 if name == DELTA else 1e30
        finite = all(np.isfinite(x).all() and np.abs(x).max() < largest for x in other)
        finite = finite and [x.shape for x in other] == [x.shape for x in right]
        if finite and any(np.abs(x - y).max() > 1e-3 * np.abs(y).max() for x, y in zip(other, right, strict=True)):
            seen.add((name, swap.name))
            yield pytest.param(name, i, swap, id=f"{name}: {swap.name}")


@pytest.mark.parametrize("name, option, swap", first_of_each())
def test_every_swap_is_recognised(name, option, swap):
    """A kernel that computes the swapped definition is told so, with an error within the swapped bound."""
    op = OPS[name]
    result = judged(op, kernel(swapped(op, swap), None), f"fading-c/2.T39.o{option}.s0")
    found = explain(op, result).convention
    assert found.sentence == swap.sentence
    assert found.ratio <= 1
    assert str(found).startswith(f"your output equals the reference with {swap.sentence} (err/tol ")


def test_every_declared_swap_was_recognised():
    """None is left out of the test above for want of a case."""
    tested = {(p.values[0], p.values[2].name) for p in first_of_each()}
    missing = [(name, s.name) for name in (SCAN, SSD, DELTA) for s in OPS[name].swaps if (name, s.name) not in tested]
    assert not missing


def test_a_convention_beside_a_slip_is_called_near():
    """B and C exchanged, and an error of a thousandth besides: explained, and not equal."""
    op = OPS[SCAN]
    right = kernel(op, None)

    def both(**a):
        y, s = right(**{**a, "B": a["C"], "C": a["B"]})
        return y * np.float32(1.001), s

    found = explain(op, judged(op, both, USUAL[1])).convention
    assert found.name == "B and C exchanged"
    assert found.ratio > 1
    assert "is near the reference with B and C exchanged: this explains 100.0% of the error" in str(found)


def test_nothing_is_said_of_an_error_that_nobody_knows():
    """Random errors: no convention, and no fault matches."""
    op, rng = OPS[SCAN], np.random.default_rng(0)
    right = kernel(op, None)

    def noisy(**a):
        y, s = right(**a)
        return (y + rng.standard_normal(y.shape)).astype(np.float32), s

    why = explain(op, judged(op, noisy, USUAL[1]))
    assert why.convention is None
    assert not why.fault.matches
    assert str(why.fault).startswith("closest known fault: none matches")


def test_a_fault_of_another_size_is_none():
    """The right pattern at five times its size is not that fault."""
    op = OPS[SCAN]
    right, wrong = kernel(op, None), kernel(op, plant(CORE, faults.FAULTS[0], CHUNK))

    def fivefold(**a):
        return tuple(r + 5 * (w - r) for r, w in zip(right(**a), wrong(**a), strict=True))

    assert not explain(op, judged(op, fivefold, USUAL[1])).fault.matches


def test_the_length_of_a_chunk_is_found():
    """A kernel whose chunks are not those of its claim: the place of the error tells."""
    op = OPS[SCAN]
    dropped = next(f for f in faults.FAULTS if f.name == "state between chunks dropped")
    result = judged(op, kernel(op, plant(CORE, dropped, 32)), "fading-c/2.T129.o0.s0", Claim(chunk=64))
    assert lengths(op, result.case, result.findings) == [64, 32]
    assert explain(op, result, Claim(chunk=64)).fault.sentence == "the state between chunks of 32 steps is dropped"


def test_an_op_of_ones_own_has_them_too():
    """Faults act at the core: a linear attention that is no op of the library."""
    def definition(*, u, delta, A, B, C, initial_state=None):
        run = recurrence(
            value=u[..., None, :], key=B[..., None, :], query=C[..., None, :],
            log_decay=delta[..., None, :, None], rate=A[None],
            initial=None if initial_state is None else initial_state[..., None, :, :],
        )  # fmt: skip
        return run.y[..., 0, :], run.final[..., 0, :, :]

    arguments = "u: *b T d; delta: *b T d; A: d n; B: *b T n; C: *b T n; initial_state?: *b d n"
    signature = arguments + "-> y: *b T d; final_state: *b d n"
    readings = dict.fromkeys(("certified", "bound", "adjoint"), incomplete)
    fields = {**readings, "kernel": None, "swaps": ()}
    own = complete(dataclasses.replace(OPS[SCAN], name="own", signature=signature, definition=definition, **fields))
    stale = next(f for f in faults.FAULTS if f.name == "stale state")
    assert explain(own, judged(own, kernel(own, plant(CORE, stale, CHUNK)), USUAL[1])).fault.name == "stale state"
    exchanged = swapped(own, Swap("", "", arguments=lambda a: {**a, "B": a["C"], "C": a["B"]}))
    assert explain(own, judged(own, kernel(exchanged, None), USUAL[1])).convention.name == "B and C exchanged"


def test_scores():
    """1 for itself, 0 for unrelated patterns, the cosine for those of one size, below it for others."""
    e, f = np.array([3.0, 4.0, 0.0]), np.array([0.0, 5.0, 0.0])
    assert score(e, e) == 1
    assert score(e, np.array([0.0, 0.0, 2.0])) == 0
    assert score(e, f) == pytest.approx(0.8)
    assert score(e, 2 * e) == pytest.approx(0.8)
    assert score(e, -e) == -1
    assert score(0 * e, 0 * e) == 0
    assert score(np.array([1e300, np.nan]), np.array([1e300, 1.0])) == 1
    assert score(e, f) < EXPLAINED


def test_the_report_tells_it():
    """In words below the failure, and as JSON."""
    bug = subject.find("demo-bug", OPS)
    ids = ["fading-c/2.T129.o2.s0", "exact.T129.o0.s0"]
    draws = [functools.partial(cases.draw, bug.op, i, bug.claim, bug.accepts) for i in ids]
    found = run.verify(bug, bug.claim, draws)
    words = "closest known fault: the first step of a chunk of 64 takes the decay of the chunk's second (score 1.000)"
    assert words in report.text(found)
    told = report.as_json(found)["diagnosis"]
    assert told["case"] == ids[0]
    assert told["convention"] is None
    assert told["fault"]["name"] == "second decay at the first step"
    assert told["fault"]["matches"]
    right = subject.find("demo", OPS)
    assert report.as_json(run.verify(right, right.claim, draws))["diagnosis"] is None


def test_a_swap_that_fails_costs_no_verdict():
    """Records are written by users, and arguments come in all combinations."""
    careless = Swap("careless", "nothing", arguments=lambda a: {**a, "u": a["no such argument"]})
    op = dataclasses.replace(OPS[SCAN], swaps=(careless, *OPS[SCAN].swaps))
    exchanged = swapped(op, Swap("", "", arguments=lambda a: {**a, "B": a["C"], "C": a["B"]}))
    assert explain(op, judged(op, kernel(exchanged, None), USUAL[1])).convention.name == "B and C exchanged"


def test_faults_and_swaps_are_defined_for_all_arguments():
    """Empty sequences, one step, chunks that do not fill: a fault gives outputs, or says that there is none."""
    for name, T, regime in itertools.product((SCAN, SSD), (0, 1, 15, 17), ("fading-c/2", "huge")):
        op = OPS[name]
        for option in range(len(op.options)):
            case = cases.draw(op, f"{regime}.T{T}.o{option}.s0", CLAIM, {*op.arguments, "complex"})
            right = op.definition(**case.arguments)
            for fault, _, outputs in mutants(op, case, [CHUNK]):
                assert [x.shape for x in outputs.values()] == [x.shape for x in right], fault.name


def test_an_op_may_ask_its_core_for_more_than_a_fault_gives():
    """One that reads the states knows only faults of arguments, and keeps its verdict."""

    def definition(*, u, delta, A, B, C):
        shape = {"value": u[..., None, :], "key": B[..., None, :], "query": C[..., None, :]}
        run = recurrence(**shape, log_decay=delta[..., None, :, None], rate=A[None], states=True)
        return run.states[..., 0, :, 0], run.final[..., 0, :, :]

    signature = "u: *b T d; delta: *b T d; A: d n; B: *b T n; C: *b T n -> y: *b T d; final_state: *b d n"
    fields = {**dict.fromkeys(("certified", "bound", "adjoint"), incomplete), "kernel": None, "swaps": ()}
    own = complete(dataclasses.replace(OPS[SCAN], name="own", signature=signature, definition=definition, **fields))

    def wrong(**arguments):
        y, state = definition(**{k: x.astype(float) for k, x in arguments.items()})
        return (2 * y).astype(np.float32), state.astype(np.float32)

    result = judged(own, wrong, USUAL[1])
    assert not explain(own, result).fault.matches
    assert 10 < len([f for f, _, _ in mutants(own, result.case, [CHUNK])]) < len(faults.FAULTS)


def test_large_inputs_are_not_diagnosed(monkeypatch):
    """A hundred runs would take too long: the report says so and what to do."""
    op = OPS[SCAN]
    result = judged(op, kernel(op, plant(CORE, faults.FAULTS[0], CHUNK)), USUAL[1])
    assert explain(op, result).note == ""
    monkeypatch.setattr(run, "LONGEST_RUN", 0.0)
    why = explain(op, result)
    assert (why.convention, why.fault) == (None, None)
    assert "was not asked" in why.note
    assert "--shrink finds a smaller case" in why.note


@pytest.mark.parametrize("limit, told", [(0.01, "asked on a part of the case that fails too"), (0.0, "was not asked")])
def test_a_slow_gradient_is_asked_on_a_part(monkeypatch, limit, told):
    """A window of one key more at T = 65; where no part is quick the report says what to do."""
    op = OPS["sliding_window_attention"]

    def forward(*, query, key, value, window):
        return tuple(x.astype(np.float32) for x in op.definition(query=query, key=key, value=value, window=window))

    def backward(*, query, key, value, window, cotangent_y=None, cotangent_lse=None):
        bars = {k: x for k, x in (("y", cotangent_y), ("lse", cotangent_lse)) if x is not None}
        found = pull_back(op, {"query": query, "key": key, "value": value, "window": window + 1}, bars)
        return {k: x.astype(np.float32) for k, x in found.items()}

    monkeypatch.setattr(run, "LONGEST_RUN", limit)
    monkeypatch.setattr(run, "seconds", lambda op, case: pace(case))
    monkeypatch.setattr(shrink, "SECONDS_OF_A_REASON", 20.0 if limit else 0.0)
    monkeypatch.setattr(shrink, "seconds_of", lambda op, case: pace(case))
    why = realization.judge(forward, op, case="generic.T65.o0.s0", backward=backward).diagnosis
    assert told in why.note
    assert (why.fault is not None and "one key longer" in why.fault.sentence) == (limit > 0)


def pace(case):
    """Seconds of a run on a slow machine: as many microseconds as there are numbers."""
    return 1e-6 * shrink.size(case.arguments)


def test_another_core_joins_by_its_table(tmp_path, monkeypatch):
    """A module `faults` beside a core is all that it takes; each fault acts in its own core only."""
    folder = tmp_path / "window_core"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from realization.layers.cores import core\n\n@core\ndef window(*, x, width):\n    return x * width\n"
    )
    (folder / "faults.py").write_text(
        "from realization.layers.cores import Fault\n"
        "FAULTS = (Fault('wide', 'one more', lambda core, chunk, *, x, width: core(x=x, width=width + 1)),)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from window_core import window

    def definition(*, u, **scan):
        run = OPS[SCAN].definition(u=window(x=u, width=3), **scan)
        return window(x=run.y, width=2), run.final_state

    both = dataclasses.replace(OPS[SCAN], definition=definition)
    case = cases.draw(OPS[SCAN], USUAL[1], CLAIM, OPS[SCAN].arguments)
    planted = {f.name: outputs for f, _, outputs in mutants(both, case, [CHUNK])}
    without_erase = [f for f in faults.FAULTS if "eras" not in f.name and not f.name.startswith("strength")]
    assert len(planted) == len(without_erase) + 1
    right = OPS[SCAN].definition(**{**case.arguments, "u": 4 * case.arguments["u"]})
    assert np.allclose(planted["wide"]["y"], 3 * right.y)
    assert np.allclose(planted["wide"]["final_state"], right.final_state)
