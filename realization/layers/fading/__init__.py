"""Fading memory of a layer: mixers with a state, which make one fading token of the past at every step.

`Diagonal`, `Mamba1` and `Mamba2` fade; `ShortConvolution` has a register in the place of the state and forgets,
`Identity` has neither.  Whatever keeps to `FadingMixer` can stand in their place.
"""

from realization.layers.fading.linear import Diagonal, Identity, ShortConvolution
from realization.layers.fading.mamba import Mamba1, Mamba2
from realization.layers.fading.mixer import Drive, Faded, FadingMixer

__all__ = ["Diagonal", "Drive", "Faded", "FadingMixer", "Identity", "Mamba1", "Mamba2", "ShortConvolution"]
