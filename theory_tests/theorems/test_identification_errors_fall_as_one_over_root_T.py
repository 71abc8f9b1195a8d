"""The error of an identified model falls as 1/sqrt(T), with and without inputs, in white noise and in coloured.

Measured are invariants: impulse responses of the innovations model (from whitened innovations) and of the system,
spectral density, covariances.  Matrices would say nothing: the basis is another in every record.
(Deistler, Peternell and Scherrer 1995; Bauer 2005.)

The slope of log10 |error| over log10 T is fitted at T = 10^3, 10^4, 10^5 from the root mean square of 8 records.
sqrt(T) error is asymptotically Gaussian, of one dimension at least: the mean of 8 squares has a relative
deviation of at most sqrt(2/8), its root half of that, 0.109 in log10, and the slope 0.109 / sqrt(2) = 0.077.
Three deviations are 0.23; 0.07 is for terms of the order 1/T, up to a tenth of the error at T = 10^3.
"""

import functools

import numpy as np
import pytest

from realization.stochastic import autocovariances, spectral_density
from realization.stochastic.identification import cva, moesp
from realization.systems import InnovationsSSM, LinearSSM, markov_parameters

LENGTHS, RECORDS, TOLERANCE = (1000, 10_000, 100_000), 8, 0.3
OMEGA = np.linspace(0, np.pi, 64)

A = np.array([[0.6, 0.5, 0], [-0.5, 0.6, 0], [0, 0, 0.4]])
B = np.array([[1.0, 0.5], [0.3, -1.0], [1.0, 1.0]])
C = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, -1.0]])
D = np.array([[0.5, 0.0], [0.0, 0.0]])
K = np.array([[0.5, 0.1], [0.2, 0.3], [0.2, -0.4]])
F = np.array([[1.0, 0.0], [0.5, 1.0]])
NOISE, PLANT = InnovationsSSM(A, K, C, F @ F.T), LinearSSM(A, B, C, D)


@functools.cache
def record(seed, T, inputs):
    """y and u (or None) in equilibrium: the first 200 steps are thrown away."""
    rng = np.random.default_rng([seed, T])
    e, u = rng.standard_normal((T + 200, 2)) @ F.T, rng.standard_normal((T + 200, 2)) * inputs
    y = LinearSSM(A, np.hstack([B, K]), C, np.hstack([D, np.eye(2)])).simulate(np.hstack([u, e])).y
    return y[200:], u[200:] if inputs else None


def whitened(model):
    """D = L, C A^(k-1) K L with R = L L'."""
    L = np.linalg.cholesky(model.R)
    return markov_parameters(LinearSSM(model.A, model.K @ L, model.C, L), 20)


INVARIANTS = {
    "impulse response of the noise": lambda model, system: whitened(model),
    "spectral density": lambda model, system: spectral_density(model, OMEGA),
    "covariances": lambda model, system: autocovariances(model, 20),
    "impulse response of the system": lambda model, system: markov_parameters(system, 20),
}


def errors(method, inputs, **windows):
    """Root mean square over records of each relative error, one row for each length."""
    found = []
    for T in LENGTHS:
        squares = []
        for seed in range(RECORDS):
            y, u = record(seed, T, inputs)
            model = method(y, windows.get("order", 3), u=u, past=windows.get("past", 8), future=8)
            squares.append([distance(one, model, inputs) ** 2 for one in INVARIANTS.values() if usable(one, inputs)])
        found.append(np.sqrt(np.mean(squares, axis=0)))
    return np.array(found)


def usable(invariant, inputs):
    return inputs or invariant is not INVARIANTS["impulse response of the system"]


def distance(invariant, found, inputs):
    true = invariant(NOISE, PLANT)
    return np.linalg.norm(invariant(found.innovations, found.system) - true) / np.linalg.norm(true)


def slopes(table):
    return np.polyfit(np.log10(LENGTHS), np.log10(table), 1)[0]


@pytest.mark.parametrize(("method", "inputs"), [(cva, 0), (cva, 1), (moesp, 1)])
def test_with_and_without_inputs(method, inputs):
    """A past of 8 steps cuts off rho(A - K C)^8 = 3e-3 of the state, 1e-5 of covariances: below 10^-2.5."""
    table = errors(method, inputs)
    np.testing.assert_allclose(slopes(table), -0.5, atol=TOLERANCE)
    assert (table[-1] < 0.03).all()


@functools.cache
def wrong(**windows):
    return slopes(errors(cva, 0, **windows))


def test_a_model_that_is_too_small_stays_wrong():
    """The control: with 2 states of 3 a longer record does not help."""
    assert (wrong(order=2) > -0.5 + TOLERANCE).all()


def test_a_past_that_is_too_short_stays_wrong():
    """The control: a past of one step cuts off 0.47 of the state."""
    assert (wrong(order=2, past=1)[1:] > -0.5 + TOLERANCE).all()


def test_matrices_do_not_converge():
    """The control: entries of A are those of a basis that the windows choose; the models agree, the matrices never."""
    y = record(0, 100_000, 0)[0]
    first, second = (cva(y, 3, past=8, future=f).innovations for f in (2, 8))
    assert np.abs(first.A - second.A).max() > 10 * np.abs(whitened(first) - whitened(second)).max()
