"""Mutants of selection and of B'MOJO, forward and backward: each a correct kernel with one slip.

What excites them: statistics with ties, all equal, rising and falling; windows shorter and longer than a chunk;
documents that begin off the grid of chunks; memories that never fill, and of no place at all; more keys than queries;
keys that several queries select.
"""

from __future__ import annotations

import numpy as np

from .backward_kernels import CORRECT as BACKWARD
from .eidetic_kernels import CORRECT
from .records import Mutant, faults
from .wiring import copied, given, one_output_off, result, rolled

_PARENTS = {kernel.name: kernel for kernel in (*CORRECT, *BACKWARD)}

_FAULTS = """
select.steps | current chunk visible | the mask of chunks n <= m, not n < m: looks ahead
     | visible at once | the memory as it is, where that of the last chunk is asked for
     | visible from the next chunk | the memory of the last chunk, where it is asked for as it is
     | memory of the step before | read before the current token has entered
     | last chunk visible when incomplete | S // chunk chunks rounded up
     | memory of the chunk before | double buffer read before the swap
     | boundary one step early | last token of a chunk reads the next memory
     | boundary one step late | first token of a chunk reads the old memory
     | first token of the chunk visible | prefix of n c + 1 tokens
     | last token of a chunk lost | prefix of n c - 1 tokens
     | chunks counted from the start of the row | grid of the batch row, not of the document
     | equal to the smallest enters | s >= min
     | of equals the newest goes | argmin from the other end
     | of equals in a chunk the later | sort that is not stable
     | smallest of the chunk | ascending for descending
     | count one short | loop of count - 1
     | count one long | loop of count + 1
     | largest goes | argmax for argmin
     | newest goes | stack for queue
     | oldest goes | queue for the smallest
     | newcomer always enters | the newcomer is not compared
     | newcomer must exceed the smallest | rule of the running top under a threshold
     | capacity one short | one place kept free
     | capacity one long | the place that is to go is still read
     | threshold itself passes | s >= threshold
     | threshold ignored | scalar never read
     | size of the statistic | absolute value
     | window not hidden | selected tokens in the window are read twice
     | oldest of the window not hidden | j > t - w + 1 hidden
     | hidden one token too far | j > t - w - 1 hidden
     | tested on arrival | the window's delay forgotten
     | tested one step late | delay of w + 1
     | tested one step early | delay of w - 1
     | reset missing | sequence index never read
     | reset one token late | first token still in the document before
     | reset one token early | last token already in the next document
     | reset only where a chunk begins | boundaries looked for on the grid
     | oldest first | order of places reversed
     | empty places first | filled from the other end
     | places from the start of the document | relative index
     | memory of the first batch row | stride of the batch is 0
     | reservoir draws among the places only | every newcomer enters
     | reservoir draws one place short | floor(u (n - 1))
     | reservoir draws one place more | floor(u (n + 1))
     | reservoir seeded alike at all tokens | generator made once
     | reservoir numbers what was admitted | seed of the count, not of the position
     | reservoir counts from the oldest | order of the places
     | reservoir position in the row | absolute position
select.heap | of equals the newest goes | index with the other sign in the key of the heap
select.sorted | of equals the lower token stays | stable sort over all that was admitted
     | ties as under a threshold | the newest of equals, entered or not
select.radix | of equals the lower token stays | compaction in order of index
     | memory of the chunk before | double buffer read before the swap
eidetic.rows | empty place read as the first token | -1 clamped to 0
     | empty place read as the last token | negative index wraps round
     | selected keys of the first batch row | stride of the batch is 0
     | selected keys of the row before | index of the query off by one
     | newest selected key lost | loop from 1
     | oldest selected key lost | loop of m - 1
     | token after the selected one | index off by one
     | selected keys ignored | optional pointer never read
     | window one short | j > i - w + 1
     | window one long | j >= i - w
     | one token ahead | j <= i + 1
     | window of the document before | mask of the memory only
     | group h % g | heads interleaved over groups
     | norm over all heads | mean over h k entries
     | norm after rotary | the weights meet turned columns
     | no maximum | exp overflows above 88
     | block without keys gives NaN | -inf - (-inf) in the exponent
     | lse without the maximum | log of the shifted sum
     | lse of a row without keys is +inf | as flash-attention 2 writes it
     | queries take the first positions | decode: table not offset by S - T
eidetic.stream | fading keys one more | reach of lag + width + 1
     | fading keys one less | reach of lag + width - 1
     | fading keys one older | [i - lag - width, i - lag - 1]
     | fading keys one younger | [i - lag - width + 2, i - lag + 1]
     | fading keys as many as the window | width never read
     | fading lag ignored | lag never read
     | fading keys of the document before | mask of the raw tokens only
     | fading keys not rotated | positions for raw keys only
     | selected keys not rotated | gathered before the rotation
     | selected keys rotated one position ahead | table indexed from 1
     | selected keys not normed | gathered before the norm
     | selected keys from the fading stream | wrong pointer
     | selected values from the fading stream | wrong pointer
eidetic.gathered | selected keys rotated as of their slot | positions of the buffer
     | buffer of the block before | read before it is filled
     | memory of the chunk before | double buffer read before the swap
     | selected keys not rotated | buffer of raw keys
     | empty place read as the last token | negative index wraps round
eidetic.decode | selected keys rotated as of their slot | positions of the slots of the cache
     | buffer of the block before | read before the update
     | visible at once | the memory as it is, where that of the last chunk is asked for
     | current chunk visible | prefill by whole chunks
eidetic.passes | merge with the lse of the first part | pointer not advanced
     | merge without maximum | exp(lse) overflows
     | empty part counts as one key | lse 0 for -inf: rows before anything is selected
     | merge as a mean | parts weighted alike
     | merge in powers of 2 | natural lse read as log2
     | lse of a row without keys is +inf | as flash-attention 2 writes it: inf - inf in the merge
     | merge of empty parts gives NaN | -inf - (-inf) where a query sees nothing at all
eidetic.online16 | accumulator not rescaled | blocks keep their maximum when the memory exceeds it
     | denominator not rescaled | the same for the sum of weights
     | last ragged block dropped | S // block blocks, in every stream
     | maximum of the first block kept | exp overflows once scores rise
layer.rows | predictor reads its own token | features(t): looks at what it predicts
     | predictor two tokens behind | features(t - 2)
     | predictor state stale at the first token of a chunk | double buffer read before the swap
     | predictor state lost at the first token of a chunk | carry not loaded
     | predictor not reset | features of the document before
     | sign of the prediction | x + W f
     | norm without its square | root of the sum
     | sum of sizes | norm of order 1
     | mean for the sum | divided by d
     | divided by the prediction | W f for x below
     | relative statistic not divided | flag never read
     | relative statistic with a 1 below | guard against zero tokens
     | window not hidden | selected tokens in the window are read twice
     | current chunk visible | the mask of chunks n <= m: looks ahead
     | memory of the chunk before | double buffer read before the swap
     | capacity one short | one place kept free
     | fading keys one older | shift of the second stream
     | selected keys not rotated | buffer of raw keys
     | reset missing | sequence index never read
eidetic.rows' | lse cotangent ignored | path through the log-sum-exp missing
     | delta missing | ds = p dp
     | scale missing in dk | scale in one product only
     | dk of the last head of a group | sum over the heads of a group missing
     | not rotated back | gradients of turned queries and keys
     | norm gradient without its projection | dx = r w dy
eidetic.stream_blocks16' | key gradient of the memory lost | selected keys taken for constants
     | value gradient of the memory lost | selected values taken for constants
     | query gradient of the memory lost | one of three passes adds to dq
     | query gradient of the fading lost | one of three passes adds to dq
     | gradients of the memory twice | added in the pass and in the scatter
     | value gradient of the fading lost | zeros returned
eidetic.gathered' | gradient scattered to the slot | index of the buffer, not of the token
     | gradient scattered without adding | a key that two blocks select keeps the last
     | gradient scattered to the next key | index off by one
     | gradient added twice | buffer not cleared
     | gradient of the newest slot lost | loop from 1
     | gradients of the last buffer only | overwritten block after block
eidetic.passes' | path through the lse of the merge missing | each pass differentiated by itself
     | merge weights not differentiated | shares taken for constants
     | share missing in the cotangent of a pass | dy passed on to all
layer.rows' | selection differentiated straight through | statistics of what is selected get a gradient from y
     | gradient of tokens through the query lost | one of the projections adds to dx
     | gradient of tokens through the key lost | one of the projections adds to dx
     | gradient of tokens through the value lost | one of the projections adds to dx
     | gradient of tokens through the fading_query lost | second product with the raw tokens forgotten
     | gradient of tokens through the fading_key lost | fading tokens taken for constants in the scores
     | gradient of tokens through the fading_value lost | fading tokens taken for constants in the values
     | tied weight without the fading stream | weights of the raw tokens' pass only
     | tied bias without the fading stream | biases of the raw tokens' pass only
     | fading weights of the raw tokens | wrong pointer to the tokens that were projected
     | weights of the last batch row only | overwritten row after row
     | weights without the last token | loop of T - 1
     | weights against the token before | pointer off by one row
     | heads in reverse | stride of heads negative
     | rows of the weight in reverse | wrong layout of the weight in dx
     | bias as a mean over the tokens | divided by the number of rows
     | output bias without its gradient | zeros returned
     | cotangent of the statistics ignored | the second output taken for a constant
     | token of the innovation taken for a constant | gradient of the prediction only
     | prediction taken for a constant | stop-gradient in the wrong place
     | sign of the innovation | prediction less token
     | square without its 2 | e for 2 e
     | size of the token taken for 1 | relative statistic as the squared one
     | size of the token not differentiated | its denominator taken for a constant
     | predictor weight against its own token | features(t) for features(t - 1)
     | features not shifted back | gradient left at the token that is predicted
     | features of the document before | reset of the forward pass only
     | scale missing in dk | scale in one product only
     | dk of the last head of a group | sum over the heads of a group missing
     | not rotated back | gradients of turned queries and keys
     | norm gradient without its projection | dx = r w dy
layer.stream_reversed' | key gradient of the memory lost | dWk misses the selected keys
     | value gradient of the memory lost | dWv misses the selected values
     | query gradient of the memory lost | one of three passes adds to dq
     | query gradient of the fading lost | one of three passes adds to dq
     | gradients of the memory twice | added in the pass and in the scatter
layer.gathered_passes_exp2' | gradient scattered to the slot | index of the buffer, not of the token
     | gradient scattered without adding | a key that two blocks select keeps the last
     | gradients of the last buffer only | overwritten block after block
     | path through the lse of the merge missing | each pass differentiated by itself
"""

