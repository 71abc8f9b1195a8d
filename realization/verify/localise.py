"""Where a failure begins and how it goes on, in one line of words."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.ops import Op
from realization.verify.cases import Case
from realization.verify.verdict import NOTHING, Finding

NAMES = {
    "d": "channel", "p": "channel", "v": "channel", "n": "state", "k": "state",
    "h": "head", "*b": "batch row", "s": "sequence",
}  # fmt: skip


def localise(op: Op, case: Case, finding: Finding) -> str:
    """Say in words where the error begins, whom it hits, and how it goes on.

    Parameters
    ----------
    op : Op
        The operation.
    case : Case
        What was computed.
    finding : Finding
        A failed finding.

    Returns
    -------
    str
        For example "first wrong at step 64 (chunk 1, position 0), every channel; the
        error then decays with a half-life of 12 steps, the state's own".
    """
    axes = _axes(op, case, finding)
    with np.errstate(invalid="ignore", divide="ignore"):
        wrong = ~(finding.error <= finding.tolerance)
    if not finding.place and not wrong.any():
        return finding.reason
    if "T" not in axes:
        return f"{_who(axes, wrong)}: {finding.reason}"
    time = axes.index("T")
    rest = tuple(i for i in range(wrong.ndim) if i != time)
    steps = np.flatnonzero(wrong.any(rest))
    first = int(steps[0])
    profile = np.nan_to_num(np.where(wrong, finding.error, 0.0).max(rest), posinf=np.finfo(float).max)
    where = f"first wrong at step {first} ({_position(case, first)})"
    if finding.reason.endswith(NOTHING):
        return f"{where}, {_who(axes, wrong)}; {NOTHING}"
    if finding.output in op.whole:
        return f"{where}: {finding.reason}"
    course = "NaN came" if np.isnan(finding.error).any() else _course(profile, steps, wrong.shape[time], case)
    return f"{where}, {_who(axes, wrong)}; {course}"


def _axes(op: Op, case: Case, finding: Finding) -> tuple[str, ...]:
    """Axis letters of the output, matched to its number of axes."""
    alternatives = op.axes.outputs[finding.output].alternatives
    packed = case.arguments.get("cu_seqlens") is not None
    for axes in alternatives[::-1] if packed else alternatives:
        if len(axes) == finding.error.ndim:
            return axes
    return alternatives[0]


def _position(case: Case, step: int) -> str:
    offsets = case.arguments.get("cu_seqlens")
    place = f"chunk {step // case.chunk}, position {step % case.chunk}"
    if offsets is None:
        return place
    sequence = int(np.searchsorted(offsets, step, side="right")) - 1
    if sequence >= len(offsets) - 1:
        return f"{place}, a slack row"
    return f"{place}, sequence {sequence}, its step {step - int(offsets[sequence])}"


def _who(axes: tuple[str, ...], wrong: Any) -> str:
    """Which entries along the other axes are hit: all, one, or some."""
    parts = []
    for i, letter in enumerate(axes):
        if letter == "T" or letter not in NAMES:
            continue
        hit = np.flatnonzero(wrong.any(tuple(j for j in range(wrong.ndim) if j != i)))
        total = wrong.shape[i]
        if total > 1 and len(hit) < total:
            listed = ", ".join(map(str, hit[:4])) + (", ..." if len(hit) > 4 else "")
            parts.append(f"only {NAMES[letter]} {listed} of {total}")
    width = next((NAMES[a] for a in axes[::-1] if a in NAMES and a != "*b"), "entry")
    return ", ".join(parts) if parts else f"every {width}"


def _course(profile: Any, steps: Any, T: int, case: Case) -> str:
    """How the largest wrong error of each step goes on after the first."""
    c, first = case.chunk, int(steps[0])
    if len(steps) == 1:
        return "only this step"
    if len(steps) > 1 and (steps % c == first % c).all() and len(steps) <= T // c + 1:
        return f"only at position {first % c} of a chunk"
    if len(steps) < 5:
        return f"only steps {', '.join(map(str, steps))}"
    fit = steps[profile[steps] > 0]
    slope = float(np.polyfit(fit, np.log(profile[fit]), 1)[0]) if len(fit) > 4 else 0.0
    change = abs(slope) * (fit[-1] - fit[0]) if len(fit) else 0.0
    if change < np.log(3):
        return "the error then stays of one size"
    if slope > 0:
        return f"the error then grows, by a factor {np.exp(min(change, 700)):.3g} up to the end"
    half = np.log(2) / -slope
    own = None if case.memory is None else case.memory * np.log(2)
    same = own is not None and 0.4 < half / own < 2.5  # rates differ by up to 1.6 either way
    return f"the error then decays with a half-life of {half:.3g} steps" + (", the state's own" if same else "")
