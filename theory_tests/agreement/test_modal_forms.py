"""Modal form, block-diagonal Schur form, memory split: what each does where eigenvalues come close, and refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization import linalg
from realization.canonical import convert, memory_split
from realization.core.errors import ShapeError, StructureError
from realization.systems import LinearSSM, evaluate, similar
from realization.systems.families import close_poles, conditioned, hidden_jordan, random_stable
from realization.systems.library import oscillator

POINTS = 1.5 * np.exp(1j * np.linspace(0, np.pi, 9))


def lost(system, form):
    """Largest relative error of the transfer function after conversion."""
    H, G = (evaluate(each, POINTS) for each in (system, convert(system, form).system))
    return np.abs(H - G).max() / np.abs(H).max()


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_partial_fractions(seed, n):
    """G(z) = D + sum_i C_i B_i / (z - l_i), with C_i and B_i of one norm."""
    system = random_stable(n, 2, 3, rng=seed)
    found = convert(system, "complex_modal").system
    poles, B, C = np.diag(found.A), found.B, found.C
    G = found.D + np.einsum("pi, im, ki -> kpm", C, B, 1 / (POINTS[:, None] - poles))
    np.testing.assert_allclose(G, evaluate(system, POINTS), atol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(B, axis=1), np.linalg.norm(C, axis=0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_real_and_complex_agree(seed, n):
    """A pair of modes z, conj(z) has the real coordinates sqrt(2) (Re z, Im z)."""
    system = random_stable(n, 1, 1, rng=seed)
    real, complex_ = convert(system, "real_modal"), convert(system, "complex_modal")
    upper = np.diag(complex_.system.A).imag >= 0
    z = np.repeat(complex_.T[upper], np.where(np.diag(complex_.system.A)[upper].imag > 0, 2, 1), axis=0)
    A, i = real.system.A, 0
    while i < n:
        if i + 1 < n and A[i + 1, i] != 0:
            np.testing.assert_allclose(real.T[i : i + 2], np.sqrt(2) * np.array([z[i].real, z[i].imag]))
            i += 2
        else:
            np.testing.assert_allclose(real.T[i], z[i].real)
            i += 1


def test_an_oscillator_is_its_own_real_modal_form():
    """r [[cos w, -sin w], [sin w, cos w]], up to scale."""
    A = convert(oscillator(0.95, 0.4), "real_modal").system.A
    np.testing.assert_allclose(
        A, 0.95 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]), atol=1e-14
    )


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
def test_close_poles_in_a_good_basis(gap):
    """Eigenvectors may be orthogonal at any gap: then every form keeps the transfer function to rounding."""
    for form in ("block_diagonal_schur", "real_modal"):
        assert lost(close_poles(4, gap), form) <= 1e-14


@pytest.mark.parametrize("gap, reached", [(1e-2, True), (1e-4, True), (1e-6, True), (1e-9, False), (1e-13, False)])
def test_close_eigenvectors(gap, reached):
    """[[a, 1], [0, a + gap]]: the modal T has condition about 1/gap, then it is refused; the block stays whole."""
    A = np.array([[0.5, 1, 0.3], [0, 0.5 + gap, 0.2], [0, 0, -0.2]])
    system = similar(LinearSSM(A, [[0], [1], [1]], [[1, 0, 1]], [[0]]), conditioned(3, rng=0))
    assert lost(system, "block_diagonal_schur") <= 1e-11
    if reached:
        found = convert(system, "real_modal")
        assert 0.1 < found.condition * gap < 100
        assert lost(system, "real_modal") <= 1e-14 / gap
    else:
        with pytest.raises(StructureError, match="condition"):
            convert(system, "real_modal")


@pytest.mark.parametrize("form", ["real_modal", "complex_modal"])
def test_a_jordan_block_has_no_modal_form(form):
    """In the basis where it is seen, and hidden, where its eigenvalues differ by 1e-5; its block stays whole."""
    for system in (
        LinearSSM([[0.5, 1], [0, 0.5]], [[0], [1]], [[1, 0]], [[0]]),
        hidden_jordan((3,), (0.2,), eigenvalue=0.5, condition=10, rng=0),
    ):
        with pytest.raises(StructureError, match=r"condition \d.* need <= .*not separated; block_diagonal_schur"):
            convert(system, form)
    blocks = linalg.block_diagonal_schur(system.A).blocks
    assert blocks == (3, 1)


def test_equal_eigenvalues_with_a_basis_of_eigenvectors():
    """0.5 twice, not defective: there is a form, and it says that it is one of many."""
    system = similar(
        LinearSSM(np.diag([0.5, 0.5, 0.2]), np.eye(3), np.eye(3), np.zeros((3, 3))), conditioned(3, 2, rng=0)
    )
    found = convert(system, "real_modal")
    assert "0.5 and 0.5 agree" in found.freedom
    assert "agree" in convert(system, "block_diagonal_schur").freedom
    np.testing.assert_allclose(np.diag(found.system.A), [0.5, 0.5, 0.2])


def test_a_mode_that_nothing_reaches_or_sees_has_no_scale():
    system = LinearSSM(np.diag([0.5, 0.2]), [[1], [0]], [[1, 0]], [[0]])
    assert "scale of mode 1" in convert(system, "real_modal").freedom
    for B, C in (([[1], [1]], [[1, 0]]), ([[1], [0]], [[1, 1]])):
        assert convert(LinearSSM(system.A, B, C, system.D), "real_modal").freedom is None


def test_complex_systems():
    """The complex form takes them, the real one says why it does not."""
    rng = np.random.default_rng(0)
    system = LinearSSM(
        *(rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in ((3, 3), (3, 1), (1, 3), (1, 1)))
    )
    assert lost(system, "complex_modal") <= 1e-13
    with pytest.raises(ShapeError, match="complex entries"):
        convert(system, "real_modal")


def test_the_memory_split_gives_its_number():
    """An eigenvalue mu beside a window of three steps: T has a condition of about mu^-6, allowed up to 4e9."""
    for mu, decoupled in ((0.1, True), (0.05, True), (0.01, False)):
        found = memory_split(
            LinearSSM(np.eye(4, k=1) + mu * np.eye(4, k=0) * [0, 0, 0, 1], np.eye(4, 1, -3), np.eye(1, 4), [[0]])
        )
        assert (found.window, found.decoupled) == (3, decoupled)
        assert found.forbidden == pytest.approx(mu**-6, rel=0.1)
        assert (found.forbidden <= found.bound) == decoupled
