"""A delay line remembers w steps exactly and nothing before them, and no smaller system comes near it.

    python examples/delay_line.py
"""

import numpy as np

from realization.linalg import hankel_singular_values
from realization.systems import LinearSSM, markov_parameters

W = 5


def delay(w):
    """x holds the last w inputs, the oldest first: A moves them on, B takes in the new one, C reads the oldest."""
    E = np.eye(w)
    return LinearSSM(A=np.eye(w, k=1), B=E[:, -1:], C=E[:1], D=[[0]])


def reconstructed(system, x, w):
    """The last w inputs from the state alone: y(t) ... y(t+w-1) do not depend on what comes next."""
    return system.simulate(np.zeros((w, 1)), x).y.ravel()


if __name__ == "__main__":
    system = delay(W)
    u = np.random.default_rng(0).standard_normal((30, 1))
    y, x = system.simulate(u)
    sigma = hankel_singular_values(system.A, system.B, system.C)
    print(f"impulse response:             {markov_parameters(system, W + 4).ravel()}")
    print(f"Hankel singular values:       {sigma}")
    for k in (W - 1, W):
        print(f"entries of A^{k} that are not 0:  {np.count_nonzero(np.linalg.matrix_power(system.A, k))}")

    assert np.array_equal(y[W:], u[:-W]), "the output is the input of w steps ago, bit for bit"
    assert np.array_equal(reconstructed(system, x[-1], W), u[-W:, 0]), "and the state is the last w inputs"
    # a system of fewer states is off by at least sigma_w in the Hankel norm, hence by all of the signal
    assert np.abs(sigma - 1).max() < 1e-15
