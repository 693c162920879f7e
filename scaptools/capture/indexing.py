"""Indexing: one pass over a capture that writes its sidecar."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scaptools.capture.gathering import POINT_BYTES, gather_seek_points
from scaptools.capture.headers import COLUMNS, STORED, store_column
from scaptools.capture.index import CHECKPOINT, CHUNK, CaptureIndex
from scaptools.capture.kinds import Kinds, sample_batch
from scaptools.capture.seekpoints import POINT, stored_points
from scaptools.capture.sidecar import SidecarWriter
from scaptools.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader, ScannedWindow
    from scaptools.capture.seekpoints import SeekPoint


class StateKeeper(Protocol):
    """Follows the events of a capture and stores what is known of its processes from time to time."""

    def before(self, batch: EventBatch) -> bytes | None:
        """The state in front of a batch, where it is time to store it. The batch itself is taken in."""


def write_index(
    reader: CaptureReader,
    capture: Path,
    *,
    keeper: StateKeeper | None = None,
    describe: Callable[[EventBatch], Mapping[str, Any]] | None = None,
    point_bytes: int = POINT_BYTES,
) -> CaptureIndex:
    """Write the sidecar of a capture, in one step; the index as it is read from it.

    ``reader`` should have windows of `CHUNK_BYTES`; ``keeper`` adds states, ``describe`` something to the header, by
    one event of each kind; seek points are ``point_bytes`` apart. Raises OutputError and CaptureError.
    """
    stop = threading.Event()
    with SidecarWriter(capture) as writer, ThreadPoolExecutor(1, thread_name_prefix="scap-points") as beside:
        points: Future[list[SeekPoint]] | None = None
        if reader.compression == "gzip":
            points = beside.submit(gather_seek_points, capture, stop, point_bytes)
        try:
            arrays = _Indexing(reader, writer, keeper).run()
            arrays["seek_points"] = _points(points, writer)
        finally:
            stop.set()
        orders = {section.header.byteorder for section in reader.sections}
        usable = not reader.damage and len(orders) == 1
        said = {} if describe is None else describe(sample_batch(arrays["samples"], reader.byteorder))
        writer.finish(arrays, {**said, "usable": usable, "byteorder": reader.byteorder})
    index = CaptureIndex.load(capture)
    if index is None:
        raise CaptureError("changed while it was indexed", path=str(capture), hint="index it once it is finished")
    return index


def _points(points: Future[list[SeekPoint]] | None, writer: SidecarWriter) -> NDArray[Any]:
    return np.empty(0, POINT) if points is None else stored_points(points.result(), writer)


class _Indexing:
    def __init__(self, reader: CaptureReader, writer: SidecarWriter, keeper: StateKeeper | None) -> None:
        self._reader = reader
        self._writer = writer
        self._keeper = keeper
        self._kinds = Kinds()
        self._chunks: list[tuple[Any, ...]] = []
        self._present: list[list[int]] = []
        self._tids: list[NDArray[np.int64]] = []
        self._columns: list[NDArray[Any]] = []
        self._checkpoints: list[tuple[int, int, int, int]] = []
        self._number, self._tid_count = 1, 0

    def run(self) -> dict[str, NDArray[Any]]:
        """Make the pass; the arrays."""
        for window in self._reader.windows():
            self._add(window)
        chunks = np.array(self._chunks, CHUNK)
        kinds, count = self._kinds.table(), len(chunks)
        present = np.zeros((count, len(kinds)), bool)
        for row, numbers in zip(present, self._present, strict=True):
            row[numbers] = True
        return {
            "chunks": chunks,
            "kinds": kinds,
            "samples": self._kinds.samples(),
            "present": np.packbits(present, axis=1),
            "tids": np.concatenate([np.empty(0, np.int64), *self._tids]),
            "columns": np.array(self._columns, STORED).reshape(count, len(COLUMNS)),
            "checkpoints": np.array(self._checkpoints, CHECKPOINT),
        }

    def _add(self, window: ScannedWindow) -> None:
        reader = self._reader
        before = len(reader.sections), len(reader.damage)
        unknown = reader.unknown_events
        batches = list(reader.batches_of(window, self._number))
        states = [] if self._keeper is None else [self._keeper.before(batch) for batch in batches]
        unknown = reader.unknown_events - unknown
        events = sum(map(len, batches))
        kinds: list[int] = []
        threads, first, last = np.empty(0, np.int64), 2**64 - 1, 0
        for batch in batches:
            kinds += self._kinds.of(batch)
            times = batch.header("ts")
            first, last = min(first, int(times.min())), max(last, int(times.max()))
            tid = batch.header("tid")
            # Events of one thread come in runs; sorting one of each run is much less.
            threads = np.union1d(threads, tid[np.append(True, tid[1:] != tid[:-1])])
        same = before == (len(reader.sections), len(reader.damage))
        plain = same and events + unknown == len(window.scan.types)
        stored = plain and not unknown and len(batches) == 1
        if stored and states and states[0] is not None:
            # Only where a chunk becomes a batch of its own can a pass begin with it.
            kept = self._writer.blob(states[0]), len(states[0])
            self._checkpoints.append((self._number, window.start, *kept))
        self._columns.append(self._store(batches[0], threads) if stored else np.zeros(len(COLUMNS), STORED))
        place = window.start, window.scan.consumed, self._number
        self._chunks.append((*place, events, unknown, first, last, self._tid_count, len(threads), plain, stored))
        self._present.append(kinds)
        self._tids.append(threads)
        self._number += events
        self._tid_count += len(threads)

    def _store(self, batch: EventBatch, threads: NDArray[np.int64]) -> NDArray[Any]:
        values: dict[str, NDArray[Any]] = {
            "block_length": batch.lengths,
            "block_type": batch.block_types,
            "tid": np.searchsorted(threads, batch.header("tid")),
        }
        rows = [
            store_column(name, values[name] if name in values else batch.header(name), self._writer.blob)
            for name in COLUMNS
        ]
        return np.array(rows, STORED)
