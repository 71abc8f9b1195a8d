"""Mutants of the read-out family: each a correct kernel with one slip.

What excites them: windows that end inside a block of keys, more keys than queries, rows without keys,
scores that rise along the keys (rescaling) and beyond 88 (maxima), values with a common mean
(denominators), norm inputs near sqrt(eps), scores near the soft cap, and distinct heads, groups,
batch rows and sinks.
"""

from __future__ import annotations

import numpy as np

from .read_out_kernels import CORRECT
from .records import Mutant, faults
from .wiring import copied, given, one_output_off, result, rolled, swapped, zeroed_last

_PARENTS = {kernel.name: kernel for kernel in CORRECT}

_FAULTS = """
swa.rows | window one short | j > i - w + 1
     | window one long | j >= i - w
     | one token ahead | j <= i + 1
     | mask aligned at the top left | query t takes position t where S > T
     | selected -1 read as the last key | negative index wraps round
     | selected -1 read as the first key | padding index clamped to 0
     | selected keys in the window count twice | two key sets concatenated, not united
     | selected keys replace the window | mask overwritten
     | boundary one token late | first token of a sequence sees the previous one
     | boundary one token early | last token of a sequence joins the next
     | group h % g | heads interleaved over groups
     | scale by the hidden size | (h k)^-1/2, the rule of another layer
     | scale by the number of heads | h^-1/2
     | soft cap forgotten | optional scalar never read
     | soft cap after the bias | the bias is bounded too
     | soft cap before the scale | scale softcap tanh(s / softcap)
     | soft cap not multiplied back | tanh(s / softcap)
     | soft cap clips | min and max for tanh
     | bias scaled with the scores | (s + bias) scale
     | bias transposed | strides of queries and keys swapped
     | bias -inf as -1e4 | finite mask value: a row that sees nothing becomes a mean
     | queries rotated one position ahead | table indexed from 1
     | queries take the first positions | decode: table not offset by S - T
     | keys not rotated | only the queries turned
     | columns past the rotated ones lost | partial rotary embedding
     | rotated in place | the second member reads the new first one
     | norm after rotary | the weights meet turned columns
     | norm over all heads | mean over h k entries
     | norm by the sum of squares | l2 norm for the mean
     | eps outside the root | 1 / (sqrt(mean) + eps)
     | no maximum | exp overflows above 88
     | maximum over hidden keys too | visible weights underflow under a large hidden score
     | maximum without the sink | exp(sink - max) overflows
     | block without keys gives NaN | -inf - (-inf) in the exponent
     | row without keys gives NaN | 0 / 0
     | lse without the maximum | log of the shifted sum
     | lse before the sink | denominators of output and lse differ
     | lse of a row without keys is +inf | as flash-attention 2 writes it
     | sink reads the first value | a key like any other
swa.online16 | oldest block of the window unmasked | the lower edge falls inside a block
     | last ragged block dropped | S // block blocks
     | padding of the last block counts | zero keys have score 0, not -inf
     | maximum of the first block kept | exp overflows once scores rise
     | weights with the previous maximum | maximum updated after the exponentials
     | accumulator not rescaled | old blocks keep the old maximum
     | denominator not rescaled | the same for the sum of weights
     | accumulator rescaled twice | in the loop and in the product's epilogue
     | sink counted in every block | sink inside the loop over blocks
     | block without keys gives NaN | -inf - (-inf) in a block before the window
     | one token ahead | diagonal block masked by j <= i + 1
     | window one long | lower edge of the window
swa.online64 | last ragged block dropped | S // block blocks
     | accumulator not rescaled | old blocks keep the old maximum
     | denominator not rescaled | old blocks keep the old maximum
     | oldest block of the window unmasked | the lower edge falls inside a block
swa.online16_query_scaled | scale twice | in the queries and in the exponent
swa.online16_exp2 | lse in units of log2 | ln 2 forgotten
     | sink not in units of log2 | exp2(sink)
     | weights with the previous maximum | maximum updated after the exponentials
     | no maximum | exp2 overflows above 128
swa.split2 | merge with the lse of the first part | pointer not advanced
     | merge in powers of 2 | natural lse read as log2
     | merge as a mean | parts weighted alike
     | sink counted in every part | each split starts with the sink
swa.split4 | merge without maximum | exp(lse) overflows
     | merge of empty parts gives NaN | -inf - (-inf)
     | empty part counts as one key | lse 0 for -inf
     | merge with the lse of the first part | pointer not advanced
swa.online64_bf16_mma | accumulator not rescaled | old blocks keep the old maximum
     | one token ahead | diagonal block masked by j <= i + 1
     | window one short | lower edge of the window
     | last ragged block dropped | S // block blocks
bmojo.rows | fading window one older | [i - 2w, i - w - 1]
     | fading window one younger | [i - 2w + 2, i - w + 1] overlaps the raw window
     | fading window twice as long | [i - 3w + 1, i - w]
     | fading tokens from the start | no lower edge
     | no fading tokens up to twice the window | path skipped for S <= 2w
     | window one short | a gap between the streams
     | window one long | raw and fading tokens overlap
     | one token ahead | both masks by one
     | mask aligned at the top left | query t takes position t where S > T
     | group h % g | heads interleaved over groups
     | fading keys not rotated | positions for raw keys only
     | fading keys rotated as of their place in the cache | table trimmed with the cache
     | queries take the first positions | decode: table not offset by S - T
     | scale by the hidden size | (h k)^-1/2, the rule of another layer
     | norm over all heads | mean over h k entries
     | norm after rotary | the weights meet turned columns
     | no maximum | exp overflows above 88
bmojo.passes | merge with the lse of the first part | raw lse taken for both
     | merge without maximum | exp(lse) overflows
     | empty part counts as one key | lse 0 for -inf: rows before the window is full
     | merge as a mean | parts weighted alike
     | merge in powers of 2 | natural lse read as log2
     | lse of a row without keys is +inf | as flash-attention 2 writes it: inf - inf in the merge
bmojo.online16 | accumulator not rescaled | raw blocks keep their maximum when fading ones exceed it
     | denominator not rescaled | the same for the sum of weights
     | last ragged block dropped | S // block blocks, in both streams
bmojo.online16_passes | lse in units of log2 | merge reads log2 as natural
bmojo.passes_bf16 | fading window one older | [i - 2w, i - w - 1]
     | merge with the lse of the first part | raw lse taken for both
conv.taps | boundary ignored | sequence index never read
     | boundary one token late | first token of a sequence sees the previous one
     | boundary one token early | last token of a sequence loses its past
     | packed sequences see the one before | rows before the offset read
     | first initial state for all sequences | index of the sequence not applied
     | initial state taken for another sequence | the state is masked by the index too
     | state read newest first | order of the register
     | state one token old | register shifted by one
     | bias after the activation | silu(sum) + bias
     | gate is a sigmoid | silu mistaken for its factor
     | final state before the last token | stored on entry, not on exit
     | final state of a short sequence without its past | T < w - 1: the old state must move up
     | final state keeps inputs from across a boundary | copied without the mask
conv.matmul | boundary ignored | sequence index never read
     | bias after the activation | silu(sum) + bias
"""


