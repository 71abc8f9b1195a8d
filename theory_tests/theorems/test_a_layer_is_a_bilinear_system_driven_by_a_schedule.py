"""A selective layer is a bilinear system: a schedule without memory drives it, a read-out without memory reads it."""

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.core.rounding import FORMATS
from realization.layers import OPS
from realization.systems import BilinearSSM, LinearSSM

T = 9
PARAMETERS = {
    "selective_scan": ("A", "D", "delta_bias", "delta_softplus", "discretization"),
    "ssd": ("A", "D", "dt_bias", "dt_softplus", "dt_limit"),
    "causal_conv1d": ("weight", "bias", "activation"),
    "gated_delta_rule": ("scale", "l2norm", "norm_eps"),
}
TOKENS = ("query", "key", "value", "beta", "log_decay")
# What schedule and read-out take of the data.
DATA = {
    "selective_scan": (("u", "delta", "B"), ("u", "C", "z")),
    "ssd": (("x", "dt", "B"), ("x", "C", "z")),
    "causal_conv1d": (("x",), ()),
    "gated_delta_rule": (TOKENS, TOKENS),
}
# A reset is not a parameter but data that interrupts the system: see test_resetting_equals_starting_afresh.
CASES = [
    pytest.param(op, {**options, "size": tuple(n if n < 7 else 4 for n in options["size"])}, id=f"{name}-{i}")
    for name, op in OPS.items()
    for i, options in enumerate(op.options)
    # windows of attention have no selection: see test_a_window_of_attention_is_a_register_read_after_its_update
    if name in DATA and not {"seq_idx", "cu_seqlens"} & set(options["with"])
]
every_case = pytest.mark.parametrize("op, options", CASES)


def build(op, case):
    """The realization, from parameters and sizes alone."""
    sizes = {}
    if op.name == "ssd":
        sizes = {"p": case["x"].shape[-1], "n": case["B"].shape[-1], "g": case["B"].shape[-2]}
    if op.name == "gated_delta_rule":
        sizes = {"h": case["value"].shape[-2], "v": case["value"].shape[-1], "k": case["key"].shape[-1]}
    return op.as_realization(**{k: v for k, v in case.items() if k in PARAMETERS[op.name]}, **sizes)


def draw(op, options, seed):
    regime = next(r for r in op.regimes if r.name in ("fading-3", op.typical))
    return op.cases(regime, options, T=T, chunk=4, rng=np.random.default_rng(seed), form=FORMATS["float32"])


def drive(op, realization, case, schedule=None):
    """Outputs and states of the layer, as the system gives them."""
    driven, read = DATA[op.name]
    inputs = (schedule or realization.schedule)(**{k: case[k] for k in driven if k in case})
    start = realization.start(case["initial_state"]) if "initial_state" in case else None
    response = realization.system.simulate(inputs, start)
    return realization.readout(response.y, **{k: case[k] for k in read if k in case}), response.x


def kept(realization, states, final):
    """States of the system where the layer's state lies in them: a register also holds the token it shifts out next."""
    return np.where(np.isnan(realization.start(final * np.nan)), states, 0.0)


@every_case
def test_the_system_answers_as_the_layer_does(op, options):
    """Built before any data are drawn, then driven by data it never saw: outputs and states agree within the bounds."""
    parameters = draw(op, options, 0)
    realization = build(op, parameters)
    assert isinstance(realization.system, LinearSSM if op.name == "causal_conv1d" else BilinearSSM)
    for seed in (1, 2):
        data = draw(op, options, seed)
        case = data | {k: v for k, v in parameters.items() if k in PARAMETERS[op.name]}
        y, states = drive(op, realization, case)
        layer = op.definition(**case)
        bounds = op.bound(case, Claim(io="float64", accumulate="float64"))
        assert (np.abs(y - layer.y) <= 2 * bounds["y"].error).all()
        final = bounds["final_state"]
        error = final.real.error + 1j * final.imag.error if hasattr(final, "imag") else final.error
        # `start` brings states, and their errors alike, into the order of the system
        last = kept(realization, states[..., -1, :], layer.final_state)
        assert (np.abs(last - realization.start(layer.final_state)) <= 2 * realization.start(error)).all()
        assert np.abs(states).max() > 0.01


@every_case
def test_every_state_is_the_state_of_a_shorter_run(op, options):
    """The system's state after t + 1 steps is the layer's last state when it is stopped there."""
    case = draw(op, options, 3)
    realization = build(op, case)
    _, states = drive(op, realization, case)
    over_time = op.axes.over_time()
    for t in (0, 4):
        stopped = {k: v[:, : t + 1] if k in over_time else v for k, v in case.items()}
        layer = op.definition(**stopped).final_state
        final = realization.start(layer)
        # some 10 T roundings of numbers of this size, and nothing grows
        tolerance = 10 * T * 2.0**-53 * np.abs(states).max()
        now, before = (kept(realization, states[:, s], layer) for s in (t + 1, t))
        if layer.size:
            assert np.abs(now - final).max() <= tolerance < np.abs(before - final).max()


@every_case
def test_a_wrong_schedule_does_not(op, options):
    """The control: the same system with decays (without any, inputs) 0.1 % off, or one step late, is another layer."""
    case = draw(op, options, 4)
    realization = build(op, case)
    m, n = realization.system.B.shape[1], realization.system.A.shape[0]
    decays = m - n if m > n else m
    layer = op.definition(**case).y
    tolerance = 1e-9 * np.abs(layer).max()

    def off(**data):
        inputs = realization.schedule(**data).copy()
        inputs[..., :decays] *= 0.999
        return inputs

    def late(**data):
        inputs = realization.schedule(**data).copy()
        inputs[:, 1:, :decays] = inputs[:, :-1, :decays]
        return inputs

    assert np.abs(drive(op, realization, case)[0] - layer).max() < tolerance
    for wrong in (off, late):
        assert np.abs(drive(op, realization, case, wrong)[0] - layer).max() > tolerance
