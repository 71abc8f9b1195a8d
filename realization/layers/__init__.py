"""The layers of sequence models: two cores, and one file of a screen per layer."""

from realization.layers.conv import CAUSAL_CONV1D, causal_conv1d
from realization.layers.mamba1 import SELECTIVE_SCAN, selective_scan
from realization.layers.mamba2 import SSD, ssd, ssd_chunked, ssd_matrix
from realization.layers.mixers import MIXERS, mamba2_mixer, mamba_mixer

OPS = {op.name: op for op in (SELECTIVE_SCAN, SSD, CAUSAL_CONV1D)}

__all__ = [
    "CAUSAL_CONV1D",
    "MIXERS",
    "OPS",
    "SELECTIVE_SCAN",
    "SSD",
    "causal_conv1d",
    "mamba2_mixer",
    "mamba_mixer",
    "selective_scan",
    "ssd",
    "ssd_chunked",
    "ssd_matrix",
]
