"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.kalman import KalmanRun, KalmanState, kalman_filter, step
from realization.stochastic.steady import SteadyKalman, steady_state

__all__ = [
    "CovarianceModel",
    "KalmanRun",
    "KalmanState",
    "SteadyKalman",
    "autocovariances",
    "covariance_model",
    "kalman_filter",
    "spectral_density",
    "state_covariance",
    "steady_state",
    "step",
]
