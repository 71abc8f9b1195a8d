"""A delay is not diagonal: no system of fewer states comes near it, and a diagonal one of enough pays in its read-out.

The Hankel matrix of a delay of w has w singular values 1: at order n < w every error is at least 1 in Hankel norm.
With N >= w poles on a circle an error eps costs a read-out of eps^-((w-1)/N), which rounding multiplies; with positive
poles, as Mamba's, the price is beyond what the formats of models can pay.
"""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.memory import best_readout, hankel_distance, on_circle, positive_poles
from realization.memory.delay import DiagonalDelay
from realization.testing import seeds

W = 8


def hankel_values(h):
    """Singular values of (h(i + j - 1)), h from lag 1 on and 0 after its end."""
    return np.linalg.svd(scipy.linalg.hankel(h), compute_uv=False)


@pytest.mark.parametrize("w", [1, 2, 5, 8])
def test_its_hankel_singular_values_are_w_ones(w):
    """A permutation matrix of w rows: exactly 1, w times, and then 0."""
    h = np.zeros(3 * w)
    h[w - 1] = 1
    s = hankel_values(h)
    assert np.allclose(s[:w], 1, rtol=0, atol=1e-14)
    assert not s[w:].any()


@given(seeds, st.integers(1, 7))
def test_fewer_states_err_by_1_in_hankel_norm(seed, n):
    """Any system of order n < w, diagonal or not: a matrix of rank n is at least sigma_(n+1) = 1 away."""
    rng = np.random.default_rng(seed)
    A, B, C = rng.standard_normal((n, n)), rng.standard_normal(n), rng.standard_normal(n)
    A *= rng.uniform(0.1, 0.99) / np.abs(np.linalg.eigvals(A)).max()
    h, x = [], B
    for _ in range(2 * W):
        h.append(C @ x)
        x = A @ x
    h = np.array(h)
    h[W - 1] -= 1
    assert np.linalg.norm(scipy.linalg.hankel(h[:W], h[W - 1 : -1]), 2) >= 1 - 1e-12
    # and diagonal systems with the read-out that is best in the 2-norm
    poles = np.sort(rng.uniform(0.05, 0.95, n)) + 1e-3 * np.arange(n)
    assert hankel_distance(best_readout(W, poles)) >= 1 - 1e-12


def test_w_states_are_enough():
    """The control for the order: with w of them the error is as small as one likes."""
    errors = [hankel_distance(on_circle(W, W, error=e)) for e in (1e-1, 1e-3, 1e-6)]
    assert errors == pytest.approx([1e-1, 1e-3, 1e-6], rel=0.2)


def test_in_the_2_norm_one_state_is_hardly_better_than_none():
    """The best real pole is sqrt(7/8): error sqrt(1 - (7/8)^7 / 8) = 0.975; the error of 0 is 1."""
    best = min(best_readout(W, [p]).error for p in np.linspace(0.5, 0.999, 500))
    assert best == pytest.approx(np.sqrt(1 - (7 / 8) ** 7 / 8), abs=1e-6)
    assert round(best, 3) == 0.975


@given(seeds, st.integers(1, 6), st.booleans())
def test_the_closed_form_is_the_least_squares_solution(seed, n, turning):
    """Error and read-out by Blaschke products, against a least-squares fit of the first 400 steps."""
    rng = np.random.default_rng(seed)
    poles = np.linspace(0.2, 0.9, n) * (np.exp(2j * np.pi * rng.uniform(size=n)) if turning else 1)
    found = best_readout(W, poles)
    V = poles ** np.arange(400)[:, None]
    target = np.arange(400) == W - 1
    c = np.linalg.lstsq(V, target, rcond=None)[0]
    condition = np.linalg.cond(V)
    assert found.error == pytest.approx(np.linalg.norm(V @ c - target), rel=1e-12 * condition)
    assert np.abs(found.readout - c).max() <= 1e-14 * condition**2 * max(1.0, found.size)


@pytest.mark.parametrize("N, price", [(8, 1e7), (16, 3e3), (32, 56)])
def test_the_price_on_a_circle(N, price):
    """For an error of 1e-8: eps^-((w-1)/N), met by the closed form of the best read-out as well."""
    circle = on_circle(W, N, error=1e-8)
    assert circle.size == pytest.approx(1e-8 ** (-(W - 1) / N), rel=1e-12)
    assert circle.size == pytest.approx(price, rel=0.1)
    best = best_readout(W, circle.poles)
    assert best.error == pytest.approx(1e-8, rel=1e-12)
    assert np.allclose(best.readout, circle.readout, rtol=1e-9, atol=0)
    # the response itself: the delay, then an echo of 1e-8 each N steps
    h = circle.response(3 * N)
    assert h[W - 1] == pytest.approx(1, abs=1e-8)
    assert np.abs(h[np.arange(3 * N) % N != W - 1]).max() < 1e-8


