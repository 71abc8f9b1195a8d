"""Adapters only translate: foreign functions agree with a float64 loop written here.

The tolerance is the textbook one.  Every output is a sum of products of inputs;
when each product passes through at most k roundings, the result is off by at
most k u (first order) times the same sum of absolute values, the *envelope*.
Decays add the rounding of their exponents: u times what the exponents add up to.
"""

import importlib
import math
import subprocess
import sys

import numpy as np
import pytest

from realization.verify.adapters import find

TRANSFORMERS = pytest.mark.real("torch", "transformers")

U = 2.0**-24
MAMBA = "transformers.models.mamba.modeling_mamba:"
MAMBA2 = "transformers.models.mamba2.modeling_mamba2:"


# ---- the definitions, in float64


def loop(log_decay, drive, read, state):
    """S_t = exp(log_decay_t) S_{t-1} + drive_t, y_t = <read_t, S_t>; all (b, T, ..., n)."""
    y = np.empty(np.broadcast_shapes(drive.shape, read.shape)[:-1])
    for t in range(y.shape[1]):
        state = np.exp(log_decay[:, t]) * state + drive[:, t]
        y[:, t] = (read[:, t] * state).sum(-1)
    return y, state


def answer(op, a):
    """Return (outputs, envelopes, total log decay) of the canonical operation in float64."""
    a = {k: v.astype(float) if isinstance(v, np.ndarray) else v for k, v in a.items()}
    u, dt, bias, soft = (
        (a["u"], a["delta"], a.get("delta_bias"), a.get("delta_softplus"))
        if op == "selective_scan"
        else (a["x"], a["dt"], a.get("dt_bias"), a.get("dt_softplus"))
    )
    step = dt if bias is None else dt + bias
    step = np.logaddexp(0, step) if soft else step
    if op == "selective_scan":
        log_decay, skip = step[..., None] * a["A"], a.get("D", 0.0)
        drive = (step * u)[..., None] * a["B"][:, :, None]
        read = a["C"][:, :, None]
    else:
        step = np.clip(step, *a.get("dt_limit", (0, math.inf)))
        heads = u.shape[2] // a["B"].shape[2]
        B, C = (np.repeat(a[k], heads, axis=2)[:, :, :, None] for k in "BC")
        log_decay = (step * a["A"])[..., None, None]
        drive, read = (step[..., None] * u)[..., None] * B, C
        skip = np.asarray(a.get("D", 0.0))
        skip = skip[:, None] if skip.ndim == 1 else skip
    start = a.get("initial_state", np.zeros((u.shape[0], *drive.shape[2:])))
    y, state = loop(log_decay, drive, read, start)
    y_size, state_size = loop(log_decay, abs(drive), abs(read), abs(start))
    gate = a["z"] / (1 + np.exp(-a["z"])) if "z" in a else 1.0
    y, y_size = (y + skip * u) * gate, (y_size + abs(skip * u)) * abs(gate)
    return {"y": y, "final_state": state}, {"y": y_size, "final_state": state_size}, -log_decay


def tolerance(envelope, minus_log_decay, *, n, chunk=1):
    """Bound the float32 error.

    Roundings of one product: 6 in its step (bias, softplus, whose relative
    condition is below 4 on the inputs used here), 6 in each of its T decays
    (exp to 4 ulp, and the product), n + T in sums, 20 in gate, skip and the rest.
    An exponent is a sum of rounded products (6 each) over at most one chunk,
    taken as a difference of two such sums; the chunks' own add up likewise.
    """
    T = minus_log_decay.shape[1]
    exponents = minus_log_decay.sum(1).max(initial=0)
    roundings = 26 + n + 7 * T + (6 + 2 * chunk + T / chunk) * exponents
    return U * roundings * envelope


# ---- random inputs; a bias of -3 makes steps of about 0.05, so that the scan remembers many of them


