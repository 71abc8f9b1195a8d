"""Real input: what the scans of a small Mamba meet when it reads text.

The model is initialised as for training and never trained, nothing is
downloaded, and the text is the source of Python's standard library, byte by
byte.  Its steps, decays and read-outs therefore have the sizes and the
correlations that a model produces, which random arrays have not.
"""

from typing import Any
from unittest import mock

import numpy as np

from realization.memory.planted import source_text

__all__ = ["model", "record"]


def model(kind: str = "mamba", *, layers: int = 4, seed: int = 0) -> Any:
    """Return a small untrained `transformers` model over bytes, in evaluation mode.

    Parameters
    ----------
    kind : {"mamba", "mamba2", "falcon_h1"}
        The architecture.
    layers : int
        Number of layers.
    seed : int
        Seed of the weights; torch's global generator is left as it was.
    """
    import torch
    from transformers import FalconH1Config, FalconH1Model, Mamba2Config, Mamba2Model, MambaConfig, MambaModel

    common = {"vocab_size": 256, "hidden_size": 32, "state_size": 16, "num_hidden_layers": layers}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "mamba":
            return MambaModel(MambaConfig(**common)).eval()
        if kind == "mamba2":
            return Mamba2Model(Mamba2Config(**common, num_heads=4, head_dim=16, n_groups=2)).eval()
        if kind == "falcon_h1":
            return FalconH1Model(FalconH1Config(**_falcon_h1(layers))).eval()
    raise ValueError(f"kind is {kind!r}, but it must be 'mamba', 'mamba2' or 'falcon_h1'")


def _falcon_h1(layers: int) -> dict[str, Any]:
    """Sizes of a small model, and multipliers as the released ones have: none of them 1, each another."""
    return {
        "vocab_size": 256, "hidden_size": 32, "num_hidden_layers": layers, "intermediate_size": 32,
        "num_attention_heads": 2, "num_key_value_heads": 1, "mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16,
        "mamba_n_groups": 2, "mamba_d_state": 16, "mamba_rms_norm": True, "mamba_norm_before_gate": False,
        "ssm_multipliers": [0.75, 0.5, 1.25, 1.5, 0.625], "ssm_in_multiplier": 1.25,
    }  # fmt: skip


def record(kind: str = "mamba", *, layers: int = 4, length: int = 512, seed: int = 0) -> list[dict[str, Any]]:
    """Return the canonical arguments of the scan in every layer, in order.

    Parameters
    ----------
    kind : {"mamba", "mamba2"}
        ``"mamba"`` gives arguments of ``selective_scan``, ``"mamba2"`` of ``ssd``.
    layers, length, seed : int
        Layers of the model, bytes it reads, and the seed of weights and text.

    Returns
    -------
    list of dict
        For each layer, float32 arrays (and plain options) under canonical
        names, for a batch of one: for Mamba-1 u, delta and z (1, length, 64),
        A (64, 16), B and C (1, length, 16), D and delta_bias (64,); for Mamba-2
        x (1, length, 4, 16), dt (1, length, 4), A, D and dt_bias (4,), B and C
        (1, length, 2, 16).
    """
    import torch
    from transformers.models.mamba import modeling_mamba
    from transformers.models.mamba2 import modeling_mamba2

    network = model(kind, layers=layers, seed=seed)
    first = kind == "mamba"
    home, name = (modeling_mamba, "mamba_selective_scan") if first else (modeling_mamba2, "mamba2_chunk_scan")
    canonical = _selective_scan_arguments if first else _ssd_arguments
    scan = getattr(home, name)
    met: list[dict[str, Any]] = []

    def listening(*args: Any, **options: Any) -> Any:
        arguments = canonical(*args, **options)
        # a copy: a layer may go on to overwrite what it handed over
        met.append({k: v.numpy(force=True).copy() if torch.is_tensor(v) else v for k, v in arguments.items()})
        return scan(*args, **options)

    tokens = torch.as_tensor(source_text(length, seed=seed).astype(np.int64))[None]
    with torch.no_grad(), mock.patch.object(home, name, listening):
        network(tokens, use_cache=False)
    return met


# The inverses of the adapters; swapping two axes undoes itself.


def _selective_scan_arguments(
    u: Any, delta: Any, A: Any, B: Any, C: Any, *,
    D: Any, z: Any, delta_bias: Any, delta_softplus: bool, **_: Any,
) -> dict[str, Any]:  # fmt: skip
    u, delta, B, C, z = (a.swapaxes(1, 2) for a in (u, delta, B, C, z))
    return {
        "u": u, "delta": delta, "A": A, "B": B, "C": C, "D": D, "z": z,
        "delta_bias": delta_bias, "delta_softplus": delta_softplus,
    }  # fmt: skip


def _ssd_arguments(
    x: Any, dt: Any, A: Any, B: Any, C: Any, *,
    D: Any, dt_bias: Any, dt_softplus: bool, dt_limit: tuple[float, float], **_: Any,
) -> dict[str, Any]:  # fmt: skip
    return {
        "x": x, "dt": dt, "A": A, "B": B, "C": C, "D": D,
        "dt_bias": dt_bias, "dt_softplus": dt_softplus, "dt_limit": tuple(dt_limit),
    }  # fmt: skip
