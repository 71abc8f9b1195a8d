"""Packed sequences: several sequences along one time axis, none of which sees another.

Either `cu_seqlens`, offsets (s+1,) of sequences that follow one another in a batch of 1, each
with its own initial state; or `seq_idx` (*b, T), the sequence of each step, where the state
restarts from 0 at every change.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError


def check_packing(offsets: Any, initial_state: Any, *, batch: tuple[int, ...], T: int, behind: int) -> None:
    """Refuse offsets and initial states that do not fit one another; a state has `behind` axes for each sequence.

    Raises
    ------
    ShapeError
        With what came and what is needed.
    """
    if offsets is not None:
        check_offsets(offsets, batch, T, initial_state)
    elif initial_state is not None and initial_state.shape[:-behind] != batch:
        raise ShapeError(
            f"initial_state has batch axes {initial_state.shape[:-behind]}, x {batch}; "
            "they must be equal, unless cu_seqlens packs several sequences"
        )


def check_offsets(offsets: np.ndarray, batch: tuple[int, ...], T: int, initial_state: Any) -> None:
    """Refuse offsets of packed sequences that do not ascend from 0 within T, or a batch beside them.

    Raises
    ------
    ShapeError
        With what came and what is needed.
    """
    if batch != (1,):
        raise ShapeError(f"cu_seqlens was given with batch axes {batch}; packed sequences need a batch axis of size 1")
    if offsets.size < 2 or offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] > T:
        raise ShapeError(
            f"cu_seqlens is {offsets.tolist()}; at least two offsets that start at 0, ascend and end "
            f"at most at T={T} are needed"
        )
    if initial_state is not None and initial_state.shape[0] != offsets.size - 1:
        raise ShapeError(
            f"initial_state has {initial_state.shape[0]} states, cu_seqlens {offsets.size - 1} sequences; "
            "one for each is needed"
        )


def changes(seq_idx: np.ndarray) -> np.ndarray:
    """Whether each step (*b, T) begins another sequence than the step before; the first does not."""
    return np.concatenate([np.zeros_like(seq_idx[..., :1]), np.diff(seq_idx, axis=-1)], axis=-1) != 0


def moved(starts: np.ndarray, by: int) -> np.ndarray:
    """The first step of the sequence of each step, if every sequence but the first began so many steps later."""
    steps = np.arange(starts.shape[-1])
    begins = (starts == steps) & (steps > 0)
    later = np.zeros_like(begins)
    later[..., max(by, 0) : len(steps) + min(by, 0)] = begins[..., max(-by, 0) : len(steps) - max(by, 0)]
    return np.maximum.accumulate(np.where(later, steps, 0), axis=-1)


def starts(seq_idx: np.ndarray) -> np.ndarray:
    """The step (*b, T) at which the sequence of each step began, 0 for the first."""
    return np.maximum.accumulate(np.where(changes(seq_idx), np.arange(seq_idx.shape[-1]), 0), axis=-1)
