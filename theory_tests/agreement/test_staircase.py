"""Ranks by the largest gap find structures on which thresholds for eigenvalues, powers and fixed tolerances fail."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.linalg import block_diag, schur

from realization.core.errors import ShapeError
from realization.linalg import refinement
from realization.linalg.staircase import (
    _controllability,
    _nilpotent,
    conjugate_partition,
    controllability_staircase,
    nilpotent_staircase,
    observability_staircase,
    pbh_margin,
)
from realization.linalg.twins import ROUNDING, TWINS

EPS = 2.0**-52
STRUCTURES = [(4,), (8,), (16,), (32,), (5, 3, 3, 1)]
COUPLED = [0.5, 0.2, 0.1, 0.05, 0.02]
seeds = st.integers(0, 2**32 - 1)


def orthogonal(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def jordan(sizes):
    return block_diag(*(np.eye(k, k=1) for k in sizes)) if sizes else np.zeros((0, 0))


def change(n, kappa, rng):
    """T of condition kappa."""
    return orthogonal(n, rng) * np.geomspace(np.sqrt(kappa), 1 / np.sqrt(kappa), n) @ orthogonal(n, rng)


def similar(A, T):
    return np.linalg.solve(T.T, (T @ A).T).T


def hidden_jordan(sizes, kappa, seed):
    rng = np.random.default_rng([seed, len(sizes)])
    n = sum(sizes)
    return similar(jordan(sizes), change(n, kappa, rng))


def coupled(index, M, seed):
    """A nilpotent block beside M, coupled, in orthogonal coordinates."""
    rng = np.random.default_rng(seed)
    A = np.block([[jordan([index]), rng.standard_normal((index, len(M)))], [np.zeros((len(M), index)), M]])
    Q = orthogonal(len(A), rng)
    return Q @ A @ Q.T


def rotation(mu, seed):
    return mu * orthogonal(4, np.random.default_rng([seed, 4]))


def by_eigenvalues(A):
    """Control: how many eigenvalues are below 1e-8."""
    return int((np.abs(np.linalg.eigvals(A)) < 1e-8 * np.linalg.norm(A, 2)).sum())


def by_powers(A):
    """Control: n minus the rank of A^n."""
    return len(A) - np.linalg.matrix_rank(np.linalg.matrix_power(A, len(A)))


def by_fixed_tolerance(A):
    """Control: the staircase with the tolerance of `matrix_rank`."""
    return nilpotent_staircase(A, rtol=len(A) * EPS).blocks


def by_ranks_alone(A):
    """Control: the staircase whose steps pass their errors on."""
    return _nilpotent(A, None, ROUNDING, TWINS)


@pytest.mark.parametrize("kappa", [1, 1e2, 1e4])
@pytest.mark.parametrize("sizes", STRUCTURES, ids=str)
def test_hidden_jordan_blocks_are_found(sizes, kappa):
    """Structure and index in 20 of 20 draws; decided in all, but for one where noise has come near to structure."""
    found = [nilpotent_staircase(hidden_jordan(sizes, kappa, seed)) for seed in range(20)]
    for s in found:
        assert s.jordan == sizes
        assert s.index == sizes[0]
        assert s.nilpotent
    assert sum(s.decided for s in found) >= (19 if kappa == 1e4 else 20)


def test_the_three_other_rules_fail_there():
    """The control: eigenvalues always, powers and a fixed tolerance as soon as the basis is bad."""
    for sizes in STRUCTURES:
        n = sum(sizes)
        bad = [hidden_jordan(sizes, 1e4, seed) for seed in range(20)]
        good = [hidden_jordan(sizes, 1, seed) for seed in range(20)]
        assert not any(by_eigenvalues(A) == n for A in good + bad)
        assert sum(by_powers(A) == n for A in bad) <= 10
    weyr = conjugate_partition((32,))
    assert sum(by_fixed_tolerance(hidden_jordan((32,), 1e4, seed)) == weyr for seed in range(20)) <= 10


@pytest.mark.parametrize("mu", COUPLED)
def test_a_nilpotent_block_beside_small_eigenvalues_is_found(mu):
    """Index 6 beside four eigenvalues of modulus mu: rounding grows by mu^-5, and is measured."""
    for seed in range(50):
        s = nilpotent_staircase(coupled(6, rotation(mu, seed), seed))
        assert s.blocks == (1,) * 6
        assert s.decided
        assert s.residual <= 100 * EPS


def test_a_fixed_tolerance_fails_there():
    """The control: right for large mu, never for small."""
    right = [
        sum(by_fixed_tolerance(coupled(6, rotation(mu, seed), seed)) == (1,) * 6 for seed in range(50))
        for mu in COUPLED
    ]
    assert right[0] >= 40
    assert right[-1] == 0
    assert right == sorted(right, reverse=True)


def nasty(seed):
    """Up to 28 states: Jordan blocks, coupled or not to a block of modulus mu, in a basis of condition up to 1e5."""
    rng = np.random.default_rng(seed)
    sizes = sorted(rng.integers(1, 9, rng.integers(1, 4)).tolist(), reverse=True)
    r, mu, kappa = rng.integers(0, 5), 10 ** rng.uniform(-3, 0), 10 ** rng.uniform(0, 5)
    k = sum(sizes)
    A = block_diag(jordan(sizes), mu * orthogonal(r, rng)) if r else jordan(sizes)
    A[:k, k:] = rng.standard_normal((k, r)) * rng.choice([0, 1])
    return tuple(sizes), similar(A, change(k + r, kappa, rng))


# among 3,000 draws the ones in which noise fakes a cliff
FAKED = (268, 326, 406, 443, 1044, 1222, 1651)


def test_a_structure_that_noise_faked_is_not_decided():
    """Of 307 draws most are decided, none is wrong; a form is never further from A than rounding."""
    right = 0
    for seed in (*range(300), *FAKED):
        sizes, A = nasty(seed)
        s = nilpotent_staircase(A)
        assert not s.decided or s.jordan == sizes
        assert s.residual <= 100 * len(A) * EPS
        assert not s.A2[refinement.nilpotent(s.blocks, len(A))[0]].any()
        right += s.decided
    assert right >= 210


def test_ranks_alone_would_decide_it():
    """The control: every gap was wide, every rank certain, and the form was off by 1e6 roundings."""
    for seed in FAKED:
        sizes, A = nasty(seed)
        s = by_ranks_alone(A)
        assert s.decided
        assert s.jordan != sizes
        assert s.residual > 1e5 * len(A) * EPS
    # the true form is off as well, as long as errors are passed on from step to step
    A = coupled(6, rotation(0.02, 0), 0)
    assert by_ranks_alone(A).blocks == (1,) * 6
    assert by_ranks_alone(A).residual > 1e5 * len(A) * EPS


def test_refined_subspaces_are_those_of_exact_arithmetic():
    """Index 5 beside 1/10: the true Q is known, ker A^k is off by no more than rounding times 10^k."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        A = np.block([[jordan([5]), rng.standard_normal((5, 3))], [np.zeros((3, 5)), 0.1 * orthogonal(3, rng)]])
        Q = orthogonal(8, rng)
        s = nilpotent_staircase(Q @ A @ Q.T)
        for k in range(1, 6):
            apart = np.linalg.norm(Q[:, k:].T @ s.Q[:, :k], 2)
            assert apart <= 1000 * EPS * 10**k


