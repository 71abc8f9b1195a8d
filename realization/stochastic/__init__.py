"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.data import SampleCorrelations, Windows, past_future, sample_canonical_correlations
from realization.stochastic.extension import (
    MatrixBall,
    MaximumEntropy,
    RationalExtension,
    extend,
    maximum_entropy_extension,
    next_covariance,
    rational_extension,
)
from realization.stochastic.levinson import Levinson, Positivity, from_reflections, levinson, positivity, step_down
from realization.stochastic.partial import PartialRealization, Recursion, partial_realization, shortest_recursion
from realization.stochastic.schur_algorithm import Schur, schur, schur_parameters
from realization.stochastic.window import block_toeplitz
from realization.stochastic.wold import Innovations, Wold, innovations_algorithm, stationary, wold

__all__ = [
    "CovarianceModel",
    "Innovations",
    "Levinson",
    "MatrixBall",
    "MaximumEntropy",
    "PartialRealization",
    "Positivity",
    "RationalExtension",
    "Recursion",
    "SampleCorrelations",
    "Schur",
    "Windows",
    "Wold",
    "autocovariances",
    "block_toeplitz",
    "covariance_model",
    "extend",
    "from_reflections",
    "innovations_algorithm",
    "levinson",
    "maximum_entropy_extension",
    "next_covariance",
    "partial_realization",
    "past_future",
    "positivity",
    "rational_extension",
    "sample_canonical_correlations",
    "schur",
    "schur_parameters",
    "shortest_recursion",
    "spectral_density",
    "state_covariance",
    "stationary",
    "step_down",
    "wold",
]
