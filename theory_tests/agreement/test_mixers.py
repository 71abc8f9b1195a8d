"""Whole mixers: the composition of the library's pieces, and the modules of transformers judged by it."""

import copy
import dataclasses

import numpy as np
import pytest

from realization.certify.rounded import Rounded
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import FORMATS, round_to
from realization.layers import MIXERS, mamba2_mixer, mamba_mixer
from realization.layers.readings import read
from realization.verify import cases, run

FLOAT64 = Claim(io="float64", accumulate="float64")
every_case = pytest.mark.parametrize(
    "op, options, regime",
    [
        pytest.param(op, options, regime, id=f"{name}-{i}-{regime.name}")
        for name, op in MIXERS.items()
        for i, options in enumerate(op.options)
        for regime in op.regimes
    ],
)


def draw(op, regime, options, T=17, seed=0):
    return op.cases(regime, options, T=T, chunk=8, rng=np.random.default_rng(seed), form=FORMATS["float32"])


def arrays(case):
    return [name for name, x in case.items() if isinstance(x, np.ndarray)]


@every_case
def test_the_composition_agrees_with_products_and_loops(op, options, regime):
    """Within both float64 bounds at every length; a change of 1e-9 in any argument is beyond them."""
    for T in (0, 1, 17):
        case = draw(op, regime, options, T)
        y, error = op.definition(**case).y, op.bound(case, FLOAT64)["y"].error
        assert y.shape == (2, T, options["size"][0])
        assert (np.abs(y - op.direct(**case).y) <= 2 * error).all()
    for name in arrays(case):
        wrong = op.direct(**case | {name: case[name] * (1 + 1e-8)}).y
        assert (np.abs(y - wrong) > 2 * error).any(), name


def test_a_sequence_without_batch_is_a_row_of_one():
    """Leading axes are any number."""
    for op in MIXERS.values():
        case = draw(op, op.regimes[0], op.options[0])
        rows = op.definition(**case).y
        assert np.array_equal(op.definition(**case | {"x": case["x"][1]}).y, rows[1])
        stacked = op.definition(**case | {"x": case["x"].reshape(1, 2, 1, *case["x"].shape[1:])}).y
        assert np.array_equal(stacked.reshape(rows.shape), rows)


@every_case
def test_the_certified_value_lies_within_the_bound(op, options, regime):
    """The bound of float64 holds for the definition against double-double, whose own radius is far below."""
    case = draw(op, regime, options)
    truth, bound = op.certified(case)["y"], op.bound(case, FLOAT64)["y"].error
    assert (np.abs((op.definition(**case).y - truth.hi) - truth.lo) <= bound + truth.radius).all()
    assert truth.radius.max() < 2.0**-80 * np.abs(truth.hi).max()


@every_case
def test_simulated_float32_keeps_the_bound(op, options, regime, record_property):
    """Every operation of the composition rounded to float32, against the bound composed of the pieces'."""
    case = {k: round_to(x, "float32") if isinstance(x, np.ndarray) else x for k, x in draw(op, regime, options).items()}
    low, bound = read(op, case, lambda x: Rounded(x, "float32"))["y"], op.bound(case, Claim())["y"]
    ratio = np.abs(low.value - bound.value) / bound.error
    record_property("worst", float(ratio.max()))
    assert 1e-3 < ratio.max() <= 1


def test_sizes_that_do_not_fit_are_named():
    """Projections, heads and groups that do not add up."""
    case = draw(MIXERS["mamba_mixer"], *(MIXERS["mamba_mixer"].regimes[0], MIXERS["mamba_mixer"].options[0]))
    with pytest.raises(ShapeError, match=r"a projection has 127 outputs, 64 \+ 64 are needed"):
        mamba_mixer(**case | {"in_weight": case["in_weight"][1:]})
    case = draw(MIXERS["mamba2_mixer"], *(MIXERS["mamba2_mixer"].regimes[0], MIXERS["mamba2_mixer"].options[0]))
    for groups in (0, 3):
        with pytest.raises(ShapeError, match=f"4 heads and {groups} groups; heads and groups must divide"):
            mamba2_mixer(**case | {"groups": groups})
    with pytest.raises(ShapeError, match="a projection has 99 outputs"):
        mamba2_mixer(**case | {"in_weight": case["in_weight"][:99]})


