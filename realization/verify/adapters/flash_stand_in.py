"""What flash-attn 2 computes, in float64 on a CPU: it stands in for the package where code that calls it is judged.

    s(i, j) = scale q(i)'k(j)   for   i - left <= j - (S_k - S_q) <= i + right
    lse(i) = log sum_j exp s(i, j),      o(i) = sum_j exp(s(i, j) - lse(i)) v(j)

The last query stands at the last key.  Head j of the queries uses group j // (h // g).  As there, a row
without keys has o = 0 and lse = +inf, and the backward pass takes o and lse from its caller, who may have
merged them with others.  Results are rounded once, to the format of the inputs; lse to float32 at least.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from unittest import mock

__all__ = ["backward", "forward", "func", "in_its_place"]

VERSION = "2.8.3"


def forward(
    q: Any, k: Any, v: Any, dropout_p: float, softmax_scale: float, causal: bool, window_size_left: int,
    window_size_right: int, softcap: float = 0.0, alibi_slopes: Any = None, return_softmax: bool = False,
) -> tuple[Any, Any, None, Any]:  # fmt: skip
    """Return o (b, T, h, v), lse (b, h, T), no dropout mask, and a state of a generator that is not used."""
    import torch

    _only_these(dropout_p, softcap, alibi_slopes)
    out, lse = _read_out(q, k, v, softmax_scale, causal, window_size_left, window_size_right)
    empty = lse == -torch.inf
    lse = torch.where(empty, torch.inf, lse).to(torch.promote_types(q.dtype, torch.float32))
    return out.to(q.dtype), lse, None, torch.zeros(2, dtype=torch.int64)


def backward(
    dout: Any, q: Any, k: Any, v: Any, out: Any, softmax_lse: Any, dq: Any, dk: Any, dv: Any, dropout_p: float,
    softmax_scale: float, causal: bool, window_size_left: int, window_size_right: int, softcap: float = 0.0,
    alibi_slopes: Any = None, deterministic: bool = False, rng_state: Any = None,
) -> None:  # fmt: skip
    """Write dq, dk and dv: p = exp(s - lse), ds = p (do'v - do'o), for the o and lse that are given."""
    import torch

    _only_these(dropout_p, softcap, alibi_slopes)
    share = q.shape[2] // k.shape[2]
    s, seen = _scores(q, k, softmax_scale, causal, window_size_left, window_size_right)
    p = torch.where(seen, torch.exp(s - softmax_lse.double()[..., None]), 0.0)
    do = dout.double()
    delta = (do * out.double()).sum(-1).transpose(1, 2)[..., None]
    dp = torch.einsum("bihv,bjhv->bhij", do, _shared(v, share))
    ds = p * (dp - delta) * softmax_scale
    dq.copy_(torch.einsum("bhij,bjhk->bihk", ds, _shared(k, share)))
    for grad, full in (
        (dk, torch.einsum("bhij,bihk->bjhk", ds, q.double())),
        (dv, torch.einsum("bhij,bihv->bjhv", p, do)),
    ):
        grad.copy_(full.reshape(*full.shape[:2], -1, share, full.shape[-1]).sum(3))


def func(
    q: Any, k: Any, v: Any, dropout_p: float = 0.0, softmax_scale: float | None = None, causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
) -> Any:  # fmt: skip
    """The attention alone, through which gradients flow."""
    _only_these(dropout_p, 0.0, None)
    scale = q.shape[-1] ** -0.5 if softmax_scale is None else softmax_scale
    return _read_out(q, k, v, scale, causal, *window_size)[0].to(q.dtype)


def _read_out(q: Any, k: Any, v: Any, scale: float, causal: bool, left: int, right: int) -> tuple[Any, Any]:
    import torch

    s, seen = _scores(q, k, scale, causal, left, right)
    s = torch.where(seen, s, -torch.inf)
    lse = torch.logsumexp(s, -1)
    p = torch.where(seen, torch.exp(s - torch.where(lse == -torch.inf, 0.0, lse)[..., None]), 0.0)
    return torch.einsum("bhij,bjhv->bihv", p, _shared(v, q.shape[2] // k.shape[2])).contiguous(), lse


def _scores(q: Any, k: Any, scale: float, causal: bool, left: int, right: int) -> tuple[Any, Any]:
    """Scores (b, h, T, S), and which of them count (T, S); -1 is no limit."""
    import torch

    T, S = q.shape[1], k.shape[1]
    ahead = torch.arange(S)[None] - torch.arange(S - T, S)[:, None]
    right = 0 if causal else right
    seen = torch.ones(T, S, dtype=torch.bool)
    seen = seen & (ahead >= -left) if left >= 0 else seen
    seen = seen & (ahead <= right) if right >= 0 else seen
    return scale * torch.einsum("bihk,bjhk->bhij", q.double(), _shared(k, q.shape[2] // k.shape[2])), seen


def _shared(x: Any, share: int) -> Any:
    return x.double().repeat_interleave(share, 2)


def _only_these(dropout_p: float, softcap: float, alibi_slopes: Any) -> None:
    if dropout_p or softcap or alibi_slopes is not None:
        raise NotImplementedError("the stand-in for flash-attn has no dropout, soft cap or slopes")


@contextmanager
def in_its_place() -> Iterator[None]:
    """Let `import flash_attn` find the stand-in, and its version be the one that callers ask for."""
    package, interface = (_module(name) for name in ("flash_attn", "flash_attn.flash_attn_interface"))
    interface.__dict__.update(_flash_attn_forward=forward, _flash_attn_backward=backward, flash_attn_func=func)
    package.__dict__.update(flash_attn_func=func, flash_attn_interface=interface, __version__=VERSION, __path__=[])
    stood = {name: sys.modules.get(name) for name in (package.__name__, interface.__name__)}
    sys.modules.update({package.__name__: package, interface.__name__: interface})
    version = metadata.version

    try:
        with mock.patch.object(metadata, "version", lambda n: VERSION if n == "flash-attn" else version(n)):
            yield
    finally:
        for name, module in stood.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})


def _module(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)  # others ask for it, to see whether the package is there
    return module
