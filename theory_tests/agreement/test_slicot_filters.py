"""The examples of SLICOT's documentation for three filters, printed to four decimals.

FB01QD, square roots of covariances; FB01SD, square roots of information; FB01VD, covariances.  Factors are unique up
to the signs of their columns (rows).
"""

import numpy as np
import pytest

from realization.core.errors import StructureError
from realization.linalg.psd import positive_factor
from realization.stochastic import information_filter, kalman_filter, square_root_filter
from realization.systems.stochastic import InitialState, StochasticSSM

PRINTED = 1e-4  # a unit of the last decimal
A = np.array([[0.2113, 0.8497, 0.7263, 0.8833], [0.7560, 0.6857, 0.1985, 0.6525],
              [0.0002, 0.8782, 0.5442, 0.3076], [0.3303, 0.0683, 0.2320, 0.9329]])  # fmt: skip
C = np.array([[0.3616, 0.5664, 0.5015, 0.2693], [0.2922, 0.4826, 0.4368, 0.6325]])


def same_columns(X, Y):
    """Whether columns agree up to sign, to the printed decimals."""
    return all(min(np.abs(x - y).max(), np.abs(x + y).max()) <= PRINTED for x, y in zip(X.T, Y.T, strict=True))


def test_square_roots_of_covariances():
    """FB01QD: three steps from a state that is known."""
    B = np.array([[0.5618, 0.5042], [0.5896, 0.3493], [0.6853, 0.3873], [0.8906, 0.9222]])
    R = np.array([[0.9488, 0.0], [0.3760, 0.7340]])
    model = StochasticSSM(A, np.hstack([B, np.zeros((4, 2))]), C, np.hstack([np.zeros((2, 2)), R]))
    run = square_root_filter(model, np.zeros((3, 2)), initial=InitialState.known(np.zeros(4)))
    S = np.array([[-1.2936, 0, 0, 0], [-1.1382, -0.2579, 0, 0],
                  [-0.9622, -0.1529, 0.2974, 0], [-1.3076, 0.0936, 0.4508, -0.4897]])  # fmt: skip
    K = np.array([[0.3638, 0.9469], [0.3532, 0.8179], [0.2471, 0.5542], [0.1982, 0.6471]])
    assert same_columns(run.predicted_factor[3], S)
    assert np.abs(run.predictor_gain[2] - K).max() <= PRINTED
    # the gain of the filter is another matrix, and the step before another gain
    assert np.abs(run.filter_gain[2] - K).max() > 0.05
    assert np.abs(run.predictor_gain[1] - K).max() > 1e-3
    plain = kalman_filter(model, np.zeros((3, 2)), initial=InitialState.known(np.zeros(4)))
    assert np.abs(plain.predictor_gain[2] - K).max() <= PRINTED


def test_square_roots_of_information():
    """FB01SD: three times a prediction and an update; it is given inv(A), inv(A) B and the mean of the noise.

    The row inv(S) (inv(A) B w + inv(A) x(t+1)) of its array says that the noise enters as -B w.
    """
    forth = np.linalg.solve(A.T, np.eye(4))
    B = forth @ [[-0.8805, 1.3257], [2.1039, 0.5207], [-0.6075, 1.0386], [-0.8531, 1.1688]]
    Q = np.linalg.solve([[1.1159, 0.2305], [0, 0.6597]], np.eye(2))
    model = StochasticSSM(forth, np.hstack([B @ Q, np.zeros((4, 2))]), C, np.hstack([np.zeros((2, 2)), np.eye(2)]))
    y = np.array([[np.nan, np.nan], *[[0.2129, 0.5591]] * 3])
    start = InitialState([0.4076, 0.8408, 0.5017, 0.9128], np.eye(4))
    run = information_filter(model, y, initial=start, state_offset=-B @ [0.0019, 0.5075])
    R = np.array([[0.6897, 0.7721, 0.7079, 0.6102], [0, -0.3363, -0.2252, -0.2642],
                  [0, 0, -0.1650, 0.0319], [0, 0, 0, 0.3708]])  # fmt: skip
    assert same_columns(run.filtered_factor[3].T, R.T)
    assert run.filtered_moments()[0][3] == pytest.approx([-0.7125, -1.8324, 1.7500, 1.5854], abs=PRINTED)


def test_a_step_of_covariances():
    """FB01VD is the recursion for any symmetric P and Q; those of its example are none of a state and a noise."""
    P = np.array([[0.5015, 0.4368, 0.2693, 0.6325], [0.4368, 0.4818, 0.2639, 0.4148],
                  [0.2693, 0.2639, 0.1121, 0.6856], [0.6325, 0.4148, 0.6856, 0.8906]])  # fmt: skip
    Q = np.array([[0.9329, 0.2146, 0.3126], [0.2146, 0.2922, 0.5664], [0.3126, 0.5664, 0.5935]])
    with pytest.raises(StructureError, match=r"eigenvalue -0\.307"):
        InitialState(np.zeros(4), P)
    with pytest.raises(StructureError, match=r"eigenvalue -0\.144"):
        positive_factor(Q)
