"""Block-diagonal Schur form: eigenvectors where they are well conditioned, blocks where they are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag

from realization.core.errors import ShapeError
from realization.linalg.block_schur import block_diagonal_schur, order_eigenvalues

EPS = 2.0**-52
seeds = st.integers(0, 2**32 - 1)


def orthogonal(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def change(n, kappa, rng):
    return orthogonal(n, rng) * np.geomspace(np.sqrt(kappa), 1 / np.sqrt(kappa), n) @ orthogonal(n, rng)


def similar(A, T):
    return np.linalg.solve(T.T, (T @ A).T).T


def rotation(modulus, angle):
    c, s = np.cos(angle), np.sin(angle)
    return modulus * np.array([[c, s], [-s, c]])


@given(seed=seeds, n=st.integers(0, 12), log_bound=st.floats(0.5, 9))
def test_it_is_a_similarity_within_the_bound(seed, n, log_bound):
    """T A = A2 T, T and its inverse, zeros off the blocks, orthonormal bases, and cond(T) <= bound."""
    A = np.random.default_rng(seed).standard_normal((n, n))
    form = block_diagonal_schur(A, bound=10**log_bound)
    assert sum(form.blocks) == n
    assert form.condition <= 10**log_bound
    if n:
        assert form.condition == pytest.approx(np.linalg.cond(form.T), rel=1e-6)
        assert np.abs(form.T @ form.inverse - np.eye(n)).max() <= 100 * n * EPS * form.condition
        assert np.linalg.norm(form.T @ A - form.A2 @ form.T) <= 100 * n * EPS * form.condition * np.linalg.norm(A)
    edges = np.cumsum((0, *form.blocks))
    for a, b in zip(edges, edges[1:], strict=False):
        assert not form.A2[a:b, :a].any()
        assert not form.A2[a:b, b:].any()
        V = form.inverse[:, a:b]
        assert np.abs(V.T @ V - np.eye(b - a)).max() <= 20 * n * EPS


@given(seed=seeds, real=st.integers(0, 4), pairs=st.integers(0, 3), log_kappa=st.floats(0, 3))
def test_separated_eigenvalues_stand_alone_in_their_order(seed, real, pairs, log_kappa):
    """Blocks of 1 and 2 by falling modulus, whatever the basis: those that were hidden."""
    rng = np.random.default_rng(seed)
    sizes = rng.permutation([1] * real + [2] * pairs)
    moduli = np.linspace(1, 0.1, len(sizes)) if len(sizes) else []
    D = [np.array([[r * rng.choice([-1, 1])]]) if k == 1 else rotation(r, rng.uniform(0.5, 2.5)) for r, k in
         zip(moduli, sizes, strict=True)]  # fmt: skip
    n = int(sum(sizes))
    A = similar(block_diag(*D), change(n, 10**log_kappa, rng)) if n else np.zeros((0, 0))
    form = block_diagonal_schur(A)
    assert list(form.blocks) == list(sizes)
    assert not form.merges
    at = 0
    for k, block in zip(sizes, D, strict=True):
        got = form.A2[at : at + k, at : at + k]
        # eigenvalues are off by n u kappa |A|
        assert np.abs(np.poly(got) - np.poly(block)).max() <= 1e-13 * 10 ** (2 * log_kappa)
        if k == 2:
            assert got[0, 1] >= abs(got[1, 0])
        at += k


@pytest.mark.parametrize("kappa", [1, 1e2])
@pytest.mark.parametrize("k", [3, 5, 8])
def test_a_hidden_jordan_block_stays_together(k, kappa):
    """Beside three eigenvalues that are split off, the block of k is merged, and the reasons are recorded."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        A = block_diag(0.9, np.array([[-0.9]]), 0.5 * np.eye(k) + np.eye(k, k=1), 0.05)
        form = block_diagonal_schur(similar(A, change(k + 3, kappa, rng)))
        assert form.blocks == (1, 1, k, 1)
        assert form.condition <= form.bound
        assert form.residual <= 1e-13
        assert np.linalg.eigvals(form.A2[2:-1, 2:-1]) == pytest.approx(np.full(k, 0.5), abs=0.2)
        assert form.merges
        assert all(merge.condition > form.bound for merge in form.merges)