#: Slips of the memory under which a kernel still reports the places that it should have read.
_QUIET = """
eidetic.stream | current chunk visible
             | memory of the chunk before
             | first token of the chunk visible
             | equal to the smallest enters
             | of equals the newest goes
             | newest goes
             | capacity one short
             | hidden one token too far
             | window not hidden
             | oldest of the window not hidden
             | reset one token late
             | tested on arrival
"""


def _quiet():
    parent = ""
    for line in _QUIET.strip().splitlines():
        name, fault = (part.strip() for part in line.split("|"))
        parent = name or parent
        right = _PARENTS[parent].function

        def around(kernel, right=right, **arguments):
            return *kernel(**arguments)[:-1], right(**arguments)[-1]

        yield Mutant.of(_PARENTS[parent], "structure", f"{fault}, unreported", "places of another memory",
                        around=around, fault=fault)


def _structure():
    yield from faults(_FAULTS, _PARENTS)
    yield from _quiet()

    def wired(parent, slip, reason, around):
        return Mutant.of(_PARENTS[parent], "structure", slip, reason, around=around)

    yield wired("select.steps", "statistics of the next token", "pointer off by one", given(surprise=rolled(-1)))
    yield wired("select.steps", "first token not tested", "loop from 1", given(surprise=_first_zeroed))
    yield wired("select.steps", "places never written", "buffer of -1 returned",
                result(lambda places: (np.full_like(places, -1),)))
    yield wired("select.steps", "one place off by one", "race between two warps", result(_one_place_off))
    for main in ("eidetic.rows", "layer.rows"):
        yield wired(main, "rotary sense reversed", "sin with the other sign", given(sin=np.negative))
        yield wired(main, "positions ignored", "optional pointers never read", given(cos=None, sin=None))
        yield wired(main, "key norm ignored", "optional pointer never read", given(key_norm=None))
        yield wired(main, "scale ignored", "the argument is never read", given(scale=None))
        yield wired(main, "one output off by 2 %", "race between two warps", result(one_output_off))
    yield wired("eidetic.rows", "positions of slots always", "flag not read", given(slot_positions=True))
    yield wired("eidetic.rows", "positions of slots never", "flag inverted", given(slot_positions=False))
    yield wired("eidetic.rows", "values of the neighbouring key", "pointer off by one row", given(value=rolled(1)))
    yield wired("eidetic.rows", "untied query ignored", "one query for both", given(fading_query=None))
    yield wired("eidetic.rows", "fading values from the raw stream", "wrong pointer", copied("value", "fading_value"))
    yield wired("eidetic.rows", "fading keys from the raw stream", "wrong pointer", copied("key", "fading_key"))
    yield wired("eidetic.rows", "no fading stream", "path skipped",
                given(fading_key=None, fading_value=None, fading_query=None))
    yield wired("layer.rows", "output weight of the next head", "stride of heads is wrong",
                given(output_weight=rolled(1)))
    yield wired("layer.rows", "output bias ignored", "optional pointer never read", given(output_bias=None))
    yield wired("layer.rows", "key bias ignored", "optional pointer never read", given(key_bias=None))
    yield wired("layer.rows", "tied query weight", "optional pointer never read", given(fading_query_weight=None))
    yield wired("layer.rows", "fading tokens from the raw stream", "wrong pointer", copied("x", "fading"))
    yield wired("eidetic.gathered'", "statistics get a gradient", "softmax of the statistics differentiated",
                lambda kernel, **a: kernel(**a) | {"surprise": np.asarray(a["surprise"], np.float32)})


