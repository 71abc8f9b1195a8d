"""Correct kernels of the read-out family: windows, B'MOJO-F and short convolutions, as they are shipped."""

from __future__ import annotations

from .operators import run
from .plan import Plan
from .records import Kernel

OPS = {"swa": "sliding_window_attention", "bmojo": "bmojo_f", "conv": "causal_conv1d"}


def _kernel(name: str, note: str, **choices) -> Kernel:
    return Kernel.of(name, note, run, Plan(OPS[name.partition(".")[0]], **choices))


def _short(form: str, **more: str) -> dict:
    """``form`` in and in the operands of products: queries, keys, weights, values."""
    return {"io": form, "formats": {"operand": form, **more}}


_SIXTEEN = (("bf16", "bfloat16"), ("fp16", "float16"))


def _windows():
    yield _kernel("swa.rows", "softmax of whole rows, float32")
    yield _kernel("swa.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("swa.rows_query_scaled", "the scale multiplied into the queries", scale_in="query")
    yield _kernel("swa.rows_exp2", "exp2 of scores times scale log2(e), fused multiply-add", base2=True, fma=True)
    yield _kernel("swa.reversed_sum", "summed from the last key to the first", order="reversed")
    yield _kernel("swa.pairwise_sum", "summed as trees", order="pairwise")
    for c in (16, 64):
        yield _kernel(f"swa.online{c}", f"online softmax, blocks of {c} keys", chunk=c)
        yield _kernel(f"swa.online{c}_exp2", "as flash-attention: scale log2(e) folded into the exponent",
                      chunk=c, base2=True, fma=True)
    yield _kernel("swa.online16_query_scaled", "scale and log2(e) apart: queries scaled, exp2 of the rest",
                  chunk=16, scale_in="query", base2=True)
    yield _kernel("swa.online16_sink_first", "the running maximum starts at the sink", chunk=16, sink_at="first")
    yield _kernel("swa.online16_reversed", "online softmax, sums from the last key of a block",
                  chunk=16, order="reversed")
    for s in (2, 4):
        yield _kernel(f"swa.split{s}", "keys over several blocks, combined by log-sum-exp", splits=s)
    yield _kernel("swa.online16_split4", "flash decoding: online softmax over each quarter of the keys",
                  chunk=16, splits=4, base2=True, fma=True)
    yield _kernel("swa.rows_tf32", "queries, keys, weights and values in tf32", formats={"operand": "tf32"})
    yield _kernel("swa.online64_tf32_mma", "online softmax in tf32, truncating accumulator",
                  chunk=64, formats={"operand": "tf32", "accumulator": "mma_fp32"})
    for short, form in _SIXTEEN:
        yield _kernel(f"swa.{short}_io", f"{form} in and out, float32 inside", io=form, formats={"out": form})
        yield _kernel(f"swa.online16_{short}", f"weights cast to {form} before the product with the values",
                      chunk=16, **_short(form))
        yield _kernel(f"swa.online64_{short}_mma", f"as flash-attention in {form}",
                      chunk=64, base2=True, fma=True, **_short(form, accumulator="mma_fp32", out=form))
    yield _kernel("swa.online64_query_scaled_bf16", "queries scaled, then cast to bfloat16", chunk=64,
                  scale_in="query", **_short("bfloat16"))
    yield _kernel("swa.split2_bf16", "two splits in bfloat16, partial outputs in float32", splits=2,
                  **_short("bfloat16", out="bfloat16"))
    yield _kernel("swa.flush", "subnormals flushed to zero after every operation", flush=True)


def _bmojos():
    yield _kernel("bmojo.rows", "one softmax over raw and fading tokens, float32")
    yield _kernel("bmojo.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("bmojo.passes", "a softmax for each stream, merged by log-sum-exp", scheme="passes")
    yield _kernel("bmojo.online16", "online softmax through one stream and on through the other", chunk=16)
    yield _kernel("bmojo.online64_exp2", "the same with exp2", chunk=64, base2=True, fma=True)
    yield _kernel("bmojo.online16_passes", "as released: two flash-attention calls and a merge",
                  chunk=16, scheme="passes", base2=True, fma=True)
    yield _kernel("bmojo.passes_query_scaled", "two passes, queries scaled", scheme="passes", scale_in="query")
    yield _kernel("bmojo.split2", "both streams over two blocks", splits=2)
    yield _kernel("bmojo.pairwise_sum", "summed as trees", order="pairwise")
    yield _kernel("bmojo.tf32", "operands in tf32", formats={"operand": "tf32"})
    yield _kernel("bmojo.tf32_mma", "two passes in tf32, truncating accumulator", scheme="passes",
                  formats={"operand": "tf32", "accumulator": "mma_fp32"})
    for short, form in _SIXTEEN:
        yield _kernel(f"bmojo.passes_{short}", f"two passes in {form}, merged in float32",
                      scheme="passes", **_short(form, out=form))
        yield _kernel(f"bmojo.online16_{short}", f"one sweep, weights cast to {form}", chunk=16, **_short(form))


def _convolutions():
    yield _kernel("conv.taps", "from the oldest tap to the newest, bias first")
    yield _kernel("conv.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("conv.taps_reversed", "from the newest tap to the oldest", order="reversed")
    yield _kernel("conv.fma", "fused multiply-add, and z / (1 + exp(-z))", fma=True, base2=True)
    yield _kernel("conv.matmul", "windows gathered, bias last", scheme="matrix")
    yield _kernel("conv.matmul_pairwise", "windows gathered, summed as a tree", scheme="matrix", order="pairwise")
    yield _kernel("conv.matmul_tf32_mma", "windows gathered, tensor cores", scheme="matrix",
                  formats={"operand": "tf32", "accumulator": "mma_fp32"})
    for short, form in _SIXTEEN:
        yield _kernel(f"conv.{short}_io", f"{form} in and out, float32 inside", io=form, formats={"out": form})
        yield _kernel(f"conv.{short}_in", f"{form} in, float32 out", io=form)
    yield _kernel("conv.flush", "subnormals flushed to zero after every operation", flush=True)


CORRECT: tuple[Kernel, ...] = (*_windows(), *_bmojos(), *_convolutions())
