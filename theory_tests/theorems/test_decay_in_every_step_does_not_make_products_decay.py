"""Matrices that decay one by one may have products that grow: eigenvalues of single steps prove no fading memory.

RWKV-7's transition diag(w) - k (a o k)' has eigenvalues in [min w - sum a k^2, max w] for every gate, and a pair of
gates whose alternation grows.  Two nilpotent matrices do the same.  Norms of steps, and of products, do prove it:
the delta rule's are contractions.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.memory import Box, guarantee, profile
from realization.systems import BilinearSSM, TimeVaryingSSM
from realization.testing import seeds

# each example looks at a thousand products: a quarter of the profile's examples
quarter = settings(max_examples=max(10, settings().max_examples // 4))
K = np.array([[1 / 2, np.sqrt(3) / 2], [np.sqrt(3) / 2, 1 / 2]])  # two unit keys


def rwkv7(w, a, k):
    """diag(w) - k (a o k)', multiplied from the right."""
    return np.diag(np.broadcast_to(w, k.shape)) - np.outer(k, a * k)


def pair(w, high=1.0, low=0.0):
    """The two gates of the example: each erases the key of its own channel."""
    return np.stack([rwkv7(w, np.array([high, low]), K[0]), rwkv7(w, np.array([low, high]), K[1])])


def radius(A):
    return np.abs(np.linalg.eigvals(A)).max()


@given(seeds, st.integers(2, 5))
def test_every_step_of_rwkv7_has_eigenvalues_within_its_gates(seed, n):
    """Real, between min w - sum a k^2 and max w: similar to a symmetric matrix for a > 0."""
    rng = np.random.default_rng(seed)
    w, a, k = rng.uniform(0.5, 1, n), rng.uniform(0.01, 1, n), rng.standard_normal(n)
    k /= np.linalg.norm(k)
    values = np.linalg.eigvals(rwkv7(w, a, k))
    # the similarity diag(sqrt a) has condition 10 at most
    slack = 100 * n * np.finfo(float).eps * 10
    assert np.abs(values.imag).max() <= slack
    assert w.min() - (a * k**2).sum() - slack <= values.real.min()
    assert values.real.max() <= w.max() + slack


def test_and_products_that_grow():
    """G1 G2 has spectral radius (27/16 + sqrt((27/16)^2 - 9/4)) / 2 = 1.2303, found as a word of two steps."""
    G1, G2 = pair(1.0)
    exact = (27 / 16 + np.sqrt((27 / 16) ** 2 - 9 / 4)) / 2
    assert radius(G1 @ G2) == pytest.approx(exact, rel=1e-14)
    assert round(exact, 4) == 1.2303
    # each has the eigenvalues 1 and 3/4
    assert max(radius(G1), radius(G2)) == pytest.approx(1, rel=1e-14)
    found = guarantee(pair(1.0))
    assert (found.kind, len(found.word)) == ("none", 2)
    assert found.number**2 == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("w, high, low, growth", [(0.95, 0.99, 0.01, 1.0964), (0.95, 0.95, 0.05, 1.094)])
def test_with_gates_inside_their_range_too(w, high, low, growth):
    """Every eigenvalue of every step is below 0.96 in modulus, and the alternation grows."""
    G = pair(w, high, low)
    assert max(radius(A) for A in G) < 0.96
    found = guarantee(G)
    assert (found.kind, len(found.word)) == ("none", 2)
    assert found.number**2 == pytest.approx(radius(G[0] @ G[1]), rel=1e-12)
    assert found.number > 1
    x = np.ones(2)
    for t in range(400):
        x = G[t % 2] @ x
    assert np.linalg.norm(x) > 1e3


def test_two_nilpotent_matrices_whose_product_is_not():
    """E12 and E21 vanish when squared, and E12 E21 is a projection: no memory length holds for both together."""
    E12, E21 = np.eye(2, k=1), np.eye(2, k=-1)
    assert not (E12 @ E12).any()
    assert not (E21 @ E21).any()
    assert np.array_equal(E12 @ E21 @ E12 @ E21, E12 @ E21)
    found = guarantee(np.stack([E12, E21]))
    assert (found.kind, found.number, len(found.word)) == ("none", 1.0, 2)
    # as a bilinear system: finite for either input alone, for both together it holds for ever
    N = np.stack([E12, E21])
    system = BilinearSSM(np.zeros((2, 2)), N, np.zeros((2, 2)), np.eye(2), np.zeros((2, 2, 2)), np.zeros((2, 2)))
    assert profile(system, [[1, 0]]).guarantee.kind == profile(system, [[0, 1]]).guarantee.kind == "finite"
    assert profile(system, np.eye(2)).integrators == 2
    assert profile(system, Box(0, 0.5)).guarantee.kind == "per step"


@quarter
@given(seeds, st.integers(2, 5), st.integers(2, 4))
def test_generators_of_a_nilpotent_algebra_forget_together(seed, n, k):
    """The control: matrices that are strictly triangular in one basis. All products of n of them vanish."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    family = Q @ np.triu(rng.standard_normal((k, n, n)), 1) @ Q.T
    found = guarantee(family)
    assert (found.kind, found.number) == ("finite", n)


@quarter
@given(seeds, st.integers(2, 4), st.integers(1, 3))
def test_gated_delta_rules_contract_in_every_step(seed, n, k):
    """alpha (I - b k k') with 0 <= b |k|^2 <= 2 has norm alpha at most: that settles it, per step, for any order."""
    rng = np.random.default_rng(seed)
    alpha, keys = 0.9, rng.standard_normal((k, n))
    write = rng.uniform(0, 2, k) / (keys**2).sum(axis=1)
    steps = alpha * (np.eye(n) - write[:, None, None] * keys[:, :, None] * keys[:, None, :])
    found = guarantee(steps)
    assert found.kind == "per step"
    assert found.number <= alpha * (1 + 1e-9)
    # the control: without the gate a delta rule keeps what is orthogonal to its keys
    if k < n:
        assert guarantee(steps / alpha).kind == "none"


def test_steps_that_grow_may_have_products_that_decay():
    """The converse: a step of norm 10 and one of 0.05 contract together, in units that make both sqrt(1/2)."""
    big, small = 10 * np.eye(2, k=1), 0.05 * np.eye(2, k=-1)
    found = guarantee(np.stack([big, small]))
    assert found.kind == "contraction"
    assert found.norm >= 10
    assert found.number == pytest.approx(np.sqrt(0.5), rel=1e-9)
    assert found.lower == pytest.approx(np.sqrt(0.5), rel=1e-9)


def test_a_time_varying_system_is_judged_in_any_order():
    """Its transitions count as a set: the alternation is not asked for, it may come."""
    B, C, D = np.zeros((2, 2, 1)), np.zeros((2, 1, 2)), np.zeros((2, 1, 1))
    assert profile(TimeVaryingSSM(pair(0.95), B, C, D)).guarantee.kind == "none"
    assert profile(TimeVaryingSSM(pair(0.7), B, C, D)).guarantee.kind == "per step"
    assert profile(TimeVaryingSSM(pair(0.7)[:0], B[:0], C[:0], D[:0])).guarantee.kind == "finite"
