"""A description against rationals, brute force and other coordinates; shown within 80 columns and without markup."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ConvergenceError, ShapeError
from realization.systems import (
    BilinearSSM,
    ContinuousSSM,
    LinearSSM,
    TimeVaryingSSM,
    families,
    library,
    markov_parameters,
    similar,
)
from realization.systems.bilinear_library import gated_register
from realization.systems.describe import as_html, as_latex, describe_system
from realization.systems.exact import ExactSSM
from realization.systems.named import NAMED, NAMED_CONTINUOUS

seeds = st.integers(0, 2**32 - 1)
ENTRIES = NAMED | NAMED_CONTINUOUS
DESCRIBED = {name: describe_system(entry.make()) for name, entry in ENTRIES.items()}
BILINEAR = BilinearSSM(
    A=np.zeros((2, 2)), N=[np.diag([0.5, 0.25])], B=[[1], [1]], C=[[1, 1]], M=[[[0, 0]]], D=[[0]]
)  # a gate on two diagonal states


@pytest.mark.parametrize("name", ENTRIES)
class TestNamed:
    def test_answers_are_the_traits(self, name):
        """What the library claims by construction is what the numbers say; nothing is claimed that they deny."""
        found, traits = DESCRIBED[name], ENTRIES[name].traits
        assert found.stable.holds is not ("stable" not in traits)
        assert bool(found.stable.holds) == ("stable" in traits)
        assert found.nilpotent.holds == ("nilpotent" in traits)
        assert found.minimal.holds == ("minimal" in traits)

    def test_it_fits_a_terminal(self, name):
        text = repr(DESCRIBED[name])
        assert max(map(len, text.splitlines())) <= 80
        assert text.startswith(repr(ENTRIES[name].make()))

    def test_a_notebook_shows_the_same(self, name):
        """Well-formed, self-contained, and with the words of the text."""
        table = ENTRIES[name].make()._repr_html_()
        cells = [cell.text for cell in ET.fromstring(table).iter("td")]
        assert "http" not in table
        assert "script" not in table
        assert [text for _, text in DESCRIBED[name].rows()] == cells

    def test_latex_is_balanced(self, name):
        text = ENTRIES[name].make()._repr_latex_()
        assert text.count("$$") == 2
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin") == text.count(r"\end")


def test_the_control_of_the_table_of_traits():
    """Three answers of three kinds: a claim of "stable" would be refuted, and one of minimality as well."""
    assert DESCRIBED["unstable"].stable.holds is False
    assert DESCRIBED["integrators"].stable.holds is None
    assert DESCRIBED["redundant"].minimal.holds is False


@given(seeds, st.integers(0, 4), st.integers(1, 2), st.integers(1, 2))
def test_rationals_agree(seed, n, m, p):
    """Small integers: where the description decides, the exact twin decides alike."""
    rng = np.random.default_rng(seed)
    exact = ExactSSM(*(rng.integers(-1, 2, shape) for shape in ((n, n), (n, m), (p, n), (p, m))))
    found = describe_system(exact.rounded())
    assert found.controllable.holds in (None, exact.controllable())
    assert found.observable.holds in (None, exact.observable())
    assert found.minimal.holds in (None, exact.minimal())
    assert found.nilpotent.holds in (None, exact.nilpotency_index() is not None)
    if found.nilpotent.holds:
        h = exact.markov_parameters(n + 1)
        assert found.index == exact.nilpotency_index()
        assert found.window == max((t for t in range(n + 1) if h[t].any()), default=0)


@given(seeds, st.integers(1, 4))
def test_coordinates_do_not_matter(seed, n):
    """An orthogonal change of basis, and one of units by powers of 2: the same answers and poles."""
    system = families.random_stable(n, 1, 2, condition=3.0, rng=seed)
    found = describe_system(system)
    for T in (families.orthogonal(n, rng=seed), np.diag(2.0 ** np.arange(0, 10 * n, 10))):
        other = describe_system(similar(system, T))
        assert (other.stable.holds, other.minimal.holds) == (True, True)
        assert abs(other.window - found.window) <= 1  # where the precision is met to rounding
        np.testing.assert_allclose(np.poly(other.poles), np.poly(found.poles), atol=1e-12)


@given(seeds, st.integers(1, 5), st.floats(1e-8, 0.5))
def test_the_window_is_where_the_tail_falls_below(seed, n, precision):
    """Against the sum over an impulse response long enough for its rest to be nothing."""
    system = families.random_stable(n, 1, 1, radius=0.8, condition=2.0, rng=seed)
    h = markov_parameters(system, 400)[1:, 0, 0]
    tails = np.sqrt(np.append(np.cumsum(h[::-1] ** 2)[::-1], 0))
    window = int(describe_system(system, precision=precision).window)
    slack = 1 + 1e-4  # the precision itself may be met to rounding
    assert tails[window] <= precision * tails[0] * slack
    assert window == 0 or tails[window - 1] > precision * tails[0] / slack


def test_continuous_windows_are_those_of_the_exponential():
    """exp(-a t): all but 1e-3 within log(1000) / a, to a hundredth of 1 / a."""
    for a in (0.01, 1.0, 100.0):
        found = describe_system(ContinuousSSM([[-a]], [[1]], [[1]], [[0]]))
        assert 0 <= found.window * a - np.log(1000) <= 0.0101


def test_hidden_blocks_are_shown():
    """Poles of blocks 3 and 2 are 0, where `eigvals` scatters them by 1e-5."""
    system = families.hidden_jordan((3, 2), (0.5, -0.4), condition=100.0)
    found = describe_system(system)
    assert found.jordan == (3, 2)
    assert (found.poles == 0).sum() == 5
    assert np.sort(np.abs(np.linalg.eigvals(system.A)))[4] > 1e-7  # the control
    assert "Jordan blocks of size 3, 2 at 0" in repr(found)


@pytest.mark.parametrize("size", [8, 16])
def test_a_hidden_delay_is_stable_and_exact(size):
    """A Jordan block of 16 whose computed eigenvalues lie at 0.1: nilpotent, stable, over after 16 steps."""
    T = families.conditioned(size, 10.0, rng=1)
    found = describe_system(similar(library.delay_line(size), T))
    assert found.stable.holds
    assert (found.index, found.memory, found.window) == (size, "exact", size)


class TestUndecided:
    def test_a_pole_on_the_circle(self):
        """1 to rounding: neither stable nor not; a distance of 1e-9 is seen."""
        assert describe_system(library.diagonal([1 - 1e-16, 0.5])).stable.holds is None
        assert describe_system(library.diagonal([1 - 1e-9, 0.5])).stable.holds is True
        assert describe_system(library.diagonal([1 + 1e-9, 0.5])).stable.holds is False

    def test_says_so(self):
        found = describe_system(library.integrators())
        assert found.memory == "undecided"
        assert "undecided: spectral radius 1" in repr(found)


class TestVarying:
    def test_a_register_that_moves(self):
        """A shift in every step, of other strength: every product of 3 steps is 0, and norms prove nothing."""
        A = np.eye(3, k=1) * np.arange(1.0, 9.0)[:, None, None]
        found = describe_system(TimeVaryingSSM(A, np.ones((8, 3, 1)), np.ones((8, 1, 3)), np.zeros((8, 1, 1))))
        assert found.index == 3
        assert found.fading.holds is None
        assert found.product == 0

    def test_two_nilpotent_steps_whose_product_is_not(self):
        """The control: every spectral radius is 0, and the product of two steps is not nilpotent."""
        S = np.array([[0.0, 2.0], [0.0, 0.0]])
        A = np.array([S, S.T] * 4)
        found = describe_system(TimeVaryingSSM(A, np.ones((8, 2, 1)), np.ones((8, 1, 2)), np.zeros((8, 1, 1))))
        assert found.radius == 0
        assert found.index is None
        assert found.product == 2.0**8

    def test_contracting_steps(self):
        found = describe_system(TimeVaryingSSM([[[0.5]]] * 20, [[[1]]] * 20, [[[1]]] * 20, [[[0]]] * 20))
        assert found.fading.holds
        assert "is forgotten" in repr(found)
        assert max(map(len, repr(found).splitlines())) <= 80

    def test_no_step(self):
        empty = TimeVaryingSSM(np.zeros((0, 2, 2)), np.zeros((0, 2, 1)), np.zeros((0, 1, 2)), np.zeros((0, 1, 1)))
        assert describe_system(empty).T == 0


class TestBilinear:
    def test_a_gate_fades_and_commutes(self):
        found = describe_system(BILINEAR)
        assert found.fading.holds
        assert found.mean_square == pytest.approx(0.25)
        assert found.commutator == 0
        assert found.nilpotent.holds is False

    def test_words_of_a_register(self):
        """Hold is no nilpotent step: with it there is no index, without it the index is the length."""
        S, none = np.eye(3, k=1), np.zeros((3, 3))
        rest = {"B": np.eye(3)[:, :2], "C": np.eye(3)[:1], "M": np.zeros((2, 1, 3)), "D": np.zeros((1, 2))}
        assert describe_system(BilinearSSM(A=none, N=[S, 2 * S], **rest)).index == 3
        assert describe_system(BilinearSSM(A=none, N=[S, np.eye(3)], **rest)).index is None

    def test_two_nilpotent_matrices_are_not_enough(self):
        S = np.array([[0.0, 1.0], [0.0, 0.0]])
        found = describe_system(BilinearSSM(A=S, N=[S.T], B=[[0], [1]], C=[[1, 0]], M=[[[0, 0]]], D=[[0]]))
        assert found.nilpotent.holds is False
        assert found.commutator > 0.5
        assert "do not commute" in repr(found)


SYSTEMS = {
    "varying": TimeVaryingSSM([[[0.5]]] * 3, [[[1]]] * 3, [[[1]]] * 3, [[[0]]] * 3),
    "bilinear": BILINEAR,
    "large": families.random_stable(100, 1, 1),
    "batch": LinearSSM(np.zeros((3, 1, 1)), np.zeros((3, 1, 1)), np.zeros((3, 1, 1)), np.zeros((3, 1, 1))),
    "complex": library.diagonal([0.5j, -0.5j, 1e-9]),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_can_be_shown(name):
    """In a notebook, whatever its type, size and batch."""
    system = SYSTEMS[name]
    assert ET.fromstring(as_html(system)).find("caption").text == repr(system)
    text = as_latex(system)
    assert text.count("$$") == 2
    assert text.count("{") == text.count("}")


def test_complex_numbers_and_powers_in_latex():
    assert r"0 + 0.5i" in as_latex(SYSTEMS["complex"])
    assert r"10^{-9}" in as_latex(SYSTEMS["complex"])


def test_methods_delegate():
    """`system.describe()` is `describe_system(system)`."""
    system = library.delay_line(2)
    assert repr(system.describe()) == repr(describe_system(system))


def test_a_batch_is_refused():
    with pytest.raises(ShapeError, match="one system is needed"):
        describe_system(SYSTEMS["batch"])
    with pytest.raises(ShapeError, match="one system is needed"):
        describe_system(TimeVaryingSSM(*(np.zeros((2, 3, 1, 1)) for _ in range(4))))
    zero, one = np.zeros((2, 1, 1)), np.zeros((2, 1, 1, 1))
    with pytest.raises(ShapeError, match="one system is needed"):
        describe_system(BilinearSSM(zero, one, zero, zero, one, zero))


@pytest.mark.parametrize("precision", [-1.0, 0.0, 1.0, np.nan])
def test_a_precision_is_a_share(precision):
    with pytest.raises(ShapeError, match="a share between 0 and 1 is needed"):
        describe_system(library.diagonal([0.5]), precision=precision)
    assert describe_system(library.diagonal([0.5]), precision=0.25).window == 2


def bilinear(A, N=()):
    """No input matrix and no output that matter."""
    n, m = len(A), len(N)
    N = np.reshape(N, (m, n, n))
    return BilinearSSM(A, N, np.zeros((n, m)), np.zeros((1, n)), np.zeros((m, 1, n)), np.zeros((1, m)))


class TestNothingIsCalledZeroForUnderflow:
    def test_bilinear(self):
        """[0 1; e 0]^2 = e I is not 0, though e^2 is no double."""
        for e in (1e-100, 1e-200, 1e-300):
            assert describe_system(bilinear([[0, 1], [e, 0]])).nilpotent.holds is not True
        assert describe_system(bilinear([[0, 1], [1e-3, 0]])).nilpotent.holds is False
        assert describe_system(bilinear([[0, 1e-300], [0, 0]])).index == 2
        assert describe_system(bilinear([[1, 1], [-1, -1]])).index == 2

    def test_varying(self):
        """Two steps of 1e-200 leave 1e-400; a shift, however small, leaves nothing."""
        zeros = np.zeros((3, 2, 1)), np.zeros((3, 1, 2)), np.zeros((3, 1, 1))
        assert describe_system(TimeVaryingSSM([1e-200 * np.eye(2)] * 3, *zeros)).index is None
        assert describe_system(TimeVaryingSSM([np.eye(2, k=1)] * 3, *zeros)).index == 2


def test_products_of_any_length_have_a_norm():
    """Powers of 2 are counted apart: 2^3000 is infinite, (1e200 1e-200)^30 is 1, 0.5^1000 is 2^-1000."""

    def product(*steps):
        T = len(steps)
        A = np.reshape(steps, (T, 1, 1))
        return describe_system(TimeVaryingSSM(A, *(np.zeros((T, 1, 1)) for _ in range(3)))).product

    assert product(*[2.0] * 3000) == np.inf
    assert product(*[1e200, 1e-200] * 30) == pytest.approx(1.0, rel=1e-13)
    assert product(*[0.5] * 1000) == 2.0**-1000
    assert product(1j, 2.0) == 2.0


@pytest.mark.parametrize("slots", [1, 20, 64])
def test_gated_registers_of_any_length(slots):
    """Triangular: the mean-square radius is that of a diagonal entry, |1|^2 + |1|^2; what holds is not nilpotent."""
    found = describe_system(gated_register(slots))
    assert found.mean_square == 2.0
    assert found.nilpotent.holds is False
    register = describe_system(bilinear(np.zeros((slots, slots)), [np.eye(slots, k=1)]))
    assert register.index == slots
    assert register.mean_square == 0.0


def test_an_iteration_that_does_not_settle_leaves_it_open(monkeypatch):
    """Described all the same; where it settles the same system is decided."""
    register, name = gated_register(2), "realization.systems.describe_varying.mean_square_radius"

    def stopped(A, N):
        raise ConvergenceError("stopped after 300 steps")

    assert describe_system(register).fading.holds is False
    monkeypatch.setattr(name, stopped)
    found = describe_system(register)
    assert found.fading.holds is found.mean_square is None
    assert "undecided: stopped after 300 steps" in str(found)
