"""How read-outs go wrong: the faults that attention kernels have had, each as a run of its own.

A fault is made of right runs over other keys, with other arguments, or of right parts put together wrongly.
Parts of a partition of the keys have outputs y_i and lse_i, and

    y = sum_i w_i y_i / sum_i w_i,      w_i = exp(lse_i - m),      lse = m + log sum_i w_i

in whichever order they come; a kernel that goes block by block keeps sum and accumulator beside the largest
score so far and rescales both when it rises.  `CONVENTIONS` are exact in every number type and so serve as
references; `FAULTS` holds them too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import where
from realization.core.ops import Swap
from realization.layers.cores import Fault, alone
from realization.layers.packing import moved
from realization.layers.readout import Read, Source, merge, readout, real_part
from realization.layers.readout.definition import (
    biases,
    in_blocks,
    merged,
    raw_scores,
    run,
    scores,
    visible,
    weighted,
)
from realization.layers.readout.window import positions, sees, window

Core = Callable[..., Read]
Arguments = dict[str, Any]


def route(*, sources: Sequence[Source], scale: float, softcap: Any = None, sink: Any = None) -> Read:
    """The definition: a hundred runs of it cost less than the compilation of the kernel."""
    return run(tuple(sources), scale, softcap, sink)


# What is seen: windows ----------------------------------------------------------------------------


def _banded(core: Core, *, older: int, younger: int, of: slice = slice(None), **a: Any) -> Read:
    """Windows that reach so many tokens farther back and forth."""

    def changed(source: Source) -> Source:
        band = window(source)
        return source if band is None else sees(source, band, band.oldest + older, band.youngest - younger)

    return _some(core, changed, of, **a)


def _some(core: Core, change: Callable[[Source], Source], of: slice = slice(None), **a: Any) -> Read:
    """Some of the sources changed."""
    sources, chosen = list(a["sources"]), range(len(a["sources"]))[of]
    if not chosen:
        raise ShapeError("there is one source; the fault is in a second one")
    return core(**{**a, "sources": tuple(change(s) if i in chosen else s for i, s in enumerate(sources))})


def _top_left(core: Core, **a: Any) -> Read:
    """Query t at position t."""
    first = a["sources"][0]
    back = first.key.shape[-3] - first.query.shape[-3]
    return _banded(core, older=back, younger=-back, **a)


def _interleaved(core: Core, **a: Any) -> Read:
    """Head h reads group h % G."""

    def shared(source: Source) -> Source:
        heads = np.arange(source.query.shape[-2]) % source.key.shape[-2]
        return dataclasses.replace(source, key=source.key[..., heads, :], value=source.value[..., heads, :])

    return _some(core, shared, **a)


def _boundaries(source: Source, read: Callable[[np.ndarray], np.ndarray]) -> Source:
    """Sequences that begin elsewhere."""
    band = window(source)
    if band is None:
        return source
    return sees(source, band._replace(starts=read(band.starts)), band.oldest, band.youngest)


# Keys beside the window, and keys by blocks -------------------------------------------------------


def _selected(source: Source, read: Callable[[np.ndarray, np.ndarray, int], np.ndarray]) -> Source:
    """Keys beside the window read otherwise: a function of their places, those of the window, and S."""
    band = window(source)
    columns = 0 if band is None else band.columns
    shown, rest = source.places[..., :columns], source.places[..., columns:]
    rest = read(rest, shown, source.key.shape[-3])
    return dataclasses.replace(source, places=np.concatenate([shown, rest], axis=-1))


def _again(j: np.ndarray, shown: np.ndarray, S: int) -> np.ndarray:
    """What the window shows counts again where it is selected."""
    again = (np.where(j < -1, -2 - j, -1)[..., :, None] == shown[..., None, :]).any(-1)
    once = np.tril(j[..., :, None] == j[..., None, :], -1).any(-1)
    return np.where((j < -1) & again & ~once, -2 - j, j)


def _none_as(j: np.ndarray, shown: np.ndarray, S: int, *, last: bool) -> np.ndarray:
    """-1 names the last key, or the first; it counts once."""
    key = S - 1 if last else 0
    named = j == -1
    seen = (shown == key).any(-1, keepdims=True) | (j == key).any(-1, keepdims=True)
    return np.where(named & ~seen & (np.cumsum(named, axis=-1) == 1), key, j)


def _hiding(source: Source, hides: Callable[[np.ndarray, np.ndarray, int], Any]) -> Source:
    """Without the keys j of a query at i of which hides(j, i, S) holds."""
    j = source.places
    hide = hides(j, positions(source), source.key.shape[-3])
    return dataclasses.replace(source, places=np.where(hide, -1, j))


def _first_block(source: Source, chunk: int, *, whole: bool) -> Source:
    """The block in which the window begins is read whole, or not at all where it is cut."""
    band = window(source)
    if band is None:
        return source
    begin = np.maximum(positions(source) - band.oldest, 0)
    if not whole:
        return _hiding(source, lambda j, i, S: j < -(-begin // chunk) * chunk)
    more = sees(source, band, band.oldest + chunk - 1, band.youngest)
    return _hiding(more, lambda j, i, S: j < begin // chunk * chunk)


def _keys(change: Callable[..., Source], of: slice = slice(None), **fixed: Any) -> Callable[..., Read]:
    """A fault in what is seen, of some sources."""
    return lambda core, chunk, **a: _some(core, partial(change, **fixed), of, **a)


def _blocks(change: Callable[..., Source], **fixed: Any) -> Callable[..., Read]:
    """A fault in what is seen that knows the length of a block."""
    return lambda core, chunk, **a: _some(core, partial(change, chunk=chunk, **fixed), **a)


# Parts and their merge ----------------------------------------------------------------------------


def _in_blocks_of(chunk: int, sources: Sequence[Source]) -> Iterator[Source]:
    """Every source, block after block of its keys."""
    for source in sources:
        for start in range(0, max(source.key.shape[-3], 1), chunk):
            yield _hiding(source, lambda j, i, S, start=start: (j < start) | (j >= start + chunk))  # type: ignore[misc]


def _merged(
    core: Core, chunk: int, *, join: Callable[[list[Read]], Read], streams: bool = False, everywhere: bool = False,
    sources: Sequence[Source], sink: Any = None, **a: Any,
) -> Read:  # fmt: skip
    """Read-outs of streams or of blocks of keys, joined; the sink goes with the first, or with each."""
    if streams and len(sources) < 2:
        raise ShapeError("there is one source; nothing is merged")
    parts = sources if streams else _in_blocks_of(chunk, sources)
    return join([core(sources=(s,), sink=sink if everywhere or not i else None, **a) for i, s in enumerate(parts)])


def _weighed(parts: list[Read], weigh: Callable[[np.ndarray], np.ndarray]) -> Read:
    """Other weights of lse_i - m in the place of their exponentials."""
    y, lse = np.stack([p.y for p in parts]), np.stack([p.lse for p in parts])
    top = lse.max(0)
    w = np.where(lse == -np.inf, 0.0, weigh(lse - np.where(top == -np.inf, 0.0, top)))
    total = w.sum(0)
    mean = (w[..., None] * y).sum(0) / np.where(total == 0, 1.0, total)[..., None]
    return Read(mean, np.where(total == 0, -np.inf, top + np.log(total)))


def _sum(parts: list[Read]) -> Read:
    return Read(np.sum([p.y for p in parts], axis=0), merge(parts).lse)


def _first_lse_for_all(parts: list[Read]) -> Read:
    return merge([Read(p.y, np.where(p.lse == -np.inf, p.lse, parts[0].lse)) for p in parts])


def _one_lse(parts: list[Read], which: int) -> Read:
    return Read(merge(parts).y, parts[which].lse)


def _empty_counted(parts: list[Read]) -> Read:
    return merge([Read(p.y, np.where(p.lse == -np.inf, 0.0, p.lse)) for p in parts])


_mean = partial(_weighed, weigh=np.ones_like)
_powers_of_two = partial(_weighed, weigh=np.exp2)
Rescaling = Callable[[np.ndarray, np.ndarray], tuple[Any, Any, Any]]


def _online(
    core: Core, chunk: int, *, rescaling: Rescaling, sources: Sequence[Source], scale: float, softcap: Any = None,
    sink: Any = None,
) -> Read:  # fmt: skip
    """Block after block; `rescaling` gives factors of accumulator, sum and new terms.

    It gets exp(old - new maximum) and exp(new - old maximum), the latter with 0 for the maximum of nothing.
    """
    options = {"scale": scale, "softcap": softcap}
    y, total, top = 0.0, 0.0, -np.inf
    for part in _in_blocks_of(chunk, sources):
        read = core(sources=(part,), **options)
        rises = np.maximum(top, highest(part, **options))
        level = np.where(rises == -np.inf, 0.0, rises)
        raised = np.exp(level - np.where(top == -np.inf, 0.0, top))
        f, g, new = (np.where(read.lse == -np.inf, 1.0, x) for x in rescaling(np.exp(top - level), raised))
        own = np.exp(read.lse - level) * new
        y, total, top = y * f[..., None] + own[..., None] * read.y, total * g + own, rises
    if sink is not None:
        level = np.maximum(top, sink)
        y, total, top = y * np.exp(top - level)[..., None], total * np.exp(top - level) + np.exp(sink - level), level
    empty = total == 0
    return Read(y / np.where(empty, 1.0, total)[..., None], np.where(empty, -np.inf, top + np.log(total)))


def highest(source: Source, scale: float, softcap: Any = None) -> np.ndarray:
    """The largest score of each query, (*b, T, H); -inf where nothing is seen."""
    whole = merged(source)
    z = np.where(visible(whole), scores(whole, scale, softcap), -np.inf)
    return z.max(-1, initial=-np.inf).reshape(source.query.shape[:-1])


# Scores, sinks and logarithms ---------------------------------------------------------------------


def _with(change: Callable[[Arguments], Arguments]) -> Callable[..., Read]:
    """A fault of arguments: some have another value."""
    return lambda core, chunk, **a: core(**{**a, **change(a)})


def _biased(source: Source, read: Callable[[Any], Any]) -> Source:
    return source if source.bias is None else dataclasses.replace(source, bias=read(source.bias))


def _transposed(b: np.ndarray) -> np.ndarray:
    if b.shape[-1] != b.shape[-2]:
        raise ShapeError("a transposed bias does not fit")
    return np.swapaxes(b, -1, -2)


def _scaled_bias(core: Core, **a: Any) -> Read:
    def scaled(b: Any) -> Any:
        hides = real_part(b) == -np.inf
        return where(hides, -np.inf, where(hides, 0.0, b) * a["scale"])

    return _some(core, lambda s: _biased(s, scaled), **a)


def _capped_last(core: Core, chunk: int, *, sources: Sequence[Source], scale: float, softcap: Any = None,
                 sink: Any = None) -> Read:  # fmt: skip
    """cap tanh((s + b) / cap)."""
    if softcap is None or all(s.bias is None for s in sources):
        raise ShapeError("there is no cap, or no bias")

    def capped(s: Source) -> Any:
        b = 0.0 if s.bias is None else biases(s)
        return np.tanh((raw_scores(s) * scale + b) / softcap) * softcap

    def block(part: tuple[Source, ...]) -> Read:
        shown = tuple(dataclasses.replace(s, bias=None) for s in part)  # the cap bounds -inf too
        return weighted([capped(s) for s in part], shown, sink)

    return in_blocks(tuple(sources), block)


def _cap(change: Callable[[float, float], Arguments]) -> Callable[..., Read]:
    """A fault of the soft cap, where there is one."""
    return _with(lambda a: {} if a.get("softcap") is None else change(a["scale"], a["softcap"]))


def _sink_reads(core: Core, chunk: int, **a: Any) -> Read:
    """The sink has the value of the first token."""
    read = core(**a)
    if a.get("sink") is None:
        return read
    value, heads = a["sources"][0].value[..., :1, :, :], read.lse.shape[-1]
    first = np.repeat(value, heads // value.shape[-2], axis=-2)
    return Read(read.y + np.exp(a["sink"] - read.lse)[..., None] * first, read.lse)


def _logarithm(core: Core, chunk: int, *, change: Callable[[Core, Read, Arguments], Any], **a: Any) -> Read:
    """Another lse beside right outputs."""
    read = core(**a)
    return Read(read.y, change(core, read, a))


def _without_maximum(core: Core, read: Read, a: Arguments) -> Any:
    options = {"scale": a["scale"], "softcap": a.get("softcap")}
    tops = [highest(s, **options) for s in a["sources"]]
    top = np.max([*tops, np.broadcast_to(-np.inf if a.get("sink") is None else a["sink"], tops[0].shape)], axis=0)
    return np.where(top == -np.inf, -np.inf, read.lse - np.where(top == -np.inf, 0.0, top))


def _raw_query(core: Core, chunk: int, **a: Any) -> Read:
    return _some(core, lambda s: dataclasses.replace(s, query=a["sources"][0].query), _LATER, **a)


# The tables ---------------------------------------------------------------------------------------


_FIRST, _LATER = slice(0, 1), slice(1, 2)
_FAR = 2**40
_LOWEST = -6e4  # formats without infinity hide a key by their most negative number, float16 by -65504


def _band(older: int, younger: int, of: slice = slice(None)) -> Callable[..., Read]:
    return lambda core, chunk, **a: _banded(core, older=older, younger=younger, of=of, **a)


def _joint(older: int) -> Callable[..., Read]:
    """The first stream reaches farther, beside a second one that stays."""

    def fault(core: Core, chunk: int, **a: Any) -> Read:
        if len(a["sources"]) < 2:
            raise ShapeError("there is one source; it has no second one beside it")
        return _banded(core, older=older, younger=0, of=_FIRST, **a)

    return fault


def _whole(fault: Callable[..., Read]) -> Callable[..., Read]:
    """A fault that knows no blocks."""
    return lambda core, chunk, **a: fault(core, **a)


_SEEN = (
    Fault("window one short", "the window is one key short", _band(-1, 0)),
    Fault("window one long", "the window is one key longer", _band(1, 0)),
    Fault("window without an end", "all past keys are seen, not those of the window alone", _band(_FAR, 0, _FIRST)),
    Fault("one token ahead", "each query sees one key of the future (j <= i + 1)", _band(0, 1)),
    Fault("current token hidden", "a query does not see its own key (j < i)", _band(0, -1, _FIRST)),
    Fault("mask aligned at the top left", "query t stands at position t, though there are more keys than queries",
          _whole(_top_left)),
    Fault("packed boundaries ignored", "keys of other packed sequences are seen",
          _keys(_boundaries, read=np.zeros_like)),
    Fault("packed boundary one token late", "the first token of a packed sequence is taken for the last of the one "
          "before", _keys(_boundaries, read=partial(moved, by=1))),
    Fault("packed boundary one token early", "the last token of a packed sequence is taken for the first of the next",
          _keys(_boundaries, read=partial(moved, by=-1))),
    Fault("groups interleaved", "head h uses group h % G, not h // (H // G)", _whole(_interleaved)),
    Fault("selected keys in the window count twice", "a selected key that the window shows counts twice",
          _keys(_selected, read=_again)),
    Fault("selected keys count as often as they are named", "a key counts as often as it is shown or selected",
          _keys(_selected, read=lambda j, shown, S: np.where(j < -1, -2 - j, j))),
    Fault("none selected read as the last key", "the index -1 for no selected key is read as the last key",
          _keys(_selected, read=partial(_none_as, last=True))),
    Fault("none selected read as the first key", "the index -1 for no selected key is read as the first key",
          _keys(_selected, read=partial(_none_as, last=False))),
    Fault("gap before the second stream", "the window of the first stream is one key short, that of the second begins "
          "where it should", _joint(-1)),
    Fault("first stream in the second", "the window of the first stream is one key longer, and overlaps the second",
          _joint(1)),
    Fault("second stream one token younger", "the keys of the second stream are one token too young, and overlap the "
          "window of the first", _band(-1, 1, _LATER)),
    Fault("second stream one token older", "the keys of the second stream are one token too old, and leave a gap "
          "before the window of the first", _band(1, -1, _LATER)),
    Fault("streams overlap", "the second stream shows one key more, which lies in the window of the first",
          _band(0, 1, _LATER)),
    Fault("second stream from the start", "all older keys of the second stream are seen", _band(_FAR, 0, _LATER)),
    Fault("second stream missing", "the second stream is not read", _with(lambda a: {"sources": a["sources"][:1]})),
    Fault("second stream read with the first query", "the second stream is read with the query of the first",
          _raw_query),
)  # fmt: skip
_SCORED = (
    Fault("scale ignored", "the scores are not scaled", _with(lambda a: {"scale": 1.0})),
    Fault("scale squared", "the scores are scaled twice", _with(lambda a: {"scale": a["scale"] ** 2})),
    Fault("soft cap ignored", "the scores are not capped", _with(lambda a: {"softcap": None})),
    Fault("soft cap after the bias", "the bias is capped too", _capped_last),
    Fault("soft cap before the scale", "the cap comes before the scale", _cap(lambda s, c: {"softcap": s * c})),
    Fault("soft cap not multiplied back", "the capped scores are tanh(s / cap), not multiplied by the cap",
          _cap(lambda s, c: {"scale": s / c, "softcap": 1.0})),
    Fault("bias ignored", "the bias is not added", _keys(_biased, read=lambda b: None)),
    Fault("bias scaled", "the bias is scaled like the scores", _whole(_scaled_bias)),
    Fault("bias transposed", "queries and keys of the bias are exchanged", _keys(_biased, read=_transposed)),
    Fault("bias of -inf leaks", "a bias of -inf hides nothing: it counts as 0",
          _keys(_biased, read=lambda b: np.where(b < _LOWEST, 0.0, b))),
    Fault("sink ignored", "the sink is left out of the sum", _with(lambda a: {"sink": None})),
    Fault("sink with a value", "the sink contributes the value of the first token", _sink_reads),
)  # fmt: skip
_LOGARITHMS = (
    Fault("lse in base 2", "lse is the logarithm to base 2",
          partial(_logarithm, change=lambda core, read, a: read.lse / np.log(2.0))),
    Fault("lse without the maximum", "lse lacks the maximum that was subtracted from the scores",
          partial(_logarithm, change=_without_maximum)),
    Fault("lse without the sink", "lse lacks the sink, which the outputs have",
          partial(_logarithm, change=lambda core, read, a: core(**{**a, "sink": None}).lse)),
)  # fmt: skip
_STREAMS = (
    ("streams averaged", "both streams have a softmax of their own, and their mean is taken", _mean),
    ("streams added", "both streams have a softmax of their own, and they are added", _sum),
    ("streams merged with the first lse", "the streams are merged with the lse of the first for both",
     _first_lse_for_all),
    ("lse of the first stream", "the lse returned is that of the first stream", partial(_one_lse, which=0)),
    ("lse of the second stream", "the lse returned is that of the second stream", partial(_one_lse, which=-1)),
    ("empty stream counted", "a stream without keys is merged with lse 0 in the place of -inf", _empty_counted),
    ("streams merged in powers of 2", "the streams are merged with weights 2^lse", _powers_of_two),
)  # fmt: skip
_JOINED = (
    ("blocks averaged", "blocks of {chunk} keys are merged without their weights, as a mean", _mean),
    ("lse of the last block", "the lse returned is that of the last block of {chunk} keys",
     partial(_one_lse, which=-1)),
    ("empty block counted", "a block of {chunk} keys of which none is seen is merged with lse 0 in the place of -inf",
     _empty_counted),
    ("blocks merged in powers of 2", "blocks of {chunk} keys are merged with weights 2^lse", _powers_of_two),
)  # fmt: skip
_RESCALED: tuple[tuple[str, str, Rescaling], ...] = (
    ("accumulator not rescaled", "the accumulator is not rescaled when a block of {chunk} keys raises the maximum",
     lambda kept, raised: (1.0, kept, 1.0)),
    ("sum not rescaled", "the sum of exponentials is not rescaled when a block of {chunk} keys raises the maximum",
     lambda kept, raised: (kept, 1.0, 1.0)),
    ("nothing rescaled", "neither accumulator nor sum is rescaled when a block of {chunk} keys raises the maximum",
     lambda kept, raised: (1.0, 1.0, 1.0)),
    ("accumulator rescaled twice", "the accumulator is rescaled twice when a block of {chunk} keys raises the maximum",
     lambda kept, raised: (kept**2, kept, 1.0)),
    ("sum restarted", "the sum of exponentials starts anew with each block of {chunk} keys",
     lambda kept, raised: (kept, 0.0, 1.0)),
    ("previous maximum", "the exponentials of a block of {chunk} keys are taken beside the maximum before it",
     lambda kept, raised: (kept, kept, raised)),
)  # fmt: skip
FAULTS = (
    *_SEEN,
    *_SCORED,
    *_LOGARITHMS,
    *(Fault(name, sentence, partial(_merged, join=join, streams=True)) for name, sentence, join in _STREAMS),
    Fault("sink in both streams", "the sink counts in each stream",
          partial(_merged, join=merge, streams=True, everywhere=True)),
    *(Fault(name, sentence, partial(_merged, join=join), chunked=True) for name, sentence, join in _JOINED),
    Fault("sink in every block", "the sink counts once for every block of {chunk} keys",
          partial(_merged, join=merge, everywhere=True), chunked=True),
    *(Fault(name, sentence, partial(_online, rescaling=r), chunked=True) for name, sentence, r in _RESCALED),
    Fault("last partial block dropped", "keys beyond the last whole block of {chunk} are not read",
          _blocks(lambda s, chunk: _hiding(s, lambda j, i, S: j >= S // chunk * chunk)), chunked=True),
    Fault("diagonal block dropped", "the block of {chunk} keys in which the query stands is read only if it is full",
          _blocks(lambda s, chunk: _hiding(s, lambda j, i, S: j >= (i + 1) // chunk * chunk)), chunked=True),
    Fault("first partial block dropped", "the block of {chunk} keys in which the window begins is not read",
          _blocks(_first_block, whole=False), chunked=True),
    Fault("first block unmasked", "the block of {chunk} keys in which the window begins is read whole",
          _blocks(_first_block, whole=True), chunked=True),
)  # fmt: skip


def _swap(name: str, sentence: str, answer: Core) -> Swap:
    return Swap(name, sentence, core=alone(readout, answer))


# Conventions rather than slips: as references they are read with every number type.
CONVENTIONS = (
    _swap("mask aligned at the top left", "query t at position t, not at t + S - T", _top_left),
    _swap("groups interleaved", "head h using group h % G, not h // (H // G)", _interleaved),
    _swap("current token hidden", "a query not seeing its own key (j < i)",
         lambda core, **a: _banded(core, older=0, younger=-1, of=_FIRST, **a)),
)  # fmt: skip
WITH_BIAS = (_swap("bias scaled", "the bias scaled like the scores", _scaled_bias),)
# Of ops with a second stream of older keys.
SECOND = (
    _swap("second stream one token younger", "the second stream one token younger, so that it overlaps the window",
         lambda core, **a: _banded(core, older=-1, younger=1, of=_LATER, **a)),
    _swap("second stream one token older", "the second stream one token older, with a gap before the window",
         lambda core, **a: _banded(core, older=1, younger=-1, of=_LATER, **a)),
)  # fmt: skip
