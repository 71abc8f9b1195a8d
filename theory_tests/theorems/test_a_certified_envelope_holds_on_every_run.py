"""What a certificate of decay promises holds on every run: |C A^t B| <= c rate^t, for every input of the set.

Two runs with one input differ by no more than c rate^t times what they differed by at the start.  The inputs that
try hardest are words of corners; the certificate comes from a matrix inequality and never sees a run.
"""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.layers import OPS
from realization.memory import Box, decay_envelope, guarantee, profile, remains
from realization.systems import LinearSSM
from realization.testing import bilinear_systems, seeds, stable_systems

EPS = np.finfo(float).eps
# each example proves several certificates: a quarter of the profile's examples
quarter = settings(max_examples=max(10, settings().max_examples // 4))


@quarter
@given(stable_systems(), st.integers(0, 60))
def test_the_impulse_response_stays_below(drawn, t):
    """In the 2-norm, for the response and for the state alone."""
    A, B, C = drawn.system.A, drawn.system.B, drawn.system.C
    for decay, size in (
        (decay_envelope(A, B, C), remains(A, B, C, steps=t + 1)),
        (decay_envelope(A), remains(A, steps=t + 1)),
    ):
        # the sizes are themselves rounded: t products of n terms, each below |A|^t before it decays
        slack = 4 * EPS * (t + 1) * (len(A) + 1) * drawn.condition**2 * (1 + np.linalg.norm(B) * np.linalg.norm(C))
        assert (size <= decay(np.arange(t + 1)) + slack).all()


@quarter
@given(stable_systems(min_states=1), seeds)
def test_initial_states_are_forgotten_at_that_rate(drawn, seed):
    """Two runs with one input: the difference is bounded from its first step on, and gone at the window."""
    system, rng = drawn.system, np.random.default_rng(seed)
    decay, T = decay_envelope(system.A), 100
    u, (one, other) = rng.standard_normal((T, system.B.shape[1])), rng.standard_normal((2, len(system.A)))
    runs = [system.simulate(u, x0).x for x0 in (one, other)]
    differ = np.linalg.norm(runs[0] - runs[1], axis=1)
    # states of about c |B| |u| / (1 - rate) are rounded in every step
    size = 1 + max(np.abs(x).max() for x in runs)
    slack = 20 * EPS * len(system.A) * np.linalg.norm(system.A, 2) * decay.c * size / (1 - decay.rate)
    assert (differ <= decay(np.arange(T + 1)) * differ[0] + slack).all()


@quarter
@given(stable_systems(min_states=1))
def test_it_is_not_far_above(drawn):
    """The control from above: the rate is near the spectral radius, and c is no more than the basis explains."""
    decay, (radius,) = decay_envelope(drawn.system.A), drawn.structure
    assert radius <= decay.rate * (1 + 1e-9)
    assert decay.rate <= radius**0.6
    assert decay.c <= 20 * drawn.condition**2


@quarter
@given(bilinear_systems(), seeds)
def test_every_word_of_corners_is_bounded(drawn, seed):
    """For |u_i| <= 0.3: products of the vertices A +- 0.3 N_i, in the worst order that a greedy adversary finds."""
    system, rng = drawn.system, np.random.default_rng(seed)
    found = profile(system, Box(-0.3, 0.3)).guarantee
    if found.decay is None:
        assert found.kind in ("none", "undecided")
        return
    corners = 0.3 * np.array(np.meshgrid(*[[-1, 1]] * len(system.N))).reshape(len(system.N), -1).T
    vertices = system.A + np.tensordot(corners, system.N, axes=1)
    x = rng.standard_normal(len(system.A))
    start = np.linalg.norm(x)
    for t in range(60):
        assert np.linalg.norm(x) <= found.decay(t) * start * (1 + 1e-9)
        images = vertices @ x
        x = images[np.linalg.norm(images, axis=1).argmax()]


RATE = 0.9
GATED = {
    "selective_scan": {"A": -np.ones((2, 2))},
    "selective_scan, complex": {"A": -np.ones((2, 2)) + 3j},
    "ssd": {"A": -np.ones(2), "p": 2, "n": 2},
}


@functools.cache
def layer(name):
    """Realization and guarantee, built before any data."""
    parts = OPS[name.split(",")[0]].as_realization(**GATED[name])
    inputs = polygon(parts.system, RATE) if "complex" in name else Box(0, RATE)
    return parts, profile(parts, inputs).guarantee


def data(op, T, rng, least_step):
    """Inputs of a layer whose steps are at least so large."""
    step = least_step + rng.exponential(0.5, (T, 2))
    if op == "ssd":
        return {"x": rng.standard_normal((T, 2, 2)), "dt": step, "B": rng.standard_normal((T, 1, 2))}
    return {"u": rng.standard_normal((T, 2)), "delta": step, "B": rng.standard_normal((T, 2))}


@pytest.mark.parametrize("name", GATED)
@given(seed=seeds)
def test_every_fading_layer_forgets_at_the_rate_of_its_least_step(name, seed):
    """Steps of at least -log(0.9) with A = -1 keep every gate in the disk of radius 0.9: through the realization."""
    op, rng, T = name.split(",")[0], np.random.default_rng(seed), 40
    parts, found = layer(name)
    u = parts.schedule(**data(op, T, rng, -np.log(RATE)))
    # a polygon of 16 corners around the disk: its corners are 2 % outside
    assert found.kind == "per step"
    assert found.number <= RATE * (1 / np.cos(np.pi / 16) if "complex" in name else 1) * (1 + 1e-9)
    starts = rng.standard_normal((2, parts.system.A.shape[0]))
    runs = [parts.system.simulate(u, x0).x for x0 in starts]
    differ = np.linalg.norm(runs[0] - runs[1], axis=1)
    slack = 20 * EPS * (1 + max(np.abs(x).max() for x in runs)) / (1 - RATE)
    assert (differ <= found.decay(np.arange(T + 1)) * differ[0] + slack).all()


def polygon(system, radius, corners=16):
    """Corners of a polygon around the disk of complex gates, the same for all of them."""
    m, n = system.N.shape[:2]
    angle = 2 * np.pi * np.arange(corners) / corners
    gate = radius / np.cos(np.pi / corners) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    u = np.zeros((corners, m))
    u[:, : n // 2], u[:, n // 2 : n] = gate[:, :1], gate[:, 1:]
    return u


@pytest.mark.parametrize("name", ["causal_conv1d", "sliding_window_attention", "bmojo_f"])
def test_every_window_forgets_at_once(name):
    """The envelope of a window holds too, though it has to: from its length on the difference is 0, bit for bit."""
    parameters = {"weight": np.ones((2, 4))} if name == "causal_conv1d" else {"window": 2, "g": 1, "k": 1, "v": 1}
    system, rng = OPS[name].as_realization(**parameters).system, np.random.default_rng(0)
    found = profile(system)
    decay, index = decay_envelope(system.A), int(found.guarantee.number)
    u, starts = rng.standard_normal((12, system.B.shape[1])), rng.standard_normal((2, len(system.A)))
    runs = [system.simulate(u, x0).x for x0 in starts]
    differ = np.linalg.norm(runs[0] - runs[1], axis=1)
    assert (differ <= decay(np.arange(13)) * differ[0] * (1 + 1e-9)).all()
    assert not differ[index:].any()
    assert differ[index - 1] > 0


def test_a_rate_below_the_spectral_radius_has_no_certificate():
    """The control: what would be false is not proved, and the refusal names the number."""
    A = np.array([[0.9, 5.0], [0.0, 0.8]])
    for rate in (0.5, 0.9, 1.0):
        with pytest.raises(StructureError, match=r"rate .* given, but spectral radius 0\.9"):
            decay_envelope(A, rate=rate)
    assert decay_envelope(A, rate=0.95).rate == 0.95
    with pytest.raises(StructureError, match=r"spectral radius 1, need < 1"):
        decay_envelope(np.eye(3))


def test_a_wider_set_of_inputs_breaks_it():
    """The control for layers: a run with a gate of 0.97 leaves the envelope that gates up to 0.9 have."""
    parts = OPS["selective_scan"].as_realization(A=-np.ones((1, 1)))
    decay = profile(parts, Box(0, 0.9)).guarantee.decay
    ones = np.tile([0.97, 0.0], (60, 1))
    x = parts.system.simulate(ones, np.ones(1)).x[:, 0]
    assert (x > decay(np.arange(61)) * 1.01).any()
    assert guarantee(np.array([[[0.97]]])).decay(60) >= x[60]


def test_a_pole_on_the_circle_never_fades():
    """The control for plain systems: one integrator, and there is no envelope; the profile counts it."""
    found = profile(LinearSSM(np.diag([1.0, 0.5]), np.ones((2, 1)), np.ones((1, 2)), [[0]]))
    assert (found.guarantee.kind, found.integrators, found.window) == ("none", 1, None)
