"""State-space systems as values: what they are, how they answer an input, and how they are put together."""

from realization.systems.base import Response
from realization.systems.bilinear import BilinearSSM
from realization.systems.compose import direct_sum, dual, feedback, parallel, series, similar, subsystem
from realization.systems.continuous import ContinuousSSM
from realization.systems.describe import Description, describe_system
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
from realization.systems.exact import ExactSSM
from realization.systems.hankel_operator import HankelOperator, hankel_operator, hankel_spectrum
from realization.systems.linear import LinearSSM
from realization.systems.named import (
    NAMED,
    NAMED_BILINEAR,
    NAMED_CONTINUOUS,
    NAMED_CONTINUOUS_STOCHASTIC,
    NAMED_STOCHASTIC,
    Named,
)
from realization.systems.noise import SampledNoise, sample_noise
from realization.systems.responses import (
    evaluate,
    frequency_response,
    impulse_response,
    markov_parameters,
    step_response,
    word_coefficients,
)
from realization.systems.stochastic import (
    BackwardSSM,
    ContinuousBackwardSSM,
    ContinuousStochasticSSM,
    InitialState,
    InnovationsSSM,
    StochasticSSM,
    TimeVaryingBackwardSSM,
    TimeVaryingStochasticSSM,
)
from realization.systems.transfer import (
    RationalTransfer,
    ZerosPolesGain,
    characteristic_polynomial,
    poles,
    transfer_function,
    zeros_poles_gain,
)
from realization.systems.undiscretize import undo_tustin, undo_zero_order_hold
from realization.systems.varying import TimeVaryingSSM
from realization.systems.zeros import invariant_zeros, zeros

__all__ = [
    "NAMED",
    "NAMED_BILINEAR",
    "NAMED_CONTINUOUS",
    "NAMED_CONTINUOUS_STOCHASTIC",
    "NAMED_STOCHASTIC",
    "RULES",
    "BackwardSSM",
    "BilinearSSM",
    "ContinuousBackwardSSM",
    "ContinuousSSM",
    "ContinuousStochasticSSM",
    "Description",
    "ExactSSM",
    "HankelOperator",
    "InitialState",
    "InnovationsSSM",
    "LinearSSM",
    "Named",
    "RationalTransfer",
    "Response",
    "Rule",
    "SampledNoise",
    "StochasticSSM",
    "TimeVaryingBackwardSSM",
    "TimeVaryingSSM",
    "TimeVaryingStochasticSSM",
    "ZerosPolesGain",
    "backward_euler",
    "characteristic_polynomial",
    "describe_system",
    "direct_sum",
    "discretize",
    "dual",
    "evaluate",
    "feedback",
    "first_order_hold",
    "forward_euler",
    "frequency_response",
    "hankel_operator",
    "hankel_spectrum",
    "impulse_response",
    "invariant_zeros",
    "mamba",
    "markov_parameters",
    "parallel",
    "poles",
    "sample_noise",
    "series",
    "similar",
    "step_response",
    "subsystem",
    "transfer_function",
    "tustin",
    "undo_tustin",
    "undo_zero_order_hold",
    "word_coefficients",
    "zero_order_hold",
    "zeros",
    "zeros_poles_gain",
]
