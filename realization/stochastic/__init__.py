"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.levinson import Levinson, Positivity, from_reflections, levinson, positivity, step_down
from realization.stochastic.schur_algorithm import Schur, schur, schur_parameters
from realization.stochastic.window import block_toeplitz

__all__ = [
    "CovarianceModel",
    "Levinson",
    "Positivity",
    "Schur",
    "autocovariances",
    "block_toeplitz",
    "covariance_model",
    "from_reflections",
    "levinson",
    "positivity",
    "schur",
    "schur_parameters",
    "spectral_density",
    "state_covariance",
    "step_down",
]
