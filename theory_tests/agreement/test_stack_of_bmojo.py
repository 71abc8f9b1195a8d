"""B'MOJO layers in a stack that reads bytes: its modes, its file, and the tokens it keeps further up."""

import dataclasses
import functools

import numpy as np
import pytest

from realization.core.errors import ShapeError
from realization.layers.bmojo import BMojo, Rotary, chunked, sequential, two_pass, window_only
from realization.layers.fading import Diagonal, Mamba1, Mamba2
from realization.layers.stack import (
    Block,
    FromPast,
    FromState,
    GatedMLP,
    Stack,
    forward,
    load,
    near_ties,
    save,
)
from realization.memory.planted import source_text
from realization.memory.selection import Fitted, Given, InnovationTest, Selection

D, WINDOW, T = 12, 6, 70
MODES = {"sequential": sequential, "chunked": functools.partial(chunked, chunk=16), "two_pass": two_pass}


def layer(mixer, seed, predictor=None, *, rotary=True, **selection):
    """A layer with a window, selected and fading tokens, whose test predicts from the states of other modes."""
    predictor = predictor or FromState(Diagonal.random(D, 5, rng=seed + 1), Fitted(ridge=1e-3))
    test = InnovationTest(predictor, "relative", Selection(5, window=WINDOW, chunk=8, **selection))
    turned = Rotary.of_width(6) if rotary else None
    return BMojo.random(D, heads=2, window=WINDOW, mixer=mixer, test=test, rotary=turned, rng=seed)


def stacked(*layers):
    def block(mixer, i):
        rng = np.random.default_rng(i)
        mlp = GatedMLP(*(0.3 * rng.standard_normal(shape) for shape in ((20, D), (20, D), (D, 20))))
        return Block(1 + 0.1 * rng.standard_normal(D), mixer, np.ones(D), mlp)

    embedding = np.random.default_rng(9).standard_normal((256, D))
    return Stack(embedding, tuple(block(mixer, i) for i, mixer in enumerate(layers)), np.ones(D))


@functools.cache
def full():
    """Three layers with three fading memories; the second admits what exceeds a threshold as it leaves the window."""
    return stacked(
        layer(Mamba1.random(D, 3, rng=0), 0),
        layer(Mamba2.random(D, 3, rng=1), 1, rule="threshold", threshold=0.5, eviction="fifo", entry="leaving"),
        layer(Diagonal.random(D, 4, rng=2), 2, FromPast(np.eye(D)[None] * 0.5), visibility="at-once"),
    )


def text():
    return np.stack([source_text(T, seed=seed) for seed in (3, 4)])


def close(one, other):
    """Numbers of order 1 after three layers: rounding of 1e-16 grows to 1e-11 at most."""
    return abs(one.logits - other.logits).max() < 1e-10 * abs(one.logits).max()


@pytest.mark.parametrize("mode", MODES)
def test_modes_agree_in_every_layer_on_bytes(mode):
    """The first layer keeps the same tokens exactly; the others too, for no near-tie lies in this text."""
    stack, tokens = full(), text()
    one, other = forward(stack, tokens), forward(stack, tokens, mode=MODES[mode])
    assert close(one, other)
    assert np.array_equal(one.layers[0].surprise, other.layers[0].surprise)
    for ties, a in zip(near_ties(stack, one, other), one.layers, strict=True):
        assert not ties.differ.any()
        assert not ties.near.any()
        assert (a.places[:, WINDOW + 8 :] >= 0).any(), "something is selected"
    # control: without memory the logits are others
    windows = tuple(dataclasses.replace(b, mixer=window_only(b.mixer)) for b in stack.blocks)
    assert not close(one, forward(dataclasses.replace(stack, blocks=windows), tokens, mode=MODES[mode]))


@pytest.mark.parametrize("cut", [0, 1, WINDOW, 33, T - 1, T])
def test_prefill_then_decode_is_one_pass(cut):
    """To the bit in every layer, and so what is kept; chunks give the same bits."""
    stack, tokens = full(), text()
    whole, first = forward(stack, tokens), forward(stack, tokens[:, :cut])
    state, pieces, places = first.state, [first.logits], [[a.places for a in first.layers]]
    for t in range(cut, T):
        one = forward(stack, tokens[:, t : t + 1], state)
        state = one.state
        pieces.append(one.logits)
        places.append([a.places for a in one.layers])
    assert np.array_equal(np.concatenate(pieces, 1), whole.logits)
    assert np.array_equal(forward(stack, tokens, mode=MODES["chunked"]).logits, whole.logits)
    for i, a in enumerate(whole.layers):
        assert np.array_equal(np.concatenate([p[i] for p in places], 1), a.places)


def packed_stack():
    """The full stack, with a fading memory by itself between its layers."""
    stack = full()
    alone = Block(np.ones(D), Mamba2.random(D, 3, rng=7))
    return dataclasses.replace(stack, blocks=(stack.blocks[0], alone, *stack.blocks[1:]))


@pytest.mark.parametrize("mode", [None, *MODES])
def test_documents_do_not_see_each_other(mode):
    """Three documents in one sequence are three sequences: every memory begins afresh, chunks and positions too."""
    stack, tokens, cuts, run = packed_stack(), text()[0], (23, 24), MODES.get(mode)
    seq_idx = np.repeat([4, 1, 4], np.diff([0, *cuts, T]))
    read = forward(stack, tokens, mode=run, seq_idx=seq_idx)
    stream, packed = forward(stack, tokens, seq_idx=seq_idx), read.logits
    assert not any(t.differ.any() or t.near.any() for t in near_ties(stack, stream, read, seq_idx=seq_idx) if t)
    alone = np.concatenate([forward(stack, part, mode=run).logits for part in np.split(tokens, cuts)])
    assert abs(packed - alone).max() < 1e-10 * abs(alone).max()
    # control: without the boundaries they do
    assert abs(forward(stack, tokens, mode=run).logits - alone).max() > 1e-3


