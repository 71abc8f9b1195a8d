"""Which tokens are kept verbatim: the innovation test.

    e(t) = u(t) - u^(t | u(0), ..., u(t-1)),      s(t) = a statistic of e(t),      kept if s(t) is large

A predictor says what the past leads one to expect, a statistic how far the token is from it, a rule which
tokens are admitted to a memory of M places, an eviction which one has to go, and a visibility from when on
queries see it.  None of this is differentiated.
"""

from realization.memory.selection.choice import Selection
from realization.memory.selection.engine import Selected, SelectionState, empty_memory, select

__all__ = ["Selected", "Selection", "SelectionState", "empty_memory", "select"]
