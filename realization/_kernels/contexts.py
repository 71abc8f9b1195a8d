"""Counts of symbols by the symbols before them, read before they are written."""

from __future__ import annotations

from typing import Any

from realization._kernels.elementary import log
from realization._kernels.jit import jit


@jit
def run(logp: Any, counts: Any, context: Any, symbols: Any, begins: Any, prior: float) -> None:
    """logp(t, v) = log((n(c, v) + prior) / (n(c) + prior V)) for symbols (B, T); then n(c, symbol(t)) += 1.

    counts (B, (V+1)^k, V); the context is a number of k digits, latest last, of which V stands for what lies before
    the document.
    """
    B, T = symbols.shape
    contexts, V = counts.shape[1:]
    for b in range(B):
        for t in range(T):
            if begins[b, t]:
                context[b] = contexts - 1
                for c in range(contexts):
                    for v in range(V):
                        counts[b, c, v] = 0
            c, total = context[b], 0
            for v in range(V):
                total += counts[b, c, v]
            base = log(total + prior * V)
            for v in range(V):
                logp[b, t, v] = log(counts[b, c, v] + prior) - base
            counts[b, c, symbols[b, t]] += 1
            context[b] = (c * (V + 1) + symbols[b, t]) % contexts
