"""Why kernels of attention and of convolutions fail: every known fault and every swap is recognised."""

import functools
import itertools

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.core.errors import RealizationError
from realization.core.ops import Op
from realization.layers import OPS, cores
from realization.layers.readings import complete
from realization.layers.readout import Source, readout
from realization.layers.readout import faults as readouts
from realization.layers.readout.places import band, starts, with_selected
from realization.layers.readout.window import sees, window
from realization.layers.register import faults as registers
from realization.layers.register import register
from realization.verify import cases, run, subject
from realization.verify.convention import implied, swapped
from realization.verify.faults import closest_fault, lengths, mutants, plant
from realization.verify.pattern import EXPLAINED, errors, score
from realization.verify.verdict import FAIL, Truth, judge
from theory_tests.contracts.simulated import MUTANTS
from theory_tests.contracts.test_why_it_failed import CHUNK, CLAIM, explain, kernel

ATTENTION, BMOJO, CONV = "sliding_window_attention", "bmojo_f", "causal_conv1d"
T, ONE = 39, np.ones((1, 1, 1, 1))
(READ_OUT,) = cores.called(lambda: readout(sources=[Source(ONE, ONE, band(1, 1, 1), ONE)], scale=1.0))
(REGISTER,) = cores.called(lambda: register(x=ONE[0], width=1))


def drawn(name, *have, regime="generic", length=T, **changes):
    """The op and the case of its first options with these arguments, some of which may have another value."""
    op = OPS[name]
    option = next(i for i, o in enumerate(op.options) if {*have} <= {*o["with"]})
    case = cases.draw(op, f"{regime}.T{length}.o{option}.s0", CLAIM, op.arguments)
    if changes:
        other = {k: change(case.arguments) for k, change in changes.items()}
        case = cases.given(op, {**case.arguments, **other}, CLAIM, "given")
    return op, case


def judged(op, function, case, claim=CLAIM):
    return run.run_case(subject.plain("kernel", function, op), claim, case, rules=False)


def own():
    """A read-out that is no op of the library: two streams and a sink."""

    def definition(*, query, key, value, older_key, older_value, sink):
        shape = (query.shape[-3], key.shape[-3])
        window = Source(key, value, band(*shape, 6), query)
        older = Source(older_key, older_value, band(*shape, 8, shift=6), query)
        return readout(sources=(window, older), scale=0.5, sink=sink)

    streams = "key: *b T g k; value: *b T g v; older_key: *b T g k; older_value: *b T g v"
    signature = f"query: *b T h k; {streams}; sink: h -> y: *b T h v; lse: *b T h"
    op = Op("own", signature, definition, logarithms=("lse",), formats={"lse": "accumulator"})
    rng, shapes = np.random.default_rng(0), {"k": (1, T, 2, 4), "v": (1, T, 2, 3), "q": (1, T, 4, 4), "s": (4,)}
    letters = {"query": "q", "key": "k", "value": "v", "older_key": "k", "older_value": "v", "sink": "s"}
    arguments = {name: rng.standard_normal(shapes[x]) for name, x in letters.items()}
    return complete(op), cases.given(op, arguments, CLAIM, "given")


# Faults ---------------------------------------------------------------------

SELECTED, CAPPED, SINK = (drawn(ATTENTION, x) for x in ("selected", "softcap", "sink"))
RISING = drawn(ATTENTION, "sink", "scale", regime="rising")
BIASED = drawn(ATTENTION, "bias", "past")
SQUARE = drawn(ATTENTION, bias=lambda a: np.random.default_rng(0).standard_normal((4, T, T)))
INDEXED, PACKED = (drawn(CONV, x, "initial_state") for x in ("seq_idx", "cu_seqlens"))
ENDING = drawn(CONV, "seq_idx", "initial_state", seq_idx=lambda a: a["seq_idx"] * 0 + (np.arange(T) > T - 2))


def named(word, case):
    return {f.name: case for f in readouts.FAULTS if word in f.name}


