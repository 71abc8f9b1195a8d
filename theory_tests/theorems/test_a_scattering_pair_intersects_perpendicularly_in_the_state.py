"""Past and future, each with its states, intersect perpendicularly, and what they share is the state.

    S = H^- v X^-,  Sbar = H^+ v X^+:    n angles between S and Sbar are 0, all others pi/2,    X = S n Sbar

(Lindquist and Picci 2015).  Outputs alone meet at angles in between, those of the canonical correlations.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic import moment, principal_angles
from realization.systems import StochasticSSM
from realization.testing import stochastic_systems

quarter = settings(max_examples=max(10, settings().max_examples // 4))


@quarter
@given(stochastic_systems(), st.integers(0, 5), st.integers(0, 5))
def test_n_angles_are_zero_and_the_rest_right(drawn, i, j):
    n, now = len(drawn.system.A), moment(drawn.system, i, j)
    S, Sbar = now.scattering_pair
    found = principal_angles(now.joint, S, Sbar, noise=now.noise)
    assert found.perpendicular
    assert found.shared == n
    assert found.apart.decided
    assert found.related.decided


@quarter
@given(stochastic_systems(min_states=1), st.integers(1, 4), st.integers(1, 4))
def test_what_they_share_is_the_state(drawn, i, j):
    """X lies in both; with n shared dimensions nothing else does."""
    now = moment(drawn.system, i, j)
    for side in now.scattering_pair:
        assert principal_angles(now.joint, now.state, side, noise=now.noise).shared == len(now.state)


def test_outputs_alone_meet_at_angles_in_between():
    """The control; and where the present is left out of one side, nothing is shared and nothing perpendicular."""
    model = StochasticSSM([[0.9, 0], [0, -0.7]], [[1, 0, 0], [0, 1, 0]], [[1, 1]], [[0.3, 0, 0.5]])
    now = moment(model, 4, 4)
    outputs = principal_angles(now.joint, now.past, now.future)
    assert not outputs.perpendicular
    assert outputs.shared == 0
    np.testing.assert_allclose(outputs.cosines[:2], [0.805, 0.503], atol=5e-4)
    S, Sbar = now.scattering_pair
    later = principal_angles(now.joint, S, np.concatenate([now.future, now.after]))
    assert later.shared == 0
    assert not later.perpendicular
