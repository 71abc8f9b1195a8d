"""Adapters for the whole mixers of `transformers` (5.23): built for the sizes of a case, they compute with its weights.

What differs between the modules and the operations of `layers.mixers`, translated here and nowhere else:

- The convolution's weight is (c, 1, w), the multipliers of Falcon-H1 are a buffer (1, 1, e) that its model makes.
- Mamba keeps the bias of its steps in `dt_proj`, the others as `dt_bias`.  Mamba's gate is the second half of
  its projection; in Mamba-2 and Falcon-H1 gate, convolved channels and steps follow one another.
- Mamba-2 multiplies the gate before the norm, Falcon-H1 as its `norm_before_gate` says; without
  `mamba_rms_norm` its norm is an `Identity` and the gate remains.  Each of the n_groups has a norm of its own.
- Plain numbers (eps, `ssm_in_multiplier`, `time_step_limit`) are rounded to the type of the tensors that they meet.
- Rates, signals, B, C and norms are cast to float32, in a float64 module too.
- A one-token call with a cache is another path, which ignores `time_step_limit`: here there is no cache.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from realization.layers.mixers import mamba2_mixer
from realization.verify.adapters import Adapter
from realization.verify.adapters.mamba_ssm import Foreign, Function, Outputs
from realization.verify.subject import UsageError

__all__ = ["ADAPTERS", "arguments"]

# Canonical array -> tensor of the module; what a module has not is left out.
_SHARED = {
    "in_weight": "in_proj.weight", "in_bias": "in_proj.bias", "conv_weight": "conv1d.weight",
    "conv_bias": "conv1d.bias", "A_log": "A_log", "D": "D", "out_weight": "out_proj.weight",
    "out_bias": "out_proj.bias",
}  # fmt: skip
_MAMBA = _SHARED | {"x_weight": "x_proj.weight", "dt_weight": "dt_proj.weight", "dt_bias": "dt_proj.bias"}
_MAMBA2 = _SHARED | {"dt_bias": "dt_bias", "norm_weight": "norm.weight", "multipliers": "mup_vector"}
# Option -> attribute of the module.
_OPTIONS = {
    "groups": "n_groups", "dt_limit": "time_step_limit", "eps": "norm.variance_epsilon",
    "in_multiplier": "ssm_in_multiplier", "norm_before_gate": "norm.norm_before_gate",
}  # fmt: skip
_DEFAULTS = {name: inspect.signature(mamba2_mixer).parameters[name].default for name in _OPTIONS}
CHUNK = 256


# From a case to a module --------------------------------------------------------


def mamba(kind: Function, **given: Any) -> Outputs:
    """Call the mixer of Mamba with these weights."""
    m, (c, w) = given["in_weight"].shape[-1], given["conv_weight"].shape
    config = configured(
        "MambaConfig", hidden_size=m, intermediate_size=c, conv_kernel=w, state_size=given["A_log"].shape[-1],
        time_step_rank=given["dt_weight"].shape[-1], use_bias=both_biases(given), use_conv_bias="conv_bias" in given,
    )  # fmt: skip
    return called(kind, config, _MAMBA, **given)


def mamba2(kind: Function, **given: Any) -> Outputs:
    """Call the mixer of Mamba-2 with these weights."""
    if "norm_weight" not in given:
        raise NotImplementedError("no norm_weight: the module always has a norm")
    given = _DEFAULTS | given
    m, h, p, n, w = sizes(given)
    config = configured(
        "Mamba2Config", hidden_size=m, expand=Fraction(h * p, m), num_heads=h, head_dim=p, state_size=n, conv_kernel=w,
        n_groups=given["groups"], time_step_limit=given["dt_limit"], layer_norm_epsilon=given["eps"],
        chunk_size=CHUNK, use_bias=both_biases(given), use_conv_bias="conv_bias" in given,
    )  # fmt: skip
    return called(kind, config, _MAMBA2, **given)


def falcon_h1(kind: Function, **given: Any) -> Outputs:
    """Call the mixer of Falcon-H1 with these weights."""
    given = _DEFAULTS | given
    m, h, p, n, w = sizes(given)
    config = configured(
        "FalconH1Config", hidden_size=m, mamba_d_ssm=h * p, mamba_n_heads=h, mamba_d_head=p, mamba_d_state=n,
        mamba_d_conv=w, mamba_n_groups=given["groups"], time_step_limit=given["dt_limit"],
        rms_norm_eps=given["eps"], mamba_chunk_size=CHUNK, ssm_in_multiplier=given["in_multiplier"],
        mamba_rms_norm="norm_weight" in given, mamba_norm_before_gate=given["norm_before_gate"],
        mamba_proj_bias="in_bias" in given, projectors_bias="out_bias" in given, mamba_conv_bias="conv_bias" in given,
    )  # fmt: skip
    ones = given["x"].new_ones(len(given["in_weight"]))  # the module always multiplies
    return called(kind, config, _MAMBA2, **{"multipliers": ones} | given)


def sizes(given: Mapping[str, Any]) -> tuple[int, ...]:
    """(m, h, p, n, w) of a mixer of Mamba-2."""
    (c, w), h, d = given["conv_weight"].shape, len(given["A_log"]), given["out_weight"].shape[-1]
    return given["in_weight"].shape[-1], h, d // h, (c - d) // (2 * given["groups"]), w


def both_biases(given: Mapping[str, Any]) -> bool:
    """Whether the projections have biases: one switch for both."""
    if ("in_bias" in given) != ("out_bias" in given):
        raise NotImplementedError("in_bias and out_bias: the module has both or neither")
    return "in_bias" in given


def configured(name: str, **fields: Any) -> Any:
    """The configuration of this name with these fields."""
    import transformers

    config = getattr(transformers, name)()
    vars(config).update(fields)  # past its checks: they want an integer for `expand`, mixers do not
    return config


def called(kind: Function, config: Any, tensors: Mapping[str, str], *, x: Foreign, **given: Any) -> Outputs:
    """Build the module without memory, since every tensor is the case's, and call it with them."""
    import torch
    from torch.func import functional_call

    weights = {tensors[name]: _foreign(name, a) for name, a in given.items() if name in tensors}
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")  # a shrunk case has sizes of 0, which no initialisation likes
        module = kind(config, layer_idx=0).eval()
    if "mup_vector" in weights:
        module.register_buffer("mup_vector", weights["mup_vector"])
    return {"y": functional_call(module, weights, (x,), strict=True)}


