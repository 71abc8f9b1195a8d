"""Gradients of every op against complex steps, the adjoint identity and PyTorch's autograd."""

import numpy as np
import pytest

from realization.core.errors import ShapeError
from realization.core.pair import Pair
from realization.core.rounding import FORMATS
from realization.layers import OPS

T, STEP = 11, 1e-150
CASES = [pytest.param(op, i, id=f"{name}-{i}") for name, op in OPS.items() for i in range(len(op.options))]
every_case = pytest.mark.parametrize("op, index", CASES)


def draw(op, index):
    """Arguments, and cotangents of all outputs, where nothing is exact and nothing fades at once."""
    rng = np.random.default_rng(index)
    regime = next(r for r in op.regimes if r.name in ("fading-3", op.typical))
    case = dict(op.cases(regime, op.options[index], T=T, chunk=4, rng=rng, form=FORMATS["float32"]))
    outputs = dict(zip(op.outputs, op.definition(**case), strict=True))
    return case, {name: noise(rng, y) for name, y in outputs.items()}, rng


def noise(rng, x):
    """Standard normal numbers of the shape of x, complex where x is."""
    z = rng.standard_normal(x.shape)
    return z + 1j * rng.standard_normal(x.shape) if np.iscomplexobj(x) else z


def differentiable(case):
    return {name: x for name, x in case.items() if isinstance(x, np.ndarray) and x.dtype.kind in "fc"}


def inner(a, b):
    """<a, b> = Re a Re b + Im a Im b, summed."""
    return float((np.real(a) * np.real(b) + np.imag(a) * np.imag(b)).sum())


def push_forward(op, case, directions):
    """J v by a complex step through the definition; complex arguments go in as pairs of moved parts."""
    moved = dict(case)
    for name, v in directions.items():
        x = case[name]
        if np.iscomplexobj(x):
            moved[name] = Pair(x.real + 1j * STEP * v.real, x.imag + 1j * STEP * v.imag)
        else:
            moved[name] = x + 1j * STEP * v
    for name, x in case.items():
        if isinstance(x, np.ndarray) and np.iscomplexobj(x) and name not in directions:
            moved[name] = Pair(x.real.copy(), x.imag.copy())
    tangents = []
    for y in op.definition.__wrapped__(**moved):
        parts = (np.imag(y.real) / STEP + 1j * np.imag(y.imag) / STEP) if isinstance(y, Pair) else np.imag(y) / STEP
        tangents.append(parts)
    return dict(zip(op.outputs, tangents, strict=True))


def allowance(gradient, v):
    """Both sides are sums along paths of some 10 T roundings, without cancellation beyond |gradient| |v|."""
    return 10 * T * 2.0**-53 * np.linalg.norm(gradient) * np.linalg.norm(v)


@every_case
def test_gradients_are_complex_steps(op, index):
    """<cotangent, J v> = <gradient, v> in each argument by itself, initial states included; no other has it."""
    case, cotangents, rng = draw(op, index)
    gradients = op.adjoint(case, cotangents)
    assert set(gradients) == set(differentiable(case))
    for name, x in differentiable(case).items():
        assert gradients[name].shape == x.shape
        for _ in range(3):
            v = noise(rng, x)
            tangents = push_forward(op, case, {name: v})
            forward = sum(inner(cotangents[k], tangents[k]) for k in cotangents)
            tolerance = allowance(gradients[name], v)
            assert abs(forward - inner(gradients[name], v)) <= tolerance, name
            assert abs(forward - inner(gradients[name] + 1e-9 * np.linalg.norm(gradients[name]) * v, v)) > tolerance


@every_case
def test_adjoint_identity(op, index):
    """<cot, J v> = <J' cot, v> with all arguments moved at once, and for each output by itself."""
    case, cotangents, rng = draw(op, index)
    v = {name: noise(rng, x) for name, x in differentiable(case).items()}
    tangents = push_forward(op, case, v)
    for chosen in [cotangents, *({k: x} for k, x in cotangents.items())]:
        gradients = op.adjoint(case, chosen)
        backward = sum(inner(gradients[name], v[name]) for name in v)
        tolerance = sum(allowance(gradients[name], v[name]) for name in v)
        assert abs(sum(inner(x, tangents[k]) for k, x in chosen.items()) - backward) <= tolerance
    gradients = op.adjoint(case, {k: x * (1 + 1e-9) for k, x in cotangents.items()})  # the control
    forward = sum(inner(x, tangents[k]) for k, x in cotangents.items())
    assert abs(forward - sum(inner(gradients[k], v[k]) for k in v)) > tolerance


def test_what_is_cut_off_has_no_gradient():
    """Across a reset, beyond the last packed step and where the step is clipped, gradients are exactly 0."""
    rng = np.random.default_rng(0)
    x, B = rng.standard_normal((1, 6, 2, 3)), rng.standard_normal((1, 6, 1, 4))
    case = {"x": x, "dt": np.full((1, 6, 2), 0.5), "A": -np.ones(2), "B": B, "C": B}
    late = {"y": np.concatenate([np.zeros((1, 3, 2, 3)), np.ones((1, 3, 2, 3))], axis=1)}
    ssd = OPS["ssd"].adjoint
    assert ssd(case, late)["x"][:, :3].any()
    assert not ssd(case | {"seq_idx": np.array([[0, 0, 0, 1, 1, 1]])}, late)["x"][:, :3].any()
    assert not ssd(case | {"cu_seqlens": [0, 3, 6]}, late)["x"][:, :3].any()
    assert not ssd(case | {"cu_seqlens": [0, 3]}, late)["x"].any()
    assert not ssd(case | {"dt_limit": (0.0, 0.25)}, late)["dt"].any()
    assert ssd(case | {"dt_limit": (0.0, 0.75)}, late)["dt"].any()


