"""A whole Mamba mixer, its cache made visible: a function of input and state."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mixer"]

State = dict[str, NDArray[Any]]


def mixer(model: Any, *, layer: int = 0) -> Callable[[NDArray[Any], State | None], tuple[NDArray[Any], State]]:
    """Return one mixer of a `transformers` model as ``function(hidden, state)``.

    Parameters
    ----------
    model : MambaModel or Mamba2Model
        See `realization.verify.adapters.activations.model`.
    layer : int
        Which mixer.

    Returns
    -------
    callable
        ``function(hidden, state=None) -> (output, state)`` on NumPy arrays:
        hidden and output (b, T, hidden_size), T >= 1, state None at the start
        and else ``{"conv": (b, c, k), "recurrent": (b, ..., n)}``.  It changes
        neither argument: each call fills a new cache from the state, so that
        feeding the whole input, or its pieces in order, must be one and the same.

    Notes
    -----
    transformers 5.23 takes its one-step path only for T = 1 after a start.  The
    Mamba-1 mixer gives every longer piece a recurrent state of zero, silently.
    """
    import torch
    from transformers import DynamicCache

    module = model.layers[layer].mixer
    # transformers 5.24 renamed it
    name = "cache" if "cache" in inspect.signature(module.forward).parameters else "cache_params"

    def function(hidden: NDArray[Any], state: State | None = None) -> tuple[NDArray[Any], State]:
        cache = DynamicCache(config=model.config)
        if state is not None:
            conv, recurrent = (torch.tensor(state[k]) for k in ("conv", "recurrent"))
            cache.update_conv_state(conv, layer, conv_kernel_size=conv.shape[-1])
            cache.update_recurrent_state(recurrent, layer)
        with torch.no_grad():
            output = module(torch.tensor(np.asarray(hidden)), **{name: cache})
        after = {"conv": cache.get_conv_state(layer), "recurrent": cache.get_recurrent_state(layer)}
        return output.numpy(), {k: v.numpy() for k, v in after.items()}

    return function
