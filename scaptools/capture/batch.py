"""Event batches: the events of one window as lazily built columns over untouched bytes.

A batch knows where its event blocks lie; everything else is gathered when asked for and kept. Header fields are read
through an overlapping view of the whole window, one row per byte, whose dtype comes from the block schema, so a
column is one indexing operation whatever the alignment.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BLOCKS, TRAILER_SIZE, BlockKind
from scap_formats.dtypes import event_block_dtype
from scap_formats.table import event_table
from scaptools.capture.overlap import native, overlapping
from scaptools.capture.parameters import ParameterTable, length_dtype, number_dtype
from scaptools.capture.pieces import Pieces
from scaptools.columns import ALL_ROWS, Numbers, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scaptools.capture.scan import ByteOrder, Bytes, Offsets
    from scaptools.capture.section import Section


#: Rows of at most one in so many are fetched by themselves.
_FEW_SHARE = 2
#: Looking through all events for one type is cheaper than sorting them by type for so many types.
_SCANNED_TYPES = 8


class EventBatch:
    """``n`` events in capture order.

    ``offsets`` and ``lengths`` (int64, shape ``(n,)``) place each event's block in ``data``; ``base`` is the offset of
    ``data`` in the decompressed stream; ``first_number`` is the number (``evt.num``) of row 0. Rows are only events
    whose type is known.
    """

    def __init__(
        self,
        section: Section,
        data: Bytes,
        offsets: Offsets,
        lengths: Offsets,
        block_types: NDArray[np.uint32],
        *,
        base: int,
        first_number: int,
        byteorder: ByteOrder = "little",
        event_types: NDArray[np.uint16] | None = None,
    ) -> None:
        self.section = section
        self.data = data
        self.offsets = offsets
        self.lengths = lengths
        self.block_types = block_types
        self.base = base
        self.first_number = first_number
        self.byteorder = byteorder
        self._columns: dict[str, NDArray[Any]] = {}
        if event_types is not None and self._has_flags is False:
            self._columns["type"] = event_types
        self._types_asked = 0
        self.cache: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.offsets)

    def restricted(self, rows: NDArray[np.bool_]) -> EventBatch:
        """A batch of only some of the events, numbered anew from ``first_number``."""
        return EventBatch(
            self.section,
            self.data,
            self.offsets[rows],
            self.lengths[rows],
            self.block_types[rows],
            base=self.base,
            first_number=self.first_number,
            byteorder=self.byteorder,
        )

    def memo(self, key: Any, build: Any) -> Any:
        """A value derived from this batch, built once; ``key`` names it, ``build`` takes no argument."""
        if key not in self.cache:
            self.cache[key] = build()
        return self.cache[key]

    @cached_property
    def _has_flags(self) -> NDArray[np.bool_] | bool:
        return _trait(self.block_types, "has_flags")

    @cached_property
    def _has_counts(self) -> NDArray[np.bool_] | bool:
        return _trait(self.block_types, "has_nparams")

    def _header_offsets(self, rows: Rows) -> Offsets:
        # dump_flags push the event header back by 4 bytes; reading at a shifted offset keeps one view for both.
        offsets = self.offsets[rows]
        if isinstance(self._has_flags, bool):
            return offsets + 4 if self._has_flags else offsets
        return offsets + 4 * self._has_flags[rows]

    @cached_property
    def _layout(self) -> np.dtype[Any]:
        counted = self._has_counts is not False
        return event_block_dtype(has_nparams=counted, has_flags=False, byteorder=self.byteorder)

    @cached_property
    def _records(self) -> NDArray[Any]:
        # Fetching a header is what costs; as raw bytes it comes whole for the price of one of its fields.
        raw = np.dtype((np.void, self._layout.itemsize))
        return overlapping(self.data, raw)[self._header_offsets(ALL_ROWS)].view(self._layout)

    def header_starts(self, rows: Rows = ALL_ROWS) -> Offsets:
        """Where in ``data`` each event's own header begins."""
        starts: Offsets = self._header_offsets(rows) + self._layout.fields["ts"][1]  # type: ignore[index]
        return starts

    def header(self, name: str, rows: Rows = ALL_ROWS) -> NDArray[Any]:
        """A header field (``ts``, ``tid``, ``type``, ``cpu``, ``length``, ``nparams``) of the given rows.

        Asked for most rows it is fetched for all and kept; asked for few it is fetched for those only.
        """
        known = self._columns.get(name)
        if known is not None:
            return known[rows]
        if name == "cpu" and self._has_flags is not False:
            return native(overlapping(self.data, self._layout)[name][self.offsets[rows]])
        few = not isinstance(rows, slice) and len(rows) * _FEW_SHARE < len(self)
        if few and "_records" not in self.__dict__:
            return native(overlapping(self.data, self._layout)[name][self._header_offsets(rows)])
        if few:
            return native(self._records[name][rows])
        column = native(np.ascontiguousarray(self._records[name]))
        self._columns[name] = column
        return column[rows]

    def numbers(self, rows: Rows = ALL_ROWS) -> NDArray[np.uint64]:
        """Event numbers, from 1 for the first event of the capture."""
        return np.arange(self.first_number, self.first_number + len(self), dtype=np.uint64)[rows]

    def dump_flags(self, rows: Rows = ALL_ROWS) -> NDArray[np.uint32] | None:
        """The flags writers store in front of an event, 0 where the block has none; None where no block has any."""
        if self._has_flags is False:
            return None
        offsets = self.offsets[rows]
        dtype = event_block_dtype(has_nparams=False, has_flags=True, byteorder=self.byteorder)
        flags = overlapping(self.data, dtype)["dump_flags"][offsets].astype(np.uint32)
        return flags if self._has_flags is True else np.where(self._has_flags[rows], flags, 0)

    @cached_property
    def _type_order(self) -> tuple[NDArray[np.intp], NDArray[np.uint16]]:
        types = self.header("type")
        order = np.argsort(types, kind="stable")
        return order, types[order]

    def rows_of_type(self, event_type: int) -> NDArray[np.intp]:
        """The rows of one event type, ascending."""
        self._types_asked += 1
        if self._types_asked <= _SCANNED_TYPES:
            return np.flatnonzero(self.header("type") == event_type)
        order, types = self._type_order
        first, last = np.searchsorted(types, np.array([event_type, event_type + 1], types.dtype))
        return order[first:last]

    def types_present(self) -> list[int]:
        """The event types that occur, ascending."""
        return list(self._types_present)

    @cached_property
    def _types_present(self) -> list[int]:
        counts = np.bincount(self.header("type"))
        return [int(event_type) for event_type in np.flatnonzero(counts)]

    def parameters(self, event_type: int, rows: NDArray[np.intp] | None = None) -> ParameterTable:
        """The parameters of one event type, for all its rows or for some (ascending, all of that type)."""
        if rows is None:
            key = ("parameters", event_type)
            return self.memo(key, lambda: self._parameter_table(event_type, self.rows_of_type(event_type)))  # type: ignore[no-any-return]
        return self._parameter_table(event_type, rows)

    def _parameter_table(self, event_type: int, rows: NDArray[np.intp]) -> ParameterTable:
        counted = self._has_counts
        return ParameterTable(
            self.data,
            rows=rows,
            declaration=event_table().events[event_type],
            header_offsets=self._header_offsets(rows),
            block_ends=self.offsets[rows] + self.lengths[rows],
            event_lengths=self.header("length", rows),
            counted=counted if isinstance(counted, bool) else counted[rows],
            counts=None if counted is False else self.header("nparams", rows),
            byteorder=self.byteorder,
        )

    def leading_numbers(self, rows: NDArray[np.intp], event_type: int) -> Numbers:
        """The first parameter of some events, all with the layout of a type and a number there; missing as in a table.

        Where every event stores its count it is read in one go, without a table of all parameters.
        """
        declaration = event_table().events[event_type]
        if self._has_counts is not True:
            return self.parameters(event_type, rows).column(0).numbers()
        number = number_dtype(declaration.params[0].type, self.byteorder)
        length = length_dtype(declaration.length_width, self.byteorder)
        start = np.dtype([("header", self._layout), ("first_length", length)])
        offsets = self._header_offsets(rows)
        found = overlapping(self.data, np.dtype((np.void, start.itemsize)))[offsets].view(start)
        header = found["header"]
        at = offsets + (self._layout.itemsize + header["nparams"] * np.int64(declaration.length_width))
        ends = offsets + (self._layout.fields["ts"][1] + header["length"].astype(np.int64))  # type: ignore[index]
        valid = (found["first_length"] == number.itemsize) & (header["nparams"] > 0) & (at + number.itemsize <= ends)
        valid &= ends <= self.offsets[rows] + self.lengths[rows] - TRAILER_SIZE
        values = overlapping(self.data, number)
        if valid.all():
            return Numbers(native(values[at]))
        return Numbers(native(values[np.where(valid, at, 0)]), valid)

    def raw_blocks(self, rows: Rows = ALL_ROWS) -> bytes:
        """The event blocks of the given rows, byte for byte, in order."""
        offsets, lengths = self.offsets[rows], self.lengths[rows]
        if not len(offsets):
            return b""
        ends = offsets + lengths
        if int(ends[-1] - offsets[0]) == int(lengths.sum()):
            return self.data[offsets[0] : ends[-1]].tobytes()
        pieces = Pieces(np.zeros(len(offsets), np.int8), offsets, lengths)
        return pieces.gather([self.data]).tobytes()


def shortest_event_block(block_types: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The bytes an event block of each type needs at least: head, cpu, flags, event header and trailer."""
    shortest = {
        kind: event_block_dtype(has_nparams=layout.has_nparams, has_flags=layout.has_flags).itemsize + TRAILER_SIZE
        for kind, layout in BLOCKS.items()
        if layout.kind is BlockKind.EVENT
    }
    return np.asarray(_per_kind(block_types, shortest))


def _per_kind(block_types: NDArray[np.uint32], values: Mapping[int, Any]) -> Any:
    """The value of each block's kind, one for all where they are of one kind."""
    if len(block_types) and (block_types == block_types[0]).all():
        return values[int(block_types[0])]
    kinds, codes = np.unique(block_types, return_inverse=True)
    return np.array([values[int(kind)] for kind in kinds])[codes]


def _trait(block_types: NDArray[np.uint32], name: str) -> NDArray[np.bool_] | bool:
    """A property of each event's block layout, one value where all agree."""
    values = {kind: bool(getattr(layout, name)) for kind, layout in BLOCKS.items()}
    found = _per_kind(block_types, values)
    return found if isinstance(found, bool) or found.any() else False
