"""Responses to impulses, steps and sinusoids: each by two routes, and as SciPy has them."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from realization.core.errors import ShapeError, StructureError
from realization.systems import (
    BilinearSSM,
    ContinuousSSM,
    LinearSSM,
    evaluate,
    frequency_response,
    impulse_response,
    markov_parameters,
    responses,
    step_response,
    word_coefficients,
)

seeds = st.integers(0, 2**32 - 1)
batches = st.sampled_from([(), (2,), (0,)])
dtypes = st.sampled_from([float, complex])


def draw(kind, n, m, p, seed, batch=(), dtype=float):
    """|A| = 1/2 in discrete time; in continuous time A - I, of numerical abscissa at most -1/2."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        imaginary = 1j * rng.standard_normal((*batch, *shape)) if dtype is complex else 0
        return rng.standard_normal((*batch, *shape)) + imaginary

    A = normal(n, n)
    A = A / (2 * np.linalg.norm(A, 2, axis=(-2, -1), keepdims=True)) if A.size else A
    return kind(A - np.eye(n) if kind is ContinuousSSM else A, normal(n, m), normal(p, n), normal(p, m))


def close(one, other, growth=1.0):
    """Equal to 300 units of the last place: n <= 6 products of numbers of order 10, |A| < 1."""
    assert one.shape == other.shape
    scale = max(10.0, np.abs(other).max(initial=0.0))
    assert np.abs(one - other).max(initial=0.0) <= 300 * 2.0**-53 * scale * growth
    return True


@given(st.integers(0, 6), batches, dtypes, seeds)
def test_markov_parameters_are_the_impulse_response(n, batch, dtype, seed):
    """By simulation: one impulse for each input; their running sum is the answer to a step."""
    system, T, m = draw(LinearSSM, n, 2, 3, seed, batch, dtype), 9, 2
    for u, answer in (
        (np.eye(1, T)[0][:, None], impulse_response(system, T)),
        (np.ones((T, 1)), step_response(system, T)),
    ):
        columns = [system.simulate(u * np.eye(m)[j]).y for j in range(m)]
        assert close(answer, np.stack(columns, axis=-1))
    assert np.array_equal(markov_parameters(system, T), impulse_response(system, T))


@given(st.integers(0, 6), batches, dtypes, seeds)
def test_the_transfer_function_is_the_series_of_markov_parameters(n, batch, dtype, seed):
    """H(z) = sum h(k) z^-k on |z| = 2: the rest after 30 terms is below 4^-29."""
    system = draw(LinearSSM, n, 2, 3, seed, batch, dtype)
    z = 2 * np.exp(1j * np.linspace(0, 6, 4)).reshape(2, 2)
    series = np.einsum("...kpm, kzw -> ...zwpm", markov_parameters(system, 31), z ** -np.arange(31)[:, None, None])
    assert close(evaluate(system, z), series)
    assert evaluate(system, 2.0).shape == (*batch, 3, 2)


@pytest.mark.parametrize("kind", [LinearSSM, ContinuousSSM])
@given(st.integers(1, 6), batches, dtypes, seeds)
def test_many_points_through_one_hessenberg_form(kind, n, batch, dtype, seed):
    """The compiled route against a dense solve for each point."""
    system, z = draw(kind, n, 2, 3, seed, batch, dtype), 1.5 * np.exp(1j * np.linspace(0, 6, 7))
    dense = evaluate(system, z)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(responses, "MANY", 0)
        assert close(evaluate(system, z), dense)
    assert np.abs(evaluate(system, z * 1.001) - dense).max(initial=1.0) > 1e-6


def test_large_systems_take_the_compiled_route():
    """The threshold is one of work: n^3 times points."""
    system = draw(LinearSSM, 80, 1, 1, 0)
    omega = np.linspace(0, 3, 64)
    many = frequency_response(system, omega)
    assert close(many[:3], frequency_response(system, omega[:3]), 80)
    assert not np.array_equal(many[:19], frequency_response(system, omega[:19]))


