"""Of the canonical variables of the past the k-th carries -1/2 log(1 - sigma_k^2) of the future, and shares none of it.

Keeping r of n loses -1/2 sum_{k>r} log(1 - sigma_k^2), the least that any r linear combinations of the past can lose
(Akaike 1975; Larimore 1983).
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realization.stochastic import (
    canonical_correlations,
    frame,
    information,
    kept_information,
    mutual_information,
    principal_angles,
    stochastically_balanced,
)
from realization.testing import covariance_data

# every order of each draw is looked at: these are about a hundred reductions
eighth = settings(max_examples=max(10, settings().max_examples // 8))


def carried(joint, z, future):
    """I(z; future) = 1/2 log( det J_zz det J_ff / det J ), of variables and of the predictor of the past."""
    both = np.concatenate([z, future])
    logs = [np.linalg.slogdet(joint[np.ix_(a, a)])[1] for a in (z, future, both)]
    return (logs[0] + logs[1] - logs[2]) / 2


def balanced_frame(data):
    """x_- and xbar_+ in canonical coordinates."""
    known = canonical_correlations(data)
    assume(known.values[-1] > 1e4 * known.error)
    # a covariance diag(S, S) with S S between has condition 1 / (s_n (1 - s_1)), and is known to the error
    return (
        known,
        frame(stochastically_balanced(data).system),
        100 * known.error / known.values[-1] ** 2 / (1 - known.values[0]),
    )


@eighth
@given(covariance_data(min_states=1))
def test_the_first_variables_carry_the_first_terms(drawn):
    known, found, tolerance = balanced_frame(drawn.system)
    everything = mutual_information(drawn.system)
    for r in range(len(known.values) + 1):
        kept = kept_information(drawn.system, r)
        assert carried(found.joint, found.predictor[:r], found.backward) == pytest.approx(kept, abs=tolerance)
        assert everything - kept == pytest.approx(information(known.values[r:]), abs=1e-13 * max(1, everything))


@eighth
@given(covariance_data(min_states=2), st.integers(0, 2**32 - 1))
def test_no_other_variables_carry_more(drawn, seed):
    """The control: r other combinations of the past's predictor, which as a rule lose more."""
    known, found, tolerance = balanced_frame(drawn.system)
    n, r = len(known.values), 1 + seed % (len(known.values) - 1)
    Z = np.random.default_rng(seed).standard_normal((r, n))
    J = found.joint
    Sigma, cross = J[:n, :n], J[:n, n:]
    joint = np.block([[Z @ Sigma @ Z.T, Z @ cross], [(Z @ cross).T, J[n:, n:]]])
    angles = principal_angles(joint, range(r), range(r, r + n), noise=found.noise * np.linalg.cond(Z) ** 2)
    assert information(angles.cosines) <= kept_information(drawn.system, r) + tolerance


def test_the_control_loses_more():
    """Recorded: of correlations 0.9 and 0.3 the first variable carries 0.83 nats, an even mixture 0.50."""
    s = np.array([0.9, 0.3])
    # u' x_- with covariance diag(s) has the projection u' diag(s) xbar_+ on the future
    mixed = np.sqrt((s**3).sum() / s.sum())
    assert round(information(s[:1]), 2) == 0.83
    assert round(information([mixed]), 2) == 0.5
