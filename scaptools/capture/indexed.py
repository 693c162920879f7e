"""Indexed passes: over what a selection needs of a capture, as its index has it.

Chunks whose headers are stored become batches without their bytes being read or even decompressed, unless the
selection wants events of them. All others that are needed are scanned, and so is whatever comes before a section's
first event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.capture.reader import ScannedWindow
from scaptools.capture.scan import scan_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.headers import StoredBatch
    from scaptools.capture.index import CaptureIndex, Selection
    from scaptools.capture.reader import CaptureReader
    from scaptools.capture.scan import ByteOrder, Bytes
    from scaptools.capture.source import Source


class IndexedPass:
    """One pass of a reader over a capture that has an index; `batches` gives what is needed of it."""

    def __init__(self, reader: CaptureReader, source: Source, index: CaptureIndex, selection: Selection) -> None:
        self._reader = reader
        self._source = source
        self._index = index
        self._selection = selection
        self._needed = index.needed(selection)
        self._byteorder: ByteOrder = reader.byteorder

    def batches(self) -> Iterator[EventBatch]:
        """The batches that can hold events of interest, numbered as in the whole capture; the source is closed."""
        reader, chunks = self._reader, self._index.chunks
        self._source.seek_points = self._index.seek_points
        reader.sections, reader.damage = [], []
        reader.decompressed_bytes = int(chunks["start"][-1] + chunks["length"][-1])
        at = 0
        try:
            while at < len(chunks):
                if self._may_skip and not self._needed[at]:
                    at = self._skip(at)
                elif self._may_skip and chunks["stored"][at]:
                    batch = self._stored(at)
                    if len(self._selection.rows(batch)):
                        # Whoever comes next may ask for anything, and from another thread.
                        batch.fetch()
                        yield batch
                    at += 1
                else:
                    end = self._stretch_end(at)
                    yield from self._scanned(at, end)
                    at = end
        finally:
            self._source.close()

    @property
    def _may_skip(self) -> bool:
        """Whether the section at hand has had its first event, which tells its time."""
        sections = self._reader.sections
        return bool(sections) and sections[-1].first_ts is not None

    def _skip(self, at: int) -> int:
        """Pass over chunks that are not needed; where the next one is that is."""
        rest = self._needed[at:]
        end = at + int(rest.argmax()) if rest.any() else len(self._needed)
        self._reader.sections[-1].unknown_events += int(self._index.chunks["unknown_events"][at:end].sum())
        return end

    def _stored(self, at: int) -> StoredBatch:
        record = self._index.chunks[at]
        start, length = int(record["start"]), int(record["length"])

        def load() -> Bytes:
            self._source.release(start)
            return self._source.window(start, length)[0]

        return self._index.batch(at, self._reader.sections[-1], load, self._byteorder)

    def _stretch_end(self, at: int) -> int:
        """The end of the chunks from ``at`` on that are scanned together: as many as a window takes."""
        chunks = self._index.chunks
        joined = self._needed & ~chunks["stored"]
        sizes = np.cumsum(chunks["length"][at:].astype(np.int64))
        most = at + int(np.searchsorted(sizes, self._reader.window_bytes))
        end = at + 1
        while end <= most and end < len(chunks) and joined[end]:
            end += 1
        return end

    def _scanned(self, first: int, end: int) -> Iterator[EventBatch]:
        chunks = self._index.chunks[first:end]
        start, stop = int(chunks["start"][0]), int(chunks["start"][-1] + chunks["length"][-1])
        number = int(chunks["first_number"][0])
        while start < stop:
            self._source.release(start)
            data = self._source.window(start, stop - start)[0][: stop - start]
            scan = scan_blocks(data, byteorder=self._byteorder, final=True, base=start)
            if scan.consumed:
                window = ScannedWindow(data, start, scan, False, self._byteorder)
                for batch in self._reader.batches_of(window, number):
                    number = batch.first_number + len(batch)
                    yield batch
            elif not scan.turns:
                return
            start += scan.consumed
            if scan.turns:
                self._byteorder = "big" if self._byteorder == "little" else "little"
