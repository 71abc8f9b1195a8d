"""What innovations say about the model that made them: is it right, and if not, what is wrong with it.

    coloured                   the past still predicts them: the gain or the dynamics are wrong
    of another variance        the covariances of the noise are wrong
    of a mean that drifts      an offset, or a state that is not in the model

Five tests at a fifth of the level each: together they reject a right model in at most that share of runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.stochastic.filtering.kalman import KalmanRun
from realization.stochastic.innovations.drift import Cusum, cusum, cusum_threshold
from realization.stochastic.innovations.normalized import nis, standardize
from realization.stochastic.innovations.significance import HypothesisTest, probability
from realization.stochastic.innovations.whiteness import autocorrelations, cumulative_periodogram, hosking, ljung_box
from realization.systems.base import count, of_kind


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Diagnosis(Sealed):
    """Five tests of the innovations of a model.  `print` shows them as a table, and what follows from them.

    Parameters
    ----------
    colour : tuple of HypothesisTest
        Hosking, Ljung-Box, cumulative periodogram, of the standardized innovations.
    variance, drift : HypothesisTest
        Normalized innovations squared; cumulative sums.
    correlations : ndarray
        (lags + 1, p, p) of the standardized innovations, r_k = E z(t+k) z(t)'.
    sums : Cusum
        The paths of the cumulative sums, of z over its own standard deviation.
    level : float
        Probability at which a right model is rejected by any of them.
    """

    colour: tuple[HypothesisTest, ...]
    variance: HypothesisTest
    drift: HypothesisTest
    correlations: np.ndarray
    sums: Cusum
    level: float

    @property
    def tests(self) -> tuple[HypothesisTest, ...]:
        """All five."""
        return (*self.colour, self.variance, self.drift)

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against the model."""
        return not any(test.rejected for test in self.tests)

    @property
    def variance_ratio(self) -> float:
        """Mean of the normalized innovations squared over its expectation: 1 for a right model."""
        return float(self.variance.statistic.sum() / self.variance.degrees.sum())

    @property
    def findings(self) -> tuple[str, ...]:
        """What is wrong, in sentences; empty where nothing is."""
        coloured = any(test.rejected for test in self.colour)
        found = [self._coloured()] if coloured else []
        if self.variance.rejected:
            found.append(self._of_another_size(coloured))
        if self.drift.rejected:
            found.append(self._drifting())
        return tuple(found)

    def _of_another_size(self, coloured: bool) -> str:
        ratio = f"variance {self.variance_ratio:.3g} times the one claimed"
        if coloured and self.variance_ratio > 1:
            return f"{ratio}: what colours them adds to it, mend that first"
        return f"{ratio}: the covariances of the noise are too {'small' if self.variance_ratio > 1 else 'large'}"

    def _coloured(self) -> str:
        r = np.abs(self.correlations[1:])
        k, i, j = np.unravel_index(np.argmax(r), r.shape)
        value = self.correlations[k + 1, i, j]
        return (
            f"coloured: output {i + 1} has correlation {value:.2f} with output {j + 1} of {k + 1} steps before: "
            "the gain or the dynamics are wrong"
        )

    def _drifting(self) -> str:
        worst = int(np.argmin(self.drift.p_values))
        p = self.sums.upper.shape[1]
        way, output = ("up", worst) if worst < p else ("down", worst - p)
        start = self.sums.alarms[output]
        when = "" if start is None else f", seen from step {start} on"
        return f"the mean of output {output + 1} moves {way}{when}: an offset or a state is not in the model"

    def __str__(self) -> str:
        head = "nothing speaks against the model" if self.sound else "not the innovations of a right model"
        rows = [f"{head}, at level {self.level:g}", f"  {'test':<30} {'statistic':>10} {'degrees':>8} {'p':>9}"]
        for test in self.tests:
            k = int(np.argmin(test.p_values))
            mark = "  rejected" if test.rejected else ""
            rows.append(
                f"  {test.what:<30} {test.statistic[k]:>10.4g} {test.degrees[k]:>8.4g} {test.p_value:>9.2g}{mark}"
            )
        return "\n".join([*rows, *self.findings])