@pytest.mark.parametrize("cut", [0, 1, 23, 24, 50])
def test_a_stream_of_documents_may_be_cut_anywhere(cut):
    stack, tokens = packed_stack(), text()
    seq_idx = np.repeat([[0, 1, 2], [5, 5, 6]], np.diff([0, 23, 24, T]), axis=1)
    whole = forward(stack, tokens, seq_idx=seq_idx)
    first = forward(stack, tokens[:, :cut], seq_idx=seq_idx[:, :cut])
    second = forward(stack, tokens[:, cut:], first.state, seq_idx=seq_idx[:, cut:])
    assert np.array_equal(np.concatenate([first.logits, second.logits], 1), whole.logits)


def test_documents_that_are_none():
    stack, tokens = packed_stack(), text()
    for wrong, said in ((np.zeros(T, int), r"shape \(70,\)"), (np.zeros((2, T)), "dtype float64")):
        with pytest.raises(ShapeError, match=said):
            forward(stack, tokens, seq_idx=wrong)
    alone = dataclasses.replace(stack, blocks=stack.blocks[1:2])
    for one in (stack, alone):
        state = forward(one, tokens[:, :5]).state
        with pytest.raises(ShapeError, match="for all or for none"):
            forward(one, tokens[:, 5:], state, seq_idx=np.zeros((2, T - 5), int))


def constant():
    """Two layers without positions whose statistic is the square of a token, on a text of one byte.

    Beyond the window all tokens of the second layer are equal but for rounding, so that it decides.
    """

    def still(seed):
        zero = FromPast(np.zeros((1, D)))
        test = InnovationTest(zero, "squared", Selection(4, window=WINDOW, chunk=8))
        return BMojo.random(D, heads=2, window=WINDOW, test=test, rng=seed)

    return stacked(still(0), still(1)), np.full((1, T), 101)


def test_near_ties_of_the_second_layer_are_reported():
    """All tokens are a tie: the first layer breaks it alike in all modes, the second by rounding, and that is said."""
    stack, tokens = constant()
    one = forward(stack, tokens)
    differ = False
    for mode in (sequential, two_pass):
        first, second = near_ties(stack, one, forward(stack, tokens, mode=mode))
        assert not first.error.any()
        assert not first.differ.any()
        assert not second.unexplained.any()
        assert second.error.max() < 1e-12 * one.layers[1].surprise.max()
        differ |= second.differ.any()
    assert differ, "control: rounding does decide"


def test_a_wrong_choice_is_no_near_tie():
    """Control: a run that shows the query of token 40 a place that it should not see."""
    stack, tokens = full(), text()
    one = forward(stack, tokens)
    places = one.layers[1].places.copy()
    places[0, 40, 0] = 0 if places[0, 40, 0] else 1
    layers = (one.layers[0], dataclasses.replace(one.layers[1], places=places), one.layers[2])
    ties = near_ties(stack, one, dataclasses.replace(one, layers=layers))
    assert np.argwhere(ties[1].unexplained).tolist() == [[0, 40]]
    assert not ties[0].differ.any()
    with pytest.raises(ShapeError, match="on the same tokens"):
        near_ties(stack, one, forward(stack, tokens[:, :9]))


def test_a_file_holds_every_memory(tmp_path):
    """Window, selection, predictor and mixer come back: the same logits to the bit."""
    path, stack = tmp_path / "x.safetensors", full()
    save(path, stack)
    back = load(path)
    assert np.array_equal(forward(back, text()).logits, forward(stack, text()).logits)
    assert back.blocks[1].mixer.test.selection.threshold == 0.5
    # control: with the selection of another capacity
    said = path.read_bytes()
    path.write_bytes(said.replace(b'\\"capacity\\": 5', b'\\"capacity\\": 1'))
    assert not np.array_equal(forward(load(path), text()).logits, forward(stack, text()).logits)


def test_what_no_file_holds(tmp_path):
    """A covariance and a prior are arrays; a predictor that is a function is code."""
    prior = (np.eye(D), 3.0)
    given = InnovationTest(FromState(Diagonal.random(D, 2, rng=0), Given(np.ones((D, 2)))), "whitened",
                           Selection(2, window=WINDOW), prior=prior)  # fmt: skip
    stack = stacked(BMojo.random(D, window=WINDOW, test=given, rng=0))
    save(tmp_path / "x.safetensors", stack)
    back = load(tmp_path / "x.safetensors").blocks[0].mixer.test
    assert np.array_equal(back.prior[0], prior[0])
    assert back.prior[1] == 3.0
    code = dataclasses.replace(given, predictor=lambda tokens, state=None, begins=None: None)
    with pytest.raises(ShapeError, match=r"blocks\.0\.mixer\.test\.predictor is a function; a file holds numbers"):
        save(tmp_path / "y.safetensors", stacked(BMojo.random(D, window=WINDOW, test=code, rng=0)))


def test_a_state_is_not_for_a_mode():
    stack, tokens = full(), text()
    state = forward(stack, tokens[:, :5]).state
    with pytest.raises(ShapeError, match="a mode reads a whole sequence"):
        forward(stack, tokens, state, mode=two_pass)
    assert all(after is None for after in forward(stack, tokens, mode=two_pass).state)
