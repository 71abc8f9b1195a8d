"""Whole mixers: the composition of the library's pieces, and the modules of transformers judged by it."""

import copy
import dataclasses
import shlex

import numpy as np
import pytest

from realization.certify.rounded import Rounded
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import FORMATS, round_to
from realization.layers import KNOWN, MIXERS, OPS, mamba2_mixer, mamba_mixer
from realization.layers.readings import read
from realization.verify import cases, run, subject
from realization.verify.judge import judge
from realization.verify.report import reproduce
from realization.verify.subject import UsageError

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

PLACES = {
    "mamba": "transformers.models.mamba.modeling_mamba:MambaMixer",
    "mamba2": "transformers.models.mamba2.modeling_mamba2:Mamba2Mixer",
    "falcon_h1": "transformers.models.falcon_h1.modeling_falcon_h1:FalconH1Mixer",
}
every_mixer = pytest.mark.parametrize("kind", PLACES)
MODULES = pytest.mark.real("torch", "transformers")
CHUNK = 16


def in_short_chunks(kind):
    """A class of one's own with the convention of a released one: chunks of 16, so that 33 tokens have two ends."""
    base = subject.load(PLACES[kind])

    class Short(base):
        def __init__(self, config, layer_idx):
            config.chunk_size = config.mamba_chunk_size = CHUNK
            super().__init__(config, layer_idx)

    return Short


def found(kind):
    return subject.find(in_short_chunks(kind), KNOWN, convention=PLACES[kind])


def judged(mixer, **options):
    claim = mixer.claim.replace(chunk=CHUNK)
    makers = [
        lambda i=i: cases.draw(mixer.op, i, claim, mixer.accepts, mixer.requires)
        for i in cases.plan(mixer.op, claim, mixer.accepts, requires=mixer.requires)
    ]
    return run.verify(mixer, claim, makers, rules=False, **options)


@MODULES
@every_mixer
def test_mixers_of_transformers_conform(kind, record_property):
    """With weights of every regime and every option, none of them refused or left out."""
    mixer = found(kind)
    report = judged(mixer, ask_for=mixer.op.properties)
    record_property("worst", report.ratio)
    assert report.verdict == run.CONFORMING, [r.sentence for r in report.results]
    assert {r.status for r in report.results} == {"pass"}
    assert all(p.status == "pass" for p in report.properties)
    assert report.tightest.startswith("fp32")


@MODULES
@every_mixer
def test_a_name_is_judged_and_its_case_again(kind):
    """Of the released classes every option has a verdict, and the printed command reproduces a case to the bit."""
    for option in range(len(MIXERS[f"{kind}_mixer"].options)):
        report = judge(PLACES[kind], case=f"positive.T33.o{option}.s0")
        assert (report.verdict, report.subject.op.name) == (run.CONFORMING, f"{kind}_mixer")
    name, *words = shlex.split(reproduce(report, report.results[0]))[2:]
    assert (name, words) == (PLACES[kind], ["--op", f"{kind}_mixer", "--case", f"positive.T33.o{option}.s0"])
    again = judge(name, words[1], case=words[3])
    assert np.array_equal(again.results[0].outputs["y"], report.results[0].outputs["y"])


@MODULES
@every_mixer
def test_gradients_of_released_mixers_conform(kind):
    """PyTorch differentiates the module with respect to its input and every weight of the case; twice one is wrong."""
    from realization.verify.gradients import backward_of

    report = judge(PLACES[kind], grad=True, case="initial.T9.o0.s0")
    inputs = [x for x in report.results[0].case.arguments.values() if isinstance(x, np.ndarray)]
    assert report.verdict == run.CONFORMING, report.results[0].sentence
    assert len(report.results[0].findings) == len(inputs) - 1  # one is the cotangent
    mixer = backward_of(subject.find(PLACES[kind], KNOWN))
    wrong = dataclasses.replace(mixer, call=lambda **case: (y := mixer.call(**case)) | {"grad_D": 2 * y["grad_D"]})
    assert run.run_case(wrong, mixer.claim, report.results[0].case, rules=False).status == "fail"


@MODULES
def test_what_a_module_cannot_express_is_left_out():
    """One switch for two biases; a norm that is always there."""
    for kind, absent, why in (
        ("mamba", "in_bias", "both or neither"),
        ("mamba2", "out_bias", "both or neither"),
        ("mamba2", "norm_weight", "the module always has a norm"),
    ):
        mixer = found(kind)
        case = cases.draw(mixer.op, "initial.T3.o1.s0", mixer.claim, mixer.accepts, mixer.requires)
        left = {k: x for k, x in case.arguments.items() if k != absent}
        result = run.run_case(mixer, mixer.claim, dataclasses.replace(case, arguments=left), rules=False)
        assert result.status == run.LEFT_OUT
        assert why in result.sentence
        assert run.run_case(mixer, mixer.claim, case, rules=False).status == "pass"


# Modules of models ----------------------------------------------------------------