def inputs(op, *, T=40, seed=0, without=()):
    rng = np.random.default_rng(seed)
    b, d, n, h, p, g = 2, 5, 4, 4, 3, 2

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    bias, rate = (d, (d, n)) if op == "selective_scan" else (h, (h,))
    shared = {
        "A": -rng.uniform(0.1, 2, rate).astype(np.float32),
        "D": normal(bias),
    }
    if op == "selective_scan":
        case = shared | {
            "u": normal(b, T, d), "delta": 0.5 * normal(b, T, d), "B": normal(b, T, n), "C": normal(b, T, n),
            "z": normal(b, T, d), "delta_bias": normal(d) / 4 - 3, "delta_softplus": True,
            "initial_state": normal(b, d, n),
        }  # fmt: skip
    else:
        case = shared | {
            "x": normal(b, T, h, p), "dt": 0.5 * normal(b, T, h),
            "B": normal(b, T, g, n), "C": normal(b, T, g, n),
            "z": normal(b, T, h, p), "dt_bias": normal(h) / 4 - 3, "dt_softplus": True,
            "initial_state": normal(b, h, p, n),
        }  # fmt: skip
    return {k: v for k, v in case.items() if k not in without}


def result(subject, case, function=None, *, op=None, **options):
    """Call a subject as the harness does: canonical NumPy in, canonical NumPy out."""
    import torch

    adapter = find(subject, op)
    if function is None:
        module, _, name = subject.partition(":")
        function = getattr(importlib.import_module(module), name)
    foreign = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in case.items()}
    got = adapter.call(function, **foreign, **options)
    return {k: v.numpy() for k, v in got.items()}


def worst(got, op, case, *, chunk=1):
    """Return the largest error in units of the tolerance."""
    want, envelopes, minus_log_decay = answer(op, case)
    ratios = []
    for name, value in want.items():
        assert got[name].shape == value.shape
        allowed = tolerance(envelopes[name], minus_log_decay, n=case["A"].shape[-1], chunk=chunk)
        ratios.append((abs(got[name] - value) / allowed).max(initial=0))
    return max(ratios)


def accepted(subject, op=None, **options):
    """Return inputs that use every array the adapter can pass on."""
    adapter = find(subject, op)
    case = inputs(adapter.op, **options)
    return adapter.op, {k: v for k, v in case.items() if k in adapter.accepts}


# ---- transformers


@TRANSFORMERS
@pytest.mark.parametrize(
    "subject",
    [
        MAMBA + "mamba_selective_scan",
        MAMBA + "mamba_selective_state_update",
        MAMBA2 + "mamba2_chunk_scan",
        MAMBA2 + "mamba2_selective_state_update",
    ],
)
@pytest.mark.parametrize("plain", [False, True], ids=["all", "plain"])
def test_transformers_agrees_with_the_definition(subject, plain):
    op, case = accepted(subject)
    if plain:
        drop = {"D", "z", "initial_state", "delta_bias", "dt_bias"} - find(subject).requires
        case = {k: v for k, v in case.items() if k not in drop}
    chunk = find(subject).claim.get("chunk") or 1
    assert worst(result(subject, case), op, case, chunk=chunk) < 1


@TRANSFORMERS
@pytest.mark.parametrize(("T", "chunk"), [(1, 8), (7, 8), (8, 8), (9, 8), (40, 16), (300, 256)])
def test_the_chunked_scan_agrees_at_every_length(T, chunk):
    subject = MAMBA2 + "mamba2_chunk_scan"
    op, case = accepted(subject, T=T)
    case["dt_limit"] = (0.02, 0.06)  # binds on both sides
    assert worst(result(subject, case, chunk_size=chunk), op, case, chunk=chunk) < 1


@TRANSFORMERS
@pytest.mark.parametrize("name", ["A", "delta", "B", "initial_state", "z"])
def test_a_thousandth_more_of_any_argument_is_seen(name):
    """The control: were the tolerance loose, the tests above would show nothing."""
    subject = MAMBA + "mamba_selective_state_update"
    op, case = accepted(subject)
    got = result(subject, case | {name: case[name] * np.float32(1.001)})
    assert worst(got, op, case) > 1


