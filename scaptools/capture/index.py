"""The index: what is in each stretch of a capture, so that a query reads only what it needs.

A capture is described in chunks of a few megabytes: where they lie, how many events they hold, of which types, from
when to when, and of which threads; and for each event its place, type, time, thread and processor. A chunk that holds
anything but sound events is never left out. The index lies in a sidecar, which any other capture ignores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from scaptools.capture.headers import COLUMNS, STORED, StoredBatch, stored_column
from scaptools.capture.kinds import KIND, sample_batch
from scaptools.capture.seekpoints import POINT, SeekPoints
from scaptools.capture.sidecar import Sidecar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.scan import ByteOrder, Bytes
    from scaptools.capture.section import Section

#: Decompressed bytes of a chunk: what a query reads at least.
CHUNK_BYTES = 4 << 20

CHUNK = np.dtype(
    [
        ("start", "<u8"),
        ("length", "<u8"),
        ("first_number", "<u8"),
        ("events", "<u8"),
        ("unknown_events", "<u8"),
        ("first_ts", "<u8"),
        ("last_ts", "<u8"),
        ("first_tid", "<u8"),
        ("tids", "<u8"),
        # Whether there is nothing but sound events, and whether the columns of their headers are there.
        ("plain", "?"),
        ("stored", "?"),
    ]
)
CHECKPOINT = np.dtype([("number", "<u8"), ("start", "<u8"), ("place", "<u8"), ("size", "<u8")])


class Selection(Protocol):
    """What a query can be interested in at all."""

    def chunks(self, index: CaptureIndex) -> NDArray[np.bool_]:
        """Which chunks can hold events of interest, shape ``(n,)``."""

    def rows(self, batch: EventBatch) -> NDArray[np.intp]:
        """Which events of a batch can be of interest, ascending; asking for more than headers is dear."""


@dataclass(frozen=True, slots=True)
class EventSelection:
    """Events by what their headers say; None is no restriction.

    ``types`` are event type numbers, ``tids`` thread numbers, ``times`` the first and last time in ns, ``numbers`` the
    first and last number of an event in the capture.
    """

    types: Collection[int] | None = None
    tids: Collection[int] | None = None
    times: tuple[int, int] | None = None
    numbers: tuple[int, int] | None = None

    def chunks(self, index: CaptureIndex) -> NDArray[np.bool_]:
        """See `Selection.chunks`."""
        chunks = index.chunks
        wanted = chunks["events"] > 0
        if self.types is not None:
            wanted &= index.with_kinds(np.isin(index.kinds["type"], list(self.types)))
        if self.times is not None:
            first, last = self._bounds(self.times)
            wanted &= (chunks["first_ts"] <= last) & (chunks["last_ts"] >= first)
        if self.numbers is not None:
            first, last = self._bounds(self.numbers)
            wanted &= (chunks["first_number"] <= last) & (chunks["first_number"] + chunks["events"] > first)
        if self.tids is not None:
            wanted &= index.with_threads(np.isin(index.tids, list(self.tids)))
        return np.asarray(wanted)

    def rows(self, batch: EventBatch) -> NDArray[np.intp]:
        """See `Selection.rows`."""
        wanted = np.ones(len(batch), bool)
        if self.types is not None:
            wanted &= np.isin(batch.header("type"), list(self.types))
        if self.times is not None:
            first, last = self._bounds(self.times)
            wanted &= (batch.header("ts") >= first) & (batch.header("ts") <= last)
        if self.numbers is not None:
            first, last = self._bounds(self.numbers)
            wanted &= (batch.numbers() >= first) & (batch.numbers() <= last)
        if self.tids is not None:
            wanted &= np.isin(batch.header("tid"), list(self.tids))
        return np.flatnonzero(wanted)

    @staticmethod
    def _bounds(bounds: tuple[int, int]) -> tuple[np.uint64, np.uint64]:
        first, last = (np.uint64(min(max(bound, 0), 2**64 - 1)) for bound in bounds)
        return first, last


@dataclass(frozen=True, slots=True)
class CaptureIndex:
    """What is in each chunk of a capture.

    ``chunks`` has one record a chunk; ``kinds`` one per kind of event, with one event of each in ``samples``;
    ``present`` has a row of bits a chunk, one per kind (shape ``(n, width)``, uint8); ``tids`` the distinct threads of
    each chunk, ascending, one chunk after the other; ``columns`` a row of `STORED` a chunk, one per column.
    ``checkpoints`` tells where states are kept: the number of the first event they are for and the offset of its
    window.
    """

    chunks: NDArray[Any]
    kinds: NDArray[Any]
    samples: Bytes
    present: NDArray[np.uint8]
    tids: NDArray[np.int64]
    columns: NDArray[Any]
    checkpoints: NDArray[Any]
    seek_points: SeekPoints
    sidecar: Sidecar

    @classmethod
    def load(cls, capture: Path) -> Self | None:
        """The index of a capture from its sidecar, memory-mapped; None where there is none that fits."""
        sidecar = Sidecar.open(capture)
        if sidecar is None:
            return None
        try:
            arrays = {name: sidecar.array(name, dtype) for name, dtype in ARRAYS.items()}
            points = SeekPoints(sidecar.array("seek_points", POINT), sidecar)
            return cls(**arrays, seek_points=points, sidecar=sidecar)
        except (ValueError, LookupError, TypeError):
            return None

    @property
    def usable(self) -> bool:
        """Whether a capture can be read by its index: not a damaged one, nor one of several byte orders.

        What is intact of a damaged capture depends on where reading begins.
        """
        return bool(self.sidecar.header["usable"])

    def needed(self, selection: Selection) -> NDArray[np.bool_]:
        """Which chunks can hold events of interest, or something else than events; shape ``(n,)``."""
        return np.asarray(selection.chunks(self) | ~self.chunks["plain"])

    def with_kinds(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which chunks hold events of the kinds marked in an array alongside ``kinds``."""
        return np.asarray((self.present & np.packbits(marked)).any(axis=1))

    def sample_batch(self) -> EventBatch:
        """One event of each kind."""
        return sample_batch(self.samples, self.sidecar.header["byteorder"])

    def with_threads(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which chunks hold events of the threads marked in an array alongside ``tids``."""
        hits = np.concatenate(([0], np.cumsum(marked)))
        first = self.chunks["first_tid"].astype(np.int64)
        return np.asarray(hits[first + self.chunks["tids"].astype(np.int64)] > hits[first])

    def batch(self, chunk: int, section: Section, load: Callable[[], Bytes], byteorder: ByteOrder) -> StoredBatch:
        """The events of a chunk whose headers are stored."""
        record = self.chunks[chunk]
        count = int(record["events"])
        columns: dict[str, Callable[[], NDArray[Any]]] = {
            name: partial(stored_column, name, self.columns[chunk, place], count, self.sidecar.blob)
            for place, name in enumerate(COLUMNS)
        }
        threads, codes = self.tids[int(record["first_tid"]) :], columns["tid"]
        columns["tid"] = lambda: threads[codes()]
        start, number = int(record["start"]), int(record["first_number"])
        return StoredBatch(section, columns, load, base=start, first_number=number, byteorder=byteorder)

    def checkpoint(self, row: int) -> memoryview:
        """The state kept by a row of ``checkpoints``."""
        record = self.checkpoints[row]
        return self.sidecar.blob(int(record["place"]), int(record["size"]))


#: The arrays of a sidecar by the names of the fields above.
ARRAYS: dict[str, np.dtype[Any]] = {
    "chunks": CHUNK,
    "kinds": KIND,
    "samples": np.dtype(np.uint8),
    "present": np.dtype(np.uint8),
    "tids": np.dtype("<i8"),
    "columns": STORED,
    "checkpoints": CHECKPOINT,
}