VARIANTS = {
    "mamba": ("mamba", {}),
    "mamba2": ("mamba2", {}),
    "mamba2, limited steps": ("mamba2", {"time_step_limit": (0.01, 0.2)}),
    "falcon_h1": ("falcon_h1", {}),
    "falcon_h1, norm before gate": ("falcon_h1", {"norm.norm_before_gate": True}),
    "falcon_h1, no norm": ("falcon_h1", {"norm": None, "mamba_rms_norm": False}),
}
every_module = pytest.mark.parametrize("variant", VARIANTS)


def module(variant):
    """A small untrained mixer."""
    import torch

    from realization.verify.adapters.activations import model

    kind, changes = VARIANTS[variant]
    layer = model(kind, layers=1).layers[0]
    mixer = copy.deepcopy(layer.mamba if kind == "falcon_h1" else layer.mixer)
    for path, value in changes.items():
        owner, _, name = path.rpartition(".")
        setattr(mixer.get_submodule(owner), name, torch.nn.Identity() if name == "norm" else value)
    return mixer


@MODULES
@every_module
def test_mixers_with_weights_of_a_model_conform(variant):
    """What is built for the arguments of a module computes what that module does, bit for bit.

    In float64 modules still cast rates, signals and norms to float32: the claim of float64 sums is refuted, that of
    float32 sums between float64 inputs and outputs holds.
    """
    import torch

    from realization.verify.adapters.modules import arguments

    mixer, place = module(variant), PLACES[VARIANTS[variant][0]]
    hidden = np.random.default_rng(0).standard_normal((2, 40, 32)).astype(np.float32)
    report = judge(place, inputs=arguments(mixer, hidden))
    assert report.verdict == run.CONFORMING, report.results[0].sentence
    with torch.no_grad():
        assert np.array_equal(report.results[0].outputs["y"], mixer(torch.tensor(hidden)).numpy())
    own = arguments(mixer.double(), hidden)
    double = [judge(place, inputs=own, claim=f"io=float64,accumulate={sums}") for sums in ("float64", "float32")]
    assert [r.verdict for r in double] == [run.NOT_CONFORMING, run.CONFORMING]


def scaled(name, factor):
    return lambda case: case | {name: case[name] * factor}


def gate_swapped(case):
    """Gate and input change places: the first rows of the projection, and as many after them."""
    d = case["out_weight"].shape[-1]
    order = [*range(d, 2 * d), *range(d), *range(2 * d, len(case["in_weight"]))]
    return case | {"in_weight": case["in_weight"][order]}


def groups_crossed(case):
    """Each group writes with the B of the one before it."""
    d, c, g = case["out_weight"].shape[-1], len(case["conv_weight"]), case["groups"]
    middle = (c + d) // 2
    order = [*range(d), *np.roll(range(d, middle), (middle - d) // g), *range(middle, c)]
    return case | {name: case[name][order] for name in ("conv_weight", "conv_bias")}


def other_order(case):
    return case | {"norm_before_gate": not case.get("norm_before_gate", False)}


WRONG = [
    ("mamba", scaled("A_log", 1.001)), ("mamba2", scaled("A_log", 1.001)), ("falcon_h1", scaled("A_log", 1.001)),
    ("mamba", gate_swapped), ("mamba2", gate_swapped), ("falcon_h1", gate_swapped),
    ("mamba", scaled("dt_bias", 1.001)), ("mamba2", scaled("dt_bias", 1.001)), ("mamba2", groups_crossed),
    ("falcon_h1", other_order), ("falcon_h1", scaled("multipliers", 1.001)),
    ("falcon_h1", scaled("in_multiplier", 1.001)), ("mamba2", lambda case: case | {"dt_limit": (0.0, np.inf)}),
]  # fmt: skip


@MODULES
@pytest.mark.parametrize("kind, fault", WRONG, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(WRONG)])
def test_wrong_mixers_do_not(kind, fault):
    """The controls: one argument a thousandth off, a swapped gate, crossed groups, norm and gate in the other order."""
    mixer = found(kind)
    report = judged(dataclasses.replace(mixer, call=lambda **case: mixer.call(**fault(case))))
    assert report.verdict == run.NOT_CONFORMING
    assert all(r.status in ("fail", "pass") for r in report.results)


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

    from realization.verify.adapters.modules import arguments

    with pytest.raises(UsageError, match="Linear is no mixer that is known; known are MambaMixer"):
        arguments(torch.nn.Linear(2, 2), np.zeros((1, 0, 2)))
    mixer = module("mamba2")
    mixer.activation = "gelu"
    with pytest.raises(UsageError, match="has the activation 'gelu'; the operation has silu"):
        arguments(mixer, np.zeros((1, 0, 32)))


def test_mixers_are_known_by_name():
    """To the command and to whoever writes one: its definition conforms as itself, and not with D a thousandth off."""
    assert KNOWN.keys() - OPS.keys() == MIXERS.keys()
    case = "initial.T9.o1.s0"
    assert judge(mamba_mixer, "mamba_mixer", claim="float64", case=case).verdict == run.CONFORMING
    wrong = judge(lambda **given: mamba_mixer(**scaled("D", 1.001)(given)), "mamba_mixer", claim="float64", case=case)
    assert wrong.verdict == run.NOT_CONFORMING
