"""Figures of one window and many processes show what they are given, on the Axes that they are given."""

import numpy as np
import pytest

from realization import plotting
from realization.core.errors import ShapeError
from realization.stochastic import autocovariances, from_reflections, rational_extension

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (after the backend)


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    plt.close("all")


def test_densities_are_drawn_as_they_are():
    w, Phi = [0, 1, 2, 3], [1, 0.5, 2, 1e-3]
    ax = plt.subplots()[1]
    assert plotting.densities(w, {"one": Phi}, ax=ax) is ax
    assert ax.lines[0].get_ydata().tolist() == Phi
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    on_the_circle = plotting.densities(w, {"one": [1, 0, 0, 1]}).lines[0].get_ydata()
    assert on_the_circle.min() > 0, "a zero has a place on a logarithmic scale"


def test_the_window_is_shared_and_the_rest_is_not():
    c = from_reflections(1.0, [0.5, -0.3])
    lags = {
        str(zero): autocovariances(rational_extension(c, np.poly([zero, 0])).model, 5)[:, 0, 0] for zero in (0, 0.8)
    }
    ax = plotting.continuations(c, lags)
    one, two, given = (line.get_ydata() for line in ax.lines if not line.get_label().startswith("_"))
    assert np.array_equal(given, c)
    assert np.allclose(one[:3], two[:3], atol=1e-14)
    assert abs(one[3] - two[3]) > 0.01
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "0.8", "given"]


def test_nothing_to_draw_is_legal():
    assert not plotting.densities([], {}).lines
    assert len(plotting.continuations([], {}).lines) == 2


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: plotting.densities([0, 1], {"a": [1]}), "a has 1 frequencies, omega 2"),
        (lambda: plotting.densities([0, 1], {"a": [1, -1]}), "a has a negative entry, -1"),
        (lambda: plotting.densities([0, 1], [1, 1]), "densities is a list; a mapping"),
        (lambda: plotting.continuations([1, 0.5], {"a": [1]}), "a has 1 covariances, the window 2"),
        (lambda: plotting.continuations([1, np.nan], {}), "window has 1 entries that are NaN"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
