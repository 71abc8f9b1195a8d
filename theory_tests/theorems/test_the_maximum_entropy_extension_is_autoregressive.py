"""Of all processes with the covariances Lambda(0) ... Lambda(N), the autoregression of order N has the largest entropy.

Its reflections of order above N are 0, and its predictor is a window: A - K C is nilpotent.  The entropy rate is
log det(2 pi e R) / 2, with R the covariance of the innovations, and log det R the mean of log det Phi (Szego), so that
every further reflection costs log det(I - Gamma Gamma') / 2 (Burg 1975; several outputs: Choi and Cover 1984).
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.linalg.decision import EPS
from realization.linalg.dense import spectral_radius
from realization.stochastic import (
    autocovariances,
    block_toeplitz,
    extend,
    levinson,
    maximum_entropy_extension,
    next_covariance,
    rational_extension,
    spectral_density,
)
from realization.testing import covariance_windows

seeds = st.integers(0, 2**32 - 1)
quarter = settings(max_examples=max(10, settings().max_examples // 4))


def rounding(Lambda, *, more=0):
    T = block_toeplitz(Lambda)
    return 100 * (len(T) + more) * EPS * np.linalg.cond(T) * np.abs(Lambda[0]).max()


@quarter
@given(covariance_windows())
def test_it_has_the_window_and_reflects_no_more(Lambda):
    """Its covariances are those of `extend` with reflections 0, on every lag; without a state covariance computed."""
    found, more, (N, p) = maximum_entropy_extension(Lambda), 4, (len(Lambda) - 1, Lambda.shape[1])
    assert spectral_radius(found.model.A) < 1
    assert not np.linalg.matrix_power(found.model.predictor, max(N, 1)).any()
    got = autocovariances(found.model, N + more)
    # the state covariance is known to the condition of its Lyapunov equation, at most that of T squared
    bound = rounding(Lambda, more=more) * np.linalg.cond(block_toeplitz(Lambda))
    assert np.abs(got[: N + 1] - Lambda).max() <= bound
    assert np.abs(got - extend(Lambda, np.zeros((more, p, p)))).max() <= bound


@quarter
@given(covariance_windows(max_lags=4, max_outputs=2), seeds, st.integers(1, 4))
def test_every_other_extension_is_less_random(Lambda, seed, more):
    rng, p = np.random.default_rng(seed), Lambda.shape[1]
    Gamma = rng.uniform(-0.9, 0.9, (more, p, p)) / p
    rate = maximum_entropy_extension(Lambda).entropy_rate
    other = maximum_entropy_extension(extend(Lambda, Gamma))
    cost = np.linalg.slogdet(np.eye(p) - Gamma @ Gamma.swapaxes(1, 2))[1].sum() / 2
    assert cost < 0
    assert abs(other.entropy_rate - rate - cost) <= 1e3 * rounding(Lambda) / np.linalg.eigvalsh(Lambda[0])[0]


@quarter
@given(covariance_windows(max_lags=4, max_outputs=2))
def test_the_entropy_is_the_mean_of_the_logarithm_of_the_density(Lambda):
    """Szego: the trapezoidal rule, which converges as r^T for poles of modulus r, on T points."""
    found = maximum_entropy_extension(Lambda)
    r, T = spectral_radius(found.model.A), 4096
    if r < 0.98:
        Phi = spectral_density(found.model, 2 * np.pi * np.arange(T) / T)
        mean = np.linalg.slogdet(Phi)[1].mean()
        scale = 1 + np.linalg.norm(found.model.A, 2) ** 2
        # Phi is known to the condition of the resolvent, at most 1 / (1 - r)^2 of a companion matrix times its size
        assert abs(mean - np.linalg.slogdet(found.model.R)[1]) <= 1e4 * EPS * scale / (1 - r) ** 2 + 100 * r**T


@quarter
@given(covariance_windows(max_lags=4, max_outputs=2), seeds)
def test_the_next_covariance_fills_a_ball(Lambda, seed):
    """Points on the sphere inside and outside: Delta inv(Sbar) Delta' < S, and T decides."""
    rng, p, ball = np.random.default_rng(seed), Lambda.shape[1], next_covariance(Lambda)
    Q = np.linalg.qr(rng.standard_normal((p, p)))[0]
    step = np.linalg.cholesky(ball.left) @ Q @ np.linalg.cholesky(ball.right).T
    for size, positive in ((0.99, True), (1.01, False)):
        T = block_toeplitz(np.concatenate([Lambda, (ball.centre + size * step)[None]]))
        assert (np.linalg.eigvalsh(T)[0] > 0) is np.bool_(positive) or np.linalg.cond(block_toeplitz(Lambda)) > 1e10


@quarter
@given(covariance_windows(max_outputs=1))
def test_all_zeros_at_the_origin_is_the_same_process(Lambda):
    c = Lambda[:, 0, 0]
    found, other = rational_extension(c), maximum_entropy_extension(c)
    assert np.abs(found.a + np.append(-1, levinson(c).predictor)).max() <= rounding(Lambda)
    assert abs(found.R - other.model.R[0, 0]) <= rounding(Lambda)


def test_continuing_with_zeros_is_another_process():
    """The control: beyond the window 0 is not what is hardest to predict, and for 2, 1.9 no process at all."""
    assert maximum_entropy_extension([2, 1.2, 0]).entropy_rate < maximum_entropy_extension([2, 1.2]).entropy_rate - 0.1
    assert next_covariance([2, 1.9]).centre - next_covariance([2, 1.9]).left > 0