@TRANSFORMERS
@pytest.mark.parametrize(
    ("subject", "state"),
    [
        (MAMBA + "mamba_selective_state_update", (2, 5, 4)),
        (MAMBA2 + "mamba2_selective_state_update", (2, 4, 3, 4)),
    ],
)
def test_no_step_returns_the_given_state_and_any_step_changes_it_in_place(subject, state):
    import torch

    _, none = accepted(subject, T=0)
    got = result(subject, none)
    assert got["y"].shape[1] == 0
    np.testing.assert_array_equal(got["final_state"], none["initial_state"])

    module, _, name = subject.partition(":")
    _, case = accepted(subject, T=1)
    foreign = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in case.items()}
    given = foreign["initial_state"]
    out = find(subject).call(getattr(importlib.import_module(module), name), **foreign)
    assert out["final_state"] is given
    assert not np.array_equal(given.numpy(), case["initial_state"])
    unchanged = set(case) - find(subject).changes
    assert all(np.array_equal(foreign[k], case[k]) for k in unchanged if isinstance(case[k], np.ndarray))


@TRANSFORMERS
def test_what_a_function_cannot_express_is_said_and_not_judged():
    _, case = accepted(MAMBA2 + "mamba2_chunk_scan")
    with pytest.raises(NotImplementedError, match="one number for each head"):
        result(MAMBA2 + "mamba2_chunk_scan", case | {"D": np.ones((4, 3), np.float32)})
    _, case = accepted(MAMBA + "mamba_selective_scan")
    with pytest.raises(NotImplementedError, match="complex"):
        result(MAMBA + "mamba_selective_scan", case | {"A": case["A"].astype(np.complex64)})


# ---- mamba_ssm: stand-ins with the published signatures and layouts


def selective_scan_fn(
    u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False
):
    import torch
    from torch.nn.functional import silu, softplus

    delta = delta if delta_bias is None else delta + delta_bias[:, None]
    delta = softplus(delta) if delta_softplus else delta
    state, y = torch.zeros(u.shape[0], *A.shape), torch.empty_like(u)
    for t in range(u.shape[2]):
        step = delta[:, :, t, None]
        state = torch.exp(step * A) * state + step * u[:, :, t, None] * B[:, None, :, t]
        y[:, :, t] = torch.einsum("bdn,bn->bd", state, C[:, :, t])
    y = y if D is None else y + D[:, None] * u
    y = y if z is None else y * silu(z)
    return (y, state) if return_last_state else y


