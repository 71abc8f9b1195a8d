"""Systems of four kinds: they agree where they coincide, with each other and with SciPy."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import scipy.signal

from realization.core.errors import ShapeError, StructureError
from realization.systems import BilinearSSM, ContinuousSSM, LinearSSM, TimeVaryingSSM

N, M, P, T = 4, 2, 3, 15


def draw(batch=(), seed=0):
    """A stable system, and an input."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((*batch, N, N))
    A /= 1.5 * np.linalg.norm(A, 2, axis=(-2, -1), keepdims=True)
    B, C, D = (rng.standard_normal((*batch, *shape)) for shape in ((N, M), (P, N), (P, M)))
    return LinearSSM(A, B, C, D), rng.standard_normal((*batch, T, M)), rng.standard_normal((*batch, N))


def close(one, other):
    """Equal up to the order of sums: n + m + T products of numbers of order 1 to 10, |A| < 1."""
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=(N + M + T) * 2.0**-53 * 10 * max(1.0, np.abs(b).max(initial=0)))
    return True


def varying(system, steps=T):
    over_time = (np.repeat(X[..., None, :, :], steps, axis=-3) for X in (system.A, system.B, system.C, system.D))
    return TimeVaryingSSM(*over_time)


def test_scipy_agrees():
    """scipy.signal.dlsim is the oracle for outputs and states."""
    system, u, x0 = draw()
    response = system.simulate(u, x0)
    _, y, x = scipy.signal.dlsim((system.A, system.B, system.C, system.D, 1.0), u, x0=x0)
    assert close((response.y, response.x[:-1]), (y, x))
    other = LinearSSM(system.A * 1.001, system.B, system.C, system.D).simulate(u, x0)
    assert np.abs(other.y - y).max() > 1e-5


@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (0,)])
@pytest.mark.parametrize("start", [False, True])
def test_a_constant_system_varies_constantly(batch, start):
    """With repeated matrices a time-varying system gives the same bits, for any batch axes."""
    system, u, x0 = draw(batch)
    x0 = x0 if start else None
    one, other = system.simulate(u, x0), varying(system).simulate(u, x0)
    assert np.array_equal(one.y, other.y)
    assert np.array_equal(one.x, other.x)
    assert one.y.shape == (*batch, T, P)
    assert one.x.shape == (*batch, T + 1, N)


def test_a_bilinear_system_without_products_is_linear():
    """N = M = 0."""
    system, u, x0 = draw()
    zero = {"N": np.zeros((M, N, N)), "M": np.zeros((M, P, N))}
    matrices = {name: getattr(system, name) for name in "ABCD"}
    assert close(BilinearSSM(**matrices, **zero).simulate(u, x0), system.simulate(u, x0))
    for name in zero:
        other = BilinearSSM(**matrices, **zero | {name: zero[name] + 0.01}).simulate(u, x0)
        assert np.abs(other.y - system.simulate(u, x0).y).max() > 1e-3


def test_a_known_input_makes_a_bilinear_system_time_varying():
    """Along u the matrices A + sum u_i N_i and C + sum u_i M_i are those of a time-varying system; batches alike."""
    system, u, _ = draw((), 1)
    rng = np.random.default_rng(2)
    u, x0 = rng.uniform(-1, 1, (2, T, M)), rng.standard_normal((2, N))
    G, F = 0.1 * rng.standard_normal((M, N, N)), rng.standard_normal((M, P, N))
    bilinear = BilinearSSM(A=system.A, N=G, B=system.B, C=system.C, M=F, D=system.D)
    A, C = (X + np.einsum("...i, ijk -> ...jk", u, Y) for X, Y in ((system.A, G), (system.C, F)))
    B, D = (np.broadcast_to(X, (2, T, *X.shape)) for X in (system.B, system.D))
    assert close(bilinear.simulate(u, x0), TimeVaryingSSM(A, B, C, D).simulate(u, x0))
    for i in range(2):
        assert close([x[i] for x in bilinear.simulate(u, x0)], bilinear.simulate(u[i], x0[i]))


def test_superposition():
    """Linear in (x0, u) together; a bilinear system is not."""
    system, u, x0 = draw()
    _, v, z0 = draw(seed=3)
    one, other, both = system.simulate(u, x0), system.simulate(v, z0), system.simulate(u + v, x0 + z0)
    assert close(both, (one.y + other.y, one.x + other.x))
    gate = BilinearSSM(A=[[0.5]], N=[[[1]]], B=[[1]], C=[[1]], M=[[[0]]], D=[[0]])
    assert gate.simulate([[1], [1], [1]]).y[-1] * 2 != gate.simulate([[2], [2], [2]]).y[-1]


def test_without_steps_there_is_the_initial_state():
    """T = 0: no output, one state, with the batch axes of system and input."""
    system, u, x0 = draw((2,))
    for one in (system, varying(system, 0)):
        response = one.simulate(u[:, :0], x0)
        assert response.y.shape == (2, 0, P)
        assert np.array_equal(response.x[:, 0], x0)
    assert system.simulate(np.zeros((0, M))).x.shape == (2, 1, N)


def test_one_input_drives_a_batch_of_systems():
    """Batch axes of system, input and state broadcast; others are refused by name."""
    system, u, _ = draw((3,))
    assert np.array_equal(system.simulate(u[0]).y[0], system.simulate(u).y[0])
    with pytest.raises(ShapeError, match=r"batch axes \(3,\) of the system, \(2,\) of u and \(\) of x0"):
        system.simulate(u[:2])


