"""Correct kernels of the gated delta rule, in the orders that are shipped."""

from __future__ import annotations

from .operators import run
from .plan import Plan
from .records import Kernel


def _kernel(name: str, note: str, **choices) -> Kernel:
    return Kernel.of(f"delta.{name}", note, run, Plan("gated_delta_rule", **choices))


def _short(form: str, **more: str) -> dict:
    return {"io": form, "formats": {"operand": form, **more}}


def _kernels():
    chunks = {"scheme": "chunked", "decay": "logdiff"}
    yield _kernel("sequential", "decode order")
    yield _kernel("float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("erase_then_write", "erase and write as two updates", order="reversed")
    yield _kernel("split2", "keys over two blocks", splits=2)
    yield _kernel("flush", "subnormals flushed to zero", flush=True)
    yield _kernel("bf16_io", "decode order, bfloat16 in and out", io="bfloat16", formats={"out": "bfloat16"})
    yield _kernel("bf16_state", "the state stored in bfloat16 after every token", formats={"state": "bfloat16"})
    for c in (4, 16, 64):
        yield _kernel(f"chunk{c}_logdiff", "WY form, differences of cumulative log decays", chunk=c, **chunks)
        yield _kernel(f"chunk{c}_product", "WY form, decays multiplied up", scheme="chunked", chunk=c)
    yield _kernel("chunk64_exp2", "WY form with exp2", chunk=64, base2=True, **chunks)
    yield _kernel("chunk16_solved", "the triangular system solved for the entering state, no inverse", chunk=16,
                  order="sequential", **chunks)
    yield _kernel("chunk16_logdiff_float64", "WY form in float64", chunk=16, work="float64", **chunks)
    yield _kernel("chunk16_tf32", "operands in tf32", chunk=16, formats={"operand": "tf32"}, **chunks)
    yield _kernel("chunk64_tf32_mma", "tf32, truncating accumulator", chunk=64,
                  formats={"operand": "tf32", "accumulator": "mma_fp32"}, **chunks)
    yield _kernel("chunk16_bf16", "operands, the inverse among them, in bfloat16", chunk=16, **chunks,
                  **_short("bfloat16"))
    yield _kernel("chunk64_bf16_mma", "as flash-linear-attention in bfloat16", chunk=64,
                  **_short("bfloat16", accumulator="mma_fp32", out="bfloat16"), **chunks)
    yield _kernel("chunk16_fp16", "operands in float16", chunk=16, **_short("float16"), **chunks)
    yield _kernel("chunk16_bf16_carry", "the state stored in bfloat16 between chunks", chunk=16,
                  formats={"carry": "bfloat16"}, **chunks)


CORRECT: tuple[Kernel, ...] = tuple(_kernels())
