"""Models of transformers against the stack that reads their files: in float64, in float32, and token by token."""

import contextlib
import dataclasses
import functools
import tempfile
from unittest import mock

import numpy as np
import pytest

from realization.certify.err import Err
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.functions import silu
from realization.layers import sliding_window_attention
from realization.layers.bmojo import BMojo
from realization.layers.fading import Mamba1
from realization.layers.maps import linear, rms_norm
from realization.layers.mixers import mamba2_mixer, mamba_mixer
from realization.layers.stack import GatedMLP, forward, load
from realization.memory.planted import source_text

pytestmark = [
    pytest.mark.real("torch", "transformers"),
    pytest.mark.filterwarnings("ignore"),  # fast kernels that are absent are warned of
]
SMALL = {"vocab_size": 256, "hidden_size": 32, "num_hidden_layers": 2}
ATTENTION = SMALL | {"intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
WINDOW, T = 7, 40
MODELS = {
    "Mistral": ATTENTION | {"head_dim": 8, "sliding_window": WINDOW},
    "Llama": ATTENTION | {"attention_bias": True, "mlp_bias": True},
    "Qwen3": ATTENTION | {"head_dim": 10, "tie_word_embeddings": True},
    "Mamba": SMALL | {"state_size": 6},
    "Mamba2": SMALL | {"state_size": 6, "num_heads": 4, "head_dim": 16, "n_groups": 2, "chunk_size": 8},
}
ATTENDS = [name for name in MODELS if not name.startswith("Mamba")]


@contextlib.contextmanager
def all_in_float64():
    """The model's own code, in which float32 means float64: norms, softmax, positions and scans cast to it by name."""
    import torch

    before = torch.get_default_dtype()
    names = {"float32": torch.float64, "float": torch.float64}
    with mock.patch.multiple(torch, **names), mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


@functools.cache
def drawn(name, dtype="float32"):
    """A model with other weights than those of its start, where norms are 1 and biases 0; and our stack of it."""
    import torch
    import transformers

    config = getattr(transformers, f"{name}Config")(**MODELS[name], attn_implementation="eager")
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = getattr(transformers, f"{name}ForCausalLM")(config).eval()
        for place, weight in model.named_parameters():
            if "A_log" not in place and "dt_" not in place:
                weight.mul_(3 if weight.ndim > 1 else 1).add_(0.1 * torch.randn_like(weight))
        model.to(getattr(torch, dtype))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder, max_shard_size="40KB")
        return model, load(folder)


def text():
    return np.stack([source_text(T, seed=seed) for seed in (0, 1)])


def logits(model, tokens, **options):
    import torch

    with torch.no_grad():
        return model(torch.as_tensor(tokens.astype(np.int64)), **options).logits.double().numpy()


def twin(model):
    """The same model, made where float32 means float64."""
    made = type(model)(model.config).eval()
    made.load_state_dict({place: x.double() for place, x in model.state_dict().items()})
    return made


@functools.cache
def exact(name):
    """Logits of the model's own code in float64, and those of our stack."""
    model, stack = drawn(name)
    with all_in_float64():
        want = logits(twin(model), text())
    return want, forward(stack, text()).logits


def off(name, changed):
    """Largest difference of logits, relative to the largest."""
    want, got = exact(name)
    return abs(changed - want).max() / abs(want).max()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_in_float64_is_the_stack(name, record_property):
    """Sums in another order, some hundred operations deep: 1e-12; measured are 1e-15, of Mamba 1e-14.

    With a window only this is the attention model, with fading only the Mamba model.
    """
    want, got = exact(name)
    assert want.shape == got.shape == (2, T, 256)
    record_property("relative", off(name, got))
    assert off(name, got) < 1e-12
    # control: the model as it comes, in float32, is not so near
    assert off(name, logits(drawn(name)[0], text())) > 1e-9


def changed(stack, **fields):
    """The stack with other fields of every mixer."""
    return dataclasses.replace(
        stack,
        blocks=tuple(dataclasses.replace(b, mixer=dataclasses.replace(b.mixer, **fields)) for b in stack.blocks),
    )