# Which case brings a fault to light; the rest shows on the first.
CASES = {
    READ_OUT: {
        "": drawn(ATTENTION, "past"),
        **named("packed", drawn(ATTENTION, "cu_seqlens")),
        "soft cap after the bias": drawn(ATTENTION, "bias", softcap=lambda a: 1.5),
        "bias transposed": SQUARE,
        "sink in both streams": own(),
        **named("rescaled", RISING), **named("restarted", RISING), **named("selected", SELECTED),
        **dict.fromkeys(("soft cap ignored", "soft cap before the scale", "soft cap not multiplied back"), CAPPED),
        **dict.fromkeys(("bias ignored", "bias scaled", "bias of -inf leaks"), BIASED),
        **dict.fromkeys(("sink ignored", "sink with a value", "lse without the sink", "sink in every block"), SINK),
    },
    REGISTER: {
        "": drawn(CONV, "bias", "initial_state"),
        "final state across a boundary": ENDING,
        **dict.fromkeys(("boundaries ignored", "boundary one token late", "boundary one token early"), INDEXED),
        **dict.fromkeys(("initial state missing from the final state", "packed boundaries ignored",
                         "first initial state for all"), PACKED),
    },
}  # fmt: skip
STREAMS = drawn(BMOJO, "fading_query", "past")
TABLES = ((READ_OUT, readouts.FAULTS), (REGISTER, registers.FAULTS))
FAULTS = [pytest.param(core, f, id=f"{core.__name__}: {f.name}") for core, table in TABLES for f in table]


def case_of(core, fault):
    usual = STREAMS if "stream" in fault.name else CASES[core][""]
    return CASES[core].get(fault.name, usual)


@functools.cache
def closest(core, fault):
    op, case = case_of(core, fault)
    result = judged(op, kernel(op, plant(core, fault, CHUNK)), case)
    assert result.status == FAIL, result.sentence
    return closest_fault(op, result.case, result.outputs, result.findings, result.truth)


@pytest.mark.parametrize("core, fault", FAULTS)
def test_every_known_fault_is_recognised(core, fault):
    """Planted in an op, it is named in its own words, and its score is next to 1."""
    found = closest(core, fault)
    assert found.matches
    assert fault.sentence.format(chunk=CHUNK) in (found.sentence, *found.alike)
    assert f"closest known fault: {found.sentence} (score 1.000)" in str(found)


def test_most_faults_are_told_from_all_others():
    """On the cases above; what a case cannot tell apart is listed, and is rare."""
    found = [(fault.name, closest(core, fault)) for core, fault in (p.values for p in FAULTS)]
    assert sum(bool(c.alike) for _, c in found) <= 2, [(n, c.alike) for n, c in found if c.alike]


def test_different_faults_seldom_score_as_one():
    """What the threshold rests on: of all pairs that differ on a case, 99 in 100 score below it."""
    scores = []
    for name, regime in itertools.product((ATTENTION, BMOJO, CONV), ("generic", "cancelling")):
        op = OPS[name]
        for option in range(len(op.options)):
            case = cases.draw(op, f"{regime}.T{T}.o{option}.s0", CLAIM, op.arguments)
            truth = Truth.of(op, case)
            right = judge(op, case, truth.value, CLAIM, truth)
            patterns = [errors(right, outputs, truth.value) for _, _, outputs in mutants(op, case, [CHUNK])]
            pairs = itertools.combinations([p for p in patterns if _apart(p, np.zeros_like(p))], 2)
            scores += [score(e, f) for e, f in pairs if _apart(e, f)]
    assert len(scores) > 5000
    assert np.mean(np.array(scores) > EXPLAINED) < 0.015
    assert np.median(np.abs(scores)) < 0.1


def _apart(e, f):
    both = np.isfinite(e) & np.isfinite(f)
    return np.abs(e[both] - f[both]).max(initial=0.0) > 1


