"""B'MOJO: one softmax over a window (nilpotent), selected tokens (eidetic) and fading tokens (of a state-space model).

`released` and `released_layer` are the public variant with fading memory only, B'MOJO-F.
"""

from realization.layers.bmojo.attend import bmojo
from realization.layers.bmojo.released import BMOJO_F, bmojo_f, bmojo_f_two_pass
from realization.layers.bmojo.released_layer import BMOJO_F_LAYER, bmojo_f_layer
from realization.layers.bmojo.select_op import selected_tokens

__all__ = ["BMOJO_F", "BMOJO_F_LAYER", "bmojo", "bmojo_f", "bmojo_f_layer", "bmojo_f_two_pass", "selected_tokens"]
