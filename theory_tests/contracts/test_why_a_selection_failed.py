"""Why kernels fail that select: slips of kernels that the library did not make are called by their names."""

import inspect

import pytest

from realization.layers import BMOJO, BMOJO_LAYER
from realization.layers.bmojo.lagged import faults, lagged
from realization.verify.convention import swapped
from realization.verify.faults import plant
from theory_tests.contracts.simulated import CORRECT, MUTANTS
from theory_tests.contracts.test_why_a_window_failed import CHUNK, drawn, explain, explained, judged, kernel

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
    ("eidetic.gathered: selected keys rotated as of their slot", "positions of the slots, newest token first", {}),
    ("eidetic.decode: selected keys rotated as of their slot", "positions of the slots, newest token first", {}),
    ("layer.rows: predictor state stale at the first token of a chunk", "prediction stale at chunk edges", {}),
    ("layer.rows: predictor state lost at the first token of a chunk", "prediction lost at chunk edges", {}),
    ("layer.rows: predictor two tokens behind", "features two tokens before", {}),
    ("layer.rows: predictor not reset", "features of the document before", {}),
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


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda f: f.name)
def test_faults_of_the_prediction_are_named(fault):
    """Planted in the layer: as a convention, or as itself."""
    op, case = drawn("bmojo_layer", "seq_idx" if "document" in fault.name else "features")
    why = explain(op, judged(op, kernel(op, plant(inspect.unwrap(lagged), fault, CHUNK)), case))
    certified = why.convention is not None and why.convention.ratio <= 1
    assert (why.convention if certified else why.fault).sentence == fault.sentence.format(chunk=CHUNK)


@pytest.mark.parametrize("op", [BMOJO, BMOJO_LAYER], ids=lambda op: op.name)
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_positions_of_slots_are_told_apart(op, order):
    """Counted from the newest token or from the oldest; where no selected key is turned neither applies."""
    swap = next(s for s in op.swaps if s.name == f"positions of the slots, {order} token first")
    _, case = drawn(op.name, "cos", slot_positions=lambda a: True)
    found = explain(op, judged(op, kernel(swapped(op, swap), None), case)).convention
    assert (found.name, found.ratio <= 1) == (swap.name, True)
    for given in ({"slot_positions": False}, {"cos": None}, {"capacity": 0}):
        assert swap.arguments({**case.arguments, **given}) is None