def test_eigenvectors_would_not_do():
    """The control: the eigenvectors of a hidden Jordan block are no basis in double precision."""
    A = similar(0.5 * np.eye(5) + np.eye(5, k=1), change(5, 10, np.random.default_rng(0)))
    values, V = np.linalg.eig(A)
    assert np.linalg.cond(V) > 1e9
    assert block_diagonal_schur(A, bound=1e9).blocks == (5,)
    assert block_diagonal_schur(A, bound=1e9).condition == pytest.approx(1)


def test_a_smaller_bound_merges_more():
    """Eigenvalues a gap apart under a coupling of 1 cost 2 / gap: split or not as the bound says."""
    for gap in (1e-2, 1e-4, 1e-6):
        A = np.array([[0.5, 1.0], [0.0, 0.5 - gap]])
        free = block_diagonal_schur(A, bound=1e9)
        assert free.blocks == (1, 1)
        assert free.condition == pytest.approx(2 / gap, rel=1e-3)
        tied = block_diagonal_schur(A, bound=1 / gap)
        assert tied.blocks == (2,)
        (merge,) = tied.merges
        assert sorted(z.real for z in merge.first + merge.second) == pytest.approx([0.5 - gap, 0.5])
        assert merge.condition == pytest.approx(2 / gap, rel=1e-3)
        assert merge.projector == pytest.approx(1 / gap, rel=1e-3)


def test_equal_eigenvalues_share_a_block():
    assert block_diagonal_schur(np.eye(3)).blocks == (3,)
    assert block_diagonal_schur(np.zeros((3, 3))).blocks == (3,)
    assert block_diagonal_schur(np.diag([1.0, 2.0, 1.0])).blocks == (1, 2)


@given(seed=seeds, n=st.integers(1, 8))
def test_the_blocks_do_not_depend_on_the_orthogonal_basis(seed, n):
    """Sizes and the polynomials of the blocks are those of U A U'; moduli that are equal are ordered by their angle."""
    rng = np.random.default_rng(seed)
    A = similar(np.diag(rng.permutation(np.linspace(-1, 1, n))), change(n, 10, rng))
    U = orthogonal(n, rng)
    one, other = block_diagonal_schur(A), block_diagonal_schur(U @ A @ U.T)
    assert one.blocks == other.blocks
    assert np.diag(one.A2) == pytest.approx(np.diag(other.A2), abs=1e-11)
    assert one.condition == pytest.approx(other.condition, rel=1e-6)


def test_order_of_eigenvalues():
    """-0.5 and 0.5 with rounding errors come in one order; the control shows that plain sorting does not do it."""
    for error in (-1e-16, 0.0, 1e-16):
        values = np.array([-0.5, 0.5 * (1 + 4 * error), 0.9j])
        assert order_eigenvalues(values) == [2, 1, 0]
        assert order_eigenvalues([-0.5 - 1e-20j, 0.5]) == [1, 0]
    assert order_eigenvalues([]) == []
    assert [np.argsort(-np.abs([-0.5, 0.5 * (1 + 4 * e)]))[0] for e in (-1e-16, 1e-16)] == [0, 1]


def test_complex_matrices_and_the_ends_of_the_range():
    form = block_diagonal_schur(np.array([[0.5j, 1], [0, 0.2]]))
    assert form.blocks == (1, 1)
    assert form.residual < 10 * EPS
    assert block_diagonal_schur(np.zeros((0, 0))).blocks == ()
    with pytest.raises(ShapeError, match=r"A has shape \(2, 3\)"):
        block_diagonal_schur(np.zeros((2, 3)))
