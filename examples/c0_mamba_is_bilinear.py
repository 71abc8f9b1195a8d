"""Mamba is bilinear: one matrix for each input, all of them diagonal, and the layer is the system they make.

    python examples/c0_mamba_is_bilinear.py
"""

import numpy as np

from realization import SELECTIVE_SCAN, selective_scan

CHANNELS, STATES, T = 3, 4, 60


def draw(seed):
    """A sequence as Mamba meets it: inputs u, steps Delta before softplus, and B, C, z that the input chose."""
    rng = np.random.default_rng(seed)
    shapes = {"u": CHANNELS, "delta": CHANNELS, "B": STATES, "C": STATES, "z": CHANNELS}
    return {name: rng.standard_normal((1, T, width)) for name, width in shapes.items()}


if __name__ == "__main__":
    A = -np.arange(1.0, 1 + CHANNELS * STATES).reshape(CHANNELS, STATES)
    parameters = {"A": A, "D": np.ones(CHANNELS), "delta_bias": np.full(CHANNELS, -2.0), "delta_softplus": True}

    # x(t+1) = sum_i u_i(t) N_i x(t) + B u(t), built from the parameters, before there is any data
    layer = SELECTIVE_SCAN.as_realization(**parameters)
    N = layer.system.N
    print(f"{len(A.ravel())} states, {len(N)} matrices N_i, of which {np.count_nonzero(N.any(axis=(1, 2)))} are not 0")
    print(f"entries beside a diagonal:    {np.count_nonzero(N * (1 - np.eye(A.size)))}")
    pairs = N[:, None] @ N[None]
    print(f"entries of N_i N_j - N_j N_i: {np.count_nonzero(pairs - pairs.swapaxes(0, 1))}")

    data = draw(0)
    inputs = layer.schedule(u=data["u"], delta=data["delta"], B=data["B"])
    y = layer.readout(layer.system.simulate(inputs).y, u=data["u"], C=data["C"], z=data["z"])
    mamba = selective_scan(**data, **parameters).y
    print(f"the system and the layer differ by {np.abs(y - mamba).max():.0e}")

    # linear in the state for given inputs, but not in all: the input chooses the decay as well
    twice = selective_scan(**data | {"u": 2 * data["u"], "delta": 2 * data["delta"]}, **parameters).y
    print(f"twice the input, against twice the output: {np.abs(twice - 2 * mamba).max():.2f}")
    assert not (N * (1 - np.eye(A.size))).any()
    assert np.array_equal(pairs, pairs.swapaxes(0, 1)), "the order of the steps does not matter to what is forgotten"
    assert np.allclose(y, mamba, rtol=0, atol=1e-13)
