"""Why kernels fail that select: slips of kernels that the library did not make are called by their names."""

import pytest

from theory_tests.contracts.simulated import CORRECT, MUTANTS
from theory_tests.contracts.test_why_a_window_failed import explained

TIES = {"regime": "ties"}
QUEUE = {"eviction": "fifo"}
# The mutant, the name of its swap or fault here, and which case brings it to light.
CAUSES = (
    ("select.steps: current chunk visible", "selection looks ahead", {}),
    ("select.steps: visible at once", "memory seen at once", {}),
    ("select.steps: visible from the next chunk", "memory seen from the next chunk on", {}),
    ("select.steps: memory of the step before", "memory of the step before", {}),
    ("select.steps: memory of the chunk before", "memory of the chunk before", {}),
    ("select.steps: boundary one step early", "next memory one step early", {}),
    ("select.steps: boundary one step late", "next memory one step late", {}),
    ("select.steps: chunks counted from the start of the row", "chunks counted from the first step", {}),
    ("select.steps: equal to the smallest enters", "of equals the newer enters", TIES),
    ("select.steps: of equals the newest goes", "of equals the newer goes", TIES),
    ("select.steps: threshold itself passes", "threshold itself passes", TIES),
    ("select.steps: threshold ignored", "threshold not asked", {}),
    ("select.steps: newest goes", "newest goes", QUEUE),
    ("select.steps: count one short", "one token less per chunk", {}),
    ("select.steps: capacity one short", "memory one place short", {}),
    ("select.steps: window not hidden", "tokens of the window count twice", {}),
    ("select.steps: hidden one token too far", "hidden one token too far", {}),
    ("select.steps: tested on arrival", "entry ignored", {}),
    ("select.steps: reset missing", "seq_idx ignored", {}),
    ("select.steps: reset one token late", "memory emptied one token late", {}),
    ("select.steps: oldest first", "oldest first", {}),
    ("select.steps: one place off by one", None, {}),
    ("eidetic.rows: empty place read as the first token", "none selected read as the first key", {}),
    ("eidetic.rows: empty place read as the last token", "none selected read as the last key", {}),
    ("eidetic.rows: positions of slots always", "with slot_positions", {}),
    ("eidetic.rows: no fading stream", "second stream missing", {}),
    ("eidetic.stream: fading keys one older", "second stream one token older", {}),
    ("eidetic.stream: fading keys one younger", "second stream one token younger", {}),
    ("eidetic.stream: window not hidden, unreported", "tokens of the window count twice", {}),
    ("eidetic.stream: current chunk visible, unreported", "selection looks ahead", {}),
    ("eidetic.decode: visible at once", "memory seen at once", {}),
    ("eidetic.passes: empty part counts as one key", "empty stream counted", {}),
    ("eidetic.gathered: buffer of the block before", None, {}),
    ("layer.rows: predictor reads its own token", "features of the token itself", {}),
    ("layer.rows: sign of the prediction", "sign of the prediction", {}),
    ("layer.rows: relative statistic not divided", "statistic ignored", {}),
    ("layer.rows: current chunk visible", "selection looks ahead", {}),
)


@pytest.mark.parametrize("name, cause, where", CAUSES, ids=lambda x: x if isinstance(x, str) else "")
def test_slips_of_kernels_written_elsewhere(name, cause, where):
    """The convention with which it agrees, or the fault that explains its error, or the convention that it is near."""
    mutant = next(m for m in MUTANTS if m.name == name)
    why = explained(mutant, **where)
    agrees = why.convention is not None and (why.convention.ratio <= 1 or not why.fault.matches)
    found = why.convention.name if agrees else why.fault.name if why.fault.matches else None
    assert found == cause, (str(why.convention), str(why.fault))


def test_every_slip_named_here_is_one():
    """The control: the parents of these kernels fail nowhere, so there is nothing to explain."""
    names = {m.parent for m in MUTANTS if m.name in {name for name, _, _ in CAUSES}}
    assert names
    for parent in sorted(names):
        with pytest.raises(AssertionError, match="fails nowhere"):
            explained(next(k for k in CORRECT if k.name == parent))
