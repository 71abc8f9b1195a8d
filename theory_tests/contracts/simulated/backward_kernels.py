"""Correct backward kernels of both families, in the orders that are shipped."""

from __future__ import annotations

import numpy as np

from . import (
    backward_attention,
    backward_convolution,
    backward_delta,
    backward_eidetic,
    backward_layer,
    backward_recurrence,
)
from .plan import Plan
from .records import NOT_BACKWARD, Kernel

OPS = {
    "scan": ("selective_scan", backward_recurrence.selective_scan), "ssd": ("ssd", backward_recurrence.ssd),
    "delta": ("gated_delta_rule", backward_delta.gated_delta_rule),
    "conv": ("causal_conv1d", backward_convolution.causal_conv1d),
    "swa": ("sliding_window_attention", backward_attention.sliding_window_attention),
    "bmojo": ("bmojo_f", backward_attention.bmojo_f),
    "eidetic": ("bmojo", backward_eidetic.bmojo),
    "layer": ("bmojo_layer", backward_layer.bmojo_layer),
}


def run(plan: Plan, **arguments) -> dict[str, np.ndarray]:
    """Gradients by argument name."""
    operator = dict(OPS.values())[plan.op]
    with np.errstate(all="ignore"):
        return operator(plan, **arguments)


def _kernel(name: str, note: str, **choices) -> Kernel:
    plan = Plan(OPS[name.partition(".")[0]][0], **choices)
    return Kernel.of(f"{name}'", note, run, plan, without=NOT_BACKWARD)


def _short(form: str, **more: str) -> dict:
    return {"io": form, "formats": {"operand": form, **more}}


def _recurrences():
    for op in ("scan", "ssd"):
        yield _kernel(f"{op}.sequential", "reverse scan over saved states, float32")
        yield _kernel(f"{op}.float64", "float64 inside, float32 outside", work="float64")
        yield _kernel(f"{op}.hillis_steele", "both scans associative", scheme="hillis_steele")
        yield _kernel(f"{op}.chunk16_product", "states recomputed chunk by chunk, carries in both directions",
                      scheme="chunked", chunk=16)
        yield _kernel(f"{op}.logdiff", "decay gradients as reverse cumulative sums of q dq - k dk", decay="logdiff")
        yield _kernel(f"{op}.exp2_fma", "exp2 and fused multiply-add", base2=True, fma=True)
        yield _kernel(f"{op}.bf16_io", "bfloat16 in and out, float32 inside", io="bfloat16",
                      formats={"out": "bfloat16"})
    matrix = {"scheme": "matrix"}
    yield _kernel("ssd.chunk16_matrix", "matrix form, decay gradients pair by pair", chunk=16, **matrix)
    yield _kernel("ssd.chunk32_matrix", "matrix form, decay gradients pair by pair", chunk=32, **matrix)
    yield _kernel("ssd.chunk16_logdiff", "matrix form, decay gradients by row sums less column sums",
                  chunk=16, decay="logdiff", **matrix)
    yield _kernel("ssd.chunk32_logdiff_tf32", "the same on tensor cores", chunk=32, decay="logdiff",
                  formats={"operand": "tf32", "accumulator": "mma_fp32"}, **matrix)
    for c in (16, 32):
        yield _kernel(f"ssd.chunk{c}_logdiff_bf16", "as mamba's Triton kernels in bfloat16", chunk=c,
                      decay="logdiff", **matrix, **_short("bfloat16", out="bfloat16"))


