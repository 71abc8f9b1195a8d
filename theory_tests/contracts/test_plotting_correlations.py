"""Figures of canonical correlations show the numbers given, and refuse what is no correlation or angle."""

import numpy as np
import pytest

from realization import plotting
from realization.core.errors import ShapeError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


def test_bars_are_shares_and_the_line_is_their_sum():
    ax = plotting.information_carried([0.9, 0.3, 0.0], [0.0, 0.5])
    share = -np.log(1 - np.array([0.9, 0.3, 0.0]) ** 2) / 2
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], share, atol=1e-15)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0, *np.cumsum(share)], atol=1e-15)
    assert ax.lines[1].get_ydata().tolist() == [0.0, 0.5]
    assert len(plotting.information_carried([0.9]).lines) == 1, "the control: no models, no line of them"


def test_rays_stand_at_their_angles():
    ax = plotting.directions({"a": [0.3, np.pi / 2, 0.3 + 1e-9], "b": [0.7]})
    rays = [line.get_xydata() for line in ax.lines if len(line.get_xdata()) == 2]
    assert [float(np.arctan2(ray[1, 1], ray[1, 0])) for ray in rays] == pytest.approx([0.3, 0.3, np.pi / 2, 0.7])
    assert [text.get_text() for text in ax.texts] == ["2"], "two coincide, and the third does not"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: plotting.information_carried([1.0]), "1 carries without end"),
        (lambda: plotting.information_carried([-0.1]), "from 0 to below 1"),
        (lambda: plotting.directions({"a": [2.0]}), "angles from 0 to pi/2"),
        (lambda: plotting.directions([0.1]), "angles is a list; a mapping"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
