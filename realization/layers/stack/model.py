"""A stack of blocks: embedding, mixers and MLPs with their norms and residuals, final norm, head.

    x = E[token];     x = x + mixer(rms(x)),   x = x + mlp(rms(x))     for each block;     logits = H rms(x)

A mixer is a B'MOJO layer, of which full attention and a sliding window are settings, or a fading memory by itself,
such as Mamba.  It is a reference and no trainer: float64, every step readable, the weights of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.shapes import array
from realization.layers.attention import check_values
from realization.layers.bmojo import BMojo, Reading, stream
from realization.layers.fading import FadingMixer
from realization.layers.fading.mixer import sealed
from realization.layers.stack.parts import GatedMLP


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Block(Sealed):
    """x = x + mixer(rms(x)), then x = x + mlp(rms(x)) where there is an MLP.

    Parameters
    ----------
    norm : array_like
        (d,).
    mixer : BMojo or FadingMixer
        Tokens of width d in and out.
    mlp_norm : array_like, optional
        (d,), with `mlp`.
    mlp : GatedMLP, optional
        Default: none, as in a stack of Mamba layers.

    Raises
    ------
    ShapeError
        If a shape does not fit, or one of mlp and mlp_norm comes alone.
    """

    norm: Any
    mixer: BMojo | FadingMixer
    mlp_norm: Any = None
    mlp: GatedMLP | None = None

    def __post_init__(self) -> None:
        d = sealed(self, "norm: d; mlp_norm?: d")["d"]
        if (self.mlp is None) != (self.mlp_norm is None):
            raise ShapeError(f"{'mlp' if self.mlp is None else 'mlp_norm'} is missing; both or none are needed")
        if not all(hasattr(self.mixer, name) for name in ("d", "e")) and not isinstance(self.mixer, BMojo):
            raise ShapeError(f"mixer is {self.mixer!r}; a BMojo or a fading mixer is needed")
        widths = {"mixer takes": self.mixer.d, "mixer makes": getattr(self.mixer, "e", d)}
        widths |= {} if self.mlp is None else {"mlp takes": self.mlp.down.shape[0]}
        for what, width in widths.items():
            if width != d:
                raise ShapeError(f"{what} tokens of width {width}; {d} is needed (from norm)")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Stack(Sealed):
    """logits = H rms(x) of the tokens x that blocks have made of embedded ones.

    Parameters
    ----------
    embedding : array_like
        (V, d): one row for each token of the vocabulary.
    blocks : tuple of Block
        In order.
    norm : array_like
        (d,): before the head.
    head : array_like, optional
        (V, d).  Default: the embedding, tied.
    norm_eps : float
        Of all RMS norms between the blocks.

    Raises
    ------
    ShapeError
        If a shape does not fit, or norm_eps is negative.

    Examples
    --------
    Without a block, logits are products of normalised rows of the embedding:

    >>> stack = Stack(np.eye(3)[:, :2], (), np.ones(2), norm_eps=0.0)
    >>> (forward(stack, [0, 1]).logits ** 2).round(6).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """

    embedding: Any
    blocks: tuple[Block, ...]
    norm: Any
    head: Any = None
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        d = sealed(self, "embedding: V d; norm: d; head?: V d")["d"]
        check_values({"norm_eps": self.norm_eps})
        if not isinstance(self.blocks, tuple | list):
            raise ShapeError(f"blocks is a {type(self.blocks).__name__}; a tuple of blocks is needed")
        object.__setattr__(self, "blocks", tuple(self.blocks))
        for i, block in enumerate(self.blocks):
            if not isinstance(block, Block):
                raise ShapeError(f"block {i} is a {type(block).__name__}; a Block is needed")
            if len(block.norm) != d:
                raise ShapeError(f"block {i} takes tokens of width {len(block.norm)}; {d} is needed (from embedding)")

    @property
    def vocabulary(self) -> int:
        """V."""
        return int(self.embedding.shape[0])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Forward(Sealed):
    """What a stack makes of tokens.

    Parameters
    ----------
    logits : ndarray
        (*b, T, V).
    layers : tuple
        Of each block: the `Reading` of a B'MOJO layer, with surprise and places of its tokens; None for a mixer that
        selects nothing.
    state : tuple
        Of each block: what the next tokens need.
    """

    logits: np.ndarray
    layers: tuple[Reading | None, ...]
    state: tuple[Any, ...]


Mode = Callable[..., Reading]  # (layer, x, seq_idx=)


def forward(
    stack: Stack, tokens: Any, state: Sequence[Any] | None = None, *, mode: Mode | None = None, seq_idx: Any = None
) -> Forward:
    """x = E[token];  x = x + mixer(rms(x)), x = x + mlp(rms(x)) for each block;  logits = H rms(x).

    Parameters
    ----------
    stack : Stack
        The weights.
    tokens : array_like of int
        (*b, T), from 0 to V - 1; bytes for V = 256.
    state : sequence, optional
        `state` of the call that has read the tokens before.  Default: there are none.
    mode : callable, optional
        How B'MOJO layers read a whole sequence: `sequential`, `chunked` or `two_pass`.  Default: as a stream.
    seq_idx : array_like of int, optional
        Document of each token (*b, T); none is seen by another.  For all calls of a stream or for none.

    Returns
    -------
    Forward
        logits (*b, T, V), what was selected, and the state behind the last token.

    Raises
    ------
    ShapeError
        If tokens are not integers, or not in the vocabulary; if seq_idx does not fit them; if the state is that of
        another stack, or comes with a mode.
    """
    from realization._kernels.ordered import linear, rms_norm  # loads numba

    def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return rms_norm(x, weight[None], stack.norm_eps)

    if mode is not None and not callable(mode):
        raise ShapeError(f"mode={mode!r} given; sequential, chunked, two_pass or None is needed")
    x, readings, states = embedded(stack, tokens), [], []
    document = None if seq_idx is None else documents(seq_idx, x.shape[:-1])
    for block, before in zip(stack.blocks, _states(stack, state, mode), strict=True):
        y, reading, after = mixed(block.mixer, norm(x, block.norm), before, mode, document)
        x = x + y
        if block.mlp is not None:
            x = x + block.mlp(norm(x, block.mlp_norm))
        readings.append(reading)
        states.append(after)
    head = stack.embedding if stack.head is None else stack.head
    return Forward(linear(norm(x, stack.norm), head), tuple(readings), tuple(states))


class Faded(NamedTuple):
    """State of a fading memory, and the document of the last token (*b,)."""

    memory: Any
    document: np.ndarray | None


def mixed(
    mixer: BMojo | FadingMixer, x: np.ndarray, state: Any, mode: Mode | None, document: np.ndarray | None
) -> tuple[np.ndarray, Reading | None, Any]:
    """What a mixer makes of tokens, what it selected, and its state."""
    if not isinstance(mixer, BMojo):
        tokens, memory = faded(mixer, x, state, document)
        return tokens, None, memory
    if mode is not None:
        reading = mode(mixer, x, seq_idx=document)
        return reading.y, reading, None
    reading, after = stream(mixer, state, x, seq_idx=document)
    return reading.y, reading, after


def faded(
    mixer: FadingMixer, x: np.ndarray, state: Faded | None, document: np.ndarray | None
) -> tuple[np.ndarray, Faded | None]:
    """A fading memory by itself, which is empty before a token that begins a document."""
    if not x.shape[-2]:
        return mixer(x).tokens, state
    if state is not None and (document is None) != (state.document is None):
        raise ShapeError("seq_idx is given for some calls of a stream and not for others; give it for all or for none")
    if document is None:
        run = mixer(x, None if state is None else state.memory)
        return run.tokens, Faded(run.state, None)
    last = document[..., 0] if state is None or state.document is None else state.document
    begins = np.diff(document, axis=-1, prepend=last[..., None]) != 0
    run = mixer(x, None if state is None else state.memory, begins=begins)
    return run.tokens, Faded(run.state, document[..., -1])


def documents(seq_idx: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The document of each token.

    Raises
    ------
    ShapeError
        If they are not one integer for each token.
    """
    document = array("seq_idx", seq_idx)
    if document.shape != shape or (document.dtype.kind not in "iu" and document.size):
        raise ShapeError(f"seq_idx has shape {document.shape} and dtype {document.dtype}; integers {shape} are needed")
    return document.astype(np.int64)


