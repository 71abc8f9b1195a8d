"""The B'MOJO layer by its definition, in chunks, memory by memory and as a stream: one selection, values in bounds."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.layers import BMOJO_LAYER
from realization.layers.bmojo import (
    BMojo,
    Reading,
    Rotary,
    bound,
    chunked,
    decode,
    full_attention,
    mixer_only,
    sequential,
    stream,
    two_pass,
    window_only,
    with_memory,
    without_memory,
)
from realization.layers.fading import Diagonal, Identity, Mamba1, Mamba2, ShortConvolution
from realization.layers.predictors import associative, output_predictor, state_predictor
from realization.memory.selection import (
    Fitted,
    Given,
    InnovationTest,
    Selection,
    fitted_autoregression,
    load_state,
    save_state,
)

D = 4
TAPS = np.random.default_rng(9).standard_normal((D, 3))
MIXERS = {
    "none": None,
    "identity": Identity(D),
    "convolution": ShortConvolution(TAPS, activation=True),
    "diagonal": Diagonal.random(D, 3, rng=1),
    "mamba1": Mamba1.random(D, 2, memory=8.0, rng=2),
    "mamba2": Mamba2.random(D, 2, memory=8.0, rng=3),
}
SLOW, GUESS = Diagonal.random(D, 2, rng=4), np.random.default_rng(5).standard_normal((D, 2))
PREDICTORS = {
    "state": state_predictor(SLOW, Fitted()),
    "given": state_predictor(SLOW, Given(GUESS)),
    "output": output_predictor(SLOW, fitted_autoregression(1)),
    "associative": associative(beta=0.5),
}
CHOICES = {
    "top": {},
    "top-at-once": {"visibility": "at-once"},
    "top-leaving": {"entry": "leaving"},
    "fifo": {"rule": "threshold", "threshold": 1.0, "eviction": "fifo", "visibility": "at-once"},
    "fifo-leaving": {"rule": "threshold", "threshold": 0.5, "eviction": "fifo", "entry": "leaving"},
    "smallest": {"rule": "threshold", "threshold": -1.0},
    "reservoir": {"rule": "threshold", "threshold": 0.2, "eviction": "reservoir", "visibility": "at-once"},
    "chunk": {"rule": "top-of-chunk", "count": 2, "eviction": "reservoir"},
}
KINDS = ("random", "long-memory", "identical", "periodic", "huge", "ties", "rising")


def tokens(kind, T, rng, batch=()):
    """Sequences that are hard on a selection."""
    x = rng.standard_normal((*batch, T, D))
    t = np.arange(T)[:, None]
    if kind == "long-memory":
        return np.cumsum(x, axis=-2) / np.sqrt(t + 1)
    if kind == "identical":
        return np.broadcast_to(x[..., :1, :], x.shape).copy()
    if kind == "periodic":
        return x[..., np.arange(T) % 3, :] if T else x
    if kind == "huge":
        return np.where(t == T // 3, 1e8 * x, x)
    if kind == "ties":
        return rng.integers(-1, 2, x.shape).astype(float)
    return x * (1 + t) if kind == "rising" else x


def layer(seed, *, window=3, capacity=3, chunk=4, mixer="diagonal", predictor="state", choice="top", tied=True, **rest):
    rng = np.random.default_rng(seed)
    more = {"norm_weight": rng.uniform(0.5, 2, D), "rotary": Rotary.of_width(4)} if rng.random() < 0.7 else {}
    if rng.random() < 0.5:
        more |= {"query_norm": rng.uniform(0.5, 2, 4), "key_norm": rng.uniform(0.5, 2, 4)}
    if rng.random() < 0.5:
        shapes = {"query": (4, 4), "key": (2, 4), "value": (2, 4), "output": (D,)}
        more |= {f"{name}_bias": rng.standard_normal(shape) for name, shape in shapes.items()}
    selection = Selection(capacity, window=window or 0, chunk=chunk, **CHOICES[choice])
    test = None if predictor is None else InnovationTest(PREDICTORS[predictor], "squared", selection)
    more |= {"slot_positions": bool(rng.integers(2)), "mixer": MIXERS[mixer], "test": test} | rest
    return BMojo.random(D, heads=4, groups=2, width=4, window=window, tied=tied, rng=rng, **more)


def in_blocks(layer, x, cuts, seq_idx=None, between=lambda state: state):
    """The stream in blocks that end at these cuts."""
    state, found, edges = None, [], [0, *sorted(cuts), x.shape[-2]]
    for a, b in zip(edges, edges[1:], strict=False):
        now = None if seq_idx is None else seq_idx[..., a:b]
        part, state = stream(layer, between(state), x[..., a:b, :], seq_idx=now)
        found.append(part)
    axis = x.ndim - 2
    return Reading(*(np.concatenate([getattr(p, n) for p in found], axis=axis) for n in Reading.__slots__)), state


def modes(layer, x, cuts=(), seq_idx=None):
    """One reading for each mode."""
    return {
        "sequential": sequential(layer, x, seq_idx=seq_idx),
        "chunked": chunked(layer, x, chunk=5, seq_idx=seq_idx),
        "two-pass": two_pass(layer, x, seq_idx=seq_idx),
        "stream": in_blocks(layer, x, cuts, seq_idx)[0],
    }


def agree(found, error):
    """Indices and statistics bit for bit; values within the sum of two bounds, those of compiled code to the bit."""
    want = found["sequential"]
    for mode, got in found.items():
        assert np.array_equal(got.places, want.places), mode
        assert np.array_equal(got.admitted, want.admitted), mode
        assert np.array_equal(got.surprise, want.surprise), mode
        assert (np.abs(got.y - want.y) <= 2 * error).all(), mode
    if "chunked" in found:
        assert np.array_equal(found["chunked"].y, found["stream"].y)


half = settings(max_examples=max(10, settings().max_examples // 2))
drawn = given(
    seed=st.integers(0, 2**32), T=st.integers(0, 24), window=st.sampled_from([0, 1, 3, 40]),
    capacity=st.sampled_from([0, 1, 3, 60]), chunk=st.integers(1, 6), mixer=st.sampled_from(list(MIXERS)),
    predictor=st.sampled_from([*PREDICTORS, None]), choice=st.sampled_from(list(CHOICES)), tied=st.booleans(),
    kind=st.sampled_from(KINDS), packed=st.booleans(), cuts=st.lists(st.integers(0, 24), max_size=4),
)  # fmt: skip


@half
@drawn
def test_four_modes_keep_the_same_tokens(seed, T, kind, packed, cuts, **structure):
    """Every structure of the layer, hard sequences, documents, blocks of any length, empty ones included."""
    one, rng = layer(seed, **structure), np.random.default_rng(seed)
    x, seq_idx = tokens(kind, T, rng), np.cumsum(rng.random(T) < 0.1) if packed else None
    found = modes(one, x, [min(c, T) for c in cuts], seq_idx)
    agree(found, bound(one, x, seq_idx=seq_idx).error)
    assert found["sequential"].places.shape == (T, one.capacity)


def by_the_op(one, x, seq_idx, route):
    """The op `bmojo_layer`, given normed tokens, fading tokens and features."""
    begins = np.diff(seq_idx, prepend=seq_idx[:1]) != 0
    norm = one.norm_weight
    u = x if norm is None else x / np.sqrt((x * x).mean(-1, keepdims=True) + one.norm_eps) * norm
    named = [name for name in BMOJO_LAYER.axes.arguments if getattr(one, name, None) is not None]
    given = {name: getattr(one, name) for name in (*named, "slot_positions", "window")}
    names = ("capacity", "rule", "threshold", "count", "eviction", "visibility", "chunk", "entry", "seed")
    given |= {name: getattr(one.test.selection, name) for name in names}
    if one.rotary is not None:
        time = np.arange(len(x))
        angle = (time - np.maximum.accumulate(np.where(begins, time, 0)))[:, None] * one.rotary.frequencies
        given |= {"cos": np.cos(angle), "sin": np.sin(angle)}
    fading, features = one.mixer(u, begins=begins).tokens, SLOW(u, begins=begins).features
    given |= {"fading": fading, "features": features, "predictor_weight": GUESS, "x": u, "seq_idx": seq_idx}
    batched = {name: a[None] if name in ("x", "fading", "features", "seq_idx") else a for name, a in given.items()}
    return [a[0] for a in route(**batched)]


@half
@given(
    seed=st.integers(0, 2**32), T=st.integers(1, 24), window=st.sampled_from([0, 1, 3]), tied=st.booleans(),
    choice=st.sampled_from(list(CHOICES)), mixer=st.sampled_from(["diagonal", "mamba1"]),
)  # fmt: skip
def test_the_layer_is_the_op(seed, T, **structure):
    """With a given predictor: the textbook loop of the op keeps the same tokens of random ones, and has the values.

    The statistics differ by roundings, which decide between no two random tokens; those of the norm and of the
    tables of positions come to the bound.
    """
    one, rng = layer(seed, predictor="given", **structure), np.random.default_rng(seed)
    x, seq_idx = rng.standard_normal((T, D)), np.cumsum(rng.random(T) < 0.1)
    read, error = sequential(one, x, seq_idx=seq_idx), bound(one, x, seq_idx=seq_idx).error
    y, surprise, places = by_the_op(one, x, seq_idx, BMOJO_LAYER.direct)
    np.testing.assert_allclose(read.surprise, surprise, rtol=1e-13, atol=1e-15)
    assert np.array_equal(read.places, places)
    assert (np.abs(read.y - y) <= 2 * error + 1e-12 * np.abs(y).max()).all()


@pytest.mark.parametrize("name", ["query_weight", "key_weight", "value_weight", "output_weight", "value_bias"])
def test_the_bound_says_something(name):
    """The control: one entry of one weight that is off by 1e-9 leaves the bound by far, with the same selection."""
    rng = np.random.default_rng(1)
    more = {"value_bias": rng.standard_normal((2, 4)), "query_norm": None, "key_norm": None}
    one, x = layer(0, **more), tokens("random", 20, rng)
    error, weight = bound(one, x).error, np.array(getattr(one, name))
    weight.flat[0] += 1e-9
    other = dataclasses.replace(one, **{name: weight})
    assert error.max() < 1e-11
    assert (np.abs(sequential(other, x).y - sequential(one, x).y) > 10 * error).any()


@pytest.mark.parametrize("choice", CHOICES)
def test_a_prompt_then_tokens_is_one_pass_at_every_split(choice):
    """Bit for bit, so that further layers of a stack go on alike; every split, and after it one token at a time."""
    one, x = layer(3, choice=choice, mixer="mamba1"), tokens("random", 17, np.random.default_rng(2))
    want, _ = in_blocks(one, x, [])
    agree({"sequential": sequential(one, x), "one pass": want}, bound(one, x).error)
    for prompt in range(18):
        got, _ = in_blocks(one, x, range(prompt, 18))
        for name in Reading.__slots__:
            assert np.array_equal(getattr(got, name), getattr(want, name)), prompt


def test_a_forgotten_state_is_seen():
    """The controls: predictor, memory or window lost at a split change what is selected, or what is read."""
    one, x = layer(3, choice="smallest"), tokens("random", 24, np.random.default_rng(2))
    want, error = sequential(one, x), bound(one, x).error

    def lost(part):
        def forget(state):
            test = None if state is None else state.carried.test
            if test is None:
                return state
            carried = dataclasses.replace(state.carried, test=dataclasses.replace(test, **{part: None}))
            return dataclasses.replace(state, carried=carried)

        return forget

    got, _ = in_blocks(one, x, [11], between=lost("predictor"))
    assert not np.array_equal(got.surprise, want.surprise)

    def without(state):
        return state and dataclasses.replace(state, kept=type(state.kept)(*(0 * a for a in state.kept)))

    got, _ = in_blocks(one, x, [11], between=without)
    assert np.array_equal(got.places, want.places)
    assert (np.abs(got.y - want.y) > 10 * error).any()


@pytest.mark.parametrize("choice", ["top", "fifo-leaving", "chunk"])
def test_a_stream_goes_on_from_a_file(choice, tmp_path):
    """Saved and loaded between all blocks: the same bits, documents included."""
    one, rng = layer(5, choice=choice, mixer="mamba2"), np.random.default_rng(6)
    x, seq_idx = tokens("random", 30, rng, (2,)), np.cumsum(rng.random((2, 30)) < 0.1, axis=-1)

    def through_a_file(state):
        save_state(tmp_path / "state.npz", state)
        return load_state(tmp_path / "state.npz")

    got, _ = in_blocks(one, x, [7, 8, 8, 21], seq_idx, between=through_a_file)
    want, _ = in_blocks(one, x, [7, 8, 8, 21], seq_idx)
    for name in Reading.__slots__:
        assert np.array_equal(getattr(got, name), getattr(want, name))


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("choice", ["top", "fifo", "chunk"])
def test_documents_in_a_row_are_as_each_by_itself(mixer, choice):
    """Places count from the start of the stream, and nothing else is different; the control has no boundary."""
    one, x = layer(7, mixer=mixer, choice=choice), tokens("random", 22, np.random.default_rng(8))
    seq_idx = (np.arange(22) >= 9).astype(int)
    for mode in (sequential, chunked, two_pass, lambda *a, **k: in_blocks(a[0], a[1], [4, 13], k.get("seq_idx"))[0]):
        both, alone = mode(one, x, seq_idx=seq_idx), mode(one, x[9:])
        assert np.array_equal(both.places[9:], np.where(alone.places >= 0, alone.places + 9, -1))
        assert np.array_equal(both.surprise[9:], alone.surprise)
        assert (np.abs(both.y[9:] - alone.y) <= 2 * bound(one, x[9:]).error).all()
        assert not np.array_equal(mode(one, x).surprise[9:], alone.surprise)


@pytest.mark.parametrize("batch", [(), (0,), (2,), (2, 3)])
@pytest.mark.parametrize("T", [0, 1, 6])
def test_any_batch_and_any_length(batch, T):
    """Rows know nothing of one another: each alone gives its values and its places."""
    one, x = layer(11, capacity=9), tokens("random", T, np.random.default_rng(0), batch)
    found = modes(one, x, [T // 2])
    agree(found, bound(one, x).error)
    for i in np.ndindex(*batch):
        alone = sequential(one, x[i])
        assert np.array_equal(found["sequential"].places[i], alone.places)
        assert np.array_equal(found["sequential"].y[i], alone.y)


def size(state):
    """Numbers in a state."""
    if dataclasses.is_dataclass(state):
        return sum(size(getattr(state, f.name)) for f in dataclasses.fields(state))
    return sum(map(size, state)) if isinstance(state, tuple) else np.size(state) if state is not None else 0


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("mixer", ["mamba1", "convolution"])
def test_state_and_work_do_not_grow(choice, mixer, monkeypatch):
    """The state has as many numbers after 60 tokens as after 240, and each token as many scores; full attention not."""
    pairs = []

    def counting(*, sources, **rest):
        pairs.append(sum(s.places.shape[-2] * s.places.shape[-1] for s in sources))
        return kernel(sources=sources, **rest)

    kernel = decode.kernel
    monkeypatch.setattr(decode, "kernel", counting)
    one, x = layer(13, choice=choice, mixer=mixer), tokens("random", 240, np.random.default_rng(1))
    cuts = range(20, 240, 20)
    state = None
    sizes = []
    for a in (0, *cuts):
        _, state = stream(one, state, x[a : a + 20])
        sizes.append(size(state))
    assert len(set(sizes[2:])) == 1
    assert set(pairs[2:]) == {20 * (one.window + one.capacity + one.width)}
    full, state = full_attention(one), None
    for a in (0, *cuts):
        _, state = stream(full, state, x[a : a + 20])
    assert size(state) > 2 * sizes[-1]
    assert pairs[-1] > 2 * pairs[5]


def test_settings_of_one_layer():
    """What is left out of the memory is left out of the sum, and nothing else changes."""
    one, x = layer(17), tokens("random", 12, np.random.default_rng(3))
    assert (without_memory(one).capacity, window_only(one).width, mixer_only(one).width) == (0, 0, 1)
    assert (mixer_only(one).lag, mixer_only(one).window, full_attention(one).window) == (0, 0, None)
    ys = [sequential(change(one), x).y for change in (without_memory, window_only, full_attention, mixer_only)]
    for y in ys:
        assert np.abs(y - sequential(one, x).y).max() > 1e-3
    # a window of two shows the same to the first two queries, whatever else there is
    assert np.allclose(ys[1][:3], ys[2][:3], rtol=0, atol=1e-14)


@pytest.mark.parametrize("interleaved", [False, True])
def test_a_table_of_positions_is_as_good_as_frequencies(interleaved):
    """The same bits as far as the table goes, in every mode; pairs of other columns are another layer."""
    x = tokens("random", 12, np.random.default_rng(1))
    one = layer(0, rotary=Rotary.of_width(4, interleaved=interleaved))
    cos, sin = one.rotary.at(np.arange(12))
    other = dataclasses.replace(one, rotary=Rotary(cos=cos, sin=sin, interleaved=interleaved))
    turned = dataclasses.replace(one, rotary=Rotary(cos=cos, sin=sin, interleaved=not interleaved))
    for first, second, third in zip(*(modes(it, x, [5]).values() for it in (one, other, turned)), strict=True):
        assert np.array_equal(first.y, second.y)
        assert np.abs(first.y - third.y).max() > 1e-3


REFUSED = {
    "window=-1": ({"window": -1, "predictor": None}, "a whole number of tokens, 0 or more"),
    "window=1.5": ({"window": 1.5, "predictor": None}, "a whole number of tokens, 0 or more"),
    "fading_lag": ({"fading_lag": -2}, "fading_lag=-2 given"),
    "fading_width": ({"fading_width": True}, "fading_width=True given"),
    "scale": ({"scale": np.inf}, "scale=inf given"),
    "slot_positions": ({"slot_positions": 1}, "slot_positions=1 given; True or False"),
    "groups": ({f"{name}_weight": np.ones((3, 4, D)) for name in ("key", "value")}, "3 groups, query_weight 4 heads"),
    "mixer": ({"mixer": "rnn"}, "mixer is 'rnn'; a fading mixer"),
    "mixer width": ({"mixer": Identity(5)}, "takes tokens of width 5"),
    "test": ({"test": 3}, "test is 3; an InnovationTest"),
    "window of the test": ({"test": InnovationTest(associative(), "squared", Selection(2, window=5))}, "window=5, the"),
    "all that is past": ({"window": None, "test": None}, "fading_lag and fading_width have no default"),
    "rotary": ({"rotary": Rotary([1.0, 2.0, 3.0])}, "turns 3 pairs of columns, but keys have 4"),
    "NaN": ({"norm_weight": np.full(D, np.nan)}, "norm_weight has 4 entries that are NaN"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused(name):
    change, message = REFUSED[name]
    good = layer(0)
    rest = {"window": 3} | {key: value for key, value in change.items() if key != "predictor"}
    test = {} if "predictor" not in change else {"test": None}
    with pytest.raises(ShapeError, match=message):
        dataclasses.replace(good, **rest | test)


def test_tokens_and_blocks_that_do_not_fit_are_refused():
    one, x = layer(0, choice="fifo"), np.zeros((6, D))
    for mode in (sequential, chunked, two_pass):
        for bad in (np.nan, np.inf):
            with pytest.raises(ShapeError, match="NaN or infinite"):
                mode(one, np.where(np.arange(6)[:, None] == 4, bad, x))
        with pytest.raises(ShapeError, match=r"real tokens \(..., T, 4\) are needed"):
            mode(one, x[:, :3])
        with pytest.raises(ShapeError, match="seq_idx has shape"):
            mode(one, x, seq_idx=np.zeros(5, int))
    with pytest.raises(ShapeError, match="chunk=0 given"):
        chunked(one, x, chunk=0)
    _, state = stream(one, None, x)
    with pytest.raises(ShapeError, match="give it for all or for none"):
        stream(one, state, x, seq_idx=np.zeros(6, int))
    with pytest.raises(ShapeError, match="position 11; the tables cos and sin have 6 rows"):
        stream(dataclasses.replace(one, rotary=Rotary(cos=np.ones((6, 2)), sin=np.zeros((6, 2)))), state, x)
    with pytest.raises(ShapeError, match="needs frequencies"):
        Rotary()


@pytest.mark.parametrize("mode", [sequential, chunked, two_pass, lambda one, x: stream(one, None, x)[0]])
def test_tokens_whose_squares_overflow(mode):
    """A norm takes the size away, exactly for powers of two; without one the scores overflow, and that is said."""
    one, x = BMojo.random(D, window=3, norm_weight=np.ones(D), norm_eps=0.0, rng=0), np.eye(D)[:3] + 0.5
    assert np.array_equal(mode(one, 2.0**700 * x).y, mode(one, x).y)
    with pytest.raises(StructureError, match=r"before the projections reach \d.\de\+210"), np.errstate(all="ignore"):
        mode(dataclasses.replace(one, norm_weight=None), 2.0**700 * x)


def test_a_state_of_another_layer_is_refused():
    """Of other rows, of another window, of another kind: the control is its own, which goes on."""
    one, x = layer(0), np.random.default_rng(1).standard_normal((6, D))
    _, state = stream(one, None, x)
    stream(one, state, x)
    for other, block, said in (
        (one, np.stack([x, x]), r"recent.key has shape \(6, 2, 4\); \(2, 6, 2, 4\) is needed"),
        (layer(0, window=1), x, r"recent.key has shape \(6, 2, 4\); \(5, 2, 4\)"),
        (layer(0, capacity=4), x, r"kept.key has shape \(3, 2, 4\); \(4, 2, 4\)"),
        (dataclasses.replace(one, fading_lag=1), x, r"fading.key has shape \(5, 2, 4\); \(3, 2, 4\)"),
    ):
        with pytest.raises(ShapeError, match=said):
            stream(other, state, block)
    with pytest.raises(ShapeError, match="state is a int; the Stream of the block before"):
        stream(one, 3, x)
    with pytest.raises(ShapeError, match="heads=0 given"):
        BMojo.random(D, heads=0, window=1, rng=0)


def test_a_test_that_comes_back_to_what_it_dropped_is_refused():
    """A stream holds what can still be seen, and says so where a selection of another kind asks for more."""

    class Back:
        selection = Selection(1, window=3, chunk=1)

        def test(self, u, *, seq_idx=None, state=None):
            time = 0 if state is None else state
            now = time + np.arange(len(u))
            places = np.where(now > 12, 1, -1)[:, None]
            return InnovationResult(np.zeros(len(u)), places, now > 12, time + len(u))

    one, x = dataclasses.replace(layer(0), test=Back()), np.zeros((20, D))
    stream(one, None, x)
    with pytest.raises(StructureError, match="token 1 is selected; remembered are tokens from"):
        in_blocks(one, x, range(20))


@dataclasses.dataclass
class InnovationResult:
    surprise: np.ndarray
    places: np.ndarray
    admitted: np.ndarray
    state: int


def test_by_default_the_next_token_is_predicted_from_the_state_of_the_layers_own_mixer():
    """With squares of innovations, as spelt out; a layer without a mixer has to be told what is expected."""
    x = np.random.default_rng(0).standard_normal((60, D))
    layer = BMojo.random(D, window=3, mixer=SLOW, rng=1)
    chosen = Selection(4, window=3, chunk=8)
    spelt = dataclasses.replace(layer, test=InnovationTest(state_predictor(SLOW, Fitted()), "squared", chosen))
    found, want = (chunked(each, x) for each in (with_memory(layer, 4, chunk=8), spelt))
    assert (found.surprise == want.surprise).all()
    assert (found.places == want.places).all()
    other = chunked(with_memory(layer, 4, chunk=8, predictor=fitted_autoregression(1)), x)
    assert (other.surprise != want.surprise).any()
    with pytest.raises(ShapeError, match="no mixer from whose state the next token is predicted"):
        with_memory(window_only(layer), 4)
