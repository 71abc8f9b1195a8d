"""A stack against its equations written out with textbook loops, in one pass and in pieces; and its file."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.core.rounding import round_to
from realization.layers import OPS
from realization.layers.bmojo import BMojo, Rotary
from realization.layers.fading import Mamba1, Mamba2
from realization.layers.mixers import direct_mamba, direct_mamba2
from realization.layers.stack import Block, GatedMLP, Stack, forward, load, save
from realization.memory.planted import source_text as text
from realization.memory.tensors import INDEX, Tensors, write_tensors

D, V = 8, 256


def attention(draw, *, window=5):
    biases = {"query_bias": draw(4, 6), "key_bias": draw(2, 6), "value_bias": draw(2, 5), "output_bias": draw(D)}
    return BMojo(
        draw(4, 6, D), draw(2, 6, D), draw(2, 5, D), draw(D, 4, 5), window, query_norm=1 + draw(6), **biases,
        key_norm=1 + draw(6), rotary=Rotary.of_width(4, theta=100.0),
    )  # fmt: skip


def mamba(draw):
    return Mamba1(
        in_weight=draw(24, D), conv_weight=draw(12, 4), conv_bias=draw(12), x_weight=draw(3 + 2 * 5, 12),
        dt_weight=draw(12, 3), dt_bias=draw(12) - 1, A_log=draw(12, 5), D=draw(12), out_weight=draw(D, 12),
    )  # fmt: skip


def mamba2(draw):
    return Mamba2(
        in_weight=draw(16 + 28 + 4, D), conv_weight=draw(28, 4), conv_bias=draw(28), dt_bias=draw(4) - 1, A_log=draw(4),
        D=draw(4), norm_weight=1 + draw(16), out_weight=draw(D, 16), groups=2, eps=1e-5,
    )  # fmt: skip


MIXERS = {"attention": attention, "mamba": mamba, "mamba2": mamba2}


def drawn(rng, kinds=("attention", "mamba", "mamba2"), *, tied=False):
    """A stack with one block for each kind, of which only those of attention have an MLP."""

    def draw(*shape):
        return 0.4 * rng.standard_normal(shape)

    blocks = []
    for kind in kinds:
        mlp = {"mlp_norm": 1 + draw(D), "mlp": GatedMLP(draw(12, D), draw(12, D), draw(D, 12))}
        blocks.append(Block(1 + draw(D), MIXERS[kind](draw), **(mlp if kind == "attention" else {})))
    head = None if tied else draw(V, D)
    return Stack(2.5 * draw(V, D), tuple(blocks), 1 + draw(D), head=head, norm_eps=1e-5)


def norm(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def mixed(mixer, x):
    """The second route of each mixer: sums written out, and the textbook loop."""
    if not isinstance(mixer, BMojo):
        names = [f.name for f in dataclasses.fields(mixer)]
        weights = {name: getattr(mixer, name) for name in names if getattr(mixer, name) is not None}
        return (direct_mamba if isinstance(mixer, Mamba1) else direct_mamba2)(x=x, **weights).y
    streams = {
        name: np.einsum("...d,hkd->...hk", x, getattr(mixer, f"{name}_weight")) + getattr(mixer, f"{name}_bias")
        for name in ("query", "key", "value")
    }
    angle = np.arange(x.shape[1])[:, None] * 100.0 ** (-2 * np.arange(2) / 4)
    read = OPS["sliding_window_attention"].direct(
        **streams, window=mixer.window, cos=np.cos(angle), sin=np.sin(angle), query_norm=mixer.query_norm,
        key_norm=mixer.key_norm, norm_eps=mixer.norm_eps,
    )  # fmt: skip
    return np.einsum("...hv,dhv->...d", read.y, mixer.output_weight) + mixer.output_bias


def by_hand(stack, tokens):
    x = stack.embedding[tokens]
    for block in stack.blocks:
        x = x + mixed(block.mixer, norm(x, block.norm, stack.norm_eps))
        if block.mlp is not None:
            z = norm(x, block.mlp_norm, stack.norm_eps)
            gate = z @ block.mlp.gate.T
            x = x + (gate / (1 + np.exp(-gate)) * (z @ block.mlp.up.T)) @ block.mlp.down.T
    return norm(x, stack.norm, stack.norm_eps) @ (stack.embedding if stack.head is None else stack.head).T


@settings(max_examples=6)
@given(seed=st.integers(0, 2**20), kind=st.sampled_from([*MIXERS, "all"]), tied=st.booleans())
def test_a_stack_is_what_its_equations_say(seed, kind, tied):
    """Both routes work in float64 on numbers of order 1, some hundred operations deep: 1e-11 of the largest logit."""
    rng = np.random.default_rng(seed)
    stack = drawn(rng, tuple(MIXERS) if kind == "all" else (kind,), tied=tied)
    tokens = rng.integers(0, V, (2, 17))
    got, want = forward(stack, tokens).logits, by_hand(stack, tokens)
    assert abs(got - want).max() < 1e-11 * abs(want).max()
    # control: the same stack with a final norm a little off
    assert abs(got - by_hand(dataclasses.replace(stack, norm=stack.norm * 1.001), tokens)).max() > 1e-6


@settings(max_examples=12)
@given(seed=st.integers(0, 2**20), data=st.data(), attends=st.booleans())
def test_a_stack_in_pieces_is_that_in_one_pass(seed, data, attends):
    """To the bit: every sum has an order of its own, whatever else is computed beside it."""
    rng = np.random.default_rng(seed)
    stack = drawn(rng, ("attention", "mamba", "mamba2") if attends else ("mamba", "mamba2"))
    tokens = np.stack([text(21, seed=seed % 97), rng.integers(0, V, 21)])
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, 21), max_size=4))), 21]
    whole, state, pieces = forward(stack, tokens), None, []
    for begin, end in zip(cuts, cuts[1:], strict=False):
        out = forward(stack, tokens[:, begin:end], state)
        state = out.state
        pieces.append(out.logits)
    assert np.array_equal(np.concatenate(pieces, 1), whole.logits)
    # control: a second piece that has forgotten the first
    if 0 < cuts[1] < 21:
        assert not np.array_equal(forward(stack, tokens[:, cuts[1] :]).logits, whole.logits[:, cuts[1] :])


def test_the_state_of_a_stack_does_not_grow():
    stack = drawn(np.random.default_rng(0))
    short, long = (forward(stack, text(n)).state for n in (20, 90))
    assert short[0].recent.key.shape == long[0].recent.key.shape == (4, 2, 6)
    # control: without a window it does
    open_ended = drawn(np.random.default_rng(0), ("attention",))
    mixer = dataclasses.replace(open_ended.blocks[0].mixer, window=None)
    block = dataclasses.replace(open_ended.blocks[0], mixer=mixer)
    state = forward(dataclasses.replace(open_ended, blocks=(block,)), text(90)).state
    assert state[0].recent.key.shape == (90, 2, 6)


def test_batch_axes_and_empty_input():
    stack = drawn(np.random.default_rng(1))
    tokens = text(12).reshape(3, 2, 2)
    one = forward(stack, tokens)
    assert np.array_equal(one.logits[2, 1], forward(stack, tokens[2, 1]).logits)
    assert forward(stack, np.zeros((3, 0), int)).logits.shape == (3, 0, V)
    assert forward(stack, np.zeros((0, 5), int)).logits.shape == (0, 5, V)
    assert forward(stack, []).logits.shape == (0, V)
    after = forward(stack, tokens[0, 0], forward(stack, np.zeros(0, int)).state)
    assert np.array_equal(after.logits, forward(stack, tokens[0, 0]).logits)


@pytest.mark.parametrize(
    "tokens, said",
    [
        ([0, 256], "the first, 256, at \\(1,\\); 0 to 255 are needed"),
        ([-1], "outside the vocabulary"),
        ([1.0], "dtype float64; integers"),
        ([True], "dtype bool; integers"),
        (7, r"\[7\] for one token"),
    ],
)
def test_tokens_that_are_none(tokens, said):
    with pytest.raises(ShapeError, match=said):
        forward(drawn(np.random.default_rng(0), ("mamba",)), tokens)


def test_a_state_of_another_stack():
    one, two = (drawn(np.random.default_rng(0), kinds) for kinds in (("mamba",), ("mamba", "mamba2")))
    with pytest.raises(ShapeError, match="state of 1 blocks given, the stack has 2"):
        forward(two, [1], forward(one, [1]).state)


@pytest.mark.parametrize("dtype", ["F64", "F32", "BF16", "F16"])
def test_a_file_gives_back_the_stack(tmp_path, dtype):
    """Exactly in float64; rounded once in a smaller format and widened exactly, so that logits differ."""
    stack, path = drawn(np.random.default_rng(2)), tmp_path / "stack.safetensors"
    save(path, stack, dtype=dtype)
    back = load(path)
    form = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}[dtype]
    assert np.array_equal(back.blocks[0].mixer.query_weight, round_to(stack.blocks[0].mixer.query_weight, form))
    assert np.array_equal(back.blocks[2].mixer.A_log, round_to(stack.blocks[2].mixer.A_log, form))
    rotary = [s.blocks[0].mixer.rotary.frequencies for s in (stack, back)]
    assert np.array_equal(round_to(rotary[0], form), rotary[1])
    assert back.blocks[2].mixer.groups == 2
    same = np.array_equal(forward(back, text(20)).logits, forward(stack, text(20)).logits)
    assert same == (dtype == "F64")


def test_names_are_places(tmp_path):
    save(tmp_path / "x.safetensors", drawn(np.random.default_rng(2), tied=True))
    names = set(Tensors(tmp_path / "x.safetensors"))
    assert {"embedding", "norm", "blocks.0.mixer.query_norm", "blocks.0.mlp.gate", "blocks.2.mixer.A_log"} < names
    assert "head" not in names


def test_several_files(tmp_path):
    """Weights in two shards with an index, the tree beside them; then without the tree."""
    stack = drawn(np.random.default_rng(3))
    save(tmp_path / "one.safetensors", stack)
    file = Tensors(tmp_path / "one.safetensors")
    shards = {name: f"shard-{i % 2}.safetensors" for i, name in enumerate(file)}
    for shard in set(shards.values()):
        write_tensors(tmp_path / shard, {name: file[name] for name in file if shards[name] == shard}, dtype="F64")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(ShapeError, match="does not say what its weights are"):
        load(tmp_path)
    (tmp_path / "stack.json").write_text(file.metadata["realization.stack"])
    for path in (tmp_path, tmp_path / INDEX):
        assert np.array_equal(forward(load(path), text(9)).logits, forward(stack, text(9)).logits)


def rewritten(tmp_path, change):
    """The file of a stack after a change of its tensors."""
    path = tmp_path / "x.safetensors"
    save(path, drawn(np.random.default_rng(4)))
    file = Tensors(path)
    tensors = {name: (file[name], "F64") for name in file}
    change(tensors)
    write_tensors(path, tensors, metadata=file.metadata)
    return path


KEY = "blocks.0.mixer.key_weight"


def misspelt(tensors):
    tensors["blocks.0.mixer.kye_weight"] = tensors.pop(KEY)


def optional_misspelt(tensors):
    tensors["blocks.0.mixer.key_nrom"] = tensors.pop("blocks.0.mixer.key_norm")


def unknown(tensors):
    tensors["blocks.1.mixer.in_bais"] = (np.zeros(24), "F64")


def not_finite(tensors):
    tensors[KEY] = (np.where(np.arange(D) == 3, np.nan, tensors[KEY][0]), "F64")


@pytest.mark.parametrize(
    "change, said",
    [
        (misspelt, "blocks.0.mixer.key_weight is missing, of BMojo; nearest is blocks.0.mixer.kye_weight"),
        (optional_misspelt, "blocks.0.mixer.key_norm is missing, which the tree .+ is blocks.0.mixer.key_nrom"),
        (unknown, "blocks.1.mixer.in_bais is no weight of this stack; nearest is blocks.1.mixer.in_bias"),
        (not_finite, "blocks.0.mixer.key_weight has 12 entries that are NaN"),
        (lambda t: t.pop("blocks.0.mixer.query_norm"), "query_norm is missing, which the tree speaks of"),
        (lambda t: t.pop("head"), "head is missing"),
        (lambda t: t.update({KEY: (t[KEY][0][:, :5], "F64")}), r"blocks.0.mixer: key_weight has shape \(2, 5, 8\)"),
        (lambda t: t.update({"norm": (np.ones(7), "F64")}), r"stack: norm has shape \(7,\)"),
    ],
    ids=["missing", "misspelt", "unknown", "NaN", "norm missing", "head missing", "head", "width"],
)
def test_a_file_with_a_wrong_weight(tmp_path, change, said):
    with pytest.raises(ShapeError, match=said):
        load(rewritten(tmp_path, change))


def test_weights_are_floats(tmp_path):
    path = rewritten(tmp_path, lambda _: None)
    content = path.read_bytes()
    assert load(path)
    path.write_bytes(content.replace(b'"F64"', b'"I64"', 1))
    with pytest.raises(ShapeError, match="dtype I64; weights are floats"):
        load(path)
    path.write_bytes(content[:-8])
    with pytest.raises(ShapeError, match="not a whole safetensors file"):
        load(path)


@pytest.mark.parametrize(
    "old, new, said",
    [
        ('"window"', '"widow"', "blocks.0.mixer.widow is no option of BMojo; nearest is window"),
        ('"kind": "Mamba1"', '"kind": "Mamba3"', "blocks.1.mixer has kind 'Mamba3'; known are Stack"),
        ('"groups": 2', '"groups": 3', "blocks.2.mixer: 28 channels are convolved"),
        ('{"kind": "Stack"', '["kind", "Stack"', "is not JSON"),
        ('{"kind": "Stack"', '{"kind": ["Stack"]', r"the stack has kind \['Stack'\]"),
        ('"window": 5', '"window": "5"', "blocks.0.mixer: window='5' given"),
        ('"groups": 2', '"groups": "2"', "blocks.2.mixer: "),
        ('"norm_eps": 1e-05}', '"norm_eps": -1}', "stack: norm_eps=-1 given"),
        ('"kind": "Mamba1"', '"kind": "GatedMLP"', "blocks.1.mixer.conv_bias is no option of GatedMLP; nearest is"),
        ('"kind": "BMojo", "window": 5', '"kind": "BMojo"', "blocks.0.mixer.window is missing, of BMojo"),
        ('"mlp": {"kind": "GatedMLP"}', '"mlp": {"kind": "Rotary"}', "blocks.0.mlp: Rotary needs frequencies"),
    ],
)
def test_a_tree_that_is_wrong(tmp_path, old, new, said):
    path = rewritten(tmp_path, lambda _: None)
    file = Tensors(path)
    said_there = file.metadata["realization.stack"]
    assert old in said_there
    write_tensors(path, dict(file), metadata={"realization.stack": said_there.replace(old, new, 1)})
    with pytest.raises(ShapeError, match=said):
        load(path)


def test_parts_that_do_not_fit():
    with pytest.raises(ShapeError, match="mlp is missing; both or none"):
        Block(np.ones(4), None, mlp_norm=np.ones(4))
    with pytest.raises(ShapeError, match="up has shape"):
        GatedMLP(np.ones((3, 4)), np.ones((2, 4)), np.ones((4, 3)))
    with pytest.raises(ShapeError, match="mixer takes tokens of width 8; 4 is needed"):
        Block(np.ones(4), mamba(lambda *shape: np.ones(shape)))
    with pytest.raises(ShapeError, match="mixer is None; a BMojo or a fading mixer"):
        Block(np.ones(4), None)
    with pytest.raises(ShapeError, match="block 0 takes tokens of width 8; 4 is needed"):
        Stack(np.ones((3, 4)), (Block(np.ones(8), mamba(lambda *shape: np.ones(shape))),), np.ones(4))
