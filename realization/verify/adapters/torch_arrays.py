"""PyTorch's tensors as a kind of array (see `realization.verify.arrays`)."""

from typing import Any

import numpy as np
import torch

from realization.verify.arrays import NUMPY, Kind, encode

__all__ = ["KIND"]

_REAL = {
    "float64": torch.float64,
    "float32": torch.float32,
    "tf32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def _encode(x: np.ndarray, form: str) -> Any:
    tensor = torch.from_numpy(encode(x, form if form in NUMPY else "float32"))
    return tensor if x.dtype.kind in "iuc" else tensor.to(_REAL[form])


def _decode(x: Any) -> np.ndarray:
    x = x.detach().cpu().resolve_conj().resolve_neg()
    if x.dtype == torch.bfloat16:  # NumPy cannot see it: widen, which is exact
        x = x.float()
    return x.numpy()


def _dtype(x: Any) -> str:
    return str(x.dtype).removeprefix("torch.")


KIND = Kind(_encode, _decode, _dtype, lambda form: str(_REAL[form]).removeprefix("torch."))