def test_complex_forms_are_refined():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((9, 9)) + 1j * rng.standard_normal((9, 9)))[0]
    A = np.block([[jordan([6]), rng.standard_normal((6, 3)) * 1j], [np.zeros((3, 6)), 0.02j * orthogonal(3, rng)]])
    A = Q @ A @ Q.conj().T
    s = nilpotent_staircase(A)
    assert s.jordan == (6,)
    assert s.decided
    assert s.residual <= 100 * EPS < by_ranks_alone(A).residual


def test_an_ordered_schur_form_needs_the_answer_as_its_threshold():
    """The control: six eigenvalues 0 stand at 1e-3; below that all thresholds miss them, above it some catch mu."""

    def found(threshold, mu):
        forms = (schur(coupled(6, rotation(mu, seed), seed), output="complex", sort=lambda z: abs(z) < threshold)
                 for seed in range(20))  # fmt: skip
        return sum(dimension == 6 for _, _, dimension in forms)

    assert not any(found(1e-4, mu) for mu in COUPLED)
    assert found(0.1, 0.5) == 20
    assert found(0.1, 0.05) == 0


@pytest.mark.parametrize("mu", [1e-8, 1e-9, 1e-10])
def test_whether_a_tiny_eigenvalue_is_zero_stays_open(mu):
    """Beside an index of 4, |mu| <= 1e-8 has two readings, both with a wide gap: undecided."""
    for seed in range(50):
        s = nilpotent_staircase(coupled(4, np.array([[mu]]), seed))
        assert not s.decided
        rivals = [d for d in s.decisions if not d.decided]
        assert rivals[0].rival > rivals[0].choice, "the other reading is that mu counts"


