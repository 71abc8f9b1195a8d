"""The fewest states that continue a positive window need not continue it to the covariances of a process.

Not even A need be stable; the autoregression with the same window always is a process (Kalman 1981 asked for the least
degree of a positive continuation; Byrnes and Lindquist 1997).
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realization.canonical.ho_kalman import ho_kalman
from realization.core.errors import StructureError
from realization.linalg.decision import EPS
from realization.linalg.hankel import block_hankel
from realization.linalg.rational import rank, rationals
from realization.stochastic import (
    autocovariances,
    covariance_model,
    from_reflections,
    maximum_entropy_extension,
    partial_realization,
    positivity,
    shortest_recursion,
    spectral_density,
)
from realization.systems import StochasticSSM
from realization.systems.families import random_stable

seeds = st.integers(0, 2**32 - 1)
quarter = settings(max_examples=max(10, settings().max_examples // 4))


def test_three_lags_whose_realization_is_stable_and_not_positive():
    """3/2, 1/2, -1/4, 1/8: order 1, pole -1/2, and Phi(-1) = 3/2 + 2 (1/2) (-1) / (1 - 1/2) = -1/2."""
    window = ["3/2", "1/2", "-1/4", "1/8"]
    found = partial_realization(window)
    assert found.decision.decided
    assert (found.data.A, found.spectral_radius) == (-0.5, 0.5)
    assert positivity(window).verdict == "positive"
    assert found.verdict == "not positive real"
    assert found.certificate.omega == pytest.approx(np.pi)
    assert found.certificate.density == pytest.approx(-0.5)
    assert spectral_density(found.data, [np.pi])[0, 0, 0].real == -0.5
    longer = positivity(rationals("c", autocovariances(found.data, 7)[:, 0, 0]))
    assert (longer.verdict, longer.order > 3) == ("indefinite", True)


def test_two_lags_whose_realization_is_unstable():
    """1, 1/4, 1/2, and then 1, 2, 4: no process has a covariance above its variance."""
    window = ["1", "1/4", "1/2"]
    assert positivity(window).verdict == "positive"
    found = partial_realization(window)
    assert (found.data.A, found.spectral_radius, found.verdict) == (2, 2, "unstable")
    assert autocovariances(found.data, 4).ravel().tolist() == [1, 0.25, 0.5, 1, 2]


@quarter
@given(seeds, st.integers(2, 6))
def test_maximum_entropy_always_is_positive(seed, N):
    """For windows at random; the minimal realizations of the same windows fail in most draws (counted below)."""
    c = from_reflections(1.0, np.random.default_rng(seed).uniform(-0.9, 0.9, N))
    model = maximum_entropy_extension(c).model
    assert positivity(autocovariances(model, 3 * N)).verdict == "positive"


def test_how_often_the_minimal_one_is_not_positive():
    """Of 200 windows of four lags, order 2: seven in eight, most of them for want of stability."""
    rng = np.random.default_rng(0)
    verdicts = [partial_realization(from_reflections(1.0, rng.uniform(-0.9, 0.9, 4))).verdict for _ in range(200)]
    assert 10 < verdicts.count("positive real") < 50
    assert verdicts.count("unstable") > 50
    assert verdicts.count("not positive real") > 20


@quarter
@given(seeds, st.integers(1, 4), st.integers(1, 2))
def test_the_control_a_long_window_of_a_process(seed, n, p):
    """2n lags of a process of order n: the realization is that process, so it is positive."""
    system = random_stable(n, inputs=n + p, outputs=p, radius=0.8, rng=seed)
    data = covariance_model(StochasticSSM(system.A, system.B, system.C, system.D))
    window = autocovariances(data, 2 * n + 2)
    s = np.linalg.svd(block_hankel(window[1:], n + 1, n + 1))[1]
    assume(s[n - 1] > 1e-4 * s[0])
    found = partial_realization(window)
    assert found.decision.choice == n
    assert found.verdict != "not positive real"
    bound = 1e3 * EPS * (s[0] / s[n - 1]) ** 2 * np.abs(data.Lambda0).max()
    assert np.abs(autocovariances(found.data, 12) - autocovariances(data, 12)).max() <= bound


@quarter
@given(st.lists(st.integers(-2, 2), max_size=7))
def test_no_shorter_recursion_fits(c):
    """Against the solvability of the linear equations for the coefficients, length by length."""
    found, N = shortest_recursion(c), len(c)

    def solutions(n):
        """None, one or many: ranks of c(k) = a_1 c(k-1) + ... + a_n c(k-n), k = n+1 ... N."""
        M = np.array([[c[k - 1 - i] for i in range(n)] for k in range(n, N)]).reshape(max(N - n, 0), n)
        rhs = np.array(c[n:]).reshape(-1, 1)
        solvable = rank(np.hstack([M, rhs])) == rank(M)
        return (1 if rank(M) == n else 2) if solvable else 0

    n = len(found.a)
    assert all(sum(found.a[i] * c[k - 1 - i] for i in range(n)) == c[k] for k in range(n, N))
    assert [solutions(m) for m in range(n)] == [0] * n
    assert found.unique == (solutions(n) == 1)


def test_the_units_of_the_outputs_do_not_matter():
    """10^8 and 10^-8 in place of 1: the same order and the same process, each output to its own digits."""
    system = random_stable(3, inputs=5, outputs=2, radius=0.8, rng=1)
    data = covariance_model(StochasticSSM(system.A, system.B, system.C, system.D))
    window, u = autocovariances(data, 8), np.array([1e8, 1e-8])
    found = partial_realization(window * np.outer(u, u))
    assert (found.decision.choice, found.verdict) == (3, "positive real")
    lags = autocovariances(data, 12)
    off = autocovariances(found.data, 12) / np.outer(u, u) - lags
    s = np.linalg.svd(block_hankel(window[1:], 4, 4))[1]
    assert np.abs(off).max() <= 1e3 * EPS * (s[0] / s[2]) ** 2 * np.abs(data.Lambda0).max()
    control = ho_kalman(window * np.outer(u, u)).system  # the same factorization in the units that came
    small = control.C[1] @ np.linalg.matrix_power(control.A, 11) @ control.B[:, 1] / u[1] ** 2
    assert abs(small - lags[12, 1, 1]) > 1e-3 * data.Lambda0[1, 1]


def test_too_few_lags_are_counted():
    with pytest.raises(StructureError, match=r"lags up to 3 do not determine .* has rank 1"):
        partial_realization([1, 0.1, 0.3, 0.2])
    open_order = partial_realization(["1", "0", "1/2"])  # two states, and a choice among them
    assert (open_order.decision.choice, open_order.decision.decided) == (2, False)
    assert np.array_equal(autocovariances(open_order.data, 2).ravel(), [1, 0, 0.5])
