"""How one simulated kernel computes: the choices an engineer makes, and at most one slip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .arithmetic import flushed, rounded, widened


@dataclass(frozen=True)
class Plan:
    """The choices of a kernel.

    ``formats`` sends a *site*, a named place of the computation, to the format in which its value
    is kept; a site without an entry keeps the working precision.  The sites that a kernel may
    declare are operand, accumulator, state, carry (the state between chunks), score and out.  All others
    (step, exponent, cumsum, decay, inject, skip, gate, reciprocal, ...) are narrowed in mutants only.
    """

    op: str
    scheme: str = "sequential"  # sequential, hillis_steele, blelloch, chunked, matrix; passes, eager (backward)
    work: str = "float32"
    io: str = "float32"
    formats: Mapping[str, str] = field(default_factory=dict)
    chunk: int | None = None
    decay: str = "product"
    segment_sums: bool = False  # log-decays summed per pair of tokens, not by difference
    splits: int = 1
    order: str = "forward"  # of the sum over the state dimension; also reversed, pairwise, sequential (of every sum)
    base2: bool = False  # exp2 of an exponent premultiplied by log2(e), and z / (1 + exp(-z))
    fma: bool = False
    flush: bool = False
    packing: str = "loop"  # packed sequences: loop, or restart (the state is replaced on the way)
    step_in: str = "weights"  # matrix scheme: where dt is multiplied in; also inputs
    scale_in: str = "scores"  # attention: what the scale multiplies; also query
    sink_at: str = "last"  # attention: when the sink enters the softmax; also first
    selection: str = "steps"  # how a memory is filled; also heap, sorted, radix
    memory: str = "mask"  # how its keys are read: mask (in the window's stream), stream (of its own), gathered
    rows: int | None = None  # queries that share a gathered memory; 1 decodes token by token
    fault: str = ""

    def claim(self) -> dict:
        """What the kernel says of itself; a mutant keeps saying it after the slip."""
        formats = self.formats
        return {
            "io": self.io,
            "accumulate": formats.get("accumulator", self.work),
            "operand": formats.get("operand", self.work),
            "out": formats.get("out", "float32"),
            "chunk": self.chunk,
            "decay": self.decay,
            "state": formats.get("state", formats.get("carry", self.work)),
            "splits": self.splits,
            "scores": formats.get("score"),
            "scaled": "query" if self.scale_in == "query" else None,
        }

    def at(self, site: str, x) -> np.ndarray:
        """``x`` as it is kept at ``site``."""
        x = np.asarray(x)
        wide = self.work == "float64"
        if x.dtype.kind == "c":
            x = x.astype(np.complex128 if wide else np.complex64, copy=False)
        else:
            x = x.astype(np.float64 if wide else np.float32, copy=False)
        if self.flush:
            x = flushed(x)
        form = self.formats.get(site)
        return x if form is None else rounded(x, form)

    def out(self, y: np.ndarray) -> np.ndarray:
        return rounded(self.at("before_out", y), self.formats.get("out", "float32"))

    # -- sums of products ---------------------------------------------------------------------

    @property
    def _plain_accumulator(self) -> bool:
        return self.formats.get("accumulator", self.work) == self.work

    def _accumulate(self, total: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """total + left * right.  A special accumulator sees the exact product and rounds once."""
        if self._plain_accumulator:
            return self.at("sum", total + self.at("product", left * right))
        exact = widened(total) + widened(left) * widened(right)
        return rounded(exact, self.formats["accumulator"])

    def inner(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Sum over the last axis, the state dimension, of left * right."""
        left, right = self.at("operand", left), self.at("operand", right)
        left, right = np.broadcast_arrays(left, right)
        size = left.shape[-1]
        parts = []
        for part in np.array_split(np.arange(size), self.splits):
            if self.order == "pairwise":
                parts.append(self._pairwise(left[..., part] * right[..., part]))
                continue
            total = np.zeros(left.shape[:-1], np.result_type(left, right))
            for i in part[::-1] if self.order == "reversed" else part:
                total = self._accumulate(total, left[..., i], right[..., i])
            parts.append(total)
        return sum(parts[1:], parts[0])

    def _pairwise(self, terms: np.ndarray) -> np.ndarray:
        size = terms.shape[-1]
        if size <= 1:
            return terms.sum(axis=-1)
        return self._pairwise(terms[..., : size // 2]) + self._pairwise(terms[..., size // 2 :])

    def total(self, terms: np.ndarray, site: str = "total") -> np.ndarray:
        """Sum over the last axis; rounded after every term where the site has a format of its own.
        Sequential: in the order of the terms."""
        if site in self.formats or self.order == "sequential":
            total = np.zeros(terms.shape[:-1], terms.dtype)
            for i in range(terms.shape[-1]):
                total = self.at(site, total + terms[..., i])
            return total
        if self.order == "pairwise":
            return self._pairwise(terms)
        return (terms[..., ::-1] if self.order == "reversed" else terms).sum(axis=-1)

    def dot(self, left: np.ndarray, right: np.ndarray, splits: int = 1) -> np.ndarray:
        """Matrix product, the operands in the operand format; ``splits`` cuts the contraction."""
        left, right = self.at("operand", left), self.at("operand", right)
        half = left.shape[-1] // 2
        if self.order == "reversed":
            left, right = left[..., ::-1], right[..., ::-1, :]
        if self.order == "pairwise" and half:
            return self.dot(left[..., :half], right[..., :half, :]) + self.dot(left[..., half:], right[..., half:, :])
        by_terms = not self._plain_accumulator or self.order == "sequential"
        if not by_terms and splits == 1:
            return self.at("sum", left @ right)
        parts = []
        for part in np.array_split(np.arange(left.shape[-1]), splits):
            if not by_terms:
                parts.append(self.at("sum", left[..., part] @ right[..., part, :]))
                continue
            shape = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
            total = np.zeros((*shape, left.shape[-2], right.shape[-1]), np.float32)
            for i in part:
                total = self._accumulate(total, left[..., i, None], right[..., i, None, :])
            parts.append(total)
        return sum(parts[1:], parts[0])
