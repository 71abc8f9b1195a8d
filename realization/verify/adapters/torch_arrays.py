"""PyTorch's tensors as a kind of array (see `realization.verify.arrays`); torch is imported on first use."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from realization.verify.arrays import NUMPY, Kind, encode

__all__ = ["KIND"]

# tf32 is a format of products, its numbers travel in float32.
_CARRIER = {"tf32": "float32"}


def _native(form: str) -> str:
    return _CARRIER.get(form, form)


def _encode(x: np.ndarray, form: str) -> Any:
    import torch

    tensor = torch.from_numpy(encode(x, form if form in NUMPY else "float32"))
    return tensor if x.dtype.kind in "iuc" else tensor.to(getattr(torch, _native(form)))


def _decode(x: Any) -> np.ndarray:
    import torch

    x = x.detach().cpu().resolve_conj().resolve_neg()
    if x.dtype == torch.bfloat16:  # NumPy cannot see it: widen, which is exact
        x = x.float()
    return x.numpy()


def _dtype(x: Any) -> str:
    return str(x.dtype).removeprefix("torch.")


def _blank(x: Any, count: int) -> Any:
    return x.new_full((count,), float("nan") if x.is_floating_point() or x.is_complex() else -1)


@contextmanager
def _poison() -> Iterator[None]:
    """Fill what torch.empty and its kin return with NaN; integers are left as they come."""
    import torch

    def filled(allocate: Callable[..., Any]) -> Callable[..., Any]:
        def allocated(*args: Any, **options: Any) -> Any:
            x = allocate(*args, **options)
            return x.fill_(float("nan")) if x.is_floating_point() or x.is_complex() else x

        return allocated

    with ExitStack() as patches:
        for home, names in ((torch, ("empty", "empty_like", "empty_strided")), (torch.Tensor, ("new_empty",))):
            for name in names:
                patches.enter_context(mock.patch.object(home, name, filled(getattr(home, name))))
        yield


KIND = Kind(_encode, _decode, _dtype, _native, _blank, _poison)
