"""A stochastically truncated model has canonical correlations at most those that were kept: its past says less.

    sigma_k(truncated to r) <= sigma_k,  k <= r

diag(sigma_1, ..., sigma_r) is a state covariance of the truncated data and of their dual, and P_- and Pbar_- are the
least of those; the eigenvalues of P_- Pbar_- are monotone in both.  So `model_information` <= `kept_information`, and
in general it is less: the model sends its own noise where the states that went have been.
"""

from hypothesis import given, settings

from realization.stochastic import (
    canonical_correlations,
    covariance_model,
    kept_information,
    model_information,
    stochastic_singular_perturbation,
    stochastic_truncation,
)
from realization.systems import StochasticSSM
from realization.testing import covariance_data

# every order of each draw is looked at: these are about a hundred reductions
eighth = settings(max_examples=max(10, settings().max_examples // 8))


@eighth
@given(covariance_data(min_states=1))
def test_every_correlation_shrinks(drawn):
    known = canonical_correlations(drawn.system)
    for r in range(int((known.values > 1e3 * known.error).sum())):
        own = canonical_correlations(stochastic_truncation(drawn.system, r).system)
        assert (own.values <= known.values[:r] + own.error + known.error).all()


def test_the_loss_is_no_rounding():
    """Recorded: of 0.861 nats two of three variables carry 0.773, and the model of two states 0.570."""
    data = covariance_model(EXAMPLE)
    everything, kept, own = kept_information(data, 3), kept_information(data, 2), model_information(data, 2)
    assert [round(x, 3) for x in (everything, kept, own)] == [0.861, 0.773, 0.570]
    # information moves by sigma / (1 - sigma^2) times the error of each correlation: here by less than 2 in all
    assert kept - own > 1e6 * 2 * canonical_correlations(data).error


EXAMPLE = StochasticSSM(
    [[0.8, 0.5, 0], [-0.5, 0.8, 0.3], [0, 0, -0.6]], [[1, 0], [0, 0], [1, 0]], [[1, 0, 1]], [[0, 0.5]]
)


def test_states_at_rest_lose_nothing():
    """The control: where the states that go are held at rest, the model carries what the variables do."""
    data = covariance_model(EXAMPLE)
    own = canonical_correlations(stochastic_singular_perturbation(data, 2).system).values
    assert abs(own - canonical_correlations(data).values[:2]).max() < 1e-12
