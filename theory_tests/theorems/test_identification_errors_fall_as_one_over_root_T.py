"""The error of an identified model falls as 1/sqrt(T), with and without inputs, in white noise and in coloured.

Measured are invariants: impulse responses of the innovations model (from whitened innovations) and of the system,
spectral density, covariances.  Matrices would say nothing: the basis is another in every record.
(Deistler, Peternell and Scherrer 1995; Bauer 2005.)

The slope b of log10 |error| over log10 T is that of three lengths, each with the root mean square of 8 records;
its standard error comes from the spread of the records themselves.  With m, v the mean and variance of 8 squares,

    b = sum_T w(T) log10 m(T) / 2,     se(b)^2 = sum_T w(T)^2 v(T) / 8 / (2 m(T) log 10)^2,     w(T) = x / sum x^2

x = log10 T less its mean.  b may differ from -1/2 by 5 of them: in Student's law of 14 degrees (two lengths carry
the slope, of 7 degrees each) that has probability 2e-4, in any of the 11 numbers here 2e-3.
"""

import functools

import numpy as np
import pytest

from realization.stochastic import autocovariances, spectral_density
from realization.stochastic.identification import cva, moesp
from realization.systems import InnovationsSSM, LinearSSM, markov_parameters

LENGTHS, RECORDS, DEVIATIONS = (1000, 6000, 36_000), 8, 5
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


def squares(method, inputs, **windows):
    """Of each relative error: (lengths, records, invariants)."""

    def of_record(seed, T):
        y, u = record(seed, T, inputs)
        model = method(y, windows.get("order", 3), u=u, past=windows.get("past", 8), future=8)
        return [distance(one, model, inputs) ** 2 for one in INVARIANTS.values() if usable(one, inputs)]

    return np.array([[of_record(seed, T) for seed in range(RECORDS)] for T in LENGTHS])


def usable(invariant, inputs):
    return inputs or invariant is not INVARIANTS["impulse response of the system"]


def distance(invariant, found, inputs):
    true = invariant(NOISE, PLANT)
    return np.linalg.norm(invariant(found.innovations, found.system) - true) / np.linalg.norm(true)


def slopes(table):
    """b and its standard error, for each invariant."""
    x = np.log10(LENGTHS) - np.log10(LENGTHS).mean()
    w, m, v = x / (x @ x), table.mean(axis=1), table.var(axis=1, ddof=1)
    return w @ np.log10(m) / 2, np.sqrt(w**2 @ (v / RECORDS / (2 * m * np.log(10)) ** 2))


@pytest.mark.parametrize(("method", "inputs"), [(cva, 0), (cva, 1), (moesp, 1)])
def test_with_and_without_inputs(method, inputs):
    """A past of 8 steps cuts off rho(A - K C)^8 = 3e-3 of the state, 1e-5 of covariances: below the error of 10^-2."""
    table = squares(method, inputs)
    slope, error = slopes(table)
    assert (np.abs(slope + 0.5) < DEVIATIONS * error).all()
    assert (error < 0.05).all()  # so that 5 of them tell -1/2 from 0, and from -1
    assert (np.sqrt(table[-1].mean(axis=0)) < 0.05).all()


@pytest.mark.parametrize("wrong", [{"order": 2}, {"order": 2, "past": 1}], ids=["too small", "past too short"])
def test_a_wrong_model_stays_wrong(wrong):
    """The control: with 2 states of 3, or a past of one step that cuts off 0.47 of the state, more data do not help."""
    slope, error = slopes(squares(cva, 0, **wrong))
    assert (slope + 0.5 > DEVIATIONS * error).all()


def test_matrices_do_not_converge():
    """The control: entries of A are those of a basis that the windows choose; the models agree, the matrices never."""
    y = record(0, 36_000, 0)[0]
    first, second = (cva(y, 3, past=8, future=f).innovations for f in (2, 8))
    assert np.abs(first.A - second.A).max() > 10 * np.abs(whitened(first) - whitened(second)).max()
