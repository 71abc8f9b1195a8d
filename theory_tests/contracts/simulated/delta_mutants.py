"""Kernels of the gated delta rule with one slip."""

from __future__ import annotations

from .delta_kernels import CORRECT
from .records import Mutant, faults
from .wiring import given, result, zeroed_last

_PARENTS = {kernel.name: kernel for kernel in CORRECT}

_FAULTS = """
delta.sequential | no erase | linear attention
delta.sequential | erase added | sign of the innovation
delta.sequential | erase of the undecayed state | prediction read before the decay
delta.sequential | erase with the previous key | pointer of the key one token behind
delta.sequential | erase after the write | state updated in place, then read
delta.sequential | beta missing in the erase | beta folded into the values only
delta.sequential | beta missing in the write | beta folded into the keys of the erase only
delta.sequential | beta at most 1 | sigmoid assumed, negative eigenvalues cut off
delta.sequential | decay of the next token | off-by-one pointer to the decay
delta.sequential | initial state not decayed | first step starts behind the decay
delta.sequential | output reads the state before its token | exclusive for inclusive scan
delta.sequential | final state before the last token | loop stores on entry, not on exit
delta.sequential | group h % g | heads interleaved over groups
delta.sequential | norm forgotten | l2norm left to the caller
delta.sequential | eps outside the root | eps added to the norm
delta.sequential | scale forgotten | queries unscaled
delta.sequential | reset missing | boundary ignored
delta.sequential | reset one token late | first token of a sequence sees the previous one
delta.sequential | packed sequences run on | state not replaced at a boundary
delta.sequential | first initial state for all sequences | index of the sequence not applied
delta.chunk16_logdiff | no erase | triangle dropped: linear attention in chunks
delta.chunk16_logdiff | entering state not erased | w S left out
delta.chunk16_logdiff | inverse to first order | I - A for inv(I + A)
delta.chunk16_logdiff | inverse transposed | layout of the solve
delta.chunk16_logdiff | triangle without decay | decays left out of A
delta.chunk16_logdiff | beta of the other token | beta of the column for that of the row
delta.chunk16_logdiff | entering state undecayed in the erase | w without cumulative decay
delta.chunk16_logdiff | mask strict | a token does not see itself
delta.chunk16_logdiff | writes undecayed in the carry | keys not decayed to the end of the chunk
delta.chunk16_logdiff | chunk decay missing | carry added without decay
delta.chunk16_logdiff | chunk decay one step short | cumulative sum read at c - 2
delta.chunk16_logdiff | boundary token lost | last token of a chunk missing from its state
delta.chunk16_logdiff | carry dropped | chunks treated as independent
delta.chunk16_logdiff | carry of the previous chunk | double buffer read before the swap
delta.chunk16_logdiff | state replaced by a short last chunk | tail garbage
delta.chunk16_logdiff | final state before the last chunk | carry stored before the update
delta.chunk64_product | entering state not erased | w S left out
delta.chunk64_bf16_mma | inverse to first order | I - A for inv(I + A)
delta.chunk64_bf16_mma | beta of the other token | beta of the column for that of the row
delta.chunk16_bf16 | carry of the previous chunk | double buffer read before the swap
"""


def _mutant(parent, kind, slip, reason, **choices) -> Mutant:
    return Mutant.of(_PARENTS[parent], kind, slip, reason, **choices)


def _narrow():
    for parent, site, form, reason in (
        ("delta.sequential", "state", "bfloat16", "state in shared memory as bfloat16"),
        ("delta.sequential", "operand", "tf32", "products on tensor cores by default"),
        ("delta.sequential", "decay", "bfloat16", "gate kept in the input's format"),
        ("delta.sequential", "beta", "bfloat16", "beta kept in the input's format"),
        ("delta.sequential", "innovation", "bfloat16", "v - S k in the input's format"),
        ("delta.chunk16_logdiff", "inverse", "bfloat16", "inverse stored in bfloat16"),
        ("delta.chunk16_logdiff", "carry", "float16", "state between chunks in float16"),
        ("delta.chunk16_logdiff", "cumsum", "bfloat16", "cumulative decay in bfloat16"),
        ("delta.chunk16_logdiff", "operand", "tf32", "tf32 where float32 is claimed"),
        ("delta.chunk64_product", "operand", "bfloat16", "operands cast silently"),
    ):
        yield _mutant(parent, "arithmetic", f"{site} in {form}", reason, narrow={site: form})


def _wired():
    for parent in ("delta.sequential", "delta.chunk16_product"):
        yield _mutant(parent, "structure", "initial state ignored", "argument not passed on",
                      around=given(initial_state=None))
        yield _mutant(parent, "structure", "last key column not read", "width rounded down",
                      around=given(query=zeroed_last(-1)))
        yield _mutant(parent, "structure", "values and scale off by 1 %", "constant mistyped",
                      around=result(lambda y, final: (y * y.dtype.type(1.01), final)))


MUTANTS: tuple[Mutant, ...] = (*faults(_FAULTS, _PARENTS), *_narrow(), *_wired())
