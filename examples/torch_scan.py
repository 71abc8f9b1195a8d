"""The selective scan of Mamba in PyTorch, as a plain loop over time.

Names and layout are the canonical ones, hence no adapter:

    realization verify examples/torch_scan.py:selective_scan --op selective_scan --array torch
"""

import torch
from torch.nn.functional import silu, softplus


def selective_scan(
    *, u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, initial_state=None
):
    """Return (y, final_state): S_t = exp(step A) S_{t-1} + step u B_t, y_t = <C_t, S_t> + D u."""
    step = delta if delta_bias is None else delta + delta_bias
    step = softplus(step) if delta_softplus else step
    state = u.new_zeros(u.shape[0], *A.shape) if initial_state is None else initial_state.clone()
    y = torch.empty_like(u)
    for t in range(u.shape[1]):
        decay = torch.exp(step[:, t, :, None] * A)
        state = decay * state + (step[:, t] * u[:, t])[..., None] * B[:, t, None, :]
        y[:, t] = (state * C[:, t, None, :]).sum(-1)
    y = y if D is None else y + D * u
    return y if z is None else y * silu(z), state
