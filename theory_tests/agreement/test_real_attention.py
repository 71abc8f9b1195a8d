"""The certified verdict on attention that nobody here wrote: PyTorch's, and the eager attention of three models."""

import dataclasses
import functools
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from realization.core.claim import parse_claim
from realization.layers import OPS
from realization.verify import cases, run
from realization.verify.gradients import backward_of
from realization.verify.subject import find, plain

SDPA = "torch.nn.functional:scaled_dot_product_attention"
TORCH = pytest.mark.real("torch")
TRANSFORMERS = pytest.mark.real("torch", "transformers")
# Norm and rotation are rounded to the format of the input too, which a claim about attention does not say.
BEFORE = frozenset({"cos", "sin", "interleaved", "query_norm", "key_norm"})
# PyTorch warns of a backend that refuses; rules of other projects overflow.
pytestmark = pytest.mark.filterwarnings("ignore")


def sdpa():
    """The subject, on cases whose values are as wide as keys: CPU flash attention knows no others."""
    subject = find(SDPA, OPS)
    options = tuple({**o, "size": (*o["size"][:3], o["size"][2])} for o in subject.op.options)
    return dataclasses.replace(subject, op=dataclasses.replace(subject.op, options=options))


def eager(model, *, without=frozenset()):
    """The subject, less some arguments."""
    subject = find(f"transformers.models.{model}.modeling_{model}:eager_attention_forward", OPS)
    return dataclasses.replace(subject, accepts=subject.accepts - without)


def judged(subject, claim="", *, count=24, ask_for=()):
    claim = parse_claim(claim, subject.claim)
    ids = cases.plan(subject.op, claim, subject.accepts, requires=subject.requires, count=count)
    makers = [lambda i=i: cases.draw(subject.op, i, claim, subject.accepts, subject.requires) for i in ids]
    return run.verify(subject, claim, makers, ask_for=ask_for, rules=False)


def failures(report):
    return [(r.case.id, r.sentence) for r in report.results if r.status in ("fail", "refused")]


@pytest.fixture(params=["MATH", "FLASH_ATTENTION"])
def backend(request):
    """One of the two ways in which a CPU computes."""
    torch = pytest.importorskip("torch")
    with torch.nn.attention.sdpa_kernel(getattr(torch.nn.attention.SDPBackend, request.param)):
        yield request.param


# How the two compute.  The plain path works in float32 whatever comes in; the tiled one multiplies the weights, rounded
# to the format of the input, by the values.  Scores are sums of exact products in both, and never leave float32.
HALF = {"MATH": "io={0}", "FLASH_ATTENTION": "io={0},operand={0}"}


@TORCH
@pytest.mark.parametrize("form", ["fp32", "bf16", "fp16"])
def test_pytorch_conforms(backend, form, record_property):
    claim = "" if form == "fp32" else HALF[backend].format(form)
    report = judged(sdpa(), claim, ask_for=("causality", "batch") if form == "fp32" else ())
    record_property("max_ratio", report.ratio)
    assert report.verdict == run.CONFORMING, failures(report)
    assert not failures(report)
    assert sum(r.status == "pass" for r in report.results) >= 20


@TORCH
@pytest.mark.parametrize("form", ["bf16", "fp16"])
def test_a_tighter_claim_is_refuted(form):
    """Control: that the tiled path keeps its weights in float32, and that the plain one rounds them to float64."""
    torch = pytest.importorskip("torch")
    attention = torch.nn.attention
    with attention.sdpa_kernel(attention.SDPBackend.FLASH_ATTENTION):
        assert judged(sdpa(), f"io={form}", count=12).verdict == run.NOT_CONFORMING
    with attention.sdpa_kernel(attention.SDPBackend.MATH):
        assert judged(sdpa(), "accumulate=float64", count=12).verdict == run.NOT_CONFORMING


@TORCH
@pytest.mark.parametrize("form", ["fp32", "bf16"])
@pytest.mark.parametrize("wrong", [{"scale": 1.01}, {"window": 1}, {"window": -1}], ids=str)
def test_a_wrong_scale_or_window_is_seen(wrong, form):
    """Control: a scale 1 % off, and a window off by one to either side."""
    subject = sdpa()

    def off(*, window=None, scale=None, **arguments):
        scale = arguments["query"].shape[-1] ** -0.5 if scale is None else scale
        window = None if window is None else window + wrong.get("window", 0)
        return subject.call(window=window, scale=scale * wrong.get("scale", 1.0), **arguments)

    claim = "" if form == "fp32" else HALF["FLASH_ATTENTION"].format(form)
    report = judged(dataclasses.replace(subject, call=off), claim)
    assert report.verdict == run.NOT_CONFORMING


