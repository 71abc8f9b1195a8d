"""Figures of innovations show the numbers of the tests, with their bands, where they were told to."""

import warnings

import matplotlib as mpl
import numpy as np
import pytest
import scipy.stats

mpl.use("Agg")
import matplotlib.pyplot as plt

from realization import plotting
from realization.core.errors import ShapeError
from realization.stochastic import autocorrelations, bartlett, cumulative_power, cusum, diagnose, nis, svc

E = np.random.default_rng(0).standard_normal((200, 2))
GAPS = np.where(np.arange(200)[:, None] % 10 == 3, np.nan, E)
R = np.array([[1.0, 0.3], [0.3, 0.5]])
CHOICE = svc([0.8, 0.5, 0.05], N=400, p=1)
DRAWN = {
    "innovation_path": lambda **k: plotting.innovation_path(GAPS, R, **k),
    "autocorrelation": lambda **k: plotting.autocorrelation(GAPS, **k),
    "cumulative_spectrum": lambda **k: plotting.cumulative_spectrum(GAPS, **k),
    "variance_found": lambda **k: plotting.variance_found(GAPS, R, **k),
    "cusum_path": lambda **k: plotting.cusum_path(cusum(GAPS), **k),
    "order_choice": lambda **k: plotting.order_choice(CHOICE, **k),
}


@pytest.mark.parametrize("name", DRAWN)
def test_it_draws_where_it_is_told_to_and_names_its_axes(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("show() was called"))
    settings = dict(mpl.rcParams)
    ax = plt.subplots()[1]
    assert DRAWN[name](ax=ax) is ax
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert DRAWN[name]() is not ax
    assert dict(mpl.rcParams) == settings


def band(ax):
    """Lower and upper edge of the first grey region."""
    y = ax.patches[0].get_extents().get_points()[:, 1] if ax.patches else None
    return ax.transData.inverted().transform(np.c_[[0, 0], y])[:, 1] if y is not None else None


def test_bars_and_points_are_the_statistics():
    r = autocorrelations(E, 20)
    ax = plotting.autocorrelation(E)
    heights = [bar.get_height() for bar in ax.patches[1:]]
    assert heights == [*r[1:, 0, 0], *r[1:, 1, 1]]
    np.testing.assert_allclose(band(ax), [-1.96 / np.sqrt(200), 1.96 / np.sqrt(200)], rtol=1e-12)
    assert heights != [*autocorrelations(E[1:], 20)[1:, 0, 0], *r[1:, 1, 1]], "the control"
    lines = plotting.cumulative_spectrum(E).lines
    assert [line.get_ydata().tolist() for line in lines] == [U.tolist() for U in cumulative_power(E)]
    found = nis(GAPS, R, window=10)
    points = plotting.variance_found(GAPS, R).lines[-1]
    np.testing.assert_array_equal(points.get_ydata(), found.statistic / found.degrees)
    assert points.get_xdata()[:3].tolist() == [5, 15, 25]


def test_the_band_of_the_spectrum_is_that_of_its_test():
    ax = plotting.cumulative_spectrum(E, level=0.01)
    reach = scipy.stats.kstwo.isf(0.01, 98)
    low, high = (f(ax.collections[0].get_paths()[0].vertices[:, 1]) for f in (min, max))
    np.testing.assert_allclose([low, high], [-reach, 1 + reach], rtol=1e-12)


def test_an_alarm_is_a_dot_on_its_sum():
    z = np.array([[0.0], [2.0], [2.0], [-4.0], [-4.0]])
    sums = cusum(z, h=2.5)
    dot = plotting.cusum_path(sums).lines[-1]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (2, 3.0)
    below = plotting.cusum_path(cusum(-z, h=2.5)).lines[-1]
    assert (below.get_xdata()[0], below.get_ydata()[0]) == (2, -3.0)
    assert len(plotting.cusum_path(cusum(z, h=50)).lines) == 4, "the control: two thresholds, two sums, no dot"


def test_side_by_side_each_model_has_five_sides_and_its_verdicts():
    """A claim of half the variance turns one title, of its own column, into the second colour."""
    axes = plotting.innovations_of({"right": (E, np.eye(2)), "wrong": (E, 0.6 * np.eye(2))})
    assert [list(sides) for sides in axes.values()] == [["path", "colour", "spectrum", "variance", "drift"]] * 2
    red = {(name, side) for name, sides in axes.items() for side, ax in sides.items() if _title(ax) == "#D55E00"}
    assert red == {("wrong", "variance")}
    assert diagnose(E, np.eye(2)).sound
    assert axes["wrong"]["path"].get_title() == "wrong"


def _title(ax):
    return ax.title.get_color() if not ax.get_title(loc="right") else ax._right_title.get_color()


def test_the_choice_is_filled_and_the_next_best_has_a_ring():
    line, chosen, ring = plotting.order_choice(CHOICE).lines
    assert line.get_ydata().tolist() == CHOICE.values.tolist()
    assert (chosen.get_xdata().tolist(), ring.get_xdata().tolist()) == ([2], [3])
    assert ring.get_markerfacecolor() == "none"
    ax = plotting.order_choice(bartlett([0.9, 0.5, 0.01], 500, 3, 3))
    assert (ax.get_yscale(), ax.lines[1].get_xdata().tolist()) == ("log", [2])


def test_nothing_to_draw_is_legal():
    none = np.zeros((20, 0))
    with warnings.catch_warnings(action="error"):
        empty = [
            plotting.innovation_path(none, np.zeros((0, 0))),
            plotting.autocorrelation(none, lags=3),
            plotting.cumulative_spectrum(none),
            plotting.cusum_path(cusum(none)),
            plotting.variance_found(np.zeros((0, 1)), [[1]]),
        ]
        assert plotting.innovations_of({}) == {}
    assert all(len(line.get_xdata()) <= 2 for ax in empty for line in ax.lines)
    assert all(any(len(line.get_xdata()) > 2 for line in DRAWN[name]().lines) for name in DRAWN if name[0] != "a")


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: plotting.innovation_path(E[:, 0], R), r"one column is e\[:, None\]"),
        (lambda: plotting.cusum_path(E), "sums is a ndarray; a Cusum is needed"),
        (lambda: plotting.order_choice(3), "choice is a int; an OrderChoice is needed"),
        (lambda: plotting.innovations_of([E]), "models is a list; a mapping"),
        (lambda: plotting.autocorrelation(E, lags=300), "300 lags of 200 samples"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
