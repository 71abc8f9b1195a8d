"""The released B'MOJO-F layer (awslabs/hybrid-model-factory), from a checkout that `dev.py test --path DIR` names.

flash-attn is replaced by a float64 stand-in and the layer's cast to bfloat16 by the format of its input, as the
adapter says; what is judged are the layer's own lines.
"""

import contextlib
import dataclasses
import os
import sys
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from realization.cli import main
from realization.core.claim import Claim, parse_claim
from realization.core.rounding import round_to
from realization.layers import OPS, bmojo_f
from realization.verify import cases, report, run
from realization.verify.gradients import backward_of
from realization.verify.subject import find

HOME = "hmf.model.hybrid_zoo.layers.bmojo_f."
ATTENTION, LAYER = HOME + "bmojo_attention_utils:bmojo_flash_attn_func", HOME + "bmojo_attention:BMOJOAttention"
FLOAT64 = Claim(io="float64", accumulate="float64")
pytestmark = [pytest.mark.real("torch", "transformers"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def checkout():
    """The folder of a checkout; what it needs in sys.path stays there only for these tests."""
    path = os.environ.get("REALIZATION_PATH")
    if path is None:
        pytest.skip("no checkout of awslabs/hybrid-model-factory; python3 dev.py test --real --path DIR names one")
    with mock.patch.object(sys, "path", list(sys.path)):
        yield path


def subject(name, checkout, window=None):
    """The subject on prompts with values as wide as keys, which is all it takes; of one window where it is named."""
    found = find(name, OPS, path=checkout)

    def fitting(option):
        h, g, k, _, *rest = option["size"]
        have = tuple(x for x in option["with"] if x != "past")
        return {**option, "size": (h, g, k, k, *rest), "with": have, "width": window or option["width"]}

    return dataclasses.replace(found, op=dataclasses.replace(found.op, options=tuple(map(fitting, found.op.options))))


def judged(kernel, claim="", *, count=16, ask_for=()):
    claim = parse_claim(claim, kernel.claim)
    ids = cases.plan(kernel.op, claim, kernel.accepts, requires=kernel.requires, count=count)
    makers = [lambda i=i: cases.draw(kernel.op, i, claim, kernel.accepts, kernel.requires) for i in ids]
    return run.verify(kernel, claim, makers, ask_for=ask_for, rules=False)


def failures(found):
    return [(r.case.id, r.sentence) for r in found.results if r.status in ("fail", "refused")]


# ---- verdicts


@pytest.mark.parametrize("claim", ["", "io=float64"], ids=["float32", "float64"])
@pytest.mark.parametrize("name", [ATTENTION, LAYER], ids=["attention", "layer"])
def test_it_conforms(name, claim, checkout, record_property):
    """One softmax over both streams: tied and untied, grouped, with norms and positions, both rules of scale."""
    found = judged(subject(name, checkout), claim, count=28, ask_for=("causality", "batch", "repeat"))
    record_property("max_ratio", found.ratio)
    assert found.verdict == run.CONFORMING, failures(found)
    assert not failures(found)
    assert sum(r.status == "pass" for r in found.results) >= 20
    assert "replaced by a float64 stand-in" in report.text(found)
    assert found.tightest.startswith("float64" if claim else "fp32")


@pytest.mark.parametrize("window", [1, 2, 3, 5, 64])
def test_it_conforms_for_every_window(window, checkout, record_property):
    found = judged(subject(LAYER, checkout, window), "io=float64", count=8)
    record_property("max_ratio", found.ratio)
    assert found.verdict == run.CONFORMING, failures(found)


@pytest.mark.parametrize(
    "wrong", [{"window": 1}, {"scale": 1.001}, {"tied": True}, {"swap": True}], ids=["window", "scale", "tied", "swap"]
)
def test_another_layer_does_not(wrong, checkout):
    """Control: a window longer by one, a scale 0.1 % off, ties where there are none, streams exchanged."""
    kernel = subject(LAYER, checkout)

    def off(*, x, fading, window, **given):
        k = given["query_weight"].shape[1]
        given["scale"] = given.get("scale", k**-0.5) * wrong.get("scale", 1.0)
        if "tied" in wrong:
            given = {name: a for name, a in given.items() if not name.startswith("fading_")}
        x, fading = (fading, x) if "swap" in wrong else (x, fading)
        return kernel.call(x=x, fading=fading, window=window + wrong.get("window", 0), **given)

    plain = dataclasses.replace(kernel, call=off, accepts=kernel.accepts - {"quirks"})
    assert judged(plain, count=12).verdict == run.NOT_CONFORMING


def test_a_tighter_claim_is_refuted(checkout):
    """Control: in float32 it is not accurate to float64."""
    assert judged(subject(LAYER, checkout), "accumulate=float64", count=8).verdict == run.NOT_CONFORMING


# ---- what the released code does besides (the facts are those of the checked-out commit)


def test_the_rule_of_scale_follows_the_hidden_size(checkout):
    """Without norms (hidden_size / heads)^(-1/2): the definition with the quirk, and not without it."""
    kernel = subject(LAYER, checkout)
    claim = parse_claim("io=float64", kernel.claim)
    option = next(o["index"] for o in cases.usable(kernel.op, kernel.accepts) if "quirks" in o["with"])
    case = cases.draw(kernel.op, f"sharp.T129.o{option}.s0", claim, kernel.accepts)
    assert run.run_case(kernel, claim, case, rules=False).status == "pass"
    y = kernel.run(case.arguments, claim)["y"]
    without = {k: x for k, x in case.arguments.items() if k != "quirks"}
    assert (np.abs(y - kernel.op.definition(**without).y) > 1e6 * kernel.op.bound(without, claim)["y"].error).any()


def streams(S, *, h=4, g=2, k=8, seed=0):
    rng = np.random.default_rng(seed)
    case = {name: rng.standard_normal((2, S, g, k)) for name in ("key", "value", "fading_key", "fading_value")}
    return case | {"query": rng.standard_normal((2, S, h, k))}


def test_more_than_w_tokens_come_back_in_bfloat16(checkout):
    """Float64 in, bfloat16 out, and the output's projection of a float64 layer then raises."""
    import torch

    kernel, W = subject(ATTENTION, checkout), 3
    case = streams(9) | {"window": W}
    foreign = {name: torch.tensor(x) if isinstance(x, np.ndarray) else x for name, x in case.items()}
    with mock.patch("realization.verify.adapters.hmf.casting_to", return_value=contextlib.nullcontext()):
        y = kernel.call(**foreign)["y"]
        assert y.dtype == torch.bfloat16
        layer = subject(LAYER, checkout)
        claim = parse_claim("io=float64", layer.claim)
        drawn = cases.draw(layer.op, "generic.T129.o0.s0", claim, layer.accepts)
        assert "dtype" in run.run_case(layer, claim, drawn, rules=False).sentence
    quirky = bmojo_f(**case, quirks=("bfloat16-output",)).y
    # the two float64 results differ in their last bits, so that a number halfway may round to the other side
    assert (np.abs(y.double().numpy() - quirky) <= 2.0**-7 * np.abs(quirky)).all()
    assert np.mean(y.double().numpy() == quirky) > 0.99
    assert np.array_equal(round_to(quirky, "bfloat16"), quirky)


def cached(checkout, pieces, window, case):
    """Feed the released layer's cache with pieces of projected streams; return its attention and that of one pass."""
    import torch

    from realization.verify.adapters import hmf

    utils, attention = (hmf.imported(HOME + name) for name in ("bmojo_attention_utils", "bmojo_attention"))
    find(LAYER, OPS, path=checkout)
    h, k, g = case["query"].shape[-2], case["query"].shape[-1], case["key"].shape[-2]
    config = SimpleNamespace(
        hidden_size=h * k, num_attention_heads=h, num_key_value_heads=g, head_dim=k, attention_dropout=0.0,
        bmojo_config={"window_size": window, "tie_attn_weights": True},
    )  # fmt: skip
    layer = attention.BMOJOAttention(config, layer_idx=0)
    layer._allocate_memory = lambda length, batch, width, dtype: torch.zeros(length, batch, g, width, dtype=dtype)
    tensors = {name: torch.tensor(x).transpose(0, 1) for name, x in case.items()}
    names = ("query", "key", "value", "query", "fading_key", "fading_value")

    def run_piece(steps, memory):
        given = [tensors[name][steps] for name in names]
        adjusted = layer._adjust_key_value_for_inference(*given, past_key_values=memory)
        with hmf.casting_to(torch.float64):
            out = utils.bmojo_self_attention(*adjusted, config=config, window_size=layer.window_size)
        return out.reshape(*out.shape[:2], h, k).numpy()

    S = case["query"].shape[1]
    memory = SimpleNamespace(
        key_value_memory_dict={}, max_sequence_length=S, max_batch_size=2, batch_size_offset=0, seqlen_offset=0
    )
    found = []
    for n in pieces:
        found.append(run_piece(slice(memory.seqlen_offset, memory.seqlen_offset + n), memory))
        memory.seqlen_offset += n
    return np.concatenate(found, axis=1), run_piece(slice(None), None)


@pytest.mark.parametrize(
    ("pieces", "rows"), [((3, 16), [3]), ((2, 3, 14), [2, 3]), ((4, 15), []), ((1,) * 19, []), ((9, *(1,) * 10), [])]
)
def test_cached_pieces_are_one_pass_but_where_several_tokens_cross_w(pieces, rows, checkout):
    """Token by token, and in pieces that end at W, the cache gives what one pass gives.  A piece of several tokens
    that crosses W gives NaN in its rows before W, as the quirk has it: the lse of rows without fading keys is +inf.
    """
    W, case = 4, streams(19)
    y, whole = cached(checkout, pieces, W, case)
    bound = OPS["bmojo_f"].bound(case | {"window": W}, FLOAT64.replace(splits=2))["y"].error
    assert (np.abs(whole - bmojo_f(**case, window=W).y) <= 2 * bound).all()
    start, quirky = 0, []
    for n in pieces:
        piece = {name: x[:, : start + n] for name, x in case.items()}
        piece["query"] = piece["query"][:, start:]
        quirky.append(bmojo_f(**piece, window=W, quirks=("nan-before-window",)).y)
        start += n
    quirky = np.concatenate(quirky, axis=1)
    assert np.flatnonzero(np.isnan(y).any((0, 2, 3))).tolist() == rows
    assert np.array_equal(np.isnan(y), np.isnan(quirky))
    fine = ~np.isnan(y)
    assert (np.abs(y - quirky)[fine] <= 2 * bound[fine]).all()


@pytest.mark.parametrize("name", [ATTENTION, LAYER], ids=["attention", "layer"])
def test_its_gradients_conform(name, checkout, record_property):
    """Through the released backward pass and merge; the control: a layer of float64 sums is another."""
    kernel = backward_of(subject(name, checkout))
    found = judged(kernel, count=14, ask_for=("adjoint",))
    record_property("max_ratio", found.ratio)
    assert found.verdict == run.CONFORMING, failures(found)
    seen = {(f.output, f.status) for r in found.results for f in r.findings}
    assert {output for output, _ in seen} == {output for output, status in seen if status == run.PASS}
    assert judged(kernel, "accumulate=float64", count=8).verdict == run.NOT_CONFORMING


# ---- the command


def test_the_command_judges_it_and_says_how_to_do_so_again(checkout, capsys):
    one = ["verify", ATTENTION, "--path", checkout, "--case", "sharp.T65.o0.s0"]
    assert main(one) == 0
    assert "stand-in" in capsys.readouterr().out
    assert main([*one, "--claim", "accumulate=float64"]) == 1
    assert f"--path {checkout}" in capsys.readouterr().out
