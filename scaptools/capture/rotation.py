"""Rotation: one stream of events over several files, each a capture of its own.

A part ends before the event that would make it too large, too long or too many; every part has at least one event.
Part files are named by number, or by the time of their first event where the name has ``%`` in it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from scap_formats.blocks import BlockType
from scap_formats.bodies import build_block
from scap_formats.section import find_byte_order
from scaptools.capture.batch import EventBatch
from scaptools.capture.scan import scan_blocks
from scaptools.capture.section import Section
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import OutputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from scaptools.capture.scan import ByteOrder, Offsets
    from scaptools.capture.writer import Compressed, Piece

_SUFFIXES = (".gz", ".zst", ".zstd", ".scap")
_NUMBER_WIDTH = 4
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RotationLimits:
    """When a part ends: at so many decompressed bytes, events, or ns after its first event; None is no limit.

    Of the parts only the newest ``files`` are kept.
    """

    size_bytes: int | None = None
    events: int | None = None
    duration_ns: int | None = None
    files: int | None = None

    @property
    def any(self) -> bool:
        """Whether parts end at all."""
        return any(limit is not None for limit in (self.size_bytes, self.events, self.duration_ns))


class RotatingWriter:
    """Writes events to one part after the other; stands in for a `CaptureWriter` where only events are written.

    ``parts`` are the files written so far, those that were removed again included.
    """

    def __init__(
        self,
        target: str | os.PathLike[str],
        limits: RotationLimits,
        *,
        compression: Compressed | None = None,
        atomic: bool = False,
    ) -> None:
        self.name = str(target)
        if self.name == "-":
            raise OutputError("standard output cannot be cut into parts", path="<stdout>", hint="name a file")
        self.parts: list[Path] = []
        self.bytes_written = 0
        self._limits = limits
        self._compression = compression
        self._atomic = atomic
        self._kept: deque[Path] = deque()
        self._preamble: Callable[[], Sequence[Piece]] = _newest_header
        self._byteorder: ByteOrder = "little"
        self._writer: CaptureWriter | None = None
        self._has_preamble = False
        self._part_bytes = 0
        self._part_events = 0
        self._part_end: int | None = None

    def section_header(self) -> None:
        """Start a section of the newest format."""
        self.start_section(_newest_header)

    def metadata(self, section: Section) -> None:
        """Start a section with the header and metadata of one that is read."""
        self.start_section(lambda: [section.header.raw, *(block.raw for block in section.blocks)])

    def start_section(self, preamble: Callable[[], Sequence[Piece]]) -> None:
        """Say what comes before the next events, and again at the beginning of every further part."""
        self._preamble = preamble
        self._byteorder = find_byte_order(bytes(preamble()[0])) or "little"
        self._has_preamble = False

    def write(self, pieces: Iterable[Piece]) -> None:
        """Write pieces that make up whole event blocks. Raises OutputError."""
        data = np.frombuffer(b"".join(pieces), np.uint8)
        scan = scan_blocks(data, byteorder=self._byteorder, final=True)
        batch = EventBatch(
            Section.unheaded(self._byteorder),
            data,
            scan.offsets,
            scan.lengths,
            scan.types,
            base=0,
            first_number=1,
            byteorder=self._byteorder,
        )
        self.write_events(batch)

    def flush(self) -> None:
        """Have everything so far in the files. Raises OutputError."""
        if self._writer is not None:
            self._writer.flush()

    def write_events(self, batch: EventBatch, rows: NDArray[np.intp] | None = None) -> None:
        """Write events of a batch, all of them or those at ``rows`` (ascending). Raises OutputError."""
        rows = np.arange(len(batch)) if rows is None else rows
        lengths, times = batch.lengths[rows], batch.header("ts", rows)
        start = 0
        while start < len(rows):
            self._open(int(times[start]))
            count = self._room(lengths[start:], times[start:])
            if not count:
                self._end_part()
                continue
            piece = batch.raw_blocks(rows[start : start + count])
            self._put([piece])
            self._part_events += count
            start += count

    def _room(self, lengths: Offsets, times: NDArray[np.uint64]) -> int:
        """How many of the next events belong to the part at hand."""
        room = len(lengths)
        limits = self._limits
        if limits.events is not None:
            room = min(room, limits.events - self._part_events)
        if limits.size_bytes is not None:
            ends = np.cumsum(lengths) + self._part_bytes
            room = min(room, int(np.searchsorted(ends, limits.size_bytes, side="right")))
        if self._part_end is not None:
            late = times >= np.uint64(self._part_end)
            room = min(room, int(late.argmax()) if late.any() else room)
        return max(room, 0 if self._part_events else 1)

    def _open(self, first_ts: int) -> None:
        if self._writer is None:
            path = self._path(first_ts)
            self._writer = CaptureWriter(path, compression=self._compression, atomic=self._atomic)
            self.parts.append(path)
            self._kept.append(path)
            self._part_bytes = self._part_events = 0
            duration = self._limits.duration_ns
            self._part_end = None if duration is None else min(first_ts + duration, 2**64 - 1)
            self._has_preamble = False
        if not self._has_preamble:
            self._put(self._preamble())
            self._has_preamble = True

    def _put(self, pieces: Sequence[Piece]) -> None:
        if self._writer is not None:
            before = self._writer.bytes_written
            self._writer.write(pieces)
            written = self._writer.bytes_written - before
            self._part_bytes += written
            self.bytes_written += written

    def _path(self, first_ts: int) -> Path:
        if not self._limits.any:
            return Path(self.name)
        number = len(self.parts) + 1
        if "%" not in self.name:
            return numbered(self.name, number)
        path = Path(datetime.fromtimestamp(min(first_ts // _NS, _LAST_SECOND), UTC).strftime(self.name))
        return numbered(str(path), number) if path in self.parts else path

    def _end_part(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        while self._limits.files is not None and len(self._kept) > self._limits.files:
            self._kept.popleft().unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def close(self) -> None:
        """Finish the last part; without any event there is one part of nothing but metadata. Raises OutputError."""
        if not self.parts:
            self._open(0)
        self._end_part()

    def discard(self) -> None:
        """Give up the part at hand; finished ones stay."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None


#: The last second a calendar knows.
_LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


def numbered(name: str, number: int) -> Path:
    """The file name of a part: the number goes in front of the endings captures have."""
    stem, ending = name, ""
    while (suffix := Path(stem).suffix) in _SUFFIXES:
        stem, ending = stem.removesuffix(suffix), suffix + ending
    return Path(f"{stem}-{number:0{_NUMBER_WIDTH}}{ending}")


def _newest_header() -> list[bytes]:
    return [build_block(BlockType.SHB, {"options": None, "rest": b""})]
