"""Backward mutants: right forward, and one slip on the way back.

What excites them: cotangents of all outputs (those of final states and of lse too), distinct members
of a group, more than one batch row, boundaries off the blocks, raw steps on both sides of 20 and steps
on both sides of the limits, initial states, short windows, scores near the soft cap, and scores large
enough that a row is not a mean.
"""

from __future__ import annotations

import numpy as np

from .backward_kernels import CORRECT
from .records import Mutant, faults
from .wiring import given

_PARENTS = {kernel.name: kernel for kernel in CORRECT}

_FAULTS = """
scan.sequential' | silu' without its second term | dz = dy y sigmoid(z)
     | silu' of a sigmoid | sigmoid (1 - sigmoid)
     | silu' with the sign of its second term wrong | sigmoid (1 - z (1 - sigmoid))
     | dz without the skip | the saved y lacks D u
     | gate missing in the gradient of y | dz only
     | dx without the skip | D dy not added to du
     | dx without the step | du = dS B
     | dB without the step | dB = dS u
     | step gradient without the write | path through step u B missing
     | step gradient without the decay | path through exp(step A) missing
     | dA without the step | d exponent taken for dA
     | gradient of log(-A) for that of A | the parameter of another layer
     | softplus' missing | ddelta = dstep
     | softplus' zero beyond the threshold | branch without a derivative
     | softplus' as exp / (1 + exp) | inf / inf above 88
     | softplus' beyond 2 is 1 | threshold mistyped
     | softplus' without the bias | sigmoid(delta), not sigmoid(delta + bias)
     | softplus' as 1 - exp(-softplus) | small steps lose their digits
     | decay gradient reads the state after its token | S(t) for S(t-1)
     | decay of the same token | a(t) where a(t+1) carries back
     | dC reads the state before its token | S(t-1) for S(t)
     | final-state cotangent ignored | reverse scan starts at zero
     | initial-state gradient not decayed | G(1) for a(1) G(1)
     | dB of the last head of a group | sum over channels missing
     | dC of the first head of a group | sum over channels missing
     | dD of the last batch row only | atomic add overwritten
     | dA of the last batch row only | atomic add overwritten
     | bias gradient of the last batch row only | atomic add overwritten
scan.chunk16_product' | backward: carry dropped | gradients stop at chunk ends
     | backward: carry of the previous chunk | double buffer read before the swap
     | backward: chunk decay one step short | product over c - 1 tokens
     | backward: entering decay one step short | carry reaches a row undecayed by it
     | backward: boundary token lost | last row of a chunk missing from its carry
scan.logdiff' | final state missing in the log-decay | cumulative sum starts at zero
ssd.sequential' | silu' without its second term | dz = dy y sigmoid(z)
     | silu' of a sigmoid | sigmoid (1 - sigmoid)
     | dz without the skip | the saved y lacks D x
     | gate missing in the gradient of y | dz only
     | dx without the skip | D dy not added to dx
     | dx without the step | dx = dS B
     | dB without the step | dB = dS x
     | step gradient without the write | path through step x B missing
     | step gradient without the decay | path through exp(step A) missing
     | dA without the step | d exponent taken for dA
     | softplus' zero beyond the threshold | branch without a derivative
     | softplus' as exp / (1 + exp) | inf / inf above 88
     | softplus' without the bias | sigmoid(dt), not sigmoid(dt + bias)
     | dt_limit ignored | a clipped step has no derivative
     | dt_limit: lower bound ignored | min without max
     | decay gradient reads the state after its token | S(t) for S(t-1)
     | decay of the same token | a(t) where a(t+1) carries back
     | final-state cotangent ignored | reverse scan starts at zero
     | initial-state gradient not decayed | G(1) for a(1) G(1)
     | boundary ignored | gradients flow into the sequence before
     | boundary ignored in dB only | mask missing in one of four products
     | dB of the last head of a group | sum over the heads of a group missing
     | dC of the first head of a group | sum over the heads of a group missing
     | dB as a mean over the group | divided by the members
     | dC by heads h % g | heads interleaved over groups
     | dD of the last batch row only | atomic add overwritten
     | dA of the last batch row only | atomic add overwritten
     | bias gradient of the last batch row only | atomic add overwritten
ssd.chunk16_logdiff' | carry dropped | gradients stop at chunk ends
     | backward: mask strict | row does not see itself
     | backward: mask one token ahead | row sees the next token
     | backward: entering decay one step short | exclusive cumulative sum for the history
     | log-decay gradient without the history | pairs within a chunk only
     | final-state cotangent ignored | carry starts at zero
     | dB of the last head of a group | sum over the heads of a group missing
ssd.chunk16_matrix' | carry dropped | gradients stop at chunk ends
     | log-decay gradient without the history | pairs within a chunk only
conv.taps' | silu' without its second term | dy sigmoid(s)
     | silu' is silu | value taken for derivative
     | activation not differentiated | dy passed on
     | bias gradient without the activation | sum of dy
     | input gradient in reversed taps | convolution for correlation
     | weight gradient in reversed taps | order of the windows
     | weight gradient across boundaries | windows read over the start of a sequence
     | weight gradient without the initial state | the first w - 1 windows
     | weight gradient one token late | window shifted by one
     | boundary ignored | gradients flow into the sequence before
     | input gradient of the last w - 1 tokens lost | loop ends with the windows
     | final-state cotangent ignored | path through the register missing
     | final-state cotangent newest first | order of the register
     | final-state cotangent of a short sequence lost | T < w - 1: it goes to the initial state
     | initial-state gradient missing | zeros returned
     | initial-state gradient newest first | order of the register
     | dweight of the last batch row only | atomic add overwritten
     | dbias of the last batch row only | atomic add overwritten
swa.rows' | delta missing | ds = p dp
     | delta of the neighbouring row | pointer off by one
     | softmax not differentiated | ds = dp
     | lse cotangent ignored | path through the log-sum-exp missing
     | scale missing in dq | scale in one product only
     | scale missing in dk | scale in one product only
     | scale twice in dk | scaled queries saved, and scaled again
     | soft cap derivative missing | ds passed through tanh
     | soft cap derivative without its square | sqrt(1 - t^2)
     | bias gradient through the soft cap | bias taken for a part of the score
     | dbias of the last batch row only | sum over the batch missing
     | sink gradient missing | zeros returned
     | sink gradient with the wrong sign | sum of p delta
     | sink gradient without that of the lse | -p delta
     | dsink of the last batch row only | sum over the batch missing
     | key gradient of a window one short | mask of dk and dq differ
     | key gradient of a window one long | mask of dk and dq differ
     | key gradient of the next query | mask of dk off by one row
     | query gradient of a window one short | mask of dq and dk differ
     | key gradient shifted by S - T | decode: rows counted from the top
     | dk of the last head of a group | sum over the heads of a group missing
     | dv of the first head of a group | sum over the heads of a group missing
     | dk as a mean over the group | divided by the members
     | dv by heads h % g | heads interleaved over groups
     | not rotated back | gradients of turned queries and keys
     | rotated on, not back | sin with the sign of the forward pass
     | norm gradient without its projection | dx = r w dy
     | norm gradient projected by a sum | mean without 1 / k
     | norm gradient without the weight | dx = r dy - ...
     | norm weight gradient through the weight | dw = dy n w
     | norm weight gradient of raw inputs | dw = dy x
     | norm weight gradient of the last head only | sum over the heads missing
     | dnorm of the last batch row only | sum over the batch missing
swa.blocks16' | key gradients of the last block of queries only | overwritten, not added
     | delta missing | ds = p dp
     | key gradient of a window one short | lower edge inside a block
     | lse cotangent ignored | path through the log-sum-exp missing
swa.blocks32_bf16_out' | key gradient of a window one short | lower edge inside a block
     | scale missing in dk | scale in one product only
bmojo.rows' | query gradient of the other stream lost | one of two passes adds to dq
     | lse cotangent ignored | path through the log-sum-exp missing
     | delta missing | ds = p dp
     | key gradient of a window one short | in both streams
     | key gradient of a window one long | in both streams
     | dk of the last head of a group | sum over the heads of a group missing
     | not rotated back | gradients of turned queries and keys
     | norm gradient without its projection | dx = r w dy
     | key gradient shifted by S - T | decode: rows counted from the top
bmojo.passes' | path through the lse of the merge missing | each pass differentiated by itself
     | merge weights not differentiated | shares taken for constants
     | share missing in the cotangent of a pass | dy passed on to both
     | query gradient of the other stream lost | one of two passes adds to dq
delta.sequential' | dv without beta | dv = G k
     | dq reads the state before its token | S(t-1) for S(t)
     | dq without the scale | scale applied to the saved queries only
     | dbeta of the write only | path of beta through the erase missing
     | dk of the write only | path of the key through the prediction missing
     | dk without the prediction | v for v - S k
     | erase missing on the way back | linear attention's reverse scan
     | decay missing on the way back | G(t) = g q' + R(t+1)
     | decay gradient before the erase | G for R
     | decay gradient undecayed | S(t-1) for a S(t-1)
     | norm taken for a constant | l2norm detached
     | final-state cotangent ignored | reverse scan starts at zero
     | boundary ignored | gradient leaks into the sequence before
     | dk of the last head of a group | sum over heads missing
delta.chunk16_logdiff' | carry dropped | gradients stop at chunk ends
     | carry of the next chunk | double buffer read before the swap
     | inverse not transposed | T for T'
     | gradient of the inverse missing | path of keys and beta through the triangle missing
     | state missing in the decay gradient | cumulative sum starts without the state
     | carry not erased on the way back | w missing in dS
"""


