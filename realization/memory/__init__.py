"""What a system remembers: exactly, fading, or for ever; and what of this is guaranteed."""

from realization.memory.checkpoint import LayerMemory, checkpoint_memory
from realization.memory.contraction import Guarantee, guarantee
from realization.memory.delay import DiagonalDelay, best_readout, hankel_distance, on_circle, positive_poles
from realization.memory.durations import half_life, time_constant, window
from realization.memory.eidetic import Eidetic, Reconstruction, eidetic_memory, reconstruction
from realization.memory.fading import Decay, decay_envelope, remains
from realization.memory.modes import Mode, Modes, modes
from realization.memory.profile import Box, Profile, profile

__all__ = [
    "Box",
    "Decay",
    "DiagonalDelay",
    "Eidetic",
    "Guarantee",
    "LayerMemory",
    "Mode",
    "Modes",
    "Profile",
    "Reconstruction",
    "best_readout",
    "checkpoint_memory",
    "decay_envelope",
    "eidetic_memory",
    "guarantee",
    "half_life",
    "hankel_distance",
    "modes",
    "on_circle",
    "positive_poles",
    "profile",
    "reconstruction",
    "remains",
    "time_constant",
    "window",
]
