"""What a system is: dimensions, poles, stability, minimality, memory, each with the number that decided it.

    stable          all |pole| < 1 (all Re pole < 0);  margin  min_|z|=1 s_min(zI - A) / |A|
    controllable    the staircase reaches n states;     margin  min_poles s_min[zI - A, B] / |[A B]|
    nilpotent       the staircase leaves no invertible part
    memory          the steps after which the answer to any input is over, or nearly so

Stability is decided where its margin exceeds what eigenvalues in doubles are off by, ranks
where the largest gap has no rival; otherwise the answer is "undecided".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import expm

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.gramians import continuous_observability_factor, observability_factor
from realization.linalg.staircase import (
    ControllabilityStaircase,
    NilpotentStaircase,
    ObservabilityStaircase,
    controllability_staircase,
    nilpotent_staircase,
    observability_staircase,
    pbh_margin,
)
from realization.systems.base import single
from realization.systems.bilinear import BilinearSSM
from realization.systems.continuous import ContinuousSSM
from realization.systems.describe_varying import (
    BilinearDescription,
    VaryingDescription,
    describe_bilinear,
    describe_varying,
)
from realization.systems.latex import SHOWN, equations, latex_block, number
from realization.systems.linear import LinearSSM
from realization.systems.report import Answer, Rows, as_table, as_text, both, numbers
from realization.systems.responses import markov_parameters
from realization.systems.varying import TimeVaryingSSM
from realization.systems.zeros import scaled

PRECISION = 1e-3
AUTOMATIC = 64  # states up to which a notebook describes a system unasked: some 50 ms


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Description(Sealed):
    """What `describe` found out about a linear time-invariant system.

    Parameters
    ----------
    kind : str
        Name of the type of system.
    n, m, p : int
        States, inputs, outputs.
    poles : ndarray
        (n,), complex, the slowest first.
    radius : float
        Spectral radius; in continuous time the abscissa, the largest real part.
    stable, controllable, observable, minimal, nilpotent : Answer
        With their margins.
    index : int or None
        Smallest k with A^k = 0.
    memory : {"exact", "fading", "lasting", "undecided"}
        Whether the answer to an impulse is over after finitely many steps, dies out, does neither, or which cannot
        be said.
    window : float
        Steps (time, in continuous time) after which the rest of the answer is over, or has at most `precision`
        of the whole, in the root of the sum of squares; infinite where it lasts, NaN where undecided.
    precision : float
        As above.
    jordan : tuple of int
        Sizes of the Jordan blocks of the pole 0, largest first; empty where a rank is undecided.
    eigenvectors : float
        Condition of the matrix of eigenvectors as computed; huge where A is not diagonalizable.
    """

    kind: str
    n: int
    m: int
    p: int
    poles: np.ndarray
    radius: float
    stable: Answer
    controllable: Answer
    observable: Answer
    minimal: Answer
    nilpotent: Answer
    index: int | None
    memory: str
    window: float
    precision: float
    jordan: tuple[int, ...]
    eigenvectors: float

    @property
    def title(self) -> str:
        """Type and dimensions on one line."""
        return f"{self.kind}(n={self.n}, m={self.m}, p={self.p})"

    def rows(self) -> Rows:
        """Label and text of every line of the table."""
        unit = "units of time" if self.kind == "ContinuousSSM" else "steps"
        memory = {
            "exact": f"exact: the answer to an impulse is over after {self.window:.4g} {unit}",
            "fading": f"fading: all but {self.precision:.1g} of the answer comes within {self.window:.4g} {unit}",
            "lasting": "lasting: a mode that does not fade",
            "undecided": "undecided: a pole on the boundary, to rounding",
        }[self.memory]
        return [
            ("poles", numbers(self.poles)),
            ("stable", str(self.stable)),
            ("controllable", str(self.controllable)),
            ("observable", str(self.observable)),
            ("minimal", str(self.minimal)),
            ("nilpotent", str(self.nilpotent)),
            ("memory", memory),
            ("eigenvectors", _eigenvectors(self.jordan, self.eigenvectors)),
        ]

    def __repr__(self) -> str:
        return as_text(self.title, self.rows())

    def _repr_html_(self) -> str:
        return as_table(self.title, self.rows())


def describe_system(
    system: Any, *, precision: float = PRECISION
) -> Description | VaryingDescription | BilinearDescription:
    """Return dimensions, poles, stability, minimality and memory, each with the number that decided it.

    Parameters
    ----------
    system : LinearSSM, ContinuousSSM, TimeVaryingSSM or BilinearSSM
        Without batch axes.
    precision : float
        Share of the answer that may be left when a fading memory counts as over.

    Returns
    -------
    Description, VaryingDescription or BilinearDescription
        Shown as a table by a terminal and a notebook.

    Raises
    ------
    ShapeError
        If the system has batch axes, or the precision is not between 0 and 1.

    Examples
    --------
    >>> from realization.systems.library import delay_line
    >>> describe_system(delay_line(2))
    LinearSSM(n=2, m=1, p=1)
      poles         0, 0
      stable        yes: spectral radius 0, margin 6.2e-01
      controllable  yes: rank 2 of 2, margin 1.0e+00
      observable    yes: rank 2 of 2, margin 1.0e+00
      minimal       yes
      nilpotent     yes: index 2
      memory        exact: the answer to an impulse is over after 2 steps
      eigenvectors  no basis: Jordan blocks of size 2 at 0
    """
    if not 0 < precision < 1:
        raise ShapeError(f"precision is {precision!r}, but a share between 0 and 1 is needed")
    if isinstance(system, TimeVaryingSSM):
        return describe_varying(system, precision=precision)
    if isinstance(system, BilinearSSM):
        return describe_bilinear(system)
    A, B, C, _ = single("describe_system", system, LinearSSM, ContinuousSSM)
    continuous = isinstance(system, ContinuousSSM)
    # units of the states change no answer: they are taken out before any margin is measured
    A2, B2, C2 = scaled(A, B, C)
    staircase = nilpotent_staircase(A2)
    spectrum, radius = _spectrum(A2, staircase, continuous)
    stable = _stable(A2, spectrum, radius, continuous)
    controllable = _full(controllability_staircase(A2, B2), A2, B2)
    observable = _full(observability_staircase(A2, C2), A2.T, C2.T)
    index = staircase.index if staircase.decided and staircase.nilpotent else None
    memory, window = _memory(system, stable, index, radius, precision)
    return Description(
        type(system).__name__,
        *(len(A), B.shape[1], len(C)),
        poles=spectrum,
        radius=radius,
        stable=stable,
        controllable=controllable,
        observable=observable,
        minimal=both(controllable, observable),
        nilpotent=_nilpotent(staircase),
        index=index,
        memory=memory,
        window=window,
        precision=precision,
        jordan=staircase.jordan if staircase.decided else (),
        eigenvectors=float(np.linalg.cond(np.linalg.eig(A)[1])) if len(A) else 1.0,
    )


def _eigenvectors(jordan: tuple[int, ...], condition: float) -> str:
    """Why they are no basis, or how good a basis they are."""
    if jordan and jordan[0] > 1:
        return f"no basis: Jordan blocks of size {', '.join(map(str, jordan))} at 0"
    return f"condition {condition:.1e}" if condition < 1 / EPS else "no basis in doubles: condition beyond 1/eps"


def _nilpotent(staircase: NilpotentStaircase) -> Answer:
    """Whether powers of A remove all states; the margin is the smallest gap that was relied on."""
    n, zero = len(staircase.A2), sum(staircase.blocks)
    margin = min((d.gap for d in staircase.decisions), default=np.inf)
    if not staircase.decided:
        return Answer(None, margin, f"a rank without a clear gap, {zero} of {n} states vanish as it stands")
    if staircase.nilpotent:
        return Answer(True, margin, f"index {staircase.index}")
    return Answer(False, margin, f"an invertible part of {n - zero} of {n} states")


def _spectrum(A: np.ndarray, staircase: NilpotentStaircase, continuous: bool) -> tuple[np.ndarray, float]:
    """Poles, the slowest first, and the radius or abscissa.

    The zeros that the staircase has found are exact; `eigvals` would scatter those of a
    block of size k by u^(1/k).
    """
    zero = sum(staircase.blocks) if staircase.decided else 0
    rest = staircase.A2[zero:, zero:] if zero else A
    spectrum = np.append(np.linalg.eigvals(rest), np.zeros(zero)).astype(np.complex128)
    size = spectrum.real if continuous else np.abs(spectrum)
    return spectrum[np.argsort(-size, kind="stable")], float(size.max(initial=-np.inf if continuous else 0.0))


def _stable(A: np.ndarray, spectrum: np.ndarray, radius: float, continuous: bool) -> Answer:
    """Whether the spectrum lies inside, and how close a change of A could bring it to the boundary."""
    name, inside = ("abscissa", radius < 0) if continuous else ("spectral radius", radius < 1)
    if not len(A):
        return Answer(True, np.inf, "no state")
    norm = float(np.linalg.norm(A, 2))
    points = _axis(spectrum, norm) if continuous else _circle(spectrum)
    points = points if np.iscomplexobj(A) else points[points.imag >= 0]  # the others see the conjugate matrix
    nearest = np.linalg.svd(points[:, None, None] * np.eye(len(A)) - A, compute_uv=False)[:, -1].min()
    margin = float(nearest / norm) if norm else np.inf
    # computed eigenvalues are those of a matrix within a few n eps |A|: it has as many inside, if none can cross
    decided = margin > 10 * len(A) * EPS
    return Answer(bool(inside) if decided else None, margin, f"{name} {radius:.6g}, margin {margin:.1e}")


def _circle(spectrum: np.ndarray) -> np.ndarray:
    """Points of the unit circle: in the direction of every pole, and a grid."""
    return np.exp(1j * np.concatenate([np.angle(spectrum), np.linspace(-np.pi, np.pi, 65)]))


def _axis(spectrum: np.ndarray, norm: float) -> np.ndarray:
    """Points of the imaginary axis: at the height of every pole, and a grid; beyond the norm nothing comes closer."""
    grid = norm * np.geomspace(1e-3, 1, 16)
    return 1j * np.concatenate([spectrum.imag, -grid, [0.0], grid])


def _full(staircase: ControllabilityStaircase | ObservabilityStaircase, A: np.ndarray, B: np.ndarray) -> Answer:
    """Whether the staircase has rank n; the margin is that of the test of Popov, Belevitch and Hautus."""
    n = len(A)
    if not n:
        return Answer(True, np.inf, "no state")
    norm = float(np.linalg.norm(np.hstack([A, B]), 2))
    margin = pbh_margin(A, B) / norm if norm else 0.0
    why = f"rank {staircase.rank} of {n}, margin {margin:.1e}"
    return Answer(staircase.rank == n if staircase.decided else None, margin, why)


def _memory(system: Any, stable: Answer, index: int | None, radius: float, precision: float) -> tuple[str, float]:
    """Kind of memory, and for how long."""
    continuous = isinstance(system, ContinuousSSM)
    if index is not None and not continuous:
        return "exact", float(_last(markov_parameters(system, index + 1)))
    if stable.holds:
        return "fading", _continuous_window(system, radius, precision) if continuous else _window(system, precision)
    return ("undecided", np.nan) if stable.holds is None else ("lasting", np.inf)


def _last(h: np.ndarray) -> int:
    """Largest t with h(t) != 0, up to the rounding of sums of len(h) terms."""
    sizes = np.linalg.norm(h, axis=(1, 2))
    return int(max(np.flatnonzero(sizes > len(h) * EPS * sizes.max(initial=0.0)), default=0))


def _window(system: LinearSSM, precision: float) -> float:
    """Smallest t with sum_(s>t) |h(s)|^2 <= precision^2 sum_(s>0) |h(s)|^2, h(s) = C A^(s-1) B."""
    A, B, C = system.A, system.B, system.C
    return float(_steps(A, B, observability_factor(A, C), precision))


def _continuous_window(system: ContinuousSSM, abscissa: float, precision: float) -> float:
    """The same for integrals of |C exp(A t) B|^2, to a hundredth of the slowest time constant."""
    A, B, C = system.A, system.B, system.C
    if not len(A):
        return 0.0
    h = 0.01 / abs(abscissa)
    return h * _steps(expm(A * h), B, continuous_observability_factor(A, C), precision)


def _steps(A: np.ndarray, B: np.ndarray, M: np.ndarray, precision: float) -> int:
    """Smallest t with |M' A^t B| <= precision |M' B|, by doubling: with M M' the Gramian it decreases in t."""

    def left(X: np.ndarray) -> float:
        return float(np.linalg.norm(M.conj().T @ X))

    goal = precision * left(B)
    if left(B) <= goal:
        return 0
    powers = [A]
    while left(powers[-1] @ B) > goal:
        powers.append(powers[-1] @ powers[-1])
    t, X = 0, B
    for k, P in reversed(list(enumerate(powers))):
        if left(P @ X) > goal:
            t, X = t + 2**k, P @ X
    return t + 1


