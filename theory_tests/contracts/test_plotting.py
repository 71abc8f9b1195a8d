"""A figure shows the numbers that it was given, where it was told to, and leaves the session as it was."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection

from realization import plotting
from realization.core.errors import ShapeError
from realization.linalg.decision import decide_rank
from realization.systems import NAMED_CONTINUOUS
from realization.systems.library import integrators
from realization.systems.named import NAMED

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (after the backend)

w = np.geomspace(0.01, np.pi, 40)
# name: (one vector to draw, how to draw it, where its numbers are found)
DRAWN = {
    "pole_zero": ([0.5, 0.5j, -0.5j], plotting.pole_zero, lambda line: np.dot(line.get_xydata(), [1, 1j])),
    "impulse": ([0, 1, 0.5, 0.25], plotting.impulse, lambda line: line.get_ydata()),
    "step": ([0, 1, 1.5, 1.75], plotting.step, lambda line: line.get_ydata()),
    "spectrum": ([1, 0.3, 1e-3], plotting.spectrum, lambda line: line.get_ydata()),
    "memory_decay": ([1, 0.5, 0.3], lambda x, **k: plotting.memory_decay({"x": x}, **k), lambda line: line.get_ydata()),
    "paths": ([1, 0.3, -0.5], lambda x, **k: plotting.paths({"x": x}, **k), lambda line: line.get_ydata()),
    "covariance_sequence": ([0.1, 1, 0.3], plotting.covariance_sequence, lambda line: line.get_ydata()),
    "identified_spectra": (
        [1, 0.3, 0.5],
        lambda x, **k: plotting.identified_spectra([0.5, 1, 2], {"x": x}, **k),
        lambda line: line.get_ydata(),
    ),
    "recall_curves": (
        [0.1, 0.5, 0.3],
        lambda x, **k: plotting.recall_curves({"x": ([1, 2, 4], x)}, **k),
        lambda line: line.get_ydata(),
    ),
    "memory_spectrum": (
        [0.1, 0.5, 0.3],
        lambda x, **k: plotting.memory_spectrum({"x": ([1, 2, 4], x)}, **k),
        lambda line: line.get_ydata(),
    ),
    "size_against_error": (
        [1, 0.5, 0.3],
        lambda x, **k: plotting.size_against_error({"x": ([1, 10, 100], x)}, **k),
        lambda line: line.get_ydata(),
    ),
}


def shows(ax, values, read):
    """Whether one of the lines has exactly these values."""
    return any(np.array_equal(read(line), np.asarray(values)) for line in ax.lines)


@pytest.mark.parametrize("name", DRAWN)
def test_the_line_is_the_data(name):
    x, draw, read = DRAWN[name]
    assert shows(draw(x), x, read)
    assert not shows(draw(x), np.asarray(x) * (1 + 1e-15), read), "the control: one rounding off is seen"


@pytest.mark.parametrize("name", DRAWN)
def test_it_draws_where_it_is_told_to_and_changes_nothing_else(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("show() was called"))
    x, draw, _ = DRAWN[name]
    settings = dict(matplotlib.rcParams)
    ax = plt.subplots()[1]
    assert draw(x, ax=ax) is ax
    assert plt.get_fignums() == [1]
    assert draw(x) is not ax
    assert plt.get_fignums() == [1, 2]
    assert dict(matplotlib.rcParams) == settings


def test_every_axis_has_a_name():
    axes = [DRAWN[name][1](DRAWN[name][0]) for name in DRAWN]
    axes.append(plotting.bode(w, 1 / (np.exp(1j * w) - 0.9))[1])
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)


def test_bode_has_the_size_in_decibels_and_an_angle_without_jumps():
    H = np.exp(-5j * w)
    size, angle = plotting.bode(w, H)
    assert np.abs(size.lines[0].get_ydata()).max() < 1e-14
    assert np.allclose(angle.lines[0].get_ydata(), -5 * np.degrees(w), rtol=1e-13)
    assert np.abs(np.diff(np.degrees(np.angle(H)))).max() > 180, "the control: the plain angle does jump"
    names = [plotting.bode(w, H, continuous=each)[1].get_xlabel()[-12:] for each in (False, True)]
    assert [name.split()[-1] for name in names] == ["step", "time"]


def test_a_complex_response_is_drawn_in_two_parts():
    h = np.array([0, 1, 0.5 + 0.5j, 0.5j])
    lines = plotting.step(h).lines
    assert [(line.get_label(), line.get_ydata().tolist()) for line in lines] == [
        ("Re $y$", [0, 1, 0.5, 0]), ("Im $y$", [0, 0, 0.5, 0.5])
    ]  # fmt: skip
    assert len(plotting.step(h.real + 0j).lines) == 1, "the control: of type complex, and real"


def test_paths_do_not_touch_and_keep_one_unit():
    y = np.array([[0, 1.0], [2, 3], [1, -1]])
    first, second = np.split(np.stack([line.get_ydata() for line in plotting.paths({"a": y, "b": 10 * y}).lines]), 2)
    assert second.max() < first.min()
    assert np.allclose(second - second[0, 0], 10 * (first - first[0, 0]))


def test_what_is_exactly_zero_is_drawn_apart():
    """A logarithmic axis has no zero: an open circle on the lower edge, whatever the smallest number is."""
    ax = plotting.memory_decay({"window": [1, 1, 0, 0], "fading": [1, 1e-3, 1e-6, 1e-9]})
    bottom = ax.get_ylim()[0]
    assert bottom < 1e-9
    drawn = [line.get_xdata().tolist() for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert drawn == [[2, 3], []], "zeros at 2 and 3 of the one, none of the other"


def test_a_memory_spectrum_has_areas_for_what_fades_and_the_sum_of_each_source():
    ax = plotting.memory_spectrum({"held": ([1, 9], [0.5, 0.0])}, {"fading": ([2, 3], [0.25, 0.125])})
    held, fading = ax.lines
    assert held.get_xydata().tolist() == [[1, 0.5]], "a weight of 0 has no place on the axis"
    assert fading.get_ydata().tolist() == [0.25, 0.125]
    (area,) = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert area.get_datalim(ax.transData).x1 == 3
    assert [line.get_label() for line in ax.lines] == ["held: 0.50", "fading: 0.38"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_bands_of_an_accuracy_are_binomial():
    ax = plotting.recall_curves({"a": ([1, 2], [0.5, 1.0])}, {"full": 0.75}, questions=100, needed=2)
    (band,) = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert band.get_datalim(ax.transData).y0 == pytest.approx(0.5 - 2 * 0.05), "sqrt(0.5 0.5 / 100) = 0.05"
    assert [text.get_text() for text in ax.texts] == ["full"]
    assert not plotting.recall_curves({"a": ([1, 2], [0.5, 1.0])}).collections, "the control"


def test_a_text_keeps_its_letters_and_frames_those_that_are_kept():
    ax = plotting.surprising_text(b"ab\ncd", [1, 2, 3, 4, 5], [0, 1, 0, 0, 1], columns=3)
    assert [letter.get_text() for letter in ax.texts] == ["a", "b", "·", "c", "d"]
    assert [letter.get_position() for letter in ax.texts] == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    assert ax.images[0].get_array().compressed().tolist()[:5] == [1, 2, 3, 4, 5]
    assert [frame.get_xy() for frame in ax.patches] == [(0.5, -0.5), (0.5, 0.5)]
    assert not plotting.surprising_text(b"ab", [1, 2]).patches, "the control"
    assert not plotting.surprising_text(b"", []).texts


def test_an_envelope_has_the_colour_of_its_system():
    ax = plotting.memory_decay({"a": [1, 1, 1], "b": [1, 0.5, 0.2]}, {"b": (2.0, 0.5)})
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed.get_ydata().tolist() == [2, 1, 0.5]
    assert dashed.get_color() == plotting.COLOURS[1]


def test_a_decision_is_marked_between_what_counts_and_what_does_not():
    for s, names, places in (
        ([1, 0.3, 1e-15], ["rank 2"], [2.5]),
        ([1, 1e-8, 1e-16], ["rank 1?", "rank 2?"], [1.5, 2.5]),
    ):
        ax = plotting.spectrum(s, decision=decide_rank(s))
        assert [text.get_text() for text in ax.texts] == names
        assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"] == places


def test_poles_on_one_spot_are_counted():
    texts = [text.get_text() for text in plotting.pole_zero([0, 1e-9, -1e-9j, 0.5]).texts]
    assert texts == ["3"]
    assert not plotting.pole_zero([0, 0.3, 0.5]).texts, "the control"


def test_zeros_far_out_are_counted_and_leave_the_scale_alone():
    ax = plotting.pole_zero([0.5, -0.5], [0.9, 40.0])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["poles", "zeros (1 of 2 outside)"]
    assert ax.get_xlim()[1] < 2
    assert plotting.pole_zero([0.5, 30.0], [0.9, 40.0]).get_xlim()[1] > 40, "the control: a pole is never left out"


def test_blocks_tells_rounding_from_zero():
    image = plotting.blocks([[1, 1e-16], [0, 1]], (1, 1)).images[0]
    assert image.get_array().mask.tolist() == [[False, False], [True, False]]
    assert [len(plotting.blocks(np.eye(2), scale=scale).figure.axes) for scale in (True, False)] == [2, 1]


def points(ax):
    """How many data are drawn; what has two points is a line of reference or a baseline."""
    lines = [len(line.get_xdata()) for line in ax.lines]
    scattered = [len(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)]
    return sum(n for n in lines if n != 2) + sum(scattered) + sum(image.get_array().size for image in ax.images)


def drawn_of(k, shape):
    """Every figure of k values."""
    x, h = np.full(k, 0.5), np.full((k, *shape), 0.5)
    return [
        plotting.impulse(h),
        plotting.step(h),
        plotting.pole_zero(x),
        plotting.spectrum(x, decision=decide_rank(x)),
        plotting.memory_decay({"one": x}),
        plotting.size_against_error({"one": (x, x)}),
        plotting.recall_curves({"one": (x, x)}),
        plotting.memory_spectrum({"one": (2 * x, x)}, {"two": (2 * x, x)}),
        plotting.blocks(np.full((k, k), 0.5)),
        plotting.paths({"one": x}),
        plotting.covariance_sequence(x, {"one": x}),
        plotting.information_carried(x),
        plotting.directions({"one": x}),
        *plotting.bode(x, x),
    ]


@pytest.mark.parametrize("shape", [(), (1, 1), (2, 2)])
def test_nothing_to_draw_is_legal(shape):
    """Axes without data; of three values each figure shows all."""
    with warnings.catch_warnings(action="error"):
        empty = [*drawn_of(0, shape), plotting.memory_decay({}), plotting.size_against_error({}), plotting.paths({})]
    assert [points(ax) for ax in empty] == [0] * len(empty)
    plt.close("all")
    assert all(points(ax) >= 3 for ax in drawn_of(3, shape)), "the control"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: plotting.impulse([1, np.nan]), "h has 1 entries that are NaN or infinite"),
        (lambda: plotting.step(np.zeros((2, 2))), r"y has shape \(2, 2\)"),
        (lambda: plotting.spectrum([1, -1e-3]), "negative entry, -0.001"),
        (lambda: plotting.bode([1, 2], [1]), "H has 1 frequencies, omega 2"),
        (lambda: plotting.memory_decay({"a": [1]}, {"b": (1, 0.5)}), "envelopes given for b"),
        (lambda: plotting.memory_decay({"a": [-1.0]}), "a has a negative entry"),
        (lambda: plotting.size_against_error({"a": ([1, 2], [0, 1])}), "all > 0, are needed"),
        (lambda: plotting.recall_curves({"a": ([1, 2], [0.5])}), "a has 2 capacities and 1 accuracies"),
        (lambda: plotting.recall_curves({"a": ([1], [1.5])}), r"as many in \[0, 1\] needed"),
        (lambda: plotting.memory_spectrum({"a": ([1, 2], [0.5])}), "a has 2 ages and 1 weights"),
        (lambda: plotting.memory_spectrum({"a": ([0], [0.5])}), "ages from 1 on"),
        (lambda: plotting.memory_spectrum({}, {"a": ([1], [-0.5])}), "weights from 0 on"),
        (lambda: plotting.surprising_text(b"ab", [1.0]), "have 2, 1 and 1 entries"),
        (lambda: plotting.surprising_text(b"a", [np.nan]), "NaN or infinite"),
        (lambda: plotting.blocks(np.eye(2), (2, 1)), r"blocks of sizes \[2, 1\]"),
        (lambda: plotting.pole_zero(np.eye(2)), "a vector is needed"),
        (lambda: plotting.pole_zero(integrators(1)), "poles is a LinearSSM"),
        (lambda: plotting.paths({"a": np.zeros((3, 8))}), r"a has shape \(3, 8\), float64; real numbers"),
        (lambda: plotting.paths({"a": [1]}, backward=["b"]), "backward names b, not among a"),
        (lambda: plotting.covariance_sequence([1, 2]), "truth has 2 lags; an odd number is needed"),
        (lambda: plotting.covariance_sequence([1, 2, 3], {"a": [1]}), "a has 1 lags"),
        (lambda: plotting.covariance_sequence([1, 2j, 3]), "truth is complex; the covariances of one pair of real"),
        (lambda: plotting.memory_decay([1, 2]), "remains is a list; a mapping"),
        (lambda: plotting.memory_of(integrators(1)), "systems is a LinearSSM; a mapping"),
        (lambda: plotting.memory_of({"a": NAMED_CONTINUOUS["legs"].make()}), "memory_of a of a ContinuousSSM"),
        (lambda: plotting.portrait(NAMED_CONTINUOUS["legs"].make()), "portrait of a ContinuousSSM"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def test_matplotlib_is_loaded_by_the_first_figure_only():
    code = (
        "import sys; from realization import plotting; print('matplotlib' in sys.modules); "
        "plotting.step([0, 1]); print('matplotlib' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_a_portrait_needs_no_stability_and_no_state():
    """Each side is there for an unstable system, for one at the edge and for one without a state."""
    for entry in (NAMED[name] for name in ("unstable", "integrators", "static_gain", "with_indices")):
        axes = plotting.portrait(entry.make(), steps=8)
        assert all(axes[side].get_ylabel() for side in ("poles", "impulse", "size", "angle", "hankel"))
        plt.close("all")


def test_what_is_remembered_lies_below_its_envelope():
    systems = {"fading": NAMED["mamba_channel"].make(), "window": NAMED["delay_line"].make(), "sum": integrators(1)}
    ax = plotting.memory_of(systems, steps=30)
    lines = {line.get_label(): line.get_ydata() for line in ax.lines if line.get_label()[0] != "_"}
    bounded = {name for name in lines if name.startswith("$")}
    assert bounded == {r"$c\lambda^t$ of fading"}, "the window ends by itself, the sum has no bound"
    assert (lines["fading"] <= lines[bounded.pop()]).all()
    assert lines["fading"][0] == 1


def test_the_docstring_lists_every_figure():
    listed = set(re.findall(r"^    (\w+)(?:, (\w+))?  ", plotting.__doc__, re.MULTILINE))
    assert {name for name in plotting.__all__ if name.islower()} == {name for pair in listed for name in pair if name}
