"""Copying: a capture written again, as it is or with its events in the newest schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaptools.capture.conversion import convert_batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.section import Section
    from scaptools.capture.writer import CaptureWriter


def surveyed_sections(reader: CaptureReader) -> list[Section]:
    """The sections of a capture with all their metadata, found by a pass; none where there can be only one pass."""
    if not reader.can_restart:
        return []
    for _ in reader.batches(unknown=True):
        pass
    return reader.sections


class SectionWriter:
    """Writes each section's header and metadata in front of its first event, sections without events included.

    ``surveyed`` are the sections as a pass before has found them. ``late_blocks`` counts metadata blocks that came
    after events of their section and were not known before: they may not be written there.
    """

    def __init__(self, writer: CaptureWriter, surveyed: Sequence[Section] = ()) -> None:
        self.writer = writer
        self._surveyed = surveyed
        self.late_blocks = 0
        self._written: list[int] = []

    def reach(self, sections: Sequence[Section], section: Section) -> None:
        """Be ready for an event of ``section``, one of ``sections``."""
        while len(self._written) <= section.index:
            place = len(self._written)
            each = self._surveyed[place] if place < len(self._surveyed) else sections[place]
            self.writer.metadata(each)
            self._written.append(len(each.blocks))

    def finish(self, sections: Sequence[Section]) -> None:
        """Write the sections that are left once the last event was written."""
        if sections:
            self.reach(sections, sections[-1])
        self.late_blocks = sum(
            len(section.blocks) - written for section, written in zip(sections, self._written, strict=True)
        )


def copy_bytes(reader: CaptureReader, writer: CaptureWriter) -> int:
    """Write a capture's decompressed bytes, unknown and damaged stretches included; how many they are."""
    for window in reader.windows():
        writer.write([window.settled.data])
    return reader.decompressed_bytes


def write_newest(reader: CaptureReader, writer: CaptureWriter) -> tuple[int, int]:
    """Write a capture with its events in the newest schema; how many they are, and how many blocks had to go.

    Metadata blocks that came after events of their section, which no reader but ours accepts, are put in front of
    them; they have to go where the capture can be read only once.
    """
    sections = SectionWriter(writer, surveyed_sections(reader))
    events = 0
    for batch in convert_batches(reader.batches()):
        sections.reach(reader.sections, batch.section)
        writer.write([batch.raw_blocks()])
        events += len(batch)
    sections.finish(reader.sections)
    return events, sections.late_blocks
