"""All covariances that a state of two components can have, drawn flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.plotting.frame import COLOURS, STABLE, finish, legend_above, named, new_axes
from realization.stochastic import Extremal, FaurreSet, extremals

MERIDIANS, PARALLELS = 36, 80


def covariance_lens(full: FaurreSet, points: Mapping[str, Any] | None = None, *, ax: Any = None) -> Any:
    """Draw the set of covariances between P_- and P_+ as the lens that it is, inside all that lies between in order.

    With O = inv(P_+ - P_-) = L L' a covariance is drawn from Q = L' (P - P_-) L, which is 0 at P_- and I at
    P_+: to the right how far it is on the way, tr Q / 2; upwards in which direction it leaves it.  The lines
    are covariances of models with one noise more than outputs, P_- + inv(O + s X), s from 0 to infinity.

    Parameters
    ----------
    full : FaurreSet
        With two states.
    points : mapping of str to array_like, optional
        Covariances (2, 2) to draw, by their names.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With the four corners P_- ... P_+, two where the zeros are a complex pair, and their zeros.

    Raises
    ------
    ShapeError
        If the set is of another kind, there are not two states, or a point is no (2, 2) matrix.
    StructureError
        If there are zeros on the boundary: then there is no lens.

    Examples
    --------
    >>> from realization.stochastic import CovarianceModel, faurre_set
    >>> L = np.correlate([1, -0.2, -0.35], [1, -0.2, -0.35], "full")[2:]
    >>> full = faurre_set(CovarianceModel(np.eye(2, k=1), np.eye(1, 2), L[1:, None], [[L[0]]]))
    >>> ax = covariance_lens(full)
    >>> [text.get_text() for text in ax.texts]
    ['$P_-$\\nzeros 0.7, -0.5', 'zeros 1.43, -0.5', 'zeros 0.7, -2', '$P_+$\\nzeros 1.43, -2']
    """
    from scipy.spatial import ConvexHull

    flat = _Flat.of(full)
    lines = [flat.drawn(Q) for Q in _surface(full)]
    flat = flat.turned(np.concatenate([line[:, 1:] for line in lines]))
    lines = [flat.shown(line) for line in lines]
    ax = new_axes(ax, (7.2, 4.6))
    ax.fill([0, 0.5, 1, 0.5], [0, 0.5, 0, -0.5], color=STABLE, label="$P_- \\leq P \\leq P_+$")
    corners = [(corner, flat.place(corner.P - full.P_minus)) for corner in extremals(full)]
    outline = np.concatenate([*lines, [place for _, place in corners]])
    outline = outline[ConvexHull(outline).vertices]
    ax.fill(*outline.T, color=COLOURS[5], alpha=0.45, label="$M(P) \\geq 0$")
    for line in lines:
        ax.plot(*line.T, color=COLOURS[0], linewidth=0.6, alpha=0.7)
    for corner, (x, y) in corners:
        ax.plot(x, y, "o", color=COLOURS[1])
        _label(ax, corner, len(corners), x, y)
    for i, (name, P) in enumerate(named("points", points or {}).items()):
        P = np.asarray(P, dtype=np.float64)
        if P.shape != (2, 2):
            raise ShapeError(f"the point {name!r} has shape {P.shape}, but (2, 2) is needed")
        ax.plot(*flat.place(P - full.P_minus), "D", color=COLOURS[2 + i % 2], label=name)
    ax.set(xlim=(-0.5, 1.5), ylim=(-0.62, 0.62), aspect="equal", yticks=[])
    finish(ax, xlabel="share of the way from $P_-$ to $P_+$", ylabel="direction")
    legend_above(ax)
    return ax


def covariance_ellipses(covariances: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw x' inv(P) x = 1 for covariances of two components: where a state of that covariance typically is.

    Parameters
    ----------
    covariances : mapping of str to array_like
        (2, 2), positive semidefinite, by the names in the legend.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        An ellipse inside another belongs to the smaller covariance; a segment to one of rank 1.

    Raises
    ------
    ShapeError
        If a covariance is no (2, 2) matrix.

    Examples
    --------
    >>> ax = covariance_ellipses({"round": np.eye(2), "flat": [[4, 0], [0, 1]]})
    >>> [float(line.get_xdata().max().round(3)) for line in ax.lines]
    [1.0, 2.0]
    """
    ax, angle = new_axes(ax), np.linspace(0, 2 * np.pi, 201)
    for i, (name, P) in enumerate(named("covariances", covariances).items()):
        P = np.asarray(P, dtype=np.float64)
        if P.shape != (2, 2):
            raise ShapeError(f"the covariance {name!r} has shape {P.shape}, but (2, 2) is needed")
        values, V = np.linalg.eigh(P)
        x, y = V * np.sqrt(np.maximum(values, 0.0)) @ np.stack([np.cos(angle), np.sin(angle)])
        ax.plot(x, y, color=COLOURS[i % len(COLOURS)], label=name)
    ax.set_aspect("equal")
    finish(ax, xlabel="$x_1$", ylabel="$x_2$")
    legend_above(ax)
    return ax


