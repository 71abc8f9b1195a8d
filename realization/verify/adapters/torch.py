"""Adapters for functions of PyTorch itself."""

from realization.verify.adapters import Adapter
from realization.verify.adapters.mamba_ssm import Foreign, Function, Outputs
from realization.verify.adapters.torch_attention import ADAPTERS as ATTENTION

__all__ = ["ADAPTERS"]


def _conv1d(
    function: Function, *, x: Foreign, weight: Foreign, bias: Foreign = None, initial_state: Foreign = None
) -> Outputs:  # fmt: skip
    """A convolution is causal when w - 1 tokens, zeros or a state, are put before the first."""
    (b, T, d), w = x.shape, weight.shape[-1]
    tokens = x.new_zeros(b, d, w - 1 + T)
    tokens[..., w - 1 :] = x.swapaxes(1, 2)
    if initial_state is not None:
        tokens[..., : w - 1] = initial_state
    return {"y": function(tokens, weight[:, None], bias, groups=d).swapaxes(1, 2)}


ADAPTERS = ATTENTION | {
    "torch.nn.functional:conv1d": (
        Adapter(
            op="causal_conv1d",
            call=_conv1d,
            accepts=frozenset({"x", "weight", "bias", "initial_state"}),
            array="torch",
            note="channel first, padded on the left by zeros or by the state; one group for each channel.",
        ),
    ),
}