def test_a_window_one_longer_or_shorter_is_seen():
    stack = drawn("Mistral")[1]
    assert {b.mixer.window for b in stack.blocks} == {WINDOW}
    for window in (WINDOW - 1, WINDOW + 1, None):
        assert off("Mistral", forward(changed(stack, window=window), text()).logits) > 1e-3


@pytest.mark.parametrize("name", ATTENDS)
def test_positions_of_the_other_pairs_are_seen(name):
    stack = drawn(name)[1]
    rotary = dataclasses.replace(stack.blocks[0].mixer.rotary, interleaved=True)
    assert off(name, forward(changed(stack, rotary=rotary), text()).logits) > 1e-3
    if name == "Qwen3":
        assert off(name, forward(changed(stack, query_norm=None), text()).logits) > 1e-3


@pytest.mark.parametrize("fields", [{"norm_before_gate": True}, {"eps": 1e-2}, {"dt_limit": (0.0, 1e-2)}], ids=str)
def test_another_norm_or_step_of_mamba2_is_seen(fields):
    assert off("Mamba2", forward(changed(drawn("Mamba2")[1], **fields), text()).logits) > 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_every_piece_of_a_model_in_float32_is_within_its_bound(name, record_property):
    """Norms, mixers, MLPs and the head, each on what it was really given: |theirs - ours| <= the bound of float32.

    A bound of the whole would be handed on from norm to norm and end at infinity, so the pieces are judged one by one.
    """
    claim, double = (Claim(io, io, chunk=8, decay="logdiff") for io in ("float32", "float64"))
    ratio = ratios(*drawn(name), claim)
    record_property("max_ratio", max(ratio.values()))
    assert len(ratio) == (10 if name in ATTENDS else 6)
    assert max(ratio.values()) < 1, ratio
    # controls: it is not float64, and the window is not one longer
    assert min(ratios(*drawn(name), double).values()) > 1
    if name == "Mistral":
        model, stack = drawn(name)
        assert ratios(model, changed(stack, window=WINDOW + 1), claim)["blocks.1.mixer"] > 100


def ratios(model, stack, claim):
    """Of error and bound, the largest of every piece."""
    return {place: (abs(y - read.value) / read.error).max() for place, y, read in judged(model, stack, claim)}


def judged(model, stack, claim):
    """Place, output in float32, and our output for the same input with its bound, of every piece."""
    met = {}

    def listen(place, module, given, named, y):
        x = (*given, *named.values())[0] if "hidden_states" not in named else named["hidden_states"]
        met[place] = [(a[0] if isinstance(a, tuple) else a).double().numpy() for a in (x, y)]

    body, attends = model.base_model, not hasattr(model, "backbone")
    places = {"norm": body.norm if attends else body.norm_f, "head": model.lm_head}
    for i, layer in enumerate(body.layers):
        parts = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp") if attends else ("norm", "mixer")
        for theirs, place in zip(parts, ("norm", "mixer", "mlp_norm", "mlp"), strict=False):
            places[f"blocks.{i}.{place}"] = getattr(layer, theirs)
    hooks = [m.register_forward_hook(functools.partial(listen, p), with_kwargs=True) for p, m in places.items()]
    logits(model, text())
    for hook in hooks:
        hook.remove()
    for place, (x, y) in met.items():
        yield place, y, ours(stack, place, Err(x, claim=claim), rotary_tables(model))


def rotary_tables(model):
    """Those of the model itself: their rounding belongs to the input."""
    import torch

    if not hasattr(model, "model"):
        return {}
    cos, sin = model.model.rotary_emb(torch.zeros(1), torch.arange(T)[None])
    half = cos.shape[-1] // 2
    return {"cos": cos[0, :, :half].double().numpy(), "sin": sin[0, :, :half].double().numpy()}


def ours(stack, place, x, tables):
    """One piece of a stack by the library's operations, read with `Err`."""

    def number(a):
        return Err(a, claim=x.claim) if isinstance(a, np.ndarray) else a

    if place == "head":
        return linear(x, number(stack.embedding if stack.head is None else stack.head), None)
    part = stack
    for name in place.split("."):
        part = part[int(name)] if name.isdigit() else getattr(part, name)
    if isinstance(part, np.ndarray):
        return rms_norm(x, number(part), stack.norm_eps)
    w = {f.name: number(getattr(part, f.name)) for f in dataclasses.fields(part)}
    if isinstance(part, GatedMLP):
        opened = silu(linear(x, w["gate"], w["gate_bias"])) * linear(x, w["up"], w["up_bias"])
        return linear(opened, w["down"], w["down_bias"])
    if isinstance(part, BMojo):
        return attended(x, w, {name: number(table) for name, table in tables.items()})
    return (mamba_mixer if isinstance(part, Mamba1) else mamba2_mixer)(x=x, **w).y


