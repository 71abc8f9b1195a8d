"""The certified verdict on functions that nobody here wrote, on chosen and on real input."""

import dataclasses

import numpy as np
import pytest

from realization.core.claim import parse_claim
from realization.layers import OPS
from realization.verify import cases, run
from realization.verify.gradients import backward_of
from realization.verify.properties import split_invariance
from realization.verify.subject import find

MAMBA = "transformers.models.mamba.modeling_mamba"
MAMBA2 = "transformers.models.mamba2.modeling_mamba2"
QWEN = "transformers.models.qwen3_next.modeling_qwen3_next"
SUBJECTS = {
    f"{MAMBA}:mamba_selective_scan": None,
    f"{MAMBA}:mamba_selective_state_update": None,
    f"{MAMBA2}:mamba2_chunk_scan": None,
    f"{MAMBA2}:mamba2_selective_state_update": None,
    f"{QWEN}:torch_recurrent_gated_delta_rule": None,
    f"{QWEN}:torch_chunk_gated_delta_rule": None,
    "torch.nn.functional:conv1d": None,
    f"{MAMBA}:causal_conv1d_fn": None,
    f"{MAMBA}:causal_conv1d_update": None,
    "examples/jax_scan.py:selective_scan": "selective_scan",
    "examples/torch_scan.py:selective_scan": "selective_scan",
}
NEEDS = {
    "examples/jax_scan.py:selective_scan": ("jax",),
    "examples/torch_scan.py:selective_scan": ("torch",),
    "torch.nn.functional:conv1d": ("torch",),
}
SCANS = {"mamba": f"{MAMBA}:mamba_selective_scan", "mamba2": f"{MAMBA2}:mamba2_chunk_scan"}

# What they cannot be asked for: functions without initial state have no split to test.
pytestmark = pytest.mark.filterwarnings("ignore")


def subject(name, root):
    """Find a subject; files are given relative to the root of the project."""
    path = str(root / name) if ".py:" in name else name
    return find(path, OPS, op=SUBJECTS.get(name), array="torch" if "torch" in name else None)


def judged(kernel, claim=None, *, count=12, ask_for=None):
    """The report on the first cases of the plan and all properties."""
    claim = claim or kernel.claim
    ask_for = kernel.op.properties if ask_for is None else ask_for
    ids = cases.plan(kernel.op, claim, kernel.accepts, requires=kernel.requires, count=count)
    makers = [lambda i=i: cases.draw(kernel.op, i, claim, kernel.accepts, kernel.requires) for i in ids]
    return run.verify(kernel, claim, makers, ask_for=ask_for, rules=False)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.real(*NEEDS.get(n, ("torch", "transformers")))) for n in SUBJECTS]
)
def test_real_subjects_conform(name, pytestconfig, record_property):
    """Each meets the float32 claim of its adapter, with every property that it can be asked for."""
    # JAX compiles anew for every length: the cuts of the other properties would take minutes.
    few = {"count": 8, "ask_for": ("causality", "repeat")} if "jax" in name else {}
    report = judged(subject(name, pytestconfig.rootpath), **few)
    record_property("max_ratio", report.ratio)
    assert report.verdict == run.CONFORMING, [r.sentence for r in report.results if r.status == "fail"]
    assert report.tightest.startswith("fp32")


@pytest.mark.real("torch", "transformers")
def test_the_chunked_scan_does_not_multiply_its_decays(pytestconfig):
    """Control: the claim of products of decays is refuted, and so is that of float64 sums."""
    kernel = subject(SCANS["mamba2"], pytestconfig.rootpath)
    for wrong in ({"decay": "product"}, {"accumulate": "float64", "state": "float32"}):
        assert judged(kernel, kernel.claim.replace(**wrong), ask_for=()).verdict == run.NOT_CONFORMING


