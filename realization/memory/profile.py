"""The profile of a system: what it remembers exactly, what fades and how fast, what stays, and what of this is sure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import finite, numbers
from realization.linalg.arguments import matrices
from realization.memory.contraction import Guarantee, guarantee, nilpotent_algebra, whole
from realization.memory.eidetic import Eidetic, eidetic_memory
from realization.memory.modes import Mode, modes
from realization.systems import BilinearSSM, LinearSSM, TimeVaryingSSM
from realization.systems.base import single

CIRCLE = 1e-9  # a growth above 1 by less counts as holding
GATES = 10  # inputs of one component whose 2^10 corners are enumerated
SHOWN = 8  # modes in the text


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """All inputs with low <= u <= high, entry by entry.

    Parameters
    ----------
    low, high : array_like
        (m,), or numbers for all inputs alike.
    """

    low: Any
    high: Any


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What a system remembers, and how long.

    Parameters
    ----------
    system : str
        Kind and sizes.
    eidetic : Eidetic or None
        The part that holds inputs exactly, of a linear system; None for one that depends on its input.
    modes : tuple of Mode
        What fades, slowest first; of an input-dependent system each independent part with the
        slowest rate that the inputs allow it.
    integrators, growing : int
        States that hold for ever, and that grow.
    guarantee : Guarantee
        Whether decay is guaranteed per step, by contraction, or not at all, with the number.
    precision : float
        What the window is measured at.
    """

    system: str
    eidetic: Eidetic | None
    modes: tuple[Mode, ...]
    integrators: int
    growing: int
    guarantee: Guarantee
    precision: float

    @property
    def window(self) -> int | None:
        """Steps after which what is left is proved to be below the precision; None where nothing is proved."""
        if self.guarantee.kind == "finite":
            return int(self.guarantee.number)
        return None if self.guarantee.decay is None else self.guarantee.decay.window(self.precision)

    def __str__(self) -> str:
        lines = [
            self.system,
            f"eidetic      {_eidetic(self.eidetic, self.guarantee)}",
            f"fading       {_fading(self.modes)}",
        ]
        if self.integrators or self.growing:
            lines.append(f"for ever     {self.integrators} integrating and {self.growing} growing states")
        lines.append(f"decay        {self.guarantee}")
        if self.guarantee.decay is not None and self.guarantee.kind != "finite":
            decay = self.guarantee.decay
            how = "in rationals" if decay.proof == "rational" else "in floats, with a margin"
            lines.append(f"envelope     {decay.c:.4g} x {decay.rate:.6g}^t for the state, proved {how}")
        if self.window is not None:
            lines.append(f"window       {self.window} steps to {self.precision:.3g}")
        return "\n".join(lines)


