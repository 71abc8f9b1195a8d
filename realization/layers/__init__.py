"""The layers of sequence models: two cores, and one file of a screen per layer."""

from realization.layers.attention import SLIDING_WINDOW_ATTENTION, sliding_window_attention
from realization.layers.bmojo import (
    BMOJO,
    BMOJO_F,
    BMOJO_F_LAYER,
    BMOJO_LAYER,
    SELECT,
    BMojo,
    bmojo_f,
    bmojo_f_layer,
    bmojo_f_two_pass,
    bmojo_layer,
    selected_tokens,
)
from realization.layers.conv import CAUSAL_CONV1D, causal_conv1d
from realization.layers.delta import GATED_DELTA_RULE, gated_delta_rule, gated_delta_rule_chunked
from realization.layers.mamba1 import SELECTIVE_SCAN, selective_scan
from realization.layers.mamba2 import SSD, ssd, ssd_chunked, ssd_matrix
from realization.layers.mixers import MIXERS, mamba2_mixer, mamba_mixer

_RECORDS = (
    SELECTIVE_SCAN, SSD, GATED_DELTA_RULE, CAUSAL_CONV1D, SLIDING_WINDOW_ATTENTION, BMOJO_F, BMOJO_F_LAYER, SELECT,
    BMOJO, BMOJO_LAYER,
)  # fmt: skip
OPS = {op.name: op for op in _RECORDS}
KNOWN = OPS | MIXERS  # what a name may stand for: the operations, and what is composed of them

__all__ = [
    "BMOJO",
    "BMOJO_F",
    "BMOJO_F_LAYER",
    "BMOJO_LAYER",
    "CAUSAL_CONV1D",
    "GATED_DELTA_RULE",
    "KNOWN",
    "MIXERS",
    "OPS",
    "SELECT",
    "SELECTIVE_SCAN",
    "SLIDING_WINDOW_ATTENTION",
    "SSD",
    "BMojo",
    "bmojo_f",
    "bmojo_f_layer",
    "bmojo_f_two_pass",
    "bmojo_layer",
    "causal_conv1d",
    "gated_delta_rule",
    "gated_delta_rule_chunked",
    "mamba2_mixer",
    "mamba_mixer",
    "selected_tokens",
    "selective_scan",
    "sliding_window_attention",
    "ssd",
    "ssd_chunked",
    "ssd_matrix",
]
