"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)

__all__ = [
    "CovarianceModel",
    "autocovariances",
    "covariance_model",
    "spectral_density",
    "state_covariance",
]
