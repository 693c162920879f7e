"""Complete events of any type and source, as plugins of API 3 take them.

There an event is its header with the number of parameters, the parameters' lengths, and the parameters. Blocks of old
captures lack the number; it is put in. Events of big-endian captures cannot be handed to a plugin and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.blocks import BLOCKS, BlockKind
from scap_formats.dtypes import event_block_dtype
from scap_formats.plugin import ASYNC_EVENT
from scaptools.capture.encode import PLUGIN_EVENT
from scaptools.capture.pieces import Pieces
from scaptools.plugins.shared.payloads import WholeEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

#: The event source of everything no plugin claims.
SYSCALL_SOURCE = "syscall"
_COUNT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Sources:
    """The event source of every event of a batch: an index into the names, the first of which is ``syscall``."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    def accepted(self, names: frozenset[str]) -> NDArray[np.bool_]:
        """Which events are of one of some sources; of any, where there are none."""
        if not names:
            return np.ones(len(self.codes), bool)
        return np.array([name in names for name in self.names], bool)[self.codes]


@dataclass(frozen=True, slots=True)
class WholeChoice:
    """Which complete events a plugin takes: those of some types and some sources; where there are none, of any."""

    types: frozenset[int]
    sources: frozenset[str]

    @staticmethod
    def of(types: Iterable[int], sources: Iterable[str]) -> WholeChoice:
        """What a plugin takes that lists these; without types it is plugin events unless it takes system calls."""
        listed, known = frozenset(types), frozenset(sources)
        if not listed and known and SYSCALL_SOURCE not in known:
            listed = frozenset({PLUGIN_EVENT})
        return WholeChoice(listed, known)

    @property
    def only_payloads(self) -> bool:
        """Whether these are plugin events and no others."""
        return self.types == {PLUGIN_EVENT}

    def taken(self, batch: EventBatch, sources: Sources) -> NDArray[np.bool_]:
        """Which events of a batch are among them."""
        taken = sources.accepted(self.sources)
        if self.types:
            taken &= np.isin(batch.header("type"), list(self.types))
        return taken & (batch.byteorder == "little")


def event_sources(batch: EventBatch, source_name: Callable[[int], str]) -> Sources:
    """Whose the events of a batch are; ``source_name`` gives the source of a plugin id."""
    codes = np.zeros(len(batch), np.int32)
    names = [SYSCALL_SOURCE]
    for type_ in (PLUGIN_EVENT, ASYNC_EVENT):
        rows = batch.rows_of_type(type_)
        if not len(rows):
            continue
        told = batch.parameters(type_).column(0).numbers()
        ids, which = np.unique(np.where(told.validity(), told.values, 0), return_inverse=True)
        numbers = []
        for number in ids.tolist():
            name = source_name(number) if number else SYSCALL_SOURCE
            if name not in names:
                names.append(name)
            numbers.append(names.index(name))
        codes[rows] = np.array(numbers, np.int32)[which]
    return Sources(codes, tuple(names))


def whole_events(batch: EventBatch, rows: NDArray[np.intp], sources: Sources) -> WholeEvents:
    """Some events of a little-endian batch, complete."""
    starts, lengths = batch.header_starts(rows), batch.header("length", rows).astype(np.int64)
    room = batch.offsets[rows] + batch.lengths[rows] - starts - _COUNT_BYTES
    lengths = np.clip(lengths, 0, np.maximum(room, 0))
    counts = _stored_counts(batch, rows)
    uncounted = np.flatnonzero(counts >= 0)
    if len(uncounted):
        data, sizes = _counted(batch, starts, lengths, counts)
    else:
        data, sizes = Pieces(np.zeros(len(rows), np.int8), starts, lengths).gather([batch.data]), lengths
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return WholeEvents(data, offsets, batch.numbers(rows), sources.codes[rows], sources.names)


def _stored_counts(batch: EventBatch, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """How many parameters each event has that does not say so itself, -1 for those that do."""
    found = np.full(len(batch), -1, np.int64)
    bare = np.isin(batch.block_types, _BARE_BLOCKS)
    if not bare.any():
        return found[rows]
    types = batch.header("type", rows)
    for type_ in np.unique(types[bare[rows]]).tolist():
        of_type = batch.rows_of_type(type_)
        found[of_type] = np.where(bare[of_type], np.maximum(batch.parameters(type_).counts, 0), -1)
    return found[rows]


_BARE_BLOCKS = [kind for kind, layout in BLOCKS.items() if layout.kind is BlockKind.EVENT and not layout.has_nparams]


@cache
def _header_bytes() -> tuple[int, int]:
    """How long an event's header without the number of parameters is, and where the event's length stands in it."""
    layout = event_block_dtype(has_nparams=False, has_flags=False).fields
    start = layout["ts"][1]  # type: ignore[index]
    kind, at = layout["type"][:2]  # type: ignore[index]
    return at + kind.itemsize - start, layout["length"][1] - start  # type: ignore[index]


def _counted(
    batch: EventBatch, starts: NDArray[np.int64], lengths: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The events joined, those without a count (``counts`` >= 0) with one; and how long each is."""
    header, length_at = _header_bytes()
    bare = counts >= 0
    number_of = np.maximum(counts, 0).astype("<u4").view(np.uint8)
    sources = np.zeros((len(starts), 3), np.int8)
    sources[:, 1] = 1
    places = np.stack((starts, _COUNT_BYTES * np.arange(len(starts)), starts + header), axis=1)
    sizes = np.stack((np.full(len(starts), header), _COUNT_BYTES * bare, lengths - header), axis=1)
    data = Pieces(sources.ravel(), places.ravel(), np.maximum(sizes, 0).ravel()).gather([batch.data, number_of]).copy()
    totals = np.maximum(sizes, 0).sum(axis=1)
    ends = np.cumsum(totals)
    at = (ends - totals + length_at)[bare]
    told = totals[bare].astype("<u4").view(np.uint8).reshape(-1, 4)
    data[at[:, None] + np.arange(4)] = told
    return data, totals
