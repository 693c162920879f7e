"""Repair: what is intact of a damaged capture, written so that every reader takes it.

The block scan finds the intact blocks, metadata is put in front of the events, and what contradicts itself is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scaptools.capture.soundness import sound_events, sound_metadata, with_lengths

if TYPE_CHECKING:
    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.section import Section
    from scaptools.capture.writer import CaptureWriter


@dataclass(slots=True)
class RepairReport:
    """What a repair wrote and what it could not keep.

    ``lost_bytes`` are in no intact block or in one that was left out; ``dropped_events`` were whole blocks that
    contradict themselves; ``missing_events`` estimates how many events the lost stretches held. ``remarks`` tell what
    was changed.
    """

    events: int = 0
    lost_bytes: int = 0
    dropped_events: int = 0
    missing_events: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was lost or set right."""
        return bool(self.lost_bytes or self.dropped_events or self.remarks)


def repair_capture(reader: CaptureReader, writer: CaptureWriter) -> RepairReport:
    """Write what is intact of a capture, which is read twice; ``reader`` may be a headless one.

    Raises InputError where the capture cannot be read twice.
    """
    report = RepairReport()
    for _ in reader.batches(unknown=True):
        pass
    sections = reader.sections
    event_bytes = 0
    written = 0
    for batch in reader.batches(unknown=True):
        _write_sections(sections[written : batch.section.index + 1], writer, report)
        written = batch.section.index + 1
        sound = sound_events(batch)
        rows = np.flatnonzero(sound)
        writer.write([with_lengths(batch, rows)])
        report.events += len(rows)
        report.dropped_events += len(batch) - len(rows)
        report.lost_bytes += int(batch.lengths[~sound].sum())
        event_bytes += int(batch.lengths[sound].sum())
    _write_sections(sections[written:], writer, report)
    if not sections:
        writer.section_header()
    lost = sum(damage.length for damage in reader.damage)
    report.lost_bytes += lost
    if report.events:
        report.missing_events = round(lost * report.events / event_bytes)
    report.remarks += [f"at byte {damage.offset}: {damage.reason}" for damage in reader.damage]
    return report


def _write_sections(sections: list[Section], writer: CaptureWriter, report: RepairReport) -> None:
    for section in sections:
        metadata = sound_metadata(section)
        writer.write(metadata.blocks)
        report.lost_bytes += metadata.lost_bytes
        report.remarks += metadata.remarks