def test_faults_are_defined_for_all_arguments():
    """No step, one step, ends of blocks, every option: outputs of the right shape, or none that could be wrong."""
    for name in (ATTENTION, BMOJO, CONV):
        op = OPS[name]
        for option in range(len(op.options)):
            for length in (0, 1, CHUNK, CHUNK + 1):
                case = cases.draw(op, f"generic.T{length}.o{option}.s0", CLAIM, op.arguments)
                right = op.definition(**case.arguments)
                for core, fault in (p.values for p in FAULTS):
                    try:
                        with cores.standing_in(plant(core, fault, CHUNK)), np.errstate(all="ignore"):
                            outputs = op.definition(**case.arguments)
                    except RealizationError:  # the fault says that there is nothing it could be wrong in
                        continue
                    assert [x.shape for x in outputs] == [x.shape for x in right], fault.name


def test_a_fault_that_does_not_apply_changes_nothing():
    """The control: without packed sequences their boundaries cannot be ignored, and so on."""
    op, case = drawn(CONV, "activation")
    right = op.definition(**case.arguments)
    changing = {f.name for f, _, outputs in mutants(op, case, [CHUNK])
                if any((outputs[k] != x).any() for k, x in op.named(right).items())}  # fmt: skip
    assert "taps reversed" in changing
    assert not changing & {"boundaries ignored", "packed boundaries ignored", "boundary one token late",
                           "first initial state for all"}  # fmt: skip


def test_nothing_is_said_of_an_error_that_nobody_knows():
    """Random errors: no convention, and no fault matches."""
    for op, case in (CASES[READ_OUT][""], STREAMS, CASES[REGISTER][""]):
        rng, right = np.random.default_rng(0), kernel(op, None)

        def noisy(rng=rng, right=right, **a):
            y, other = right(**a)
            return (y + rng.standard_normal(y.shape)).astype(np.float32), other

        why = explain(op, judged(op, noisy, case))
        assert why.convention is None
        assert not why.fault.matches
        assert str(why.fault).startswith("closest known fault: none matches")


def test_the_length_of_a_block_is_found():
    """Counted in keys: of the first wrong query the position tells, which is not its step."""
    op, case = drawn(ATTENTION, "past", window=lambda a: None, length=129)
    assert case.arguments["key"].shape[1] > 129
    sums = next(f for f in readouts.FAULTS if f.name == "sum restarted")
    result = judged(op, kernel(op, plant(READ_OUT, sums, 32)), case, Claim(chunk=64))
    first = 32 - (case.arguments["key"].shape[1] - 129)
    assert (result.findings[0].error[:, first - 1] <= result.findings[0].tolerance[:, first - 1]).all()
    assert lengths(op, result.case, result.findings) == [CHUNK, 32]
    found = closest_fault(op, result.case, result.outputs, result.findings, result.truth)
    assert found.sentence == "the sum of exponentials starts anew with each block of 32 keys"


def test_the_logarithm_of_nothing_is_no_error():
    """Equal infinities differ by 0 and not by NaN, and another infinity is left out of the score."""
    op, case = drawn(ATTENTION, "cu_seqlens", "sink", sink=lambda a: None, cu_seqlens=lambda a: np.array([0, 20, 30]))
    truth = Truth.of(op, case)
    assert np.isneginf(truth.value["lse"][:, 30:]).all()
    right = judge(op, case, truth.value, CLAIM, truth)
    assert not errors(right, truth.value, truth.value).any()
    late = next(f for f in readouts.FAULTS if f.name == "current token hidden")
    result = judged(op, kernel(op, plant(READ_OUT, late, CHUNK)), case)
    assert closest_fault(op, case, result.outputs, result.findings, truth).name == "current token hidden"


def test_what_counts_once_is_remembered():
    """Selected keys that are shown already, or selected twice, can be told from none."""
    places = with_selected(band(4, 4, 2), np.array([[0, -1], [1, 1], [0, 0], [3, 1]]), 4)
    assert places[:, 2:].tolist() == [[-2, -1], [-3, -3], [0, -2], [-5, 1]]


