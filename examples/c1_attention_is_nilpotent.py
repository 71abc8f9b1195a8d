"""Attention over a window is nilpotent of index w: A^w = 0, exactly, and what left the window never was.

    python examples/c1_attention_is_nilpotent.py
"""

import numpy as np

from realization import SLIDING_WINDOW_ATTENTION, sliding_window_attention

W, T, HEADS, GROUPS, K, V = 6, 40, 4, 2, 8, 8


def draw(seed):
    """Queries of four heads, keys and values of two groups."""
    rng = np.random.default_rng(seed)
    shapes = {"query": (HEADS, K), "key": (GROUPS, K), "value": (GROUPS, V)}
    return {name: rng.standard_normal((1, T, *shape)) for name, shape in shapes.items()}


def influence(window, lag):
    """By how much the last output moves when the token of `lag` steps ago is another one."""
    tokens, other = draw(0), draw(1)
    moved = {name: x.copy() for name, x in tokens.items()}
    for name in ("key", "value"):
        moved[name][:, T - 1 - lag] = other[name][:, T - 1 - lag]
    y, z = (sliding_window_attention(**each, window=window).y[0, -1] for each in (tokens, moved))
    return np.abs(y - z).max()


if __name__ == "__main__":
    layer = SLIDING_WINDOW_ATTENTION.as_realization(window=W, g=GROUPS, k=K, v=V)
    A = layer.system.A
    print(f"a window of {W} tokens is a register of {len(A)} numbers")
    for n in range(1, W + 1):
        print(f"  A^{n} has {np.count_nonzero(np.linalg.matrix_power(A, n)):3d} entries that are not 0")
    index = next(n for n in range(1, len(A) + 1) if not np.linalg.matrix_power(A, n).any())

    tokens = draw(0)
    register = layer.system.simulate(layer.schedule(key=tokens["key"], value=tokens["value"])).y
    y = layer.readout(register, query=tokens["query"])
    attention = sliding_window_attention(**tokens, window=W).y
    print(f"register and softmax against the layer: {np.abs(y - attention).max():.0e}")

    lags = (0, W - 1, W, T - 1)
    moved = [influence(W, lag) for lag in lags]
    print("a token of lag", ", ".join(f"{lag} moves the output by {x:.2g}" for lag, x in zip(lags, moved, strict=True)))

    # a matrix with eigenvalues on its diagonal forgets nothing: all its powers are there
    fading = np.diag(np.full(len(A), 0.5))
    assert np.linalg.matrix_power(fading, 50).any()
    assert np.allclose(y, attention, rtol=0, atol=1e-14)
    assert min(moved[:2]) > 0
    assert index == W
    assert moved[2:] == [0, 0], "not small: 0"
