"""Whether data have mean zero, as all that is made of their second moments supposes.

    t = mean / (s / sqrt k),     s^2 = variance of the means of k pieces of the record

Pieces that are longer than what the process remembers have independent means, and t has Student's law of k - 1
degrees.  Of a mean c that is left in the data, regression makes a state: x(t+1) = x(t), a pole at 1.
"""

from __future__ import annotations

import numpy as np

from realization.stochastic.innovations.significance import HypothesisTest

PIECES = 10
LEVEL = 1e-3  # a warning at the door is to be rare; a mean that matters is far beyond it


def mean_is_zero(y: np.ndarray) -> HypothesisTest | None:
    """Return the test for every output; None where the pieces would have less than two steps, or do not differ.

    Parameters
    ----------
    y : ndarray
        (b, T, p), p >= 1: a piece is the tenth part of a record, or more where there are several records.

    Returns
    -------
    HypothesisTest or None
        At the level 0.001: fair where correlations die out within a piece, too strict where they do not.

    References
    ----------
    Schmeiser 1982, on batch means.

    Examples
    --------
    >>> e = np.random.default_rng(0).standard_normal((1, 1000, 2))
    >>> mean_is_zero(e).rejected, mean_is_zero(e + [0, 0.5]).rejected
    (False, True)
    """
    from scipy.special import stdtr

    b, T, p = y.shape
    pieces = -(-PIECES // b)
    if 2 * pieces > T:
        return None
    means = y[:, : T // pieces * pieces].reshape(b * pieces, -1, p).mean(axis=1)
    k, s = len(means), means.std(axis=0, ddof=1)
    if not s.all():
        return None
    t = means.mean(axis=0) / (s / np.sqrt(k))
    return HypothesisTest(f"mean zero, {k} pieces", t, np.full(p, k - 1.0), 2 * stdtr(k - 1, -np.abs(t)), LEVEL)
