"""Figures of systems: each function draws on an Axes and returns it; none calls show().

    pole_zero            poles and zeros, with the region in which a pole is stable
    impulse, step        responses of a system, one line for each pair of output and input
    bode                 size and angle of a frequency response
    spectrum             singular values on a logarithmic scale, and the rank that was read off them
    memory_decay         what remains of an input after t steps, with the envelopes that bound it
    size_against_error   what an approximation costs and what it reaches, beside the formats that spoil it
    recall_curves        accuracy of memories against their size
    memory_spectrum      what held tokens, and a fading kernel, weigh in the answer to one query, against their age
    surprising_text      a text, dark where it surprises, and which of its letters are kept
    paths                paths of processes below each other, and in which direction each was made
    covariance_sequence  covariances at the lags -K ... K, and what was estimated of them
    densities            spectral densities on a logarithmic scale
    continuations        covariances that were given, and how processes that share them go on
    information_carried  what each canonical variable, the first ones together, and smaller models know of the future
    directions           principal angles between subspaces as rays
    identified_spectra   spectral densities of identified models, bands over records, truth and periodogram
    blocks               the entries of a matrix on a logarithmic scale, and the blocks of its structure
    covariance_lens      all covariances that a state of two components can have
    covariance_ellipses  where states of given covariances typically are
    portrait             a system from four sides
    memory_of            what systems remember, with proved envelopes

All but the last two draw the numbers that they are given.  Without `ax` a new figure is made, of a
size that is legible at half the width of a page.  Matplotlib is loaded by the first figure.

Of innovations, from them and the covariance that is claimed for them:

    innovation_path      in units of it over time, with the band in which 95 of 100 lie
    autocorrelation      what they still have of their past
    cumulative_spectrum  which frequencies they have, with the band of white noise
    variance_found       their size over the one claimed, in windows
    cusum_path           cumulative sums, which a drifting mean drives over their threshold
    innovations_of       all five, for several models side by side
    order_choice         a criterion against the order, with what was chosen and what came next

    estimate             what a filter or a smoother says over time, how sure it is, and what it has seen
"""

from realization.plotting.correlations import directions, information_carried
from realization.plotting.estimates import estimate
from realization.plotting.extensions import continuations, densities
from realization.plotting.frame import COLOURS, SIZE
from realization.plotting.identified import identified_spectra
from realization.plotting.innovations import (
    autocorrelation,
    cumulative_spectrum,
    cusum_path,
    innovation_path,
    innovations_of,
    order_choice,
    variance_found,
)
from realization.plotting.lens import covariance_ellipses, covariance_lens
from realization.plotting.matrices import blocks, spectrum
from realization.plotting.memory_spectrum import memory_spectrum
from realization.plotting.paths import covariance_sequence, paths
from realization.plotting.recall import recall_curves
from realization.plotting.remembering import memory_decay, size_against_error
from realization.plotting.responses import bode, impulse, pole_zero, step
from realization.plotting.surprising import surprising_text
from realization.plotting.systems import memory_of, portrait

__all__ = [
    "COLOURS",
    "SIZE",
    "autocorrelation",
    "blocks",
    "bode",
    "continuations",
    "covariance_ellipses",
    "covariance_lens",
    "covariance_sequence",
    "cumulative_spectrum",
    "cusum_path",
    "densities",
    "directions",
    "estimate",
    "identified_spectra",
    "impulse",
    "information_carried",
    "innovation_path",
    "innovations_of",
    "memory_decay",
    "memory_of",
    "memory_spectrum",
    "order_choice",
    "paths",
    "pole_zero",
    "portrait",
    "recall_curves",
    "size_against_error",
    "spectrum",
    "step",
    "surprising_text",
    "variance_found",
]
