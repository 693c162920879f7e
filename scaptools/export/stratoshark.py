"""Captures for Stratoshark: exit events of the newest schema, a system call first, and nothing but capture blocks.

Stratoshark takes frame numbers for event numbers and its libraries drop enter events, so that a capture with enter
events shows the wrong details on its frames. Plugin events in front of the first system call come behind it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import Direction, EventClass
from scaptools.capture.conversion import EventConverter
from scaptools.capture.copying import SectionWriter
from scaptools.capture.encode import PLUGIN_EVENT
from scaptools.fields.needs import needs_of, with_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.conversion import ConvertedBatch
    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.writer import CaptureWriter
    from scaptools.filter import CompiledFilter


class StratosharkExport:
    """One export under way; with a predicate only of events that match. ``events`` counts what was written."""

    def __init__(self, predicate: CompiledFilter | None = None) -> None:
        self._predicate = predicate
        self._held: list[bytes] = []
        self._started = False
        self.events = 0

    def run(self, capture: CaptureReader, writer: CaptureWriter) -> int:
        """Write the capture anew; how many events it has. Raises OutputError."""
        converter, sections = EventConverter(), SectionWriter(writer)
        needs = None if self._predicate is None else needs_of(self._predicate.fields)
        for batch in with_state(capture.batches(), needs):
            converted = converter.convert(batch)
            sections.reach(capture.sections, batch.section)
            rows = self._wanted(batch, converted)
            self.events += len(rows)
            writer.write(self._ordered(converted, rows))
        writer.write(self._held)
        sections.finish(capture.sections)
        return self.events

    def _wanted(self, batch: EventBatch, converted: ConvertedBatch) -> NDArray[np.intp]:
        """The converted events to write: exits, and what is neither enter nor exit."""
        types = converted.header("type") if len(converted) else np.empty(0, np.uint16)
        keep = ~_enters()[types]
        if self._predicate is not None:
            matching = np.zeros(len(batch), bool)
            matching[self._predicate.select(batch)] = True
            keep &= matching[converted.source_numbers.astype(np.int64) - batch.first_number]
        return np.flatnonzero(keep)

    def _ordered(self, converted: ConvertedBatch, rows: NDArray[np.intp]) -> list[bytes]:
        """The blocks of some events, those of plugins held back until a system call came."""
        if self._started or not len(rows):
            return [converted.raw_blocks(rows)]
        calls = np.flatnonzero(converted.header("type", rows) != PLUGIN_EVENT)
        if not len(calls):
            self._held.append(converted.raw_blocks(rows))
            return []
        self._started = True
        held, self._held = self._held, []
        first = int(calls[0])
        parts = (rows[first : first + 1], rows[:first], rows[first + 1 :])
        blocks = [converted.raw_blocks(part) for part in parts]
        return [blocks[0], *held, *blocks[1:]]


@cache
def _enters() -> NDArray[np.bool_]:
    """Event types whose exit tells everything: system calls' enters."""
    return np.array(
        [
            event.direction is Direction.ENTER and event.event_class is EventClass.SYSCALL
            for event in event_table().events
        ]
    )