def profile(system: Any, inputs: Any = None, *, precision: float = 2.0**-24) -> Profile:
    """Return what a system remembers: exactly, fading, or for ever; and what of its decay is guaranteed.

    Parameters
    ----------
    system : LinearSSM, TimeVaryingSSM or BilinearSSM
        Or anything with such an attribute `system`, as an op's `as_realization(...)` returns; without batch axes.
    inputs : Box or array_like, optional
        For a bilinear system, the inputs that may come: a box, or the corners (k, m) of a polytope.
    precision : float
        What the window is measured at.

    Returns
    -------
    Profile
        `print` shows it.

    Raises
    ------
    ShapeError
        If inputs do not fit, or are given for a linear system.
    StructureError
        If a bilinear system is given without inputs and does not forget for every input.

    Examples
    --------
    >>> print(profile(LinearSSM(A=[[0.5]], B=[[1]], C=[[1]], D=[[0]])))
    LinearSSM(n=1, m=1, p=1)
    eidetic      nothing
    fading       1 state: rate 0.5, half-life 1, time constant 1.44
    decay        guaranteed per step: no step has a norm above 0.5
    envelope     1 x 0.5^t for the state, proved in rationals
    window       25 steps to 5.96e-08

    A decay that the data choose between 0 and 0.9:

    >>> gate = BilinearSSM(A=[[0]], N=[[[1]], [[0]]], B=[[0, 1]], C=[[0]], M=[[[1]], [[0]]], D=[[0, 1]])
    >>> profile(gate, Box(0, 0.9)).guarantee.kind, profile(gate, Box(0, 1)).guarantee.kind
    ('per step', 'none')
    """
    system = getattr(system, "system", system)
    if not 0 < precision < 1:
        raise ShapeError(f"precision {precision} given; a number between 0 and 1 is needed")
    if isinstance(system, BilinearSSM):
        return _input_dependent(system, _judged(_families(system, inputs), precision), precision)
    if inputs is not None:
        raise ShapeError(f"inputs were given for {system!r}, whose transition does not depend on them; leave them out")
    if isinstance(system, TimeVaryingSSM):
        if system.A.ndim > 3:
            raise ShapeError(f"a system with batch axes {system.A.shape[:-3]} given; take one of the batch")
        return _input_dependent(system, _judged(_parts(system.A), precision), precision)
    if not isinstance(system, LinearSSM):
        raise ShapeError(f"a {type(system).__name__} given; a LinearSSM, TimeVaryingSSM or BilinearSSM is needed")
    return _linear(system, precision)


def _linear(system: LinearSSM, precision: float) -> Profile:
    A = single("profile", system, LinearSSM)[0]
    memory = eidetic_memory(system)
    known = whole(_judged(_parts(A[None]), precision), len(A))
    if (
        memory.finite and memory.decided and known.kind != "finite"
    ):  # the staircase measures its own noise: it sees more
        known = replace(known, kind="finite", number=memory.index, lower=0.0, word=())
    found = modes(memory.rest)
    return Profile(repr(system), memory, found.fading, found.integrators, found.growing, known, precision)


Family = tuple[np.ndarray, np.ndarray]  # states of an independent part, and the transitions (k, n, n) that it may have
Judged = list[tuple[np.ndarray, Guarantee]]


def _judged(families: Iterator[Family], precision: float) -> Judged:
    """What is known of each part; the channels of a layer are often alike, and are looked at once."""
    seen: dict[bytes, Guarantee] = {}
    parts = []
    for states, family in families:
        name = family.tobytes()
        if name not in seen:
            seen[name] = guarantee(family, precision=precision)
        parts.append((states, seen[name]))
    return parts


def _input_dependent(system: Any, parts: Judged, precision: float) -> Profile:
    fading, holding = [], {True: 0, False: 0}
    for one in {id(known): known for _, known in parts}.values():
        count = sum(len(states) for states, known in parts if known is one)
        if one.kind == "none":
            holding[one.number <= 1 + CIRCLE] += count
        elif one.kind != "finite":
            fading.append(Mode(one.number if one.decay is None else one.decay.rate, count))
    known = whole(parts, system.A.shape[-1])
    slowest_first = tuple(sorted(fading, key=lambda mode: -mode.rate))
    return Profile(repr(system), None, slowest_first, holding[True], holding[False], known, precision)


def _parts(steps: np.ndarray) -> Iterator[Family]:
    """Split transitions (k, n, n) along states that never meet."""
    for states in _components((steps != 0).any(axis=0)):
        yield states, np.ascontiguousarray(steps[:, states[:, None], states])


def _families(system: BilinearSSM, inputs: Any) -> Iterator[Family]:
    """The transitions of each independent part at the corners of the inputs that it depends on."""
    corners = None if inputs is None else _corners(system, inputs)
    for states in _components((system.A != 0) | (system.N != 0).any(axis=0)):
        block = np.ix_(states, states)
        A, N = system.A[block], system.N[:, states[:, None], states]
        gates = np.flatnonzero(N.any(axis=(1, 2)))
        if corners is not None:
            yield states, A + np.tensordot(corners(gates), N[gates], axes=1)
        elif not len(gates) or nilpotent_algebra(np.concatenate([A[None], N[gates]])) is not None:
            # the products of a nilpotent algebra vanish whatever the inputs
            yield states, np.concatenate([A[None], N[gates]])
        else:
            raise StructureError(
                f"{system!r} forgets or not by its inputs, of which {len(gates)} change the transition of state "
                f"{states[0]}; give inputs=Box(low, high), or the corners of a polytope, (k, {system.N.shape[0]})"
            )


