"""What the weights of transformers' models are called here.

Llama, Mistral, Qwen2, Qwen3                          here
model.embed_tokens.weight                  (V, d)     embedding
model.layers.0.input_layernorm.weight                 blocks.0.norm
model.layers.0.self_attn.q_proj.weight     (h k, d)   blocks.0.mixer.query_weight  (h, k, d); k_proj, v_proj alike
model.layers.0.self_attn.q_proj.bias       (h k,)     blocks.0.mixer.query_bias    (h, k)
model.layers.0.self_attn.q_norm.weight     (k,)       blocks.0.mixer.query_norm
model.layers.0.self_attn.o_proj.weight     (d, h k)   blocks.0.mixer.output_weight (d, h, k)
model.layers.0.post_attention_layernorm.weight        blocks.0.mlp_norm
model.layers.0.mlp.gate_proj.weight        (f, d)     blocks.0.mlp.gate; up_proj, down_proj alike
model.norm.weight                                     norm
lm_head.weight                             (V, d)     head

Mamba, Mamba-2                                        here
backbone.embeddings.weight                 (V, d)     embedding
backbone.layers.0.norm.weight                         blocks.0.norm
backbone.layers.0.mixer.in_proj.weight                blocks.0.mixer.in_weight; x_proj, dt_proj, out_proj alike
backbone.layers.0.mixer.conv1d.weight      (c, 1, w)  blocks.0.mixer.conv_weight   (c, w)
backbone.layers.0.mixer.A_log, D, dt_bias             blocks.0.mixer.A_log, D, dt_bias
backbone.layers.0.mixer.norm.weight                   blocks.0.mixer.norm_weight
backbone.norm_f.weight                                norm
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.layers.bmojo import Rotary

Table = dict[str, tuple[str, str]]  # their name -> (ours, its axes); no axes: as it comes

PROJECTIONS = {"q": ("query", "h k"), "k": ("key", "g k"), "v": ("value", "g k")}
ATTENTION: Table = {
    "model.embed_tokens.weight": ("embedding", ""),
    "model.layers.{i}.input_layernorm.weight": ("blocks.{i}.norm", ""),
    "model.layers.{i}.post_attention_layernorm.weight": ("blocks.{i}.mlp_norm", ""),
    "model.norm.weight": ("norm", ""),
    "lm_head.weight": ("head", ""),
    "model.layers.{i}.self_attn.o_proj.weight": ("blocks.{i}.mixer.output_weight", "d h k"),
    "model.layers.{i}.self_attn.o_proj.bias": ("blocks.{i}.mixer.output_bias", ""),
    "model.layers.{i}.self_attn.q_norm.weight": ("blocks.{i}.mixer.query_norm", ""),
    "model.layers.{i}.self_attn.k_norm.weight": ("blocks.{i}.mixer.key_norm", ""),
    **{
        f"model.layers.{{i}}.self_attn.{theirs}_proj.{end}": (f"blocks.{{i}}.mixer.{ours}_{end}", axes + more)
        for theirs, (ours, axes) in PROJECTIONS.items()
        for end, more in (("weight", " d"), ("bias", ""))
    },
    **{
        f"model.layers.{{i}}.mlp.{part}_proj.{end}": (f"blocks.{{i}}.mlp.{part}{suffix}", "")
        for part in ("gate", "up", "down")
        for end, suffix in (("weight", ""), ("bias", "_bias"))
    },
}
MAMBA: Table = {
    "backbone.embeddings.weight": ("embedding", ""),
    "backbone.layers.{i}.norm.weight": ("blocks.{i}.norm", ""),
    "backbone.norm_f.weight": ("norm", ""),
    "lm_head.weight": ("head", ""),
    "backbone.layers.{i}.mixer.conv1d.weight": ("blocks.{i}.mixer.conv_weight", "c w"),
    "backbone.layers.{i}.mixer.conv1d.bias": ("blocks.{i}.mixer.conv_bias", ""),
    "backbone.layers.{i}.mixer.norm.weight": ("blocks.{i}.mixer.norm_weight", ""),
    **{
        f"backbone.layers.{{i}}.mixer.{part}_proj.{end}": (f"blocks.{{i}}.mixer.{part}_{end}", "")
        for part in ("in", "x", "dt", "out")
        for end in ("weight", "bias")
    },
    **{f"backbone.layers.{{i}}.mixer.{name}": (f"blocks.{{i}}.mixer.{name}", "") for name in ("A_log", "D", "dt_bias")},
}


def translated(
    config: Mapping[str, Any], tensors: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the tree and the weights of a model of transformers, under the names of this library.

    Parameters
    ----------
    config : mapping
        Of its `config.json`.
    tensors : mapping
        Name -> array.

    Returns
    -------
    tuple
        The tree and the weights, as `realization.layers.stack.files` has them.

    Raises
    ------
    ShapeError
        If the model has an option that a stack cannot express, or a tensor is unknown or misshapen.
    """
    family = config.get("model_type")
    if family not in FAMILIES:
        raise ShapeError(f"model_type is {family!r}; translated are {', '.join(FAMILIES)}")
    table, describe = FAMILIES[family]
    try:
        tree, sizes = describe(config)
    except ShapeError:
        raise
    except KeyError as error:
        raise ShapeError(f"config.json of {family} does not say {error}") from None
    except (TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        raise ShapeError(f"config.json of {family} is not one of its kind: {error}") from None
    tied = config.get("tie_word_embeddings", family.startswith("mamba"))
    tree |= {} if tied else _present("head")
    ours = {}
    for name, x in tensors.items():
        place, axes = _row(name, table)
        if not (tied and place == "head"):
            ours[place] = _shaped(name, x, axes, sizes)
    return tree, ours


def _row(name: str, table: Table) -> tuple[str, str]:
    """Our name, and its axes."""
    numbers = re.findall(r"(?<=\.)\d+(?=\.)", name)
    pattern = re.sub(r"(?<=\.)\d+(?=\.)", "{i}", name)
    if pattern not in table or len(numbers) > 1:
        near = difflib.get_close_matches(pattern, table, n=2, cutoff=0.6)
        raise ShapeError(f"{name} is a tensor that no stack has" + (f"; nearest is {', '.join(near)}" if near else ""))
    ours, axes = table[pattern]
    return ours.replace("{i}", "".join(numbers)), axes


def _shaped(name: str, x: np.ndarray, axes: str, sizes: Mapping[str, int]) -> np.ndarray:
    """The same numbers with heads as an axis of their own, or without the axis of a depthwise convolution."""
    if not axes:
        return x
    shape = [sizes.get(axis, -1) for axis in axes.split()]
    try:
        return x.reshape(shape)
    except ValueError:
        raise ShapeError(f"{name} has shape {x.shape}, which does not make ({axes}) = {tuple(shape)}") from None


def _attention(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """Tree and sizes of Llama and those that followed it."""
    d, h = config["hidden_size"], config["num_attention_heads"]
    sizes = {"d": d, "h": h, "g": config.get("num_key_value_heads") or h, "k": config.get("head_dim") or d // h}
    _only(config, "hidden_act", "silu", "swish")
    rotary = {"kind": "Rotary", "frequencies": _frequencies(config, sizes["k"]).tolist()}
    mixer = {"kind": "BMojo", "rotary": rotary, "norm_eps": config["rms_norm_eps"]} | _optional(config)
    mlp = {"kind": "GatedMLP"} | _present(*("gate_bias", "up_bias", "down_bias") * bool(config.get("mlp_bias")))
    blocks = [
        {"kind": "Block", "mixer": mixer | _window(config, i), "mlp": mlp} | _present("mlp_norm")
        for i in range(config["num_hidden_layers"])
    ]
    return {"kind": "Stack", "blocks": blocks, "norm_eps": config["rms_norm_eps"]}, sizes


def _optional(config: Mapping[str, Any]) -> dict[str, Any]:
    """Biases and norms that the attention of a model has."""
    family, biases = config["model_type"], ("query_bias", "key_bias", "value_bias", "output_bias")
    count = 3 if family == "qwen2" else 4 * bool(config.get("attention_bias"))
    return _present(*biases[:count], *("query_norm", "key_norm") * (family == "qwen3"))


def _present(*names: str) -> dict[str, Any]:
    """Weights that a part may lack and this one has."""
    return {name: {"kind": "array"} for name in names}


def _window(config: Mapping[str, Any], layer: int) -> dict[str, Any]:
    """The window of one layer, where it has one."""
    types, width = config.get("layer_types"), config.get("sliding_window")
    slides = width is not None and config.get("use_sliding_window", True)
    if types is None:
        slides = slides and layer >= config.get("max_window_layers", 0)
    else:
        slides = slides and types[layer] == "sliding_attention"
    return {"window": width if slides else None}


def _frequencies(config: Mapping[str, Any], k: int) -> np.ndarray:
    """Radians per token of the rotary positions, as they were first published; scaled ones are not translated."""
    said = config.get("rope_parameters") or config.get("rope_scaling") or {}
    _only(said, "rope_type", "default")
    _only(said, "type", "default")
    base = said.get("rope_theta", config.get("rope_theta", 10000.0))
    part = said.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0))
    frequencies: np.ndarray = Rotary.of_width(int(k * part), theta=base).frequencies
    return frequencies


def _mamba(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """Tree and sizes of Mamba."""
    return _scanned(config, {"kind": "Mamba1"})


def _mamba2(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """Tree and sizes of Mamba-2."""
    _only(config, "rms_norm", True)
    limit = [_float(x) for x in config.get("time_step_limit", (0.0, np.inf))]
    mixer = {"kind": "Mamba2", "groups": config["n_groups"], "dt_limit": limit, "eps": config["layer_norm_epsilon"]}
    return _scanned(config, mixer | _present("norm_weight"))


def _scanned(config: Mapping[str, Any], mixer: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """What both have."""
    _only(config, "hidden_act", "silu", "swish")
    mixer = mixer | _present(*("conv_bias",) * bool(config.get("use_conv_bias", True)))
    mixer = mixer | _present(*("in_bias", "out_bias") * bool(config.get("use_bias", False)))
    blocks = [{"kind": "Block", "mixer": mixer}] * config["num_hidden_layers"]
    tree = {"kind": "Stack", "blocks": blocks, "norm_eps": config["layer_norm_epsilon"]}
    return tree, {"w": config["conv_kernel"]}


def _float(x: Any) -> float:
    """A number, also where JSON has none: {"__float__": "Infinity"}."""
    return float(x["__float__"] if isinstance(x, Mapping) else x)


def _only(config: Mapping[str, Any], name: str, *allowed: Any) -> None:
    if config.get(name, allowed[0]) not in allowed:
        raise ShapeError(f"{name} is {config[name]!r} in config.json; {' or '.join(map(repr, allowed))} is needed")


FAMILIES: dict[str, tuple[Table, Callable[[Mapping[str, Any]], tuple[dict[str, Any], dict[str, int]]]]] = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), (ATTENTION, _attention)),
    "mamba": (MAMBA, _mamba),
    "mamba2": (MAMBA, _mamba2),
}
