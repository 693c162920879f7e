"""Conversion: batches of old enter and exit events as batches of the newest schema.

Each kind of event has an `upgrade.Plan`. Enter events are joined to the exit events of their thread by one sort on
(thread, row); those whose exit has not come yet are carried into the next batch. Events that have the newest form are
taken over byte for byte, all others get a new block whose parameters are stretches of the old ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BLOCKS, HEAD_SIZE, TRAILER_SIZE, BlockType
from scap_formats.dtypes import event_block_dtype
from scap_formats.table import event_table
from scaptools.capture.batch import EventBatch
from scaptools.capture.joining import EnterMatches, match_enters
from scaptools.capture.pieces import Pieces
from scaptools.capture.upgrade import Fate, Origin, Plan, Value, upgrade_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from scaptools.capture.parameters import ParameterTable
    from scaptools.capture.scan import Bytes, Offsets

#: Where pieces come from: the window, blocks carried over from earlier windows, and what was made here.
_WINDOW, _CARRIED, _MADE = 0, 1, 2
_PADDING = 3
_FLAGGED = np.array([kind for kind, layout in BLOCKS.items() if layout.has_flags], np.uint32)
#: Events that cannot be read are left as they are.
_UNREADABLE = Plan(Fate.KEEP, -1, (), changed=False)
_BLOCK_TYPES = {
    (False, False): BlockType.EV_V2,
    (True, False): BlockType.EVF_V2,
    (False, True): BlockType.EV_V2_LARGE,
    (True, True): BlockType.EVF_V2_LARGE,
}
_CONTAINER_JSON = b'{"id":"%b","type":%d,"name":"%b","image":"%b"}\0'


class ConvertedBatch(EventBatch):
    """Events of the newest schema; ``source_numbers`` are the numbers they have in the capture as it is."""

    source_numbers: NDArray[np.uint64]


def convert_batches(batches: Iterable[EventBatch]) -> Iterator[ConvertedBatch]:
    """The batches of a capture in the newest schema, numbered anew from 1, without those that end up empty."""
    converter = EventConverter()
    for batch in batches:
        converted = converter.convert(batch)
        if len(converted):
            yield converted


class EventConverter:
    """Converts the batches of one capture in order; enter events wait here for their exit."""

    def __init__(self) -> None:
        self._pending: EventBatch | None = None
        self._next_number = 1

    def convert(self, batch: EventBatch) -> ConvertedBatch:
        """The batch in the newest schema, which may leave no event of it."""
        pending = self._pending
        if pending is None or pending.section is not batch.section:
            pending = _batch_of_blocks(batch, [])
        conversion = _BatchConversion(batch, pending, self._next_number)
        converted = conversion.run()
        self._next_number += len(converted)
        self._pending = conversion.left_over()
        return converted


@dataclass(slots=True)
class _Group:
    """Events of one type and number of parameters, and their plan."""

    type: int
    rows: NDArray[np.intp]
    plan: Plan
    table: ParameterTable | None = None
    #: Positions in ``table`` of the rows.
    places: NDArray[np.intp] | None = None


@dataclass(slots=True)
class _Made:
    """Bytes that are in no capture: new headers, trailers, defaults."""

    parts: list[Bytes] = field(default_factory=list)
    size: int = 0
    _constants: dict[bytes, int] = field(default_factory=dict)

    def add(self, data: NDArray[Any]) -> int:
        """Keep the bytes of an array; where they start."""
        start = self.size
        flat = data.view(np.uint8).reshape(-1)
        self.parts.append(flat)
        self.size += len(flat)
        return start

    def constant(self, data: bytes) -> int:
        """Where a few bytes that are needed often start."""
        if data not in self._constants:
            self._constants[data] = self.add(np.frombuffer(data, np.uint8))
        return self._constants[data]


@dataclass(frozen=True, slots=True)
class _Column:
    """One stretch per event of a group."""

    sources: NDArray[np.int8]
    starts: Offsets
    lengths: Offsets

    @staticmethod
    def of(source: int, starts: Offsets, lengths: Offsets) -> _Column:
        return _Column(np.full(len(starts), source, np.int8), starts, lengths)


@dataclass(slots=True)
class _Block:
    """The new blocks of a group: their pieces in order, totals, and block type."""

    rows: NDArray[np.intp]
    columns: list[_Column]
    totals: Offsets
    block_type: int


class _BatchConversion:
    def __init__(self, batch: EventBatch, pending: EventBatch, first_number: int) -> None:
        self.batch = batch
        self.pending = pending
        self.first_number = first_number
        self.made = _Made()
        self.groups = [group for event_type in batch.types_present() for group in _groups(batch, event_type)]
        self.matches = self._match()

    def _match(self) -> EnterMatches:
        count = len(self.batch)
        stores = np.zeros(count, bool)
        wanted = np.full(count, -1, np.int64)
        for group in self.groups:
            if group.plan.stores:
                stores[group.rows] = True
            if group.plan.needs_enter:
                wanted[group.rows] = next(v.enter_type for v in group.plan.values if v.origin is Origin.ENTER)
        return match_enters(self.pending, self.batch, np.flatnonzero(stores), wanted)

    def run(self) -> ConvertedBatch:
        """The converted batch."""
        appears = np.zeros(len(self.batch), bool)
        for group in self.groups:
            appears[group.rows] = group.plan.appears
        changed = [group for group in self.groups if group.plan.changed and group.plan.appears]
        if not changed:
            return self._finished(
                self.batch.data,
                self.batch.offsets[appears],
                self.batch.lengths[appears],
                self.batch.block_types[appears],
                appears,
            )
        blocks = [block for group in changed for block in self._blocks(group)]
        return self._assembled(blocks, appears)

    def _finished(
        self,
        data: Bytes,
        offsets: Offsets,
        lengths: Offsets,
        block_types: NDArray[np.uint32],
        appears: NDArray[np.bool_],
    ) -> ConvertedBatch:
        batch = ConvertedBatch(
            self.batch.section,
            data,
            offsets,
            lengths,
            block_types,
            base=self.batch.base,
            first_number=self.first_number,
            byteorder=self.batch.byteorder,
        )
        batch.source_numbers = self.batch.numbers()[appears]
        return batch

    def _assembled(self, blocks: list[_Block], appears: NDArray[np.bool_]) -> ConvertedBatch:
        batch = self.batch
        pieces_of = appears.astype(np.int64)
        lengths = batch.lengths.copy()
        block_types = batch.block_types.copy()
        for block in blocks:
            pieces_of[block.rows] = len(block.columns)
            lengths[block.rows] = block.totals
            block_types[block.rows] = block.block_type
        # Where each row's pieces begin; rows taken over as they are have one.
        first_piece = np.cumsum(pieces_of) - pieces_of
        total = int(pieces_of.sum())
        sources = np.zeros(total, np.int8)
        starts = np.empty(total, np.int64)
        sizes = np.empty(total, np.int64)
        rows = np.flatnonzero(appears)
        starts[first_piece[rows]] = batch.offsets[rows]
        sizes[first_piece[rows]] = batch.lengths[rows]
        for block in blocks:
            at = first_piece[block.rows]
            for place, column in enumerate(block.columns):
                sources[at + place] = column.sources
                starts[at + place] = column.starts
                sizes[at + place] = column.lengths
        buffers = [batch.data, self.pending.data, np.concatenate(self.made.parts)]
        data = Pieces(sources, starts, sizes).gather(buffers)
        lengths = lengths[rows]
        return self._finished(data, np.cumsum(lengths) - lengths, lengths, block_types[rows], appears)

    def _blocks(self, group: _Group) -> Iterator[_Block]:
        flagged = np.isin(self.batch.block_types[group.rows], _FLAGGED)
        for has_flags in (False, True):
            chosen = flagged if has_flags else ~flagged
            if chosen.any() and group.places is not None:
                part = _Group(group.type, group.rows[chosen], group.plan, group.table, group.places[chosen])
                yield self._block(part, has_flags=has_flags)

    def _block(self, group: _Group, *, has_flags: bool) -> _Block:
        batch, rows = self.batch, group.rows
        event = event_table().events[group.plan.type]
        columns = [self._value(group, value) for value in group.plan.values]
        options = self._options(group)
        prefix = event_block_dtype(has_nparams=True, has_flags=has_flags, byteorder=batch.byteorder)
        length_dtype = np.dtype(f"u{event.length_width}").newbyteorder("<" if batch.byteorder == "little" else ">")
        heads = np.zeros(len(rows), [("prefix", prefix), ("lengths", length_dtype, (len(columns),))])
        for place, column in enumerate(columns):
            heads["lengths"][:, place] = column.lengths
        in_parameters = sum((column.lengths for column in columns), np.zeros(len(rows), np.int64))
        before_event = prefix.fields["ts"][1]  # type: ignore[index]
        event_lengths = heads.itemsize - before_event + in_parameters
        padding = -(before_event - HEAD_SIZE + event_lengths) % 4
        totals = before_event + event_lengths + padding + options.lengths + TRAILER_SIZE
        block_type = _BLOCK_TYPES[has_flags, event.length_width == 4]
        values = {
            "block_type": block_type,
            "block_length": totals,
            "cpu": batch.header("cpu", rows),
            "ts": batch.header("ts", rows),
            "tid": batch.header("tid", rows),
            "length": event_lengths,
            "type": event.id,
            "nparams": len(columns),
        }
        if has_flags:
            values["dump_flags"] = batch.dump_flags(rows)
        for name, value in values.items():
            heads["prefix"][name] = value
        each = np.arange(len(rows), dtype=np.int64)
        head = _Column.of(
            _MADE, self.made.add(heads) + heads.itemsize * each, np.full(len(rows), heads.itemsize, np.int64)
        )
        tails = np.zeros(len(rows), [("padding", f"V{_PADDING}"), ("total", _u4(batch))])
        tails["total"] = totals
        tail_end = self.made.add(tails) + tails.itemsize * (each + 1)
        if options.lengths.any():
            pad = _Column.of(_MADE, np.full(len(rows), self.made.constant(bytes(_PADDING))), padding)
            trailer = _Column.of(_MADE, tail_end - TRAILER_SIZE, np.full(len(rows), TRAILER_SIZE, np.int64))
            ending = [pad, options, trailer]
        else:
            ending = [_Column.of(_MADE, tail_end - TRAILER_SIZE - padding, padding + TRAILER_SIZE)]
        return _Block(rows, [head, *columns, *ending], totals, block_type)

    def _options(self, group: _Group) -> _Column:
        """What stands between an event's padding and its trailer: comments added by other tools."""
        if group.table is None or group.places is None:
            raise TypeError("a group that is built has a parameter table")
        body = self.batch.offsets[group.rows] + HEAD_SIZE
        in_event = group.table.ends[group.places] - body
        starts = body + in_event + -in_event % 4
        block_ends = self.batch.offsets[group.rows] + self.batch.lengths[group.rows]
        return _Column.of(_WINDOW, starts, np.maximum(block_ends - TRAILER_SIZE - starts, 0))

    def _value(self, group: _Group, value: Value) -> _Column:
        count = len(group.rows)
        if value.origin is Origin.OWN and group.table is not None and group.places is not None:
            own = group.table.column(value.index)
            return _cut(_Column.of(_WINDOW, own.starts[group.places], own.lengths[group.places]), value)
        if value.origin is Origin.CONTAINER_JSON:
            return self._container_json(group)
        start = self.made.constant(value.fill)
        filled = _Column.of(_MADE, np.full(count, start), np.full(count, len(value.fill)))
        return self._entered(group, value, filled) if value.origin is Origin.ENTER else filled

    def _entered(self, group: _Group, value: Value, column: _Column) -> _Column:
        """Put parameters of enter events in the place of defaults where there is one."""
        match = self.matches.enters[group.rows]
        for source, batch, found in (
            (_CARRIED, self.pending, np.flatnonzero((match >= 0) & (match < len(self.pending)))),
            (_WINDOW, self.batch, np.flatnonzero(match >= len(self.pending))),
        ):
            if not len(found):
                continue
            enter_rows = match[found] - (0 if source == _CARRIED else len(self.pending))
            table = batch.parameters(value.enter_type)
            places = np.searchsorted(table.rows, enter_rows)
            taken = self._stored(table, places, value, source)
            column.sources[found] = taken.sources
            column.starts[found] = taken.starts
            column.lengths[found] = taken.lengths
        return column

    def _stored(self, table: ParameterTable, places: NDArray[np.intp], value: Value, source: int) -> _Column:
        column = table.column(value.index)
        taken = _cut(_Column.of(source, column.starts[places], column.lengths[places]), value)
        absent = np.flatnonzero(~column.present[places])
        # An enter event that was itself too short may have been given a default.
        for count in np.unique(table.counts[places[absent]]).tolist():
            stored = upgrade_plan(value.enter_type, count).values
            fill = stored[value.index].fill if value.index < len(stored) else b""
            at = absent[table.counts[places[absent]] == count]
            taken.sources[at] = _MADE
            taken.starts[at] = self.made.constant(fill)
            taken.lengths[at] = len(fill)
        return taken

    def _container_json(self, group: _Group) -> _Column:
        table, places = group.table, group.places
        if table is None or places is None:
            raise TypeError("a group that is built has a parameter table")
        texts = [table.column(index).take(places).strings().array.to_pylist() for index in (0, 2, 3)]
        numbers = table.column(1).take(places).numbers()
        kinds = np.where(numbers.validity(), numbers.values, 0).tolist()
        documents = [
            _CONTAINER_JSON % (id_ or b"", kind, name or b"", image or b"")
            for id_, kind, name, image in zip(texts[0], kinds, texts[1], texts[2], strict=True)
        ]
        lengths = np.array([len(document) for document in documents], np.int64)
        start = self.made.add(np.frombuffer(b"".join(documents), np.uint8))
        return _Column.of(_MADE, start + np.cumsum(lengths) - lengths, lengths)

    def left_over(self) -> EventBatch:
        """The enter events whose exit has not come, as a small batch of their own."""
        waiting = self.matches.waiting
        old = waiting[waiting < len(self.pending)]
        new = waiting[waiting >= len(self.pending)] - len(self.pending)
        return _batch_of_blocks(self.batch, [(self.pending, old), (self.batch, np.sort(new))])


