"""Adapters for `transformers` (5.23): here the functions that its Mamba layers call, next door attention and mixers.

They take the arguments of `mamba_ssm` and `causal_conv1d` in their order, so that a
compiled kernel can take their place: where one is installed, it is what runs
under these names.
"""

from realization.verify.adapters import Adapter
from realization.verify.adapters.causal_conv1d import UPDATE, convolve_from_zero
from realization.verify.adapters.mamba_ssm import (
    STEPS,
    Foreign,
    Function,
    Outputs,
    scan,
    scan_by_steps,
    ssd,
    ssd_by_steps,
)
from realization.verify.adapters.modules import ADAPTERS as MIXERS
from realization.verify.adapters.transformers_attention import ADAPTERS as ATTENTION

__all__ = ["ADAPTERS"]


def _ssd(function: Function, *, D: Foreign = None, **arguments: Foreign) -> Outputs:
    if D is not None and D.ndim == 2:  # the function multiplies by D[..., None], whatever the axes are
        raise NotImplementedError("D of shape (h, p): the function knows one number for each head")
    return ssd(function, D=D, **arguments)


def _delta_rule(
    function: Function, *, query: Foreign, key: Foreign, value: Foreign, beta: Foreign, log_decay: Foreign = None,
    scale: float | None = None, l2norm: bool = False, norm_eps: float = 1e-6, initial_state: Foreign = None,
) -> Outputs:  # fmt: skip
    """Call a gated delta rule whose states are (k, v) and whose decay is not optional."""
    if scale not in (None, key.shape[-1] ** -0.5):
        raise NotImplementedError(f"scale = {scale:g}: the function scales by k^(-1/2)")
    if l2norm and norm_eps != 1e-6:
        raise NotImplementedError(f"norm_eps = {norm_eps:g}: the function adds 1e-6")
    if log_decay is not None and log_decay.ndim == 4:
        raise NotImplementedError("log_decay (b, T, h, k): the function knows one number for each head")
    if not key.shape[1]:
        raise NotImplementedError("T = 0: the function cannot shape its chunks")
    y, state = function(
        query, key, value, g=beta.new_zeros(beta.shape) if log_decay is None else log_decay, beta=beta,
        initial_state=None if initial_state is None else initial_state.swapaxes(-1, -2),
        output_final_state=True, use_qk_l2norm_in_kernel=l2norm,
    )  # fmt: skip
    return {"y": y, "final_state": state.swapaxes(-1, -2)}


_SCAN = frozenset({"u", "delta", "A", "B", "C", "D", "z", "delta_bias", "delta_softplus"})
_DELTA = frozenset({"query", "key", "value", "beta", "log_decay", "l2norm", "initial_state"})
_SSD = frozenset({"x", "dt", "A", "B", "C", "D", "dt_bias", "dt_softplus", "initial_state"})

# Three models hold copies of one function.
_CONV = Adapter(
    op="causal_conv1d",
    call=convolve_from_zero,
    accepts=frozenset({"x", "weight", "bias", "activation"}),
    array="torch",
    note="channel first, from a state of zeros.",
)
_CONVOLUTIONS = {
    f"transformers.models.{name}.modeling_{name}:causal_conv1d_{kind}": (adapter,)
    for name in ("mamba", "mamba2", "falcon_h1")
    for kind, adapter in (("fn", _CONV), ("update", UPDATE))
}

# The chunked scan swallows z without a word (its mixer gates inside the norm), the update swallows dt_limit.
ADAPTERS = (
    ATTENTION
    | MIXERS
    | _CONVOLUTIONS
    | {
        "transformers.models.mamba.modeling_mamba:mamba_selective_scan": (
            Adapter(
                op="selective_scan",
                call=scan,
                accepts=_SCAN,
                array="torch",
                note="u, delta, B, C and z are channel first; the scan starts from zero.",
            ),
        ),
        "transformers.models.mamba.modeling_mamba:mamba_selective_state_update": (
            Adapter(
                op="selective_scan",
                call=scan_by_steps,
                accepts=_SCAN | {"initial_state"},
                array="torch",
                changes=frozenset({"initial_state"}),
                note="one call for each step; the state is changed in place.",
            ),
        ),
        "transformers.models.mamba2.modeling_mamba2:mamba2_chunk_scan": (
            Adapter(
                op="ssd",
                call=_ssd,
                accepts=_SSD | {"dt_limit"},
                array="torch",
                claim={"chunk": 256, "decay": "logdiff"},
                note="the state is named in the plural; chunks of 256 steps.",
            ),
        ),
        "transformers.models.mamba2.modeling_mamba2:mamba2_selective_state_update": (
            Adapter(
                op="ssd",
                call=ssd_by_steps,
                accepts=_SSD | {"z"},
                array="torch",
                claim=STEPS,
                changes=frozenset({"initial_state"}),
                note="one call for each step; what a head shares is expanded; the state is changed in place.",
            ),
        ),
        "transformers.models.qwen3_next.modeling_qwen3_next:torch_recurrent_gated_delta_rule": (
            Adapter(
                op="gated_delta_rule",
                call=_delta_rule,
                accepts=_DELTA,
                array="torch",
                claim=STEPS,
                note="states are (k, v); the scale is that of the width; no decay is a decay of 0.",
            ),
        ),
        "transformers.models.qwen3_next.modeling_qwen3_next:torch_chunk_gated_delta_rule": (
            Adapter(
                op="gated_delta_rule",
                call=_delta_rule,
                accepts=_DELTA,
                array="torch",
                claim={"chunk": 64, "decay": "logdiff"},
                note="states are (k, v); the scale is that of the width; chunks of 64 steps.",
            ),
        ),
    }
)
