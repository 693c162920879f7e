"""Merging captures by time: several event streams as one.

Events of one capture keep their order even where its timestamps step back, so the key of an event is the latest
timestamp seen up to it. A round takes from every capture what is not later than the earliest end among the batches at
hand; within a round the events are put in order by one stable sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.capture.copying import surveyed_sections
from scaptools.capture.parameters import gather_binary
from scaptools.capture.tables import unite_tables
from scaptools.columns import concatenated
from scaptools.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.section import Section
    from scaptools.capture.writer import CaptureWriter


@dataclass(slots=True)
class _Stream:
    """One capture under merge: the batch at hand, its keys, and the row the next round starts at."""

    batches: Iterator[EventBatch]
    batch: EventBatch | None = None
    keys: NDArray[np.uint64] | None = None
    row: int = 0
    latest: int = 0

    def advance(self) -> bool:
        """Have a batch with rows left at hand, if there is one."""
        while self.batch is None or self.keys is None or self.row == len(self.batch):
            self.batch = next(self.batches, None)
            if self.batch is None:
                return False
            keys = np.maximum.accumulate(self.batch.header("ts"))
            self.keys = np.maximum(keys, np.uint64(self.latest))
            self.latest = int(self.keys[-1])
            self.row = 0
        return True


def merge_captures(
    captures: Sequence[CaptureReader], writer: CaptureWriter, *, conflicts: list[str] | None = None
) -> int:
    """Write the events of all captures in order of time, after the tables of all; the number of events written.

    The tables are those of all sections of captures that can be read twice, of others what comes before the first
    event. Events with equal times keep the order in which the captures were given. What the tables contradict each
    other in is added to ``conflicts``, a line each. Raises InputError where captures differ in byte order.
    """
    for capture in captures:
        if capture.byteorder != captures[0].byteorder:
            raise InputError(
                f"is {capture.byteorder}-endian, unlike {captures[0].name}",
                path=capture.name,
                hint="only captures of one byte order can be merged",
            )
    surveyed = [surveyed_sections(capture) for capture in captures]
    streams = [_Stream(capture.batches(unknown=True)) for capture in captures]
    streams = [stream for stream in streams if stream.advance()]
    sections = [
        (_section_name(capture, section), section)
        for capture, known in zip(captures, surveyed, strict=True)
        for section in known or capture.sections[:1]
    ]
    tables = unite_tables(sections)
    writer.write([*(section.header.raw for _, section in sections[:1]), *tables.blocks])
    written = 0
    while streams:
        ends = [int(stream.keys[-1]) for stream in streams if stream.keys is not None]
        limit = min(ends)
        # Of equal times the earlier capture's come first, and the one that ends here may have more of them to come.
        first_to_end = ends.index(limit)
        blocks: list[Any] = []
        keys: list[NDArray[np.uint64]] = []
        for place, stream in enumerate(streams):
            if stream.batch is None or stream.keys is None:
                continue
            # As uint64: a Python integer would make both sides floats, which hold times to some 200 ns only.
            bound = np.uint64(limit)
            end = int(np.searchsorted(stream.keys, bound, side="right" if place <= first_to_end else "left"))
            rows = np.arange(stream.row, end)
            stream.row = end
            keys.append(stream.keys[rows])
            blocks.append(
                gather_binary(
                    stream.batch.data,
                    stream.batch.offsets[rows],
                    stream.batch.lengths[rows],
                    np.ones(len(rows), bool),
                )
            )
        written += _write_in_order(writer, blocks, np.concatenate(keys))
        streams = [stream for stream in streams if stream.advance()]
    if conflicts is not None:
        conflicts += tables.conflicts
        conflicts += [
            f"{capture.name}: has {len(capture.sections)} sections, the tables of the first are used"
            for capture, known in zip(captures, surveyed, strict=True)
            if len(capture.sections) > 1 and not known
        ]
    return written


def _section_name(capture: CaptureReader, section: Section) -> str:
    return f"{capture.name}, section {section.index + 1}" if section.index else capture.name


def _write_in_order(writer: CaptureWriter, blocks: list[Any], keys: NDArray[np.uint64]) -> int:
    import pyarrow as pa

    ordered = pa.concat_arrays(blocks).take(pa.array(np.argsort(keys, kind="stable")))
    writer.write([concatenated(ordered)])
    return len(ordered)