@pytest.mark.real("torch", "transformers")
@pytest.mark.parametrize("name", [f"{QWEN}:torch_recurrent_gated_delta_rule", f"{QWEN}:torch_chunk_gated_delta_rule"])
def test_a_delta_rule_that_keeps_its_decay_or_part_of_its_beta_is_refused(name, pytestconfig):
    """Control: the same functions of other arguments are not the rule."""
    kernel = subject(name, pytestconfig.rootpath)
    for argument, wrong in (("log_decay", 0.0), ("beta", 0.99)):

        def slip(argument=argument, wrong=wrong, **arguments):
            if argument in arguments:
                arguments[argument] = arguments[argument] * wrong
            return kernel.call(**arguments)

        found = judged(dataclasses.replace(kernel, call=slip), ask_for=())
        assert found.verdict == run.NOT_CONFORMING


@pytest.mark.real("torch")
@pytest.mark.parametrize("form", ["bfloat16", "float16"])
def test_pytorch_sums_convolutions_of_16_bits_in_float32(form, pytestconfig, record_property):
    """One rounding at the end; a sum in 16 bits, admitted by the control's claim, would have been seen as one."""
    kernel = subject("torch.nn.functional:conv1d", pytestconfig.rootpath)
    report = judged(kernel, kernel.claim.replace(io=form), count=None, ask_for=())
    record_property("max_ratio", report.ratio)
    assert report.verdict == run.CONFORMING
    wide = kernel.claim.replace(io=form, accumulate=form)
    assert judged(kernel, wide, count=None, ask_for=()).ratio < 0.5 < report.ratio


@pytest.mark.real("torch", "transformers")
@pytest.mark.parametrize("form", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", [f"{MAMBA}:causal_conv1d_fn", f"{MAMBA}:causal_conv1d_update"])
def test_transformers_rounds_a_convolution_before_its_activation(name, form, pytestconfig, record_property):
    """In 16 bits convolution and silu are two functions: what lies between them is rounded, which fused kernels do not.

    Without silu the claim of float32 sums holds; with it only that of sums in 16 bits does.
    """
    kernel = subject(name, pytestconfig.rootpath)
    fine = judged(kernel, kernel.claim.replace(io=form), count=30, ask_for=())
    failed = [r.case for r in fine.results if r.status == "fail"]
    assert failed
    assert all(case.arguments.get("activation") for case in failed)
    assert any(r.status == "pass" and not r.case.arguments.get("activation") for r in fine.results)
    coarse = judged(kernel, kernel.claim.replace(io=form, accumulate=form), count=30, ask_for=())
    record_property("max_ratio", (fine.ratio, coarse.ratio))
    assert coarse.verdict == run.CONFORMING


@pytest.mark.real("torch", "transformers")
@pytest.mark.parametrize("kind", SCANS)
def test_scans_conform_on_what_a_model_feeds_them(kind, pytestconfig, record_property):
    """Activations of four layers over the bytes of the standard library's sources."""
    from realization.verify.adapters.activations import record

    kernel = subject(SCANS[kind], pytestconfig.rootpath)
    for layer, arguments in enumerate(record(kind, layers=4, length=512)):
        case = cases.given(kernel.op, arguments, kernel.claim, f"layer {layer}")
        result = run.run_case(kernel, kernel.claim, case)
        record_property(f"layer {layer}", result.ratio)
        assert result.status == "pass", result.sentence
        # Control: a step size that is 0.1 % off would have been seen.
        step = "delta" if kind == "mamba" else "dt"
        off = arguments | {step: arguments[step] * 1.001}
        wrong = kernel.run(cases.given(kernel.op, off, kernel.claim, "off").arguments, kernel.claim)
        assert any(f.status == "fail" for f in run.judge(kernel.op, case, wrong, kernel.claim, result.truth))


@pytest.mark.real("torch", "transformers")
def test_a_prompt_fed_in_two_pieces_goes_astray_in_mamba1():
    """The multi-token path of the Mamba-1 mixer starts from a zero state: the first step after the cut is off.

    Token by token the same mixer agrees with itself to float32 rounding, and Mamba-2 does
    in two pieces as well: the property tells these apart.
    """
    from realization.verify.adapters.activations import model
    from realization.verify.adapters.mixer import mixer

    T, cut = 40, 23
    hidden = np.random.default_rng(0).standard_normal((1, T, 32)).astype(np.float32)
    first = mixer(model("mamba"))
    size = np.abs(first(hidden, None)[0]).max()
    # Rounding of 40 steps and a few dozen sums of 64 float32 products each, against the largest output.
    tolerance = 1e-5 * size

    def ask(function, at):
        return split_invariance(function, hidden, at=[at], tolerance=tolerance, state_tolerance=np.inf)

    pieces, tokens = ask(first, (cut,)), ask(first, tuple(range(1, T)))
    assert (pieces.status, pieces.first) == ("fail", cut)
    assert pieces.ratio > 50
    assert tokens.status == "pass"
    assert ask(mixer(model("mamba2")), (cut,)).status == "pass"


# Subjects that autograd differentiates.
DIFFERENTIATED = {
    f"{MAMBA}:mamba_selective_scan": ("torch", "transformers"),
    f"{MAMBA2}:mamba2_chunk_scan": ("torch", "transformers"),
    "examples/torch_scan.py:selective_scan": ("torch",),
    "torch.nn.functional:conv1d": ("torch",),
    f"{MAMBA}:causal_conv1d_fn": ("torch", "transformers"),
}


def differentiated(name, root, claim):
    """The report on the backward pass of a subject."""
    kernel = backward_of(subject(name, root))
    return judged(kernel, parse_claim(claim, kernel.claim), count=14, ask_for=("adjoint", "repeat"))


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.real(*p)) for n, p in DIFFERENTIATED.items()])
def test_gradients_of_real_subjects_conform(name, pytestconfig, record_property):
    """Autograd through each meets the claim of its forward pass, in every regime and gradient."""
    report = differentiated(name, pytestconfig.rootpath, "")
    record_property("max_ratio", report.ratio)
    assert report.verdict == run.CONFORMING, [r.sentence for r in report.results if r.status == "fail"]
    assert report.ratio > 1e-3
    assert {p.name: p.status for p in report.properties}["adjoint"] in ("pass", "note")