def _deltas():
    yield _kernel("delta.sequential", "reverse scan over saved states, float32")
    yield _kernel("delta.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("delta.bf16_io", "bfloat16 in and out, float32 inside", io="bfloat16", formats={"out": "bfloat16"})
    for c in (16, 32):
        yield _kernel(f"delta.chunk{c}_logdiff", "WY form, decay gradients by row sums less column sums",
                      scheme="chunked", chunk=c, decay="logdiff")
    yield _kernel("delta.chunk16_logdiff_bf16", "operands in bfloat16, the inverse among them", scheme="chunked",
                  chunk=16, decay="logdiff", **_short("bfloat16", out="bfloat16"))


def _read_outs():
    yield _kernel("conv.taps", "transposed convolution, float32")
    yield _kernel("conv.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("conv.taps_reversed", "from the newest tap to the oldest", order="reversed")
    yield _kernel("conv.fma", "fused multiply-add", fma=True)
    yield _kernel("conv.bf16_io", "bfloat16 in and out, float32 inside", io="bfloat16", formats={"out": "bfloat16"})
    for op in ("swa", "bmojo"):
        yield _kernel(f"{op}.rows", "whole rows, float32")
        yield _kernel(f"{op}.float64", "float64 inside, float32 outside", work="float64")
        yield _kernel(f"{op}.blocks16", "blocks of 16 queries and keys", chunk=16)
        yield _kernel(f"{op}.blocks32_exp2", "as flash-attention: blocks of 32 and exp2", chunk=32, base2=True)
        yield _kernel(f"{op}.blocks16_reversed", "key gradients from the last block of queries to the first",
                      chunk=16, order="reversed")
        yield _kernel(f"{op}.blocks16_query_scaled", "the scale in the saved queries", chunk=16, scale_in="query")
        yield _kernel(f"{op}.blocks16_bf16", "bfloat16 operands: p and ds cast before the products", chunk=16,
                      **_short("bfloat16"))
        yield _kernel(f"{op}.blocks32_tf32_mma", "tf32 operands, truncating accumulator", chunk=32,
                      formats={"operand": "tf32", "accumulator": "mma_fp32"})
        yield _kernel(f"{op}.blocks32_bf16_out", "bfloat16 in and out, delta from the output that was stored",
                      chunk=32, **_short("bfloat16", out="bfloat16"))
        yield _kernel(f"{op}.eager", "autograd, each sum in sequence, delta as the sum of p dp", scheme="eager",
                      order="sequential")
        yield _kernel(f"{op}.eager_bf16", "autograd, the result of every operation in bfloat16", scheme="eager",
                      **_short("bfloat16", out="bfloat16", score="bfloat16", p="bfloat16", head="bfloat16"))
    yield _kernel("bmojo.passes", "each pass behind the merge, with its own output and lse", scheme="passes")
    yield _kernel("bmojo.passes_blocks16", "the same by blocks of 16", scheme="passes", chunk=16)


def _memories():
    yield _kernel("eidetic.rows", "whole rows, selected keys further keys of the window")
    yield _kernel("eidetic.float64", "float64 inside, float32 outside", work="float64", memory="stream")
    yield _kernel("eidetic.stream_blocks16", "blocks of 16, a stream for the memory", chunk=16, memory="stream",
                  selection="heap")
    yield _kernel("eidetic.passes", "three passes behind the merge", scheme="passes", memory="stream")
    yield _kernel("eidetic.gathered", "buffers of 16 queries, gradients scattered and added", memory="gathered")
    yield _kernel("eidetic.gathered_passes_exp2", "buffers of 32 queries in a pass of their own", memory="gathered",
                  rows=32, scheme="passes", chunk=16, base2=True)
    yield _kernel("eidetic.gathered_tf32_mma", "buffers, tf32 operands, truncating accumulator", memory="gathered",
                  formats={"operand": "tf32", "accumulator": "mma_fp32"})
    yield _kernel("eidetic.blocks16_bf16", "bfloat16 operands: p and ds cast before the products", chunk=16,
                  memory="stream", **_short("bfloat16"))
    yield _kernel("eidetic.eager", "autograd, each sum in sequence, delta as the sum of p dp", scheme="eager",
                  order="sequential", memory="stream")


def _layers():
    yield _kernel("layer.rows", "whole rows, float32")
    yield _kernel("layer.float64", "float64 inside, float32 outside", work="float64", memory="stream")
    yield _kernel("layer.stream_reversed", "blocks of 16 from the last to the first, a stream for the memory", chunk=16,
                  memory="stream", order="reversed", selection="heap")
    yield _kernel("layer.gathered_passes_exp2", "buffers in a pass of their own, scattered and added",
                  memory="gathered", scheme="passes", chunk=16, base2=True, selection="radix")
    yield _kernel("layer.tf32_mma", "tf32 operands, truncating accumulator", memory="gathered",
                  formats={"operand": "tf32", "accumulator": "mma_fp32"})
    yield _kernel("layer.bf16", "bfloat16 in and out, operands in bfloat16", chunk=16, memory="stream",
                  **_short("bfloat16", out="bfloat16"))


CORRECT: tuple[Kernel, ...] = (*_recurrences(), *_deltas(), *_read_outs(), *_memories(), *_layers())
