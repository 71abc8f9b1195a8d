"""What a kernel says about its own arithmetic.

The claim is part of every verdict: the bound charges a kernel exactly the
roundings that its claim admits.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from realization.core.errors import ShapeError
from realization.core.rounding import FORMATS, Format, format_of

# Matrix units add in float32 registers but neither round to nearest nor document
# their order: 2**-23 holds for truncation too.  Hopper's fp8 path keeps 14 bits.
UNITS = {"mma_fp32": 2.0**-23, "fp8_hopper": 2.0**-13}
# They may also drop the bits that tf32 has not, instead of rounding them.
TF32_CAST = 2.0**-10
DECAYS = ("product", "logdiff")


@dataclass(frozen=True, slots=True)
class Claim:
    """The arithmetic of a kernel.

    Parameters
    ----------
    io : str
        Format of the inputs.  They are already rounded to it, so their rounding
        is never charged.
    accumulate : str
        Format of sums, gates and decays; also "mma_fp32" and "fp8_hopper".
    operand : str, optional
        Format to which products' operands are cast.  Default: no cast, unless
        `accumulate` is narrower.
    out : str, optional
        Format of the outputs.  Default: `io`.
    chunk : int, optional
        Length of a chunk; None for a sequential or associative scan.
    decay : {"product", "logdiff"}
        Decay over several steps as a product of decays, or as the exponential of a
        difference of cumulative log decays (which loses accuracy under strong decay).
    state : str, optional
        Format in which a state is kept between steps (chunks) and returned.
        Default: that of the accumulation.
    scores : str, optional
        Format to which scores, and what a softmax's derivative makes of them, are rounded.  Default: that of
        the accumulation.
    scaled : {"query"}, optional
        Queries are multiplied by the scale before they are cast to `operand`.  Default: the scale multiplies the
        score.
    splits : int
        Parts whose partial sums are combined at the end.

    Examples
    --------
    >>> Claim(io="bfloat16", operand="bfloat16", chunk=64, decay="logdiff").u_operand
    0.00390625
    """

    io: str = "float32"
    accumulate: str = "float32"
    operand: str | None = None
    out: str | None = None
    chunk: int | None = None
    decay: str = "product"
    state: str | None = None
    splits: int = 1
    scores: str | None = None
    scaled: str | None = None

    def __post_init__(self) -> None:
        for name in (self.io, self.out, self.state, self.operand, self.scores):
            if name is not None:
                format_of(name)
        if self.accumulate not in UNITS:
            format_of(self.accumulate)
        if self.decay not in DECAYS:
            raise ShapeError(f"decay={self.decay!r} is not a claim; known are {', '.join(DECAYS)}")
        if self.scaled not in (None, "query"):
            raise ShapeError(f"scaled={self.scaled!r} is not a claim; known is query, none is the default")
        if (self.chunk is not None and self.chunk < 1) or self.splits < 1:
            raise ShapeError(f"chunk={self.chunk}, splits={self.splits} given, both must be at least 1")

    @property
    def accumulator(self) -> Format:
        """Format that holds the running sums."""
        return FORMATS["float32"] if self.accumulate in UNITS else format_of(self.accumulate)

    @property
    def out_format(self) -> Format:
        """Format of the outputs."""
        return format_of(self.out or self.io)

    @property
    def state_format(self) -> Format:
        """Format in which a state is kept and returned."""
        return format_of(self.state) if self.state else self.accumulator

    def format(self, holder: str) -> Format:
        """The format named "io", "out", "state" or "accumulator"."""
        name = {"out": "out_format", "state": "state_format", "accumulator": "accumulator"}.get(holder)
        return getattr(self, name) if name else format_of(self.io)

    @property
    def u(self) -> float:
        """Unit roundoff of sums, gates and decays."""
        return UNITS.get(self.accumulate) or format_of(self.accumulate).u

    @property
    def u_operand(self) -> float:
        """Unit roundoff of a cast of an operand; 0 where there is no cast."""
        if self.operand is None:
            return 0.0
        u = TF32_CAST if self.operand == "tf32" else format_of(self.operand).u
        return u if u > self.u else 0.0

    @property
    def u_state(self) -> float:
        """Unit roundoff of storing a state; 0 where it is kept as it was summed."""
        u = self.state_format.u
        return u if u > self.u else 0.0

    def replace(self, **fields: object) -> Claim:
        """Return the claim with some fields changed."""
        return dataclasses.replace(self, **fields)  # type: ignore[arg-type]


NAMED: Mapping[str, Claim] = {
    "float64": Claim(io="float64", accumulate="float64"),
    "fp32": Claim(),
    "fp32-chunked": Claim(chunk=64),
    "fp32-logdiff": Claim(chunk=256, decay="logdiff"),
    "tf32": Claim(operand="tf32", chunk=256, decay="logdiff"),
    "mamba1-cuda": Claim(io="bfloat16"),
    "mamba2-triton-fp32": Claim(accumulate="mma_fp32", operand="tf32", chunk=256, decay="logdiff"),
    "mamba2-triton-bf16": Claim(
        io="bfloat16", accumulate="mma_fp32", operand="bfloat16", chunk=256, decay="logdiff", state="float32"
    ),
    "flash-bf16": Claim(io="bfloat16", operand="bfloat16"),
    "eager-bf16": Claim(io="bfloat16", operand="bfloat16", scores="bfloat16"),
    "transformers-mamba2": Claim(chunk=256, decay="logdiff"),
}

# From the best arithmetic to the worst: each rung admits what the one before it does, and one thing more.
LADDER: Mapping[str, Mapping[str, object]] = {
    "float64": {"accumulate": "float64", "operand": None, "state": "float64", "scores": None},
    "fp32": {"accumulate": "float32", "operand": None, "state": "float32", "scores": None},
    "tf32": {"accumulate": "float32", "operand": "tf32", "state": "float32", "scores": None},
    "bf16 operands": {"accumulate": "float32", "operand": "bfloat16", "state": "float32", "scores": None},
    "bf16 state": {"accumulate": "float32", "operand": "bfloat16", "state": "bfloat16", "scores": None},
    "bf16 scores": {"accumulate": "float32", "operand": "bfloat16", "state": "bfloat16", "scores": "bfloat16"},
}


def ladder(claim: Claim) -> dict[str, Claim]:
    """Return the claims of all rungs, with input, output, chunking and decay of `claim`.

    A state that `claim` returns more coarsely than a rung sums is not held against that rung.
    """
    rungs = {}
    for rung, fields in LADDER.items():
        state = max(format_of(str(fields["state"])), claim.state_format, key=lambda form: form.u)
        rungs[rung] = claim.replace(**{**fields, "state": state.name})
    return rungs


def parse_claim(text: str, base: Claim) -> Claim:
    """Read "k=v,k=v" or the name of a claim, on top of `base`.

    Raises
    ------
    ShapeError
        If a name or a value is unknown; the message offers the nearest ones.
    """
    claim = base
    for item in filter(None, text.split(",")):
        field, sign, value = item.partition("=")
        if not sign:
            claim = NAMED.get(field) or _unknown("claim", field, NAMED)
            continue
        if field not in Claim.__dataclass_fields__:
            _unknown("field of a claim", field, Claim.__dataclass_fields__)
        claim = claim.replace(**{field: _value(field, value)})
    # Float64 inputs would be summed in float32 by nobody: the claim follows unless it says otherwise.
    follows = "io=" in text and "accumulate" not in text
    return claim.replace(accumulate="float64") if follows and claim.io == "float64" else claim


def _value(field: str, text: str) -> object:
    if text.lower() == "none":
        return None
    if field in ("chunk", "splits"):
        if not text.isdigit():
            raise ShapeError(f"{field}={text} given, a whole number is needed")
        return int(text)
    short = {"fp64": "float64", "fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
    return short.get(text, text)


def _unknown(what: str, name: str, known: object) -> Claim:
    names = list(known)  # type: ignore[call-overload]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.3) or names
    raise ShapeError(f"{what} {name!r} is unknown; nearest: {', '.join(near)}")
