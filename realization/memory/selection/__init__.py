"""Which tokens are kept verbatim: the innovation test.

    e(t) = u(t) - u^(t | u(0), ..., u(t-1)),      s(t) = a statistic of e(t),      kept if s(t) is large

A predictor says what the past leads one to expect, a statistic how far the token is from it, a rule which
tokens are admitted to a memory of M places, an eviction which one has to go, and a visibility from when on
queries see it.  None of this is differentiated.
"""

from realization.memory.selection.certainty import certain
from realization.memory.selection.choice import Selection
from realization.memory.selection.engine import Selected, SelectionState, empty_memory, select
from realization.memory.selection.fitted import Fitted, Given
from realization.memory.selection.innovation import InnovationState, InnovationTest, Tested
from realization.memory.selection.predictors import (
    Predicted,
    Predictor,
    after,
    autoregression,
    channelwise,
    fitted_autoregression,
    from_features,
    lags,
)
from realization.memory.selection.spans import Spans, spans
from realization.memory.selection.state import load_state, save_state
from realization.memory.selection.statistics import Measured, RunningCovariance, statistic
from realization.memory.selection.symbols import from_log_probabilities, symbol_counts

__all__ = [
    "Fitted",
    "Given",
    "InnovationState",
    "InnovationTest",
    "Measured",
    "Predicted",
    "Predictor",
    "RunningCovariance",
    "Selected",
    "Selection",
    "SelectionState",
    "Spans",
    "Tested",
    "after",
    "autoregression",
    "certain",
    "channelwise",
    "empty_memory",
    "fitted_autoregression",
    "from_features",
    "from_log_probabilities",
    "lags",
    "load_state",
    "save_state",
    "select",
    "spans",
    "statistic",
    "symbol_counts",
]
