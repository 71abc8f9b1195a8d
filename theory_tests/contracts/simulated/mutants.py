"""Mutants: each a correct kernel with one slip that has been seen, or waits to be made.

A slip is planted in one of three ways: as a ``fault`` inside the kernel, as a site kept in a
``narrow`` format, or ``around`` the kernel, when the defect is one of wiring (an argument taken
for another, a result stored wrongly).  The claim is always the parent's: a mutant does not know.

Many slips show only on inputs that excite them: long memory (carries), strong decay (clamps,
cutoffs, logdiff), positive arguments above 20 and 88 (softplus), a state dimension that is no
multiple of 4, chunks that do not divide the length, packed sequences off the chunk grid, empty
ones, sequence indices that come back, slack rows.
"""

from __future__ import annotations

import numpy as np

from .kernels import CORRECT
from .records import Mutant, faults
from .wiring import given, one_output_off, result, swapped, zeroed_last

_PARENTS = {kernel.name: kernel for kernel in CORRECT}

#: Arguments with one row per token.
_ROWS = {"u", "delta", "B", "C", "z", "x", "dt", "seq_idx"}


def _mutant(parent, kind, slip, reason, **choices) -> Mutant:
    return Mutant.of(_PARENTS[parent], kind, slip, reason, **choices)


# -- wiring defects ---------------------------------------------------------------------------


def _initial_state_not_in_final(kernel, **arguments):
    y, _ = kernel(**arguments)
    return y, kernel(**{**arguments, "initial_state": None})[1]


def _initial_state_not_in_output(kernel, **arguments):
    _, final = kernel(**arguments)
    return kernel(**{**arguments, "initial_state": None})[0], final


def _batch_leak(kernel, **arguments):
    """The accumulator lives across the loop over batch rows."""
    if arguments.get("cu_seqlens") is not None:
        return kernel(**arguments)
    rows, leak = [], arguments.get("initial_state")
    batch = next(arguments[name].shape[0] for name in ("u", "x") if name in arguments)
    for i in range(batch):
        own = {k: v[i : i + 1] if k in _ROWS and v is not None else v for k, v in arguments.items()}
        state = arguments.get("initial_state")
        own["initial_state"] = leak if i else (None if state is None else state[:1])
        rows.append(kernel(**own))
        leak = rows[-1][1]
    return tuple(np.concatenate(part) for part in zip(*rows, strict=True))


def _padded(mode, chunk):
    """The length rounded up to whole chunks, and the padding taken for tokens."""

    def around(kernel, **arguments):
        if arguments.get("cu_seqlens") is not None:
            return kernel(**arguments)
        length = next(arguments[name].shape[1] for name in ("u", "x") if name in arguments)
        if length == 0:
            return kernel(**arguments)
        padded = dict(arguments)
        for name in _ROWS & set(arguments):
            if arguments[name] is not None:
                rows = np.asarray(arguments[name])
                width = [(0, 0), (0, -length % chunk)] + [(0, 0)] * (rows.ndim - 2)
                padded[name] = np.pad(rows, width, mode="edge" if name == "seq_idx" else mode)
        y, final = kernel(**padded)
        return y[:, :length], final

    return around


def _slack_read(kernel, **arguments):
    bounds = arguments.get("cu_seqlens")
    y, final = kernel(**arguments)
    if bounds is not None:
        longer = np.array(bounds)
        longer[-1] = arguments["x"].shape[1]
        final = kernel(**{**arguments, "cu_seqlens": longer})[1]
    return y, final


