"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.data import SampleCorrelations, Windows, past_future, sample_canonical_correlations

__all__ = [
    "CovarianceModel",
    "SampleCorrelations",
    "Windows",
    "autocovariances",
    "covariance_model",
    "past_future",
    "sample_canonical_correlations",
    "spectral_density",
    "state_covariance",
]
