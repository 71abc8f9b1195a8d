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


_SCAN = frozenset({"u", "delta", "A", "B", "C", "D", "z", "delta_bias", "delta_softplus"})
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
    }
)
