"""A stack of layers with the weights of a file: the forward pass of a model as a reference.

`forward` runs a `Stack` of `Block`s, `save` and `load` keep it in a safetensors file; `load` reads some models of
transformers too.  `near_ties` says where two runs keep other tokens, and why.
"""

from realization.layers.stack.files import load, save
from realization.layers.stack.model import Block, Forward, Stack, forward
from realization.layers.stack.parts import FromPast, FromState, GatedMLP
from realization.layers.stack.ties import Ties, near_ties

__all__ = [
    "Block",
    "Forward",
    "FromPast",
    "FromState",
    "GatedMLP",
    "Stack",
    "Ties",
    "forward",
    "load",
    "near_ties",
    "save",
]
