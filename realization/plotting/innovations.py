"""What innovations say about a model, seen: path, colour, variance, drift; and how an order was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.plotting.frame import COLOURS, finish, named, new_axes
from realization.stochastic import (
    Cusum,
    HypothesisTest,
    OrderChoice,
    autocorrelations,
    cumulative_power,
    diagnose,
    nis,
    standardize,
)

BAND = "#E8E8E8"
SIDES = ("path", "colour", "spectrum", "variance", "drift")


def innovation_path(e: Any, R: Any, *, ax: Any = None) -> Any:
    """Draw z(t) = inv(L) e(t), R = L L', and the band in which 95 of 100 lie.

    Parameters
    ----------
    e : array_like
        Innovations (T, p); NaN where an entry is missing.
    R : array_like
        (p, p) or (T, p, p), their covariance by the model.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        A line for each output, with gaps where it is missing.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    StructureError
        If R is not positive definite.

    Examples
    --------
    >>> ax = innovation_path([[2.0], [-4.0]], [[4]])
    >>> ax.lines[0].get_ydata()
    array([ 1., -2.])
    """
    ax, z = new_axes(ax), standardize(e, R)
    ax.axhspan(-1.96, 1.96, color=BAND, zorder=0)
    for k, column in enumerate(z.T):
        ax.plot(np.arange(len(column)), column, **_of_output(k, z.shape[1]), linewidth=0.8)
    return finish(ax, xlabel="step, $t$", ylabel="innovation")


def autocorrelation(e: Any, *, lags: int = 20, ax: Any = None) -> Any:
    """Draw r_k of each output for k = 1 ... lags, and the band 1.96 / sqrt(N) of white noise.

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing.
    lags : int
        Fewer than T.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Bars, side by side for the outputs.

    Raises
    ------
    ShapeError
        If e has another shape, or there are too many lags.
    StructureError
        If an output is constant.

    Examples
    --------
    >>> ax = autocorrelation([[1.0], [-1.0], [1.0], [-1.0]], lags=2)
    >>> [float(bar.get_height()) for bar in ax.patches if bar.get_x() > 0.5]
    [-0.75, 0.5]
    """
    ax, r = new_axes(ax), autocorrelations(e, lags)
    p, k = r.shape[1], np.arange(1, len(r))
    N = (~np.isnan(np.asarray(e, dtype=float))).sum(axis=0).min() if p else 1
    ax.axhspan(-1.96 / np.sqrt(N), 1.96 / np.sqrt(N), color=BAND, zorder=0)
    for i in range(p):
        ax.bar(k + (i - (p - 1) / 2) * 0.8 / p, r[1:, i, i], 0.8 / p, **_of_output(i, p))
    ax.axhline(0, color="0.3", linewidth=0.8)
    return finish(ax, xlabel="lag, $k$", ylabel="autocorrelation")


def cumulative_spectrum(e: Any, *, level: float = 0.05, ax: Any = None) -> Any:
    """Draw the cumulative periodogram, and the band that holds all of it for white noise with probability 1 - level.

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing.
    level : float
        Of the test of Kolmogorov and Smirnov, see `cumulative_periodogram`.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Over the frequency relative to the highest one.

    Raises
    ------
    ShapeError
        If e has another shape.
    StructureError
        If an output is constant or has fewer than 5 values.

    Examples
    --------
    >>> ax = cumulative_spectrum(np.random.default_rng(0).standard_normal((9, 1)))
    >>> ax.lines[0].get_xdata().tolist()
    [0.25, 0.5, 0.75, 1.0]
    """
    from scipy.stats import kstwo

    ax, paths = new_axes(ax), cumulative_power(e)
    n = min((len(U) - 1 for U in paths), default=1)
    x, reach = np.array([0.0, 1.0]), float(kstwo.isf(level, max(n, 1)))
    ax.fill_between(x, x - reach, x + reach, color=BAND, zorder=0, linewidth=0)
    for i, U in enumerate(paths):
        ax.plot(np.arange(1, len(U) + 1) / len(U), U, **_of_output(i, len(paths)), linewidth=1.4)
    ax.set(xlim=(0, 1), ylim=(-0.02, 1.02))
    finish(ax, xlabel="frequency over the highest", ylabel="share of power")
    ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    return ax


def variance_found(e: Any, R: Any, *, window: int | None = None, ax: Any = None) -> Any:
    """Draw e' inv(R) e per degree of freedom in windows, and the band in which 95 of 100 of them lie.

    Parameters
    ----------
    e : array_like
        Innovations (T, p); NaN where an entry is missing.
    R : array_like
        (p, p) or (T, p, p), their covariance by the model.
    window : int, optional
        Steps in each.  Default: a twentieth of them.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        A point for each window; 1 is the variance that the model claims.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    StructureError
        If R is not positive definite.

    Examples
    --------
    >>> ax = variance_found([[1.0], [3.0], [0.0], [2.0]], [[1]], window=2)
    >>> ax.lines[-1].get_ydata()
    array([5., 2.])
    """
    from scipy.stats import chi2

    ax, T = new_axes(ax), len(np.asarray(e))
    width = max(T // 20, 1) if window is None else window
    test = nis(e, R, window=width)
    some = test.degrees > 0
    middle = np.minimum((np.arange(len(some)) + 0.5) * width, T)[some]
    q, d = test.statistic[some], test.degrees[some]
    low, high = (chi2(d).ppf(level) / d for level in (0.025, 0.975))
    ax.fill_between(middle, low, high, color=BAND, zorder=0, linewidth=0, step="mid")
    ax.axhline(1, color="0.3", linewidth=0.8)
    ax.plot(middle, q / d, "o-", color=COLOURS[0], markersize=4, linewidth=1.0)
    return finish(ax, xlabel="step, $t$", ylabel="variance\nover claim")


def cusum_path(sums: Cusum, *, ax: Any = None) -> Any:
    """Draw both cumulative sums, the lower one downward, between their thresholds; a dot where the first alarm is.

    Parameters
    ----------
    sums : Cusum
        Of standardized innovations.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Two lines for each output.

    Raises
    ------
    ShapeError
        If it is of another kind.

    Examples
    --------
    >>> from realization.stochastic import cusum
    >>> ax = cusum_path(cusum([[1.5], [1.5], [-3.0]], h=1.5))
    >>> [line.get_ydata().tolist() for line in ax.lines[2:5]]
    [[1.0, 2.0, 0.0], [-0.0, -0.0, -2.5], [2.0]]
    """
    if not isinstance(sums, Cusum):
        raise ShapeError(f"sums is a {type(sums).__name__}; a Cusum is needed")
    ax, p = new_axes(ax), sums.upper.shape[1]
    ax.axhspan(-sums.h, sums.h, color=BAND, zorder=0)
    for sign in (1, -1):
        ax.axhline(sign * sums.h, color="0.3", linewidth=1.0, linestyle="--")
    for i, alarm in enumerate(sums.alarms):
        style = _of_output(i, p)
        ax.plot(sums.upper[:, i], linewidth=1.2, **style)
        ax.plot(-sums.lower[:, i], linewidth=1.2, color=style["color"])
        if alarm is not None:
            upper, lower = sums.upper[alarm, i], sums.lower[alarm, i]
            ax.plot([alarm], [upper if upper > sums.h else -lower], "o", color=style["color"], markersize=6, zorder=4)
    return finish(ax, xlabel="step, $t$", ylabel="cumulative\nsums")


def innovations_of(models: Mapping[str, tuple[Any, Any]], *, level: float = 0.05) -> dict[str, dict[str, Any]]:
    """Draw the innovations of several models side by side: path, colour, spectrum, variance, drift.

    Parameters
    ----------
    models : mapping of str to (e, R)
        For each name innovations (T, p), NaN where missing, and the covariance (p, p) or (T, p, p)
        that the model claims for them.
    level : float
        Probability at which a right model is rejected by any of the tests.

    Returns
    -------
    dict
        Axes by the name of the model, then by path, colour, spectrum, variance, drift.  Each says the p-value
        of its test, in the second colour where that rejects.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    StructureError
        If there are fewer than 10 steps, R is not positive definite, or an output is constant.

    Examples
    --------
    >>> e = np.random.default_rng(0).standard_normal((200, 1))
    >>> axes = innovations_of({"right": (e, [[1]]), "wrong": (e, [[2]])})
    >>> axes["wrong"]["variance"].get_title(loc="right")
    'p = 1e-11'
    """
    import matplotlib.pyplot as plt

    columns = list(named("models", models))
    wide = max(len(columns), 1)
    figure = plt.figure(figsize=(4.3 * wide, 8.6), layout="constrained")
    grid = figure.subplots(len(SIDES), wide, sharey="row", squeeze=False)
    drawn = {}
    for k, (name, (e, R)) in enumerate(models.items()):
        axes = drawn[name] = dict(zip(SIDES, grid[:, k], strict=True))
        found, z = diagnose(e, R, level=level), standardize(e, R)
        innovation_path(e, R, ax=axes["path"]).set_title(name, fontweight="bold")
        autocorrelation(z, lags=len(found.correlations) - 1, ax=axes["colour"])
        cumulative_spectrum(z, level=level / 5, ax=axes["spectrum"])
        variance_found(e, R, ax=axes["variance"])
        cusum_path(found.sums, ax=axes["drift"])
        for side, test in zip(SIDES[1:], (found.colour[0], found.colour[2], found.variance, found.drift), strict=True):
            _verdict(axes[side], test)
        for ax in grid[:, k] if k else ():
            ax.set_ylabel("")
    _one_legend(figure, grid)
    return drawn


def order_choice(choice: OrderChoice, *, ax: Any = None) -> Any:
    """Draw a criterion against the order; the choice is filled, the runner-up has a ring.

    Parameters
    ----------
    choice : OrderChoice
        As `svc`, `bic` or `bartlett` returns it.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Logarithmic for a sequence of tests, whose values are probabilities.

    Raises
    ------
    ShapeError
        If it is of another kind.

    Examples
    --------
    >>> from realization.stochastic import svc
    >>> ax = order_choice(svc([0.8, 0.5, 0.05], N=400, p=1))
    >>> ax.lines[1].get_xdata(), ax.get_ylabel()
    (array([2]), 'SVC')
    """
    if not isinstance(choice, OrderChoice):
        raise ShapeError(f"choice is a {type(choice).__name__}; an OrderChoice is needed")
    ax, n = new_axes(ax), np.arange(len(choice.values))
    values = np.maximum(choice.values, 1e-16) if choice.tested else choice.values  # one scale for what is rejected
    ax.plot(n, values, "o-", color=COLOURS[0], markersize=4, linewidth=1.2)
    best = choice.order
    ax.plot(n[[best]], values[[best]], "o", color=COLOURS[1], markersize=9, label=f"order {best}", zorder=3)
    if choice.runner_up is not None:
        ring = {"markerfacecolor": "none", "markeredgecolor": COLOURS[1], "markeredgewidth": 1.4, "markersize": 11}
        second, open_ = choice.runner_up, "" if choice.decided else ", undecided"
        ax.plot(n[[second]], values[[second]], "o", **ring, label=f"next best, {second}{open_}", zorder=3)
    if choice.tested:
        ax.set_yscale("log")
    return finish(ax, xlabel="order, $n$", ylabel=f"$p$, {choice.criterion}" if choice.tested else choice.criterion)


def _of_output(i: int, p: int) -> dict[str, Any]:
    return {"color": COLOURS[i % len(COLOURS)], "label": f"output {i + 1}" if p > 1 else None}


def _verdict(ax: Any, test: HypothesisTest) -> None:
    colour, weight = (COLOURS[1], "bold") if test.rejected else ("0.35", "normal")
    p = "p < 1e-12" if test.p_value < 1e-12 else f"p = {test.p_value:.1g}"
    ax.set_title(p, loc="right", fontsize="small", color=colour, fontweight=weight)


def _one_legend(figure: Any, grid: Any) -> None:
    """Below all, in place of one in every frame."""
    legends = [ax.get_legend() for ax in grid.flat if ax.get_legend() is not None]
    if legends:
        longest = max((ax.get_legend_handles_labels() for ax in grid.flat), key=lambda found: len(found[1]))
        figure.legend(*longest, loc="outside lower center", ncols=len(longest[1]), frameon=False)
    for legend in legends:
        legend.remove()
