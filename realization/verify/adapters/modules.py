"""Whole mixers of `transformers` (5.23) as subjects: the module computes, with the weights of each case.

What differs between the modules and the operations of `layers.mixers`, translated here and nowhere else:

- The convolution's weight is (c, 1, w), the multipliers of Falcon-H1 are a buffer (1, 1, e).
- Mamba keeps the bias of its steps in `dt_proj`, the others as `dt_bias`.  Mamba's gate is the second half of
  its projection; in Mamba-2 and Falcon-H1 gate, convolved channels and steps follow one another.
- Mamba-2 multiplies the gate before the norm, Falcon-H1 as its `norm_before_gate` says; without
  `mamba_rms_norm` its norm is an `Identity` and the gate remains.  Each of the n_groups has a norm of its own.
- Plain numbers (eps, `ssm_in_multiplier`, `time_step_limit`) are rounded to the type of the tensors that they meet.
- Rates, signals, B, C and norms are cast to float32, in a float64 module too.
- A one-token call with a cache is another path, which ignores `time_step_limit`: here there is no cache.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.layers.mixers import MIXERS
from realization.verify.subject import Subject, UsageError

__all__ = ["arguments", "mixer_subject"]

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


def arguments(module: Any, hidden: Any) -> dict[str, Any]:
    """Return the canonical arguments of a mixer: hidden states, and the weights of the module.

    Parameters
    ----------
    module : MambaMixer, Mamba2Mixer or FalconH1Mixer
        Of `transformers`.
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
    kind = _kind(module)
    out: dict[str, Any] = {"x": np.asarray(hidden, dtype=np.float64)}
    for name, path in kind.tensors.items():
        tensor = _at(module, path)
        if tensor is not None:
            out[name] = _canonical(name, tensor.detach().double().numpy())
    meets = np.float64 if "float64" in str(module.A_log.dtype) else np.float32
    found = {name: _at(module, path) for name, path in kind.options.items()}
    return out | {name: _rounded(x, meets) for name, x in found.items() if x is not None}


def mixer_subject(module: Any) -> Subject:
    """Return a mixer as a subject, with cases of its sizes.

    Parameters
    ----------
    module : MambaMixer, Mamba2Mixer or FalconH1Mixer
        Of `transformers`; it is copied, since every case loads its weights.

    Returns
    -------
    Subject
        Its op is the one of `layers.mixers.MIXERS`, whose options are what the module has.

    Raises
    ------
    UsageError
        If the module is none of these, or has another activation than silu.
    """
    kind, module = _kind(module), copy.deepcopy(module).eval()
    given = arguments(module, np.zeros((1, 0, module.hidden_size)))
    op = dataclasses.replace(MIXERS[kind.op], options=(_option(given),))
    claim = Claim(**{**(op.claim or {}), **({"chunk": module.chunk_size} if hasattr(module, "chunk_size") else {})})

    def call(**case: Any) -> dict[str, Any]:
        import torch

        with torch.no_grad():
            _load(module, kind, op, case)
            return {"y": module(case["x"])}

    name = type(module).__name__
    note = "the whole module without a cache, with the weights of the case"
    return Subject(name, op, call, frozenset(op.arguments), frozenset(), frozenset(), "torch", claim, note)


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """The op of a module, and where its arrays and options are."""

    op: str
    tensors: Mapping[str, str]
    options: Mapping[str, str]


_KINDS = {
    "MambaMixer": _Kind("mamba_mixer", _MAMBA, {}),
    "Mamba2Mixer": _Kind("mamba2_mixer", _MAMBA2, _OPTIONS),
    "FalconH1Mixer": _Kind("falcon_h1_mixer", _MAMBA2, _OPTIONS),
}


def _kind(module: Any) -> _Kind:
    name = type(module).__name__
    if name not in _KINDS:
        raise UsageError(f"{name} is no mixer that is known; known are {', '.join(_KINDS)}")
    if module.activation not in ("silu", "swish"):
        raise UsageError(f"{name} has the activation {module.activation!r}; the operation has silu")
    return _KINDS[name]


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


def _load(module: Any, kind: _Kind, op: Any, case: Mapping[str, Any]) -> None:
    """Give the module the arrays and options of a case."""
    module.to(case["x"].dtype)
    for name, path in kind.tensors.items():
        tensor = _at(module, path)
        if (tensor is None) != (name not in case):
            raise NotImplementedError(f"{name}: the module and the case must both have it, or neither")
        if tensor is not None:
            tensor.copy_(case[name].reshape(tensor.shape))
    for name, path in kind.options.items():
        owner, _, attribute = path.rpartition(".")
        holder = _at(module, owner) if owner else module
        if hasattr(holder, attribute):
            setattr(holder, attribute, case.get(name, inspect.signature(op.definition).parameters[name].default))


def _option(given: Mapping[str, Any]) -> dict[str, Any]:
    """The option of an op's cases, sizes and what is present, that fits a module."""
    m, (c, w) = given["in_weight"].shape[-1], given["conv_weight"].shape
    have = tuple(k for k in ("in_bias", "conv_bias", "out_bias", "norm_weight", "multipliers") if k in given)
    if "x_weight" in given:
        return {"size": (m, c, given["A_log"].shape[-1], given["dt_weight"].shape[-1], w), "with": have}
    h, d, g = given["A_log"].size, given["out_weight"].shape[-1], given["groups"]
    usual = {"in_multiplier": 1.0, "norm_before_gate": False, "dt_limit": (0.0, float("inf"))}
    have += tuple(k for k, x in usual.items() if given.get(k, x) != x)
    return {"size": (m, h, d // h, g, (c - d) // (2 * g), w), "with": have}