def _u4(batch: EventBatch) -> str:
    return "<u4" if batch.byteorder == "little" else ">u4"


def _cut(column: _Column, value: Value) -> _Column:
    if not value.skip and value.limit is None:
        return column
    lengths = np.maximum(column.lengths - value.skip, 0)
    if value.limit is not None:
        lengths = np.minimum(lengths, value.limit)
    return _Column(column.sources, column.starts + value.skip, lengths)


def _groups(batch: EventBatch, event_type: int) -> Iterator[_Group]:
    """The events of one type by number of parameters; malformed ones are left as they are."""
    rows = batch.rows_of_type(event_type)
    if not event_table().events[event_type].conversions:
        plan = upgrade_plan(event_type, event_table().events[event_type].nparams)
        if not plan.changed:
            yield _Group(event_type, rows, plan)
            return
    table = batch.parameters(event_type)
    counts = np.where(table.malformed, -1, table.counts)
    for count in np.unique(counts).tolist():
        places = np.flatnonzero(counts == count)
        if count < 0:
            yield _Group(event_type, rows[places], _UNREADABLE)
        else:
            yield _Group(event_type, rows[places], upgrade_plan(event_type, count), table, places)


def _batch_of_blocks(like: EventBatch, chosen: list[tuple[EventBatch, NDArray[np.intp]]]) -> EventBatch:
    """Copies of some events of other batches as a batch."""
    data = b"".join(batch.raw_blocks(rows) for batch, rows in chosen)
    lengths = np.concatenate([np.empty(0, np.int64), *(batch.lengths[rows] for batch, rows in chosen)])
    kinds = np.concatenate([np.empty(0, np.uint32), *(batch.block_types[rows] for batch, rows in chosen)])
    return EventBatch(
        like.section,
        np.frombuffer(data, np.uint8),
        np.cumsum(lengths) - lengths,
        lengths,
        kinds,
        base=0,
        first_number=0,
        byteorder=like.byteorder,
    )
