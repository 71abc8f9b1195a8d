"""The example of SLICOT's IB01AD and IB01BD: a hair dryer, 1000 steps, 15 block rows, order 4.

Its documentation prints the singular values of MOESP, the matrices and the Kalman gain.  The singular values are
of the same matrix as ours; what follows them there is another regression, so the models agree within their errors.
"""

from pathlib import Path

import numpy as np
import pytest

from realization.stochastic.identification import cva, moesp, n4sid
from realization.systems import InnovationsSSM, LinearSSM, markov_parameters

LINES = [line for line in (Path(__file__).parent / "dryer.txt").read_text("utf-8").splitlines() if line[0] != "#"]
U = 3.41 + 3.0 * np.array([int(bit) for bit in "".join(LINES[:10])])[:, None]
Y = np.array(" ".join(LINES[10:]).split(), dtype=float)[:, None]

# as printed, to four digits behind the point
SINGULAR_VALUES = [
    69.8841, 14.9963, 3.6675, 1.9677, 0.3000, 0.2078, 0.1651, 0.1373,
    0.1133, 0.1059, 0.0856, 0.0784, 0.0733, 0.0678, 0.0571,
]  # fmt: skip
A = [
    [0.8924, 0.3887, 0.1285, 0.1716],
    [-0.0837, 0.6186, -0.6273, -0.4582],
    [0.0052, 0.1307, 0.6685, -0.6755],
    [0.0055, 0.0734, -0.2148, 0.4788],
]
B, C, D = [[-0.2142], [-0.1968], [0.0525], [0.0361]], [[-0.4442, 0.6663, 0.3961, 0.4102]], [[-0.0041]]
K, RY = [[-1.9513], [-0.1867], [0.6348], [-0.3486]], 0.0012
PRINTED = LinearSSM(A, B, C, D), LinearSSM(A, K, C, [[1.0]])


def responses(found):
    """Of the plant and of the noise."""
    e = found.innovations
    return markov_parameters(found.system, 30), markov_parameters(LinearSSM(e.A, e.K, e.C, [[1.0]]), 20)


def relative(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def test_singular_values_to_the_last_printed_digit():
    """IB01AD divides by nothing: ours are those of data of mean square 1 over sqrt(N), and go back by these factors."""
    found = moesp(Y, 4, past=15, future=15, u=U)
    unit = np.sqrt(np.mean(Y**2)) * np.sqrt(found.samples)
    np.testing.assert_allclose(found.singular_values[:15] * unit, SINGULAR_VALUES, rtol=0, atol=0.5001e-4)
    other = n4sid(Y, 4, past=15, future=15, u=U).singular_values[:15] * unit
    assert np.abs(other - SINGULAR_VALUES).max() > 1, "the control: other weights have other singular values"


@pytest.mark.parametrize("method", [cva, n4sid, moesp])
def test_responses_within_their_errors(method):
    """Plant within 2 %, noise within 10 %: errors of the size 1/sqrt(1000) in each of a few directions."""
    plant, noise = responses(method(Y, 4, past=15, future=15, u=U))
    assert relative(plant, markov_parameters(PRINTED[0], 30)) < 0.02
    assert relative(noise, markov_parameters(PRINTED[1], 20)) < 0.1
    short = responses(method(Y, 2, past=15, future=15, u=U))
    assert relative(short[0], markov_parameters(PRINTED[0], 30)) > 0.2, "the control: half of the states"


def test_it_predicts_at_least_as_well():
    """Errors of prediction against those of the printed model, and against its printed variance."""
    printed = InnovationsSSM(A, K, C, [[RY]])
    x, errors = np.zeros(4), []
    for u, y in zip(U, Y, strict=True):
        errors.append(y - printed.C @ x - np.array(D) @ u)
        x = printed.A @ x + np.array(B) @ u + printed.K @ errors[-1]
    theirs = np.mean(np.square(errors[100:]))
    for method in (cva, n4sid, moesp):
        found = method(Y, 4, past=15, future=15, u=U)
        assert np.mean(np.square(found.prediction_errors(Y, U)[100:])) < 1.01 * theirs
        assert not found.whiteness.rejected
    assert theirs < 1.3 * RY  # four digits behind the point are two of RY


def test_the_order_that_is_chosen_leaves_white_residuals():
    """Three states are too few: the dead time of the tube takes some by itself."""
    found = cva(Y, u=U)
    assert 4 <= found.order <= 6
    assert not found.whiteness.rejected
    assert cva(Y, 3, past=found.past, future=found.future, u=U).whiteness.rejected
