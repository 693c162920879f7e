"""The reader: a capture as sections and event batches.

A pass over a capture goes window by window: bytes from the source, block boundaries from the scan, metadata blocks to
their section, event blocks to a batch. The next window is scanned while the current one is in use. What is damaged is
noted and passed over; everything intact is delivered.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from scap_formats.blocks import EVENT_BLOCKS, BlockType
from scap_formats.section import find_byte_order
from scap_formats.table import event_table
from scaptools.capture.batch import EventBatch, shortest_event_block
from scaptools.capture.scan import BlockScan, Damage, is_uniform, likely_byte_order, scan_blocks
from scaptools.capture.section import MetadataBlock, Section
from scaptools.capture.sidecar import has_sidecar
from scaptools.capture.source import Opened, Source, open_source
from scaptools.capture.visibility import leading_containers
from scaptools.errors import (
    CaptureError,
    CorruptedError,
    EmptyCaptureError,
    InputError,
    NotACaptureError,
    TruncatedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from numpy.typing import NDArray

    from scaptools.capture.index import CaptureIndex, Selection
    from scaptools.capture.scan import ByteOrder, Bytes

#: Bytes of a window: large enough that array operations dominate, small enough to bound memory.
WINDOW_BYTES = 8 << 20
#: The same where events are only looked for: then there is room for more, and fewer windows take less time.
WIDE_WINDOW_BYTES = 32 << 20

#: Enough to find the next block, or what stands in front of a capture's first events, most of the time.
_NEAR_BYTES = 1 << 20

#: Bytes that tell a section header and its byte order.
HEAD_BYTES = 12

#: Blocks that only network captures have; a file that starts with one is not ours though its header looks alike.
_PCAPNG_TYPES = frozenset({1, 2, 3, 4, 5, 6})


@dataclass(frozen=True, slots=True)
class Part:
    """The blocks of a capture that begin at ``start`` (of the decompressed stream) or later and before ``stop``."""

    start: int = 0
    stop: int | None = None


WHOLE_CAPTURE = Part()


@dataclass(frozen=True, slots=True)
class ScannedWindow:
    """One window and its blocks; ``start`` is its offset in the decompressed stream."""

    data: Bytes
    start: int
    scan: BlockScan
    final: bool
    byteorder: ByteOrder

    @property
    def settled(self) -> Bytes:
        """The window's bytes up to where the next one goes on."""
        return self.data if self.final else self.data[: self.scan.consumed]

    def until(self, stop: int) -> ScannedWindow:
        """The last window of a part that stops there: with the blocks only that begin before."""
        scan = self.scan
        count = int(np.searchsorted(scan.offsets, stop - self.start))
        consumed = int(scan.offsets[count]) if count < len(scan.offsets) else scan.consumed
        kept = BlockScan(
            scan.offsets[:count],
            scan.lengths[:count],
            scan.types[:count],
            scan.event_types[:count],
            consumed,
            [found for found in scan.damage if found.offset < self.start + consumed],
        )
        return ScannedWindow(self.data, self.start, kept, True, self.byteorder)


