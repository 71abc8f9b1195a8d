"""Window attention over a finite alphabet is a ratio of two outputs of one bilinear system with a nilpotent algebra.

With one-hot tokens u(t) in R^V and E(i, k) = exp(q_i'k_k) the state is the register r_1, ..., r_(L-1) of the tokens
before the current one, and m (V x V), m(i, k) = how often token k lies in the window of the current token i:

    r_1 <- u,   r_(j+1) <- r_j,       m(i, .) <- u_i (r_1 + ... + r_(L-1)) + u_i e_i
    y = sum E(i, k) v_k m(i, k) / sum E(i, k) m(i, k)

A shifts the register, N_i adds it up into row i of m.  A word of L letters vanishes: L - 1 shifts empty the register,
and what was added to m is read once.  Exponentials enter the output map only, so the system itself is exact.
"""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.core.claim import Claim
from realization.layers.attention import SLIDING_WINDOW_ATTENTION, sliding_window_attention
from realization.systems import BilinearSSM


def letters(V, L):
    """A, N_1 ... N_V and B on the state (r_1, ..., r_(L-1), vec m)."""
    register, n = V * (L - 1), V * (L - 1) + V * V
    A, N, B = np.zeros((n, n)), np.zeros((V, n, n)), np.zeros((n, V))
    if L > 1:
        A[:register, :register], B[:V] = np.eye(register, k=-V), np.eye(V)
    for i in range(V):
        row = slice(register + i * V, register + (i + 1) * V)
        N[i, row, :register] = np.tile(np.eye(V), L - 1)
        B[register + i * V + i, i] = 1.0
    return A, N, B


def system(V, L, E, v):
    """Numerators and denominator as outputs, read after the update: C x(t+1)."""
    A, N, B = letters(V, L)
    weights = np.concatenate([E * v.T[:, None, :], E[None]]).reshape(-1, V * V)
    C = np.concatenate([np.zeros((len(weights), V * (L - 1))), weights], axis=1)
    return BilinearSSM(A=A, N=N, B=B, C=C @ A, M=C @ N, D=C @ B)


def draw(V, seed):
    rng = np.random.default_rng(seed)
    q, k, v = rng.standard_normal((V, 3)), rng.standard_normal((V, 3)), rng.standard_normal((V, 2))
    return rng.integers(0, V, 12), q, k, v


@given(V=st.integers(1, 4), L=st.integers(1, 5), seed=st.integers(0, 999))
def test_the_ratio_is_the_attention(V, L, seed):
    """Counts are exact integers; both sides are sums of at most 2 L positive weights, within the float64 bound."""
    tokens, q, k, v = draw(V, seed)
    y = system(V, L, np.exp(q @ k.T), v).simulate(np.eye(V)[tokens]).y
    case = {"query": q[tokens][None, :, None], "key": k[tokens][None, :, None], "value": v[tokens][None, :, None]}
    case |= {"window": L, "scale": 1.0}
    want = sliding_window_attention(**case).y[0, :, 0]
    bound = SLIDING_WINDOW_ATTENTION.bound(case, Claim(io="float64", accumulate="float64"))["y"].error[0, :, 0]
    assert (np.abs(y[:, :-1] / y[:, -1:] - want) <= 2 * bound).all()


@given(V=st.integers(1, 3), L=st.integers(1, 4))
def test_the_algebra_is_nilpotent_of_the_index_of_the_window(V, L):
    """All words of L letters vanish, and with L > 1 one of L - 1 letters does not: integers, so no tolerance."""
    A, N, _ = letters(V, L)
    generators = [A, *N]

    def words(length):
        products = [np.eye(len(A))]
        for _ in range(length):
            products = [a @ b for a, b in itertools.product(products, generators)]
        return np.array(products)

    assert not words(L).any()
    assert words(L - 1).any()


def test_a_sum_that_is_kept_is_not_nilpotent():
    """The control: where m adds up over time (full attention) powers do not vanish."""
    A, _, _ = letters(2, 3)
    kept = A + np.diag([0.0] * 4 + [1.0] * 4)
    assert np.linalg.matrix_power(kept, 50).any()


def test_each_letter_nilpotent_is_not_enough():
    """The control: E12 and E21 are nilpotent, their product is not."""
    one = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert not (one @ one).any()
    assert np.linalg.matrix_power(one @ one.T, 9).any()