def _corners(system: BilinearSSM, inputs: Any) -> Callable[[np.ndarray], np.ndarray]:
    """A function from the inputs of one part to the corners (k, those inputs) of the set."""
    m = system.N.shape[0]
    if not isinstance(inputs, Box):
        (given,) = matrices("inputs: k m", inputs=inputs)
        if given.shape[1] != m or not len(given):
            raise ShapeError(f"inputs have shape {given.shape}, but (k, {m}) with k >= 1 is needed; m={m} (from N)")
        return lambda gates: np.unique(given[:, gates], axis=0)
    low, high = (finite(name, numbers(name, x)) for name, x in (("low", inputs.low), ("high", inputs.high)))
    if any(x.dtype.kind == "c" or x.shape not in ((), (m,)) for x in (low, high)) or (low > high).any():
        raise ShapeError(
            f"a box with shapes {low.shape} and {high.shape} given; real numbers or ({m},), low <= high, are needed"
        )
    ends = np.stack([np.broadcast_to(x, m) for x in (low, high)], axis=1)

    def of(gates: np.ndarray) -> np.ndarray:
        if len(gates) > GATES:
            raise StructureError(
                f"{len(gates)} inputs change the transition of one part of the system, need <= {GATES}: a box has "
                f"2^{len(gates)} corners; give those that can occur"
            )
        return np.array(list(itertools.product(*ends[gates]))).reshape(2 ** len(gates), len(gates))

    return of


def _components(pattern: np.ndarray) -> Iterator[np.ndarray]:
    """States that are connected, part by part."""
    count, label = connected_components(csr_array(pattern), directed=False)
    # sorted once: a mask for each part would take n^2 steps
    order = np.argsort(label, kind="stable")
    yield from np.split(order, np.cumsum(np.bincount(label, minlength=count))[:-1])


def _eidetic(memory: Eidetic | None, known: Guarantee) -> str:
    if memory is None:
        return f"the last {known.number:.0f} steps" if known.kind == "finite" else "nothing that lasts for every input"
    if not memory.states and not memory.span:
        return "nothing"
    sure = "" if memory.decided else " (undecided: two gaps compete)"
    if memory.span is None:
        return (
            f"a nilpotent part of {memory.states} states and index {memory.index}, which cannot be decoupled: "
            f"condition {memory.condition:.1e}{sure}"
        )
    state = f", in {memory.states} states of index {memory.index}" if memory.states else ""
    rest = "; nothing older" if memory.finite else ""
    return f"{_inputs(memory.lags or ())}{state}{rest}{sure}"


def _inputs(lags: Sequence[int]) -> str:
    count, last = len(lags), max(lags, default=0)
    if count == last + 1:
        return f"{_count(count, 'input')}, the current one included"
    return f"the input {last} steps back" if count == 1 else f"{count} inputs, of {min(lags)} to {last} steps back"


def _fading(modes: Sequence[Mode]) -> str:
    if not modes:
        return "nothing"
    lines = [
        f"{_count(mode.states, 'state')}: rate {mode.rate:.6g}, half-life {mode.half_life:.3g}, "
        f"time constant {mode.time_constant:.3g}" + (f", period {mode.period:.3g}" if np.isfinite(mode.period) else "")
        for mode in modes[:SHOWN]
    ]
    if len(modes) > SHOWN:
        lines.append(f"and {len(modes) - SHOWN} faster ones")
    return "\n             ".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