def _toggled(name):
    def around(kernel, **arguments):
        return kernel(**{**arguments, name: not arguments.get(name, False)})

    return around


def _masked_value(kernel, **arguments):
    """Slots of selected keys past the first are left out."""
    selected = np.array(arguments["selected"]) if arguments.get("selected") is not None else None
    if selected is not None:
        selected[..., 1:] = -1
    return kernel(**{**arguments, "selected": selected})


def _halved_window(kernel, **arguments):
    """Half of the window to each side, as where windows are symmetric."""
    window = arguments.get("window")
    return kernel(**{**arguments, "window": None if window is None else max(1, (window + 1) // 2)})


def _first_of_batch(array):
    return np.repeat(array[:1], array.shape[0], axis=0)


def _lse_shifted(y, lse):
    """Row t holds the lse of row t - 1."""
    return y, np.concatenate([lse[:, :1], lse[:, :-1]], axis=1)


def _first_output_skipped(y, other):
    y = y.copy()
    y[:, :1] = 0
    return y, other


def _structure():
    yield from faults(_FAULTS, _PARENTS)

    def wired(parent, slip, reason, around):
        return Mutant.of(_PARENTS[parent], "structure", slip, reason, around=around)

    for main in ("swa.rows", "bmojo.rows"):
        yield wired(main, "rotary sense reversed", "sin with the other sign", given(sin=np.negative))
        yield wired(main, "interleaved and half-split pairs confused", "layout flag inverted", _toggled("interleaved"))
        yield wired(main, "sin and cos swapped", "tables in the wrong order", swapped("cos", "sin"))
        yield wired(main, "positions ignored", "optional pointers never read", given(cos=None, sin=None))
        yield wired(main, "scale ignored", "the argument is never read", given(scale=None))
        yield wired(main, "query norm ignored", "optional pointer never read", given(query_norm=None))
        yield wired(main, "key norm ignored", "optional pointer never read", given(key_norm=None))
        yield wired(main, "query norm for keys too", "one weight for both", copied("query_norm", "key_norm"))
        yield wired(main, "norm weight plus one", "weights stored less one elsewhere",
                    given(query_norm=lambda w: 1 + w))
        yield wired(main, "eps missing", "x / sqrt(mean)", given(norm_eps=0.0))
        yield wired(main, "last value column dropped", "mask d < D - 1", given(value=zeroed_last(-1)))
        yield wired(main, "last key column dropped", "loop over k - 1", given(key=zeroed_last(-1)))
        yield wired(main, "values of the neighbouring key", "pointer off by one row", given(value=rolled(1)))
        yield wired(main, "batch stride of the keys ignored", "first batch row for all", given(key=_first_of_batch))
        yield wired(main, "window ignored", "full causal attention", given(window=10**6))
        yield wired(main, "lse of the previous row", "stored before the row is advanced", result(_lse_shifted))
        yield wired(main, "first output skipped", "loop starts at 1", result(_first_output_skipped))
        yield wired(main, "one output off by 2 %", "race between two warps", result(one_output_off))
        yield wired(main, "half the window", "window of both sides taken for one", _halved_window)
    yield wired("swa.rows", "bias ignored", "optional pointer never read", given(bias=None))
    yield wired("swa.rows", "bias of the first head", "stride of heads is 0",
                given(bias=lambda b: np.broadcast_to(b[..., :1, :, :], b.shape)))
    yield wired("swa.rows", "bias of the next head", "stride of heads is wrong", given(bias=rolled(-3)))
    yield wired("swa.rows", "sink ignored", "optional pointer never read", given(sink=None))
    yield wired("swa.rows", "sink of the next head", "index of the head is wrong", given(sink=rolled(0)))
    yield wired("swa.rows", "sink scaled like a score", "sink k^-1/2", given(sink=lambda s: s * 0.5))
    yield wired("swa.rows", "selected ignored", "optional pointer never read", given(selected=None))
    yield wired("swa.rows", "first selected key only", "loop of one", _masked_value)
    yield wired("swa.rows", "selected keys of the first batch row", "stride of the batch is 0",
                given(selected=_first_of_batch))
    yield wired("swa.rows", "packed boundary ignored", "offsets never read", given(cu_seqlens=None))
    yield wired("bmojo.rows", "untied query ignored", "one query for both streams", given(fading_query=None))
    yield wired("bmojo.rows", "untied query for both", "pointer taken twice", copied("fading_query", "query"))
    yield wired("bmojo.rows", "fading query norm ignored", "norm of the raw stream", given(fading_query_norm=None))
    yield wired("bmojo.rows", "fading keys normed like raw ones", "one module for both streams",
                copied("key_norm", "fading_key_norm"))
    yield wired("bmojo.rows", "fading values from the raw stream", "wrong pointer", copied("value", "fading_value"))
    yield wired("bmojo.rows", "fading keys from the raw stream", "wrong pointer", copied("key", "fading_key"))
    yield wired("bmojo.rows", "streams exchanged", "arguments in the wrong order",
                lambda kernel, **a: swapped("value", "fading_value")(
                    lambda **b: swapped("key", "fading_key")(kernel, **b), **a))
    yield wired("conv.taps", "taps reversed", "correlation for convolution", given(weight=lambda w: w[:, ::-1]))
    yield wired("conv.taps", "oldest tap dropped", "loop over w - 1 taps",
                given(weight=lambda w: np.where(np.arange(w.shape[1]) > 0, w, 0)))
    yield wired("conv.taps", "newest tap dropped", "strictly causal", given(weight=zeroed_last(1)))
    yield wired("conv.taps", "bias ignored", "optional pointer never read", given(bias=None))
    yield wired("conv.taps", "bias of the next channel", "index is wrong", given(bias=rolled(0)))
    yield wired("conv.taps", "weights of the next channel", "stride of the weights is wrong", given(weight=rolled(0)))
    yield wired("conv.taps", "activation ignored", "flag not passed on", given(activation=False))
    yield wired("conv.taps", "activation always", "flag not read", given(activation=True))
    yield wired("conv.taps", "initial state ignored", "optional pointer never read", given(initial_state=None))
    yield wired("conv.taps", "packed boundary ignored", "offsets read for the states only",
                lambda kernel, **a: (kernel(**{**a, "cu_seqlens": None, "initial_state": None})[0], kernel(**a)[1])
                if a.get("cu_seqlens") is not None else kernel(**a))
    yield wired("conv.taps", "final state is the initial state", "register not advanced",
                lambda kernel, **a: (kernel(**a)[0], a["initial_state"] if a.get("initial_state") is not None
                                     else kernel(**a)[1]))
    yield wired("conv.taps", "final state newest first", "order of the register",
                result(lambda y, final: (y, final[..., ::-1])))
    yield wired("conv.taps", "one output off by 2 %", "race between two warps", result(one_output_off))


def _arithmetic():
    def slip(parent, name, reason, **choices):
        return Mutant.of(_PARENTS[parent], "arithmetic", name, reason, **choices)

    for op, blocks in (("swa", "swa.online16"), ("bmojo", "bmojo.online16")):
        main = f"{op}.rows"
        for short, form in (("bf16", "bfloat16"), ("fp16", "float16")):
            yield slip(main, f"weights in {short} where float32 is claimed", "P cast before the product",
                       narrow={"weights": form})
            yield slip(blocks, f"accumulator in {short}", "output accumulated in the io type",
                       narrow={"accumulator": form})
            yield slip(blocks, f"denominator in {short}", "l accumulated in the io type", narrow={"total": form})
        yield slip(main, "weights in fp8 where float32 is claimed", "P cast to e4m3", narrow={"weights": "e4m3"})
        yield slip(main, "operands in tf32 where float32 is claimed", "allow_tf32 left on", narrow={"operand": "tf32"})
        yield slip(main, "operands in bf16 where float32 is claimed", "autocast", narrow={"operand": "bfloat16"})
        yield slip(main, "scores in bf16", "scores stored in the io type", narrow={"score": "bfloat16"})
        yield slip(main, "lse in bf16", "lse stored in the io type", narrow={"lse": "bfloat16"})
        yield slip(main, "exp to 1e-4", "cubic polynomial exp2", fault="exp to 1e-4")
        yield slip(main, "reciprocal to 5e-4", "hardware estimate without a Newton step",
                   narrow={"reciprocal": "tf32"})
        yield slip(main, "norm in bf16", "normed queries and keys rounded to the io type",
                   narrow={"normed": "bfloat16"})
        yield slip(main, "mean square in bf16", "squares summed in the io type", narrow={"mean": "bfloat16"})
        yield slip(main, "root to 5e-4", "rsqrt estimate without a Newton step", narrow={"reciprocal_root": "tf32"})
        yield slip(main, "rotated in bf16", "rotary in the io type", narrow={"rotated": "bfloat16"})
        yield slip(main, "rotary tables in bf16", "tables cast to the io type",
                   narrow={"cos": "bfloat16", "sin": "bfloat16"})
        yield slip(main, "output rounded to bf16, then to float32", "hard-coded cast of the output",
                   narrow={"before_out": "bfloat16"})
        yield slip(f"{op}.float64", "float32 where float64 is claimed", "upcast forgotten", work="float32")
        for percent in (1, 0.1):
            factor = 1 + percent / 100
            yield slip(main, f"scores scaled by {percent} %", "wrong constant",
                       around=_scaled_scores(factor))
        yield slip(main, "values scaled by 0.1 %", "wrong constant", around=given(value=lambda v: 1.001 * v))
    yield slip("swa.rows", "bias in bf16", "bias cast to the io type", narrow={"bias": "bfloat16"})
    yield slip("swa.rows", "sink in bf16", "sink held in the weight type", narrow={"sink": "bfloat16"})
    yield slip("swa.rows", "tanh to 5e-4", "hardware tanh", narrow={"tanh": "tf32"})
    yield slip("swa.online16_exp2", "log2(e) in bf16", "constant in the wrong type", narrow={"log2e": "bfloat16"})
    yield slip("swa.online16_exp2", "scale log2(e) in tf32", "constant in the wrong type", narrow={"unit": "tf32"})
    yield slip("swa.split4", "merge weights in bf16", "shares of the parts in the io type",
               narrow={"share": "bfloat16"})
    yield slip("bmojo.passes", "merge weights in bf16", "shares of the parts in the io type",
               narrow={"share": "bfloat16"})
    yield slip("bmojo.passes", "partial outputs in bf16", "each pass returns the io type", around=None,
               narrow={"sum": "bfloat16"})
    yield slip("swa.rows_tf32", "operands in bf16 where tf32 is claimed", "wrong mma shape",
               narrow={"operand": "bfloat16"})
    yield slip("swa.online16_fp16", "operands in bf16 where fp16 is claimed", "wrong mma shape",
               narrow={"operand": "bfloat16"})
    for parent in ("swa.online16_bf16", "swa.online64_bf16_mma"):
        yield slip(parent, "accumulator in bf16", "sums in the operand type", narrow={"accumulator": "bfloat16"})
        yield slip(parent, "weights in fp8", "P cast to e4m3", narrow={"weights": "e4m3"})
        yield slip(parent, "scores scaled by 2 %", "wrong constant", around=_scaled_scores(1.02))
        yield slip(parent, "denominator in bf16", "l accumulated in the io type", narrow={"total": "bfloat16"})
    yield slip("bmojo.online16_bf16", "accumulator in bf16", "sums in the operand type",
               narrow={"accumulator": "bfloat16"})
    for short, form in (("bf16", "bfloat16"), ("fp16", "float16")):
        yield slip("conv.taps", f"accumulator in {short}", "sum in the io type", narrow={"accumulator": form})
        yield slip("conv.taps", f"output rounded to {short}, then to float32", "output buffer in the io type",
                   narrow={"before_out": form})
    yield slip("conv.taps", "operands in tf32", "tensor cores allowed by a global flag", narrow={"operand": "tf32"})
    yield slip("conv.taps", "gate in bf16", "silu rounded to the io type", narrow={"gate": "bfloat16"})
    yield slip("conv.taps", "gate input in bf16", "sum rounded before silu", narrow={"gate_input": "bfloat16"})
    yield slip("conv.taps", "reciprocal to 5e-4", "hardware estimate without a Newton step",
               narrow={"reciprocal": "tf32"})
    yield slip("conv.taps", "initial state in bf16", "cache in the io type", narrow={"start": "bfloat16"})
    yield slip("conv.taps", "weights scaled by 0.1 %", "wrong constant", around=given(weight=lambda w: 1.001 * w))
    yield slip("conv.bf16_io", "accumulator in bf16", "sum in the io type", narrow={"accumulator": "bfloat16"})
    yield slip("conv.float64", "float32 where float64 is claimed", "upcast forgotten", work="float32")


def _scaled_scores(factor):
    """All scores off by a factor, whether the scale is given or the default."""
    def around(kernel, **arguments):
        scale = arguments.get("scale")
        scale = arguments["query"].shape[-1] ** -0.5 if scale is None else scale
        return kernel(**{**arguments, "scale": scale * factor})

    return around


def _equivalent():
    def same(parent, name, proof, **choices):
        return Mutant.of(_PARENTS[parent], "arithmetic", name, "looks like a slip", equivalent=proof, **choices)

    for op in ("swa", "bmojo"):
        yield same(f"{op}.online16_bf16", "weights rounded before and at the product",
                   "the cast of the operands rounds to bfloat16 what is rounded: rounding is idempotent",
                   narrow={"weights": "bfloat16"})
    yield same("bmojo.passes", "merge without a guard for two empty parts",
               "every row sees its own raw token, so one part is never empty", fault="merge of empty parts gives NaN")
    yield same("swa.bf16_io", "inputs cast to bf16 on load",
               "the inputs are bfloat16 values already: rounding is idempotent", narrow={"load": "bfloat16"})
    yield same("conv.bf16_io", "output rounded twice",
               "bfloat16 values are float32 values: the second rounding changes nothing",
               narrow={"before_out": "bfloat16"})
    yield same("swa.rows", "exponents below -104 give zero",
               "exp(-104) is less than half the least float32 subnormal, so float32 rounds it to zero anyway",
               fault="exp zero below -104")


MUTANTS: tuple[Mutant, ...] = (*_structure(), *_arithmetic(), *_equivalent())
