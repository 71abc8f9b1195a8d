"""A stable A and a noise with the covariance of residuals make a process, whatever the data were.

    [Q S; S' R] = (1/N) sum [w; e] [w; e]' >= 0,  rho(A) < 1   =>   Phi = W W*, (A, C, G, Lambda0) positive real

No hypothesis on the data enters: thresholds, heavy tails, unit roots, sinusoids in noise, few samples.
(Van Overschee and De Moor 1996, on the positive real sequence; Van Gestel and others 2001, on stability.)
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.linalg.dense import spectral_radius
from realization.stochastic import autocovariances, spectral_density
from realization.stochastic.identification import covariance_ho_kalman, cva, n4sid, sample_covariances

OMEGA = np.linspace(0, np.pi, 200)


def threshold(e):
    """y(t) = -0.5 y(t-1) + e(t) above 0, 0.9 y(t-1) + e(t) below, less its mean."""
    y = np.zeros_like(e)
    for t in range(1, len(e)):
        y[t] = np.where(y[t - 1] < 0, 0.9, -0.5) * y[t - 1] + e[t]
    return y - y.mean(axis=0)


def recursive(a, e):
    y = np.zeros_like(e)
    for t in range(1, len(e)):
        y[t] = a * y[t - 1] + e[t]
    return y


def tails(e, rng):
    """Innovations without a variance, Student's t of 1.5 degrees."""
    return recursive(0.9, rng.standard_t(1.5, e.shape))


def turning(e):
    return np.sin(0.3 * np.arange(len(e)))[:, None] + 0.01 * e


DATA = {
    "threshold": lambda e, rng: threshold(e),
    "tails": tails,
    "unit root": lambda e, rng: np.cumsum(e, axis=0),
    "two unit roots": lambda e, rng: np.cumsum(np.cumsum(e, axis=0), axis=0),
    "slightly explosive": lambda e, rng: recursive(1.005, e),
    "sinusoid": lambda e, rng: turning(e),
    "trend": lambda e, rng: 0.02 * np.arange(len(e))[:, None] + e,
    "zero on the circle": lambda e, rng: np.diff(e, axis=0),
    "squares": lambda e, rng: e**2 - 1,
}


@pytest.mark.parametrize("kind", DATA)
@settings(max_examples=20)  # of each kind
@given(seed=st.integers(0, 2**32 - 1), T=st.integers(60, 300), p=st.integers(1, 2), n=st.integers(0, 4))
def test_whatever_the_data_are(kind, seed, T, p, n):
    """Stable with a stable predictor, Phi >= 0; only growth beyond that of unit roots is refused, with its number."""
    rng = np.random.default_rng(seed)
    y = DATA[kind](rng.standard_normal((T, p)), rng)
    try:
        found, reason = cva(y, n, past=4, future=4), ""
    except StructureError as error:
        found, reason = None, str(error)
    if found is None:
        assert "spectral radius" in reason
        assert kind in ("slightly explosive", "two unit roots", "tails")
        return
    model = found.innovations
    assert spectral_radius(model.A) < 1
    assert spectral_radius(model.predictor) <= 1
    assert found.positive_real.verdict != "not positive real"
    density = spectral_density(found.covariance, OMEGA)
    least = np.linalg.eigvalsh(density)[:, 0]
    assert (least > -1e-9 * np.linalg.norm(density, 2, axis=(1, 2)).max()).all()


def test_damping_is_reported_and_no_more_than_needed():
    """A random walk whose least squares pole r is above 1 gets the pole 1/r, and keeps its innovations."""
    damped = 0
    for seed in range(20):
        y = np.cumsum(np.random.default_rng(seed).standard_normal((400, 1)), axis=0)
        found = cva(y, 1)
        damped += found.damped
        if found.damped:
            assert found.radius >= 1
            np.testing.assert_allclose(found.innovations.A, [[1 / found.radius]])
            np.testing.assert_allclose(found.innovations.R, [[1.0]], atol=0.25)  # 3 sqrt(2 / 400) and the pole's move
        else:
            assert found.radius == pytest.approx(spectral_radius(found.innovations.A))
    assert 0 < damped < 20


def test_with_inputs_too():
    """An integrator driven by an input, measured in noise: its pole is found above 1 half of the time."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        u = rng.standard_normal((300, 1))
        found = cva(np.cumsum(u, axis=0) + rng.standard_normal((300, 1)), 1, past=8, future=8, u=u)
        assert spectral_radius(found.system.A) < 1
        assert found.positive_real.verdict == "positive real"


def test_covariances_of_the_sample_do_not():
    """The control: without the residuals, from C A^(k-1) G fitted to covariances, nothing is granted."""
    failed = 0
    for seed in range(20):
        y = threshold(np.random.default_rng(seed).standard_normal((100, 1)))
        try:
            failed += covariance_ho_kalman(sample_covariances(y, 8), 4).innovations is None
        except StructureError:  # not even stable
            failed += 1
    assert failed >= 5


def test_the_covariance_of_the_data_is_kept():
    """Lambda0 of the model is that of the sample but for the ends of the record, even where the model is wrong."""
    y = threshold(np.random.default_rng(0).standard_normal((5000, 2)))
    found = n4sid(y, 2)
    sample = sample_covariances(y, 1)
    np.testing.assert_allclose(autocovariances(found.covariance, 1)[0], sample[0], atol=0.02 * np.abs(sample[0]).max())
