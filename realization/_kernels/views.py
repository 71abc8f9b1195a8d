"""Arrays as a compiled function takes them; loads no compiler."""

from __future__ import annotations

from typing import Any

import numpy as np


def entry(x: Any, shape: Any = None, dtype: Any = None) -> Any:
    """A contiguous view, always marked read-only: the compiler takes that for another type.  None stays None."""
    if x is None:
        return None
    x = np.ascontiguousarray(x, dtype)
    x = (x if shape is None else x.reshape(shape)).view()
    x.flags.writeable = False
    return x
