"""PyTorch's autograd as a backward pass: leaves that require gradients, and the cotangents that are given."""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["backward"]


def backward(
    call: Callable[..., Any],
    given: Mapping[str, Any],
    cotangents: Mapping[str, Any],
    *,
    named: Callable[[Any], Mapping[str, Any]],
    changes: frozenset[str],
) -> dict[str, Any]:
    """Return dL/dx for every tensor of numbers x, where L = sum of <cotangent, output>.

    Parameters
    ----------
    call : callable
        The forward pass.
    given, cotangents : mapping
        Its arguments by name, and cotangents by name of the output.
    named : callable
        Brings what it returns to a mapping by output.
    changes : frozenset of str
        Arguments that it overwrites: it gets a copy that is no leaf.

    Returns
    -------
    dict
        A tensor of the argument's dtype, or None where autograd found no way to the argument.

    Raises
    ------
    NotImplementedError
        If an output with a cotangent is not returned.
    ValueError
        If no output remembers how it was computed.
    """
    import torch

    numbers = {k for k, x in given.items() if torch.is_tensor(x) and (x.is_floating_point() or x.is_complex())}
    leaves = {k: given[k].requires_grad_() for k in given if k in numbers}
    with torch.enable_grad():
        outputs = named(call(**{k: x.clone() if k in changes & numbers else x for k, x in given.items()}))
    absent = sorted(set(cotangents) - set(outputs))
    if absent:
        raise NotImplementedError(f"{', '.join(absent)} is not returned, so it has no cotangent")
    reached = [k for k in cotangents if outputs[k].requires_grad]
    if not reached:
        raise ValueError(f"{', '.join(cotangents)}: nothing to differentiate, no output remembers how it was computed")
    found = torch.autograd.grad(
        [outputs[k] for k in reached],
        list(leaves.values()),
        [cotangents[k].to(outputs[k].device, outputs[k].dtype) for k in reached],
        allow_unused=True,
    )
    # a copy: where nothing happens to a state, its gradient is the very cotangent
    return {k: None if x is None else x.detach().clone() for k, x in zip(leaves, found, strict=True)}
