"""Error patterns: signed errors of all outputs in units of their tolerance, and how alike two of them are.

    score(e, f) = 1 - |e - f|^2 / (|e|^2 + |f|^2)

is 1 for equal patterns, 0 for unrelated ones, and the cosine for patterns of one size: a fault
must explain how large an error is as well as where it lies and which sign it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.verify.verdict import FAIL, Finding

# A kernel with the fault itself is off from it by its rounding, at most 1 in each of n entries, and by r
# tolerances from the truth at the worst: it scores 1 - n / r^2 or more.  Of pairs of different faults 99 in
# 100 score below 0.9 (a test counts them); the others are siblings that share most of their error, and
# then the better score decides.
EXPLAINED = 0.9


def errors(findings: list[Finding], outputs: Mapping[str, Any], truth: Mapping[str, Any]) -> np.ndarray:
    """The signed errors of these outputs, in a row: what is within tolerance stays below 1.

    Exact outputs have no tolerance and count as they are; NaN counts as no error of either sign.
    """
    rows = [np.zeros(0)]
    for f in findings:
        got, right = np.asarray(outputs[f.output]), truth[f.output]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            x = np.where(got == right, 0.0, got - right)  # -inf is the logarithm of an empty sum
            x = x if f.layer == "A" else np.where(f.tolerance > 0, x / _units(f.tolerance, right), 0.0)
        rows += [np.ravel(x.real), np.ravel(x.imag)] if np.iscomplexobj(x) else [np.ravel(x)]
    return np.concatenate(rows)


def _units(tolerance: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The tolerances; where the right value is 0 there is next to none, and such places would outweigh all others."""
    usual = tolerance[(right != 0) & np.isfinite(tolerance)]
    return np.where(right == 0, np.maximum(tolerance, np.median(usual) if usual.size else 0.0), tolerance)


def comparable(outputs: Mapping[str, Any], truth: Mapping[str, Any]) -> bool:
    """Whether outputs have the shapes of the right ones."""
    return all(np.shape(outputs[name]) == np.shape(x) for name, x in truth.items())


def score(e: np.ndarray, f: np.ndarray) -> float:
    """How alike two patterns are; places where either is not finite are left out."""
    both = np.isfinite(e) & np.isfinite(f)
    e, f = e[both], f[both]
    largest = max(float(np.abs(e).max(initial=0.0)), float(np.abs(f).max(initial=0.0)))
    if largest == 0:
        return 0.0
    e, f = e / largest, f / largest  # so that squares do not overflow
    return float(1 - ((e - f) ** 2).sum() / ((e**2).sum() + (f**2).sum()))


def failing(findings: list[Finding]) -> frozenset[str]:
    """Names of the outputs that fail."""
    return frozenset(f.output for f in findings if f.status == FAIL)