def _states(stack: Stack, state: Sequence[Any] | None, mode: Mode | None) -> tuple[Any, ...]:
    if state is None:
        return (None,) * len(stack.blocks)
    if not isinstance(state, tuple | list):
        raise ShapeError(f"state is a {type(state).__name__}; the state of a Forward is needed")
    if mode is not None:
        raise ShapeError("a state was given with a mode; a mode reads a whole sequence, leave one of them out")
    if len(state) != len(stack.blocks):
        raise ShapeError(f"a state of {len(state)} blocks given, the stack has {len(stack.blocks)}")
    return tuple(state)


def embedded(stack: Stack, tokens: Any) -> np.ndarray:
    """Rows of the embedding (*b, T, d).

    Raises
    ------
    ShapeError
        If tokens are not integers from 0 to V - 1.
    """
    tokens = array("tokens", tokens)
    if tokens.dtype.kind not in "iu" and tokens.size:
        raise ShapeError(f"tokens have dtype {tokens.dtype}; integers from 0 to {stack.vocabulary - 1} are needed")
    if tokens.ndim < 1:
        raise ShapeError(f"tokens is one number; an array (*b, T) is needed, [{tokens}] for one token")
    outside = (tokens < 0) | (tokens >= stack.vocabulary)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ShapeError(
            f"tokens has {int(outside.sum())} entries outside the vocabulary of {stack.vocabulary}, "
            f"the first, {tokens[place]}, at {place}; 0 to {stack.vocabulary - 1} are needed"
        )
    rows: np.ndarray = stack.embedding[tokens.astype(np.int64)]
    return rows
