"""How what was known before is read wrongly: too late, too early, or from a state that a chunk has not handed on.

`CONVENTIONS` serve as references too; `FAULTS` holds them as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import where
from realization.core.ops import Swap
from realization.layers.bmojo.lagged import delayed, lagged
from realization.layers.cores import Fault, alone

Core = Callable[..., Any]


def _own(core: Core, **a: Any) -> Any:
    return a["features"]


def _two_before(core: Core, **a: Any) -> Any:
    return core(**{**a, "features": delayed(a["features"], 1)})


def _any_document(core: Core, **a: Any) -> Any:
    if a.get("seq_idx") is None:
        raise ShapeError("there are no documents")
    return core(**{**a, "seq_idx": None})


def _at_edges(read: Callable[[Core, int, dict[str, Any]], Any]) -> Callable[..., Any]:
    """Something else at the first token of every chunk but the first."""

    def run(core: Core, chunk: int, **a: Any) -> Any:
        t = np.arange(a["features"].shape[-2])
        edge = (t > 0) & (t % chunk == 0)
        return where(edge[:, None], read(core, chunk, a), core(**a))

    return run


def _whole(run: Callable[..., Any]) -> Callable[..., Any]:
    """A fault that knows no chunks."""
    return lambda core, chunk, **a: run(core, **a)


_CONVENTIONS = (
    ("features of the token itself", "the prediction made from features of the token itself, not of the one before",
     _own),
    ("features two tokens before", "the prediction made from features of two tokens before, not of the one before",
     _two_before),
    ("features of the document before", "the first token of a document predicted from features of the document before",
     _any_document),
)  # fmt: skip
CONVENTIONS = tuple(Swap(name, sentence, core=alone(lagged, run)) for name, sentence, run in _CONVENTIONS)

_EDGE = "at the first token of each chunk of {chunk}, the prediction reads "
FAULTS = (
    *(Fault(name, sentence, _whole(run)) for name, sentence, run in _CONVENTIONS),
    Fault("prediction stale at chunk edges", _EDGE + "the features of two tokens before",
          _at_edges(lambda core, chunk, a: _two_before(core, **a)), chunked=True),
    Fault("prediction of the chunk before at chunk edges", _EDGE + "the features that the chunk before the last left",
          _at_edges(lambda core, chunk, a: core(**{**a, "features": delayed(a["features"], chunk)})), chunked=True),
    Fault("prediction lost at chunk edges", _EDGE + "no features: what the last chunk left is not taken over",
          _at_edges(lambda core, chunk, a: np.zeros(a["features"].shape)), chunked=True),
)  # fmt: skip
