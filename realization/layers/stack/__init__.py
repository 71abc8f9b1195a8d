"""A stack of layers with the weights of a file: the forward pass of a model as a reference."""

from realization.layers.stack.attention import Attention, Mixed
from realization.layers.stack.files import load, save
from realization.layers.stack.mamba import Mamba, Mamba2
from realization.layers.stack.model import Block, Forward, Layer, Stack, forward
from realization.layers.stack.parts import GatedMLP, Rotary

__all__ = [
    "Attention",
    "Block",
    "Forward",
    "GatedMLP",
    "Layer",
    "Mamba",
    "Mamba2",
    "Mixed",
    "Rotary",
    "Stack",
    "forward",
    "load",
    "save",
]
