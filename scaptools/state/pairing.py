"""Pairing: the enter event before each event of a thread.

Enter events fill the gaps exit events leave: which descriptor, which path, since when. Events are sorted by thread id
and time; running maxima then give the latest enter and exit before each. The latest enter of every thread is kept
for the next batch, as a small batch of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scap_formats.blocks import BlockType
from scap_formats.table import event_table
from scap_formats.types import EventFlag
from scaptools.capture.batch import EventBatch
from scaptools.capture.pieces import Pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]

#: No enter event.
NONE = -1
#: Events a thread sends while it leaves a processor or that only carry metadata: they do not end a system call.
_SWITCH = 152
_CONTAINER_EVENTS = (272, 324)


@cache
def pairing_types() -> Mask:
    """Which event types take part, by type id."""
    events = event_table().events
    takes_part = np.array([not event.flags & EventFlag.SKIPPARSERESET for event in events])
    takes_part[[_SWITCH, *_CONTAINER_EVENTS]] = False
    return takes_part


def distinct(values: Ints) -> Ints:
    """The distinct values, ascending; quick for thread ids, which are small."""
    if not len(values):
        return values
    low, high = int(values.min()), int(values.max())
    if low < -1 or high >= 1 << 22:
        return np.unique(values)
    seen = np.zeros(high + 2, bool)
    seen[values + 1] = True
    return np.flatnonzero(seen) - 1


@dataclass(slots=True)
class OpenEnters:
    """The latest enter event of each thread at the end of a batch; all arrays have shape ``(n,)``.

    ``tids`` ascend. ``spent`` is set where an exit event came after the enter; its parameters are no longer to be
    used, its type and time are. ``batch`` holds the events in this order. ``descriptors`` is the remembered fd of
    each thread and ``latencies`` the latest latency.
    """

    tids: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    entries: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    spent: Mask = field(default_factory=lambda: np.empty(0, bool))
    latencies: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    descriptors: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    has_enter: Mask = field(default_factory=lambda: np.empty(0, bool))
    batch: EventBatch | None = None

    def __len__(self) -> int:
        return len(self.tids)

    def find(self, tids: Ints) -> Ints:
        """The index of each thread, `NONE` where it has none."""
        if not len(self.tids):
            return np.full(len(tids), NONE)
        at = np.minimum(np.searchsorted(self.tids, tids), len(self.tids) - 1)
        return np.where(self.tids[at] == tids, at, NONE)

    def take(self, at: Ints) -> OpenEnters:
        """Those at some indices, ascending."""
        batch = self.batch
        if batch is not None and len(at) < len(self):
            mask = np.zeros(len(self), bool)
            mask[at] = True
            batch = batch.restricted(mask)
        arrays: dict[str, Any] = {name: getattr(self, name)[at] for name in _ARRAYS}
        return OpenEnters(**arrays, batch=batch)


class Pairing:
    """The latest enter and exit events before each of some events of a batch.

    ``rows`` (ascending) are the events looked at; they have to hold every event of a thread or none. Arrays marked
    *sorted* go by (thread, time), as does ``order``, which holds the rows. References to enter events are rows, or
    ``-2 - i`` for event ``i`` of ``carried``, or `NONE`.
    """

    def __init__(self, batch: EventBatch, rows: Ints, carried: OpenEnters) -> None:
        self.batch = batch
        self.carried = carried
        tids = batch.header("tid", rows)
        self._threads = distinct(tids)
        codes = np.searchsorted(self._threads, tids) if len(self._threads) > 1 else np.zeros(len(tids), np.intp)
        small = len(self._threads) <= 1 << 16
        by_thread = np.argsort(codes.astype(np.uint16) if small else codes, kind="stable")
        self.order: Ints = rows[by_thread]
        types = batch.header("type", self.order)
        index = np.arange(len(self.order))
        sorted_codes = codes[by_thread]
        self._firsts = np.flatnonzero(np.diff(sorted_codes, prepend=-1))
        first = self._firsts[sorted_codes]
        self.is_exit: Mask = (types & 1).astype(bool)
        exits = np.maximum.accumulate(np.where(self.is_exit, index, NONE))
        self._last_exits = np.where(exits >= first, exits, NONE)
        enters = np.maximum.accumulate(np.where(self.is_exit, NONE, index))
        self._last_enters = np.where(enters >= first, enters, NONE)
        carried_at = carried.find(self._threads)
        self.carried_at = carried_at[sorted_codes]

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def enters(self) -> Ints:
        """References to the latest enter event of each event, itself included; *sorted*."""
        local = self.order[self._last_enters]
        before = self.carried_at
        if len(self.carried):
            carried = np.where((before >= 0) & self.carried.has_enter[before], -2 - before, NONE)
        else:
            carried = np.full(len(before), NONE)
        return np.where(self._last_enters >= 0, local, carried)

    def enters_within(self, entries: Ints) -> Ints:
        """`enters`, but only those of the same incarnation; ``entries`` are the incarnations, *sorted*."""
        refs = self.enters
        local, older = refs >= 0, refs < NONE
        entry_of_enter = np.full(len(refs), NONE)
        entry_of_enter[local] = entries[self.places(refs[local])]
        if len(self.carried):
            entry_of_enter[older] = self.carried.entries[-2 - refs[older]]
        return np.where((entry_of_enter == entries) & (entries != NONE), refs, NONE)

    @cached_property
    def intact(self) -> Mask:
        """Whether no exit event lies between an event and its latest enter; *sorted*."""
        shifted = np.concatenate(([NONE], self._last_exits[:-1]))
        shifted[self._firsts] = NONE
        local = self._last_enters >= 0
        unspent = ~self.carried.spent[self.carried_at] if len(self.carried) else np.zeros(len(shifted), bool)
        return np.where(local, shifted < self._last_enters, (shifted == NONE) & unspent)

    def places(self, rows: Ints) -> Ints:
        """Where rows are in ``order``, `NONE` for rows that are not looked at."""
        place = np.full(len(self.batch), NONE, np.int64)
        place[self.order] = np.arange(len(self.order))
        return place[rows]

    def latest(self, rows: Ints) -> Ints:
        """The place in ``order`` of the last event of the same thread up to each row, `NONE` where there is none."""
        tids = self.batch.header("tid", rows)
        codes = np.searchsorted(self._threads, tids)
        codes = np.minimum(codes, max(len(self._threads) - 1, 0))
        if not len(self._threads):
            return np.full(len(rows), NONE)
        size = len(self.batch) + 1
        sorted_codes = np.repeat(np.arange(len(self._threads)), np.diff(np.append(self._firsts, len(self.order))))
        at = np.searchsorted(sorted_codes * size + self.order, codes * size + rows, side="right") - 1
        known = (self._threads[codes] == tids) & (at >= self._firsts[codes])
        return np.where(known, at, NONE)

    def ends(self) -> tuple[Ints, Ints, Ints]:
        """Per thread looked at: its id, the place of its last event, and its index in ``carried`` or `NONE`."""
        lasts = np.append(self._firsts, len(self.order))[1:] - 1
        return self._threads, lasts, self.carried_at[lasts]

    def spent(self, places: Ints) -> Mask:
        """Whether the latest enter of the events at some places has been followed by an exit, themselves included."""
        local = self._last_enters[places] >= 0
        followed = self._last_exits[places] > self._last_enters[places]
        if not len(self.carried):
            return followed
        return followed | (~local & self.carried.spent[self.carried_at[places]])


def keep_enters(
    pairing: Pairing,
    *,
    entries: Ints,
    latencies: Ints | None = None,
    descriptors: Ints | None = None,
    wanted: Mask | None = None,
) -> OpenEnters:
    """What the next batch needs of this one's enters.

    ``entries`` are the incarnations of the sorted events, ``latencies`` and ``descriptors`` theirs (*sorted*).
    ``wanted`` restricts by event type to enters that are still open; without it every thread is kept.
    """
    carried = pairing.carried
    tids, lasts, _ = pairing.ends()
    refs = pairing.enters_within(entries)[lasts]
    spent = pairing.spent(lasts)
    kept = OpenEnters(
        tids=tids,
        entries=entries[lasts],
        spent=spent,
        latencies=np.zeros(len(tids), np.int64) if latencies is None else latencies[lasts],
        descriptors=np.zeros(len(tids), np.int64) if descriptors is None else descriptors[lasts],
        has_enter=refs != NONE,
    )
    untouched = np.flatnonzero(~np.isin(carried.tids, tids)) if len(carried) else np.empty(0, np.int64)
    if wanted is not None and len(tids):
        types = _enter_types(pairing.batch, carried, refs)
        keep = np.flatnonzero((refs != NONE) & ~spent & wanted[types])
        kept, refs = kept.take(keep), refs[keep]
    before = carried.take(untouched)
    arrays: dict[str, Any] = {name: np.concatenate((getattr(kept, name), getattr(before, name))) for name in _ARRAYS}
    merged = OpenEnters(**arrays)
    refs = np.concatenate((refs, np.where(before.has_enter, -2 - untouched, NONE)))
    order = np.argsort(merged.tids, kind="stable")
    merged = merged.take(order)  # before it has a batch, whose events are copied in this order
    merged.batch = _copy_events(pairing.batch, carried.batch, refs[order])
    return merged


#: Takes the place of an event that is not there.
_NO_EVENT = np.zeros(64, np.uint8)
_ARRAYS = ("tids", "entries", "spent", "latencies", "descriptors", "has_enter")


def _enter_types(batch: EventBatch, carried: OpenEnters, refs: Ints) -> NDArray[np.uint16]:
    types = np.zeros(len(refs), np.uint16)
    local = np.flatnonzero(refs >= 0)
    types[local] = batch.header("type", refs[local])
    older = np.flatnonzero(refs <= -2)
    if len(older) and carried.batch is not None:
        types[older] = carried.batch.header("type", -2 - refs[older])
    return types


def _copy_events(batch: EventBatch, older: EventBatch | None, refs: Ints) -> EventBatch:
    """A batch with one event per reference, in their order; one for `NONE` is all zero and never looked at."""
    lengths, kinds = np.zeros(len(refs), np.int64), np.zeros(len(refs), np.uint32)
    starts = np.zeros(len(refs), np.int64)
    is_local = refs >= 0
    for source, found, rows in ((batch, is_local, refs), (older, refs < NONE, -2 - refs)):
        if source is not None:
            starts[found] = source.offsets[rows[found]]
            lengths[found] = source.lengths[rows[found]]
            kinds[found] = source.block_types[rows[found]]
    nothing = refs == NONE
    kinds[nothing] = kinds[~nothing][:1] if len(refs) > np.count_nonzero(nothing) else BlockType.EV_V2
    lengths[nothing] = len(_NO_EVENT)
    pieces = Pieces(np.select([is_local, nothing], [0, 2], 1).astype(np.int8), starts, lengths)
    return EventBatch(
        batch.section,
        pieces.gather([batch.data, _NO_EVENT if older is None else older.data, _NO_EVENT]),
        np.cumsum(lengths) - lengths,
        lengths,
        kinds,
        base=0,
        first_number=0,
        byteorder=batch.byteorder,
    )