@pytest.mark.parametrize("error", [0.1, 0.5, 0.9])
def test_the_circle_has_the_best_readout(error):
    """At large errors too, where the factor 1 - error^2 counts: against the closed form for any poles."""
    circle = on_circle(W, 12, error=error)
    best = best_readout(W, circle.poles)
    assert np.allclose(best.readout, circle.readout, rtol=1e-12, atol=0)
    assert best.error == pytest.approx(error, rel=1e-12)


def test_what_is_rounded_is_rounded_in_every_step():
    """Poles, read-out and states, step by step: by the bfloat16 of the definition, 8 bits of a fraction."""

    def nearest(x):
        fraction, exponent = np.frexp(x)
        return np.ldexp(np.round(fraction * 256), exponent - 8)

    p, c = np.array([0.7]), np.array([1.3])
    x, want = 1.0, []
    for _ in range(6):
        want.append(float(nearest(1.3) * x))
        x = nearest(nearest(0.7) * x)
    delay = DiagonalDelay(W, p, c, 1.0)
    assert delay.response(6, "bfloat16").tolist() == want
    # the control: with the states kept in double precision it is another response
    assert want[3:] != (nearest(c) * nearest(p) ** np.arange(6))[3:].tolist()


@pytest.mark.parametrize("form, u", [("float64", 2.0**-53), ("float32", 2.0**-24), ("bfloat16", 2.0**-8)])
def test_rounding_takes_the_price(form, u):
    """Computed in a format, the error is eps + u size up to a factor: best where both are equal, near u^(N/(N+w-1))."""
    for N in (8, 16):
        for error in (1e-1, 1e-3, 1e-6):
            circle = on_circle(W, N, error=error)
            assert circle.error_in(form) <= 1.01 * error + 20 * u * circle.size
        best = min(on_circle(W, N, error=e).error_in(form) for e in np.geomspace(1e-14, 0.5, 40))
        balance = u ** (N / (N + W - 1))
        assert 0.01 * balance < best < 10 * balance
    # the control: far below the balance the computed error is not the one that was asked for
    assert on_circle(W, 8, error=1e-14).error_in(form) > 1e-10


def test_positive_poles_cannot_pay_it():
    """Reachable errors of 32 states: 2e-4 in float64, 0.6 in float32, 0.87 in bfloat16; a circle of 8: 1e-8 to 0.02."""
    for form, error in (("float64", 2e-4), ("float32", 0.6), ("bfloat16", 0.87)):
        positive = positive_poles(W, 32, form=form)
        assert positive.error == pytest.approx(error, rel=0.2)
        assert positive.error_in(form, steps=2000) == pytest.approx(positive.error, rel=0.3)
        circle = min(on_circle(W, 8, error=e).error_in(form) for e in np.geomspace(1e-10, 0.5, 40))
        assert circle < positive.error / 20


def test_more_positive_poles_do_not_help_in_bfloat16():
    """From 8 states to 64 the error falls from 0.88 to 0.87: it is the read-out that is short, not the states."""
    errors = [positive_poles(W, N, form="bfloat16").error for N in (8, 16, 32, 64)]
    assert max(errors) < 0.89
    assert min(errors) > 0.85
    # the control: in float64 they do
    assert positive_poles(W, 32).error < positive_poles(W, 8).error / 100


def test_wrong_arguments_are_refused():
    """With what came and what was needed."""
    for call in (
        lambda: best_readout(0, [0.5]),
        lambda: best_readout(4, [0.5, 0.5]),
        lambda: best_readout(4, [0.0]),
        lambda: best_readout(4, [1.0]),
        lambda: on_circle(8, 7, error=0.1),
        lambda: on_circle(8, 8, error=0.0),
        lambda: positive_poles(0, 3),
    ):
        with pytest.raises(ShapeError, match="given"):
            call()
    nothing = DiagonalDelay(3, np.zeros(0), np.zeros(0), 1.0)
    assert (nothing.size, nothing.error_in("float64"), hankel_distance(nothing)) == (0.0, 1.0, 1.0)
    assert best_readout(3, np.zeros(0)).error == 1
