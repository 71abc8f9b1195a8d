"""What a system remembers: exactly, fading, or for ever; and what of this is guaranteed."""

from realization.memory.checkpoint import LayerMemory, checkpoint_memory
from realization.memory.contraction import Guarantee, guarantee
from realization.memory.eidetic import Eidetic, Reconstruction, eidetic_memory, reconstruction
from realization.memory.fading import Decay, decay_envelope, half_life, remains, time_constant, window
from realization.memory.modes import Mode, Modes, modes
from realization.memory.profile import Box, Profile, profile

__all__ = [
    "Box",
    "Decay",
    "Eidetic",
    "Guarantee",
    "LayerMemory",
    "Mode",
    "Modes",
    "Profile",
    "Reconstruction",
    "checkpoint_memory",
    "decay_envelope",
    "eidetic_memory",
    "guarantee",
    "half_life",
    "modes",
    "profile",
    "reconstruction",
    "remains",
    "time_constant",
    "window",
]