# The modules of transformers ----------------------------------------------------

VARIANTS = {
    "mamba": ("mamba", {}),
    "mamba2": ("mamba2", {}),
    "mamba2, limited steps": ("mamba2", {"time_step_limit": (0.01, 0.2)}),
    "falcon_h1": ("falcon_h1", {}),
    "falcon_h1, norm before gate": ("falcon_h1", {"norm.norm_before_gate": True}),
    "falcon_h1, no norm": ("falcon_h1", {"norm": None, "mamba_rms_norm": False}),
}
every_module = pytest.mark.parametrize("variant", VARIANTS)
CHUNK, T = 16, 40
MODULES = pytest.mark.real("torch", "transformers")


def module(variant):
    """A small untrained mixer, with chunks of 16 so that 40 tokens have ends of chunks among them."""
    import torch

    from realization.verify.adapters.activations import model

    kind, changes = VARIANTS[variant]
    layer = model(kind, layers=1).layers[0]
    mixer = copy.deepcopy(layer.mamba if kind == "falcon_h1" else layer.mixer)
    if kind != "mamba":
        mixer.chunk_size = CHUNK
    for path, value in changes.items():
        owner, _, name = path.rpartition(".")
        setattr(mixer.get_submodule(owner), name, torch.nn.Identity() if name == "norm" else value)
    return mixer


def judged(subject, **options):
    makers = [
        lambda i=i: cases.draw(subject.op, i, subject.claim, subject.accepts)
        for i in cases.plan(subject.op, subject.claim, subject.accepts)
    ]
    return run.verify(subject, subject.claim, makers, rules=False, **options)


@MODULES
@every_module
def test_mixers_of_transformers_conform(variant, record_property):
    """With weights of every regime, and with their own.

    In float64 they still cast rates, signals and norms to float32: the claim of float64 sums is refuted, that of
    float32 sums between float64 inputs and outputs holds.
    """
    from realization.verify.adapters.modules import arguments, mixer_subject

    mixer = module(variant)
    subject = mixer_subject(mixer)
    report = judged(subject, ask_for=subject.op.properties)
    hidden = np.random.default_rng(0).standard_normal((2, T, 32))
    own = cases.given(subject.op, arguments(mixer, hidden), subject.claim, "own weights")
    result = run.run_case(subject, subject.claim, own, rules=False)
    double = {}
    for sums in ("float64", "float32"):
        claim = subject.claim.replace(io="float64", accumulate=sums)
        case = cases.given(subject.op, arguments(mixer.double(), hidden), claim, "in float64")
        double[sums] = run.run_case(subject, claim, case, rules=False)
    record_property("worst, own weights", (report.ratio, result.ratio))
    assert report.verdict == run.CONFORMING, [r.sentence for r in report.results]
    assert all(p.status == "pass" for p in report.properties)
    assert report.tightest.startswith("fp32")
    assert result.status == "pass", result.sentence
    assert (double["float64"].status, double["float32"].status) == ("fail", "pass")


def scaled(name, factor):
    return lambda case: case | {name: case[name] * factor}


def gate_swapped(case):
    """Gate and input change places: the first rows of the projection, and as many after them."""
    d = case["out_weight"].shape[-1]
    order = [*range(d, 2 * d), *range(d), *range(2 * d, len(case["in_weight"]))]
    return case | {"in_weight": case["in_weight"][order]}


def groups_crossed(case):
    """Each group writes with the B of the other."""
    d, c = case["out_weight"].shape[-1], len(case["conv_weight"])
    n = (c - d) // 4
    order = [*range(d), *range(d + n, d + 2 * n), *range(d, d + n), *range(d + 2 * n, c)]
    return case | {name: case[name][order] for name in ("conv_weight", "conv_bias")}


def other_order(case):
    return case | {"norm_before_gate": not case.get("norm_before_gate", False)}


