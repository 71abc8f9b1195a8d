"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.information_filter import InformationRun, information_filter
from realization.stochastic.kalman import KalmanRun, KalmanState, kalman_filter, step
from realization.stochastic.posterior import Posterior, posterior
from realization.stochastic.posterior_sampling import sample_posterior
from realization.stochastic.smoothing import SmootherRun, rts_smoother
from realization.stochastic.square_root import SquareRootRun, square_root_filter
from realization.stochastic.steady import SteadyKalman, steady_state

__all__ = [
    "CovarianceModel",
    "InformationRun",
    "KalmanRun",
    "KalmanState",
    "Posterior",
    "SmootherRun",
    "SquareRootRun",
    "SteadyKalman",
    "autocovariances",
    "covariance_model",
    "information_filter",
    "kalman_filter",
    "posterior",
    "rts_smoother",
    "sample_posterior",
    "spectral_density",
    "square_root_filter",
    "state_covariance",
    "steady_state",
    "step",
]
