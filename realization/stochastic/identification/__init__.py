"""From data to models: subspace methods, and Ho and Kalman's on covariances."""

from realization.stochastic.identification.methods import cva, moesp, n4sid
from realization.stochastic.identification.result import Identified

__all__ = ["Identified", "cva", "moesp", "n4sid"]