@pytest.mark.parametrize("mu", [1e-6, 1e-8, 1e-10, 1e-12, 1e-14])
def test_a_decided_answer_is_wrong_only_within_the_noise_it_reports(mu):
    """Beside eigenvalues 1/2: what is taken for zero is of the size of the measured error."""
    right = 0
    for seed in range(50):
        A = coupled(6, np.diag([mu, 0.5, 0.5, 0.5]), seed)
        s = nilpotent_staircase(A)
        right += s.decided and s.blocks == (1,) * 6
        assert not s.decided or s.blocks == (1,) * 6 or mu <= 10 * s.noise * np.linalg.norm(A, 2)
        assert s.residual <= 1000 * EPS
    assert right >= 40 if mu >= 1e-6 else right == 0


@st.composite
def integer_nilpotents(draw):
    """Jordan blocks under shears with integer entries: A^index is exactly 0, and so are many singular values."""
    sizes = tuple(sorted(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)), reverse=True))
    n = sum(sizes)
    A = jordan(sizes)
    for i, j, c in draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1), st.sampled_from([-1, 1])),
                                 max_size=n)):  # fmt: skip
        if i != j:
            E = np.eye(n)
            E[i, j] = c
            A = E @ A @ (2 * np.eye(n) - E)
    return sizes, A


@given(integer_nilpotents())
def test_exact_zeros_make_no_gap_of_their_own(case):
    sizes, A = case
    s = nilpotent_staircase(A)
    power = [np.linalg.matrix_power(A, k) for k in range(sizes[0] + 1)]
    assert not power[s.index].any()
    assert power[s.index - 1].any()
    assert s.jordan == sizes
    assert s.decided


@given(seed=seeds, sizes=st.lists(st.integers(1, 5), max_size=3), k=st.integers(0, 4), log_kappa=st.floats(0, 2))
def test_the_form_is_what_it_says(seed, sizes, k, log_kappa):
    """Q orthogonal, A Q = Q A2, zero blocks, the rest invertible; A' has the same structure."""
    rng = np.random.default_rng(seed)
    n = sum(sizes) + k
    M = orthogonal(k, rng) if k else np.zeros((0, 0))
    A = similar(block_diag(jordan(sizes), M), change(n, 10**log_kappa, rng)) if n else np.zeros((0, 0))
    s = nilpotent_staircase(A)
    assert s.decided
    assert s.jordan == tuple(sorted(sizes, reverse=True)) == nilpotent_staircase(A.T).jordan
    assert np.abs(s.Q.T @ s.Q - np.eye(n)).max(initial=0) <= 20 * (n + 1) * EPS
    assert s.residual <= 10 * s.noise
    edges = np.cumsum((0, *s.blocks))
    for a, b in zip(edges, edges[1:], strict=False):
        assert not s.A2[a:, a:b].any()
    if k:
        assert np.linalg.svd(s.A2[edges[-1] :, edges[-1] :], compute_uv=False).min() > 0.1 / 10**log_kappa


def test_complex_matrices_have_a_unitary_staircase():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((5, 5)) + 1j * rng.standard_normal((5, 5)))[0]
    s = nilpotent_staircase(Q @ block_diag(jordan([2, 1]), np.diag([1j, 0.5])) @ Q.conj().T)
    assert s.jordan == (2, 1)
    assert np.abs(s.Q.conj().T @ s.Q - np.eye(5)).max() < 100 * EPS
    assert s.residual < 100 * EPS


def test_the_ends_of_the_range():
    """No states; the zero matrix; an invertible one."""
    assert nilpotent_staircase(np.zeros((0, 0))).index == 0
    assert nilpotent_staircase(np.zeros((3, 3))).blocks == (3,)
    assert nilpotent_staircase(np.eye(3)).blocks == ()
    for bad in (np.zeros((2, 3)), np.array([[np.nan]]), np.array([["a"]])):
        with pytest.raises(ShapeError, match="A has"):
            nilpotent_staircase(bad)


def krylov(A, B):
    return np.hstack([np.linalg.matrix_power(A, k) @ B for k in range(len(A))])


