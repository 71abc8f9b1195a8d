"""The Kalman filter and the smoother against statsmodels, run times and answers: python3 dev.py bench.

One process on one core with one thread; run times are medians of sides that take turns.  A model of statsmodels is
made anew for each case: one that is bound to other data keeps the likelihood of the first.
"""

import functools
import sys
import warnings

import compare  # before NumPy
import numpy as np

from realization.stochastic import kalman_filter, rts_smoother
from realization.systems import StochasticSSM
from realization.systems.families import random_stable
from realization.systems.stochastic import InitialState

PEER = ("statsmodels",)


def case(n, p, T, rng=0):
    """A stable model with noise of full rank in states and outputs, white data, and a start of unit covariance."""
    rng = np.random.default_rng(rng)
    system = random_stable(n, 1, p)
    Q, R = (X @ X.T / len(X) + np.eye(len(X)) for X in (rng.standard_normal((k, k)) for k in (n, p)))
    return StochasticSSM.from_noise(system.A, system.C, Q, R), rng.standard_normal((T, p))


def start(model):
    n = len(model.A)
    return InitialState(np.zeros(n), np.eye(n))


def ours(store, steady, model, y):
    return lambda: kalman_filter(model, y, initial=start(model), store=store, steady=steady)


def ours_smoothed(model, y):
    return lambda: rts_smoother(model, kalman_filter(model, y, initial=start(model)))


def statsmodels_of(model, y, tolerance=0.0):
    """Its filter and smoother; a tolerance of 0 never freezes the gains."""
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

    (n, _), p = model.B.shape, len(model.C)
    peer = KalmanSmoother(k_endog=p, k_states=n, k_posdef=n, tolerance=tolerance)
    peer["transition"], peer["design"], peer["selection"] = model.A, model.C, np.eye(n)
    peer["state_cov"], peer["obs_cov"] = model.B @ model.B.T, model.D @ model.D.T
    peer.bind(np.array(y, order="C"))
    peer.initialize_known(np.zeros(n), np.eye(n))
    return peer


def with_statsmodels(method, model, y, tolerance=0.0):
    return getattr(statsmodels_of(model, y, tolerance), method)


def likelihoods(run, other):
    return f"equal to {abs(run.log_likelihood / other - 1):.0e}"


def filtered(run, other):
    return f"states equal to {np.abs(run.filtered - other.filtered_state.T).max():.0e}"


def smoothed(run, other):
    return f"states equal to {np.abs(run.means[:-1] - other.smoothed_state.T).max():.0e}"


# n, p, T, and rows: title, our side, method and tolerance of the other, judge, sense and target of theirs / ours
LIKELIHOOD = functools.partial(ours, "likelihood")
ROWS = {
    (8, 2, 100_000): (
        ("log-likelihood", functools.partial(LIKELIHOOD, False), "loglike", 0.0, likelihoods, "at least", 2.0),
        ("log-likelihood, steady", functools.partial(LIKELIHOOD, True), "loglike", 0.0, likelihoods, "at least", 10.0),
        ("log-likelihood, both steady", functools.partial(LIKELIHOOD, True), "loglike", 1e-19, likelihoods, "", None),
        ("filter, all stored", functools.partial(ours, "all", False), "filter", 0.0, filtered, "", None),
        ("filter and smoother", ours_smoothed, "smooth", 0.0, smoothed, "at least", 1.5),
    ),
    (2, 1, 100_000): (
        ("log-likelihood", functools.partial(LIKELIHOOD, False), "loglike", 0.0, likelihoods, "", None),
    ),
    (32, 4, 2_000): (
        ("log-likelihood", functools.partial(LIKELIHOOD, False), "loglike", 0.0, likelihoods, "", None),
    ),
}  # fmt: skip


def run_times():
    for (n, p, T), rows in ROWS.items():
        data = case(n, p, T)
        for title, side, method, tolerance, judge, sense, target in rows:
            one = functools.partial(side, *data)
            other = functools.partial(with_statsmodels, method, *data, tolerance)
            title = f"{title}, n={n}, p={p}, T={T}: statsmodels"
            yield compare.timing(title, PEER, one, other, judge, sense, target)


def sections():
    """The tables, one after the other."""
    yield "Kalman filter: run times", compare.table(compare.TIMES, run_times())
    yield "Versions", compare.versions("numpy", "scipy", "numba", *PEER)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # those of the other side; ours gives none
    compare.main("filtering", __doc__, sections, sys.argv[1:])