@pytest.mark.parametrize("kind", [LinearSSM, ContinuousSSM])
def test_scipy_agrees_in_frequency(kind):
    """scipy.signal.freqresp and dfreqresp, for one input and one output."""
    system, omega = draw(kind, 4, 1, 1, 0), np.linspace(0.1, 3, 20)
    matrices = (system.A, system.B, system.C, system.D)
    if kind is ContinuousSSM:
        _, want = scipy.signal.freqresp(matrices, omega)
    else:
        _, want = scipy.signal.dfreqresp((*matrices, 1.0), omega)
    # SciPy goes through polynomials, of condition about 2^n here
    np.testing.assert_allclose(frequency_response(system, omega).ravel(), want, rtol=1e-10)
    assert np.abs(frequency_response(system, omega * 1.001).ravel() - want).max() > 1e-5


def test_scaling_of_states_costs_nothing(monkeypatch):
    """States in units 2^-150 ... 2^150 apart: powers of two come out again bit for bit."""
    system = draw(LinearSSM, 4, 1, 1, 0)
    scale = 2.0 ** np.array([-150, -20, 60, 150])
    scaled = LinearSSM(system.A * scale[:, None] / scale, system.B * scale[:, None], system.C / scale, system.D)
    z = np.exp(1j * np.linspace(0, 3, 9))
    for many in (responses.MANY, 0):
        monkeypatch.setattr(responses, "MANY", many)
        assert close(evaluate(scaled, z), evaluate(system, z))


@given(st.integers(0, 6), batches, dtypes, seeds)
def test_responses_in_continuous_time(n, batch, dtype, seed):
    """C exp(A t) B at each t; the response to a step by A int exp(A s) ds = exp(A t) - I."""
    system, t = draw(ContinuousSSM, n, 2, 3, seed, batch, dtype), np.array([0.0, 0.1, 1.0, 7.0])
    E = np.empty((*batch, len(t), n, n), system.A.dtype)
    for i in np.ndindex(*batch) if n else ():
        E[i] = [expm(s * system.A[i]) for s in t]
    A, B, C, D = (X[..., None, :, :] for X in (system.A, system.B, system.C, system.D))
    assert close(impulse_response(system, t), C @ E @ B)
    integral = np.linalg.solve(A, (E - np.eye(n)) @ B)
    assert close(step_response(system, t), D + C @ integral, 10)


def test_responses_meet_at_short_times():
    """The derivatives of C exp(A t) B at 0 are the Markov parameters: Taylor's sum."""
    system, t = draw(ContinuousSSM, 3, 1, 1, 0), 0.25
    h = markov_parameters(system, 25).ravel()
    taylor = sum(h[k + 1] * t**k / float(np.prod(np.arange(1, k + 1))) for k in range(24))
    assert abs(impulse_response(system, [t]).item() - taylor) < 1e-14
    assert step_response(system, [0.0]).item() == h[0]


def test_words_are_what_pulses_find():
    """One state is set by u_i at time 0; gates then choose the letters: the differences of outputs are the words."""
    rng = np.random.default_rng(0)
    n, m, p = 3, 2, 2
    A, N, B, C = (rng.standard_normal(shape) for shape in ((n, n), (m, n, n), (n, m), (p, n)))
    system = BilinearSSM(A=A, N=N, B=B, C=C, M=np.zeros((m, p, n)), D=np.zeros((p, m)))
    found = word_coefficients(system, [(), (0, 0), (1,), (2, 1), (0, 1, 2)])
    want = [C @ B, C @ A @ A @ B, C @ N[0] @ B, C @ N[0] @ N[1] @ B, C @ N[1] @ N[0] @ A @ B]
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-13)
    assert np.abs(found[3] - C @ N[1] @ N[0] @ B).max() > 0.01
    # from x(1) = B e_1 and the input e_2 at time 1: the output at time 2, less what that input writes itself
    u = np.eye(3, 2, k=0)
    y = system.simulate(u).y[2] - C @ B[:, 1]
    np.testing.assert_allclose(y, word_coefficients(system, [(0,), (2,)])[:, :, 0].sum(0), rtol=0, atol=1e-13)
    with pytest.raises(ShapeError, match=r"word \(3,\) has a letter beyond 0 ... 2"):
        word_coefficients(system, [(3,)])
    assert word_coefficients(system, []).shape == (0, p, m)


