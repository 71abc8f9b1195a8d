"""Adapters for PyTorch itself (2.13), and the masks that attention functions are handed.

What a query sees is a mask there: boolean (True is seen) where nothing is added to the scores, else
numbers of the query's format, -inf where nothing is seen.  The flag `is_causal` puts the first query
at the first key; here the last stands at the last, so it is never used.
"""

from typing import Any

from realization.verify.adapters import Adapter
from realization.verify.adapters.mamba_ssm import Foreign, Function, Outputs

__all__ = ["ADAPTERS", "batched", "heads_first", "seen"]


def attention(
    function: Function, *, query: Foreign, key: Foreign, value: Foreign, window: int | None = None,
    scale: float | None = None, bias: Foreign = None, selected: Foreign = None, cu_seqlens: Foreign = None,
) -> Outputs:  # fmt: skip
    """Call a function of (b, h, T, k), a mask, a scale and a flag that says that heads share keys."""
    q, k, v = heads_first(query, key, value)
    mask = seen(query.shape[1], key.shape[1], window, selected, cu_seqlens)
    if bias is not None:  # with all four axes: CPU flash attention knows no mask of three
        mask = batched(bias, 4).masked_fill(~mask, -float("inf"))
    y = function(q, k, v, attn_mask=mask, scale=scale, enable_gqa=q.shape[1] != k.shape[1])
    return {"y": y.transpose(1, 2)}


def heads_first(*arrays: Foreign) -> tuple[Foreign, ...]:
    """(b, T, h, k) as (b, h, T, k), in the order of a model: a view of contiguous memory."""
    return tuple(x.transpose(1, 2) for x in arrays)


def batched(x: Foreign, axes: int) -> Foreign:
    """x with so many axes, a first of size 1 where it has one less."""
    return x if x.ndim == axes else x[None]


def seen(T: int, S: int, window: int | None, selected: Foreign = None, cu_seqlens: Foreign = None) -> Any:
    """Return where query t, at position t + S - T, sees key j: (T, S), or (b, 1, T, S) with selected keys."""
    import torch

    i, j = torch.arange(S - T, S)[:, None], torch.arange(S)
    mask = (j <= i) if window is None else (j <= i) & (j > i - window)
    if selected is not None:
        named = torch.zeros(*selected.shape[:-1], S + 1, dtype=torch.bool)  # -1 marks the column behind the last key
        mask = mask | named.scatter_(-1, selected % (S + 1), True)[:, None, :, :S]
    if cu_seqlens is not None:
        part = torch.searchsorted(cu_seqlens, j, right=True)
        mask = mask & (part[S - T :, None] == part) & (part > 0) & (part < len(cu_seqlens))
    return mask


ADAPTERS = {
    "torch.nn.functional:scaled_dot_product_attention": (
        Adapter(
            op="sliding_window_attention",
            call=attention,
            accepts=frozenset({"query", "key", "value", "window", "scale", "bias", "selected", "cu_seqlens"}),
            array="torch",
            note="heads come before time; window, selected keys and packing are a mask, boolean or with the bias.",
        ),
    ),
}
