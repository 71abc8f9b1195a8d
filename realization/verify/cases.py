"""Cases: which inputs a kernel is judged on, each reproducible from its identity.

A case is (regime, length, options, seed).  Its identity, `fading-3c.T129.o1.s0`, is all
that `realization verify --case` needs to draw the same numbers again.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.ops import Op
from realization.core.rounding import format_of, round_to
from realization.layers.gradients import COTANGENT

DEFAULT_CHUNK = 64
# Names in an op's options that stand for an argument of another name.
STANDS_FOR = {"D2": "D", "past": "key", "log_decay by key": "log_decay", "negative": "beta"}
# Arguments of integers that say which steps belong to which sequence.
PACKING = frozenset({"cu_seqlens", "seq_idx"})


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Arguments of an op, already rounded to the input format, and where they come from.

    Parameters
    ----------
    id : str
        Identity from which the case can be drawn again; a file's name for given inputs.
    arguments : mapping
        Float64, complex128 or integer arrays, and options.
    regime : Regime or None
        None for given inputs.
    chunk : int
        Chunk length that the memory of the regime refers to.
    """

    id: str
    arguments: Mapping[str, Any]
    regime: Any
    chunk: int

    @property
    def exact(self) -> bool:
        """Whether all sums are small integers."""
        return self.regime is not None and self.regime.exact

    @property
    def memory(self) -> float | None:
        """Steps after which the state has decayed by 1/e, where it was chosen."""
        return None if self.regime is None else self.regime.memory(self.chunk)


def chunk_of(claim: Claim) -> int:
    """The chunk length that cases refer to."""
    return claim.chunk or DEFAULT_CHUNK


def lengths(chunk: int) -> tuple[int, ...]:
    """0, 1 and one step about the ends of chunks."""
    return (2 * chunk + 1, chunk + 1, 1, chunk, 0, chunk - 1)


def usable(op: Op, accepts: Iterable[str], requires: Iterable[str] = ()) -> list[Mapping[str, Any]]:
    """The options of an op that a kernel can be given: what it does not take is left out, once each."""
    accepts, required = frozenset(accepts), op.required
    seen: dict[Any, Mapping[str, Any]] = {}
    for i, option in enumerate(op.options):
        if ("complex" in option["with"] and "complex" not in accepts) or _packs(option) - accepts:
            continue
        have = tuple(x for x in option["with"] if STANDS_FOR.get(x, x) in accepts)
        if _cotangents(option["with"]) and not _cotangents(have):
            continue  # there is nothing to pull back
        have += tuple(x for x in requires if x not in {STANDS_FOR.get(h, h) for h in have} and x not in required)
        width = option.get("width") if "window" in required | {*have} else None
        chosen = [(k, x) for k, x in option.get("set", {}).items() if k in required | {*have}]
        key = (repr(option["size"]), width, repr(chosen), frozenset(have))
        seen.setdefault(key, {**option, "with": have, "index": i})
    return list(seen.values())


def _cotangents(names: Iterable[str]) -> list[str]:
    return [x for x in names if x.startswith(COTANGENT)]


def _packs(option: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(option["with"]) & PACKING


def plan(
    op: Op, claim: Claim, accepts: Iterable[str], *,
    requires: Iterable[str] = (), count: int | None = None, seed: int = 0,
) -> list[str]:  # fmt: skip
    """Return identities of cases that together cover every regime, length and option.

    Parameters
    ----------
    op : Op
        The operation.
    claim : Claim
        Its chunk length sets lengths and memory.
    accepts, requires : iterable of str
        Arguments that the kernel takes, and optional ones that it cannot do without.
    count : int, optional
        How many; more than the plan are drawn from further seeds.  Default: the plan.
    seed : int
        Seed of the first round.

    Returns
    -------
    list of str
        Regimes are interleaved, so that few cases already cover most of them.
    """
    options = [o["index"] for o in usable(op, accepts, requires)]
    c = chunk_of(claim)
    long, *edges = lengths(c)
    rows = []
    for i, regime in enumerate(op.regimes):
        # Every option, by turns far beyond and just beyond the end of a chunk; and the edges of the chunk.
        combos = [((long, edges[0])[j % 2], i + j) for j in range(len(options))]
        combos += [(edges[(i + k) % len(edges)], i + k) for k in range(len(options) if regime.exact else 1)]
        rows.append([f"{regime.name}.T{T}.o{options[j % len(options)]}" for T, j in combos])
    one_round = list(dict.fromkeys(x for turn in itertools.zip_longest(*rows) for x in turn if x))
    count = len(one_round) if count is None else count
    return [f"{x}.s{seed + k}" for k in range(-(-count // len(one_round))) for x in one_round][:count]


def draw(op: Op, identity: str, claim: Claim, accepts: Iterable[str], requires: Iterable[str] = ()) -> Case:
    """Draw the case with this identity.

    Raises
    ------
    ShapeError
        If the identity names no regime or option of the op.
    """
    match = re.fullmatch(r"(.+)\.T(\d+)\.o(\d+)\.s(\d+)", identity)
    regimes = {r.name: r for r in op.regimes}
    options = {o["index"]: o for o in usable(op, accepts, requires)}
    if not match or match[1] not in regimes or int(match[3]) not in options:
        raise ShapeError(
            f"case {identity!r} is unknown; a case is REGIME.T<length>.o<option>.s<seed>, with a regime among "
            f"{', '.join(regimes)} and an option among {', '.join(map(str, options))}"
        )
    regime, form = regimes[match[1]], format_of(claim.io)
    rng = np.random.default_rng([int(match[4]), zlib.crc32(f"{op.name}.{match[1]}.T{match[2]}.o{match[3]}".encode())])
    drawn = op.cases(regime, options[int(match[3])], T=int(match[2]), chunk=chunk_of(claim), rng=rng, form=form)
    return Case(identity, _given(op, drawn, claim), regime, chunk_of(claim))


def given(op: Op, arguments: Mapping[str, Any], claim: Claim, name: str) -> Case:
    """Make a case of given inputs, rounded to the input format."""
    return Case(name, _given(op, arguments, claim), None, chunk_of(claim))


def handed_over(op: Op, name: str, claim: Claim) -> str:
    """Format in which an input is given: states and cotangents in that of their outputs, the rest in `io`.

    A state does not come in float64 beside coarser inputs.
    """
    if name.endswith("state") and claim.io != "float64" and op.holder(name) != "io":
        return "float32" if claim.state_format.name == "float64" else claim.state_format.name
    return claim.format(op.holder(name)).name if name.startswith(COTANGENT) else claim.io


def _given(op: Op, arguments: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
    """Arguments as numbers of the input format, and of the format in which they travel."""
    return {k: rounded(rounded(x, claim.io), handed_over(op, k, claim)) for k, x in arguments.items()}


def rounded(x: Any, form: str) -> Any:
    """Round the real and complex arrays among the arguments; leave options and integers."""
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fc":
        return x
    if x.dtype.kind == "c":
        return rounded(x.real, form) + 1j * rounded(x.imag, form)
    return np.where(np.isinf(x), x, round_to(x, form, overflow="saturate"))  # a bias of -inf hides a key
