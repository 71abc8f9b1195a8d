"""An estimate is drawn with the band that its variance says, and a gap where that is unknown."""

import numpy as np
import pytest

from realization import plotting
from realization.core.errors import ShapeError, StructureError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


def band(ax, k=0):
    """Lowest and highest value of a band."""
    vertices = ax.collections[k].get_paths()[0].vertices[:, 1]
    return vertices.min(), vertices.max()


def test_line_band_dots_and_paths_are_the_numbers():
    seen, paths = [1, np.nan, 3], [[0, 1, 2], [3, 4, 5]]
    ax = plotting.estimate([1, 2, 3], [5, 6, 7], [4, 4, 4], observed=seen, draws=paths, name="x")
    drawn = [line.get_ydata() for line in ax.lines]
    for found, wanted in zip(drawn, ([0, 1, 2], [3, 4, 5], [5, 6, 7], [1, np.nan, 3]), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert band(ax) == pytest.approx((5 - 2 * 1.6449, 7 + 2 * 1.6449))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["x", "observed"]


def test_the_band_holds_ninety_of_a_hundred():
    """The control of the 1.6449: 100 000 normal numbers, to 5 standard errors."""
    x = np.random.default_rng(0).standard_normal(100_000)
    low, high = band(plotting.estimate([0, 1], [0, 0], [1, 1]))
    assert abs(((low < x) & (x < high)).mean() - 0.9) < 5 * np.sqrt(0.09 / len(x))


def test_a_second_estimate_has_the_second_colour():
    ax = plotting.estimate([0, 1], [0, 0], [1, 1])
    plotting.estimate([0, 1], [1, 1], [1, 1], ax=ax)
    assert [line.get_color() for line in ax.lines] == list(plotting.COLOURS[:2])


def test_where_nothing_is_known_the_band_has_a_gap():
    ax = plotting.estimate([0, 1, 2, 3], [0, 0, 0, 0], [np.inf, 1, np.nan, 1])
    assert np.isfinite(band(ax)).all()
    assert plotting.estimate([], [], []).lines[0].get_ydata().size == 0


def test_refused():
    with pytest.raises(ShapeError, match=r"shapes \(2,\), \(1,\), \(2,\)"):
        plotting.estimate([0, 1], [0], [1, 1])
    with pytest.raises(StructureError, match="entry -1, need >= 0"):
        plotting.estimate([0], [0], [-1])
