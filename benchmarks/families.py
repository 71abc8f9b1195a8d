"""Systems whose answer is known: what benchmarks/linear.py asks of us and of others.

Some come from continuous time.  What is asked of them (orders, forms, values of transfer functions) is
algebra, the same for all times, so all are of one type.
"""

import functools

import mpmath
import numpy as np

from realization.systems import LinearSSM, direct_sum, series, similar
from realization.systems.families import conditioned
from realization.systems.library import diagonal


def riccati(rng, n=100, m=10):
    """(A, B, Q, R) with an unstable A of spectral radius 1.05."""
    A = rng.standard_normal((n, n))
    return A * 1.05 / np.abs(np.linalg.eigvals(A)).max(), rng.standard_normal((n, m)), np.eye(n), np.eye(m)


def riccati_residual(A, B, Q, R, X):
    """|A' X A - A' X B inv(R + B' X B) B' X A + Q - X| / |X|."""
    G = np.linalg.solve(R + B.T @ X @ B, B.T @ X @ A)
    return np.linalg.norm(A.T @ X @ A - A.T @ X @ B @ G + Q - X) / np.linalg.norm(X)


DIGITS = 60


def wide(*arrays):
    """The same matrices, exactly, for arithmetic in many digits."""
    return [mpmath.matrix(np.asarray(M).tolist()) for M in arrays]


def transfer_error(matrices, exact, points):
    """Largest relative error of C inv(s I - A) B + D at some points, against exact(s) in many digits."""
    with mpmath.workdps(DIGITS):
        A, B, C, D = wide(*matrices)
        points = [mpmath.mpc(s) for s in points]
        values = [(C * mpmath.lu_solve(s * mpmath.eye(A.rows) - A, B) + D)[0] for s in points]
        return float(max(abs(value / exact(s) - 1) for value, s in zip(values, points, strict=True)))


def residues_one(poles):
    """s -> sum 1 / (s - pole)."""
    return lambda s: mpmath.fsum(1 / (s - float(a)) for a in poles)


def from_roots(zeros, poles, gain):
    """s -> gain prod(s - zero) / prod(s - pole)."""

    def product(roots, s):
        return mpmath.fprod(s - mpmath.mpc(a) for a in roots)

    return lambda s: float(gain) * product(zeros, s) / product(poles, s)


def hankel_family(condition, n=10):
    """Stable poles whose Hankel singular values fall by ten orders, in a basis of the given condition."""
    return similar(diagonal(np.linspace(-0.55, 0.6, n)), conditioned(n, condition, rng=3))


def hankel_truth(system):
    """Singular values of L_Q' L_P, the Gramians summed by squaring."""
    with mpmath.workdps(DIGITS):
        A, B, C = wide(system.A, system.B, system.C)

        def factor(A, B):
            P = B * B.T
            for _ in range(12):
                P, A = P + A * P * A.T, A * A
            return mpmath.cholesky(P)

        values = mpmath.svd_r(factor(A.T, C.T).T * factor(A, B), compute_uv=False)
        return np.array([float(s) for s in values])


def companion(numerator, denominator):
    """numerator / denominator, highest power first, of a denominator that is monic and longer."""
    n = len(denominator) - 1
    A, C = np.eye(n, k=1), np.zeros((1, n))
    A[-1] = -np.asarray(denominator[:0:-1], dtype=float)
    C[0, : len(numerator)] = numerator[::-1]
    return LinearSSM(A, np.eye(n)[:, -1:], C, [[0]])


def powers_of_s():
    """(1/s, 1, s, s^2, s^3) / (s - 1)^4, put together from 21 states; the least number is 5."""
    quartic = np.poly([1, 1, 1, 1])
    rows = [companion([1], np.append(quartic, 0)), *(companion([1] + [0] * k, quartic) for k in range(4))]
    whole = functools.reduce(direct_sum, rows)
    return LinearSSM(whole.A, whole.B.sum(axis=1, keepdims=True), whole.C, np.zeros((5, 1)))


def first_order_blocks():
    """[W1, -W1 G; 0, W2; 0, W3 G; 1, -G] put together from 7 first-order systems, of which 4 are distinct."""
    # b / (a s + c)
    g, w1, w2, w3 = (LinearSSM([[-c / a]], [[b / a]], [[1]], [[0]]) for b, a, c in np.arange(1, 13).reshape(4, 3))
    columns = [w1, series(g, w1), w2, series(g, w3), g]
    whole = functools.reduce(direct_sum, columns)
    into = np.array([[1, 0], [0, 1], [0, 1], [0, 1], [0, 1]])
    out = np.array([[1, -1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, -1]])
    return LinearSSM(whole.A, whole.B @ into, out @ whole.C, [[0, 0], [0, 0], [0, 0], [1, 0]])


# numerator and denominator of 16 stable poles, six of them between -7e-4 and -6e-5: reported for td04ad
ORDER_16 = (
    [
        9.94004350e-13, 2.67602795e-11, 2.31058712e-10, 1.15119493e-09, 5.04635153e-09, 1.34066064e-08,
        2.11938725e-08, 2.39940325e-08, 2.05897777e-08, 1.17092854e-08, 4.71236875e-09, 1.19497537e-09,
        1.90815347e-10, 1.00655454e-11, 1.47388887e-13, 8.40314881e-16, 1.67195685e-18,
    ],
    [
        9.43513863e-11, 6.05312352e-08, 7.92752628e-07, 5.23764693e-06, 1.82502556e-05, 1.24355899e-05,
        8.68206174e-06, 2.73818482e-06, 4.29133144e-07, 3.85554417e-08, 1.62631575e-09, 8.41098151e-12,
        9.85278302e-15, 4.07646645e-18, 5.55496497e-22, 3.06560494e-26, 5.98908988e-31,
    ],
)  # fmt: skip
