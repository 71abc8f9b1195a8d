"""The correct kernels: every order, chunking and precision that a sane engineer would ship."""

from __future__ import annotations

from .operators import run
from .plan import Plan
from .records import Kernel


def _kernel(name: str, note: str, **choices) -> Kernel:
    op = {"scan": "selective_scan", "ssd": "ssd"}[name.partition(".")[0]]
    return Kernel.of(name, note, run, Plan(op, **choices))


def _readout(form: str, **more: str) -> dict:
    return {"formats": {"operand": form, **more}}


def _scans():
    yield _kernel("scan.sequential", "one thread per channel, float32")
    yield _kernel("scan.fma", "the same with fused multiply-add", fma=True)
    yield _kernel("scan.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("scan.exp2", "as mamba's CUDA kernel: exp2(step * (A log2 e))", base2=True)
    yield _kernel("scan.hillis_steele", "associative scan, log2 T sweeps", scheme="hillis_steele")
    yield _kernel("scan.blelloch", "associative scan, up-sweep and down-sweep", scheme="blelloch")
    for c in (4, 16, 64):
        yield _kernel(f"scan.chunk{c}_product", "serial within a chunk, products of decays across",
                      scheme="chunked", chunk=c)
        yield _kernel(f"scan.chunk{c}_logdiff", "exp of differences of a cumulative log-decay",
                      scheme="chunked", chunk=c, decay="logdiff")
    yield _kernel("scan.chunk16_segsum", "log-decay summed per pair of tokens, no difference taken",
                  scheme="chunked", chunk=16, decay="logdiff", segment_sums=True)
    yield _kernel("scan.chunk16_exp2", "chunks and exp2",
                  scheme="chunked", chunk=16, decay="logdiff", base2=True)
    yield _kernel("scan.chunk16_logdiff_float64", "chunks in float64",
                  scheme="chunked", chunk=16, decay="logdiff", work="float64")
    for s in (2, 4):
        yield _kernel(f"scan.split{s}", "state dimension over several blocks, outputs added",
                      splits=s)
    yield _kernel("scan.reversed_sum", "readout summed from the last state to the first",
                  order="reversed")
    yield _kernel("scan.pairwise_sum", "readout summed as a tree, as by warp shuffles",
                  order="pairwise")
    yield _kernel("scan.tf32_readout", "C and S in tf32 for the readout", **_readout("tf32"))
    yield _kernel("scan.tf32_mma_readout", "readout on tensor cores, truncating accumulator",
                  **_readout("tf32", accumulator="mma_fp32"))
    for short, form in (("bf16", "bfloat16"), ("fp16", "float16")):
        yield _kernel(f"scan.{short}_io", f"{form} in and out, float32 inside",
                      io=form, formats={"out": form})
        yield _kernel(f"scan.{short}_readout", f"{form} inputs, C and S in {form} for the readout",
                      io=form, **_readout(form))
    yield _kernel("scan.chunk64_bf16_io", "bfloat16 in and out, chunks by products in float32",
                  scheme="chunked", chunk=64, io="bfloat16", formats={"out": "bfloat16"})
    yield _kernel("scan.flush", "subnormals flushed to zero after every operation", flush=True)
    yield _kernel("scan.bf16_state", "the state stored in bfloat16 after every token",
                  formats={"state": "bfloat16"})
    yield _kernel("scan.chunk16_bf16_carry", "the state stored in bfloat16 between chunks",
                  scheme="chunked", chunk=16, formats={"carry": "bfloat16"})


def _ssds():
    yield _kernel("ssd.sequential", "decode order; packed sequences in one sweep with restarts",
                  packing="restart")
    yield _kernel("ssd.sequential_loop", "decode order, sequence after sequence")
    yield _kernel("ssd.fma", "decode order with fused multiply-add", fma=True, packing="restart")
    yield _kernel("ssd.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("ssd.hillis_steele", "associative scan, log2 T sweeps", scheme="hillis_steele")
    yield _kernel("ssd.blelloch", "associative scan, up-sweep and down-sweep", scheme="blelloch")
    yield _kernel("ssd.chunk16_states", "chunks of the recurrence, all states formed",
                  scheme="chunked", chunk=16)
    for c in (4, 16, 64):
        yield _kernel(f"ssd.chunk{c}_logdiff", "matrix form; packed sequences cut into own chunks",
                      scheme="matrix", chunk=c, decay="logdiff", packing="restart")
        yield _kernel(f"ssd.chunk{c}_product", "matrix form, decays multiplied up",
                      scheme="matrix", chunk=c)
    yield _kernel("ssd.chunk16_loop", "matrix form, one launch per sequence",
                  scheme="matrix", chunk=16, decay="logdiff")
    yield _kernel("ssd.chunk16_segsum", "matrix form, log-decay summed per pair of tokens",
                  scheme="matrix", chunk=16, decay="logdiff", segment_sums=True, step_in="inputs")
    yield _kernel("ssd.chunk64_exp2", "matrix form with exp2",
                  scheme="matrix", chunk=64, decay="logdiff", base2=True, packing="restart")
    yield _kernel("ssd.chunk16_logdiff_float64", "matrix form in float64",
                  scheme="matrix", chunk=16, decay="logdiff", work="float64")
    # One chunk of 256 rows is the dual, quadratic form for every shorter sequence.
    yield _kernel("ssd.dual_logdiff", "the full masked matrix, T up to 256",
                  scheme="matrix", chunk=256, decay="logdiff")
    yield _kernel("ssd.dual_product", "the full masked matrix, decays multiplied up, T up to 256",
                  scheme="matrix", chunk=256)
    for s in (2, 4):
        yield _kernel(f"ssd.split{s}", "state dimension over several blocks, outputs added",
                      splits=s)
    yield _kernel("ssd.chunk16_split2", "matrix form, state dimension over two blocks",
                  scheme="matrix", chunk=16, decay="logdiff", splits=2)
    yield _kernel("ssd.reversed_sum", "readout summed from the last state to the first",
                  order="reversed")
    yield _kernel("ssd.pairwise_sum", "readout summed as a tree", order="pairwise")
    matrix = {"scheme": "matrix", "decay": "logdiff", "packing": "restart"}
    yield _kernel("ssd.chunk16_tf32", "matrix form on tensor cores, sums rounded to nearest",
                  chunk=16, **matrix, **_readout("tf32"))
    yield _kernel("ssd.chunk64_tf32_mma", "matrix form in tf32, truncating accumulator",
                  chunk=64, **matrix, **_readout("tf32", accumulator="mma_fp32"))
    for short, form in (("bf16", "bfloat16"), ("fp16", "float16")):
        yield _kernel(f"ssd.{short}_io", f"decode order, {form} in and out, float32 inside",
                      io=form, formats={"out": form})
        yield _kernel(f"ssd.chunk16_{short}",
                      f"scores and states cast to {form} before the product, float32 output",
                      chunk=16, io=form, **matrix, **_readout(form))
        yield _kernel(f"ssd.chunk64_{short}_mma", f"as mamba's Triton kernels in {form}",
                      chunk=64, io=form, **matrix,
                      **_readout(form, accumulator="mma_fp32", out=form))
    yield _kernel("ssd.flush", "subnormals flushed to zero after every operation", flush=True)
    yield _kernel("ssd.bf16_state", "the state stored in bfloat16 after every token",
                  formats={"state": "bfloat16"}, packing="restart")
    yield _kernel("ssd.chunk16_bf16_carry", "the state stored in bfloat16 between chunks",
                  chunk=16, formats={"carry": "bfloat16"}, **matrix)


CORRECT: tuple[Kernel, ...] = (*_scans(), *_ssds())