WRONG = [
    ("mamba", scaled("A_log", 1.001)), ("mamba2", scaled("A_log", 1.001)), ("falcon_h1", scaled("A_log", 1.001)),
    ("mamba", gate_swapped), ("mamba2", gate_swapped), ("falcon_h1", gate_swapped),
    ("mamba", scaled("dt_bias", 1.001)), ("mamba2", scaled("dt_bias", 1.001)), ("mamba2", groups_crossed),
    ("falcon_h1", other_order), ("falcon_h1, norm before gate", other_order),
    ("falcon_h1", scaled("multipliers", 1.001)), ("falcon_h1", scaled("in_multiplier", 1.001)),
    ("mamba2, limited steps", lambda case: case | {"dt_limit": (0.0, np.inf)}),
]  # fmt: skip


@MODULES
@pytest.mark.parametrize("variant, fault", WRONG, ids=[f"{v}-{i}" for i, (v, _) in enumerate(WRONG)])
def test_wrong_mixers_do_not(variant, fault):
    """The controls: one argument a thousandth off, a swapped gate, crossed groups, norm and gate in the other order."""
    from realization.verify.adapters.modules import mixer_subject

    subject = mixer_subject(module(variant))
    wrong = dataclasses.replace(subject, call=lambda **case: subject.call(**fault(case)))
    report = judged(wrong)
    assert report.verdict == run.NOT_CONFORMING
    assert all(r.status in ("fail", "pass", "refused") for r in report.results)


@MODULES
@every_module
def test_gradients_of_mixers_are_those_of_autograd(variant):
    """PyTorch differentiates its module, in float64 but for what it casts to float32; the library its composition."""
    import torch

    from realization.verify.adapters.modules import arguments

    mixer, rng = module(variant).double(), np.random.default_rng(1)
    hidden = rng.standard_normal((2, 9, 32))
    case, x = arguments(mixer, hidden), torch.tensor(hidden, requires_grad=True)
    op = MIXERS[{"mamba": "mamba_mixer", "mamba2": "mamba2_mixer"}.get(VARIANTS[variant][0], "falcon_h1_mixer")]
    y = mixer(x)
    cotangent = rng.standard_normal(y.shape)
    (y * torch.tensor(cotangent)).sum().backward()
    gradients = op.adjoint(case, {"y": cotangent})
    want = {"x": x.grad.numpy(), "in_weight": mixer.in_proj.weight.grad.numpy(), "A_log": mixer.A_log.grad.numpy(),
            "conv_weight": mixer.conv1d.weight.grad.numpy()[:, 0], "D": mixer.D.grad.numpy(),
            "out_weight": mixer.out_proj.weight.grad.numpy()}  # fmt: skip
    for name, other in want.items():
        # a path passes fewer than 16 casts (rates, steps, B, C, norm, and back), each of 2^-24 of the largest gradient
        allowed = 16 * 2.0**-24 * np.abs(other).max()
        assert np.abs(gradients[name] - other).max() <= allowed, name
        assert np.abs(gradients[name] * (1 + 1e-5) - other).max() > allowed


@MODULES
def test_another_module_is_refused():
    """By its name, with those that are known; and by its activation."""
    import torch

    from realization.verify.adapters.modules import mixer_subject
    from realization.verify.subject import UsageError

    with pytest.raises(UsageError, match="Linear is no mixer that is known; known are MambaMixer"):
        mixer_subject(torch.nn.Linear(2, 2))
    mixer = module("mamba2")
    mixer.activation = "gelu"
    with pytest.raises(UsageError, match="has the activation 'gelu'; the operation has silu"):
        mixer_subject(mixer)


@MODULES
def test_judging_leaves_the_module_as_it_was():
    """Cases load their weights into a copy."""
    import torch

    from realization.verify.adapters.modules import mixer_subject

    mixer = module("mamba2")
    before = copy.deepcopy(mixer.state_dict())
    subject = mixer_subject(mixer)
    case = cases.draw(subject.op, "initial.T17.o0.s0", subject.claim, subject.accepts)
    subject.run(case.arguments, subject.claim)
    assert all(torch.equal(x, before[name]) for name, x in mixer.state_dict().items())
