"""Splitting: a capture as several, each with the metadata of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.rotation import RotatingWriter


def split_capture(reader: CaptureReader, writer: RotatingWriter) -> int:
    """Write a capture's events, unknown ones included, to the parts of ``writer``; how many they are.

    Every part begins with the header and metadata of the section its first event is from.
    """
    events = 0
    section = None
    for batch in reader.batches(unknown=True):
        if batch.section is not section:
            section = batch.section
            writer.metadata(section)
        writer.write_events(batch)
        events += len(batch)
    if section is None and reader.sections:
        writer.metadata(reader.sections[-1])
    return events
