"""The ops of B'MOJO beside what they become at the ends of their options, on any batch axes, and their gradients."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.certify.err import Err
from realization.certify.tape import Tape, gradients
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import FORMATS
from realization.layers import BMOJO, BMOJO_LAYER, SELECT, bmojo_f, selected_tokens, sliding_window_attention
from realization.layers.bmojo import bmojo, bmojo_layer
from realization.layers.bmojo.eidetic import eidetic
from realization.memory.selection import Selection
from realization.memory.selection.choice import ENTRIES, EVICTIONS, RULES, VISIBILITIES

FLOAT64 = Claim(io="float64", accumulate="float64", splits=3)
seeds = st.integers(0, 2**32 - 1)


def tokens(seed, T=13, h=4, g=2, k=6, v=5, b=2):
    """Raw and fading streams of T tokens, and their statistics."""
    rng = np.random.default_rng(seed)
    shapes = {"query": (h, k), "key": (g, k), "value": (g, v), "fading_key": (g, k), "fading_value": (g, v)}
    return {name: rng.standard_normal((b, T, *shape)) for name, shape in shapes.items()} | {
        "surprise": rng.exponential(size=(b, T))
    }


def raw(x):
    return {name: x[name] for name in ("query", "key", "value")}


@given(seeds, st.integers(1, 15))
def test_without_places_it_is_bmojo_f(seed, window):
    """Bit for bit, with lag and width of the window; and without fading tokens a sliding window."""
    x = tokens(seed)
    streams = {name: a for name, a in x.items() if name != "surprise"}
    one, two = bmojo(**x, window=window, capacity=0), bmojo_f(**streams, window=window)
    assert np.array_equal(one.y, two.y)
    assert np.array_equal(one.lse, two.lse)
    assert one.places.shape == (2, 13, 0)
    plain = bmojo(**raw(x), surprise=x["surprise"], window=window, capacity=0)
    assert np.array_equal(plain.y, sliding_window_attention(**raw(x), window=window).y)
    assert window > 12 or not np.array_equal(plain.y, sliding_window_attention(**raw(x), window=window + 1).y)


@given(seeds)
def test_one_fading_token_alone_is_read_as_it_is(seed):
    """A softmax over one key is 1: the fading mixer followed by a linear map."""
    x = tokens(seed, h=2)
    read = bmojo(**x, window=0, capacity=0, fading_lag=0, fading_width=1)
    assert np.array_equal(read.y, x["fading_value"])
    assert not np.array_equal(bmojo(**x, window=1, capacity=0, fading_lag=0, fading_width=1).y, x["fading_value"])


@given(seeds, st.integers(0, 14), st.sampled_from(ENTRIES))
def test_a_memory_that_keeps_everything_is_full_attention(seed, window, entry):
    """Each key is seen once, in the window or behind it; one place less and it is not."""
    x = tokens(seed)
    options = {"rule": "threshold", "threshold": -1.0, "eviction": "fifo", "visibility": "at-once", "entry": entry}
    full = sliding_window_attention(**raw(x))

    def off(capacity):
        read = bmojo(**raw(x), surprise=x["surprise"], window=window, capacity=capacity, **options)
        error = BMOJO.bound({**raw(x), "surprise": x["surprise"], "window": 13, "capacity": 0}, FLOAT64)["y"].error
        return np.abs(read.y - full.y).max() / (2 * error.max())

    assert off(13) <= 1
    assert window >= 12 or off(max(12 - window, 0)) > 1


@given(seeds, st.booleans())
def test_nothing_seen_is_zero(seed, memory):
    """No window, no fading token, nothing selected yet: y = 0 and lse = -inf, and the first token is no exception."""
    x = tokens(seed)
    read = bmojo(**raw(x), surprise=x["surprise"], window=0, capacity=3 * memory, chunk=4)
    empty = slice(0, 4 if memory else None)
    assert not read.y[:, empty].any()
    assert (read.lse[:, empty] == -np.inf).all()
    assert not memory or np.isfinite(read.lse[:, 4:]).all()


@given(seeds, st.integers(0, 12), st.integers(1, 6))
def test_decoding_with_the_past_is_one_pass(seed, split, chunk):
    """The selection runs over all keys, queries are the last of them: places exactly, values within the bound."""
    x, options = tokens(seed), {"window": 2, "capacity": 3, "chunk": chunk}
    whole = bmojo(**x, **options)
    part = bmojo(**x | {"query": x["query"][:, split:]}, **options)
    assert np.array_equal(part.places, whole.places[:, split:])
    allowed = 2 * BMOJO.bound(x | options, FLOAT64)["y"].error[:, split:]
    assert (np.abs(part.y - whole.y[:, split:]) <= allowed).all()
    forgetful = bmojo(**{name: a[:, split:] for name, a in x.items()}, **options)
    assert split < 6 or not np.array_equal(forgetful.places, part.places)


@given(seeds, st.lists(st.integers(1, 7), min_size=1, max_size=4), st.sampled_from(range(len(BMOJO.options))))
def test_packed_documents_are_documents_apart(seed, lengths, index):
    """Of any lengths, on no common grid: places are moved by where the document begins, values are the same."""
    options = BMOJO.options[index]
    x = tokens(seed, T=sum(lengths)) | options["set"]
    names = np.repeat(np.arange(len(lengths)) % 2, lengths)[None].repeat(2, axis=0)
    whole, start = bmojo(**x, seq_idx=names), 0
    allowed = BMOJO.bound(x | {"seq_idx": names}, FLOAT64)["y"].error
    for n in lengths:
        steps = slice(start, start + n)
        alone = bmojo(**{k: a[:, steps] if isinstance(a, np.ndarray) else a for k, a in x.items()})
        places = whole.places[:, steps]
        assert np.array_equal(np.where(places < 0, -1, places - start), alone.places)
        assert (np.abs(whole.y[:, steps] - alone.y) <= 2 * allowed[:, steps]).all()
        start += n


@pytest.mark.parametrize("batch", [(), (0,), (2, 3)], ids=str)
@pytest.mark.parametrize("op", [SELECT, BMOJO, BMOJO_LAYER], ids=lambda op: op.name)
def test_batch_axes(op, batch):
    """Any, of size 0 too: the rows are those of one batch axis."""
    size = int(np.prod(batch))
    options = next(o for o in op.options if "seq_idx" in o["with"])
    draw = {"T": 11, "chunk": 4, "rng": np.random.default_rng(0), "form": FORMATS["float32"], "batch": 6}
    case = op.cases(op.regimes[0], options, **draw)
    rows = {k for k, a in op.axes.arguments.items() if a.axes[0] == "*b" and k in case and k not in ("cos", "sin")}
    part = {k: x[:size].reshape(*batch, *x.shape[1:]) if k in rows else x for k, x in case.items()}
    for one, other in zip(op.kernel(**part), op.kernel(**case), strict=True):
        assert np.array_equal(one, other[:size].reshape(*batch, *other.shape[1:]))


def test_every_legal_way_to_fill_a_memory_is_a_case():
    """All combinations that `Selection` takes, and of capacity and window the ends; bmojo has every choice once."""
    legal = set()
    for rule, out, seen, entry in itertools.product(RULES, EVICTIONS, VISIBILITIES, ENTRIES):
        own = {"threshold": {"threshold": 0.0}, "top-of-chunk": {"count": 1}}.get(rule, {})
        try:
            Selection(1, rule, eviction=out, visibility=seen, entry=entry, **own)
        except ShapeError:
            continue
        legal.add((rule, out, seen, entry))
    chosen = [o["set"] for o in SELECT.options]
    assert {(o["rule"], o["eviction"], o["visibility"], o["entry"]) for o in chosen} == legal
    assert len(legal) == 22
    assert {0, 1} <= {o["capacity"] for o in chosen}
    assert max(o["capacity"] for o in chosen) > 129  # of two chunks and one token
    assert {0, 9} <= {o["window"] for o in chosen}
    sets = [o["set"] for o in BMOJO.options]
    for name, default, all_ in (("rule", "running-top", RULES), ("eviction", "smallest", EVICTIONS),
                                ("visibility", "next-chunk", VISIBILITIES), ("entry", "arrival", ENTRIES)):  # fmt: skip
        assert {s.get(name, default) for s in sets} == set(all_)


# As a system -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "capacity", "lag", "width"), [(3, 4, None, None), (1, 2, 2, 3), (0, 3, 0, 1), (2, 0, None, None)]
)
def test_a_queue_is_a_bilinear_system_for_all_data(window, capacity, lag, width, record_property):
    """Built from sizes, driven by tokens and by the word of what is admitted, it reads as `bmojo` does."""
    reach = {"window": window, "fading_lag": lag, "fading_width": width}
    system = BMOJO.as_realization(**reach, capacity=capacity, g=2, k=3, v=2)
    queue = {"rule": "threshold", "threshold": 0.7, "eviction": "fifo", "visibility": "at-once"}
    for seed in (1, 2):
        x = tokens(seed, k=3, v=2)
        fed = {name: a for name, a in x.items() if name not in ("query", "surprise")}

        def read(word, x=x, fed=fed):
            states = system.system.simulate(system.schedule(**fed, admitted=word)).y
            return system.readout(states, query=x["query"])

        case = x | reach | queue | {"capacity": capacity}
        want, allowed = bmojo(**case).y, 2 * BMOJO.bound(case, FLOAT64)["y"].error
        ratio = float((np.abs(read(x["surprise"] > 0.7) - want) / allowed).max())
        record_property("worst", ratio)
        assert ratio <= 1
        if capacity:  # the control: another word
            assert (np.abs(read(x["surprise"] <= 0.7) - want) / allowed).max() > 1


# Gradients ------------------------------------------------------------------


def test_no_gradient_flows_through_a_selection():
    """None to the statistics, some to the keys and values selected, none to those that nobody sees."""
    x = tokens(3, h=2) | {"window": 1, "capacity": 2, "visibility": "at-once"}
    del x["fading_key"], x["fading_value"]
    places = bmojo(**x).places
    last = np.zeros((2, 13, 2, 5))
    last[:, -1] = 1.0
    found = BMOJO.adjoint(x, {"y": last})
    assert not found["surprise"].any()
    for row in range(2):
        seen = {*places[row, -1]} | {12}
        assert len(seen) == 3
        for name in ("key", "value"):
            assert {*np.flatnonzero(found[name][row].any((1, 2)))} == seen
    with pytest.raises(ShapeError, match="cotangent places given; outputs are y, lse"):
        BMOJO.adjoint(x, {"places": places})


def near(gap):
    """A layer of tokens that are alike but for the second, which surprises by `gap` more."""
    x = np.ones((1, 6, 4))
    x[0, 1] *= 1 + gap
    W = np.eye(4).reshape(1, 4, 4)
    weights = {"query_weight": W, "key_weight": W, "value_weight": W, "output_weight": W.reshape(4, 1, 4)}
    return {"x": x, "fading": x, **weights, "window": 1, "capacity": 1, "visibility": "at-once", "fading_width": 0}


@pytest.mark.parametrize(("gap", "decided"), [(0.0, False), (1e-8, False), (1e-3, True)])
def test_near_ties_are_undecided(gap, decided):
    """Where the bound of the statistics cannot separate two tokens, places, outputs and gradients have no bound."""
    case, claim = near(gap), Claim()
    found = BMOJO_LAYER.bound(case, claim)
    unsure = np.isinf(found["places"].error).any(-1)
    # query 0 sees its own token only, whatever happens; from query 2 on the memory shows token 0 or token 1
    assert not unsure[0, :1].any()
    assert unsure[0, 2:].all() != decided
    assert np.array_equal(np.isinf(found["y"].error).any(-1), unsure)
    assert np.isfinite(found["surprise"].error).all()
    one = np.ones((1, 6, 4))
    pulled = BMOJO_LAYER.adjoint({k: Err(a, claim=claim) if isinstance(a, np.ndarray) else a for k, a in case.items()},
                                 {"y": Err(one, claim=claim)})  # fmt: skip
    for name in ("x", "key_weight", "value_weight"):
        assert np.isinf(pulled[name].error).any() != decided
    assert np.isfinite(BMOJO_LAYER.bound(case, Claim(io="float64", accumulate="float64"))["y"].error).all() == (gap > 0)


@given(seeds, st.sampled_from(["float32", "bfloat16"]))
def test_what_is_decided_is_what_any_rounding_keeps(seed, form):
    """Statistics moved within their error, to either end or anywhere between, leave decided places as they are."""
    rng = np.random.default_rng(seed)
    s = rng.integers(1, 9, (3, 20)) * (1 + 2.0**-7 * rng.integers(0, 3, (3, 20)))
    error, choice = FORMATS[form].u * s, Selection(3, visibility="at-once", window=2)
    kept = eidetic(surprise=Err(s, error, claim=Claim(accumulate=form)), selection=choice)
    decided = kept.doubt.error == 0
    for share in (1, -1, rng.uniform(-1, 1, s.shape), rng.choice([-1, 1], s.shape)):
        moved = s + share * error
        assert np.array_equal(eidetic(surprise=moved, selection=choice).places[decided], kept.places[decided])
    assert form == "bfloat16" or decided.mean() > 0.1


def test_exact_statistics_are_decided():
    """Ties of numbers that are given are ties for all."""
    kept = eidetic(surprise=Err(np.ones(5), claim=Claim()), selection=Selection(2))
    assert kept.doubt is None
    tape = Tape(np.ones(5))
    assert np.array_equal(eidetic(surprise=tape, selection=Selection(2)).places, kept.places)
    assert not gradients([(tape * 1.0, np.zeros(5))], [tape])[0].any()


# Bad input ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"window": -1}, "window=-1 given; 0 or a positive whole number of tokens"),
        ({"window": None}, "window=None given"),
        ({"fading_lag": -2}, "fading_lag=-2 given"),
        ({"fading_width": 1.5}, "fading_width=1.5 given"),
        ({"slot_positions": 1}, "slot_positions=1 given; True or False"),
        ({"capacity": -1}, "capacity"),
        ({"rule": "top"}, "rule is 'top'"),
        ({"rule": "threshold", "threshold": np.nan}, "threshold"),
        ({"surprise": np.full((2, 13), np.nan)}, "surprise"),
        ({"surprise": np.full((2, 12), 1.0)}, "surprise has shape"),
        ({"surprise": np.full((2, 13), 1j)}, "surprise is complex"),
        ({"fading_value": None}, "fading_value is missing"),
        ({"fading_key": None, "fading_value": None, "fading_query": np.ones((2, 13, 4, 6))}, "fading_query was given"),
        ({"cos": np.ones((13, 2))}, "sin is missing"),
        ({"key": np.ones((2, 13, 3, 6)), "value": np.ones((2, 13, 3, 5)), "fading_key": None, "fading_value": None},
         "3 groups, query 4 heads"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(changed, said):
    with pytest.raises(ShapeError, match=said):
        bmojo(**tokens(0) | {"window": 2, "capacity": 3} | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"statistic": "cubed"}, "statistic='cubed' given; one of squared, relative"),
        ({"features": np.ones((1, 6, 2))}, "predictor_weight is missing"),
        ({"predictor_weight": np.ones((4, 2))}, "features is missing"),
        ({"fading": np.ones((1, 6, 3))}, "fading has width 3, x 4"),
        ({"x": np.full((1, 6, 4), np.inf)}, "x has an entry that is NaN or infinite"),
    ],
)
def test_bad_layers_are_refused(changed, said):
    with pytest.raises(ShapeError, match=said):
        bmojo_layer(**near(0.0) | changed)


@pytest.mark.parametrize("T", [0, 1])
@pytest.mark.parametrize("capacity", [0, 3])
def test_no_token_and_one(T, capacity):
    """Legal, like a window of 0 and a threshold below all statistics."""
    s = np.ones((2, T))
    for entry in ENTRIES:
        read = selected_tokens(surprise=s, capacity=capacity, rule="threshold", threshold=-1.0, entry=entry, window=2)
        assert read.places.shape == (2, T, capacity)
        assert (read.places == -1).all()
    x = tokens(0, T=T)
    read = bmojo(**x, window=0, capacity=capacity, visibility="at-once")
    assert read.y.shape == (2, T, 4, 5)
    if T and capacity:  # at once and without a window a token sees itself
        assert (read.places[..., 0] == 0).all()


def test_a_token_of_zeros_is_no_surprise():
    """|e|^2 / |x|^2 is 0 where x is 0, whatever was predicted."""
    case = near(0.0) | {"statistic": "relative", "features": np.ones((1, 6, 1)), "predictor_weight": np.ones((4, 1))}
    case["x"][0, 3] = 0.0
    s = bmojo_layer(**case).surprise
    assert s[0, 3] == 0
    assert np.isfinite(s).all()
    assert s[0, 0] == 1.0
