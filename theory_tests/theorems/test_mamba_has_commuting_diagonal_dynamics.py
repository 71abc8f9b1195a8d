"""The dynamics of Mamba commute: one diagonal matrix for each input, or 2x2 rotations where A is complex."""

import numpy as np
import pytest

from realization.layers import OPS
from realization.systems import BilinearSSM


def commute(system):
    """Whether all N_i N_j = N_j N_i, exactly: their entries are 0, 1 and -1."""
    products = system.N[:, None] @ system.N[None]
    return np.array_equal(products, np.swapaxes(products, 0, 1))


def systems():
    A = -np.ones((2, 3))
    return {
        "Mamba-1": OPS["selective_scan"].as_realization(A=A).system,
        "Mamba-1, complex": OPS["selective_scan"].as_realization(A=A + 1j).system,
        "Mamba-2": OPS["ssd"].as_realization(A=A[:, 0], p=2, n=2).system,
    }


@pytest.mark.parametrize("name", systems())
def test_transitions_commute(name):
    """Of the system that is built from the parameters, before any data."""
    assert commute(systems()[name])


@pytest.mark.parametrize("name", ["Mamba-1", "Mamba-2"])
def test_real_dynamics_are_diagonal(name):
    """No state enters another one."""
    N = systems()[name].N
    assert not (N * (1 - np.eye(N.shape[-1]))).any()
    assert N.any()


def test_complex_dynamics_are_scaled_rotations():
    """Any combination a N_re + b N_im is, for each pair of states, [[a, -b], [b, a]], and diagonal over C."""
    system = systems()["Mamba-1, complex"]
    n = system.A.shape[0]
    a, b = np.random.default_rng(0).standard_normal((2, n // 2))
    G = np.tensordot(np.concatenate([a, b, np.zeros(n)]), system.N, axes=1)
    for i in range(n // 2):
        pair = np.ix_([i, i + n // 2], [i, i + n // 2])
        assert np.array_equal(G[pair], [[a[i], -b[i]], [b[i], a[i]]])
        G[pair] = 0
    assert not G.any()


def test_order_of_the_steps_does_not_matter_for_the_decay():
    """Where transitions commute a state forgets alike under permuted decays; a shift in between breaks it."""
    system = systems()["Mamba-1"]
    n = system.A.shape[0]
    rng = np.random.default_rng(1)
    decays = 2.0 ** -rng.integers(0, 3, (5, n))  # powers of two: products are exact in any order
    u = np.concatenate([decays, np.zeros((5, n))], axis=1)
    x0 = rng.standard_normal(n)
    assert np.array_equal(system.simulate(u, x0).x[-1], system.simulate(u[::-1], x0).x[-1])


def test_a_shift_does_not_commute_with_a_decay():
    """The control: one nilpotent matrix among the diagonal ones, and the order matters."""
    shift, decay = np.eye(2, k=1), np.diag([1.0, 2.0])
    zero = np.zeros((2, 2))
    system = BilinearSSM(A=zero, N=[shift, decay], B=zero, C=zero, M=[shift, decay], D=zero)
    assert not commute(system)
    one_then_other = system.simulate([[1, 0], [0, 1]], [1, 1]).x[-1]
    assert not np.array_equal(one_then_other, system.simulate([[0, 1], [1, 0]], [1, 1]).x[-1])