def _structure():
    yield from faults(_FAULTS, _PARENTS)

    def wired(parent, slip, reason, around):
        return Mutant.of(_PARENTS[parent], "structure", slip, reason, around=around)

    def changed(name, change):
        """One gradient changed on its way out."""
        def around(kernel, **arguments):
            gradients = kernel(**arguments)
            return gradients | {name: change(gradients[name])} if name in gradients else gradients

        return around

    yield wired("ssd.sequential'", "initial-state gradient of the first sequence for all", "index not applied",
                changed("initial_state", lambda g: np.repeat(g[:1], len(g), axis=0)))
    yield wired("scan.sequential'", "initial-state gradient missing", "zeros returned",
                changed("initial_state", np.zeros_like))
    yield wired("swa.rows'", "gradient of hidden bias entries is 1", "-inf treated as a number",
                lambda kernel, **a: (g := kernel(**a)) | (
                    {"bias": np.where(np.isneginf(a["bias"]), 1, g["bias"])} if "bias" in g else {}))
    yield wired("swa.rows'", "selected keys get no gradient", "second loop missing in the backward pass",
                _without_selected)
    yield wired("swa.rows'", "packed boundary ignored", "offsets never read in the backward pass",
                given(cu_seqlens=None))
    yield wired("bmojo.rows'", "fading key gradient of a window one older", "shift of the second stream",
                changed("fading_key", lambda g: np.roll(g, -1, axis=1)))
    yield wired("bmojo.rows'", "fading value gradient missing", "zeros returned",
                changed("fading_value", np.zeros_like))
    yield wired("bmojo.rows'", "fading gradients added to the raw stream", "one buffer for both",
                lambda kernel, **a: (g := kernel(**a)) | {"key": g["key"] + g["fading_key"]})


