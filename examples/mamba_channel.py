"""A channel of Mamba is a diagonal system: fading memories side by side, whose speed the input chooses.

    python examples/mamba_channel.py
"""

import numpy as np

from realization import SELECTIVE_SCAN, selective_scan
from realization.systems import LinearSSM, TimeVaryingSSM

A = -np.array([1.0, 2.0, 4.0, 8.0])  # rates of the four states of one channel
T = 200


def channel(step, B, C):
    """h(t) = e^(d A) h(t-1) + d B u(t), y(t) = C h(t), with x(t) = h(t-1): a system is read before its update."""
    decay = np.exp(step * A)
    return LinearSSM(A=np.diag(decay), B=step * B[:, None], C=(C * decay)[None], D=[[step * C @ B]])


def selective_channel(steps, B, C):
    """The same with a step size d(t), and B and C, of their own at each time."""
    decay, each = np.exp(steps[:, None] * A), steps[:, None]
    read = np.sum(C * each * B, axis=-1)[:, None, None]
    return TimeVaryingSSM(decay[:, :, None] * np.eye(len(A)), (each * B)[..., None], (C * decay)[:, None], read)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    u, B, C = rng.standard_normal((T, 1)), rng.standard_normal((T, 4)), rng.standard_normal((T, 4))
    steps = rng.uniform(0.01, 0.2, T)

    y = selective_scan(u=u[None], delta=steps[None, :, None], A=A[None], B=B[None], C=C[None]).y[0]
    ours = selective_channel(steps, B, C).simulate(u).y
    print(f"selective scan and diagonal time-varying system differ by {np.abs(y - ours).max():.1e}")
    assert np.allclose(y, ours, rtol=0, atol=1e-13)

    # where the input chooses nothing the system is time-invariant, and its memory a number
    still = {"delta": np.full((1, T, 1), 0.1), "B": np.ones((1, T, 4)), "C": np.ones((1, T, 4))}
    system = channel(0.1, np.ones(4), np.ones(4))
    for a, decay in zip(A, np.diag(system.A), strict=True):
        print(f"rate {a:4}: half of an input remains after {np.log(0.5) / np.log(decay):4.1f} steps")
    y = selective_scan(u=u[None], A=A[None], **still).y[0]
    assert np.allclose(y, system.simulate(u).y, rtol=0, atol=1e-13)

    # the library builds the same from the parameters alone, before any data: diagonal matrices that commute
    N = SELECTIVE_SCAN.as_realization(A=A[None]).system.N
    assert not (N * (1 - np.eye(len(A)))).any()
    assert np.array_equal(N[:, None] @ N[None], np.swapaxes(N[:, None] @ N[None], 0, 1))