def attended(x, w, tables):
    """Projections, attention, projection."""

    def heads(name):
        W, b = w[f"{name}_weight"], w[f"{name}_bias"]
        rows, k, d = W.shape
        y = linear(x, W.reshape(rows * k, d), None if b is None else b.reshape(rows * k))
        return y.reshape(*x.shape[:-1], rows, k)

    y = sliding_window_attention(
        **{name: heads(name) for name in ("query", "key", "value")}, window=w["window"], norm_eps=w["norm_eps"],
        query_norm=w["query_norm"], key_norm=w["key_norm"], **tables,
    ).y  # fmt: skip
    d, h, v = w["output_weight"].shape
    return linear(y.reshape(*x.shape[:-1], h * v), w["output_weight"].reshape(d, h * v), w["output_bias"])


@pytest.mark.parametrize("name", MODELS)
def test_decoding_with_a_cache_is_the_stream(name):
    """Prefill of 25 tokens, then one by one, in both; 1e-12 as in one pass.  The control is a cache left out."""
    import torch

    model, stack = drawn(name)
    pieces = np.split(text().astype(np.int64), range(25, T), axis=1)
    cached = "cache_params" if name.startswith("Mamba") else "past_key_values"
    want, cache, got, state = [], None, [], None
    with all_in_float64(), torch.no_grad():
        double = twin(model)
        for piece in pieces:
            out = double(torch.as_tensor(piece), use_cache=True, **{cached: cache})
            cache = getattr(out, cached)
            want.append(out.logits.numpy())
    for piece in pieces:
        read = forward(stack, piece, state)
        state = read.state
        got.append(read.logits)
    want, got = np.concatenate(want, 1), np.concatenate(got, 1)
    assert abs(got - want).max() < 1e-12 * abs(want).max()
    alone = forward(stack, text()[:, -1:]).logits
    assert abs(alone - want[:, -1:]).max() > 1e-3 * abs(want).max()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_16_bits_are_widened_exactly(dtype):
    model, stack = drawn("Mistral", dtype)
    weight = model.model.layers[1].self_attn.q_proj.weight.detach().double().numpy()
    assert np.array_equal(stack.blocks[1].mixer.query_weight.reshape(weight.shape), weight)
    # control: the weights of float32 are others
    assert not np.array_equal(drawn("Mistral")[1].blocks[1].mixer.query_weight.reshape(weight.shape), weight)


def test_models_that_a_stack_cannot_express(tmp_path):
    model = drawn("Llama")[0]
    model.save_pretrained(tmp_path)
    file, said = tmp_path / "config.json", (tmp_path / "config.json").read_text()
    for old, new, why in (
        ('"silu"', '"gelu"', "hidden_act is 'gelu' in config.json; 'silu'"),
        ('"rope_type": "default"', '"rope_type": "yarn"', "rope_type is 'yarn'"),
        ('"model_type": "llama"', '"model_type": "gemma2"', "model_type is 'gemma2'; translated are llama, mistral"),
        ('"rms_norm_eps"', '"eps"', "does not say 'rms_norm_eps'"),
        ('"num_key_value_heads": 2', '"num_key_value_heads": 3', "k_proj.+ has shape"),
        ('"num_hidden_layers": 2', '"num_hidden_layers": "2"', "config.json of llama is not one of its kind"),
        ('"model_type": "llama"', '"model_type": "qwen3"', "blocks.0.mixer.query_norm is missing"),
        ('"num_hidden_layers": 2', '"num_hidden_layers": 1', r"blocks.1.\S+ is no weight of this stack"),
    ):
        assert old in said
        file.write_text(said.replace(old, new))
        with pytest.raises(ShapeError, match=why):
            load(tmp_path)
    file.write_text(said)
    assert load(tmp_path).vocabulary == 256, "the control"
