"""The packet spool: packets collected in any order, delivered in order of time.

Packets go to a temporary file as they are made. In the usual case they were in order and the file is copied as it is;
otherwise an index of times and lengths, kept in a file of its own, says in which order to copy.
"""

from __future__ import annotations

import shutil
import tempfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from scaptools.capture.parameters import gather_binary
from scaptools.columns import concatenated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.writer import CaptureWriter

_INDEX = np.dtype([("ts", "<u8"), ("number", "<u8"), ("length", "<u8")])
#: Packets put in order at a time.
_CHUNK = 1 << 16


class PacketSpool:
    """Packets on their way to a file."""

    def __init__(self) -> None:
        self._packets: IO[bytes] = tempfile.TemporaryFile(prefix="scap-packets-")
        self._index: IO[bytes] = tempfile.TemporaryFile(prefix="scap-index-")
        self._latest = (0, 0)
        self.in_order = True
        self.count = 0

    def add(
        self, times: NDArray[np.uint64], numbers: NDArray[np.uint64], lengths: NDArray[np.int64], packets: Any
    ) -> None:
        """Add ``n`` packets, given as one buffer and their times (ns), event numbers and lengths."""
        if not len(times):
            return
        ascending = (times[1:] > times[:-1]) | ((times[1:] == times[:-1]) & (numbers[1:] >= numbers[:-1]))
        first, last = ((int(times[at]), int(numbers[at])) for at in (0, -1))
        self.in_order &= first >= self._latest and bool(ascending.all())
        self._latest = last
        index = np.empty(len(times), _INDEX)
        index["ts"], index["number"], index["length"] = times, numbers, lengths
        self._index.write(index.tobytes())
        self._packets.write(packets)
        self.count += len(times)

    def deliver(self, writer: CaptureWriter) -> None:
        """Write all packets in order of time, at equal times by event number, then in the order they were added."""
        self._packets.flush()
        self._packets.seek(0)
        if self.in_order:
            shutil.copyfileobj(self._packets, _Pieces(writer), 1 << 22)
            return
        self._index.flush()
        index = np.memmap(self._index, _INDEX, "r")
        packets = np.memmap(self._packets, np.uint8, "r")
        starts = np.concatenate(([0], np.cumsum(index["length"].astype(np.int64))))
        order = np.lexsort((index["number"], index["ts"]))
        for first in range(0, len(order), _CHUNK):
            rows = order[first : first + _CHUNK]
            lengths = index["length"][rows].astype(np.int64)
            # A window around the chunk keeps offsets small; with little disorder it is little larger than the chunk.
            low = int(starts[rows].min())
            high = int((starts[rows] + lengths).max())
            chunk = gather_binary(packets[low:high], starts[rows] - low, lengths, np.ones(len(rows), bool))
            writer.write([concatenated(chunk)])

    def close(self) -> None:
        """Remove the temporary files."""
        self._packets.close()
        self._index.close()


class _Pieces:
    """A writer as the file that copying wants."""

    def __init__(self, writer: CaptureWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Write one piece."""
        self._writer.write([data])