@pytest.mark.real("torch", "transformers")
def test_gradients_are_not_those_of_better_arithmetic(pytestconfig):
    """Control: sums in float64 are refuted by the gradients alone."""
    better = "accumulate=float64,state=float32"
    report = differentiated(f"{MAMBA}:mamba_selective_scan", pytestconfig.rootpath, better)
    assert report.verdict == run.NOT_CONFORMING


@pytest.mark.real("torch", "transformers")
@pytest.mark.parametrize("kind", SCANS)
def test_gradients_conform_on_what_a_model_feeds_them(kind, pytestconfig, record_property):
    """Activations of a layer over bytes of source code; the control: steps that are 0.1 % off."""
    from realization.verify.adapters.activations import record

    kernel = backward_of(subject(SCANS[kind], pytestconfig.rootpath))
    arguments = record(kind, layers=1, length=128)[0]
    shape = arguments["u" if kind == "mamba" else "x"].shape
    arguments["cotangent_y"] = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    case = cases.given(kernel.op, arguments, kernel.claim, "layer 0")
    result = run.run_case(kernel, kernel.claim, case)
    record_property("max_ratio", result.ratio)
    assert result.status == "pass", result.sentence
    step = "delta" if kind == "mamba" else "dt"
    off = cases.given(kernel.op, arguments | {step: arguments[step] * np.float32(1.001)}, kernel.claim, "off")
    wrong = kernel.run(off.arguments, kernel.claim)
    assert any(f.status == "fail" for f in run.judge(kernel.op, case, wrong, kernel.claim, result.truth))
