"""Levinson's predictors triangularize the covariance of (y(0), ..., y(N)): A T A' = diag(S_0, ..., S_N).

Row n of A holds the coefficients of the error e_n(n), y(n) less its best prediction from y(0), ..., y(n-1)
(Levinson 1947; Whittle 1963 for several outputs).  So inv(T) = A' inv(diag S) A, and log det T = sum log det S_n.
"""

import numpy as np
from hypothesis import given, settings

from realization.linalg.decision import EPS
from realization.linalg.rational import rationals
from realization.stochastic import block_toeplitz, levinson
from realization.testing import covariance_windows

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def triangle(predictors, *, zero=0.0):
    """Row n: the coefficients of y(0), ..., y(n) in the error of y(n)."""
    N, p = len(predictors), predictors[0].shape[1]
    A = np.full((N, N, p, p), zero)
    for n, each in enumerate(predictors):
        A[n, : n + 1] = each[::-1]
    return A.swapaxes(1, 2).reshape(N * p, N * p)


def block_diagonal(S, *, zero=0.0):
    D = np.full((len(S), len(S), *S.shape[1:]), zero)
    D[np.arange(len(S)), np.arange(len(S))] = S
    return D.swapaxes(1, 2).reshape(len(S) * S.shape[1], -1)


@quarter
@given(covariance_windows())
def test_forward_errors_are_uncorrelated(Lambda):
    found, T = levinson(Lambda), block_toeplitz(Lambda)
    A = triangle(found.forward)
    # A is known to the condition of T, and enters twice
    bound = 10 * len(T) * EPS * np.linalg.cond(T) * np.linalg.norm(T, 2)
    assert np.abs(A @ T @ A.T - block_diagonal(found.errors)).max() <= bound
    logs = np.linalg.slogdet(found.errors)[1].sum()
    assert abs(logs - np.linalg.slogdet(T)[1]) <= 10 * len(T) * EPS * np.linalg.cond(T)


@quarter
@given(covariance_windows(max_lags=4, max_outputs=2))
def test_in_fractions_without_an_error(Lambda):
    """Forward with A, and backward: B_n from y(t), ..., y(t-n) is row N-n of the triangle of the reversed process."""
    exact = rationals("Lambda", Lambda)
    found, T = levinson(exact), block_toeplitz(exact)
    zero = rationals("0", 0).item()
    A = triangle(found.forward, zero=zero)
    assert (block_diagonal(found.errors, zero=zero) == A @ T @ A.T).all()
    reversed_time = block_toeplitz(exact.swapaxes(1, 2))
    B = triangle([each[::-1] for each in found.backward], zero=zero)
    assert (B @ reversed_time @ B.T == block_diagonal(found.backward_errors, zero=zero)).all()


@quarter
@given(covariance_windows(max_outputs=2))
def test_it_is_the_solution_of_the_normal_equations(Lambda):
    """The second route: the coefficients that least squares finds, sum_j a_j Lambda(i - j) = Lambda(i)."""
    found, N = levinson(Lambda), len(Lambda) - 1
    if N:
        # transposed: blocks Lambda(j - i) of unknowns a_j'
        past = block_toeplitz(Lambda.swapaxes(1, 2)[:-1])
        a = np.linalg.solve(past, np.concatenate(Lambda.swapaxes(1, 2)[1:]))
        got = np.concatenate(found.predictor.swapaxes(1, 2))
        cond = np.linalg.cond(past)
        assert np.abs(a - got).max() <= 10 * len(past) * EPS * cond * max(1.0, np.abs(a).max())


def test_another_order_of_the_blocks_is_no_factor():
    """The control: Lambda(k) and its transpose are confused, and the errors are correlated."""
    Lambda = np.array([[[3.0, 0], [0, 3]], [[0, 2], [0, 0]], [[0, 0], [0, 0]]])
    A, T = triangle(levinson(Lambda).forward), block_toeplitz(Lambda)
    wrong = block_toeplitz(Lambda.swapaxes(1, 2))
    assert np.abs(A @ T @ A.T - block_diagonal(levinson(Lambda).errors)).max() < 1e-14
    assert np.abs(A @ wrong @ A.T - block_diagonal(levinson(Lambda).errors)).max() > 1


def test_one_and_two_steps_by_hand():
    """1, r, s: K = r and (s - r^2) / (1 - r^2)."""
    found = levinson(["1", "1/3", "1/2"])
    assert [str(x) for x in found.reflections] == ["1/3", "7/16"]
    assert [str(x) for x in found.errors] == ["1", "8/9", "23/32"]
    assert [str(x) for x in found.predictor] == ["3/16", "7/16"]