def _foreign(name: str, a: Foreign) -> Foreign:
    return a[:, None] if name == "conv_weight" else a[None, None] if name == "multipliers" else a


# From a module to arguments -----------------------------------------------------


def arguments(module: Any, hidden: Any) -> dict[str, Any]:
    """Return the canonical arguments of a mixer: hidden states, and the weights of the module.

    Parameters
    ----------
    module : MambaMixer, Mamba2Mixer or FalconH1Mixer
        Of `transformers`, or of a class derived from these.
    hidden : array_like
        Hidden states (b, T, hidden_size).

    Returns
    -------
    dict
        Float64 arrays and options of the operation in `layers.mixers`.

    Raises
    ------
    UsageError
        If the module is none of these, or has another activation than silu.
    """
    tensors, options = _places(module)
    out: dict[str, Any] = {"x": np.asarray(hidden, dtype=np.float64)}
    for name, path in tensors.items():
        tensor = _at(module, path)
        if tensor is not None:
            out[name] = _canonical(name, tensor.detach().double().numpy())
    meets = np.float64 if "float64" in str(module.A_log.dtype) else np.float32
    found = {name: _at(module, path) for name, path in options.items()}
    return out | {name: _rounded(x, meets) for name, x in found.items() if x is not None}


_KNOWN = {"MambaMixer": (_MAMBA, {}), "Mamba2Mixer": (_MAMBA2, _OPTIONS), "FalconH1Mixer": (_MAMBA2, _OPTIONS)}


def _places(module: Any) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Where a module has its arrays and options."""
    names = [kind.__name__ for kind in type(module).__mro__ if kind.__name__ in _KNOWN]
    if not names:
        raise UsageError(f"{type(module).__name__} is no mixer that is known; known are {', '.join(_KNOWN)}")
    if module.activation not in ("silu", "swish"):
        raise UsageError(f"{names[0]} has the activation {module.activation!r}; the operation has silu")
    return _KNOWN[names[0]]


def _at(module: Any, path: str) -> Any:
    """The attribute at a dotted path, or None."""
    for part in path.split("."):
        module = getattr(module, part, None)
    return module


def _canonical(name: str, x: np.ndarray) -> np.ndarray:
    return x[:, 0] if name == "conv_weight" else x.ravel() if name == "multipliers" else x


def _rounded(x: Any, dtype: Any) -> Any:
    """Plain numbers as they meet a tensor of this type."""
    if isinstance(x, tuple | list):
        return tuple(_rounded(y, dtype) for y in x)
    return float(dtype(x)) if isinstance(x, float) else x


_NOTE = "the module, without a cache, is built for each case and has its weights"
_CHUNKS = f"{_NOTE}; chunks of {CHUNK} steps"
_CHUNKED = {"chunk": CHUNK, "decay": "logdiff"}
_HOME = "transformers.models."

ADAPTERS = {
    _HOME + "mamba.modeling_mamba:MambaMixer": (
        Adapter(op="mamba_mixer", call=mamba, accepts=frozenset({"x", *_MAMBA}), array="torch", note=_NOTE + "."),
    ),
    _HOME + "mamba2.modeling_mamba2:Mamba2Mixer": (
        Adapter(
            op="mamba2_mixer",
            call=mamba2,
            accepts=frozenset({"x", *_MAMBA2, "groups", "dt_limit", "eps"} - {"multipliers"}),
            requires=frozenset({"norm_weight"}),
            array="torch",
            claim=_CHUNKED,
            note=_CHUNKS + "; always with a norm.",
        ),
    ),
    _HOME + "falcon_h1.modeling_falcon_h1:FalconH1Mixer": (
        Adapter(
            op="falcon_h1_mixer",
            call=falcon_h1,
            accepts=frozenset({"x", *_MAMBA2, *_OPTIONS}),
            array="torch",
            claim=_CHUNKED,
            note=_CHUNKS + ".",
        ),
    ),
}