def diagnose(e: Any, R: Any, *, lags: int | None = None, fitted: int = 0, level: float = 0.05) -> Diagnosis:
    """Test whether e is white, of the covariance R and of mean zero, and say what is wrong if not.

    Parameters
    ----------
    e : array_like
        Innovations (T, p); NaN where an entry is missing.
    R : array_like
        (p, p) or (T, p, p): the covariance that the model claims for them.
    lags : int, optional
        Of the tests of colour.  Default: 20 and those that the fitted parameters take, or a fifth of the steps
        if that is less.
    fitted : int
        Parameters that were estimated from the same data: 2 n p for an innovations model of order n.
    level : float
        Probability at which a right model is rejected by any of the tests.

    Returns
    -------
    Diagnosis
        Each test at a fifth of the level.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or there are fewer lags than the fitted parameters need.
    StructureError
        If there are fewer than 10 steps, R is not positive definite, or an output is constant.

    Examples
    --------
    The same noise with the covariance it has, and with one that is a third smaller:

    >>> e = np.random.default_rng(0).standard_normal((500, 2))
    >>> diagnose(e, np.eye(2)).sound
    True
    >>> diagnose(e, np.eye(2) / 1.5).findings
    ('variance 1.43 times the one claimed: the covariances of the noise are too small',)
    """
    z = standardize(e, R)
    T, p = z.shape
    if T < 10 or p == 0:
        raise StructureError(f"{T} steps of {p} outputs, need at least 10 of at least 1 to tell anything")
    each = probability(level) / 5
    h = min(20 + count("fitted", fitted) // p, T // 5) if lags is None else lags
    colour = (
        hosking(z, h, fitted=fitted, level=each),
        ljung_box(z, h, fitted=fitted // p, level=each),
        cumulative_periodogram(z, level=each),
    )
    # in units of the deviation that z has, lest one of the wrong size be called a drift as well; no square of 1e200
    x = z / np.nanmax(np.abs(z), axis=0)
    x /= np.nanstd(x, axis=0)
    # run lengths are nearly exponential: the mean one that makes 2 p sums cross in T steps with probability `each`
    sums = cusum(x, h=cusum_threshold(0.5, 2 * p * T / each))
    return Diagnosis(colour, nis(e, R, level=each), sums.test(level=each), autocorrelations(z, h), sums, level)


def diagnose_run(run: KalmanRun, *, lags: int | None = None, fitted: int = 0, level: float = 0.05) -> Diagnosis:
    """Diagnose the innovations of one run of the Kalman filter, with the covariances that it claims for them.

    Parameters
    ----------
    run : KalmanRun
        Of one sequence, that stored the covariances.  Steps in which the state is still diffuse count as
        missing: their innovations have no finite covariance.
    lags : int, optional
        Of the tests of colour, as in `diagnose`.
    fitted : int
        Parameters that were estimated from the same data.
    level : float
        Probability at which a right model is rejected by any of the tests.

    Returns
    -------
    Diagnosis
        As `diagnose` returns it.

    Raises
    ------
    ShapeError
        If it is no run of the filter, has batch axes or did not store the covariances.
    StructureError
        If there are too few steps.

    Examples
    --------
    A level that wanders, filtered as such and as one that wanders ten times less:

    >>> from realization.stochastic import kalman_filter, sample
    >>> from realization.systems import InitialState, StochasticSSM
    >>> level = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[1]], R=[[2]])
    >>> stiff = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[0.01]], R=[[2]])
    >>> y = sample(level, 400, rng=0, initial=InitialState.known([0.0])).y
    >>> start = InitialState.unknown(1)
    >>> [diagnose_run(kalman_filter(model, y, initial=start)).sound for model in (level, stiff)]
    [True, False]
    """
    of_kind("diagnosis", run, KalmanRun)
    e, R = run.innovations, run.innovation_covariance
    if e is None or R is None:
        raise ShapeError(
            f"the run stored {run.store!r}, but innovations and covariances are needed; store='covariances'"
        )
    if e.ndim != 2 or R.ndim != 3:
        raise ShapeError(f"innovations have shape {e.shape}, but those of one sequence, (T, p), are needed")
    finite = np.arange(len(e))[:, None] >= run.diffuse_steps
    return diagnose(np.where(finite, e, np.nan), R, lags=lags, fitted=fitted, level=level)