@TORCH
def test_rows_without_keys_are_zero_and_causal_means_the_first_corner(backend):
    """A row that sees nothing is 0, as here; `is_causal` stands the first query at the first key, and is not used."""
    torch = pytest.importorskip("torch")
    q, k = (torch.randn(1, 1, n, 8, generator=torch.Generator().manual_seed(0)) for n in (2, 5))
    function = torch.nn.functional.scaled_dot_product_attention
    nothing = function(q, k, k, attn_mask=torch.zeros(2, 5, dtype=torch.bool))
    assert not nothing.any()
    canonical = {"query": q.mT.new_zeros(1, 2, 1, 8), "key": k.transpose(1, 2), "value": k.transpose(1, 2)}
    canonical = {name: x.numpy() for name, x in canonical.items()}
    assert not OPS["sliding_window_attention"](**canonical, window=0).y.any()
    first = function(q, k, k, is_causal=True)
    assert torch.equal(first[0, 0, 0], k[0, 0, 0])


@TRANSFORMERS
@pytest.mark.parametrize("model", ["qwen3", "gemma2", "gpt_oss"])
def test_eager_attention_conforms(model, record_property):
    """With the norm and rotation of Qwen3, the soft cap of Gemma 2, the sinks of GPT-OSS; windows and groups in all."""
    report = judged(eager(model), ask_for=("causality", "batch"))
    record_property("max_ratio", report.ratio)
    assert report.verdict == run.CONFORMING, failures(report)
    assert not failures(report)
    assert report.tightest.startswith("fp32")
    assert judged(eager(model), "accumulate=float64", count=8).verdict == run.NOT_CONFORMING, "the control"


@TRANSFORMERS
@pytest.mark.parametrize("model", [None, "qwen3", "gemma2", "gpt_oss"])
def test_gradients_of_attention_conform(model, record_property):
    """Autograd where y comes alone: every gradient is decided in some case, that of a bias and of the sinks too."""
    subject = backward_of(sdpa() if model is None else eager(model))
    report = judged(subject, count=26, ask_for=("adjoint", "linearity"))
    record_property("max_ratio", report.ratio)
    assert report.verdict == run.CONFORMING, failures(report)
    seen = {(f.output, f.status) for r in report.results for f in r.findings}
    assert {name for name, _ in seen} == {name for name, status in seen if status == run.PASS}
    assert ("grad_sink", run.PASS) in seen or model != "gpt_oss"
    assert [p.status for p in report.properties] == ["pass", "pass"]
    assert judged(subject, "accumulate=float64", count=8).verdict == run.NOT_CONFORMING, "the control"


@TRANSFORMERS
def test_a_query_that_sees_nothing_gets_the_mean_of_all_values():
    """Masks of eager attention hold the least number and not -inf; the sinks of GPT-OSS take all weight there."""
    import torch

    drawn = np.random.default_rng(0).standard_normal((3, 1, 3, 2, 8)).astype(np.float32)
    case = dict(zip(("query", "key", "value"), torch.tensor(drawn), strict=True))
    lowest = torch.full((1, 2, 3, 3), torch.finfo(torch.float32).min)
    for model, more in (("qwen3", {}), ("gpt_oss", {"sinks": torch.zeros(2)})):
        function = import_module(f"transformers.models.{model}.modeling_{model}").eager_attention_forward
        module = SimpleNamespace(num_key_value_groups=1, training=False, **more)
        y, _ = function(module, *(x.transpose(1, 2) for x in case.values()), lowest, scaling=1.0)
        want = torch.zeros_like(y) if more else case["value"].mean(1, keepdim=True).expand_as(y)
        assert (y - want).abs().max() < 1e-6  # a sum of three numbers of order 1, in float32
    with pytest.raises(NotImplementedError, match="sees nothing"):
        eager("qwen3").call(**case, bias=torch.full((2, 3, 3), -torch.inf))


