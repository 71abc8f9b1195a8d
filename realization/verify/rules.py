"""What other projects' rules would have said, so that one can argue with colleagues.

Every rule compares with a reference of the kernel's own precision, mostly float32;
here each gets the certified value instead, which can only make it juster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.rounding import round_to

# (rtol, atol) by output format: torch.testing.assert_close, and mamba's tests of its scans.
TORCH = {"float64": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5), "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5)}
MAMBA = {"float64": (6e-4, 2e-3), "float32": (6e-4, 2e-3), "float16": (3e-3, 5e-3), "bfloat16": (3e-2, 5e-2)}
FLA_RATIO = 0.005


def others(got: Any, truth: Any, form: str, low: Callable[[], Any]) -> dict[str, bool]:
    """Return what each rule says of an output: True where it accepts.

    Parameters
    ----------
    got, truth : ndarray
        The kernel's output and the certified value.
    form : str
        Format of the output.
    low : callable
        Computes the same output with every operation rounded to that format, for the rule
        that compares with a plain low-precision implementation.

    Returns
    -------
    dict
        By rule: "torch", "mamba", "fla" and "flash".
    """
    expected = round_to(truth.real, form) + (1j * round_to(truth.imag, form) if np.iscomplexobj(truth) else 0)
    with np.errstate(all="ignore"):
        error = np.abs(got - expected)
        worst = error.max(initial=0.0)
        rms = np.sqrt(np.mean(error**2)) / (np.sqrt(np.mean(np.abs(expected) ** 2)) + 1e-8) if error.size else 0.0
        baseline = np.abs(low() - truth).max(initial=0.0)
    return {
        "torch": _close(error, expected, *TORCH.get(form, TORCH["float32"])),
        "mamba": _close(error, expected, *MAMBA.get(form, MAMBA["float32"])),
        "fla": bool(worst <= 1e-6 or rms < FLA_RATIO),
        "flash": bool(worst <= 2 * baseline + 1e-5),
    }


def _close(error: Any, expected: Any, rtol: float, atol: float) -> bool:
    return bool((error <= atol + rtol * np.abs(expected)).all())
