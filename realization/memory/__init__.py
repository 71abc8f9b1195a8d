"""What a system remembers: exactly, fading, or for ever; and what of this is guaranteed."""

from realization.memory.checkpoint import LayerMemory, checkpoint_memory
from realization.memory.contraction import Guarantee, guarantee
from realization.memory.delay import DiagonalDelay, best_readout, hankel_distance, on_circle, positive_poles
from realization.memory.durations import half_life, time_constant, window
from realization.memory.eidetic import Eidetic, Reconstruction, eidetic_memory, reconstruction
from realization.memory.fading import Decay, decay_envelope, remains
from realization.memory.modes import Mode, Modes, modes
from realization.memory.profile import Box, Profile, profile
from realization.memory.selection import (
    InnovationState,
    InnovationTest,
    Measured,
    RunningCovariance,
    Selected,
    Selection,
    SelectionState,
    Spans,
    Tested,
    certain,
    empty_memory,
    load_state,
    save_state,
    select,
    spans,
    statistic,
)

__all__ = [
    "Box",
    "Decay",
    "DiagonalDelay",
    "Eidetic",
    "Guarantee",
    "InnovationState",
    "InnovationTest",
    "LayerMemory",
    "Measured",
    "Mode",
    "Modes",
    "Profile",
    "Reconstruction",
    "RunningCovariance",
    "Selected",
    "Selection",
    "SelectionState",
    "Spans",
    "Tested",
    "best_readout",
    "certain",
    "checkpoint_memory",
    "decay_envelope",
    "eidetic_memory",
    "empty_memory",
    "guarantee",
    "half_life",
    "hankel_distance",
    "load_state",
    "modes",
    "on_circle",
    "positive_poles",
    "profile",
    "reconstruction",
    "remains",
    "save_state",
    "select",
    "spans",
    "statistic",
    "time_constant",
    "window",
]