class CaptureReader:
    """A capture file; `batches` makes one pass over its events.

    ``sections`` and ``damage`` describe the latest pass and grow while it runs; ``byteorder`` is that of the first
    section. A capture that cannot be read twice (standard input, a pipe) allows one pass. With ``headless`` a file
    whose beginning is lost is read from the first chain of blocks on; with ``follow`` a pass goes on as the file grows,
    until `stop`.
    """

    def __init__(
        self, opened: Opened, *, window_bytes: int = WINDOW_BYTES, headless: bool = False, follow: bool = False
    ) -> None:
        self._opened = opened
        self._follow = follow
        self._headless = headless
        self.window_bytes = window_bytes
        self._source: Source | None = open_source(opened, follow=follow)
        self._running: Source | None = None
        self._stopped = False
        self.name = self._source.name
        self.compression = self._source.compression
        #: The decompressed bytes there are, None where that is not known beforehand.
        self.size = self._source.size
        self.sections: list[Section] = []
        self.damage: list[Damage] = []
        self.decompressed_bytes = 0
        self.byteorder = self._byteorder(self._source)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; a pass that is under way ends."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def _byteorder(self, source: Source) -> ByteOrder:
        start, _ = source.window(0, max(self.window_bytes, HEAD_BYTES))
        if not len(start):
            self.close()
            raise EmptyCaptureError("is empty", path=self.name)
        byteorder = find_byte_order(start[:HEAD_BYTES].tobytes())
        if byteorder is None and self._headless:
            byteorder = likely_byte_order(start)
        if byteorder is None:
            self.close()
            raise NotACaptureError(
                "is not a capture: it does not start with a section header",
                path=self.name,
                hint="'scap repair' finds what is intact if its beginning was lost",
            )
        second = int.from_bytes(start[4:8].tobytes(), byteorder)
        if int.from_bytes(start[second : second + 4].tobytes(), byteorder) in _PCAPNG_TYPES:
            self.close()
            raise NotACaptureError(
                "is a network capture (pcapng), not a Falco/sysdig one",
                path=self.name,
                hint="open it with Wireshark",
            )
        return byteorder

    @property
    def can_restart(self) -> bool:
        """Whether a further pass can be made: not over standard input, a pipe or a file object."""
        if not isinstance(self._opened, str | os.PathLike):
            return False
        name = os.fspath(self._opened)
        return "://" in name or Path(name).is_file()

    def _take_source(self) -> Source:
        """The source for a new pass."""
        source, self._source = self._source, None
        if source is None:
            if not self.can_restart:
                raise InputError("can be read only once", path=self.name, hint="save it to a file first")
            source = open_source(self._opened, follow=self._follow)
        self._running = source
        if self._stopped:
            source.stop()
        return source

    def stop(self) -> None:
        """End the pass over a followed file, or the one to come, with what is there; from any thread."""
        self._stopped = True
        if self._running is not None:
            self._running.stop()

    def windows(self, window_bytes: int | None = None, *, part: Part = WHOLE_CAPTURE) -> Iterator[ScannedWindow]:
        """One pass over the scanned windows, each block of the capture in exactly one of them.

        ``window_bytes`` is how much a window has, by default what the reader was opened with. Of a ``part`` only its
        blocks are there.
        """
        source, size = self._take_source(), window_bytes or self.window_bytes
        if source.size is None:
            # Windows that are no views of a file take fresh memory, which costs the more the more it is.
            size = min(size, self.window_bytes)
        self.sections, self.damage, self.decompressed_bytes = [], [], 0
        with ThreadPoolExecutor(1, thread_name_prefix="scap-window") as ahead:
            try:
                coming = ahead.submit(_scan_window, source, part.start, size, self.byteorder)
                while True:
                    window = coming.result()
                    if part.stop is not None and window.start + window.scan.consumed >= part.stop:
                        window = window.until(part.stop)
                    self._note_damage(window.scan.damage)
                    following = window.start + window.scan.consumed
                    self.decompressed_bytes = following
                    if not window.final:
                        order = _other(window.byteorder) if window.scan.turns else window.byteorder
                        coming = ahead.submit(_scan_window, source, following, size, order)
                    yield window
                    if window.final:
                        break
                    source.release(window.start)
                if source.damage is not None:
                    reason = f"{source.damage.reason} at compressed byte {source.damage.compressed_offset}"
                    self.damage.append(Damage(following, 0, reason, truncated=True))
            finally:
                source.stop()
                ahead.shutdown(wait=True)
                source.close()

    def _note_damage(self, found: list[Damage]) -> None:
        for damage in found:
            last = self.damage[-1] if self.damage else None
            if last is not None and damage.length and last.length and last.offset + last.length == damage.offset:
                self.damage[-1] = Damage(
                    last.offset, last.length + damage.length, damage.reason, truncated=damage.truncated
                )
            else:
                self.damage.append(damage)

    @property
    def unknown_events(self) -> int:
        """How many events of unknown types the latest pass has met."""
        return sum(section.unknown_events for section in self.sections)

    def batches(
        self, *, unknown: bool = False, selection: Selection | None = None, window_bytes: int | None = None
    ) -> Iterator[EventBatch]:
        """One pass over the events: batches in capture order, none of them empty.

        Events of types nobody knows are in them only with ``unknown``, for those who copy events. With a ``selection``
        other events than that may be left out; a good index beside the capture saves reading them, and without one
        all are there. ``window_bytes`` are read at a time, by default as many as the reader was opened with. Raises
        UnsupportedVersionError for a section of a later major version; damage is collected in ``damage``.
        """
        index = None if selection is None or unknown or self._follow else self.find_index()
        if index is not None and selection is not None:
            from scaptools.capture.indexed import IndexedPass

            yield from IndexedPass(self, self._take_source(), index, selection).batches()
            return
        number = 1
        for window in self.windows(window_bytes):
            for batch in self.batches_of(window, number, unknown=unknown):
                number = batch.first_number + len(batch)
                yield batch

    def boundary(self, position: int) -> int | None:
        """Where the first block at or behind an offset begins, as far as that can be told from there; None if nowhere.

        Only bytes that happen to look like several blocks in a row make it wrong.
        """
        source = self._take_source()
        try:
            data, final = source.window(position, _NEAR_BYTES)
        finally:
            source.close()
        scan = scan_blocks(data, byteorder=self.byteorder, final=final)
        return position + int(scan.offsets[0]) if len(scan.offsets) else None

    def batches_of_part(self, part: Part, window_bytes: int) -> Iterator[EventBatch]:
        """The batches of the events in a part of a capture's only section, numbered as if it were the whole.

        The section has what stands in front of the capture's first events, and with it the time they begin at.
        """
        sections: list[Section] = []
        if part.start:
            for _ in self.batches(window_bytes=_NEAR_BYTES):
                break
            sections = self.sections[:1]
        number = 1
        for window in self.windows(window_bytes, part=part):
            self.sections = self.sections or list(sections)
            for batch in self.batches_of(window, number):
                number = batch.first_number + len(batch)
                yield batch

    @property
    def has_sidecar(self) -> bool:
        """Whether something that may be an index lies beside the capture."""
        return isinstance(self._opened, str | os.PathLike) and has_sidecar(self._opened)

    def find_index(self) -> CaptureIndex | None:
        """The index beside the capture; None where there is none to go by."""
        if not isinstance(self._opened, str | os.PathLike) or not self.has_sidecar:
            return None
        from scaptools.capture.index import CaptureIndex

        index = CaptureIndex.load(Path(self._opened))
        return index if index is not None and index.usable else None

    def batches_of(self, window: ScannedWindow, number: int, *, unknown: bool = False) -> Iterator[EventBatch]:
        """The batches of one of `windows`, the first event having that number; sections are opened on the way."""
        for first, last in self._section_spans(window):
            batch = self._batch(window, slice(first, last), number)
            batch = batch if unknown else self._known_only(batch)
            number += len(batch)
            if len(batch):
                if batch.section.first_ts is None and (row := leading_containers(batch)) < len(batch):
                    batch.section.first_ts = int(batch.header("ts", slice(row, row + 1))[0])
                yield batch

    def _section_spans(self, window: ScannedWindow) -> Iterator[tuple[int, int]]:
        """The stretches of a window's blocks that belong to one section, opening sections on the way."""
        types = window.scan.types
        bounds = (
            [] if is_uniform(types) and types[0] != BlockType.SHB else np.flatnonzero(types == BlockType.SHB).tolist()
        )
        if not bounds or bounds[0] != 0:
            yield 0, bounds[0] if bounds else len(types)
        for first, last in pairwise([*bounds, len(types)]):
            header = _metadata_block(window, first)
            self.sections.append(self._open_section(header))
            yield first + 1, last

    def _open_section(self, header: MetadataBlock) -> Section:
        try:
            return Section.open(len(self.sections), header)
        except CorruptedError as error:
            self.damage.append(Damage(header.offset, 0, str(error)))
            return Section.unheaded(header.byteorder, len(self.sections))

    def _batch(self, window: ScannedWindow, blocks: slice, number: int) -> EventBatch:
        if not self.sections:
            self.sections.append(Section.unheaded(window.byteorder))
        section = self.sections[-1]
        scan = window.scan
        types = scan.types[blocks]
        events = _event_mask(types)
        for index in np.flatnonzero(~events):
            section.blocks.append(_metadata_block(window, blocks.start + int(index)))
        offsets, lengths, event_types = scan.offsets[blocks], scan.lengths[blocks], scan.event_types[blocks]
        if not events.all():
            offsets, lengths, types, event_types = offsets[events], lengths[events], types[events], event_types[events]
        sound = lengths >= shortest_event_block(types)
        if not sound.all():
            for offset, length in zip(offsets[~sound].tolist(), lengths[~sound].tolist(), strict=True):
                self.damage.append(Damage(window.start + offset, length, "an event block too short for its header"))
            offsets, lengths, types, event_types = offsets[sound], lengths[sound], types[sound], event_types[sound]
        return EventBatch(
            section,
            window.data,
            offsets,
            lengths,
            types,
            event_types=event_types,
            base=window.start,
            first_number=number,
            byteorder=window.byteorder,
        )

    def _known_only(self, batch: EventBatch) -> EventBatch:
        limit = len(event_table().events)
        event_types = batch.header("type")
        if not len(batch) or int(event_types.max()) < limit:
            return batch
        known = event_types < limit
        batch.section.unknown_events += int(np.count_nonzero(~known))
        return batch.restricted(known)

    def damage_errors(self) -> list[CaptureError]:
        """The damage found so far as errors, in the order of the bytes."""
        return [
            (TruncatedError if damage.truncated else CorruptedError)(
                f"{damage.reason}, {damage.length} bytes lost" if damage.length else damage.reason,
                offset=damage.offset,
                path=self.name,
            )
            for damage in self.damage
        ]