@pytest.mark.parametrize("n, by_krylov", [(20, 18), (30, 21)])
def test_many_real_poles_are_controllable(n, by_krylov):
    """Poles .05 to .95: the rank of [B, A B, ...] is too small (the control), staircase and pencil see all of them."""
    A, B = np.diag(np.linspace(0.05, 0.95, n)), np.ones((n, 1))
    s = controllability_staircase(A, B)
    assert s.rank == n
    assert s.decided
    assert pbh_margin(A, B) > 1e-3
    assert np.linalg.matrix_rank(krylov(A, B)) == by_krylov


@example(seed=5206, n=5, m=1, log_kappa=2.0, split=0.75)  # the last chain ends before a state that is not reached
@given(seed=seeds, n=st.integers(0, 8), m=st.integers(0, 10), log_kappa=st.floats(0, 2), split=st.floats(0, 1))
def test_what_is_controllable_stands_in_front(seed, n, m, log_kappa, split):
    """Rank, zero blocks and similarity; the pencil loses rank exactly where the staircase does; m > n is legal."""
    rng = np.random.default_rng(seed)
    r = round(split * n) if m else 0
    A = np.zeros((n, n))
    A[:r] = rng.standard_normal((r, n))
    A[r:, r:] = rng.standard_normal((n - r, n - r))
    B = np.vstack([rng.standard_normal((r, m)), np.zeros((n - r, m))])
    T = change(n, 10**log_kappa, rng)
    A, B = similar(A, T), T @ B
    s = controllability_staircase(A, B)
    assert s.rank == r
    assert sum(s.indices) == r
    assert s.residual <= 10 * s.noise
    assert not s.B2[r:].any()
    assert not s.A2[r:, :r].any()
    assert np.abs(s.Q.T @ s.Q - np.eye(n)).max(initial=0) <= 20 * (n + 1) * EPS
    dual = observability_staircase(A.T, B.T)
    assert np.array_equal(dual.A2, s.A2.T)
    assert np.array_equal(dual.C2, s.B2.T)
    # an uncontrollable mode is one to the error of the eigenvalues, kappa n eps |A|
    if r < n:
        assert pbh_margin(A, B) <= 1e-6 * np.linalg.norm(A, 2)


def spread(seed):
    """r modes over four decades, reached by one to three inputs, beside up to five that are not, in a bad basis."""
    rng = np.random.default_rng([seed, 11])
    r, q, m = rng.integers(1, 12), rng.integers(0, 6), rng.integers(1, 4)
    A, B = np.zeros((r + q, r + q)), np.zeros((r + q, m))
    A[:r, :r] = np.diag(10 ** rng.uniform(-4, 0, r) * rng.choice([-1, 1], r))
    B[:r] = rng.standard_normal((r, m))
    A[r:, r:], A[:r, r:] = rng.standard_normal((q, q)) / np.sqrt(max(q, 1)), rng.standard_normal((r, q))
    T = change(r + q, 10 ** rng.uniform(0, 5), rng)
    return r, similar(A, T), T @ B


def test_what_no_input_reaches_is_never_said_to_be_reached():
    """Modes so fast that rounding moves them: fewer may count, as for a pair within rounding, but never more."""
    decided = without = 0
    for seed in range(300):
        r, A, B = spread(seed)
        s = controllability_staircase(A, B)
        decided += s.decided
        if s.decided:
            assert s.rank <= r
            assert s.residual <= 100 * len(A) * EPS
        # the control: where no step drops anything, singular values alone do not show that they are noise
        alone = _controllability(A, B, None, ROUNDING, 0)
        without += alone.decided and alone.rank > r
    assert decided >= 200
    assert without >= 5


@pytest.mark.parametrize("lengths", [(1,), (3, 1), (4, 2, 2), (2, 2, 2)], ids=str)
def test_chains_of_integrators_have_their_lengths_as_indices(lengths):
    """B reaches the end of every chain; in other coordinates, of states and inputs, the indices stay."""
    n, m = sum(lengths), len(lengths)
    A, B = jordan(lengths), np.eye(n)[:, np.cumsum(lengths) - 1]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        T = change(n, 1e2, rng)
        s = controllability_staircase(similar(A, T), T @ B @ change(m, 10, rng))
        assert s.indices == lengths
        assert s.decided


