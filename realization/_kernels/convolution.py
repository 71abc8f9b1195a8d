"""A causal convolution of each channel by itself, in one pass over float64 arrays.

    y(t, c) = after(bias(c) + sum_i weight(i, c) tokens(t + i, c)),      i from first(t) on

Channels are innermost, so that the loop over them vectorises; what is None is left out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from realization._kernels import elementary  # noqa: F401 - lends silu its compiled form
from realization._kernels.jit import small, specialise


@functools.cache
def make_kernel(after: Callable[..., Any]) -> Any:
    """Compile the convolution with this epilogue inlined.

    Parameters
    ----------
    after : callable
        (sum, active) -> output, the plain function that the definition calls.

    Returns
    -------
    Dispatcher
        Takes the arguments of `_convolve` and writes y.
    """
    return specialise(_convolve, after=small(after))


def _convolve(y: Any, tokens: Any, first: Any, weight: Any, bias: Any, active: Any) -> None:
    """y (B, T, d), tokens (B, w-1+T, d), first (B, T) or None, weight (w, d), bias (d,) or None."""
    B, T, d = y.shape
    for b in range(B):
        for t in range(T):
            for c in range(d):
                y[b, t, c] = 0.0 if bias is None else bias[c]
            for i in range(0 if first is None else first[b, t], weight.shape[0]):
                for c in range(d):
                    y[b, t, c] += weight[i, c] * tokens[b, t + i, c]
            for c in range(d):
                y[b, t, c] = after(y[b, t, c], active)  # type: ignore[name-defined]  # noqa: F821