def _indices_compared_by_value(kernel, **arguments):
    """Tokens interact whenever their sequence indices agree, also across a foreign sequence in
    between: the dual form with mask (idx_i == idx_j).  Each index is run on its own rows."""
    index = arguments.get("seq_idx")
    if index is None:
        return kernel(**arguments)
    index = np.asarray(index)
    y, final = kernel(**arguments)
    y, final = y.copy(), final.copy()
    for row, own in enumerate(index):
        for value in np.unique(own):
            where = np.flatnonzero(own == value)
            if np.all(np.diff(where) == 1):
                continue
            silent = {k: np.array(v[row : row + 1]) if k in _ROWS and v is not None else v
                      for k, v in arguments.items()}
            silent["x"][:, own != value] = 0  # foreign tokens decay the state, and add nothing
            silent["seq_idx"] = None
            state = arguments.get("initial_state")
            silent["initial_state"] = None if state is None or own[0] != value else state[[row]]
            part, end = kernel(**silent)
            y[row, where] = part[0, where]
            if own[-1] == value:
                final[row] = end[0]
    return y, final


def _whole_vectors_only(array):
    """Lanes past the last full vector of four are masked off."""
    array = np.array(array)
    array[..., array.shape[-1] // 4 * 4 :] = 0
    return array


def _written_transposed(y, final):
    return y, np.swapaxes(final, -1, -2).reshape(final.shape)


def _first_output_skipped(y, final):
    y = y.copy()
    y[:, :1] = 0
    return y, final


def _last_outputs_unwritten(chunk):
    def change(y, final):
        y = y.copy()
        y[:, y.shape[1] // chunk * chunk :] = 0
        return y, final

    return change


# -- the lists --------------------------------------------------------------------------------
# One line per mutant: parent, slip, reason.  A bare line names a fault inside the kernel.

_FAULTS = """
scan.sequential | bias after softplus | softplus(delta) + bias
scan.sequential | softplus without threshold | exp overflows float32 above 88
scan.sequential | softplus linear above 2 | threshold mistyped
scan.sequential | decay of the next token | off-by-one pointer to delta in the decay
scan.sequential | decay of the previous token | decay applied before the token is loaded
scan.sequential | initial state not decayed | first step starts at the injection
scan.sequential | output reads the state before its token | exclusive for inclusive scan
scan.sequential | final state before the last token | loop stores on entry, not on exit
scan.sequential | gate before skip | y silu(z) + D u
scan.sequential | gate is a sigmoid | silu mistaken for its factor
scan.sequential | log-decay clamped at -20 | guard against underflow that was not needed
scan.sequential | exp zero below -10 | cutoff copied from a half-precision kernel
scan.sequential | factor 2 missing | complex readout without its conjugate half
scan.chunk16_product | carry dropped | chunks treated as independent
scan.chunk16_product | carry of the previous chunk | double buffer read before the swap
scan.chunk16_product | carry decayed twice | boundary decay in both chunks
scan.chunk16_product | chunk decay one step short | product over c - 1 tokens
scan.chunk16_product | chunk decay missing | carry added without decay
scan.chunk16_product | history of one chunk | carry overwritten, not accumulated
scan.chunk16_product | history of two chunks | window truncated (KernelBench #7)
scan.chunk16_product | boundary token lost | last token of a chunk missing from its state
scan.chunk16_product | entering decay one step short | history reaches a row undecayed by it
scan.chunk16_product | state replaced by a short last chunk | tail garbage (cuLA #38)
scan.chunk16_product | final state before the last chunk | carry stored before the update
scan.chunk16_logdiff | mask strict | row does not see itself
scan.chunk16_logdiff | mask one token ahead | row sees the next token
scan.chunk16_logdiff | mask by multiplication | exp overflows above the diagonal, inf * 0
scan.chunk16_logdiff | decay in the chunk clamped at -20 | guard on the cumulative decay
scan.chunk16_logdiff | carry dropped | chunks treated as independent
scan.chunk16_logdiff | chunk decay one step short | cumulative sum read at c - 2
scan.chunk64_logdiff | boundary token lost | last token of a chunk missing from its state
scan.chunk64_product | carry of the previous chunk | double buffer read before the swap
ssd.sequential | bias after softplus | softplus(dt) + bias
ssd.sequential | softplus without threshold | exp overflows float32 above 88
ssd.sequential | softplus linear above 2 | threshold mistyped
ssd.sequential | dt_limit before softplus | clamp in the wrong place
ssd.sequential | dt_limit ignored | clamp forgotten
ssd.sequential | decay of the next token | off-by-one pointer to dt in the decay
ssd.sequential | decay of the previous token | decay applied before the token is loaded
ssd.sequential | initial state not decayed | first step starts at the injection
ssd.sequential | output reads the state before its token | exclusive for inclusive scan
ssd.sequential | final state before the last token | loop stores on entry, not on exit
ssd.sequential | gate before skip | y silu(z) + D x
ssd.sequential | gate is a sigmoid | silu mistaken for its factor
ssd.sequential | group h % g | heads interleaved over groups
ssd.sequential | log-decay clamped at -20 | guard against underflow that was not needed
ssd.sequential | exp zero below -10 | cutoff copied from a half-precision kernel
ssd.sequential | reset missing | boundary ignored
ssd.sequential | reset one token late | first token of a sequence sees the previous one
ssd.sequential | reset one token early | last token of a sequence is cut off
ssd.sequential | first initial state for all sequences | index of the sequence not applied
ssd.sequential | empty sequence returns the previous final state | buffer never written
ssd.sequential | slack rows not cleared | outputs past cu_seqlens[-1] written
ssd.chunk16_logdiff | carry dropped | chunks treated as independent
ssd.chunk16_logdiff | carry of the previous chunk | double buffer read before the swap
ssd.chunk16_logdiff | carry decayed twice | boundary decay in both chunks
ssd.chunk16_logdiff | chunk decay one step short | cumulative sum read at c - 2
ssd.chunk16_logdiff | chunk decay missing | carry added without decay
ssd.chunk16_logdiff | history of one chunk | carry overwritten, not accumulated
ssd.chunk16_logdiff | history of two chunks | window truncated (KernelBench #7)
ssd.chunk16_logdiff | boundary token lost | last token of a chunk missing from its state
ssd.chunk16_logdiff | entering decay one step short | exclusive cumulative sum for the history
ssd.chunk16_logdiff | state replaced by a short last chunk | tail garbage (cuLA #38)
ssd.chunk16_logdiff | final state before the last chunk | carry stored before the update
ssd.chunk16_logdiff | mask strict | row does not see itself
ssd.chunk16_logdiff | mask one token ahead | row sees the next token
ssd.chunk16_logdiff | mask by multiplication | exp overflows above the diagonal (vllm #37501)
ssd.chunk16_logdiff | decay in the chunk clamped at -20 | guard on the cumulative decay
ssd.chunk16_logdiff | group h % g | heads interleaved over groups
ssd.chunk16_logdiff | reset missing | boundary ignored
ssd.chunk16_logdiff | reset one token late | first token of a sequence sees the previous one
ssd.chunk16_logdiff | reset one token early | last token of a sequence is cut off
ssd.chunk16_logdiff | reset only where a chunk begins | boundaries inside chunks ignored
ssd.chunk16_logdiff | empty sequence returns the previous final state | buffer never written
ssd.chunk16_loop | first initial state for all sequences | index of the sequence not applied
ssd.chunk16_product | carry dropped | chunks treated as independent
ssd.chunk16_product | chunk decay one step short | product over c - 1 tokens
ssd.chunk64_bf16_mma | carry of the previous chunk | double buffer read before the swap
ssd.chunk64_bf16_mma | boundary token lost | last token of a chunk missing from its state
ssd.chunk64_bf16_mma | mask strict | row does not see itself
ssd.chunk64_bf16_mma | chunk decay one step short | cumulative sum read at c - 2
ssd.dual_logdiff | mask one token ahead | row sees the next token
"""


def _structure():
    yield from faults(_FAULTS, _PARENTS)

    def wired(parent, slip, reason, around):
        return _mutant(parent, "structure", slip, reason, around=around)

    for op, main, chunked in (
        ("scan", "scan.sequential", "scan.chunk16_product"),
        ("ssd", "ssd.sequential", "ssd.chunk16_logdiff"),
    ):
        bias, softplus_on = {"scan": ("delta_bias", "delta_softplus"),
                             "ssd": ("dt_bias", "dt_softplus")}[op]
        yield wired(main, "bias ignored", "optional pointer never read", given(**{bias: None}))
        yield wired(main, "softplus skipped", "flag not passed on", given(**{softplus_on: False}))
        yield wired(main, "initial state ignored", "optional pointer never read",
                    given(initial_state=None))
        yield wired(main, "initial state missing from the final state",
                    "used for the outputs only", _initial_state_not_in_final)
        yield wired(chunked, "initial state missing from the outputs",
                    "used for the final state only", _initial_state_not_in_output)
        yield wired(main, "gate ignored", "optional pointer never read", given(z=None))
        yield wired(main, "A without its sign", "exp(-step A): growth", given(A=np.negative))
        yield wired(main, "A taken for log(-A)", "decay exp(-step exp(A))",
                    given(A=lambda A: -np.exp(A)))
        yield wired(main, "B and C swapped", "arguments in the wrong order", swapped("B", "C"))
        yield wired(main, "last state dropped", "loop over n - 1 states: not read",
                    given(C=zeroed_last(-1)))
        yield wired(chunked, "last state never written", "loop over n - 1 states",
                    given(B=zeroed_last(-1)))
        yield wired(chunked, "whole vectors only", "tail of n past a multiple of 4 masked off",
                    given(B=_whole_vectors_only))
        yield wired(main, "state leaks between batch rows", "accumulator not cleared", _batch_leak)
        yield wired(main, "final state written transposed", "strides swapped",
                    result(_written_transposed))
        yield wired(main, "first output skipped", "loop starts at 1",
                    result(_first_output_skipped))
        yield wired(chunked, "outputs of the short last chunk unwritten", "grid = T // chunk",
                    result(_last_outputs_unwritten(16)))
        yield wired(chunked, "tail padded with the last row", "clamped loads taken for tokens",
                    _padded("edge", 16))
        yield wired(chunked, "tail padded with zeros", "softplus(0 + bias) decays the state",
                    _padded("constant", 16))
        yield wired(main, "one output off by 2 %", "race between two warps",
                    result(one_output_off))
        yield wired(main, "D ignored", "optional pointer never read", given(D=None))

    yield wired("scan.sequential", "D missing in the last channel", "mask d < D - 1",
                given(D=zeroed_last(0)))
    yield wired("scan.sequential", "Euler where zoh is asked", "option not implemented",
                given(discretization="euler"))
    yield wired("scan.sequential", "zoh where Euler is asked", "option not read",
                given(discretization="zoh"))
    yield wired("scan.sequential", "C conjugated", "readout by vdot", given(C=np.conj))
    yield wired("scan.sequential", "A conjugated", "rotation in the other sense",
                given(A=np.conj))
    yield wired("scan.sequential", "imaginary part of A dropped", "real exp of a complex argument",
                given(A=lambda A: A.real + 0 * A))
    yield wired("scan.sequential", "imaginary part of C dropped", "2 Re C Re S",
                given(C=lambda C: C.real + 0 * C))
    yield wired("scan.sequential", "A of the neighbouring channel", "stride of A is wrong",
                given(A=lambda A: np.roll(A, 1, axis=0)))

    yield wired("ssd.sequential", "D missing in the last head", "mask h < H - 1",
                given(D=zeroed_last(0)))
    yield wired("ssd.sequential", "D per channel read as per head", "stride along p is 0",
                given(D=lambda D: D if D.ndim == 1 else np.broadcast_to(D[:, :1], D.shape)))
    yield wired("ssd.sequential", "A of the neighbouring head", "stride of A is wrong",
                given(A=lambda A: np.roll(A, 1)))
    yield wired("ssd.chunk16_logdiff", "slack rows in the final state", "length for cu_seqlens[-1]",
                _slack_read)
    yield wired("ssd.chunk16_logdiff", "sequence indices compared by value",
                "mask idx_i == idx_j: wrong when an index comes back", _indices_compared_by_value)
    yield wired("ssd.chunk16_loop", "dt_limit: lower bound ignored", "min without max",
                given(dt_limit=lambda limit: (-np.inf, limit[1])))
    yield wired("ssd.chunk16_loop", "dt_limit: upper bound ignored", "max without min (vllm)",
                given(dt_limit=lambda limit: (limit[0], np.inf)))


def _arithmetic():
    def slip(parent, name, reason, **choices):
        return _mutant(parent, "arithmetic", name, reason, **choices)

    for op, logdiff in (("scan", "scan.chunk16_logdiff"), ("ssd", "ssd.chunk16_logdiff")):
        main, exp2 = f"{op}.sequential", "scan.exp2" if op == "scan" else "ssd.chunk64_exp2"
        for short, form in (("bf16", "bfloat16"), ("fp16", "float16")):
            yield slip(main, f"state in {short}", "state buffer in the io type",
                       narrow={"state": form})
            yield slip(logdiff, f"carry in {short}", "chunk states stored in the io type",
                       narrow={"carry": form})
            yield slip(logdiff, f"cumulative log-decay in {short}", "cumsum in the weight type",
                       narrow={"cumsum": form})
            yield slip(exp2, f"log2(e) in {short}", "constant in the wrong type",
                       narrow={"log2e": form})
            yield slip(main, f"accumulator in {short}", "readout summed in the io type",
                       narrow={"accumulator": form})
            yield slip(main, f"decay in {short}", "exp(dt A) stored in the io type",
                       narrow={"decay": form})
        for site, what in (
            ("step", "softplus(dt) rounded to the io type"),
            ("gate", "silu(z) rounded to the io type"),
            ("skip", "D u rounded to the io type"),
            ("A", "A held in the weight type"),
            ("bias", "bias held in the weight type"),
            ("inject", "dt B u rounded to the io type"),
            ("exponent", "dt A rounded to the io type"),
            ("readout", "y rounded before the skip connection"),
        ):
            yield slip(main, f"{site} in bf16", what, narrow={site: "bfloat16"})
        yield slip(main, "operands in tf32", "tensor cores allowed by a global flag",
                   narrow={"operand": "tf32"})
        yield slip(main, "operands in bf16", "autocast", narrow={"operand": "bfloat16"})
        yield slip(main, "initial state in bf16", "cache in the io type",
                   narrow={"start": "bfloat16"})
        yield slip(main, "output rounded to bf16, then to float32", "autocast output buffer",
                   narrow={"before_out": "bfloat16"})
        yield slip(f"{op}.float64", "float32 where float64 is claimed", "upcast forgotten",
                   work="float32")
        yield slip(f"{op}.chunk16_logdiff_float64", "cumulative log-decay in float32",
                   "cumsum kept in float32", narrow={"cumsum": "float32"})
        yield slip(f"{op}.chunk16_product", "log differences where products are claimed",
                   "pays for the cumulative log-decay", decay="logdiff")
        yield slip(main, "softplus as log(1 + exp)", "small steps lose their digits",
                   fault="softplus as log(1 + exp)")
        yield slip(main, "exp to 1e-4", "cubic polynomial exp2", fault="exp to 1e-4")
        yield slip(main, "reciprocal to 5e-4", "hardware estimate without a Newton step",
                   narrow={"reciprocal": "tf32"})
        for percent in (1, 0.1):
            factor = 1 + percent / 100
            yield slip(main, f"C scaled by {percent} %", "wrong constant",
                       around=given(C=lambda C, factor=factor: factor * C))
            yield slip(main, f"log-decay scaled by {percent} %", "wrong constant",
                       around=given(A=lambda A, factor=factor: factor * A))
    yield slip("scan.bf16_state", "decay in bf16", "only the state was to be short",
               narrow={"decay": "bfloat16"})
    yield slip("scan.sequential", "expm1 as exp - 1", "zoh weight of small steps cancels",
               fault="expm1 as exp - 1")
    yield slip("scan.tf32_readout", "operands in bf16 where tf32 is claimed", "wrong mma shape",
               narrow={"operand": "bfloat16"})
    yield slip("scan.bf16_io", "accumulator in bf16", "reduction in the io type",
               narrow={"accumulator": "bfloat16"})
    yield slip("scan.bf16_io", "state in bf16", "state buffer in the io type",
               narrow={"state": "bfloat16"})
    yield slip("scan.bf16_io", "1 % scale", "wrong constant, short output",
               around=given(C=lambda C: 1.01 * C))

    yield slip("ssd.chunk16_logdiff", "operands in tf32 where float32 is claimed",
               "allow_tf32 left on", narrow={"operand": "tf32"})
    yield slip("ssd.chunk16_logdiff", "operands in bf16 where float32 is claimed", "autocast",
               narrow={"operand": "bfloat16"})
    yield slip("ssd.chunk16_logdiff", "truncating accumulator where float32 is claimed",
               "tensor-core sums", narrow={"accumulator": "mma_fp32"})
    yield slip("ssd.chunk16_tf32", "operands in bf16 where tf32 is claimed", "wrong mma shape",
               narrow={"operand": "bfloat16"})
    yield slip("ssd.chunk16_fp16", "operands in bf16 where fp16 is claimed", "wrong mma shape",
               narrow={"operand": "bfloat16"})
    for parent in ("ssd.chunk16_bf16", "ssd.chunk64_bf16_mma"):
        yield slip(parent, "accumulator in bf16", "sums in the operand type",
                   narrow={"accumulator": "bfloat16"})
        yield slip(parent, "cumulative log-decay in bf16", "cumsum in the io type",
                   narrow={"cumsum": "bfloat16"})
        yield slip(parent, "step in bf16", "softplus(dt) rounded to the io type",
                   narrow={"step": "bfloat16"})
        yield slip(parent, "carry in bf16", "chunk states stored in the io type",
                   narrow={"carry": "bfloat16"})
        yield slip(parent, "1 % scale", "wrong constant", around=given(C=lambda C: 1.01 * C))
    yield slip("ssd.bf16_io", "state in bf16", "state buffer in the io type",
               narrow={"state": "bfloat16"})


def _equivalent():
    def same(parent, name, proof, **choices):
        return _mutant(parent, "arithmetic", name, "looks like a slip", equivalent=proof, **choices)

    for op in ("scan", "ssd"):
        yield same(f"{op}.sequential", "exp zero below -104",
                   "exp(-104) is less than half the least float32 subnormal, so float32 rounds it "
                   "to zero anyway", fault="exp zero below -104")
        yield same(f"{op}.chunk16_logdiff", "mask after exp",
                   "what overflows above the diagonal is discarded by the select, not multiplied",
                   fault="mask after exp")
        yield same(f"{op}.bf16_io", "inputs cast to bf16 on load",
                   "the inputs are bfloat16 values already: rounding is idempotent",
                   narrow={"load": "bfloat16"})
        yield same(f"{op}.bf16_io", "output rounded twice",
                   "bfloat16 values are float32 values: the second rounding changes nothing",
                   narrow={"before_out": "bfloat16"})


MUTANTS: tuple[Mutant, ...] = (*_structure(), *_arithmetic(), *_equivalent())
