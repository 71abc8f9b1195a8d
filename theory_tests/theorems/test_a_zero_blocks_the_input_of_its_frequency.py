"""A zero blocks the input of its frequency: u(t) = z^t u0 from the right initial state gives y = 0 for ever."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.systems import evaluate, families, library
from realization.systems.zeros import zeros

seeds = st.integers(0, 2**32 - 1)


def blocked(system, z):
    """Unit vector (x0, u0) in the kernel of [A - z I, B; C, D]: then x(t) = z^t x0 and y(t) = z^t (C x0 + D u0) = 0."""
    n = len(system.A)
    pencil = np.block([[system.A - z * np.eye(n), system.B], [system.C, system.D]])
    kernel = np.linalg.svd(pencil)[2][-1].conj()
    return kernel[:n], kernel[n:]


def driven(system, z, x0, u0, steps=12):
    """Largest output under u(t) = z^t u0, relative to z^t and to the matrices that made it."""
    powers = z ** np.arange(steps)
    y = system.simulate(powers[:, None] * u0, x0).y
    size = 1 + max(np.linalg.norm(M) for M in (system.A, system.B, system.C, system.D))
    return np.abs(y / powers[:, None]).max() / size


@given(seeds, st.integers(1, 5), st.integers(1, 3))
def test_nothing_comes_out(seed, n, m):
    system = families.random_stable(n, m, m, condition=2.0, rng=seed)
    for z in zeros(system):
        # an error made at step s is carried on by A^(t-s) and divided by z^t: only zeros of modulus near 1 and more
        if 0.5 < abs(z) < 20:
            assert driven(system, z, *blocked(system, z)) < 1e-9


@given(seeds, st.integers(1, 5))
def test_other_frequencies_pass(seed, n):
    """The control: beside a zero the same input comes out, as large as H(z) says."""
    system = families.random_stable(n, 1, 1, condition=2.0, rng=seed)
    z = 1.5 * np.exp(0.7j)
    if np.abs(zeros(system) - z).min() > 0.1:
        x0 = np.linalg.solve(z * np.eye(n) - system.A, system.B[:, 0])
        y = system.simulate(z ** np.arange(12)[:, None], x0).y[:, 0]
        np.testing.assert_allclose(y / z ** np.arange(12), evaluate(system, z)[0, 0], rtol=1e-9, atol=1e-12)


def test_a_window_of_equal_weights_blocks_its_own_period():
    """The mean of 4 samples has zeros at i, -1, -i: a sinusoid of period 4 or 2 is averaged away, another is not."""
    mean = library.moving_average([0.25] * 4)
    np.testing.assert_allclose(np.sort(np.angle(zeros(mean)) / np.pi), [-0.5, 0.5, 1.0], atol=1e-12)
    t = np.arange(24)[:, None]
    assert np.abs(mean.simulate(np.cos(np.pi * t / 2)).y[3:]).max() < 1e-15
    assert np.abs(mean.simulate(np.cos(np.pi * t / 3)).y[3:]).max() > 0.2
