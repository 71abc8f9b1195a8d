"""The layers of sequence models: two cores, and one file of a screen per layer."""

from realization.layers.attention import SLIDING_WINDOW_ATTENTION, sliding_window_attention
from realization.layers.bmojo import BMOJO_F, BMOJO_F_LAYER, bmojo_f, bmojo_f_layer, bmojo_f_two_pass
from realization.layers.conv import CAUSAL_CONV1D, causal_conv1d
from realization.layers.mamba1 import SELECTIVE_SCAN, selective_scan
from realization.layers.mamba2 import SSD, ssd, ssd_chunked, ssd_matrix
from realization.layers.mixers import MIXERS, mamba2_mixer, mamba_mixer

OPS = {op.name: op for op in (SELECTIVE_SCAN, SSD, CAUSAL_CONV1D, SLIDING_WINDOW_ATTENTION, BMOJO_F, BMOJO_F_LAYER)}
KNOWN = OPS | MIXERS  # what a name may stand for: the operations, and what is composed of them

__all__ = [
    "BMOJO_F",
    "BMOJO_F_LAYER",
    "CAUSAL_CONV1D",
    "KNOWN",
    "MIXERS",
    "OPS",
    "SELECTIVE_SCAN",
    "SLIDING_WINDOW_ATTENTION",
    "SSD",
    "bmojo_f",
    "bmojo_f_layer",
    "bmojo_f_two_pass",
    "causal_conv1d",
    "mamba2_mixer",
    "mamba_mixer",
    "selective_scan",
    "sliding_window_attention",
    "ssd",
    "ssd_chunked",
    "ssd_matrix",
]