def test_a_batch_of_bilinear_systems_is_each_of_them():
    """Batch axes of the matrices, with inputs of the same axes or shared."""
    system, u, x0 = draw((3,))
    rng = np.random.default_rng(4)
    G, F = 0.1 * rng.standard_normal((3, M, N, N)), rng.standard_normal((3, M, P, N))
    both = BilinearSSM(A=system.A, N=G, B=system.B, C=system.C, M=F, D=system.D)
    alone = [BilinearSSM(**{k: getattr(both, k)[i] for k in ("A", "N", "B", "C", "M", "D")}) for i in range(3)]
    for inputs, each in ((u, u), (u[0], [u[0]] * 3)):
        answer = both.simulate(inputs, x0)
        for i in range(3):
            assert close((answer.y[i], answer.x[i]), alone[i].simulate(each[i], x0[i]))
    assert np.abs(answer.y[0] - answer.y[1]).max() > 0.01


def test_continuous_time_at_its_samples_is_scipys_lsim():
    """scipy.signal.lsim joins the samples by straight lines, as hold="first"; holding them is its other mode."""
    system, u, x0 = draw()
    continuous = ContinuousSSM(system.A - np.eye(N), system.B, system.C, system.D)
    times = 0.3 * np.arange(T)
    for hold, joined in (("zero", False), ("first", True)):
        matrices = (continuous.A, continuous.B, continuous.C, continuous.D)
        _, y, x = scipy.signal.lsim(matrices, u, times, X0=x0, interp=joined)
        answer = continuous.simulate(u, 0.3, x0, hold=hold)
        # T exponentials within some 10 units of the last place of numbers of order 1 to 10
        np.testing.assert_allclose(answer.y, y, rtol=0, atol=1e-13)
        np.testing.assert_allclose(answer.x[:-1], x, rtol=0, atol=1e-13)
    assert np.abs(continuous.simulate(u, 0.3, x0).y - answer.y).max() > 0.01


def test_continuous_systems_check_what_they_are_given():
    """Sizes, entries, signals and their batch axes, as systems of the other kinds do."""
    good = {"A": np.zeros((2, 2)), "B": np.zeros((2, 1)), "C": np.zeros((3, 2)), "D": np.zeros((3, 1))}
    for name, X in good.items():
        with pytest.raises(ShapeError, match=r"has shape .* is needed"):
            ContinuousSSM(**good | {name: np.concatenate([X, X, X], axis=-1)})
        with pytest.raises(ShapeError, match=f"{name} has [0-9]+ entries that are NaN or infinite"):
            ContinuousSSM(**good | {name: X + np.nan})
    system = ContinuousSSM(**good)
    with pytest.raises(ShapeError, match=r"u has shape \(4, 2\), but \(..., T, 1\) is needed"):
        system.simulate(np.zeros((4, 2)), 0.1)
    with pytest.raises(ShapeError, match=r"x0 has shape \(3,\), but \(..., 2\) is needed"):
        system.simulate(np.zeros((4, 1)), 0.1, np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        system.A[0, 0] = 1.0
    assert system.simulate(np.zeros((5, 4, 1)), 0.1, np.zeros((5, 2))).y.shape == (5, 4, 3)


@pytest.mark.parametrize(
    "A, said",
    [
        ([["a"]], "A has dtype <U1, but an array of numbers is needed"),
        ([[1, 2], [3]], "A has rows of different lengths"),
        ([[10**400]], "A has an entry that is no real number in float64"),
        ([[Fraction(1, 2), 1j]], "A has an entry that is no real number in float64"),
        ([[None]], "A has 1 entries that are NaN"),
    ],
)
def test_matrices_are_made_of_numbers(A, said):
    """Everything else is refused by name, in a system and as a signal; fractions and truth values are numbers."""
    with pytest.raises(ShapeError, match=said):
        LinearSSM(A, [[1]], [[1]], [[0]])
    system = LinearSSM([[Fraction(1, 4)]], [[True]], [[1]], [[0]])
    with pytest.raises(ShapeError, match="u" + said[1:]):
        system.simulate(A)
    assert system.simulate([[Fraction(1)], [False], [0]]).y.tolist() == [[0.0], [1.0], [0.25]]


@pytest.mark.parametrize("kind", [LinearSSM, ContinuousSSM, TimeVaryingSSM, BilinearSSM])
def test_every_system_says_what_it_is(kind):
    """One line that names kind and sizes; words, HTML and LaTeX that are not empty."""
    lead = (T,) if kind is TimeVaryingSSM else ()
    more = {"N": np.zeros((M, N, N)), "M": np.zeros((M, P, N))} if kind is BilinearSSM else {}
    shapes = {"A": (N, N), "B": (N, M), "C": (P, N), "D": (P, M)}
    system = kind(**{name: np.zeros((*lead, *shape)) for name, shape in shapes.items()} | more)
    assert repr(system).startswith(f"{kind.__name__}(")
    assert f"n={N}, m={M}, p={P}" in repr(system)
    assert kind.__name__ in str(system.describe())
    assert kind.__name__ in system._repr_html_()
    assert system._repr_latex_().startswith("$")
    many = kind(**{name: np.zeros((5, 2, *X.shape)) for name, X in vars_of(system).items()})
    assert repr(many) == repr(system)[:-1] + ", batch=(5, 2))"


def vars_of(system):
    """Matrices by name."""
    return {field.name: getattr(system, field.name) for field in dataclasses.fields(system)}


@pytest.mark.parametrize("hold", ["zero", "first"])
def test_an_input_that_is_too_large_for_a_state_is_refused(hold):
    """B u is no double: by name, and without a warning."""
    lag = ContinuousSSM([[-1.0]], [[1e200]], [[1]], [[0]])
    with pytest.raises(StructureError, match="leaves the range of float64"):
        lag.simulate(np.full((3, 1), 1e200), 0.1, hold=hold)
    assert np.isfinite(lag.simulate(np.full((3, 1), 1e100), 0.1, hold=hold).x).all()
