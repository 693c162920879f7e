"""Event blocks rewritten: marked as there for the state only, and with parameters emptied."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BLOCKS, TRAILER_SIZE, BlockKind, BlockType
from scap_formats.dtypes import event_block_dtype
from scap_formats.header import DumpFlag
from scaptools.capture.overlap import overlapping
from scaptools.capture.parameters import gather_binary
from scaptools.columns import concatenated
from scaptools.fields.evt.groups import type_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch

    Ints = NDArray[np.int64]

#: Bytes of a block in front of its dump flags, and of the flags.
_HEAD_SIZE = event_block_dtype(has_nparams=False, has_flags=True).fields["dump_flags"][1]  # type: ignore[index]
_FLAGS_SIZE = 4
_V1_LENGTH = 2
#: The block with dump flags for each one without.
_WITH_FLAGS = {
    BlockType.EV_V1: BlockType.EVF_V1,
    BlockType.EV_INT: BlockType.EVF_V1,
    BlockType.EV_V2: BlockType.EVF_V2,
    BlockType.EV_V2_LARGE: BlockType.EVF_V2_LARGE,
}


@dataclass(frozen=True, slots=True)
class _Cut:
    """One parameter of some of the blocks to be written, by place among them: where it is, and where its length is."""

    places: Ints
    starts: Ints
    lengths: Ints
    length_at: Ints
    length_width: int


def rewritten(
    batch: EventBatch,
    rows: Ints,
    state_only: NDArray[np.bool_],
    emptied: Callable[[EventType], Sequence[int]] | None = None,
) -> tuple[bytes, int]:
    """The blocks of the given rows (ascending), and how many parameters were emptied.

    Those at which ``state_only`` (shape of ``rows``) is true are marked so; of each type the parameters whose places
    ``emptied`` gives are left without a value.
    """
    cuts = [] if emptied is None else _cuts(batch, rows, emptied)
    if not cuts and not state_only.any():
        return batch.raw_blocks(rows), 0
    pieces = _Pieces(batch, rows, state_only)
    for cut in cuts:
        pieces.cut(cut)
    return pieces.joined(), sum(len(cut.places) for cut in cuts)


def _cuts(batch: EventBatch, rows: Ints, emptied: Callable[[EventType], Sequence[int]]) -> list[_Cut]:
    found = []
    for group in type_groups(batch, rows, lambda event: bool(emptied(event))):
        for index in emptied(group.event):
            if index >= group.table.stored:
                continue
            column = group.table.column(index)
            has_bytes = np.flatnonzero(column.present & (column.lengths > 0))
            if not len(has_bytes):
                continue
            of_block = group.rows[has_bytes]
            counted = _counted(batch.block_types[of_block])
            width = group.event.length_width if counted.all() else _V1_LENGTH
            length_at = batch.header_starts(of_block) + _header_size(counted) + width * index
            found.append(
                _Cut(group.places[has_bytes], column.starts[has_bytes], column.lengths[has_bytes], length_at, width)
            )
    return found


class _Pieces:
    """Blocks taken apart: runs of bytes of the batch, with flags and padding between them."""

    def __init__(self, batch: EventBatch, rows: Ints, state_only: NDArray[np.bool_]) -> None:
        self._batch = batch
        self._starts = batch.offsets[rows]
        self._ends = self._starts + batch.lengths[rows]
        self._types = batch.block_types[rows]
        self._headers = batch.header_starts(rows)
        old_flags = batch.dump_flags(rows)
        self._flags = np.zeros(len(rows), np.uint32) if old_flags is None else old_flags.copy()
        self._flags[state_only] |= np.uint32(DumpFlag.STATE_ONLY)
        self._had_flags = _has_flags(self._types)
        self._gains_flags = state_only & ~self._had_flags
        self._event_lengths = batch.header("length", rows).astype(np.int64)
        self._cuts: list[_Cut] = []

    def cut(self, cut: _Cut) -> None:
        """Leave out a parameter; parameters have to come in their order."""
        self._cuts.append(cut)

    def joined(self) -> bytes:
        """The new blocks one after the other."""
        order = "<" if self._batch.byteorder == "little" else ">"
        lengths = self._event_lengths.copy()
        for cut in self._cuts:
            lengths[cut.places] -= cut.lengths
        runs, tails = self._runs(lengths)
        array = _concatenated_rows([*runs, *tails])
        out = np.frombuffer(concatenated(array), np.uint8).copy()
        sizes = np.diff(np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1])
        ends = np.cumsum(sizes, dtype=np.int64)
        starts = ends - sizes
        words = overlapping(out, np.dtype(f"{order}u4"))
        words[starts] = _kinds_with_flags(self._types, self._gains_flags)
        words[starts + 4] = sizes
        words[ends - TRAILER_SIZE] = sizes
        headers = starts + (self._headers - self._starts) + _FLAGS_SIZE * self._gains_flags
        words[headers + _length_offset()] = lengths
        for cut in self._cuts:
            at = headers[cut.places] + (cut.length_at - self._headers[cut.places])
            overlapping(out, np.dtype(f"{order}u{cut.length_width}"))[at] = 0
        return out.tobytes()

    def _runs(self, lengths: Ints) -> tuple[list[pa.Array], list[pa.Array]]:
        """The runs of bytes up to the end of the parameters, and what comes behind them."""
        body = self._starts + _HEAD_SIZE + _FLAGS_SIZE * self._had_flags
        runs = [self._run(self._starts, self._starts + _HEAD_SIZE), self._flag_bytes()]
        if not self._cuts:
            return [*runs, self._run(body, self._ends)], []
        cut = lengths != self._event_lengths
        stop = np.where(cut, self._headers + self._event_lengths, self._ends)
        for start, length in self._ordered_cuts(stop):
            runs.append(self._run(body, start))
            body = start + length
        padding = -(_HEAD_SIZE + _FLAGS_SIZE * (self._had_flags | self._gains_flags) + lengths) % 4
        shift = self._headers + self._event_lengths - self._starts
        rest = np.where(cut, self._starts + shift + -shift % 4, self._ends)
        zeros = _texts([bytes(size) for size in range(4)]).take(_indices(np.where(cut, padding, 0)))
        return [*runs, self._run(body, stop)], [zeros, self._run(np.minimum(rest, self._ends), self._ends)]

    def _ordered_cuts(self, stop: Ints) -> list[tuple[Ints, Ints]]:
        """The cuts as columns over all blocks: the first cut of each block, the second, and so on."""
        count = np.zeros(len(stop), np.int64)
        columns: list[tuple[Ints, Ints]] = []
        for cut in self._cuts:
            for depth in np.unique(count[cut.places]).tolist():
                if depth == len(columns):
                    columns.append((stop.copy(), np.zeros(len(stop), np.int64)))
                at = count[cut.places] == depth
                columns[depth][0][cut.places[at]] = cut.starts[at]
                columns[depth][1][cut.places[at]] = cut.lengths[at]
            count[cut.places] += 1
        return columns

    def _run(self, starts: Ints, ends: Ints) -> pa.Array:
        return gather_binary(self._batch.data, starts, ends - starts, np.ones(len(starts), bool))

    def _flag_bytes(self) -> pa.Array:
        order = self._batch.byteorder
        values, codes = np.unique(self._flags, return_inverse=True)
        texts = [value.to_bytes(_FLAGS_SIZE, order) for value in values.tolist()]
        codes = np.where(self._had_flags | self._gains_flags, codes.ravel(), len(texts))
        return _texts([*texts, b""]).take(_indices(codes))


def _concatenated_rows(parts: list[pa.Array]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*(part.cast(pa.binary()) for part in parts), pa.scalar(b"", pa.binary()))


def _texts(values: list[bytes]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.binary())


def _indices(values: Ints) -> pa.Array:
    import pyarrow as pa

    return pa.array(values)


@cache
def _length_offset() -> int:
    """Where an event's own length is, counted from its time."""
    fields: Any = event_block_dtype(has_nparams=True, has_flags=False).fields
    return int(fields["length"][1] - fields["ts"][1])


def _header_size(counted: NDArray[np.bool_]) -> Ints:
    """Bytes of event headers, by whether they hold the number of parameters."""
    fields: Any = event_block_dtype(has_nparams=True, has_flags=False).fields
    with_count = event_block_dtype(has_nparams=True, has_flags=False).itemsize - fields["ts"][1]
    without = event_block_dtype(has_nparams=False, has_flags=False).itemsize - fields["ts"][1]
    return np.asarray(np.where(counted, with_count, without), np.int64)


def _counted(kinds: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return np.isin(kinds, _kinds("has_nparams"))


def _has_flags(kinds: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return np.isin(kinds, _kinds("has_flags"))


def _kinds(trait: str) -> list[int]:
    return [kind for kind, layout in BLOCKS.items() if layout.kind is BlockKind.EVENT and getattr(layout, trait)]


def _kinds_with_flags(kinds: NDArray[np.uint32], gaining: NDArray[np.bool_]) -> NDArray[np.uint32]:
    found = kinds.copy()
    for kind, flagged in _WITH_FLAGS.items():
        found[gaining & (kinds == kind)] = flagged
    return found
