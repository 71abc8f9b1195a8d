"""Figures of systems: each function draws numbers on an Axes and returns it; none computes, none shows.

    pole_zero           poles and zeros, with the region in which a pole is stable
    impulse, step       responses of a system, one line for each pair of output and input
    bode                size and angle of a frequency response
    spectrum            singular values on a logarithmic scale, and the rank that was read off them
    memory_decay        what remains of an input after t steps, with the envelopes that bound it
    size_against_error  what an approximation costs and what it reaches, beside the formats that spoil it
    blocks              the entries of a matrix on a logarithmic scale, and the blocks of its structure

Without `ax` a new figure is made, of a size that is legible at half the width of a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import finite
from realization.linalg.decision import Decision

# Okabe and Ito (2008): told apart by all kinds of colour vision, and in grey by their order
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STABLE = "#F0F0F0"
SIZE = (4.8, 3.2)
EPS = float(np.finfo(np.float64).eps)


def pole_zero(poles: Any, zeros: Any = (), *, continuous: bool = False, ax: Any = None) -> Any:
    """Draw poles (crosses) and zeros (circles) in the complex plane.

    Parameters
    ----------
    poles, zeros : array_like
        Complex numbers, (n,) and (k,).  Where several fall on one spot their number stands beside it.
    continuous : bool
        Whether a pole is stable left of the imaginary axis, and not inside the unit circle.
    ax : Axes, optional
        Where to draw.  Default: a new figure.

    Returns
    -------
    Axes
        With equal scales.

    Raises
    ------
    ShapeError
        If a number is not finite, or they do not form a vector.

    Examples
    --------
    >>> ax = pole_zero([0.9, 0.5j, -0.5j], [-1.0])
    >>> [len(line.get_xdata()) for line in ax.lines if line.get_label() in ("poles", "zeros")]
    [3, 1]
    """
    poles, zeros = (_vector(name, x) for name, x in (("poles", poles), ("zeros", zeros)))
    ax = _axes(ax, (3.8, 3.6))
    points = np.concatenate([poles, zeros])
    reach = 1.12 * max(np.abs(points.real).max(initial=1.0), np.abs(points.imag).max(initial=1.0))
    ax.axhline(0, color="0.75", linewidth=0.8, zorder=1)
    ax.axvline(0, color="0.75", linewidth=0.8, zorder=1)
    if continuous:
        ax.axvspan(-reach, 0, color=STABLE, zorder=0)
    else:
        turn = np.exp(2j * np.pi * np.linspace(0, 1, 361))
        ax.fill(turn.real, turn.imag, facecolor=STABLE, edgecolor="0.4", linewidth=1, zorder=0)
    for name, values, marker, colour in (("poles", poles, "x", COLOURS[0]), ("zeros", zeros, "o", COLOURS[1])):
        if len(values):
            style = {"markersize": 8, "markeredgewidth": 1.8, "fillstyle": "none", "zorder": 3, "clip_on": False}
            ax.plot(values.real, values.imag, marker, color=colour, label=name, **style)
        for z, count in _spots(values, reach / 60):
            place = {"xytext": (6, 6 if name == "poles" else -13), "textcoords": "offset points"}
            ax.annotate(str(count), (z.real, z.imag), color=colour, fontsize="small", **place)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=f"Re ${_plane(continuous)}$")
    ax.set(ylabel=f"Im ${_plane(continuous)}$", aspect="equal")
    if len(poles) and len(zeros):
        _legend_above(ax)
    return ax


def impulse(h: Any, *, label: str | None = None, ax: Any = None) -> Any:
    """Draw an impulse response h(t), t = 0, 1, ..., as stems; h(0) = D, h(t) = C A^(t-1) B.

    Parameters
    ----------
    h : array_like
        (T,), or (T, p, m) as `markov_parameters` returns it.
    label : str, optional
        Name in the legend, where h is (T,).
    ax : Axes, optional
        Where to draw; what is there keeps its colour.

    Returns
    -------
    Axes
        With one series of stems for each pair of output and input.

    Raises
    ------
    ShapeError
        If h has other axes, or is not finite.

    Examples
    --------
    >>> impulse([0, 0, 1, 0]).get_ylabel()
    '$h(t)$'
    """
    ax = _axes(ax)
    series = _series("h", h, label)
    for k, (name, values) in enumerate(series):
        colour = COLOURS[len(ax.collections) % len(COLOURS)]
        t = np.arange(len(values)) + 0.12 * (k - (len(series) - 1) / 2)
        ax.vlines(t, 0, values, color=colour, linewidth=1.5, label=name)
        ax.plot(t, values, "o", color=colour, markersize=4)
    ax.axhline(0, color="0.75", linewidth=0.8, zorder=0)
    return _finish(ax, xlabel="step $t$", ylabel="$h(t)$")


def step(y: Any, *, label: str | None = None, ax: Any = None) -> Any:
    """Draw a step response y(t), t = 0, 1, ..., each value held until the next.

    Parameters
    ----------
    y : array_like
        (T,) or (T, p, m).
    label : str, optional
        Name in the legend, where y is (T,).
    ax : Axes, optional
        Where to draw; what is there keeps its colour.

    Returns
    -------
    Axes
        With one line for each pair of output and input.

    Raises
    ------
    ShapeError
        If y has other axes, or is not finite.

    Examples
    --------
    >>> step([0, 1, 1.5, 1.75]).lines[0].get_ydata().tolist()
    [0.0, 1.0, 1.5, 1.75]
    """
    ax = _axes(ax)
    for name, values in _series("y", y, label):
        colour = COLOURS[len(ax.lines) % len(COLOURS)]
        ax.step(np.arange(len(values)), values, where="post", color=colour, linewidth=1.6, label=name)
    return _finish(ax, xlabel="step $t$", ylabel="$y(t)$ for $u = 1$")


def bode(omega: Any, H: Any, *, label: str | None = None, axes: Any = None) -> Any:
    """Draw 20 log10 |H| and the angle of H over the frequency.

    Parameters
    ----------
    omega : array_like
        (k,), rising, positive, in radians per step (per unit of time in continuous time).
    H : array_like
        (k,) or (k, p, m), complex.
    label : str, optional
        Name in the legend, where H is (k,).
    axes : pair of Axes, optional
        For the size and for the angle.

    Returns
    -------
    pair of Axes
        Size in decibels above, unwrapped angle in degrees below.

    Raises
    ------
    ShapeError
        If the lengths differ, or something is not finite.

    Examples
    --------
    A delay leaves the size alone and turns by 180 degrees at the highest frequency:

    >>> w = np.array([0.5, 1.0, 2.0, np.pi])
    >>> size, angle = bode(w, np.exp(-1j * w))
    >>> size.lines[0].get_ydata().round(12).tolist(), angle.lines[0].get_ydata()[-1].round(9).item()
    ([0.0, 0.0, 0.0, 0.0], -180.0)
    """
    omega = _vector("omega", omega).real
    series = _series("H", H, label)
    if any(len(values) != len(omega) for _, values in series):
        raise ShapeError(f"H has {len(series[0][1])} frequencies, omega {len(omega)}; as many are needed")
    if axes is None:
        import matplotlib.pyplot as plt

        axes = plt.subplots(2, 1, sharex=True, figsize=(4.8, 4.2), layout="constrained")[1]
    size, angle = axes
    for name, values in series:
        colour = COLOURS[len(size.lines) % len(COLOURS)]
        # a zero on the circle is drawn at the floor of double precision
        floor = EPS * max(np.abs(values).max(initial=0.0), np.finfo(float).tiny)
        size.semilogx(omega, 20 * np.log10(np.maximum(np.abs(values), floor)), color=colour, label=name)
        angle.semilogx(omega, np.degrees(np.unwrap(np.angle(values))), color=colour)
    for ax in (size, angle):
        ax.grid(True, which="both", color="0.92", linewidth=0.6)
    angle.set(ylabel=r"angle of $H$, degrees", xlabel=r"frequency $\omega$, rad per step")
    _finish(size, ylabel=r"$|H|$, dB")
    return size, angle


def spectrum(values: Any, *, decision: Decision | None = None, label: str | None = None, ax: Any = None) -> Any:
    """Draw singular values, largest first, and the rank that a decision reads off them.

    Parameters
    ----------
    values : array_like
        (k,), nonnegative: Hankel singular values, say.
    decision : Decision, optional
        Its gap is marked, and that of its rival where it is undecided.
    label : str, optional
        Name in the legend.
    ax : Axes, optional
        Where to draw; what is there keeps its colour.

    Returns
    -------
    Axes
        Logarithmic; below the grey line, eps times the largest, is rounding.  Zeros are drawn on it.

    Raises
    ------
    ShapeError
        If a value is negative or not finite.

    Examples
    --------
    >>> from realization.linalg.decision import decide_rank
    >>> s = [1.0, 0.1, 1e-13]
    >>> [text.get_text() for text in spectrum(s, decision=decide_rank(s)).texts]
    ['rank 2']
    """
    s = _vector("values", values).real
    if (s < 0).any():
        raise ShapeError(f"values has a negative entry, {s.min():.3g}; singular values are needed")
    ax = _axes(ax)
    largest = float(s.max(initial=0.0)) or 1.0
    colour = COLOURS[sum(line.get_marker() == "o" for line in ax.lines) % len(COLOURS)]
    if not any(line.get_linestyle() == ":" for line in ax.lines):
        ax.axhline(EPS * largest, color="0.6", linewidth=1, linestyle=":")
    ax.semilogy(np.arange(1, len(s) + 1), np.maximum(s, EPS * largest), "o", color=colour, markersize=5, label=label)
    for rank, name, dark in _choices(decision):
        ax.axvline(rank + 0.5, color="black", alpha=1.0 if dark else 0.4, linewidth=1, linestyle="--")
        ax.annotate(name, (rank + 0.5, 1), (4, -12), xycoords=("data", "axes fraction"), textcoords="offset points")
    return _finish(ax, xlabel="index $k$", ylabel=r"singular value $\sigma_k$")


def memory_decay(
    remains: Mapping[str, Any], envelopes: Mapping[str, tuple[float, float]] | None = None, *, ax: Any = None
) -> Any:
    """Draw what remains of an input after t = 0, 1, ... steps, and bounds c lambda^t on it.

    Parameters
    ----------
    remains : mapping of str to array_like
        For each system (T,) numbers >= 0, such as |C A^t B| over its largest value.
    envelopes : mapping of str to (c, lambda), optional
        Drawn dashed in the colour of the system of that name.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Logarithmic.  What is exactly 0 lies on the lower edge as an open circle.

    Raises
    ------
    ShapeError
        If a number is negative or not finite, or an envelope names no system.

    Examples
    --------
    >>> ax = memory_decay({"window": [1, 1, 0, 0], "fading": [1, 0.5, 0.25, 0.125]}, {"fading": (1.0, 0.5)})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['window', 'fading', '$c\\\\lambda^t$ of fading']
    """
    curves = {name: _vector(name, x).real for name, x in remains.items()}
    envelopes = dict(envelopes or {})
    for name, x in curves.items():
        if (x < 0).any():
            raise ShapeError(f"{name} has a negative entry, {x.min():.3g}; norms are needed")
    if strange := sorted(set(envelopes) - set(curves)):
        raise ShapeError(f"envelopes given for {', '.join(strange)}, which are not among {', '.join(curves)}")
    ax = _axes(ax)
    positive = np.concatenate([x[x > 0] for x in curves.values()] or [np.ones(0)])
    bottom = 10.0 ** np.floor(np.log10(positive.min(initial=0.1)) - 0.5)
    for k, (name, x) in enumerate(curves.items()):
        # what comes first lies on top: a window and an integrator are equal for a while
        t = np.arange(len(x))
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "zorder": 3 - k / len(curves)}
        ax.semilogy(t, np.maximum(x, bottom), linewidth=1.4, label=name, **style)
        ax.semilogy(t[x > 0], x[x > 0], "o", markersize=4, **style)
        ax.semilogy(t[x == 0], np.full((x == 0).sum(), bottom), "o", **_open(style["color"]))
        if name in envelopes:
            c, rate = envelopes[name]
            label = rf"$c\lambda^t$ of {name}"
            ax.semilogy(t, np.maximum(c * rate**t, bottom), "--", linewidth=1.2, label=label, **style)
    ax.set_ylim(bottom=bottom)
    _finish(ax, xlabel="steps since the input, $t$", ylabel="what remains")
    if curves:
        _legend_above(ax)
    return ax


def size_against_error(
    curves: Mapping[str, tuple[Any, Any]], formats: Mapping[str, float] | None = None, *, ax: Any = None
) -> Any:
    """Draw the error of approximations over the size of their coefficients, and what rounding adds.

    A read-out with coefficients of size c, computed with unit roundoff u, is off by about
    c u: where that line meets a curve the format can follow it no further.

    Parameters
    ----------
    curves : mapping of str to (sizes, errors)
        Each a pair of positive (k,).
    formats : mapping of str to float, optional
        Unit roundoff of each format; drawn as the line size times roundoff.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Logarithmic in both directions.

    Raises
    ------
    ShapeError
        If sizes and errors differ in length, or are not positive and finite.

    Examples
    --------
    >>> ax = size_against_error({"8 poles": ([1, 10, 100], [1, 0.1, 0.01])}, {"float32": 2.0**-24})
    >>> ax.get_xscale(), ax.texts[0].get_text()
    ('log', 'float32')
    """
    ax = _axes(ax)
    reach = []
    for k, (name, pair) in enumerate(curves.items()):
        size, error = (_vector(name, x).real for x in pair)
        if len(size) != len(error) or (size <= 0).any() or (error <= 0).any():
            raise ShapeError(f"{name} has {len(size)} sizes and {len(error)} errors; as many, all > 0, are needed")
        marker = "osD^vP*"[k % 7]
        ax.loglog(size, error, color=COLOURS[k % len(COLOURS)], marker=marker, markersize=4, linewidth=1.4, label=name)
        reach += [size.min(initial=1), size.max(initial=1)]
    left, right = min(reach, default=1.0), max(reach, default=1.0)
    low, high = ax.get_ylim()
    low = min([low, *(0.3 * roundoff * right for roundoff in (formats or {}).values())])
    for name, roundoff in (formats or {}).items():
        # the name stands where the line leaves the frame
        end = min(right, high / roundoff)
        ax.loglog([left, end], [roundoff * left, roundoff * end], color="0.45", linewidth=1, linestyle="--", zorder=1)
        place = {"ha": "left", "va": "center"} if end == right else {"ha": "center", "va": "bottom"}
        style = {"textcoords": "offset points", "color": "0.35", "fontsize": "small", "annotation_clip": False}
        ax.annotate(name, (end, roundoff * end), (4, 0) if end == right else (0, 3), **place, **style)
    ax.set_ylim(low, high)
    _finish(ax, xlabel="size of the read-out", ylabel="error")
    if curves:
        _legend_above(ax, gap=1.5)
    return ax


def blocks(A: Any, sizes: Sequence[int] = (), *, scale: bool = True, ax: Any = None) -> Any:
    """Draw the sizes of the entries of a matrix, and lines between the blocks of its structure.

    Parameters
    ----------
    A : array_like
        (k, n).
    sizes : sequence of int, optional
        Sizes of the diagonal blocks, from the upper left.
    scale : bool
        Whether the scale of colours is drawn beside it.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Dark where an entry is as large as the largest, light at eps times that, white where it is exactly 0.

    Raises
    ------
    ShapeError
        If A is not a finite matrix, or the sizes do not fit into it.

    Examples
    --------
    >>> blocks([[0, 1, 2], [0, 0, 3], [0, 0, 0.5]], (2, 1)).images[0].get_array().mask.sum().item()
    5
    """
    A = finite("A", np.asarray(A))
    if A.ndim != 2 or sum(sizes) > min(A.shape):
        raise ShapeError(f"A has shape {A.shape} and blocks of sizes {list(sizes)}; a matrix that holds them is needed")
    ax = _axes(ax, (3.9, 3.3))
    size = np.abs(A)
    level = np.ma.log10(np.ma.masked_equal(size, 0) / (size.max(initial=0.0) or 1.0))
    ax.set(xticks=[], yticks=[])
    if not A.size:
        return ax
    image = ax.imshow(level, cmap="Blues", vmin=np.log10(EPS), vmax=0, interpolation="nearest")
    for edge in np.cumsum(sizes)[: None if sum(sizes) < min(A.shape) else -1] - 0.5:
        ax.axhline(edge, color="black", linewidth=0.8)
        ax.axvline(edge, color="black", linewidth=0.8)
    if scale:
        ax.figure.colorbar(image, ax=ax, label=r"$\log_{10}$ of $|a_{ij}|$ / largest")
    return ax


def _axes(ax: Any, size: tuple[float, float] = SIZE) -> Any:
    """The Axes given, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def _finish(ax: Any, **labels: str) -> Any:
    """Labels, whole numbers of steps, a frame open to the upper right, and a legend where something has a name."""
    ax.set(**labels)
    if ax.get_xscale() == "linear":
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.spines[["top", "right"]].set_visible(False)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return ax


