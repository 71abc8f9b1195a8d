"""Sequence-model kernels judged against certified truth."""

__version__ = "0.1.0"
