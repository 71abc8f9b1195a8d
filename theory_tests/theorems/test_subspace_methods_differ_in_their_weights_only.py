"""CVA, N4SID and MOESP are one method with three pairs of weights: x is read off the singular vectors of W1 O W2.

    O = Yf [Zp; Uf]^+ [Zp; 0],    W1 O W2 = U S V',    x = S_n^(-1/2) U_n' W1 O

(Van Overschee and De Moor 1995, Automatica 31.)  Here each is computed from its definition, with
projections of the size of the data, and compared with the code by what does not depend on the basis.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic.identification import cva, moesp, n4sid
from realization.systems import LinearSSM, markov_parameters
from realization.systems.families import random_stable

EPS = np.finfo(float).eps
METHODS = {"cva": cva, "n4sid": n4sid, "moesp": moesp}


def hankel(x, first, last, window):
    """Block rows x(t+first), ..., x(t+last), with the t of all windows as columns."""
    i, f = window
    moments = np.arange(i, len(x) - f + 1)
    lags = range(first, last + 1) if first <= last else range(first, last - 1, -1)
    return np.concatenate([x[moments + k].T for k in lags])


def inverse_root(M):
    values, V = np.linalg.eigh(M)
    return V / np.sqrt(values) @ V.T


def by_definition(method, y, u, n, i, f):
    """Singular values and the model, from projections with as many rows as there are moments."""
    scale_y, scale_u = np.sqrt((y**2).mean(axis=0)), np.sqrt((u**2).mean(axis=0))
    y, u = y / scale_y, u / scale_u
    w = (i, f)
    Uf, Yf = hankel(u, 0, f - 1, w), hankel(y, 0, f - 1, w)
    Zp = np.concatenate([hankel(u, -1, -i, w), hankel(y, -1, -i, w)])
    later = np.concatenate([hankel(u, 0, 1 - i, w), hankel(y, 0, 1 - i, w)])
    N = Zp.shape[1]
    Theta = (Yf @ np.linalg.pinv(np.concatenate([Zp, Uf])))[:, : len(Zp)]
    off = np.eye(N) - Uf.T @ np.linalg.solve(Uf @ Uf.T, Uf)
    W1 = inverse_root(Yf @ off @ Yf.T / N) if method == "cva" else np.eye(len(Yf))
    W2 = np.eye(N) if method == "n4sid" else off
    U, s, _ = np.linalg.svd(W1 @ Theta @ Zp @ W2 / np.sqrt(N), full_matrices=False)
    J = U[:, :n].T @ W1 @ Theta / np.sqrt(s[:n])[:, None]
    known, asked = np.concatenate([J @ Zp, Uf[: u.shape[1]]]), np.concatenate([J @ later, Yf[: y.shape[1]]])
    M = asked @ np.linalg.pinv(known)
    C, D = scale_y[:, None] * M[n:, :n], scale_y[:, None] * M[n:, n:] / scale_u
    return s, LinearSSM(M[:n, :n], M[:n, n:] / scale_u, C, D)


def record(seed, T, noise):
    """Two outputs of three states, driven by one input, and noise that is coloured by the states."""
    rng = np.random.default_rng(seed)
    plant = random_stable(3, 3, 2, radius=0.8, rng=rng)
    u, e = rng.standard_normal((T, 1)), noise * rng.standard_normal((T, 2))
    return plant.simulate(np.concatenate([u, e], axis=1)).y + e, u, plant


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60)  # of each method
@given(seed=st.integers(0, 2**32 - 1))
def test_each_is_its_definition(method, seed):
    """To 1e3 k eps over the least singular value: k = 40 rows, and regressions on data of condition up to 1e3."""
    y, u, _ = record(seed, 120, 0.5)
    found = METHODS[method](y, 3, past=4, future=4, u=u)
    s, system = by_definition(method, y, u, 3, 4, 4)
    np.testing.assert_allclose(found.singular_values, s, atol=4e4 * EPS * s[0])
    wanted = markov_parameters(system, 12)
    if found.damped:  # the definition knows of no damping
        return
    level = 4e4 * EPS * s[0] / s[2] * np.abs(wanted).max()
    np.testing.assert_allclose(markov_parameters(found.system, 12), wanted, atol=level)


def test_where_there_is_no_noise_the_weights_do_not_matter():
    """All three find the plant itself, and say that its outputs leave no innovations."""
    y, u, plant = record(0, 200, 0.0)
    wanted = markov_parameters(plant, 12)[..., :1]
    for method in METHODS.values():
        found = method(y, u=u)
        assert found.order == 3
        assert found.order_choice.decided
        np.testing.assert_allclose(markov_parameters(found.system, 12), wanted, atol=1e-12 * np.abs(wanted).max())
        assert not found.innovations.R.any()
        assert found.whiteness is None


def test_where_there_is_noise_they_do():
    """The control: with other weights the answer is another one, by far more than rounding; all are about right."""
    y, u, plant = record(0, 200, 0.5)
    wanted = markov_parameters(plant, 12)[..., :1]
    answers = [markov_parameters(method(y, 3, past=4, future=4, u=u).system, 12) for method in METHODS.values()]
    for k, one in enumerate(answers):
        assert np.abs(one - wanted).max() < 0.5 * np.abs(wanted).max()
        for other in answers[:k]:
            assert np.abs(one - other).max() > 1e-4 * np.abs(wanted).max()


def test_without_inputs_n4sid_and_moesp_are_the_same():
    y = record(1, 300, 0.5)[0]
    np.testing.assert_array_equal(n4sid(y, 3).covariance.A, moesp(y, 3).covariance.A)
    assert np.abs(n4sid(y, 3).singular_values - cva(y, 3).singular_values).max() > 0.01