def selective_state_update(
    state, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, state_batch_indices=None
):
    import torch
    from torch.nn.functional import silu, softplus

    assert dt.shape == x.shape
    assert A.shape == state.shape[1:]
    assert D.shape == dt_bias.shape == x.shape[1:]  # upstream unpacks their strides without asking
    dt = softplus(dt + dt_bias) if dt_softplus else dt + dt_bias
    if x.ndim == 3:
        B, C = (a.repeat_interleave(x.shape[1] // a.shape[1], 1)[:, :, None] for a in (B, C))
    else:
        B, C = B[:, None], C[:, None]
    state.copy_(torch.exp(dt[..., None] * A) * state + (dt * x)[..., None] * B)
    y = (state * C).sum(-1) + D * x
    return y if z is None else y * silu(z)


def mamba_chunk_scan_combined(
    x, dt, A, B, C, chunk_size, D=None, z=None, dt_bias=None, initial_states=None, seq_idx=None,
    cu_seqlens=None, dt_softplus=False, dt_limit=(0.0, float("inf")), return_final_states=False,
    return_varlen_states=False,
):  # fmt: skip
    import torch
    from torch.nn.functional import silu, softplus

    dt = dt if dt_bias is None else dt + dt_bias
    dt = (softplus(dt) if dt_softplus else dt).clamp(*dt_limit)
    B, C = (a.repeat_interleave(x.shape[2] // a.shape[2], 2)[:, :, :, None] for a in (B, C))
    state = torch.zeros(*x[:, 0].shape, B.shape[-1]) if initial_states is None else initial_states
    y = torch.empty_like(x)
    for t in range(x.shape[1]):
        step = dt[:, t, :, None, None]
        if seq_idx is not None and t:
            state = torch.where((seq_idx[:, t] == seq_idx[:, t - 1])[:, None, None, None], state, 0.0)
        state = torch.exp(step * A[:, None, None]) * state + step * x[:, t, ..., None] * B[:, t]
        y[:, t] = (state * C[:, t]).sum(-1)
    y = y if D is None else y + (D[:, None] if D.ndim == 1 else D) * x
    y = y if z is None else y * silu(z)
    return (y, state) if return_final_states else y


UPDATE = "mamba_ssm.ops.triton.selective_state_update:selective_state_update"


@pytest.mark.real("torch")
@pytest.mark.parametrize(
    ("subject", "op", "stand_in"),
    [
        ("mamba_ssm.ops.selective_scan_interface:selective_scan_ref", None, selective_scan_fn),
        ("mamba_ssm.ops.selective_scan_interface:selective_scan_fn", None, selective_scan_fn),
        ("mamba_ssm.ops.triton.ssd_combined:mamba_chunk_scan_combined", None, mamba_chunk_scan_combined),
        (UPDATE, "selective_scan", selective_state_update),
        (UPDATE, "ssd", selective_state_update),
    ],
)
def test_mamba_ssm_is_called_in_its_published_layout(subject, op, stand_in):
    op, case = accepted(subject, op)
    chunk = find(subject, op).claim.get("chunk") or 1
    assert worst(result(subject, case, stand_in, op=op), op, case, chunk=chunk) < 1


@pytest.mark.real("torch")
def test_a_packed_sequence_is_its_parts():
    subject = "mamba_ssm.ops.triton.ssd_combined:mamba_chunk_scan_combined"
    _, case = accepted(subject, T=12, without=("initial_state",))
    part = np.repeat(np.arange(2, dtype=np.int32), [5, 7])[None].repeat(2, 0)
    packed = result(subject, case | {"seq_idx": part}, mamba_chunk_scan_combined)
    late = {k: v[:, 5:] if k in ("x", "dt", "B", "C", "z") else v for k, v in case.items()}
    # not bit for bit: torch's softplus gives other bits in the body of a vector loop than in its tail
    assert worst({"y": packed["y"][:, 5:], "final_state": packed["final_state"]}, "ssd", late) < 1


# ---- short convolutions

CONV = "causal_conv1d:causal_conv1d_fn"
CONV_UPDATE = "causal_conv1d:causal_conv1d_update"


def convolution(*, x, weight, bias=None, activation=False, initial_state=None, seq_idx=None):
    """y(t) = act(bias + sum_i weight[i] x(t-w+1+i)) in float64, the same of absolute values, and the last inputs."""
    (b, T, d), w = x.shape, weight.shape[-1]
    before = np.zeros((b, d, w - 1)) if initial_state is None else initial_state
    tokens = np.concatenate([before.astype(float), x.astype(float).swapaxes(1, 2)], axis=2)
    y, size = np.zeros((b, T, d)), np.zeros((b, T, d))
    for row, t, i in np.ndindex(b, T, w):
        if seq_idx is None or t - w + 1 + i < 0 or seq_idx[row, t - w + 1 + i] == seq_idx[row, t]:
            y[row, t] += weight[:, i] * tokens[row, :, t + i]
            size[row, t] += abs(weight[:, i] * tokens[row, :, t + i])
    if bias is not None:
        y, size = y + bias, size + abs(bias)
    return (y / (1 + np.exp(-y)) if activation else y), size, tokens[..., T:]


def conv_inputs(d=8, w=4, T=21, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"x": (2, T, d), "weight": (d, w), "bias": (d,), "initial_state": (2, d, w - 1)}
    case = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return case | {"activation": True, "seq_idx": np.repeat(np.arange(3, dtype=np.int32), T // 3)[None].repeat(2, 0)}


def conv_worst(got, case):
    """Errors in units of w + 10 roundings of the sum of absolute values: w in the sum, 10 for silu of slope 1.1."""
    y, size, last = convolution(**case)
    assert got["y"].shape == y.shape
    if "final_state" in got:
        np.testing.assert_array_equal(got["final_state"], last)
    return (abs(got["y"] - y) / ((case["weight"].shape[-1] + 10) * U * size)).max(initial=0)


def causal_conv1d_fn(
    x, weight, bias=None, seq_idx=None, initial_states=None, return_final_states=False, final_states_out=None,
    activation=None,
):  # fmt: skip
    import torch

    assert activation in (None, "silu", "swish")
    assert seq_idx is None or (initial_states is None and not return_final_states)
    assert not return_final_states or x.stride(1) == 1, "only the channel-last layout returns states"
    assert initial_states is None or initial_states.stride(1) == 1, "nor does another one take them"
    (b, d, T), w = x.shape, weight.shape[-1]
    tokens = torch.cat([x.new_zeros(b, d, w - 1) if initial_states is None else initial_states, x], -1)
    y = torch.zeros_like(x)
    for t in range(T):
        window = tokens[..., t : t + w]
        if seq_idx is not None:
            first = max(0, w - 1 - t)
            same = seq_idx[:, t - w + 1 + first : t + 1] == seq_idx[:, t, None]
            window = torch.cat([0 * window[..., :first], window[..., first:] * same[:, None]], -1)
        y[..., t] = (window * weight).sum(-1)
    y = y if bias is None else y + bias[:, None]
    y = y if activation is None else torch.nn.functional.silu(y)
    return (y, tokens[..., T:]) if return_final_states else y


def causal_conv1d_update(x, conv_state, weight, bias=None, activation=None, cache_seqlens=None):
    import torch

    assert conv_state.shape[-1] >= weight.shape[-1] - 1
    tokens = torch.cat([conv_state, x], -1)
    y, _ = causal_conv1d_fn(
        tokens.mT.contiguous().mT, weight, bias, return_final_states=True, activation=activation
    )
    conv_state.copy_(tokens[..., -conv_state.shape[-1] :])
    return y[..., conv_state.shape[-1] :]


@pytest.mark.real("torch")
@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("left_out", [("initial_state",), ("seq_idx",), ("seq_idx", "bias", "activation")], ids=str)
@pytest.mark.parametrize(("subject", "stand_in"), [(CONV, causal_conv1d_fn), (CONV_UPDATE, causal_conv1d_update)])
def test_causal_conv1d_is_called_in_its_published_layout(subject, stand_in, left_out, width):
    case = {k: v for k, v in conv_inputs(w=width).items() if k in find(subject).accepts and k not in left_out}
    assert conv_worst(result(subject, case, stand_in), case) < 1


@pytest.mark.real("torch")
def test_what_the_package_cannot_express_is_said():
    case = conv_inputs()
    with pytest.raises(NotImplementedError, match="takes one of them"):
        result(CONV, case, causal_conv1d_fn)
    with pytest.raises(NotImplementedError, match="5 taps"):
        result(CONV, conv_inputs(w=5), causal_conv1d_fn)
    short = {k: v for k, v in conv_inputs(w=1).items() if k in find(CONV_UPDATE).accepts}
    with pytest.raises(NotImplementedError, match="no state to work on"):
        result(CONV_UPDATE, short, causal_conv1d_update)


@TRANSFORMERS
@pytest.mark.parametrize(
    "subject",
    ["torch.nn.functional:conv1d"]
    + [
        f"transformers.models.{name}.modeling_{name}:causal_conv1d_{kind}"
        for name in ("mamba", "mamba2", "falcon_h1")
        for kind in ("fn", "update")
    ],
)
def test_convolutions_agree_with_the_definition(subject):
    case = {k: v for k, v in conv_inputs().items() if k in find(subject).accepts}
    assert conv_worst(result(subject, case), case) < 1
    for name in set(case) & {"x", "weight", "bias", "initial_state"}:  # the control
        got = result(subject, case | {name: case[name] * np.float32(1.001)})
        assert conv_worst({"y": got["y"]}, case) > 1, name


# ---- functions that need no adapter


@pytest.mark.real("jax")
@pytest.mark.parametrize("name", ["selective_scan", "selective_scan_in_order"])
@pytest.mark.parametrize("T", [0, 1, 40])
def test_the_jax_example_agrees_with_the_definition(name, T):
    case = inputs("selective_scan", T=T)
    y, state = getattr(example("jax_scan"), name)(**case)
    got = {"y": np.asarray(y), "final_state": np.asarray(state)}
    assert worst(got, "selective_scan", case) < 1


@pytest.mark.real("torch")
@pytest.mark.parametrize("T", [0, 1, 40])
def test_the_torch_example_agrees_with_the_definition(T):
    import torch

    case = inputs("selective_scan", T=T)
    foreign = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in case.items()}
    y, state = example("torch_scan").selective_scan(**foreign)
    assert worst({"y": y.numpy(), "final_state": state.numpy()}, "selective_scan", case) < 1


def example(name):
    from pathlib import Path

    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- real input and the stateful mixer


@TRANSFORMERS
@pytest.mark.parametrize(
    ("kind", "subject"),
    [("mamba", MAMBA + "mamba_selective_scan"), ("mamba2", MAMBA2 + "mamba2_chunk_scan")],
)
def test_recorded_activations_are_canonical_arguments(kind, subject):
    from realization.verify.adapters.activations import record

    layers = record(kind, layers=4, length=48, seed=1)
    assert len(layers) == 4
    op = find(subject).op
    chunk = find(subject).claim.get("chunk") or 1
    for case in layers:
        assert set(case) <= find(subject).accepts
        assert {v.dtype for v in case.values() if isinstance(v, np.ndarray)} == {np.dtype(np.float32)}
        assert worst(result(subject, case), op, case, chunk=chunk) < 1
    again = record(kind, layers=4, length=48, seed=1)
    for one, other in zip(layers, again, strict=True):
        assert all(np.array_equal(one[k], other[k]) for k in one)
    assert not np.array_equal(layers[0]["B"], record(kind, layers=1, length=48, seed=2)[0]["B"])


def pieces(function, hidden, *cuts):
    """Feed the input in pieces; return all outputs and the last state."""
    outputs, state = [], None
    for piece in np.split(hidden, cuts, axis=1):
        output, state = function(piece, state)
        outputs.append(output)
    return np.concatenate(outputs, axis=1), state


# Two float32 evaluations of one mixer; its longest chain is conv 4, projections 64, scan 40, projection 64,
# so they differ by about sqrt(200) u of the output's size, and by 200 u at most on such data.
SAME = 200 * U


@TRANSFORMERS
@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_token_by_token_is_the_whole(kind):
    function, hidden = small_mixer(kind)
    whole, end = function(hidden)
    for cuts in (range(1, 40), range(23, 40)):
        output, state = pieces(function, hidden, *cuts)
        assert abs(output - whole).max() < SAME * abs(whole).max()
        assert all(abs(state[k] - end[k]).max() < SAME * abs(end[k]).max() for k in end)


@TRANSFORMERS
def test_mamba2_may_be_cut_anywhere():
    function, hidden = small_mixer("mamba2")
    whole, end = function(hidden)
    for cut in range(1, 40):
        output, state = pieces(function, hidden, cut)
        assert abs(output - whole).max() < SAME * abs(whole).max()
        assert all(abs(state[k] - end[k]).max() < SAME * abs(end[k]).max() for k in end)


@TRANSFORMERS
def test_mamba_forgets_at_the_cut():
    """transformers 5.23 starts the second piece from zero: the check has something to find."""
    import transformers

    if not transformers.__version__.startswith("5.23."):
        pytest.skip("a fact about transformers 5.23")
    function, hidden = small_mixer("mamba")
    whole, end = function(hidden)
    output, state = pieces(function, hidden, 23)
    error = abs(output - whole).max((0, 2))
    assert error[:23].max() < SAME * abs(whole).max()
    assert error[23] > 100 * SAME * abs(whole).max()
    assert abs(state["recurrent"] - end["recurrent"]).max() > 0.1 * abs(end["recurrent"]).max()


def small_mixer(kind):
    from realization.verify.adapters.activations import model
    from realization.verify.adapters.mixer import mixer

    hidden = np.random.default_rng(0).standard_normal((2, 40, 32)).astype(np.float32)
    return mixer(model(kind, layers=1)), hidden


# ---- finding an adapter


def test_an_unknown_name_loads_nothing():
    program = """
import sys
from realization.verify.adapters import find
assert find("numpy:add") is None and find("my_kernels.scan:scan") is None
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"torch", "transformers", "jax", "mamba_ssm"}, loaded
assert not any(name.startswith("realization.verify.adapters.") for name in sys.modules)
assert find("transformers.models.mamba.modeling_mamba:mamba_selective_scan").op == "selective_scan"
assert not {name.partition(".")[0] for name in sys.modules} & {"torch", "transformers"}
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_known_package_has_only_its_listed_functions():
    assert find(MAMBA + "mamba_inner_fn") is None
    assert find(MAMBA + "mamba_selective_scan", "ssd") is None
    assert find(UPDATE).op == "selective_scan"
    assert find(UPDATE, "ssd").op == "ssd"