def _first_zeroed(s):
    return np.where(np.arange(s.shape[-1]) > 0, s, 0)


def _one_place_off(places):
    places = places.copy()
    if places.size:
        places.reshape(-1)[places.size // 2] += 1
    return (places,)


def _arithmetic():
    def slip(parent, name, reason, **choices):
        return Mutant.of(_PARENTS[parent], "arithmetic", name, reason, **choices)

    yield slip("select.steps", "statistics in bf16", "cast before the comparison", narrow={"surprise": "bfloat16"})
    yield slip("select.radix", "statistics in fp16", "cast before the comparison", narrow={"surprise": "float16"})
    yield slip("select.steps", "threshold in bf16", "scalar in the io type", narrow={"threshold": "bfloat16"},
               fault="threshold in bf16")
    main, blocks = "eidetic.rows", "eidetic.online16"
    yield slip(main, "statistics in bf16", "cast before the comparison", narrow={"surprise": "bfloat16"})
    yield slip(main, "weights in bf16 where float32 is claimed", "P cast before the product",
               narrow={"weights": "bfloat16"})
    yield slip(main, "operands in tf32 where float32 is claimed", "allow_tf32 left on", narrow={"operand": "tf32"})
    yield slip(main, "scores in bf16", "scores stored in the io type", narrow={"score": "bfloat16"})
    yield slip(main, "lse in bf16", "lse stored in the io type", narrow={"lse": "bfloat16"})
    yield slip(main, "norm in bf16", "normed queries and keys rounded to the io type",
               narrow={"normed": "bfloat16"})
    yield slip(blocks, "accumulator in bf16", "output accumulated in the io type",
               narrow={"accumulator": "bfloat16"})
    yield slip(blocks, "denominator in bf16", "l accumulated in the io type", narrow={"total": "bfloat16"})
    yield slip("eidetic.passes", "merge weights in bf16", "shares of the parts in the io type",
               narrow={"share": "bfloat16"})
    yield slip("eidetic.float64", "float32 where float64 is claimed", "upcast forgotten", work="float32")
    yield slip("eidetic.online16_bf16", "accumulator in bf16", "sums in the operand type",
               narrow={"accumulator": "bfloat16"})
    yield slip("layer.rows", "statistic in bf16", "stored in the io type", narrow={"surprise": "bfloat16"})
    yield slip("layer.rows", "statistic summed in bf16", "atomic adds in the io type",
               narrow={"surprise_sum": "bfloat16"})
    yield slip("layer.rows", "innovation in bf16", "difference in the io type", narrow={"innovation": "bfloat16"})
    yield slip("layer.rows", "prediction in bf16", "read-out in the io type", narrow={"predicted": "bfloat16"})
    yield slip("layer.rows", "projections in bf16", "queries, keys and values in the io type",
               narrow={"projected": "bfloat16"})
    yield slip("layer.float64", "float32 where float64 is claimed", "upcast forgotten", work="float32")
    for main in ("eidetic.rows'", "eidetic.gathered'"):
        yield slip(main, "delta in bf16", "delta stored in the io type", narrow={"backward: delta": "bfloat16"})
        yield slip(main, "p in bf16", "recomputed weights in the io type", narrow={"backward: p": "bfloat16"})
    yield slip("eidetic.gathered'", "operands in tf32", "allow_tf32 left on", narrow={"backward: operand": "tf32"})
    yield slip("eidetic.blocks16_bf16'", "accumulator in bf16", "sums in the operand type",
               narrow={"backward: accumulator": "bfloat16"})
    main = "layer.rows'"
    yield slip(main, "weight gradients in bf16", "stored in the io type", narrow={"dweight": "bfloat16"})
    yield slip(main, "bias gradients summed in bf16", "atomic adds in the io type", narrow={"dbias": "bfloat16"})
    yield slip(main, "innovation in bf16", "saved in the io type", narrow={"backward: innovation": "bfloat16"})
    yield slip(main, "operands in tf32", "allow_tf32 left on", narrow={"backward: operand": "tf32"})
    yield slip("layer.float64'", "float32 where float64 is claimed", "upcast forgotten", work="float32")
    yield slip("layer.bf16'", "accumulator in bf16", "sums in the operand type",
               narrow={"backward: accumulator": "bfloat16"})


def _equivalent():
    def same(parent, name, proof, **choices):
        return Mutant.of(_PARENTS[parent], "arithmetic", name, "looks like a slip", equivalent=proof, **choices)

    yield same("select.steps", "statistics cast to float32 on load",
               "they are float32 values already: rounding is idempotent", narrow={"surprise": "float32"})
    yield same("select.steps", "incomplete chunk selected",
               "an incomplete chunk is the last of its document, and only later chunks of it would read the outcome",
               fault="incomplete chunk selected")
    yield same("select.steps", "smallest looked for from the newest slot on",
               "the smallest is looked for by (statistic, index), which no two tokens share: the order of the slots "
               "does not matter", order="reversed")


EVERY = (*_structure(), *_arithmetic(), *_equivalent())
MUTANTS: tuple[Mutant, ...] = tuple(m for m in EVERY if not m.parent.endswith("'"))
MUTANTS_BACKWARD: tuple[Mutant, ...] = tuple(m for m in EVERY if m.parent.endswith("'"))
