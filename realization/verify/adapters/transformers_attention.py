"""Adapters for the eager attention of `transformers` (5.23), with the norm and the rotation of the same model.

A model's attention is a function of a module, of which it reads a few numbers; a stand-in holds them.
What comes before (q and k norm, rotary positions) is called as the model calls it, so that the whole is
judged.  The models turn column c with column c + k / 2; other pairs are brought there by a permutation
of the columns of queries, keys and weights, and columns that stay get cos = 1, sin = 0: q'k is the same.
"""

import sys
from types import SimpleNamespace
from typing import Any

from realization.verify.adapters import Adapter
from realization.verify.adapters.mamba_ssm import Foreign, Function, Outputs
from realization.verify.adapters.torch_attention import batched, heads_first, seen

__all__ = ["ADAPTERS"]


def attention(
    function: Function, *, query: Foreign, key: Foreign, value: Foreign, window: int | None = None,
    scale: float | None = None, bias: Foreign = None, selected: Foreign = None, sink: Foreign = None,
    softcap: float | None = None, **before: Any,
) -> Outputs:  # fmt: skip
    """Call eager attention behind the norm and the rotation of its model."""
    import torch

    (T, h), S, g = query.shape[1:3], key.shape[1], key.shape[2]
    lowest = torch.finfo(query.dtype).min
    mask = seen(T, S, window, selected)
    mask = (query.new_zeros(()) if bias is None else batched(bias, 4)).masked_fill(~mask, lowest)
    if sink is None and bool((mask <= lowest).all(-1).any()):
        raise NotImplementedError("a query that sees nothing: eager attention gives it the mean of all values")
    query, key = positioned(sys.modules[function.__module__], query, key, **before)
    module = SimpleNamespace(num_key_value_groups=h // g, head_dim=query.shape[-1], training=False, sinks=sink)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    capped = {} if softcap is None else {"softcap": softcap}
    y, _ = function(module, *heads_first(query, key, value), mask, scaling=scale, **capped)
    return {"y": y}


def positioned(
    model: Any, query: Foreign, key: Foreign, *, cos: Foreign = None, sin: Foreign = None, interleaved: bool = False,
    query_norm: Foreign = None, key_norm: Foreign = None, norm_eps: float = 1e-6,
) -> tuple[Foreign, Foreign]:  # fmt: skip
    """Norm, then rotation, of queries and keys (b, T, h, k), by the functions of the model."""
    query, key = normed(model, query, query_norm, norm_eps), normed(model, key, key_norm, norm_eps)
    if cos is None:
        return query, key
    k, r = query.shape[-1], cos.shape[-1]
    if k % 2:
        raise NotImplementedError("keys of odd width: the model halves them")
    columns = halves(k, r, interleaved)
    cos, sin = full(cos, k, 1.0), full(sin, k, 0.0)
    T, S = query.shape[1], key.shape[1]
    turn = model.apply_rotary_pos_emb
    # the function turns queries and keys of one length
    q, _ = turn(query[..., columns], query[..., columns], cos[:, S - T :], sin[:, S - T :], unsqueeze_dim=2)
    _, k = turn(key[..., columns], key[..., columns], cos, sin, unsqueeze_dim=2)
    return q, k


def normed(model: Any, x: Foreign, weight: Foreign, eps: float) -> Foreign:
    """The RMS norm of the model with this weight."""
    if weight is None:
        return x
    from torch.func import functional_call

    norm = next(kind for name, kind in vars(model).items() if name.endswith("RMSNorm"))
    return functional_call(norm(x.shape[-1], eps), {"weight": weight}, (x,))


def halves(k: int, r: int, interleaved: bool) -> list[int]:
    """Columns in the order in which c and c + k / 2 are partners; those beyond 2 r come in pairs of their own."""
    first, second = (range(0, 2 * r, 2), range(1, 2 * r, 2)) if interleaved else (range(r), range(r, 2 * r))
    middle = r + k // 2
    return [*first, *range(2 * r, middle), *second, *range(middle, k)]


def full(table: Foreign, k: int, rest: float) -> Foreign:
    """A table (S, r) or (b, S, r) as the model holds it, (b|1, S, k) with its two halves alike."""
    from torch.nn.functional import pad

    return pad(batched(table, 3), (0, k // 2 - table.shape[-1]), value=rest).repeat(1, 1, 2)


_COMMON = frozenset({"query", "key", "value", "window", "scale", "bias", "selected"})
_NOTE = "heads come before time; window, selected keys and bias are one additive mask; a stand-in for the module"


def _adapter(*more: str, note: str = "", requires: frozenset[str] = frozenset()) -> tuple[Adapter, ...]:
    return (
        Adapter(
            op="sliding_window_attention",
            call=attention,
            accepts=_COMMON | {*more},
            array="torch",
            requires=requires,
            note=_NOTE + note + ".",
        ),
    )


_TURNED = "; columns are permuted so that the model's rotation pairs them"

ADAPTERS = {
    "transformers.models.qwen3.modeling_qwen3:eager_attention_forward": _adapter(
        "cos", "sin", "interleaved", "query_norm", "key_norm", "norm_eps",
        note=_TURNED + ", behind the model's own norm",
    ),
    "transformers.models.gemma2.modeling_gemma2:eager_attention_forward": _adapter(
        "softcap", "cos", "sin", "interleaved", note=_TURNED
    ),
    "transformers.models.gpt_oss.modeling_gpt_oss:eager_attention_forward": _adapter(
        "sink", requires=frozenset({"sink"})
    ),
}  # fmt: skip
