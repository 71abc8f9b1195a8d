"""P > P_- is a state covariance iff inv(P - P_-) = O + X, X = F' X F + W, with W >= 0; it has p + rank W noises.

F = A - K C and O = F' O F + C' inv(R) C of the innovations model.  W = 0 is P_+; W without bound is P_-.
(The Riccati inequality becomes a Lyapunov inequality for the inverse; Faurre, Clerget and Germain 1979.)
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic import faurre_set, state_covariance
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


@quarter
@given(covariance_data(min_states=1), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_every_w_gives_a_covariance_with_so_many_noises(drawn, seed, rank):
    full, (n, p) = faurre_set(drawn.system), drawn.system.G.shape
    r, O = min(rank, n), full.weight
    L = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, r)))[0]
    P = full.beyond(np.linalg.norm(O, 2) * L @ L.T)
    error = 1e-14 * np.linalg.cond(O) * np.linalg.norm(P - full.P_minus, 2) + full.error
    found = full.noise_factor(P, atol=error).rank
    assert not found.decided or found.choice == p + r


@quarter
@given(covariance_data(min_states=1))
def test_every_covariance_above_the_smallest_has_its_w(drawn):
    """W = X - F' X F of a model's own P is positive, of the rank of its noise less p."""
    full, P = faurre_set(drawn.system), state_covariance(drawn.structure[0])
    Q = P - full.P_minus
    w, V = np.linalg.eigh(Q)
    if w[0] <= 1e-6 * w[-1]:  # P > P_- by too little to be inverted
        return
    Y, O, F = (V / w) @ V.T, full.weight, full.predictor
    W = Y - O - F.T @ (Y - O) @ F
    level = (
        1e-13
        * (1 + np.linalg.norm(F) ** 2)
        * (np.linalg.norm(Y) * w[-1] / w[0] + np.linalg.norm(O) * np.linalg.cond(O))
    )
    level += full.error * np.linalg.norm(Y) ** 2 * (1 + np.linalg.norm(F) ** 2)
    assert np.linalg.eigvalsh(W)[0] >= -level
    assert np.abs(full.beyond(_positive(W)) - P).max() <= 2 * level * w[-1] ** 2 / (1 - np.abs(full.zeros).max() ** 2)


def _positive(W):
    w, V = np.linalg.eigh(W)
    return (V * np.maximum(w, 0)) @ V.T


@quarter
@given(covariance_data(min_states=1))
def test_an_indefinite_w_gives_none(drawn):
    """The control: W = -C' inv(R) C / 2 leaves O / 2 and with it P_- + 2 inv(O), outside."""
    full = faurre_set(drawn.system)
    Q = np.linalg.inv(full.weight)
    if np.linalg.norm(Q) > 1e-6 * np.linalg.norm(full.P_plus):
        assert full.contains(full.P_minus + 2 * (Q + Q.T) / 2).verdict == "outside"
