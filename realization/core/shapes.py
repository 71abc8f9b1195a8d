"""One vocabulary for axes, one checker, one message format.

An axis is a letter: T time, n states, m inputs, p outputs or head width, h heads,
g groups, d channels, s sequences of a packed batch; `*b` stands for any number of
leading batch axes.  A signature names the axes of every argument and output,

    "u: *b T d; A: d n; D?: d; initial_state?: *b d n -> y: *b T d; final_state: *b d n"

with `?` after an optional argument and `|` between alternatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Argument:
    """The axes of one array: alternatives, each a tuple of letters."""

    name: str
    optional: bool
    alternatives: tuple[tuple[str, ...], ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """The first alternative."""
        return self.alternatives[0]

    def axis(self, letter: str) -> int | None:
        """Position of an axis counted from the end, or None."""
        return self.axes.index(letter) - len(self.axes) if letter in self.axes else None

    def letters(self, ndim: int) -> tuple[str, ...]:
        """The alternative for an array with so many axes, `*b` being one."""
        return next((axes for axes in self.alternatives if len(axes) == ndim), self.axes)


@dataclass(frozen=True, slots=True)
class Signature:
    """Axes of the arguments and outputs of an operation."""

    arguments: Mapping[str, Argument]
    outputs: Mapping[str, Argument]

    @classmethod
    def parse(cls, text: str) -> Signature:
        """Read a signature from its text (see the module's docstring).

        Raises
        ------
        ShapeError
            If it has another form.
        """
        sides = [dict(_arguments(side)) for side in text.split("->")]
        if len(sides) != 2:
            raise ShapeError(f"signature {text!r} has another form than 'x: *b T d; A: d -> y: *b T d'")
        return cls(*sides)

    def over_time(self) -> tuple[str, ...]:
        """Names of the arguments that have a time axis."""
        return tuple(name for name, a in self.arguments.items() if a.axis("T") is not None)

    def check(self, arguments: Mapping[str, Any]) -> dict[str, int]:
        """Return the size of every axis letter.

        Raises
        ------
        ShapeError
            If an argument is missing, or an array does not fit the sizes that the
            arguments before it have set; the message says what came and what was needed.
        """
        return self._fit(arguments)[0]

    def labels(self, arguments: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """Return the letter of every axis of every array that is given; batch axes all have the letter `*b`.

        Raises
        ------
        ShapeError
            As `check` does.
        """
        chosen = self._fit(arguments)[1]
        lead = {name: ("*b",) * (len(arguments[name].shape) - len(axes) + 1) for name, axes in chosen.items()}
        return {name: lead[name] + axes[1:] if axes[:1] == ("*b",) else axes for name, axes in chosen.items()}

    def _fit(self, arguments: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
        """Sizes by letter, and which alternative every argument has taken."""
        sizes: dict[str, int] = {}
        source: dict[str, str] = {}
        chosen: dict[str, tuple[str, ...]] = {}
        batch: tuple[int, ...] | None = None
        for name, argument in self.arguments.items():
            x = arguments.get(name)
            if x is None:
                if not argument.optional:
                    raise ShapeError(f"{name} is missing; an array with axes {_spell(argument.axes)} is needed")
                continue
            axes = next((a for a in argument.alternatives if _fits(a, x.shape, sizes, batch)), None)
            if axes is None:
                raise ShapeError(_misfit(name, argument, x.shape, sizes, source, batch))
            chosen[name] = axes
            core = axes[1:] if axes[0] == "*b" else axes
            if axes[0] == "*b" and batch is None:
                batch = tuple(x.shape[: len(x.shape) - len(core)])
            for letter, size in zip(core, x.shape[len(x.shape) - len(core) :], strict=True):
                sizes.setdefault(letter, size)
                source.setdefault(letter, name)
        return sizes, chosen


def _arguments(text: str) -> Iterator[tuple[str, Argument]]:
    for item in filter(str.strip, text.split(";")):
        name, colon, axes = item.partition(":")
        name = name.strip()
        if not colon or not name.rstrip("?").isidentifier() or not axes.strip() or ":" in axes:
            raise ShapeError(f"{item.strip()!r} in a signature has another form than 'name: axes' or 'name?: axes'")
        alternatives = tuple(tuple(a.split()) for a in axes.split("|"))
        yield name.rstrip("?"), Argument(name.rstrip("?"), name.endswith("?"), alternatives)


def _fits(axes: tuple[str, ...], shape: tuple[int, ...], sizes: Mapping[str, int], batch: Any) -> bool:
    if axes and axes[0] == "*b":
        axes = axes[1:]
        lead = shape[: max(len(shape) - len(axes), 0)]
        if len(shape) < len(axes) or (batch is not None and tuple(lead) != batch):
            return False
        shape = shape[len(lead) :]
    known = dict(sizes)  # a letter that comes twice, as in (n, n), must agree with itself
    return len(shape) == len(axes) and all(known.setdefault(a, n) == n for a, n in zip(axes, shape, strict=True))


def _spell(axes: tuple[str, ...]) -> str:
    return "(" + ", ".join(axes) + ")"


def _misfit(name: str, argument: Argument, shape: Any, sizes: Any, source: Any, batch: Any) -> str:
    needed = []
    for axes in argument.alternatives:
        sized = [str(sizes.get(a, a)) for a in axes if a != "*b"]
        lead = [str(n) for n in batch] if axes[0] == "*b" and batch is not None else ["..."] * (axes[0] == "*b")
        needed.append("(" + ", ".join(lead + sized) + ")")
    letters = dict.fromkeys(a for axes in argument.alternatives for a in axes if a in sizes)
    origin = ", ".join(f"{a}={sizes[a]} (from {source[a]})" for a in letters)
    return (
        f"{name} has shape {tuple(shape)}, but {' or '.join(needed)} is needed for axes "
        f"{' or '.join(_spell(a) for a in argument.alternatives)}" + (f"; {origin}" if origin else "")
    ) + _remedy(name, argument.axes, shape, sizes)


def _remedy(name: str, axes: tuple[str, ...], shape: Any, sizes: Any) -> str:
    """What to do with a vector where a matrix is needed: its length says whether it is a column or a row."""
    core = [a for a in axes if a != "*b"]
    if len(shape) == 1 and len(core) == 2:
        for axis, remedy in zip(core, ("a column is {}[:, None]", "a row is {}[None, :]"), strict=True):
            if sizes.get(axis) == shape[0]:
                return "; " + remedy.format(name)
    return ""


def finite(name: str, x: Any) -> np.ndarray:
    """Return x as an array, refusing NaN and infinity by name and place.

    Raises
    ------
    ShapeError
        With the first place and the count.
    """
    x = np.asarray(x)
    bad = ~np.isfinite(x) if x.dtype.kind in "fc" else np.zeros(x.shape, bool)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ShapeError(
            f"{name} has {int(bad.sum())} entries that are NaN or infinite, the first at {place}; "
            "finite numbers are needed"
        )
    return x


def array(name: str, x: Any) -> np.ndarray:
    """Return x as an array.

    Raises
    ------
    ShapeError
        If its rows have different lengths.
    """
    try:
        return np.asarray(x)
    except ValueError:
        raise ShapeError(f"{name} has rows of different lengths, but an array of numbers is needed") from None


def numbers(name: str, x: Any) -> np.ndarray:
    """Return x as a float64 or complex128 array of finite numbers.

    Raises
    ------
    ShapeError
        If x is no array, or an entry is NaN, infinite or no number; of arrays of objects real ones are taken.
    """
    kind, x = type(x).__name__, array(name, x)
    if x.dtype.kind == "O" and not x.ndim:
        raise ShapeError(f"{name} is a {kind}, but an array of numbers is needed")
    if x.dtype.kind not in "biufcO":  # O: fractions become floats
        raise ShapeError(f"{name} has dtype {x.dtype}, but an array of numbers is needed")
    try:
        x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name} has an entry that is no real number in float64 ({error})") from None
    return finite(name, x)
