"""What a checkpoint says of its layers, against the layers themselves: run where the data add nothing to the step."""

import numpy as np
import pytest

from realization.layers import OPS
from realization.memory import Box, checkpoint_memory, profile
from realization.memory.example import write_checkpoint
from realization.memory.tensors import Tensors


@pytest.fixture(params=["F32", "BF16", "F8_E5M2"])
def dtype(request):
    """Formats in which a checkpoint may come."""
    return request.param


def weights(tmp_path, kind, dtype):
    """Memory of the layers, and for each its weights."""
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, kind=kind, dtype=dtype, rng=4, d_model=4)
    file = Tensors(path)
    layers = checkpoint_memory(path)
    return [(one, {name: file[f"{one.name}.{name}"] for name in NAMES[kind]}) for one in layers]


NAMES = {"Mamba-1": ("A_log", "dt_proj.bias", "conv1d.weight"), "Mamba-2": ("A_log", "dt_bias", "conv1d.weight")}


def test_channels_of_mamba_1_decay_as_stated(tmp_path, dtype):
    """The gates of the realization at delta = 0 are exp(-rate), state by state."""
    for one, w in weights(tmp_path, "Mamba-1", dtype):
        A, bias = -np.exp(w["A_log"]), w["dt_proj.bias"]
        d, n = A.shape
        parts = OPS["selective_scan"].as_realization(A=A, delta_bias=bias, delta_softplus=True)
        u = parts.schedule(u=np.ones((3, d)), delta=np.zeros((3, d)), B=np.ones((3, n)))
        assert np.allclose(u[:, : d * n], np.exp(-one.exponent).ravel(), rtol=1e-14, atol=0)
        # the profile with gates up to the slowest agrees on the half-life
        found = profile(parts, Box(0, np.exp(-one.slowest.min())))
        assert found.modes[0].half_life == pytest.approx(np.log(2) / one.slowest.min(), rel=1e-6)


def test_heads_of_mamba_2_decay_as_stated(tmp_path, dtype):
    """One gate for each head; the control is a step that the data double: other gates."""
    for one, w in weights(tmp_path, "Mamba-2", dtype):
        h = len(w["A_log"])
        parts = OPS["ssd"].as_realization(A=-np.exp(w["A_log"]), p=2, n=3, dt_bias=w["dt_bias"], dt_softplus=True)
        data = {"x": np.ones((1, h, 2)), "B": np.ones((1, 1, 3))}
        gates = parts.schedule(dt=np.zeros((1, h)), **data)[0, : h * 6].reshape(h, 6)
        assert np.allclose(gates, np.exp(-one.exponent), rtol=1e-14, atol=0)
        driven = parts.schedule(dt=np.ones((1, h)), **data)[0, : h * 6].reshape(h, 6)
        assert (driven < gates).all()


def test_convolutions_hold_what_is_stated(tmp_path):
    """The span of the short convolution by the profile of its realization."""
    for one, w in weights(tmp_path, "Mamba-1", "F32"):
        conv = OPS["causal_conv1d"].as_realization(weight=w["conv1d.weight"][:, 0])
        assert profile(conv).eidetic.span == one.eidetic == 4
