"""Every response is that of a window, which ends, plus one whose poles are not 0; both are unique (Fitting).

    h(k) = C1 N^(k-1) B1 + C2 M^(k-1) B2,     N^index = 0,     M invertible

Read backwards in k the second part goes on as well, h2(k - 1) = C2 M^(k-2) B2: this is what makes it unique.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import convert, memory_split
from realization.core.errors import StructureError
from realization.systems import LinearSSM, direct_sum, markov_parameters, similar, subsystem
from realization.systems.families import conditioned, hidden_jordan, jordan
from realization.systems.library import delay_line, diagonal, window_and_fading

LAW = 100 * 9 * 2.0**-53 * 10**2  # 100 n u k^2, n <= 9 and k <= 10; 1e-14 is observed


def parts(system):
    """The two systems, the second without D."""
    found = memory_split(system)
    assert found.decoupled
    n, k = len(system.A), found.window
    window, fading = (subsystem(found.conversion.system, states=s) for s in (range(k), range(k, n)))
    return window, LinearSSM(fading.A, fading.B, fading.C, 0 * fading.D), found


@st.composite
def mixed(draw):
    """Nilpotent Jordan blocks beside separated poles of modulus 0.3 to 0.95, in a basis of condition up to 10."""
    sizes = draw(st.lists(st.integers(1, 3), max_size=2))
    poles = draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    moduli = rng.permutation(np.linspace(0.3, 0.95, poles)) * rng.choice([-1, 1], poles)
    k, n = sum(sizes), sum(sizes) + poles
    A = np.zeros((n, n))
    A[:k, :k], A[k:, k:] = jordan(0, sizes), np.diag(moduli)
    system = LinearSSM(A, rng.standard_normal((n, 2)), rng.standard_normal((2, n)), rng.standard_normal((2, 2)))
    return system, similar(system, conditioned(n, 10 ** draw(st.integers(0, 1)), rng=rng)), k, max(sizes, default=0)


@given(mixed())
def test_the_sum_of_both_is_the_system(case):
    """The window ends after `index` steps, bit for bit; what remains is the system up to rounding."""
    system, hidden, k, index = case
    window, fading, found = parts(hidden)
    assert (found.window, found.index) == (k, index)
    h, h1, h2 = (markov_parameters(each, 25) for each in (hidden, window, fading))
    assert not h1[index + 1 :].any()
    size = np.linalg.norm(system.C) * np.linalg.norm(system.B) + np.linalg.norm(system.D)
    assert np.abs(h1 + h2 - h).max() <= LAW * size
    # it never ends: M is invertible
    assert not len(fading.A) or np.linalg.svd(fading.A, compute_uv=False)[-1] > 1e-6


@given(mixed())
def test_both_parts_are_unique(case):
    """In another basis other coordinates, and the same two responses: those that were put together."""
    system, hidden, k, _ = case
    n = len(system.A)
    window, fading, _ = parts(hidden)
    built = [subsystem(system, states=s) for s in (range(k), range(k, n))]
    for part, given_part in zip((window, fading), built, strict=True):
        h, want = (markov_parameters(each, 20)[1:] for each in (part, given_part))
        assert np.abs(h - want).max(initial=0) <= LAW * (1 + np.abs(want).max(initial=0))


def test_a_window_alone_and_fading_alone():
    """The two ends: a delay is a window with nothing beside it, a diagonal system with poles off 0 has none."""
    assert (memory_split(delay_line(4)).window, memory_split(delay_line(4)).blocks) == (4, ())
    assert (memory_split(diagonal([0.9, 0.5])).window, memory_split(diagonal([0.9, 0.5])).blocks) == (0, (1, 1))
    assert memory_split(delay_line(3, 2)).index == 3


def test_eigenvalues_cannot_see_the_window():
    """The control: in another basis a window of 8 steps has eigenvalues around 1e-2, all of them 'fading'."""
    system = hidden_jordan((8,), (0.5,), condition=10, rng=0)
    assert memory_split(system).index == 8
    small = np.sort(np.abs(np.linalg.eigvals(system.A)))[:8]
    assert small.min() > 1e-4


def test_what_cannot_be_decoupled_is_said():
    """An eigenvalue 1e-3 beside a window of four steps: T would have condition 1e24; the triangle is given instead."""
    A = np.eye(5, k=1)
    A[4, 4] = 1e-3
    system = LinearSSM(A, np.eye(5)[:, 4:], np.eye(5)[:1], [[0]])
    found = memory_split(system)
    assert (found.window, found.index, found.decoupled) == (4, 4, False)
    assert found.forbidden > 1e12 > found.bound
    assert found.conversion.system.A[:4, 4:].any()
    assert found.conversion.condition == pytest.approx(1)
    nearer = window_and_fading(4, (0.5,))
    assert memory_split(nearer).decoupled


def test_what_may_be_zero_is_refused():
    """Is 1e-9 an eigenvalue, or rounding of 0?  The split rests on it, so there is none; the message has the values."""
    system = similar(direct_sum(delay_line(2), diagonal([1e-9, 0.5])), conditioned(4, rng=0))
    with pytest.raises(
        StructureError, match=r"undecided rank of A .*competes.* \(values 1\.0e\+00, 5\.0e-01, 1\.0e-09"
    ):
        convert(system, "memory_split")
