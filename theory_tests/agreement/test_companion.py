"""The companion system at rounding level where T is out of reach, and where the way through [B, A B, ...] is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import companion_system, controllable_companion, convert, hessenberg
from realization.core.errors import StructureError
from realization.systems import ContinuousSSM, LinearSSM, similar
from realization.systems.families import conditioned, orthogonal

U = 2.0**-53
POINTS = 1j * np.array([0, 0.1, 1, 10])


def poles(count, gap=None):
    """-1, -2, ..., or -1 and the next ones a gap apart."""
    return -np.arange(1.0, count + 1) if gap is None else -1 - gap * np.arange(float(count))


SPECTRA = {f"n = {n}": poles(n) for n in (4, 8, 12, 16, 20, 30)} | {
    f"gap {gap:.0e}": poles(4, gap) for gap in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)
}


def parallel_modes(spectrum, seed):
    """Residues 1 at every pole, in a random orthogonal basis; and its transfer function, a sum of fractions."""
    n = len(spectrum)
    system = ContinuousSSM(np.diag(spectrum), np.ones((n, 1)), np.ones((1, n)), [[0]])
    return similar(system, orthogonal(n, rng=seed)), (1 / (POINTS[:, None] - spectrum)).sum(axis=1)


def transfer(system):
    I = np.eye(len(system.A))
    return np.array([(system.C @ np.linalg.solve(s * I - system.A, system.B) + system.D)[0, 0] for s in POINTS])


def by_krylov(system):
    """The textbook's way: T = inv(M) with M the controllability matrix times that of the companion."""
    n, a = len(system.A), np.poly(system.A)
    powers = [system.B]
    for _ in range(n - 1):
        powers.append(system.A @ powers[-1])
    M = np.hstack(powers) @ np.array([[a[n - 1 - i - j] if i + j < n else 0 for j in range(n)] for i in range(n)])
    return similar(system, np.linalg.solve(M, np.eye(n)))


def errors(system, exact):
    return np.abs(transfer(system) - exact) / np.abs(exact)


def polynomial_condition(system):
    """sum |a_k| |s|^k / |a(s)| for denominator and numerator: what a last-bit change of the coefficients does."""
    a, c = np.append(-system.A[-1], 1), system.C[0]
    kappa = 0.0
    for p in (a, c):
        s = np.abs(POINTS)
        kappa = kappa + np.polyval(np.abs(p[::-1]), s) / np.abs(np.polyval(p[::-1], POINTS))
    return kappa


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_system_is_at_rounding_level(spectrum):
    """Allowed: every coefficient off by 4 n u, seen through the condition of its polynomial."""
    for seed in range(5):
        system, exact = parallel_modes(SPECTRA[spectrum], seed)
        companion = companion_system(system)
        n = len(system.A)
        assert (errors(companion, exact) <= 4 * n * U * polynomial_condition(companion)).all()
        assert errors(companion, exact).max() < 1e-11
        assert isinstance(companion, ContinuousSSM)


@pytest.mark.parametrize("spectrum", ["n = 12", "n = 16", "gap 1e-04", "gap 1e-06"])
def test_the_controllability_matrix_loses_it(spectrum):
    """The control: the same systems through [B, A B, ...]."""
    lost = []
    for seed in range(5):
        system, exact = parallel_modes(SPECTRA[spectrum], seed)
        try:
            lost.append(errors(by_krylov(system), exact).max())
        except (StructureError, np.linalg.LinAlgError):
            lost.append(np.inf)
    assert np.median(lost) > 1e-9


def test_where_t_is_out_of_reach_it_is_refused():
    for spectrum in ("n = 12", "n = 16", "n = 20", "gap 1e-06", "gap 1e-10"):
        with pytest.raises(StructureError, match=r"T has condition \d\.\de\+\d\d, need <= 1e\+12"):
            controllable_companion(parallel_modes(SPECTRA[spectrum], 0)[0])
    assert controllable_companion(parallel_modes(SPECTRA["n = 8"], 0)[0]).condition < 1e10


@given(st.integers(1, 7), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_one_input_makes_luenberger_the_companion(n, p, seed):
    """Two routes to one form: polynomials by products, and rows of an inverse."""
    rng = np.random.default_rng(seed)
    A = conditioned(n, 3, rng=rng)
    system = LinearSSM(A, rng.standard_normal((n, 1)), rng.standard_normal((p, n)), np.zeros((p, 1)))
    one, other = convert(system, "controllable_companion"), convert(system, "controllable_luenberger")
    for X, Y in ((one.system.A, other.system.A), (one.system.C, other.system.C), (one.T, other.T)):
        assert np.linalg.norm(X - Y) <= 100 * n * U * one.condition * np.linalg.norm(X)


def faddeev(A, B, C):
    """Return a and c by ascending powers, exactly: adj(z I - A) = sum_k M_k z^(n-k), M_(k+1) = A M_k + a_(n-k) I."""
    n = len(A)
    A, B, C = (X.astype(object) for X in (A, B, C))
    M, a, c = np.eye(n, dtype=int).astype(object), [], []
    for k in range(1, n + 1):
        c.append((C @ M @ B)[0, 0])
        a.append(-np.trace(A @ M) // k)
        M = A @ M + a[-1] * np.eye(n, dtype=int)
    return np.array(a[::-1], float), np.array(c[::-1], float)


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_integers_give_the_exact_coefficients(n, seed):
    rng = np.random.default_rng(seed)
    A, B, C = rng.integers(-2, 3, (n, n)), rng.integers(-2, 3, (n, 1)), rng.integers(-2, 3, (1, n))
    a, c = faddeev(A, B, C)
    try:
        found = companion_system(LinearSSM(A, B, C, [[0]]))
    except StructureError:
        # integers are controllable or far from it
        assert np.linalg.svd(np.hstack([np.linalg.matrix_power(A, k) @ B for k in range(n)]))[1][-1] < 1e-9
        return
    # |A| to the power of n bounds the terms that make a coefficient
    scale = 100 * n * U * (1 + np.linalg.norm(A)) ** n
    assert np.abs(found.A[-1] + a).max() <= scale
    assert np.abs(found.C[0] - c).max() <= scale * np.linalg.norm(B) * np.linalg.norm(C)


def test_an_uncontrollable_system_is_refused_with_its_margin():
    system = LinearSSM(np.diag([0.5, 0.2, -0.3]), [[1], [0], [1]], [[1, 1, 1]], [[0]])
    for form in (companion_system, controllable_companion):
        with pytest.raises(StructureError, match=r"reaches 2 of 3 directions .* margin \d.*gap \d"):
            form(system)


def test_coefficients_beyond_the_range_are_refused():
    n = 40
    big = 1e10 * (np.eye(n, k=-1) + np.diag(np.linspace(1, 2, n)))
    with pytest.raises(StructureError, match=r"coefficient of a polynomial is above 1.8e\+308 \(n = 40, \|A\| = \d"):
        companion_system(LinearSSM(big, np.eye(n, 1), np.eye(1, n), [[0]]))
    # the control: the same system in another unit of time
    assert np.isfinite(companion_system(LinearSSM(big / 1e10, np.eye(n, 1), np.eye(1, n), [[0]])).A).all()


def test_no_state():
    empty = LinearSSM(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[2]])
    assert companion_system(empty).D == 2
    assert hessenberg(empty).condition == 1
