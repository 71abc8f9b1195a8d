"""Schur's algorithm on the covariances and Levinson's on the predictors are one recursion, read in two ways.

Schur's gives the triangular factor of T, Levinson's that of inv(T); for one output the reflections are Schur's
parameters of f = (F - F(0)) / (z (F + F(0))), F = Lambda(0) + 2 sum Lambda(k) z^k, which has |f| <= 1 in the disc
if and only if Re F >= 0 there, if and only if all T >= 0 (Schur 1917; Caratheodory 1911).
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.linalg.decision import EPS
from realization.linalg.rational import rationals
from realization.stochastic import block_toeplitz, from_reflections, levinson, schur, schur_parameters
from realization.testing import covariance_windows

fractions = st.integers(2, 12).flatmap(lambda q: st.integers(1 - q, q - 1).map(lambda k: Fraction(k, q)))
quarter = settings(max_examples=max(10, settings().max_examples // 4))


@quarter
@given(covariance_windows(max_lags=4, max_outputs=2))
def test_exactly_the_same_in_fractions(Lambda):
    exact = rationals("Lambda", Lambda)
    one, two = schur(exact), levinson(exact)
    for name in ("errors", "backward_errors", "gains", "backward_gains"):
        assert (getattr(one, name) == getattr(two, name)).all()


@given(covariance_windows())
def test_the_factor_is_that_of_cholesky(Lambda):
    """T is factored to rounding, whatever its condition; the reflections agree to its condition."""
    found, T = schur(Lambda), block_toeplitz(Lambda)
    L, size = found.cholesky, np.linalg.norm(T, 2)
    assert np.abs(L @ L.T - T).max() <= 10 * len(T) * EPS * size
    bound = 10 * len(T) * EPS * np.linalg.cond(T)
    assert np.abs(L - np.linalg.cholesky(T)).max() <= bound * np.sqrt(size)
    assert np.abs(found.reflections - levinson(Lambda).reflections).max(initial=0.0) <= bound


@quarter
@given(st.lists(fractions, max_size=6))
def test_they_are_the_parameters_of_a_bounded_function(reflections):
    c = from_reflections(Fraction(2), np.array(reflections, dtype=object))
    F = np.append(c[:1], 2 * c[1:])
    difference, total = F[1:], np.append(2 * F[:1], F[1:])[:-1]
    assert schur_parameters(difference, total).tolist() == reflections


@quarter
@given(st.lists(fractions, min_size=2, max_size=6))
def test_the_control_the_other_sign_of_the_first_covariance(reflections):
    """Confusing f with -f turns every parameter; confusing Lambda(0) with 2 Lambda(0) changes them otherwise."""
    c = from_reflections(Fraction(2), np.array(reflections, dtype=object))
    if any(c[1:]):
        assert schur_parameters(-2 * c[1:], np.append(2 * c[:1], 2 * c[1:])[:-1]).tolist() == [-x for x in reflections]
        assert schur_parameters(2 * c[1:], np.append(4 * c[:1], 2 * c[1:])[:-1]).tolist() != reflections


def test_it_keeps_its_digits_where_predictors_are_large():
    """White noise of a narrow band: condition 1.5e13, coefficients up to 231; T is factored to its last digit.

    Levinson's triangle, judged by what it is for, A T A' = diag S, is off by four digits more.
    """
    k = np.arange(1, 12)
    c = np.append(1.0, np.sin(0.3 * np.pi * k) / (0.3 * np.pi * k))
    T, found, other = block_toeplitz(c), schur(c), levinson(c)
    assert np.linalg.cond(T) > 1e13
    assert np.abs(found.cholesky @ found.cholesky.T - T).max() < 12 * EPS
    A = np.zeros_like(T)
    for n, each in enumerate(other.forward):
        A[n, : n + 1] = each[::-1]
    assert np.abs(A @ T @ A.T - np.diag(other.errors)).max() > 1e4 * EPS


def test_a_window_that_is_none_is_refused_by_both_at_the_same_order():
    for f in (schur, levinson):
        with pytest.raises(StructureError, match="at order 2"):
            f(["1", "1/2", "-3/4"])
    assert abs(schur(["1", "1/2", "-1/4"]).reflections[1]) == Fraction(2, 3)