@pytest.mark.parametrize("T, S, width, offsets", [(9, 9, 3, None), (4, 9, 3, None), (9, 9, 1, None),
                                                  (9, 9, 4, [0, 3, 3, 7])])  # fmt: skip
def test_a_window_is_found_in_its_places(T, S, width, offsets):
    """One key more or less gives the places of that window, boundaries and steps outside included."""

    def keys(places):
        return [sorted({*row} - {-1}) for row in places.tolist()]

    first = None if offsets is None else starts(offsets, S)
    key, query = np.ones((1, S, 1, 1)), np.ones((1, T, 1, 1))
    source = Source(key, key, band(T, S, width, first=first), query)
    found = window(source)
    for by in (-1, 0, 1):
        other = sees(source, found, found.oldest + by, found.youngest).places
        assert keys(other) == keys(band(T, S, width + by, first=first))


# Kernels that the library did not make: the name of the swap or fault here.
INDEPENDENT = {
    "swa.rows: window one short": "window - 1",
    "swa.rows: window one long": "window + 1",
    "swa.rows: one token ahead": "one token ahead",
    "swa.rows: mask aligned at the top left": "mask aligned at the top left",
    "swa.rows: selected keys in the window count twice": "selected keys in the window count twice",
    "swa.rows: selected -1 read as the last key": "none selected read as the last key",
    "swa.rows: selected -1 read as the first key": "none selected read as the first key",
    "swa.rows: group h % g": "groups interleaved",
    "swa.rows: scale by the hidden size": "scale of the hidden size",
    "swa.rows: soft cap forgotten": "softcap ignored",
    "swa.rows: soft cap before the scale": "soft cap before the scale",
    "swa.rows: queries rotated one position ahead": "queries one position ahead",
    "swa.rows: queries take the first positions": "query positions from 0",
    "swa.rows: keys not rotated": "keys not turned",
    "swa.rows: norm after rotary": "norm after rotation",
    "swa.rows: lse without the maximum": "lse without the maximum",
    "swa.rows: lse before the sink": "lse without the sink",
    "swa.rows: sink reads the first value": "sink with a value",
    "swa.rows: norm over all heads": None,
    "swa.rows: rotated in place": None,
    "swa.online16: last ragged block dropped": "last partial block dropped",
    "swa.online16: accumulator not rescaled": "accumulator not rescaled",
    "swa.online16: denominator not rescaled": "sum not rescaled",
    "swa.online16: accumulator rescaled twice": "accumulator rescaled twice",
    "swa.online16: sink counted in every block": "sink in every block",
    "swa.online16_query_scaled: scale twice": "scale 1/k",
    "swa.online16_exp2: lse in units of log2": "lse in base 2",
    "bmojo.rows: fading window one older": "second stream one token older",
    "bmojo.rows: fading window one younger": "second stream one token younger",
    "bmojo.rows: fading tokens from the start": "second stream from the start",
    "bmojo.rows: group h % g": "groups interleaved",
    "bmojo.passes: merge with the lse of the first part": "streams merged with the first lse",
    "bmojo.passes: merge as a mean": "streams averaged",
    "bmojo.passes: merge in powers of 2": "streams merged in powers of 2",
    "bmojo.passes: empty part counts as one key": "empty stream counted",
    "conv.taps: boundary ignored": "seq_idx ignored",
    "conv.taps: boundary one token late": "boundary one token late",
    "conv.taps: boundary one token early": "boundary one token early",
    "conv.taps: packed sequences see the one before": "packed boundaries ignored",
    "conv.taps: first initial state for all sequences": "first initial state for all",
    "conv.taps: state read newest first": "initial_state newest first",
    "conv.taps: bias after the activation": "bias after activation",
    "conv.taps: gate is a sigmoid": "activation a sigmoid",
    "conv.taps: final state before the last token": "final state before the last token",
    "conv.taps: state one token old": None,
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_faults_of_kernels_written_elsewhere(name):
    """Simulated kernels, independent of the library, with the same slip: the same name, or none."""
    why = explained(next(m for m in MUTANTS if m.name == name))
    convention = why.convention is not None and why.convention.ratio <= 1
    found = why.convention.name if convention else why.fault.name if why.fault.matches else None
    assert found == INDEPENDENT[name], (str(why.convention), str(why.fault))


def explained(mutant, regime="generic", **having):
    """Why the first case fails that the mutant fails, of those that have these arguments."""
    op = OPS[mutant.op]
    claim = Claim(**{**mutant.claim, "chunk": mutant.claim["chunk"] or CHUNK})

    def function(**given):
        return [x if x.dtype.kind == "i" else np.asarray(x, np.float32) for x in mutant.function(**given)]

    wrong = subject.Subject(mutant.name, op, function, mutant.accepts, frozenset(), frozenset(), "numpy", claim)
    for option in cases.usable(op, wrong.accepts):
        case = cases.draw(op, f"{regime}.T{T}.o{option['index']}.s0", claim, wrong.accepts)
        if having.items() <= {k: x for k, x in case.arguments.items() if k in having}.items():
            result = run.run_case(wrong, claim, case, rules=False)
            if result.status == FAIL:
                return explain(op, result, claim)
    raise AssertionError(f"{mutant.name} fails nowhere")


# Conventions ----------------------------------------------------------------

HIDDEN = drawn(BMOJO, hidden_size=lambda a: 96)
EQUAL = {"query": lambda a: a["key"] - 1.0, "value": lambda a: a["key"] + 1.0}


def swap_cases():
    """All options, and what no drawn case has: the size of the layer's input, arguments of equal shapes."""
    for name in (ATTENTION, BMOJO, CONV):
        op = OPS[name]
        for option in range(len(op.options)):
            yield op, cases.draw(op, f"generic.T{T}.o{option}.s0", CLAIM, op.arguments)
    yield HIDDEN
    yield drawn(ATTENTION, **EQUAL)
    yield drawn(BMOJO, **EQUAL, fading_value=lambda a: a["fading_key"] + 1.0)


@functools.cache
def first_of_each():
    """Each swap on the first case where it applies and changes something."""
    found = {}
    for op, case in swap_cases():
        right = op.named(op.definition(**case.arguments))
        for swap in (*op.swaps, *implied(op, case.arguments)):
            if (op.name, swap.name) not in found and changes(op, swap, case, right):
                found[op.name, swap.name] = pytest.param(op, case, swap, id=f"{op.name}: {swap.name}")
    return tuple(found.values())


def changes(op, swap, case, right):
    """Whether a swap applies, keeps the shapes, and makes finite outputs of another value."""
    try:
        with np.errstate(all="ignore"):
            other = op.named(swapped(op, swap).definition(**case.arguments))
    except RealizationError:
        return False
    shapes = all(other[k].shape == x.shape for k, x in right.items())
    return shapes and any((np.abs(other[k] - x) > 1e-3 * np.abs(x)).any() for k, x in right.items())


# s + i c is i times the conjugate of c + i s, and i cancels between query and key
SAME = {"cos and sin exchanged": "the sine negated (rotation in the other sense)"}


@pytest.mark.parametrize("op, case, swap", first_of_each())
def test_every_swap_is_recognised(op, case, swap):
    """A kernel that computes the swapped definition is told so, with an error within the swapped bound."""
    found = explain(op, judged(op, kernel(swapped(op, swap), None), case)).convention
    sentence = SAME.get(swap.sentence, swap.sentence)
    assert found.sentence == sentence
    assert found.ratio <= 1
    assert str(found).startswith(f"your output equals the reference with {sentence} (err/tol ")


def test_every_declared_swap_was_recognised():
    """None is left out of the test above for want of a case."""
    tested = {(p.values[0].name, p.values[2].name) for p in first_of_each()}
    assert not [(op, s.name) for op in (ATTENTION, BMOJO, CONV) for s in OPS[op].swaps if (op, s.name) not in tested]
