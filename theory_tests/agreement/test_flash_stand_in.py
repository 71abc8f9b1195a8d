"""The stand-in for flash-attn computes attention: forward as the operation does, backward as autograd does."""

import sys

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.layers import SLIDING_WINDOW_ATTENTION as ATTENTION
from realization.verify.adapters import flash_stand_in as flash

pytestmark = pytest.mark.real("torch")
U = 2.0**-53


def draw(T, S, *, h=4, g=2, k=8, v=6, seed=0):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.standard_normal((2, n, heads, w))) for n, heads, w in ((T, h, k), (S, g, k), (S, g, v))]


def forward(q, k, v, window, scale=0.3):
    out, lse, *_ = flash.forward(q, k, v, 0.0, scale, True, window - 1, 0)
    return out, lse


@pytest.mark.parametrize(("T", "S", "window"), [(7, 7, 3), (3, 7, 2), (1, 5, 4), (5, 5, 9)])
def test_forward_is_the_operation(T, S, window):
    """Within the bound of float64 sums, lse too; in float32 outputs are rounded once."""
    q, k, v = draw(T, S)
    case = {"query": q.numpy(), "key": k.numpy(), "value": v.numpy(), "window": window, "scale": 0.3}
    want, bound = ATTENTION.definition(**case), ATTENTION.bound(case, Claim(io="float64", accumulate="float64"))
    out, lse = forward(q, k, v, window)
    assert (np.abs(out.numpy() - want.y) <= 2 * bound["y"].error).all()
    assert (np.abs(lse.numpy().transpose(0, 2, 1) - want.lse) <= 2 * bound["lse"].error).all()
    assert np.abs(forward(q, k, v, window, scale=0.3001)[0].numpy() - want.y).max() > 1e-6, "the control"
    single = forward(*(x.float() for x in (q, k, v)), window)
    double = forward(*(x.float().double() for x in (q, k, v)), window)
    assert all(np.array_equal(a.numpy(), b.float().numpy()) for a, b in zip(single, double, strict=True))


def test_a_row_without_keys_is_zero_with_lse_infinite():
    """As flash-attn 2 has it, +inf and not -inf: what merges with it must know."""
    q, k, v = draw(5, 3)
    out, lse = forward(q, k, v, 2)
    assert not out[:, :2].any()
    assert bool((lse[..., :2] == np.inf).all())
    assert bool(lse[..., 2:].isfinite().all())


def union(q, k, v, K, V, window, scale=0.3):
    """One softmax over two windows of keys, written out."""
    import torch

    def scores(keys, low, high):
        ahead = torch.arange(len(keys[0])) - torch.arange(len(q[0]))[:, None]
        s = scale * torch.einsum("bihk,bjhk->bhij", q, keys.repeat_interleave(2, 2))
        return s.masked_fill((ahead < low) | (ahead > high), -torch.inf)

    s = torch.cat([scores(k, 1 - window, 0), scores(K, 1 - 2 * window, -window)], -1)
    return torch.einsum("bhij,bjhv->bihv", torch.softmax(s, -1), torch.cat([v, V], 1).repeat_interleave(2, 2))


def parts(q, k, v, K, V, window):
    """The same in two passes and a merge."""
    import torch

    late = q[:, window:], K[:, :-window], V[:, :-window]
    (one, lse), (two, LSE) = forward(q, k, v, window), forward(*late, window)
    two = torch.cat([torch.zeros_like(one[:, :window]), two], 1)
    LSE = torch.cat([torch.full_like(lse[..., :window], -torch.inf), LSE], -1)
    whole = torch.logaddexp(lse, LSE)
    first, second = (torch.exp(x - whole).transpose(1, 2)[..., None] for x in (lse, LSE))
    return late, one * first + two * second, whole, lse


def test_backward_with_merged_outputs_is_the_gradient_of_the_union():
    """Each pass gets the output and the lse of both: so the released layer calls it.

    Sums of at most 24 terms of order 1 in float64, some five of them in a row: 1e3 u in all.
    """
    import torch

    window = 3
    q, k, v = draw(12, 12)
    _, K, V = draw(12, 12, seed=1)
    given = [x.requires_grad_() for x in (q, k, v, K, V)]
    y = union(*given, window)
    dout = torch.tensor(np.random.default_rng(2).standard_normal(y.shape))
    want = torch.autograd.grad(y, given, dout)
    q, k, v, K, V = (x.detach() for x in given)
    late, out, lse, own = parts(q, k, v, K, V, window)
    assert (out - y.detach()).abs().max() < 1e3 * U

    def gradients(lse):
        found = [torch.zeros_like(x) for x in (q, k, v)], [torch.zeros_like(x) for x in late]
        rest = dout[:, window:], out[:, window:], lse[..., window:]
        for streams, (do, o, total), grads in (((q, k, v), (dout, out, lse), found[0]), (late, rest, found[1])):
            flash.backward(do, *streams, o, total, *grads, 0.0, 0.3, True, window - 1, 0)
        dq = found[0][0].clone()
        dq[:, window:] += found[1][0]
        return dq, *found[0][1:], *(torch.cat([g, torch.zeros_like(g[:, :window])], 1) for g in found[1][1:])

    error = max((a - b).abs().max() for a, b in zip(gradients(lse), want, strict=True))
    assert error < 1e3 * U
    wrong = max((a - b).abs().max() for a, b in zip(gradients(own), want, strict=True))
    assert wrong > 1e-2, "the control: the lse of one pass alone"


def test_what_it_cannot_do_is_refused_and_it_leaves_no_trace():
    q, k, v = draw(3, 3)
    with pytest.raises(NotImplementedError, match="dropout"):
        flash.func(q, k, v, dropout_p=0.1)
    before = {name for name in sys.modules if name.startswith("flash_attn")}
    with flash.in_its_place():
        from importlib.metadata import version

        import flash_attn
        from flash_attn.flash_attn_interface import flash_attn_func

        assert flash_attn_func is flash.func is flash_attn.flash_attn_func
        assert version("flash-attn") == flash.VERSION
        assert version("numpy") == np.__version__
    assert {name for name in sys.modules if name.startswith("flash_attn")} == before
