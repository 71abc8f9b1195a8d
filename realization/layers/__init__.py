"""The layers of sequence models: two cores, and one file of a screen per layer."""

from realization.layers.attention import SLIDING_WINDOW_ATTENTION, sliding_window_attention
from realization.layers.bmojo import BMOJO_F, bmojo_f, bmojo_f_two_pass
from realization.layers.bmojo_layer import BMOJO_F_LAYER, bmojo_f_layer
from realization.layers.mamba1 import SELECTIVE_SCAN, selective_scan
from realization.layers.mamba2 import SSD, ssd, ssd_chunked, ssd_matrix

OPS = {op.name: op for op in (SELECTIVE_SCAN, SSD, SLIDING_WINDOW_ATTENTION, BMOJO_F, BMOJO_F_LAYER)}

__all__ = [
    "BMOJO_F", "BMOJO_F_LAYER", "OPS", "SELECTIVE_SCAN", "SLIDING_WINDOW_ATTENTION", "SSD", "bmojo_f", "bmojo_f_layer",
    "bmojo_f_two_pass", "selective_scan", "sliding_window_attention", "ssd", "ssd_chunked", "ssd_matrix",
]  # fmt: skip
