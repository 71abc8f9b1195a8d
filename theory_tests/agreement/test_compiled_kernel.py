"""The compiled kernel is the definition, up to the rounding that a float64 kernel is charged."""

import subprocess
import sys

import numpy as np
import pytest

from realization.certify.err import Err
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import FORMATS
from realization.layers import OPS, SELECTIVE_SCAN, SSD
from realization.layers.recurrence import recurrence
from realization.layers.recurrence.kernel import kernel

CLAIM = Claim(io="float64", accumulate="float64")
LENGTHS = (0, 1, 33)


def error_of(bound):
    return np.hypot(bound.real.error, bound.imag.error) if hasattr(bound, "imag") else bound.error


def worst(got, want, bounds):
    """Largest |got - want| in units of what two kernels of this claim may differ by; equal numbers differ by 0."""
    ratios = [0.0]
    for y, z, bound in zip(got, want, bounds, strict=True):
        assert y.shape == z.shape
        assert y.dtype == z.dtype
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            ratio = np.where(y == z, 0.0, np.abs(y - z) / (2 * error_of(bound)))
        ratios.append(np.max(ratio[np.isfinite(error_of(bound))], initial=0.0))
    assert not np.isnan(ratios).any()
    return max(ratios)


def draw(op, regime, options, T, batch=2):
    return op.cases(regime, options, T=T, chunk=16, rng=np.random.default_rng(T), form=FORMATS["float32"], batch=batch)


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_kernel_equals_definition(op):
    for regime in op.regimes:
        for options in op.options:
            for T in LENGTHS:
                case = draw(op, regime, options, T)
                ratio = worst(op.kernel(**case), op.definition(**case), op.bound(case, CLAIM).values())
                assert ratio <= (0 if regime.exact else 1), (regime.name, options, T)


def test_fails_for_a_decay_that_is_off():
    """The control: rates wrong by 1e-12 leave the bound."""
    regime = next(r for r in SELECTIVE_SCAN.regimes if r.name == "fading-3c")
    case = draw(SELECTIVE_SCAN, regime, SELECTIVE_SCAN.options[0], 33)
    wrong = SELECTIVE_SCAN.kernel(**case | {"A": case["A"] * (1 + 1e-12)})
    assert worst(wrong, SELECTIVE_SCAN.definition(**case), SELECTIVE_SCAN.bound(case, CLAIM).values()) > 1


TRIED = [(SELECTIVE_SCAN, 1), (SELECTIVE_SCAN, 5), (SSD, 1)]


@pytest.mark.parametrize("op, options", TRIED, ids=lambda x: getattr(x, "name", x))
@pytest.mark.parametrize("batch", [(), (0,), (2, 3)], ids=str)
def test_batch_axes(op, options, batch):
    case = draw(op, op.regimes[3], op.options[options], 15, batch=6)
    batched = {name for name, axes in op.axes.arguments.items() if axes.axes[0] == "*b"}
    size = int(np.prod(batch))
    part = {n: x[:size].reshape(*batch, *x.shape[1:]) if n in batched else x for n, x in case.items()}
    for y, z in zip(op.kernel(**part), op.kernel(**case), strict=True):
        assert (y == z[:size].reshape(*batch, *z.shape[1:])).all()


H, G, V, K = 4, 2, 5, 6
SHAPES = {"head": (1, 1), "value": (V, 1), "key": (1, K), "full": (V, K)}


def same(x):
    return x


def as_it_is(value, log_decay):
    return value


def structures():
    """Arguments of the recurrence for every structure of the transition."""
    yield "no decay", {}
    for name, (v, k) in SHAPES.items():
        yield name, {"log_decay": (v, k)}
        for other, shape in SHAPES.items():
            yield f"{name} x {other}", {"log_decay": (v, k), "rate": shape}
            yield f"{name} x {other}, held", {"log_decay": (v, k), "rate": shape, "hold": True}
    for name, (v, k) in SHAPES.items():
        p = (v, max(1, k // 2))
        yield f"turned by {name}", {"angle": p}
        yield f"turned by {name}, held", {"log_decay": (1, 1), "angle": p, "spin": (V, K // 2), "hold": True}
        yield f"{name}, turned by full", {"log_decay": p, "rate": (V, K // 2), "angle": (V, K // 2)}


def arrays(structure, *, T, width=None, batch=(2,)):
    rng = np.random.default_rng(0)
    numbers = lambda *shape: rng.standard_normal((*batch, T, *shape))  # noqa: E731
    out = {"value": numbers(H, width or V), "key": numbers(G, K), "query": numbers(G, K)}
    for name, shape in structure.items():
        if name in ("rate", "spin"):
            out[name] = -rng.uniform(0.1, 1, (H, *shape))
        else:
            out[name] = shape is True or numbers(H, *shape) * 0.5
    if "log_decay" in out:
        out["log_decay"] = np.abs(out["log_decay"]) * (1 if "rate" in out else -1)
    return out


def compare(case):
    lift = lambda x: Err(x, claim=CLAIM) if getattr(x, "dtype", None) == np.float64 else x  # noqa: E731
    bounds = recurrence(**{name: lift(x) for name, x in case.items()})
    got, want = kernel(**case, step=(same,), write=as_it_is, after=(same,)), recurrence(**case)
    return worst(*([run.y, run.final, *([] if want.states is None else [run.states])] for run in (got, want, bounds)))


@pytest.mark.parametrize("structure", [s for _, s in structures()], ids=[name for name, _ in structures()])
def test_structures(structure):
    assert compare(arrays(structure, T=20)) <= 1


EXTRAS = {"per head and full": {"log_decay": (1, 1), "rate": (V, K)}, "turned": {"log_decay": (V, 1), "angle": (V, 3)}}


@pytest.mark.parametrize("structure", EXTRAS.values(), ids=EXTRAS)
def test_initial_state_reset_states_and_packed_sequences(structure):
    case = arrays(structure, T=20) | {"states": True}
    rng = np.random.default_rng(1)
    reset = rng.random((2, 20)) < 0.2
    assert compare(case | {"initial": rng.standard_normal((2, H, V, K)), "reset": reset}) <= 1
    assert compare(case | {"initial": rng.standard_normal((3, 2, H, V, K)), "offsets": [0, 7, 7, 18]}) <= 1
    assert compare(case | {"offsets": [0, 20]}) <= 1


@pytest.mark.parametrize("width", [1, 255, 256, 257, 600])
def test_tiles_of_values(width):
    assert compare(arrays({"log_decay": (1, 1), "rate": (1, K)}, T=4, width=width)) <= 1
    assert compare(arrays({"log_decay": (width, 1), "rate": (1, K)}, T=4, width=width)) <= 1


def test_shapes_are_checked_as_by_the_definition():
    case = draw(SSD, SSD.regimes[0], SSD.options[0], 4)
    for wrong in ({"dt": case["dt"][:, 1:]}, {"B": case["B"][:, :, :0]}, {"cu_seqlens": [0, 9]}, {"nothing": 1}):
        messages = []
        for route in (SSD.definition, SSD.kernel):
            with pytest.raises(ShapeError) as error:
                route(**case | wrong)
            messages.append(str(error.value))
        assert messages[0] == messages[1]


def test_the_compiler_is_loaded_on_first_use():
    code = "import sys, realization.layers; print('numba' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
