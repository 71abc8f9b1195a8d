"""PyTorch's tensors as a kind of array (see `realization.verify.arrays`); torch is imported on first use."""

from typing import Any

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


KIND = Kind(_encode, _decode, _dtype, _native)
