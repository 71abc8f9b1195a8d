"""Adapters for the B'MOJO-F layer of awslabs/hybrid-model-factory, from a checkout of it that `--path` names.

The released layer calls flash-attn, which needs a GPU, and rounds its attention to bfloat16 whatever its
inputs are.  To see on a CPU what its own lines compute, both are replaced and nothing is edited: flash-attn
by a float64 stand-in (`flash_stand_in`), and the name `torch.bfloat16` in the layer's module by the format of
the input.  Modules are imported without the packages around them, which load a training framework.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from realization.verify.adapters import Adapter
from realization.verify.adapters.flash_stand_in import in_its_place
from realization.verify.adapters.mamba_ssm import Foreign, Function, Outputs
from realization.verify.adapters.transformers_attention import full, halves

__all__ = ["ADAPTERS", "casting_to", "imported", "layer"]

# Where the package lies in a checkout, or in a folder of sources.
FOLDERS = ("training/src/hmf", "src/hmf", "hmf")
LAYER = "hmf.model.hybrid_zoo.layers.bmojo_f."


# Importing ----------------------------------------------------------------------------------------


def imported(name: str) -> ModuleType:
    """Import a module of the checkout, the stand-in in flash-attn's place.

    Raises
    ------
    ModuleNotFoundError
        If no folder that Python looks in holds the package; the message says what was looked for.
    """
    if name not in sys.modules:
        import_module("transformers.configuration_utils")  # before the stand-in: it looks for flash-attn
        home = source()
        parts = name.split(".")
        for n in range(1, len(parts)):
            parent = ModuleType(".".join(parts[:n]))
            parent.__path__ = [str(home.joinpath(*parts[1:n]))]
            sys.modules.setdefault(parent.__name__, parent)
        with in_its_place():
            import_module(name)
    return sys.modules[name]


def source() -> Path:
    """The folder of the package: `hmf` itself or a checkout around it, in one of the folders of `sys.path`."""
    found = (Path(entry, folder) for entry in sys.path for folder in FOLDERS if Path(entry, folder).is_dir())
    try:
        return next(found)
    except StopIteration:
        raise ModuleNotFoundError(
            f"no folder of sys.path holds {' or '.join(FOLDERS)}; name a checkout of awslabs/hybrid-model-factory "
            "with --path DIR"
        ) from None


@contextmanager
def casting_to(dtype: Any) -> Iterator[None]:
    """Let `torch.bfloat16` mean another format in the module of the layer's attention."""
    import torch

    stand = ModuleType("torch")
    stand.__dict__.update(__getattr__=lambda name: getattr(torch, name), bfloat16=dtype)
    with mock.patch.object(imported(LAYER + "bmojo_attention_utils"), "torch", stand):
        yield


# Attention on projected streams -------------------------------------------------------------------


def attention(
    function: Function, *, query: Foreign, key: Foreign, value: Foreign, fading_key: Foreign, fading_value: Foreign,
    window: int, fading_query: Foreign = None, scale: float | None = None,
) -> Outputs:  # fmt: skip
    """Call the function with the fading stream as the layer trims it."""
    T, S = query.shape[1], key.shape[1]
    if T != S:
        raise NotImplementedError("fewer queries than keys: the rows before W would be padded twice")
    if value.shape[-1] != query.shape[-1]:
        raise NotImplementedError("values of another width than keys: flash-attn has one head width")
    if window >= T:
        raise NotImplementedError("up to W tokens: the layer does not call the function")
    fading_query = query if fading_query is None else fading_query
    with casting_to(query.dtype):
        y = function(
            query, key, value, fading_query[:, window:], fading_key[:, : T - window], fading_value[:, : T - window],
            softmax_scale=scale, causal=True, window_size=(window - 1, 0),
        )  # fmt: skip
    return {"y": y}


# The layer ----------------------------------------------------------------------------------------


def layer(kind: Function, *, x: Foreign, fading: Foreign, **given: Any) -> Outputs:
    """Build the module and call it with these weights."""
    from torch.func import functional_call

    given = {name: a for name, a in given.items() if a is not None}
    module, weights = built(kind, given)
    with casting_to(x.dtype):
        positions = {"position_embeddings": tables(given, x.shape[1], module.head_dim, x)}
        y, _, _ = functional_call(module, weights, (x, fading), positions)
    return {"y": y}