class _Flat:
    """Coordinates of Q = L' (P - P_-) L: half its trace, and one direction of what is left of it."""

    def __init__(self, L: np.ndarray, direction: np.ndarray) -> None:
        self.L, self.direction = L, direction

    @classmethod
    def of(cls, full: Any) -> _Flat:
        if not isinstance(full, FaurreSet) or len(full.P_minus) != 2:
            what = f"{len(full.P_minus)} states" if isinstance(full, FaurreSet) else f"a {type(full).__name__}"
            raise ShapeError(f"the lens of {what}; a FaurreSet with 2 states is needed")
        return cls(np.linalg.cholesky(full.weight), np.array([1.0, 0.0]))

    def turned(self, spread: np.ndarray) -> _Flat:
        """The direction in which the set is widest."""
        direction = np.linalg.svd(spread - spread.mean(axis=0), full_matrices=False)[2][0]
        return _Flat(self.L, direction * (np.sign(direction[np.argmax(np.abs(direction))]) or 1.0))

    def drawn(self, Q: np.ndarray) -> np.ndarray:
        """(k, 3): tr / 2, and the two coordinates of the traceless part."""
        Q = self.L.T @ Q @ self.L
        return np.stack([Q[:, 0, 0] + Q[:, 1, 1], Q[:, 0, 0] - Q[:, 1, 1], 2 * Q[:, 0, 1]], axis=1) / 2

    def shown(self, line: np.ndarray) -> np.ndarray:
        return np.stack([line[:, 0], line[:, 1:] @ self.direction], axis=1)

    def place(self, Q: np.ndarray) -> np.ndarray:
        return self.shown(self.drawn(Q[None]))[0]


def _surface(full: FaurreSet) -> Iterator[np.ndarray]:
    """Lines inv(O + s X), X = F' X F + W with W of rank 1, from P_+ to P_-: together the boundary of the set."""
    O = full.weight
    L, s = np.linalg.cholesky(O), np.concatenate([[0], np.geomspace(1e-3, 1e4, PARALLELS)])[:, None, None]
    for angle in np.linspace(0, np.pi, MERIDIANS, endpoint=False):
        v = L @ [np.cos(angle), np.sin(angle)]
        X = np.linalg.inv(full.beyond(np.outer(v, v)) - full.P_minus) - O
        yield np.concatenate([np.linalg.inv(O + s * X), np.zeros((1, 2, 2))])


def _label(ax: Any, corner: Extremal, corners: int, x: float, y: float) -> None:
    """Its zeros beside a corner: P_- has flipped none of its groups, P_+ all of them."""
    real, imaginary = corner.zeros[0].real, abs(corner.zeros[0].imag)
    listed = ", ".join(f"{z:.3g}" for z in corner.zeros.real)
    text = f"${real:.2g} \\pm {imaginary:.2g} i$" if imaginary > 1e-8 else listed
    ends = {1: ("$P_-$\n", "right", (-8, -12)), corners: ("$P_+$\n", "left", (8, -12))}
    name, side, offset = ends.get(2 ** len(corner.flipped), ("", "center", (0, 8 if y > 0 else -16)))
    ax.annotate(f"{name}zeros {text}", (x, y), offset, textcoords="offset points", ha=side)