def as_html(system: Any) -> str:
    """Return what a notebook shows for a system: its description, or its type and sizes where that takes long.

    Parameters
    ----------
    system : LinearSSM, ContinuousSSM, TimeVaryingSSM or BilinearSSM
        With batch axes or without.

    Returns
    -------
    str
        A table that needs nothing from elsewhere.

    Examples
    --------
    >>> from realization.systems.library import static_gain
    >>> as_html(static_gain([[1.0]])).startswith("<table><caption>LinearSSM(n=0, m=1, p=1)</caption>")
    True
    """
    batch = system.A.shape[: -3 if isinstance(system, TimeVaryingSSM) else -2]
    if batch:
        return as_table(repr(system), [("batch axes", str(batch))])
    if system.A.shape[-1] > AUTOMATIC:
        return as_table(repr(system), [("described by", "describe(), which takes a while at this size")])
    return str(describe_system(system)._repr_html_())


def as_latex(system: Any) -> str:
    r"""Return [A B; C D] where it is small, else the equations with the sizes of their matrices.

    Parameters
    ----------
    system : LinearSSM, ContinuousSSM, TimeVaryingSSM or BilinearSSM
        With batch axes or without.

    Returns
    -------
    str
        In display mode.

    Examples
    --------
    >>> from realization.systems.library import diagonal
    >>> print(as_latex(diagonal([0.5])))
    $$\left[\begin{array}{c|c}
    0.5 & 1 \\
    \hline
    1 & 0
    \end{array}\right]$$
    """
    n, m, p = system.A.shape[-1], system.B.shape[-1], system.C.shape[-2]
    invariant = isinstance(system, LinearSSM | ContinuousSSM) and system.A.ndim == 2
    if invariant and max(n + m, n + p) <= SHOWN:
        return latex_block(system.A, system.B, system.C, system.D, number)
    return equations(type(system).__name__, n, m, p)
