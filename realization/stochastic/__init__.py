"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.data import SampleCorrelations, Windows, past_future, sample_canonical_correlations
from realization.stochastic.levinson import Levinson, Positivity, from_reflections, levinson, positivity, step_down
from realization.stochastic.schur_algorithm import Schur, schur, schur_parameters
from realization.stochastic.window import block_toeplitz

__all__ = [
    "CovarianceModel",
    "Levinson",
    "Positivity",
    "SampleCorrelations",
    "Schur",
    "Windows",
    "autocovariances",
    "block_toeplitz",
    "covariance_model",
    "from_reflections",
    "levinson",
    "past_future",
    "positivity",
    "sample_canonical_correlations",
    "schur",
    "schur_parameters",
    "spectral_density",
    "state_covariance",
    "step_down",
]
