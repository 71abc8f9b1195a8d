"""State-space systems as values: what they are, and how they answer an input."""

from realization.systems.bilinear import BilinearSSM
from realization.systems.linear import LinearSSM, TimeVaryingSSM

__all__ = ["BilinearSSM", "LinearSSM", "TimeVaryingSSM"]