def test_a_rank_deficient_input_and_none():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((5, 5)), rng.standard_normal((5, 1))
    assert controllability_staircase(A, b @ [[1.0, -2.0, 3.0]]).blocks == (1,) * 5
    none = controllability_staircase(A, np.zeros((5, 2)))
    assert none.rank == 0
    assert none.decided
    assert none.indices == ()
    assert pbh_margin(A, np.zeros((5, 2))) < 1e-14
    assert controllability_staircase(np.zeros((0, 0)), np.zeros((0, 2))).rank == 0
    assert pbh_margin(np.zeros((0, 0)), np.zeros((0, 2))) == np.inf


@pytest.mark.parametrize("epsilon, rank", [(1e-3, 4), (1e-5, 4), (0.0, 3)])
def test_nearly_uncontrollable_is_told_from_uncontrollable(epsilon, rank):
    """A mode that the input moves by epsilon."""
    rng = np.random.default_rng(0)
    Q = orthogonal(4, rng)
    A, B = Q @ np.diag([0.9, 0.5, -0.3, 0.1]) @ Q.T, Q @ [[1.0], [1.0], [1.0], [epsilon]]
    s = controllability_staircase(A, B)
    assert s.rank == rank
    assert s.decided
    assert 0.1 * epsilon <= pbh_margin(A, B) <= epsilon + 1e-14


@pytest.mark.parametrize("epsilon", [1e-8, 1e-10])
def test_between_the_two_it_is_open(epsilon):
    """The control: between cliff and noise nothing is claimed, until a tolerance says what counts."""
    A, B = np.diag([0.9, 0.5, -0.3, 0.1]), np.array([[1.0], [1.0], [1.0], [epsilon]])
    assert not controllability_staircase(A, B).decided
    assert controllability_staircase(A, B, rtol=1e-6).rank == 3
    assert controllability_staircase(A, B, rtol=1e-12).rank == 4
    # data that are known to 1e-6 only are not controllable to that precision
    rough = controllability_staircase(A, B, error=1e-6)
    assert rough.rank == 3
    assert rough.decided


def fifty(kappa, seed):
    """20 minimal states, 15 uncontrollable, 15 unobservable, each with an eigenvalue -0.2."""
    rng = np.random.default_rng(seed)

    def stable(k):
        M = rng.standard_normal((k, k))
        M *= 0.9 / np.abs(np.linalg.eigvals(M)).max()
        M[-1] = np.eye(k)[-1] * -0.2
        return M

    a, b, c = stable(20), stable(15), stable(15)
    couple = [0.3 * rng.standard_normal(shape) for shape in ((20, 15), (15, 20), (15, 15))]
    A = np.block([[a, couple[0], np.zeros((20, 15))], [np.zeros((15, 20)), b, np.zeros((15, 15))],
                  [couple[1], couple[2], c]])  # fmt: skip
    B = np.vstack([rng.standard_normal((20, 2)), np.zeros((15, 2)), rng.standard_normal((15, 2))])
    C = np.hstack([rng.standard_normal((2, 35)), np.zeros((2, 15))])
    T = change(50, kappa, rng)
    return similar(A, T), T @ B, np.linalg.solve(T.T, C.T).T


@pytest.mark.parametrize("kappa", [1, 1e3])
def test_the_controllable_part_of_fifty_states(kappa):
    for seed in range(5):
        s = controllability_staircase(*fifty(kappa, seed)[:2])
        assert s.rank == 35
        assert s.decided


def test_one_staircase_tells_the_next_how_far_it_is_off():
    """What is seen of what is reached: 20 of 50, decided; the control, which takes it for exact, stays open."""
    open_without = 0
    for seed in range(5):
        A, B, C = fifty(1, seed)
        first = controllability_staircase(A, B)
        k = first.rank
        reached = first.A2[:k, :k], (C @ first.Q)[:, :k]
        second = observability_staircase(*reached, error=first.noise)
        assert second.rank == 20
        assert second.decided
        open_without += not observability_staircase(*reached).decided
    assert open_without


def test_in_a_hopeless_basis_it_stays_open():
    """The control: at condition 1e6 the data themselves cannot tell, and a fixed tolerance finds any rank."""
    for seed in range(3):
        A, B, _ = fifty(1e6, seed)
        assert not controllability_staircase(A, B).decided
        assert len({controllability_staircase(A, B, rtol=10.0**-k).rank for k in range(5, 12)}) > 2