def _legend_above(ax: Any, gap: float = 0.2) -> None:
    """Where the numbers fill the frame from edge to edge."""
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=gap, ncols=2)


def _vector(name: str, x: Any) -> np.ndarray:
    x = finite(name, np.asarray(x, dtype=complex))
    if x.ndim != 1:
        raise ShapeError(f"{name} has shape {x.shape}, but a vector is needed")
    return x


def _series(name: str, x: Any, label: str | None) -> list[tuple[str | None, np.ndarray]]:
    """(label, values) for each pair of output and input."""
    x = finite(name, np.asarray(x))
    if x.ndim == 1:
        return [(label, x)]
    if x.ndim != 3:
        raise ShapeError(f"{name} has shape {x.shape}, but (T,) or (T, p, m) is needed")
    p, m = x.shape[1:]
    if p == m == 1:
        return [(label, x[:, 0, 0])]
    return [(f"${name}_{{{i + 1}{j + 1}}}$", x[:, i, j]) for i in range(p) for j in range(m)]


def _spots(values: np.ndarray, radius: float) -> list[tuple[complex, int]]:
    """Places that several of the values share at the resolution of the figure, and how many do."""
    left, found = list(values), []
    while left:
        near = [z for z in left if abs(z - left[0]) <= radius]
        if len(near) > 1:
            found.append((complex(near[0]), len(near)))
        left = [z for z in left if abs(z - left[0]) > radius]
    return found


def _choices(decision: Decision | None) -> list[tuple[int, str, bool]]:
    """(rank, what to write, whether it is the choice) for what a decision marks."""
    if decision is None:
        return []
    if decision.decided:
        return [(decision.choice, f"rank {decision.choice}", True)]
    rivals = [decision.choice, *([] if decision.rival is None else [decision.rival])]
    return [(rank, f"rank {rank}?", False) for rank in sorted(rivals)]


def _open(colour: str) -> dict[str, Any]:
    return {"markerfacecolor": "white", "markeredgecolor": colour, "markersize": 6, "clip_on": False, "zorder": 4}


def _plane(continuous: bool) -> str:
    return "s" if continuous else "z"
