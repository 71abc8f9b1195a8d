"""Gradients of every op against complex steps, the adjoint identity and PyTorch's autograd."""

import numpy as np
import pytest

from realization.core.errors import ShapeError
from realization.core.pair import Pair
from realization.core.rounding import FORMATS
from realization.layers import OPS

T, STEP = 11, 1e-150
CASES = [
    pytest.param(op, i, id=f"{name}-{i}")
    for name, op in OPS.items()
    for i in range(len(op.options) if op.numbers else 0)
]
every_case = pytest.mark.parametrize("op, index", CASES)


def draw(op, index):
    """Arguments, and cotangents of all outputs, where nothing is exact and nothing fades at once."""
    rng = np.random.default_rng(index)
    regime = next(r for r in op.regimes if r.name in ("fading-3", op.typical))
    case = dict(op.cases(regime, op.options[index], T=T, chunk=4, rng=rng, form=FORMATS["float32"]))
    outputs = dict(zip(op.outputs, op.definition(**case), strict=True))
    outputs = {name: y for name, y in outputs.items() if name in op.numbers}
    # the logarithm of an empty sum is -inf, whatever the arguments are
    return case, {name: np.where(np.isfinite(y), noise(rng, y), 0.0) for name, y in outputs.items()}, rng


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
            v = np.where(np.isfinite(x), noise(rng, x), 0.0)  # a bias of -inf stays
            tangents = push_forward(op, case, {name: v})
            forward = sum(inner(cotangents[k], tangents[k]) for k in cotangents)
            if not gradients[name].any():  # no output depends on it
                assert forward == 0
                continue
            tolerance = allowance(gradients[name], v)
            assert abs(forward - inner(gradients[name], v)) <= tolerance, name
            assert abs(forward - inner(gradients[name] + 1e-9 * np.linalg.norm(gradients[name]) * v, v)) > tolerance


@every_case
def test_adjoint_identity(op, index):
    """<cot, J v> = <J' cot, v> with all arguments moved at once, and for each output by itself."""
    case, cotangents, rng = draw(op, index)
    v = {name: np.where(np.isfinite(x), noise(rng, x), 0.0) for name, x in differentiable(case).items()}
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


def torch_delta(
    *, query, key, value, beta, log_decay=None, scale=None, l2norm=False, norm_eps=1e-6, initial_state=None,
    seq_idx=None, cu_seqlens=None,
):  # fmt: skip
    """The loop over sequences and steps, on tensors: decay, erase and write, read."""
    import torch

    b, T, h, v = value.shape
    if l2norm:
        query, key = (x * torch.rsqrt((x * x).sum(-1, keepdim=True) + norm_eps) for x in (query, key))
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    query, key = (torch.repeat_interleave(x, h // x.shape[2], dim=2) for x in (query, key))
    rows = [(i, 0, T) for i in range(b)]
    if cu_seqlens is not None:
        rows = [(0, *ends) for ends in zip(cu_seqlens, cu_seqlens[1:], strict=False)]
    ys, finals = [[torch.zeros(h, v, dtype=value.dtype)] * T for _ in range(b)], []
    for r, (i, begin, end) in enumerate(rows):
        S = torch.zeros(h, v, key.shape[-1], dtype=value.dtype) if initial_state is None else initial_state[r]
        for t in range(begin, end):
            if seq_idx is not None and t > 0 and seq_idx[i, t] != seq_idx[i, t - 1]:
                S = torch.zeros_like(S)
            if log_decay is not None:
                S = S * torch.exp(log_decay[i, t]).reshape(h, 1, -1)
            innovation = value[i, t] - (S * key[i, t][:, None]).sum(-1)
            S = S + beta[i, t][:, None, None] * innovation[..., None] * key[i, t][:, None]
            ys[i][t] = (S * query[i, t][:, None]).sum(-1)
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


def torch_embed(x, cos, sin, interleaved, weight, eps):
    """RMS norm, then rotation, of (b, S, h, k)."""
    import torch

    x = x if weight is None else x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * weight
    if cos is None:
        return x
    r = cos.shape[-1]
    halves = (slice(0, 2 * r, 2), slice(1, 2 * r, 2)) if interleaved else (slice(0, r), slice(r, 2 * r))
    one, two = ((..., half) for half in halves)
    c, s = cos[..., None, :], sin[..., None, :]
    turned = x.clone()
    turned[one], turned[two] = x[one] * c - x[two] * s, x[two] * c + x[one] * s
    return turned


def torch_attend(streams, scale, softcap=None, sink=None, bias=None):
    """Softmax over all keys of all streams (query, key, value, seen), masked, with a matrix of scores."""
    import torch

    scores, values = [], []
    for query, key, value, seen in streams:
        share = query.shape[2] // key.shape[2]
        key, value = (torch.repeat_interleave(x, share, dim=2) for x in (key, value))
        z = torch.einsum("bthk,bshk->bths", query, key) * scale
        z = z if softcap is None else softcap * torch.tanh(z / softcap)
        z = z if bias is None else z + torch.movedim(bias, 0, 1)[None]
        scores.append(z.masked_fill(~torch.tensor(seen)[None, :, None], -torch.inf))
        values.append(value)
    if sink is not None:
        scores.append(sink[None, None, :, None].expand(*scores[0].shape[:3], 1))
        values.append(torch.zeros_like(values[0][:, :1]))
    z, v = torch.cat(scores, -1), torch.cat(values, 1)
    lse = torch.logsumexp(z, -1)
    return torch.einsum("bths,bshv->bthv", torch.exp(z - lse[..., None]), v), lse


def shown(T, S, low, high):
    """Keys from i - high to i - low of the query at i."""
    i, j = np.arange(S - T, S)[:, None], np.arange(S)
    return (j <= i - low) & (j >= i - high)


def torch_attention(
    *, query, key, value, window=None, scale=None, softcap=None, cos=None, sin=None, interleaved=False,
    query_norm=None, key_norm=None, norm_eps=1e-6, bias=None, sink=None, selected=None, cu_seqlens=None,
):  # fmt: skip
    """Attention with a matrix of scores, on tensors."""
    T, S = query.shape[1], key.shape[1]
    tables = [None if x is None else x[S - T :] for x in (cos, sin)]
    q = torch_embed(query, *tables, interleaved, query_norm, norm_eps)
    k = torch_embed(key, cos, sin, interleaved, key_norm, norm_eps)
    seen = shown(T, S, 0, S if window is None else window - 1)
    if cu_seqlens is not None:
        sequence = np.searchsorted(cu_seqlens, np.arange(S), side="right")
        seen &= (sequence[:, None] == sequence) & (np.arange(S) < cu_seqlens[-1])[:, None]
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if selected is None:
        return torch_attend([(q, k, value, seen)], scale, softcap, sink, bias)
    rows = []
    for row, chosen in enumerate(selected):
        more, one = seen | (chosen[:, :, None] == np.arange(S)).any(1), slice(row, row + 1)
        rows.append(torch_attend([(q[one], k[one], value[one], more)], scale, softcap, sink))
    import torch

    return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))


