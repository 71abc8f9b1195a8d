"""Attention over a window is a nilpotent system: a register of tokens, and a read-out without memory.

    python examples/window.py
"""

import numpy as np

from realization import SLIDING_WINDOW_ATTENTION, sliding_window_attention

WINDOW, T, HEADS, K, V = 4, 24, 1, 3, 2


def draw(seed):
    """Queries, keys and values."""
    rng = np.random.default_rng(seed)
    widths = {"query": K, "key": K, "value": V}
    return {name: rng.standard_normal((1, T, HEADS, width)) for name, width in widths.items()}


if __name__ == "__main__":
    tokens = draw(0)
    layer = SLIDING_WINDOW_ATTENTION.as_realization(window=WINDOW, g=HEADS, k=K, v=V)
    A = layer.system.A
    print(f"the register has {len(A)} numbers: {WINDOW} tokens, each a key, a value and a mark that the place is taken")
    powers = [np.linalg.matrix_power(A, k) for k in (WINDOW - 1, WINDOW)]
    assert powers[0].any()
    assert not powers[1].any(), "A^w = 0, exactly"

    register = layer.system.simulate(layer.schedule(key=tokens["key"], value=tokens["value"])).y
    y = layer.readout(register, query=tokens["query"])
    attention = sliding_window_attention(**tokens, window=WINDOW).y
    print(f"register and softmax against the layer: {np.abs(y - attention).max():.1e}")
    assert np.allclose(y, attention, rtol=0, atol=1e-14)

    # another past, the same last w tokens: the last output is the same, bit for bit
    other = draw(1)
    other = {name: np.concatenate([other[name][:, :-WINDOW], x[:, -WINDOW:]], axis=1) for name, x in tokens.items()}
    last = sliding_window_attention(**other, window=WINDOW).y[:, -1]
    assert np.array_equal(last, attention[:, -1])
    longer = [sliding_window_attention(**x, window=WINDOW + 1).y[:, -1] for x in (tokens, other)]
    assert not np.array_equal(*longer), "the control: a window of one token more does see the difference"
