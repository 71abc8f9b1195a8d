"""Input regimes: what a recurrence is fed with, and how long it remembers it.

Data matter as much as the rule.  Under the decays that most tests draw, a state is
forgotten after a few steps and a lost state goes unseen; so the memory length is
*chosen*, in steps and relative to the chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.rounding import Format


@dataclass(frozen=True, slots=True)
class Regime:
    """A family of inputs.

    Parameters
    ----------
    name : str
        As it appears in the identity of a case.
    memory : callable
        Chunk length -> steps after which a state has decayed by 1/e; inf where none decays.
    about : str
        What it brings to light.
    exact : bool
        All sums are small integers: a right kernel has the exact bits.
    """

    name: str
    memory: Callable[[int], float]
    about: str
    exact: bool = False


REGIMES = (
    Regime("fading-0.3", lambda c: 0.3, "forgets within a step"),
    Regime("fading-3", lambda c: 3.0, "forgets within a chunk, as released layers at random parameters do"),
    Regime("fading-c/2", lambda c: c / 2, "sees the chunk before"),
    Regime("fading-c", lambda c: 1.0 * c, "sees two chunks back"),
    Regime("fading-3c", lambda c: 3.0 * c, "a lost or stale state shows in every output"),
    Regime("fading-10c", lambda c: 10.0 * c, "as long as the sequence: errors add up"),
    Regime("near-unit", lambda c: 1e6, "a decay that a coarse format rounds to 1"),
    Regime("strong-decay", lambda c: 3.0 * c, "log decays of -0.01 to -1e4 in one chunk: differences of sums cancel"),
    Regime("reset", lambda c: 3.0 * c, "a long memory wiped out at some steps"),
    Regime("impulse", lambda c: c / 16, "single tokens read long after: the decays themselves, undiluted"),
    Regime("cancelling", lambda c: 3.0 * c, "outputs that are small differences of large states"),
    Regime("positive", lambda c: 3.0 * c, "terms of one sign: rounding that leans one way adds up"),
    Regime("tiny", lambda c: 3.0 * c, "close to the subnormal range"),
    Regime("huge", lambda c: 3.0 * c, "close to overflow"),
    Regime("exact", lambda c: np.inf, "integers, kept or wiped out: structure, bit for bit", exact=True),
    Regime("exact-wide", lambda c: np.inf, "integers that outgrow 16 bits: the width of a state", exact=True),
)


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """Draws the ingredients of a case: T steps in a regime, for kernels of this chunk length and input format."""

    regime: Regime
    T: int
    chunk: int
    rng: np.random.Generator
    form: Format

    @property
    def memory(self) -> float:
        """Steps after which a state has decayed by 1/e."""
        return self.regime.memory(self.chunk)

    def steps(self, shape: Any) -> np.ndarray:
        """Step sizes Delta(t) > 0; rates are of order 1, so that the memory is about 1/Delta.

        In the exact regimes 0 (neither decay nor write) or 1.
        """
        if self.regime.exact:
            return (self.rng.uniform(size=shape) < 0.9).astype(np.float64)
        steps = np.exp(0.3 * self.rng.standard_normal(shape)) / self.memory
        if self.regime.name == "impulse":  # constant steps: their rounding adds up
            return steps * 0 + steps[:, :1]
        if self.regime.name == "strong-decay":
            return np.where(self.rng.uniform(size=shape) < 0.3, 10 ** self.rng.uniform(-2, 4, shape), steps)
        if self.regime.name == "reset":
            wiped = self.rng.uniform(size=shape) < 1.5 / self.chunk
            return np.where(wiped, self.rng.uniform(100, 1000, shape), steps)
        return steps

    def rates(self, shape: Any, *, stay: bool = True) -> np.ndarray:
        """Decay rates; in the exact regimes 0 (if states may stay) or so large that one step wipes the state.

        1024 and not 256, since exp(-256) is not 0 in float64.
        """
        if self.regime.exact:
            return np.where(self.rng.uniform(size=shape) < (0.7 if stay else 0.0), 0.0, 1024.0)
        return np.exp(self.rng.uniform(-0.5, 0.5, shape))

    def turns(self, shape: Any) -> np.ndarray:
        """Imaginary rates: up to half a turn per chunk."""
        return np.zeros(shape) if self.regime.exact else self.rng.uniform(0, np.pi, shape) * self.memory / self.chunk

    def imaginary(self, x: np.ndarray) -> np.ndarray:
        """An imaginary part for x, of its size."""
        return np.zeros(x.shape) if self.regime.exact else self.rng.permuted(x, axis=-1)

    def signal(self, shape: Any) -> np.ndarray:
        """Values or keys: the two factors of a write."""
        if self.regime.exact:
            low, high = (-1, 2) if self.regime.name == "exact" else (0, 8)
            return self.rng.integers(low, high, shape).astype(np.float64)
        x = self.rng.standard_normal(shape)
        if self.regime.name == "positive":
            return np.abs(x) + 0.1
        small, large = 2.0 ** min(self.form.emin // 2 + 12, 0), 2.0 ** max(self.form.emax // 2 - 12, 0)
        return x * {"tiny": small, "huge": large}.get(self.regime.name, 1.0)

    def values(self, shape: Any) -> np.ndarray:
        """Values (b, T, ...); in the impulse regime nearly all are 0."""
        x = self.signal(shape)
        if self.regime.name == "impulse":
            rare = self.rng.uniform(size=self.T) < 1 / self.chunk
            rare[:1] = True
            x[:, ~rare] = 0.0
        return x

    def reader(self, shape: Any) -> np.ndarray:
        """Queries, scaled so that a state written with step 1/memory is read at order 1."""
        if self.regime.exact:
            return self.rng.integers(-1, 2, shape).astype(np.float64)
        x = self.rng.standard_normal(shape) * self.memory / np.sqrt(max(min(self.memory, self.T), 1.0))
        return np.abs(x) if self.regime.name == "positive" else x

    def state(self, shape: Any) -> np.ndarray:
        """An initial state of the size that the recurrence would have reached."""
        x = self.signal(shape) if self.regime.exact else self.signal(shape) * self.signal(shape)
        return x if self.regime.exact else x / np.sqrt(max(self.memory, 1.0))

    def skip(self, shape: Any) -> np.ndarray:
        """Skip connections."""
        return self.rng.integers(-2, 3, shape) + 0.0 if self.regime.exact else self.rng.standard_normal(shape)

    def gate(self, shape: Any) -> np.ndarray:
        """Gates; silu(64) is 64 in every format, since exp(-64) is less than half a unit of 1."""
        return np.full(shape, 64.0) if self.regime.exact else 2 * self.rng.standard_normal(shape)

    def raw_steps(self, step: np.ndarray, width: int, have: frozenset[str], bias: str, softly: str) -> dict[str, Any]:
        """The raw steps that bias and softplus, where present, turn into `step`; with the bias and the flag.

        In the exact regimes softplus(-1024) = 0 and softplus(64) = 64 in every format.
        """
        out: dict[str, Any] = {}
        if softly in have:
            out[softly] = True
            step = np.where(step > 0, 64.0, -1024.0) if self.regime.exact else before_softplus(step)
        if bias in have:
            out[bias] = np.zeros(width) if self.regime.exact else 0.5 * self.rng.standard_normal(width)
            step = step - out[bias]
        return out | {"raw": step}


def integers(arguments: dict[str, Any], *, write: str, read: str, skip: str) -> dict[str, Any]:
    """Scale exact arguments by powers of two so that states and outputs stay integers.

    Softplus gives steps of 64, a gate of 64 multiplies by 64, and zero-order hold weighs a
    write at log decay -1024 by 1/1024.
    """
    softly = any(name.endswith("softplus") for name in arguments)
    scale = {write: (1 / 64 if softly else 1.0) * (1024.0 if "discretization" in arguments else 1.0)}
    if "z" in arguments:
        scale |= {read: 1 / 64, skip: 1 / 64}
    return {name: x * scale[name] if name in scale else x for name, x in arguments.items()}


def envelope(
    *, read: str | Sequence[str] = (), exponents: Sequence[str] = ()
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:  # fmt: skip
    """Absolute values, and a read-out, where there is one, that misses no state: the outputs bound all partial sums.

    The exponents keep their sign, which decides the decay.
    """

    def enlarge(arguments: Mapping[str, Any]) -> dict[str, Any]:
        arrays = {k for k, x in arguments.items() if isinstance(x, np.ndarray) and x.dtype.kind in "fc"}
        sizes = {k: np.abs(x) if k in arrays - set(exponents) else x for k, x in arguments.items()}
        readers = [read] if isinstance(read, str) else read
        return sizes | {name: np.full_like(sizes[name], sizes[name].max(initial=0.0)) for name in readers}

    return enlarge


def cancel(x: np.ndarray, *, sign: int) -> np.ndarray:
    """Make the states come in pairs: equal (sign 1), or opposite up to one part in a thousand (-1)."""
    half = x.shape[-1] // 2
    y = x.copy()
    y[..., half : 2 * half] = x[..., :half] * (1.0 if sign > 0 else -1 - 2.0**-10)
    return y


def offsets(T: int, chunk: int, rng: np.random.Generator) -> np.ndarray:
    """Offsets of packed sequences: an empty one, one of length 1, cuts on and off the chunk's grid, slack rows."""
    cuts = [0, 1, chunk, chunk, chunk + chunk // 3, *rng.integers(0, T + 1, 2)]
    last = max(T - 3, 0)
    return np.array(sorted(min(int(c), last) for c in [*cuts, last]), dtype=np.int64)


def sequence_index(batch: int, T: int, chunk: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of sequences (b, T) with changes on and off the chunk's grid; an index may come back."""
    names = np.array([0, 1, 0, 2, 3, 2])
    rows = []
    for _ in range(batch):
        cuts = np.sort(np.append(rng.integers(1, max(T, 2), 3), [chunk, 2 * chunk]))
        rows.append(names[np.searchsorted(cuts, np.arange(T), side="right")])
    return np.array(rows, dtype=np.int64).reshape(batch, T)


def before_softplus(step: Any) -> Any:
    """The x with softplus(x) = step: log(exp(step) - 1)."""
    with np.errstate(over="ignore"):
        return np.where(step > 20, step, np.log(np.expm1(step)))


def require_one_of(name: str, given: Any, known: Sequence[Any]) -> None:
    """Refuse an option that is not known, naming those that are.

    Raises
    ------
    ShapeError
        If `given` is not among `known`.
    """
    if given not in known:
        raise ShapeError(f"{name}={given!r} given; known are {', '.join(map(repr, known))}")
