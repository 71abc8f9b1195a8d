"""The layers of sequence models: two cores, and one file of a screen per layer."""

from realization.layers.mamba1 import SELECTIVE_SCAN, selective_scan
from realization.layers.mamba2 import SSD, ssd, ssd_chunked, ssd_matrix

OPS = {op.name: op for op in (SELECTIVE_SCAN, SSD)}

__all__ = ["OPS", "SELECTIVE_SCAN", "SSD", "selective_scan", "ssd", "ssd_chunked", "ssd_matrix"]
