"""State-space systems as values: what they are, how they answer an input, and how they are put together."""

from realization.systems.base import Response
from realization.systems.bilinear import BilinearSSM
from realization.systems.compose import direct_sum, dual, feedback, parallel, series, similar, subsystem
from realization.systems.continuous import ContinuousSSM
from realization.systems.linear import LinearSSM
from realization.systems.responses import evaluate, markov_parameters
from realization.systems.varying import TimeVaryingSSM

__all__ = [
    "BilinearSSM",
    "ContinuousSSM",
    "LinearSSM",
    "Response",
    "TimeVaryingSSM",
    "direct_sum",
    "dual",
    "evaluate",
    "feedback",
    "markov_parameters",
    "parallel",
    "series",
    "similar",
    "subsystem",
]