def built(kind: Function, given: dict[str, Any]) -> tuple[Any, dict[str, Foreign]]:
    """The module, and its weights by its own names; its rule of scale stands where the quirk names it."""
    import torch

    h, k, d = given["query_weight"].shape
    if given["value_weight"].shape[1] != k:
        raise NotImplementedError("values of another width than keys: the layer has one head width")
    quirks = set(given.get("quirks", ()))
    if quirks - {"hidden-scale"}:
        raise NotImplementedError("quirks of the attention that the adapter takes away, or of a cache")
    untied = any(name.startswith("fading_") for name in given)
    config = SimpleNamespace(
        hidden_size=d, num_attention_heads=h, num_key_value_heads=given["key_weight"].shape[0], head_dim=k,
        attention_bias=True, attention_dropout=0.0, rms_norm_eps=given.get("norm_eps", 1e-6),
        bmojo_config={"window_size": given["window"], "tie_attn_weights": not untied},
    )  # fmt: skip
    norm = norm_class() if "query_norm" in given else None
    with torch.device("meta"):  # all weights are given: none are drawn
        module = kind(config, apply_rotary_pos_emb_fn=turned, qk_norm=norm)
    if "scale" in given or not quirks:
        module.softmax_scale = given.get("scale", k**-0.5)
    columns = halves(k, given["cos"].shape[-1], given.get("interleaved", False)) if "cos" in given else [*range(k)]
    weights = linear("o_proj", given["output_weight"].reshape(d, -1), given.get("output_bias"))
    for prefix, suffix in (("", ""), ("fading_", "_")) if untied else (("", ""),):
        weights |= stream({part: given.get(prefix + part, given.get(part)) for part in PARTS}, suffix, columns)
    return module, weights


PARTS = (
    "query_weight", "key_weight", "value_weight", "query_bias", "key_bias", "value_bias", "query_norm", "key_norm",
)  # fmt: skip


def stream(parts: dict[str, Any], suffix: str, columns: list[int]) -> dict[str, Foreign]:
    """The weights of one stream; columns of queries and keys in the order of the layer's rotation."""
    weights: dict[str, Foreign] = {}
    for name in ("query", "key", "value"):
        order = [*range(len(columns))] if name == "value" else columns
        weight, bias, norm = parts[f"{name}_weight"][:, order], parts[f"{name}_bias"], parts.get(f"{name}_norm")
        weight = weight.reshape(-1, weight.shape[-1])
        weights |= linear(f"{name[0]}_proj{suffix}", weight, None if bias is None else bias[:, order].reshape(-1))
        weights |= {} if norm is None else {f"{name[0]}_norm{suffix}.weight": norm[order]}
    return weights


def linear(name: str, weight: Foreign, bias: Foreign) -> dict[str, Foreign]:
    """The weights of a linear map; a bias that is absent is 0, which changes nothing."""
    return {f"{name}.weight": weight, f"{name}.bias": weight.new_zeros(weight.shape[0]) if bias is None else bias}


def tables(given: dict[str, Any], T: int, k: int, like: Foreign) -> tuple[Foreign, Foreign]:
    """cos and sin as models hold them, (b|1, T, k); 1 and 0, which change nothing, where none are given."""
    cos, sin = (given.get(name, like.new_full((T, k // 2), rest)) for name, rest in (("cos", 1.0), ("sin", 0.0)))
    return full(cos, k, 1.0), full(sin, k, 0.0)


def turned(q: Foreign, k: Foreign, cos: Foreign, sin: Foreign) -> tuple[Foreign, Foreign]:
    """The rotation that the layer is handed: columns c and c + k / 2 of (b, h, T, k) are a pair."""

    def one(x: Foreign) -> Foreign:
        half = x.shape[-1] // 2
        partner = x.roll(half, -1)
        partner[..., :half] *= -1
        return x * cos[:, None] + partner * sin[:, None]

    return one(q), one(k)


def norm_class() -> Any:
    """The norm that the layer is handed, in the format of its input."""
    import torch

    class RMSNorm(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, width: int, eps: float) -> None:
            super().__init__()
            self.weight, self.eps = torch.nn.Parameter(torch.ones(width)), eps

        def forward(self, x: Foreign) -> Foreign:
            return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight

    return RMSNorm


_REPLACED = "flash-attn is replaced by a float64 stand-in, the layer's cast to bfloat16 by the format of the input"

ADAPTERS = {
    LAYER + "bmojo_attention_utils:bmojo_flash_attn_func": (
        Adapter(
            op="bmojo_f",
            call=attention,
            accepts=frozenset(
                {"query", "key", "value", "fading_key", "fading_value", "fading_query", "window", "scale"}
            ),
            array="torch",
            note=_REPLACED + "; the fading stream is trimmed by W as the layer does it.",
        ),
    ),
    LAYER + "bmojo_attention:BMOJOAttention": (
        Adapter(
            op="bmojo_f_layer",
            call=layer,
            accepts=frozenset(
                {"x", "fading", "output_weight", "output_bias", "window", "scale", "cos", "sin", "interleaved"}
                | {"norm_eps", "quirks", *PARTS, *(f"fading_{part}" for part in PARTS)}
            ),
            array="torch",
            note=_REPLACED + "; norm and rotation, which the layer is handed, are ours; weights as matrices.",
        ),
    ),
}