def torch_bmojo(
    *, query, key, value, fading_key, fading_value, window, fading_query=None, scale=None, cos=None, sin=None,
    interleaved=False, query_norm=None, key_norm=None, fading_query_norm=None, fading_key_norm=None, norm_eps=1e-6,
):  # fmt: skip
    """Raw and fading keys side by side, on tensors."""
    T, S = query.shape[1], key.shape[1]
    here = [None if x is None else x[S - T :] for x in (cos, sin)]
    other = query if fading_query is None else fading_query
    other_norms = query_norm if fading_query_norm is None else fading_query_norm, (
        key_norm if fading_key_norm is None else fading_key_norm
    )

    def embed(x, tables, weight):
        return torch_embed(x, *tables, interleaved, weight, norm_eps)

    streams = [
        (embed(query, here, query_norm), embed(key, (cos, sin), key_norm), value, shown(T, S, 0, window - 1)),
        (embed(other, here, other_norms[0]), embed(fading_key, (cos, sin), other_norms[1]), fading_value,
         shown(T, S, window, 2 * window - 1)),
    ]  # fmt: skip
    return torch_attend(streams, query.shape[-1] ** -0.5 if scale is None else scale)


def torch_layer(*, x, fading, output_weight, window, output_bias=None, quirks=(), **given):
    """Projections of both streams by einsum, attention on tensors, projection."""
    import torch

    streams = {}
    for prefix, tokens in (("", x), ("fading_", fading)):
        for name in ("query", "key", "value"):
            weight, bias = (given.get(f"{prefix}{name}_{p}", given.get(f"{name}_{p}")) for p in ("weight", "bias"))
            y = torch.einsum("btd,hkd->bthk", x if name == "query" else tokens, weight)
            streams[prefix + name] = y if bias is None else y + bias
    if "hidden-scale" in quirks:
        given["scale"] = (x.shape[-1] / output_weight.shape[1]) ** -0.5
    options = {k: a for k, a in given.items() if not k.endswith(("weight", "bias"))}
    y, _ = torch_bmojo(**streams, window=window, **options)
    y = torch.einsum("bthv,dhv->btd", y, output_weight)
    return (y if output_bias is None else y + output_bias,)


