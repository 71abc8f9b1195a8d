"""From data to models: subspace methods, and Ho and Kalman's on covariances."""

from realization.stochastic.identification.covariances import (
    CovarianceRealization,
    covariance_ho_kalman,
    lifted,
    sample_covariances,
)
from realization.stochastic.identification.methods import cva, moesp, n4sid
from realization.stochastic.identification.result import Identified

__all__ = [
    "CovarianceRealization",
    "Identified",
    "covariance_ho_kalman",
    "cva",
    "lifted",
    "moesp",
    "n4sid",
    "sample_covariances",
]
