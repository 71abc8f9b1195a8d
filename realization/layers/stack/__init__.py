"""A stack of layers with the weights of a file: the forward pass of a model as a reference.

`forward` runs a `Stack` of `Block`s, `save` and `load` keep it in a safetensors file; `load` reads some models of
transformers too.
"""

from realization.layers.stack.files import load, save
from realization.layers.stack.model import Block, Forward, Stack, forward
from realization.layers.stack.parts import FromPast, FromState, GatedMLP

__all__ = ["Block", "Forward", "FromPast", "FromState", "GatedMLP", "Stack", "forward", "load", "save"]