BFLOAT16, TILED = "eager-bf16", "flash-bf16"


@TRANSFORMERS
@pytest.mark.parametrize("model", ["qwen3", "gemma2"])
def test_eager_attention_rounds_its_scores_in_bfloat16(model, record_property):
    """They are rounded after the product, the scale and the mask: the claim must say so, and with it they conform."""
    subject = eager(model, without=BEFORE)
    report = judged(subject, BFLOAT16)
    record_property("max_ratio", report.ratio)
    assert report.verdict == run.CONFORMING, failures(report)
    assert sum(r.status == "pass" for r in report.results) >= 12
    assert judged(subject, TILED, count=12).verdict == run.NOT_CONFORMING, "the control"


@TRANSFORMERS
def test_gpt_oss_rounds_once_more():
    """It subtracts the maximum in bfloat16 as well, so that a score far below the largest is off by more than its own
    rounding: the claim that is true of the other models is refuted by a ramp of scores.
    """
    subject = eager("gpt_oss")
    claim = parse_claim(BFLOAT16, subject.claim)
    case = cases.draw(subject.op, "rising.T129.o3.s0", claim, subject.accepts, subject.requires)
    assert run.run_case(subject, claim, case, rules=False).status == "fail"
    level = cases.draw(subject.op, "flat.T129.o3.s0", claim, subject.accepts, subject.requires)
    assert run.run_case(subject, claim, level, rules=False).status == "pass"


@TORCH
def test_exact_operands_are_not_cast():
    """A cast to a format that a number has already changes nothing, and the bound charges nothing for it: a kernel
    that rounds its scores, which lie far from 0 where their products are large, is refuted without `scores`.
    """
    op = OPS["sliding_window_attention"]

    def rounding(*, query, key, value, window=None):
        from realization.core.rounding import round_to

        # Scores of bfloat16 numbers are exact in float64; the scale 1/4 of keys of width 16 is a power of two.
        scores = round_to(np.einsum("bihk,bjhk->bhij", query, np.repeat(key, 2, 2)) / 4, "bfloat16")
        i, j = np.arange(query.shape[1])[:, None] + key.shape[1] - query.shape[1], np.arange(key.shape[1])
        z = np.where((j <= i) & (j > i - window), scores, -np.inf)
        p = np.exp(z - z.max(-1, keepdims=True))
        y = np.einsum("bhij,bjhv->bihv", p / p.sum(-1, keepdims=True), np.repeat(value, 2, 2))
        return round_to(y, "bfloat16").astype(np.float32)

    subject = plain("rounding", rounding, op)
    for name, status in ((TILED, "fail"), (BFLOAT16, "pass")):
        claim = parse_claim(name, subject.claim)
        case = cases.draw(op, "sharp.T129.o0.s0", claim, subject.accepts)
        assert run.run_case(subject, claim, case, rules=False).status == status


def test_the_mask_is_what_a_loop_says():
    """Windows, more keys than queries, selected keys and packed sequences, entry by entry."""
    torch = pytest.importorskip("torch")
    from realization.verify.adapters.torch_attention import seen

    for T, S, window in ((3, 5, 2), (4, 4, None), (1, 6, 3), (0, 2, 1)):
        want = [[j <= t + S - T and (window is None or j > t + S - T - window) for j in range(S)] for t in range(T)]
        assert seen(T, S, window).tolist() == want
    chosen = torch.tensor([[[-1, 0], [0, 0], [2, -1]]])
    assert seen(3, 3, 1, chosen).tolist() == [[[[True, False, False], [True, True, False], [False, False, True]]]]
    packed = seen(4, 4, None, None, torch.tensor([0, 1, 3]))
    assert packed.int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


@functools.cache
def columns(k, r, interleaved):
    from realization.verify.adapters.transformers_attention import halves

    return halves(k, r, interleaved)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(("k", "r"), [(8, 4), (8, 3), (16, 6), (8, 0)])
def test_columns_are_permuted_so_that_partners_lie_half_a_width_apart(k, r, interleaved):
    order = columns(k, r, interleaved)
    assert sorted(order) == [*range(k)]
    pairs = {(2 * i, 2 * i + 1) if interleaved else (i, i + r) for i in range(r)}
    assert {(order[c], order[c + k // 2]) for c in range(r)} == pairs
