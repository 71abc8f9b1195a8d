"""Figures of systems: each function draws on an Axes and returns it; none calls show().

    pole_zero            poles and zeros, with the region in which a pole is stable
    impulse, step        responses of a system, one line for each pair of output and input
    bode                 size and angle of a frequency response
    spectrum             singular values on a logarithmic scale, and the rank that was read off them
    memory_decay         what remains of an input after t steps, with the envelopes that bound it
    size_against_error   what an approximation costs and what it reaches, beside the formats that spoil it
    paths                paths of processes below each other, and in which direction each was made
    covariance_sequence  covariances at the lags -K ... K, and what was estimated of them
    densities            spectral densities on a logarithmic scale
    continuations        covariances that were given, and how processes that share them go on
    identified_spectra   spectral densities of identified models, bands over records, truth and periodogram
    blocks               the entries of a matrix on a logarithmic scale, and the blocks of its structure
    portrait             a system from four sides
    memory_of            what systems remember, with proved envelopes

All but the last two draw the numbers that they are given.  Without `ax` a new figure is made, of a
size that is legible at half the width of a page.  Matplotlib is loaded by the first figure.
"""

from realization.plotting.extensions import continuations, densities
from realization.plotting.frame import COLOURS, SIZE
from realization.plotting.identified import identified_spectra
from realization.plotting.matrices import blocks, spectrum
from realization.plotting.paths import covariance_sequence, paths
from realization.plotting.remembering import memory_decay, size_against_error
from realization.plotting.responses import bode, impulse, pole_zero, step
from realization.plotting.systems import memory_of, portrait

__all__ = [
    "COLOURS",
    "SIZE",
    "blocks",
    "bode",
    "continuations",
    "covariance_sequence",
    "densities",
    "identified_spectra",
    "impulse",
    "memory_decay",
    "memory_of",
    "paths",
    "pole_zero",
    "portrait",
    "size_against_error",
    "spectrum",
    "step",
]
