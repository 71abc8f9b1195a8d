"""One behaviour, two realizations: what is the system, and what is only a choice of coordinates.

    python examples/two_realizations.py
"""

import numpy as np

from realization.systems import LinearSSM, markov_parameters, similar


def observability(system, steps):
    """C, C A, C A^2, ... below one another."""
    rows = [system.C]
    for _ in range(steps - 1):
        rows.append(rows[-1] @ system.A)
    return np.vstack(rows)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    c, s = 0.9 * np.cos(0.4), 0.9 * np.sin(0.4)
    one = LinearSSM(A=[[c, -s], [s, c]], B=[[1], [0]], C=[[1, 1]], D=[[0]])
    two = similar(one, [[2.0, 1.0], [-1.0, 3.0]])
    h = [markov_parameters(system, 40) for system in (one, two)]
    print("two matrices A:", one.A.round(3).tolist(), two.A.round(3).tolist())
    print(f"their impulse responses differ by {np.abs(h[0] - h[1]).max():.1e}")

    # both are minimal, hence similar, and what one can observe gives the T between them: O1 = O2 T
    O1, O2 = (observability(system, 2) for system in (one, two))
    T = np.linalg.solve(O2, O1)
    print("T, found from the outside:", T.round(12).tolist())
    assert np.allclose(T, [[2, 1], [-1, 3]], rtol=0, atol=1e-13)
    assert np.allclose(T @ one.A, two.A @ T, rtol=0, atol=1e-13)

    # the states differ all the way, the outputs do not
    u = rng.standard_normal((50, 1))
    (y1, x1), (y2, x2) = one.simulate(u), two.simulate(u)
    assert np.allclose(y1, y2, rtol=0, atol=1e-13)
    assert np.allclose(x1 @ T.T, x2, rtol=0, atol=1e-13)
    assert np.abs(x1 - x2).max() > 1, "the control: the coordinates are different ones"