def open_reader(
    capture: Opened, *, window_bytes: int = WINDOW_BYTES, headless: bool = False, follow: bool = False
) -> CaptureReader:
    """Open a capture: a path, an fsspec URL, ``-`` for standard input or a binary file object.

    ``headless`` also opens a file whose beginning is lost, if a chain of blocks is near; ``follow`` reads on while an
    uncompressed file or a pipe grows. Raises InputError where it cannot be read, EmptyCaptureError and
    NotACaptureError where it is no capture.
    """
    return CaptureReader(capture, window_bytes=window_bytes, headless=headless, follow=follow)


def _scan_window(source: Source, start: int, want: int, byteorder: ByteOrder) -> ScannedWindow:
    """The window at an offset of the decompressed stream, larger than wanted where a block would not fit."""
    while True:
        data, final = source.window(start, want)
        scan = scan_blocks(data, byteorder=byteorder, final=final, base=start)
        if scan.turns and not scan.consumed:
            byteorder = _other(byteorder)
        elif scan.consumed or final:
            return ScannedWindow(data, start, scan, final and not scan.turns, byteorder)
        else:
            want *= 2


def _other(byteorder: ByteOrder) -> ByteOrder:
    return "big" if byteorder == "little" else "little"


def _metadata_block(window: ScannedWindow, index: int) -> MetadataBlock:
    offset, length = int(window.scan.offsets[index]), int(window.scan.lengths[index])
    raw = window.data[offset : offset + length].tobytes()
    return MetadataBlock(int(window.scan.types[index]), raw, window.start + offset, window.byteorder)


_EVENT_TYPES = np.array(EVENT_BLOCKS, np.uint32)


def _event_mask(types: NDArray[np.uint32]) -> NDArray[np.bool_]:
    if is_uniform(types):
        return np.broadcast_to(types[0] in _EVENT_TYPES, len(types))
    return np.isin(types, _EVENT_TYPES)