def test_cotangents_are_checked():
    """A cotangent of no output, or of another shape, is named."""
    case, cotangents, _ = draw(OPS["ssd"], 0)
    with pytest.raises(ShapeError, match="cotangent z given; outputs are y, final_state"):
        OPS["ssd"].adjoint(case, {"z": 1.0})
    with pytest.raises(ShapeError, match="cotangent of y has shape"):
        OPS["ssd"].adjoint(case, {"y": cotangents["y"][:, 1:]})


# PyTorch ---------------------------------------------------------------------


def torch_step(raw, bias, softly, low=None, high=None):
    import torch

    raw = raw if bias is None else raw + bias
    raw = torch.nn.functional.softplus(raw) if softly else raw
    return raw if low is None else raw.clamp(low, high)


def torch_selective_scan(
    *, u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, discretization="euler",
    initial_state=None,
):  # fmt: skip
    """The loop over steps, on tensors."""
    import torch

    step = torch_step(delta, delta_bias, delta_softplus)
    S = torch.zeros((*u.shape[:-2], *A.shape), dtype=A.dtype) if initial_state is None else initial_state
    ys = []
    for t in range(u.shape[-2]):
        d = step[:, t, :, None]
        a = torch.exp(d * A)
        S = a * S + (d if discretization == "euler" else (a - 1) / A) * B[:, t, None, :] * u[:, t, :, None]
        y = (S * C[:, t, None, :]).sum(-1)
        ys.append(2 * y.real if A.is_complex() else y)
    y = torch.stack(ys, 1) if D is None else torch.stack(ys, 1) + D * u
    return (y if z is None else y * torch.nn.functional.silu(z)), S


def torch_ssd(
    *, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, dt_limit=(0.0, np.inf),
    initial_state=None, seq_idx=None, cu_seqlens=None,
):  # fmt: skip
    """The loop over sequences and steps, on tensors."""
    import torch

    b, T, h, p = x.shape
    step = torch_step(dt, dt_bias, dt_softplus, *dt_limit)
    B, C = (torch.repeat_interleave(X, h // X.shape[2], dim=2) for X in (B, C))
    rows = [(i, 0, T) for i in range(b)]
    if cu_seqlens is not None:
        rows = [(0, *ends) for ends in zip(cu_seqlens, cu_seqlens[1:], strict=False)]
    ys, finals = [[torch.zeros(h, p, dtype=x.dtype)] * T for _ in range(b)], []
    for r, (i, begin, end) in enumerate(rows):
        S = torch.zeros(h, p, B.shape[-1], dtype=x.dtype) if initial_state is None else initial_state[r]
        for t in range(begin, end):
            if seq_idx is not None and t > 0 and seq_idx[i, t] != seq_idx[i, t - 1]:
                S = torch.zeros_like(S)
            S = torch.exp(step[i, t] * A)[:, None, None] * S
            S = S + step[i, t][:, None, None] * x[i, t][:, :, None] * B[i, t][:, None, :]
            y = (S * C[i, t][:, None, :]).sum(-1)
            y = y if D is None else y + (D if D.ndim == 2 else D[:, None]) * x[i, t]
            ys[i][t] = y if z is None else y * torch.nn.functional.silu(z[i, t])
        finals.append(S)
    return torch.stack([torch.stack(row) for row in ys]), torch.stack(finals)


def torch_conv(*, x, weight, bias=None, activation=False, initial_state=None, seq_idx=None, cu_seqlens=None):
    """The loop over sequences and steps, on tensors: the state is shifted, or emptied, at each step."""
    import torch

    (b, T, d), w = x.shape, weight.shape[-1]
    rows = [(i, 0, T) for i in range(b)]
    if cu_seqlens is not None:
        rows = [(0, *ends) for ends in zip(cu_seqlens, cu_seqlens[1:], strict=False)]
    ys, finals = [[torch.zeros(d, dtype=x.dtype)] * T for _ in range(b)], []
    for r, (i, begin, end) in enumerate(rows):
        S = torch.zeros(d, w - 1, dtype=x.dtype) if initial_state is None else initial_state[r]
        for t in range(begin, end):
            if seq_idx is not None and t > 0 and seq_idx[i, t] != seq_idx[i, t - 1]:
                S = torch.zeros_like(S)
            window = torch.cat([S, x[i, t, :, None]], dim=-1)
            y, S = (window * weight).sum(-1), window[:, 1:]
            y = y if bias is None else y + bias
            ys[i][t] = torch.nn.functional.silu(y) if activation else y
        finals.append(S)
    return torch.stack([torch.stack(row) for row in ys]), torch.stack(finals)


@pytest.mark.real("torch")
@every_case
def test_gradients_are_those_of_autograd(op, index):
    """PyTorch, differentiating its own loop in float64, finds the same gradients."""
    import torch

    case, cotangents, _ = draw(op, index)
    tensors = {k: torch.tensor(x, requires_grad=True) for k, x in differentiable(case).items()}
    loop = {"selective_scan": torch_selective_scan, "ssd": torch_ssd, "causal_conv1d": torch_conv}[op.name]
    outputs = loop(**case | tensors)
    pairs = zip(outputs, cotangents.values(), strict=True)
    sum((y * torch.tensor(c).conj()).real.sum() for y, c in pairs).backward()
    for name, gradient in op.adjoint(case, cotangents).items():
        other = tensors[name].grad.numpy()
        assert np.abs(gradient - other).max() <= allowance(gradient, 1.0), name
        assert np.abs(gradient * (1 + 1e-9) - other).max() > allowance(gradient, 1.0)