def torch_eidetic(
    *, query, key, value, surprise, window, capacity, fading_key=None, fading_value=None, fading_query=None,
    fading_lag=None, fading_width=None, slot_positions=True, scale=None, cos=None, sin=None, interleaved=False,
    query_norm=None, key_norm=None, fading_query_norm=None, fading_key_norm=None, norm_eps=1e-6, seq_idx=None,
    **choice,
):  # fmt: skip
    """Raw, selected and fading keys side by side, on tensors; the selection is that of plain numbers."""
    import torch

    T, S = query.shape[1], key.shape[1]
    chosen = OPS["select"].direct(
        surprise=surprise.detach().numpy(), capacity=capacity, window=window, seq_idx=seq_idx, **choice
    )
    tables, here = (cos, sin), [None if x is None else x[S - T :] for x in (cos, sin)]
    lag, width = (window if n is None else n for n in (fading_lag, fading_width))
    other = query if fading_query is None else fading_query
    other_norms = query_norm if fading_query_norm is None else fading_query_norm, (
        key_norm if fading_key_norm is None else fading_key_norm
    )

    def embed(x, tables, weight):
        return torch_embed(x, *tables, interleaved, weight, norm_eps)

    rows = []
    for row in range(query.shape[0]):
        one, plain = slice(row, row + 1), (None, None)
        starts = np.arange(S) * 0
        if seq_idx is not None:
            changed = np.append(False, np.diff(seq_idx[row]) != 0)
            starts = np.maximum.accumulate(np.where(changed, np.arange(S), 0))
        same = starts[S - T :, None] <= np.arange(S)
        slots = (chosen.places[row, S - T :, :, None] == np.arange(S)).any(1)
        near = shown(T, S, 0, window - 1) & same
        turned = (embed(query, here, query_norm), embed(key, tables, key_norm), value)
        apart = (embed(query, plain, query_norm), embed(key, plain, key_norm), value)
        streams = [(*turned, near | slots)] if slot_positions else [(*turned, near), (*apart, slots)]
        if fading_key is not None:
            old = shown(T, S, lag, lag + width - 1) & same
            streams.append((embed(other, here, other_norms[0]), embed(fading_key, tables, other_norms[1]),
                            fading_value, old))  # fmt: skip
        blind = ~np.concatenate([stream[3] for stream in streams], axis=1).any(1, keepdims=True)
        streams[0] = (*streams[0][:3], streams[0][3] | blind)  # what sees nothing sees all, and counts as 0
        streams = [(*(x[one] for x in stream[:3]), stream[3]) for stream in streams]
        y, lse = torch_attend(streams, query.shape[-1] ** -0.5 if scale is None else scale)
        rows.append((y.masked_fill(torch.tensor(blind)[None, :, :, None], 0.0), lse))
    return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))


def torch_memory_layer(
    *, x, fading, output_weight, output_bias=None, features=None, predictor_weight=None, statistic="squared",
    seq_idx=None, **given,
):  # fmt: skip
    """Projections and statistics of the layer with its test, on tensors."""
    import torch

    e = x
    if features is not None:
        before = torch.cat([torch.zeros_like(features[:, :1]), features[:, :-1]], 1)
        if seq_idx is not None:
            begins = np.diff(seq_idx, axis=1, prepend=seq_idx[:, :1]) != 0
            before = before.masked_fill(torch.tensor(begins)[..., None], 0.0)
        e = x - before @ predictor_weight.T
    s = (e * e).sum(-1) / ((x * x).sum(-1) if statistic == "relative" else 1.0)
    streams = {}
    for prefix, tokens in (("", x), ("fading_", fading)):
        for name in ("query", "key", "value"):
            weight, bias = (given.get(f"{prefix}{name}_{p}", given.get(f"{name}_{p}")) for p in ("weight", "bias"))
            y = torch.einsum("btd,hkd->bthk", x if name == "query" else tokens, weight)
            streams[prefix + name] = y if bias is None else y + bias
    options = {k: a for k, a in given.items() if not k.endswith(("weight", "bias"))}
    y, _ = torch_eidetic(**streams, surprise=s, seq_idx=seq_idx, **options)
    y = torch.einsum("bthv,dhv->btd", y, output_weight)
    return (y if output_bias is None else y + output_bias), s


LOOPS = {
    "selective_scan": torch_selective_scan,
    "ssd": torch_ssd,
    "gated_delta_rule": torch_delta,
    "causal_conv1d": torch_conv,
    "sliding_window_attention": torch_attention,
    "bmojo_f": torch_bmojo,
    "bmojo_f_layer": torch_layer,
    "bmojo": torch_eidetic,
    "bmojo_layer": torch_memory_layer,
}


@pytest.mark.real("torch")
@every_case
def test_gradients_are_those_of_autograd(op, index):
    """PyTorch, differentiating its own loop in float64, finds the same gradients."""
    import torch

    case, cotangents, _ = draw(op, index)
    tensors = {k: torch.tensor(x, requires_grad=True) for k, x in differentiable(case).items()}
    loop = LOOPS[op.name]
    outputs = loop(**case | tensors)
    pairs = zip(outputs, cotangents.values(), strict=True)
    sum((y * torch.tensor(c).conj()).real.sum() for y, c in pairs).backward()
    for name, gradient in op.adjoint(case, cotangents).items():
        other = 0.0 * gradient if tensors[name].grad is None else tensors[name].grad.numpy()
        if not gradient.any():
            assert not other.any()
            continue
        assert np.abs(gradient - other).max() <= allowance(gradient, 1.0), name
        assert np.abs(gradient * (1 + 1e-9) - other).max() > allowance(gradient, 1.0)
