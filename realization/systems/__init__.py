"""State-space systems as values: what they are, how they answer an input, and how they are put together."""

from realization.systems.base import Response
from realization.systems.bilinear import BilinearSSM
from realization.systems.compose import direct_sum, dual, feedback, parallel, series, similar, subsystem
from realization.systems.continuous import ContinuousSSM
from realization.systems.discretize import (
    RULES,
    Rule,
    backward_euler,
    discretize,
    first_order_hold,
    forward_euler,
    mamba,
    tustin,
    zero_order_hold,
)
from realization.systems.linear import LinearSSM
from realization.systems.noise import SampledNoise, sample_noise
from realization.systems.responses import (
    evaluate,
    frequency_response,
    impulse_response,
    markov_parameters,
    step_response,
    word_coefficients,
)
from realization.systems.undiscretize import undo_tustin, undo_zero_order_hold
from realization.systems.varying import TimeVaryingSSM

__all__ = [
    "RULES",
    "BilinearSSM",
    "ContinuousSSM",
    "LinearSSM",
    "Response",
    "Rule",
    "SampledNoise",
    "TimeVaryingSSM",
    "backward_euler",
    "direct_sum",
    "discretize",
    "dual",
    "evaluate",
    "feedback",
    "first_order_hold",
    "forward_euler",
    "frequency_response",
    "impulse_response",
    "mamba",
    "markov_parameters",
    "parallel",
    "sample_noise",
    "series",
    "similar",
    "step_response",
    "subsystem",
    "tustin",
    "undo_tustin",
    "undo_zero_order_hold",
    "word_coefficients",
    "zero_order_hold",
]