def test_what_cannot_be_asked_is_refused(monkeypatch):
    """Steps and times, poles, growth beyond the range, NaN."""
    discrete, continuous = draw(LinearSSM, 2, 1, 1, 0), draw(ContinuousSSM, 2, 1, 1, 0)
    for steps in (-1, 1.5, [3]):
        with pytest.raises(ShapeError, match="a whole number >= 0 is needed"):
            markov_parameters(discrete, steps)
        with pytest.raises(ShapeError, match="a whole number >= 0"):
            step_response(discrete, steps)
    for times in (3, [-1.0], [1j], [[1.0]]):
        with pytest.raises(ShapeError, match="a ContinuousSSM needs times"):
            impulse_response(continuous, times)
    assert markov_parameters(discrete, 0).shape == step_response(discrete, 0).shape == (0, 1, 1)
    assert impulse_response(continuous, []).shape == step_response(continuous, []).shape == (0, 1, 1)
    integrator = LinearSSM(np.eye(3), np.ones((3, 1)), np.ones((1, 3)), [[0]])
    for many in (responses.MANY, 0):
        monkeypatch.setattr(responses, "MANY", many)
        with pytest.raises(StructureError, match="a pole; another point"):
            evaluate(integrator, [2.0, 1.0])
    with pytest.raises(StructureError, match="the Markov parameter 32 of 40 leaves the range of float64"):
        markov_parameters(LinearSSM([[1e10]], [[1]], [[1]], [[0]]), 40)
    with pytest.raises(ShapeError, match="omega has 1 entries that are NaN"):
        frequency_response(discrete, [np.nan])


@pytest.mark.parametrize(
    "ask, system, times, fits",
    [
        (step_response, LinearSSM([[1.0]], [[1e308]], [[1]], [[0]]), 9, 2),
        (step_response, ContinuousSSM([[700.0]], [[1]], [[1e200]], [[0]]), [1.0], [0.1]),
        (impulse_response, ContinuousSSM([[700.0]], [[1e200]], [[1]], [[0]]), [1.0], [0.1]),
        (impulse_response, ContinuousSSM([[700.0]], [[1]], [[1]], [[0]]), [2.0], [1.0]),
    ],
)
def test_a_response_that_overflows_is_refused(ask, system, times, fits):
    """No infinity comes back, and no warning; the control stays in range."""
    with pytest.raises(StructureError, match="leaves the range of float64"):
        ask(system, times)
    assert np.isfinite(ask(system, fits)).all()


def test_words_have_letters_and_coefficients_a_size():
    """Letters are numbers of inputs; 0 0 is A A, which may be no double."""
    big = BilinearSSM([[1e200]], [[[1]]], [[1]], [[1]], [[[1]]], [[1]])
    assert word_coefficients(big, [(0,), (1, 1)]).ravel().tolist() == [1e200, 1.0]
    with pytest.raises(StructureError, match="a coefficient leaves the range of float64; shorter words"):
        word_coefficients(big, [(0, 0)])
    for word in ("ab", (0.5,), (-1,), (2,)):
        with pytest.raises(ShapeError, match="has a letter beyond 0"):
            word_coefficients(big, [word])


@pytest.mark.parametrize("ask", [markov_parameters, impulse_response, step_response, evaluate, frequency_response])
def test_systems_of_another_kind_are_refused(ask):
    """A bilinear system has matrices A to D too, and no transfer function."""
    zero, one = np.zeros((1, 1)), np.zeros((1, 1, 1))
    with pytest.raises(ShapeError, match=f"{ask.__name__} of a BilinearSSM: a LinearSSM or a ContinuousSSM is needed"):
        ask(BilinearSSM(A=zero, N=one, B=zero, C=zero, M=one, D=zero), 3)
    with pytest.raises(ShapeError, match="word_coefficients of a LinearSSM: a BilinearSSM is needed"):
        word_coefficients(LinearSSM(zero, zero, zero, zero), [()])
