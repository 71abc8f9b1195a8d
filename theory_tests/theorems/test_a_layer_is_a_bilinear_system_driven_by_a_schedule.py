"""A selective layer is a bilinear system: a schedule without memory drives it, a read-out without memory reads it."""

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.core.rounding import FORMATS
from realization.layers import OPS
from realization.systems import BilinearSSM

T = 9
PARAMETERS = {
    "selective_scan": ("A", "D", "delta_bias", "delta_softplus", "discretization"),
    "ssd": ("A", "D", "dt_bias", "dt_softplus", "dt_limit"),
}
# A reset is not a parameter but data that interrupts the system: see test_resetting_equals_starting_afresh.
CASES = [
    pytest.param(op, {**options, "size": tuple(n if n < 7 else 4 for n in options["size"])}, id=f"{name}-{i}")
    for name, op in OPS.items()
    for i, options in enumerate(op.options)
    if not {"seq_idx", "cu_seqlens"} & set(options["with"])
]
every_case = pytest.mark.parametrize("op, options", CASES)


def build(op, case):
    """The realization, from parameters and sizes alone."""
    sizes = {"p": case["x"].shape[-1], "n": case["B"].shape[-1], "g": case["B"].shape[-2]} if op.name == "ssd" else {}
    return op.as_realization(**{k: v for k, v in case.items() if k in PARAMETERS[op.name]}, **sizes)


def draw(op, options, seed):
    regime = next(r for r in op.regimes if r.name == "fading-3")
    return op.cases(regime, options, T=T, chunk=4, rng=np.random.default_rng(seed), form=FORMATS["float32"])


def drive(realization, case, schedule=None):
    """Outputs and last state of the layer, as the system gives them."""
    names = ("u", "delta", "B") if "u" in case else ("x", "dt", "B")
    inputs = (schedule or realization.schedule)(**{k: case[k] for k in names})
    start = realization.start(case["initial_state"]) if "initial_state" in case else None
    response = realization.system.simulate(inputs, start)
    data = {k: case[k] for k in (names[0], "C", "z") if k in case}
    return realization.readout(response.y, **data), response.x, inputs


@every_case
def test_the_system_answers_as_the_layer_does(op, options):
    """Built before any data are drawn, then driven by data it never saw: outputs and states agree within the bounds."""
    parameters = draw(op, options, 0)
    realization = build(op, parameters)
    assert isinstance(realization.system, BilinearSSM)
    for seed in (1, 2):
        data = draw(op, options, seed)
        case = data | {k: v for k, v in parameters.items() if k in PARAMETERS[op.name]}
        y, states, _ = drive(realization, case)
        layer = op.definition(**case)
        bounds = op.bound(case, Claim(io="float64", accumulate="float64"))
        assert (np.abs(y - layer.y) <= 2 * bounds["y"].error).all()
        final = bounds["final_state"]
        error = final.real.error + 1j * final.imag.error if hasattr(final, "imag") else final.error
        # `start` brings states, and their errors alike, into the order of the system
        assert (np.abs(states[..., -1, :] - realization.start(layer.final_state)) <= 2 * realization.start(error)).all()
        assert np.abs(states).max() > 0.01


@every_case
def test_every_state_is_the_state_of_a_shorter_run(op, options):
    """The system's state after t + 1 steps is the layer's last state when it is stopped there."""
    case = draw(op, options, 3)
    realization = build(op, case)
    _, states, _ = drive(realization, case)
    over_time = op.axes.over_time()
    for t in (0, 4):
        stopped = {k: v[:, : t + 1] if k in over_time else v for k, v in case.items()}
        final = realization.start(op.definition(**stopped).final_state)
        # some 10 T roundings of numbers of this size, and nothing grows
        tolerance = 10 * T * 2.0**-53 * np.abs(states).max()
        assert np.abs(states[:, t + 1] - final).max() <= tolerance < np.abs(states[:, t] - final).max()


@every_case
def test_a_wrong_schedule_does_not(op, options):
    """The control: the same system with decays 0.1 % off, or one step late, is another layer."""
    case = draw(op, options, 4)
    realization = build(op, case)
    m, n = realization.system.B.shape[1], realization.system.A.shape[0]
    layer = op.definition(**case).y
    tolerance = 1e-9 * np.abs(layer).max()

    def off(**data):
        inputs = realization.schedule(**data).copy()
        inputs[..., : m - n] *= 0.999
        return inputs

    def late(**data):
        inputs = realization.schedule(**data).copy()
        inputs[:, 1:, : m - n] = inputs[:, :-1, : m - n]
        return inputs

    assert np.abs(drive(realization, case)[0] - layer).max() < tolerance
    for wrong in (off, late):
        assert np.abs(drive(realization, case, wrong)[0] - layer).max() > tolerance
