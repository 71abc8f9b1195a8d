"""A filter on factors loses the digits of a ratio of deviations, one on covariances those of its square.

Outputs of precision s leave a state of deviation about s where it was 1.  The factor of its covariance has a relative
error of u/s, in every direction; the covariance itself, computed as such, has u/s^2, and none of its digits is right
from s = 1e-8 on: it is 0 in some direction, or negative (Kailath, Sayed and Hassibi 2000; Bierman 1977).
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.linalg.certificate import fractions
from realization.stochastic import (
    information_filter,
    kalman_filter,
    rts_smoother,
    square_root_filter,
    square_root_smoother,
)
from realization.systems.stochastic import InitialState, StochasticSSM, TimeVaryingStochasticSSM

U = 2.0**-53


def readings(seed, n, s):
    """n readings c(t)'x with noise s of a vector x that does not move, in units that differ by up to 2^20."""
    rng = np.random.default_rng(seed)
    C = np.linalg.qr(rng.standard_normal((n, n)))[0] + 0.3 * rng.standard_normal((n, n))
    units = 2.0 ** rng.integers(-10, 10, n)
    still, none = np.broadcast_to(np.eye(n), (n, n, n)), np.zeros((n, n, 1))
    model = TimeVaryingStochasticSSM(still, none, (C / units)[:, None], np.full((n, 1, 1), s))
    return model, InitialState(np.zeros(n), np.diag(units**2))


def information(model, start):
    """inv(P) = inv(P0) + sum of c c' / s^2, in exact rationals."""
    found = np.diag([1 / Fraction(x) for x in np.diag(start.covariance)])
    for C, D in zip(model.C, model.D, strict=True):
        found = found + np.outer(fractions(C[0]), fractions(C[0])) / Fraction(D.item()) ** 2
    return found


def relative(P, exact):
    """|inv(L) P inv(L)' - I|, L L' the exact covariance: an error in every direction, rational until the root."""
    E = exact @ P - np.array([[Fraction(int(i == j)) for j in range(len(P))] for i in range(len(P))])
    return float(np.trace(E @ E)) ** 0.5


def squared(L):
    return fractions(L) @ fractions(L).T


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.floats(1, 13))
def test_factors_lose_what_the_deviation_loses(seed, n, digits):
    """At most 100 n^2 u / s, n readings with products of length 2n each."""
    model, start = readings(seed, n, 10.0**-digits)
    exact, run = information(model, start), square_root_filter(model, np.zeros((n, 1)), initial=start)
    spread = np.linalg.norm(np.linalg.pinv(model.C[:, 0] * np.sqrt(np.diag(start.covariance))), 2)
    ratio = 10.0**digits * np.linalg.norm(model.C[:, 0] * np.sqrt(np.diag(start.covariance)), 2) * max(1, spread)
    assert relative(squared(run.filtered_factor[-1]), exact) <= 100 * n**2 * U * ratio


def test_information_loses_no_more():
    """The inverse is what readings add to: its factor has the error of a sum, whatever the precision."""
    for digits in (4, 8, 12):
        model, start = readings(7, 3, 10.0**-digits)
        run = information_filter(model, np.zeros((3, 1)), initial=start)
        exact = information(model, start)
        V = np.linalg.solve(run.filtered_factor[-1], np.eye(3))
        assert relative(squared(V), exact) <= 1e-13


def by_covariances(model, P):
    """The textbook's P - P C' inv(F) C P: the control."""
    for C, D in zip(model.C, model.D, strict=True):
        P = P - P @ C.T @ (C @ P) / (C @ P @ C.T + D @ D.T)
        P = (P + P.T) / 2
    return P


@pytest.mark.parametrize("seed", range(5))
def test_covariances_lose_all_digits(seed):
    """At s = 1e-9, where the factor has seven right: wrong by as much as it is large, and not positive."""
    model, start = readings(seed, 3, 1e-9)
    exact = information(model, start)
    run = square_root_filter(model, np.zeros((3, 1)), initial=start)
    assert relative(squared(run.filtered_factor[-1]), exact) < 1e-5
    P = by_covariances(model, start.covariance)
    assert relative(fractions(P), exact) > 1
    units = np.sqrt(np.diag(start.covariance))
    # s^2 = 1e-18 times a condition above 1 is right
    assert np.linalg.eigvalsh(P / np.outer(units, units))[0] < 1e-19
    try:
        found = kalman_filter(model, np.zeros((3, 1)), initial=start).filtered_covariance[-1]
    except StructureError:
        return
    # Joseph's form stays positive, and is as wrong
    assert relative(fractions(found), exact) > 1e-2


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.floats(1, 8))
def test_the_smoother_too(seed, n, digits):
    """A vector that does not move is at time 0 what it is at the end: V(0) = P(n|n), by sums from the end down."""
    model, start = readings(seed, n, 10.0**-digits)
    exact, run = information(model, start), square_root_smoother(model, np.zeros((n, 1)), initial=start)
    C = model.C[:, 0] * np.sqrt(np.diag(start.covariance))
    ratio = 10.0**digits * np.linalg.norm(C, 2) * max(1, np.linalg.norm(np.linalg.pinv(C), 2))
    assert relative(squared(run.factors[0]), exact) <= 1000 * n**2 * U * ratio


def test_a_difference_of_covariances_is_no_smoothed_covariance():
    """The control: V = P - P N P at s = 1e-9 has no right digit, where factors have six."""
    model, start = readings(2, 3, 1e-9)
    exact, y = information(model, start), np.zeros((3, 1))
    assert relative(squared(square_root_smoother(model, y, initial=start).factors[0]), exact) < 1e-5
    try:
        V = rts_smoother(model, kalman_filter(model, y, initial=start)).covariances[0]
    except StructureError:
        return
    assert relative(fractions(V), exact) > 1e-2


def test_a_precise_sensor_on_a_moving_body():
    """Position read to 1e-12 of a body whose speed drifts by as much: both deviations are found, to 1e-14."""
    s = 1e-12
    body = StochasticSSM([[1, 0.5], [0, 1]], [[0, 0], [s, 0]], [[1, 0]], [[0, s]])
    run = square_root_filter(body, np.zeros((6, 1)), initial=InitialState(np.zeros(2), np.eye(2)))
    # in units of s the steady filter is that of s = 1, which forgets the start
    unit = StochasticSSM([[1, 0.5], [0, 1]], [[0, 0], [1, 0]], [[1, 0]], [[0, 1]])
    wide = square_root_filter(unit, np.zeros((6, 1)), initial=InitialState(np.zeros(2), np.eye(2) / s**2))
    assert np.abs(run.filtered_factor[1:] / s - wide.filtered_factor[1:]).max() < 1e-13
    textbook = by_covariances(TimeVaryingStochasticSSM(*([X] * 1 for X in (body.A, body.B, body.C, body.D))), np.eye(2))
    assert textbook[0, 0] == 0