def _without_selected(kernel, **arguments):
    """Keys and values get what they get from the window; queries are right."""
    if arguments.get("selected") is None:
        return kernel(**arguments)
    whole = kernel(**arguments)
    window = kernel(**{**arguments, "selected": None})
    return whole | {name: window[name] for name in ("key", "value")}


def _arithmetic():
    def slip(parent, name, reason, **choices):
        return Mutant.of(_PARENTS[parent], "arithmetic", name, reason, **choices)

    for op in ("scan", "ssd"):
        main = f"{op}.sequential'"
        for site, what in (("dA", "atomic adds in the io type"), ("dB", "atomic adds in the io type"),
                           ("dD", "atomic adds in the io type"), ("bias gradient", "atomic adds in the io type")):
            yield slip(main, f"{site} in bf16", what, narrow={f"backward: {site}": "bfloat16"})
        yield slip(main, "state gradients in bf16", "reverse scan in the io type",
                   narrow={"backward: state": "bfloat16"})
        yield slip(main, "saved states in bf16", "checkpoints in the io type", narrow={"state": "bfloat16"})
        yield slip(main, "gate in bf16", "silu'(z) rounded to the io type", narrow={"backward: gate": "bfloat16"})
        yield slip(main, "step gradient in bf16", "dstep stored in the io type", narrow={"backward: step": "bfloat16"})
        yield slip(main, "sigmoid to 5e-4", "hardware estimate", narrow={"backward: reciprocal": "tf32"})
        yield slip(main, "exp to 1e-4", "cubic polynomial exp2", fault="backward: exp to 1e-4")
        yield slip(main, "log differences where products are claimed", "decay gradients by cumulative sums",
                   decay="logdiff")
        yield slip(f"{op}.float64'", "float32 where float64 is claimed", "upcast forgotten", work="float32")
        yield slip(f"{op}.bf16_io'", "dA in bf16", "atomic adds in the io type",
                   narrow={"backward: dA": "bfloat16"})
    yield slip("ssd.chunk16_matrix'", "operands in bf16", "autocast", narrow={"backward: operand": "bfloat16"})
    yield slip("ssd.chunk32_logdiff_bf16'", "accumulator in bf16", "sums in the operand type",
               narrow={"backward: accumulator": "bfloat16"})
    yield slip("conv.taps'", "dweight in bf16", "atomic adds in the io type", narrow={"backward: dweight": "bfloat16"})
    yield slip("conv.taps'", "dbias in fp16", "atomic adds in the io type", narrow={"backward: dbias": "float16"})
    yield slip("conv.taps'", "gate in bf16", "dy silu' rounded to the io type", narrow={"backward: gate": "bfloat16"})
    yield slip("conv.taps'", "input gradient in bf16", "accumulated in the io type",
               narrow={"backward: accumulator": "bfloat16"})
    yield slip("conv.bf16_io'", "dweight in bf16", "atomic adds in the io type",
               narrow={"backward: dweight": "bfloat16"})
    for op in ("swa", "bmojo"):
        main, blocks = f"{op}.rows'", f"{op}.blocks16'"
        yield slip(main, "delta in bf16", "delta stored in the io type", narrow={"backward: delta": "bfloat16"})
        yield slip(main, "delta from an output in bf16", "the output was saved in the io type",
                   narrow={"backward: output": "bfloat16"})
        yield slip(main, "lse in bf16", "lse saved in the io type", narrow={"backward: lse": "bfloat16"})
        yield slip(main, "p in bf16", "recomputed weights in the io type", narrow={"backward: p": "bfloat16"})
        yield slip(main, "ds in bf16", "score gradients in the io type", narrow={"backward: ds": "bfloat16"})
        yield slip(main, "exp to 1e-4", "cubic polynomial exp2", fault="backward: exp to 1e-4")
        yield slip(main, "operands in tf32", "allow_tf32 left on", narrow={"backward: operand": "tf32"})
        yield slip(main, "dnorm in bf16", "atomic adds in the io type", narrow={"backward: dnorm": "bfloat16"})
        yield slip(main, "norm in bf16", "normed inputs saved in the io type",
                   narrow={"backward: normed": "bfloat16"})
        yield slip(f"{op}.eager'", "score gradients in bf16", "autocast left on",
                   narrow={"backward: score": "bfloat16"})
        yield slip(blocks, "dk in bf16", "atomic adds in the io type", narrow={"backward: dk": "bfloat16"})
        yield slip(blocks, "dq in bf16", "atomic adds in the io type", narrow={"backward: dq": "bfloat16"})
        yield slip(f"{op}.float64'", "float32 where float64 is claimed", "upcast forgotten", work="float32")
    yield slip("swa.rows'", "dbias in bf16", "atomic adds in the io type", narrow={"backward: dbias": "bfloat16"})
    yield slip("swa.rows'", "dsink in bf16", "atomic adds in the io type", narrow={"backward: dsink": "bfloat16"})
    yield slip("swa.rows'", "tanh to 5e-4", "hardware tanh", narrow={"backward: tanh": "tf32"})
    yield slip("swa.blocks32_bf16_out'", "accumulator in bf16", "sums in the operand type",
               narrow={"backward: accumulator": "bfloat16"})
    yield slip("swa.blocks16_bf16'", "accumulator in bf16", "sums in the operand type",
               narrow={"backward: accumulator": "bfloat16"})


def _equivalent():
    yield Mutant.of(
        _PARENTS["scan.sequential'"], "arithmetic", "sigmoid for softplus' beyond the threshold", "looks like a slip",
        equivalent="sigmoid(x) differs from 1 by less than exp(-20) = 2.1e-9 there, which float32 rounds away",
        fault="softplus' as a sigmoid throughout")
    yield Mutant.of(
        _PARENTS["scan.bf16_io'"], "arithmetic", "gradients rounded twice", "looks like a slip",
        equivalent="bfloat16 values are float32 values: the second rounding changes nothing",
        narrow={"backward: before_out": "bfloat16"})


MUTANTS: tuple[Mutant, ...] = (*_structure(), *_arithmetic(), *_equivalent())
