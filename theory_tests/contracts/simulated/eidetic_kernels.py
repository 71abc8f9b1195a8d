"""Correct kernels of selection and of B'MOJO, as they would be shipped."""

from __future__ import annotations

from .operators import run
from .plan import Plan
from .records import Kernel

OPS = {"select": "select", "eidetic": "bmojo", "layer": "bmojo_layer"}


def _kernel(name: str, note: str, **choices) -> Kernel:
    return Kernel.of(name, note, run, Plan(OPS[name.partition(".")[0]], **choices))


def _short(form: str, **more: str) -> dict:
    return {"io": form, "formats": {"operand": form, **more}}


def _selections():
    yield _kernel("select.steps", "one token after the other into a list of slots")
    yield _kernel("select.heap", "smallest on top of a heap", selection="heap")
    yield _kernel("select.sorted", "partition of all candidates, once for each end of a chunk", selection="sorted")
    yield _kernel("select.radix", "the edge by histograms of 8 bits of the ordered keys", selection="radix")
    yield _kernel("select.radix_bf16", "statistics in bfloat16, which has many ties", selection="radix", io="bfloat16")


def _readouts():
    yield _kernel("eidetic.rows", "selected keys are further keys of the window", selection="heap")
    yield _kernel("eidetic.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("eidetic.stream", "window, memory and fading tokens one after the other", memory="stream")
    yield _kernel("eidetic.passes", "three passes, merged by log-sum-exp", memory="stream", scheme="passes")
    yield _kernel("eidetic.two_passes", "window with memory, and fading tokens, merged", scheme="passes",
                  selection="sorted")
    yield _kernel("eidetic.online16", "online softmax, blocks of 16 keys", memory="stream", chunk=16)
    yield _kernel("eidetic.online64_exp2", "online softmax, blocks of 64 keys, exp2", chunk=64, base2=True, fma=True)
    yield _kernel("eidetic.split2", "each stream over two blocks", memory="stream", splits=2)
    yield _kernel("eidetic.split4_mask", "keys over four blocks", splits=4)
    yield _kernel("eidetic.gathered", "a buffer of selected keys for 16 queries", memory="gathered", rows=16,
                  selection="radix")
    yield _kernel("eidetic.gathered_passes", "the buffer in a pass of its own, online, exp2", memory="gathered",
                  rows=32, scheme="passes", chunk=16, base2=True, fma=True)
    yield _kernel("eidetic.decode", "token by token from a cache of slots", memory="gathered", rows=1)
    yield _kernel("eidetic.query_scaled", "the scale multiplied into the queries", scale_in="query", memory="stream")
    yield _kernel("eidetic.pairwise_sum", "summed as trees", order="pairwise")
    yield _kernel("eidetic.tf32", "operands in tf32", formats={"operand": "tf32"})
    yield _kernel("eidetic.gathered_tf32_mma", "gathered, tf32, truncating accumulator", memory="gathered",
                  formats={"operand": "tf32", "accumulator": "mma_fp32"})
    yield _kernel("eidetic.passes_bf16", "three passes in bfloat16, merged in float32", memory="stream",
                  scheme="passes", **_short("bfloat16", out="bfloat16"))
    yield _kernel("eidetic.online16_bf16", "weights cast to bfloat16", chunk=16, **_short("bfloat16"))
    yield _kernel("eidetic.passes_fp16", "three passes in float16, merged in float32", memory="stream",
                  scheme="passes", **_short("float16", out="float16"))


def _layers():
    yield _kernel("layer.rows", "projections, test, one softmax")
    yield _kernel("layer.float64", "float64 inside, float32 outside", work="float64")
    yield _kernel("layer.reversed", "statistic and products summed from the last entry", order="reversed")
    yield _kernel("layer.pairwise", "statistic and products summed as trees", order="pairwise", memory="stream")
    yield _kernel("layer.fused", "gathered memory, online softmax, merged", memory="gathered", rows=16,
                  scheme="passes", chunk=16, base2=True, fma=True, selection="radix")
    yield _kernel("layer.tf32", "operands in tf32", formats={"operand": "tf32"})


CORRECT: tuple[Kernel, ...] = (*_selections(), *_readouts(), *_layers())
