"""A B'MOJO layer as a stream: tokens per second and memory, which do not depend on the length: python3 dev.py bench.

One process on one core; seconds are those that the process had it.  Tokens are drawn block by block, so that nothing
but the layer's state is kept; the peak is that of all that Python and NumPy have allocated since the start.
"""

import functools
import sys
import time
import tracemalloc

import compare  # before NumPy
import numpy as np

from realization.layers.bmojo import BMojo, Rotary, stream, window_only, without_memory
from realization.layers.fading import Diagonal, Mamba1
from realization.layers.predictors import state_predictor
from realization.memory.selection import Given, InnovationTest, Selection

SIZE = {"d": 64, "heads": 4, "window": 256, "capacity": 256}
LENGTHS = (12_500, 25_000, 50_000, 100_000)
BLOCK = 250
SHORT = 2048
HEAD = ("layer", "block", "tokens", "s", "tokens / s", "peak, MiB")


def layer(mixer, *, d, heads, window, capacity):
    """All three memories, with positions and a norm; the test predicts from the states of the mixer."""
    rng = np.random.default_rng(0)
    n = mixer(np.zeros((1, d))).features.shape[-1]
    readout = Given(0.1 * rng.standard_normal((d, n)) / np.sqrt(n))
    test = InnovationTest(state_predictor(mixer, readout), "squared", Selection(capacity, window=window, chunk=64))
    return BMojo.random(
        d, heads=heads, window=window, mixer=mixer, test=test, rotary=Rotary.of_width(d // heads),
        norm_weight=np.ones(d), rng=rng,
    )  # fmt: skip


def read(one, T, block):
    """T tokens in such blocks."""
    rng, state = np.random.default_rng(1), None
    for _ in range(T // block):
        _, state = stream(one, state, rng.standard_normal((block, one.d)))


def measured(one, T, block):
    """Seconds of the core for T tokens in such blocks; and, in a second run, the peak in MiB."""
    read(one, 4 * block, block)  # compiles
    start = time.process_time()
    read(one, T, block)
    seconds = time.process_time() - start
    tracemalloc.start()
    read(one, T, block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / 2**20


def row(name, one, T, block=BLOCK):
    seconds, peak = measured(one, T, block)
    return name, block, T, f"{seconds:.2f}", f"{T / seconds:.0f}", f"{peak:.2f}"


def streams():
    """Rows for growing lengths, for one token at a time, and for the parts by themselves."""
    d = SIZE["d"]
    diagonal, mamba = (layer(mixer, **SIZE) for mixer in (Diagonal.random(d, d, rng=0), Mamba1.random(d, 16, rng=0)))
    for T in LENGTHS:
        yield row("diagonal", diagonal, T)
    yield row("diagonal", diagonal, LENGTHS[0] // 5, block=1)
    yield row("Mamba-1", mamba, LENGTHS[0])
    yield row("Mamba-1, no memory", without_memory(mamba), LENGTHS[0])
    yield row("window only", window_only(mamba), LENGTHS[0])


def ours(one, x):
    return lambda: stream(one, None, x)[0].y


def with_torch(one, x):
    """Projections and masked attention of torch in float64."""
    import torch

    torch.set_num_threads(1)
    w = {name: torch.tensor(np.array(getattr(one, f"{name}_weight"))) for name in ("query", "key", "value", "output")}
    tokens, T = torch.tensor(x), len(x)
    steps = torch.arange(T)
    mask = (steps[None] <= steps[:, None]) & (steps[None] > steps[:, None] - one.window)

    def run():
        q, k, v = (torch.einsum("td,hkd->htk", tokens, w[name]) for name in ("query", "key", "value"))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return torch.einsum("htv,dhv->td", y, w["output"]).numpy()

    return run


def difference(first, second):
    """The largest difference of two outputs; both sides compute the same thing."""
    largest = np.abs(first - second).max()
    assert largest < 1e-10, "the two sides compute different things"
    return f"{largest:.0e}"


def sections():
    """Lengths, and the window beside its peer."""
    size = ", ".join(f"{name}={value}" for name, value in SIZE.items())
    yield f"A layer as a stream in float64, {size}", compare.table(HEAD, list(streams()))
    plain = BMojo.random(SIZE["d"], heads=SIZE["heads"], window=SIZE["window"], rng=0)
    x = np.random.default_rng(1).standard_normal((SHORT, SIZE["d"]))
    one, other = functools.partial(ours, plain, x), functools.partial(with_torch, plain, x)
    rows = [compare.timing("window only, torch with a mask", ("torch",), one, other, difference)]
    yield f"Its window alone, T={SHORT}", compare.table(compare.TIMES, rows)
    yield "Versions", compare.versions("numpy", "numba", "torch")


if __name__ == "__main__":
    compare.main("bmojo", __doc__, sections, sys.argv[1:])
