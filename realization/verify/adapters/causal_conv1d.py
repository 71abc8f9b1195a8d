"""Adapters for the package `causal_conv1d`, whose calling convention others have copied.

Channel first: x (b, d, T), states (b, d, w-1); the activation is "silu" or None.  Here they are
passed as views of (b, T, d) and (b, w-1, d), the channel-last layout that states ask for.
"""

from typing import Any

from realization.verify.adapters import Adapter
from realization.verify.adapters.mamba_ssm import Foreign, Function, Outputs

__all__ = ["ADAPTERS", "UPDATE", "convolve", "convolve_by_steps", "convolve_from_zero"]

_CONV = frozenset({"x", "weight", "bias", "activation"})


def convolve(
    function: Function, *, x: Foreign, weight: Foreign, bias: Foreign = None, activation: bool = False,
    initial_state: Foreign = None, seq_idx: Foreign = None,
) -> Outputs:  # fmt: skip
    """Call the convolution with all that the package offers."""
    if not 2 <= weight.shape[-1] <= 4:
        raise NotImplementedError(f"{weight.shape[-1]} taps: the kernels know 2, 3 and 4")
    if seq_idx is not None and initial_state is not None:
        raise NotImplementedError("initial_state beside seq_idx: the function takes one of them")
    options: dict[str, Any] = {"activation": _name(activation)}
    if seq_idx is not None:
        return {"y": function(x.swapaxes(1, 2), weight, bias, seq_idx=seq_idx, **options).swapaxes(1, 2)}
    start = None if initial_state is None else initial_state.swapaxes(1, 2).contiguous().swapaxes(1, 2)
    y, state = function(x.swapaxes(1, 2), weight, bias, initial_states=start, return_final_states=True, **options)
    return {"y": y.swapaxes(1, 2), "final_state": state}


def convolve_from_zero(
    function: Function, *, x: Foreign, weight: Foreign, bias: Foreign = None, activation: bool = False
) -> Outputs:  # fmt: skip
    """Call a convolution that knows no states."""
    return {"y": function(x.swapaxes(1, 2), weight, bias, activation=_name(activation)).swapaxes(1, 2)}


def convolve_by_steps(
    function: Function, *, x: Foreign, weight: Foreign, bias: Foreign = None, activation: bool = False,
    initial_state: Foreign = None,
) -> Outputs:  # fmt: skip
    """Apply the update to one token after the other."""
    (b, T, d), w = x.shape, weight.shape[-1]
    if w < 2:
        raise NotImplementedError("one tap: the update has no state to work on")
    state = x.new_zeros(b, d, w - 1) if initial_state is None else initial_state
    y = x.new_empty(x.shape)
    for t in range(T):
        y[:, t] = function(x[:, t, :, None], state, weight, bias, _name(activation))[..., 0]
    return {"y": y, "final_state": state}


def _name(activation: bool) -> str | None:
    return "silu" if activation else None


UPDATE = Adapter(
    op="causal_conv1d",
    call=convolve_by_steps,
    accepts=_CONV | {"initial_state"},
    array="torch",
    changes=frozenset({"initial_state"}),
    note="channel first, one call for each token; the state is changed in place.",
)

ADAPTERS = {
    "causal_conv1d:causal_conv1d_fn": (
        Adapter(
            op="causal_conv1d",
            call=convolve,
            accepts=_CONV | {"initial_state", "seq_idx"},
            array="torch",
            note="channel first, states in the plural; the activation by its name.",
        ),
    ),
    "causal_conv1d:causal_conv1d_update": (UPDATE,),
}
