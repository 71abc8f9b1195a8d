"""B'MOJO: one softmax over a window (nilpotent), selected tokens (eidetic) and fading tokens (of a state-space model).

`BMojo` is the layer; `sequential`, `chunked`, `two_pass` and `stream` run it and keep the same tokens.  `released`
and `released_layer` are the public variant with fading memory only, B'MOJO-F.
"""

from realization.layers.bmojo.attend import BMOJO, bmojo
from realization.layers.bmojo.contributions import Contributions, contributions
from realization.layers.bmojo.decode import Stream, stream
from realization.layers.bmojo.definition import Reading, sequential
from realization.layers.bmojo.layer_op import BMOJO_LAYER, bmojo_layer
from realization.layers.bmojo.model import BMojo, full_attention, mixer_only, window_only, with_memory, without_memory
from realization.layers.bmojo.modes import bound, chunked, two_pass
from realization.layers.bmojo.positions import Rotary
from realization.layers.bmojo.realized import as_realization
from realization.layers.bmojo.released import BMOJO_F, bmojo_f, bmojo_f_two_pass
from realization.layers.bmojo.released_layer import BMOJO_F_LAYER, bmojo_f_layer
from realization.layers.bmojo.select_op import SELECT, selected_tokens

__all__ = [
    "BMOJO",
    "BMOJO_F",
    "BMOJO_F_LAYER",
    "BMOJO_LAYER",
    "SELECT",
    "BMojo",
    "Contributions",
    "Reading",
    "Rotary",
    "Stream",
    "as_realization",
    "bmojo",
    "bmojo_f",
    "bmojo_f_layer",
    "bmojo_f_two_pass",
    "bmojo_layer",
    "bound",
    "chunked",
    "contributions",
    "full_attention",
    "mixer_only",
    "selected_tokens",
    "sequential",
    "stream",
    "two_pass",
    "window_only",
    "with_memory",
    "without_memory",
]
