"""The packet spool: packets collected in any order, delivered in order of time.

Packets go to temporary files as they are made, one file for each process that makes some. They come in runs, mostly
one behind the other; then, and where only a few packets are out of their place, whole stretches of the files are copied
without their bytes being looked at.
"""

from __future__ import annotations

import mmap
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from scaptools.capture.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from scaptools.capture.scan import Bytes
    from scaptools.capture.writer import CaptureWriter

_INDEX = np.dtype([("ts", "<u8"), ("number", "<u8"), ("length", "<u4")])
#: Packets put in order at a time.
_CHUNK = 1 << 13
#: A stretch has to have so many packets on average to be copied for itself.
_PACKETS_PER_STRETCH = 16


@dataclass(frozen=True, slots=True)
class Run:
    """Packets that were added together: their first and last time and event number, whether they ascend, and where.

    ``count`` packets from ``row`` on in the index, ``size`` bytes from ``start`` on in the file.
    """

    first: tuple[int, int]
    last: tuple[int, int]
    ascending: bool
    row: int
    count: int
    start: int
    size: int


class PacketSpool:
    """Packets on their way to a file; ``runs`` tell of what was added."""

    def __init__(self) -> None:
        self.packets = cast("BinaryIO", tempfile.TemporaryFile(prefix="scap-packets-", buffering=0))
        self.index = cast("BinaryIO", tempfile.TemporaryFile(prefix="scap-index-"))
        self.runs: list[Run] = []

    def add(
        self, times: NDArray[np.uint64], numbers: NDArray[np.uint64], lengths: NDArray[np.int64], packets: Any
    ) -> None:
        """Add ``n`` packets, given as one buffer and their times (ns), event numbers and lengths."""
        if not len(times):
            return
        ascending = (times[1:] > times[:-1]) | ((times[1:] == times[:-1]) & (numbers[1:] >= numbers[:-1]))
        first, last = ((int(times[at]), int(numbers[at])) for at in (0, -1))
        index = np.empty(len(times), _INDEX)
        index["ts"], index["number"], index["length"] = times, numbers, lengths
        self.index.write(index.tobytes())
        row = start = 0
        if self.runs:
            row, start = (before := self.runs[-1]).row + before.count, before.start + before.size
        rest = memoryview(packets)
        self.runs.append(Run(first, last, bool(ascending.all()), row, len(times), start, len(rest)))
        while rest:
            rest = rest[self.packets.write(rest) :]

    def flush(self) -> None:
        """Have all of it in the files, where other processes see it."""
        self.index.flush()

    def close(self) -> None:
        """Remove the temporary files."""
        self.packets.close()
        self.index.close()


def deliver(spools: Sequence[PacketSpool], writer: CaptureWriter) -> None:
    """Write all packets in order of time, at equal times by event number, then in the order they were added."""
    runs = sorted(
        ((run, number) for number, spool in enumerate(spools) for run in spool.runs), key=lambda pair: pair[0].first
    )
    if all(run.ascending for run, _ in runs) and all(
        one.last <= other.first for (one, _), (other, _) in pairwise(runs)
    ):
        for run, number in runs:
            writer.copy_from(spools[number].packets, run.start, run.size)
        return
    order = _Order.of(spools, runs)
    stretches = order.pieces.joined()
    if len(stretches.starts) * _PACKETS_PER_STRETCH <= len(order.pieces.starts):
        columns = (stretches.sources.tolist(), stretches.starts.tolist(), stretches.lengths.tolist())
        for source, start, length in zip(*columns, strict=True):
            writer.copy_from(spools[source].packets, start, length)
        return
    for chunk in order.chunks(spools):
        writer.write([chunk.data])


@dataclass(frozen=True, slots=True)
class _Order:
    """Where the packets lie in the files, in the order in which they are to be written."""

    pieces: Pieces

    @classmethod
    def of(cls, spools: Sequence[PacketSpool], runs: Sequence[tuple[Run, int]]) -> _Order:
        """The order of the packets of some runs, which come by their first packet."""
        indices = []
        for spool in spools:
            spool.flush()
            indices.append(np.memmap(spool.index, _INDEX, "r") if spool.runs else np.empty(0, _INDEX))
        rows = [indices[number][run.row : run.row + run.count] for run, number in runs]
        times, numbers = (np.concatenate([part[name] for part in rows]) for name in ("ts", "number"))
        lengths = np.concatenate([part["length"] for part in rows]).astype(np.int64)
        sources = np.repeat(np.array([number for _, number in runs], np.int8), [run.count for run, _ in runs])
        ends = np.cumsum(lengths)
        counts = [run.count for run, _ in runs]
        behind = np.cumsum(counts) - 1
        shifts = np.array([run.start + run.size for run, _ in runs]) - ends[behind]
        starts = ends - lengths + np.repeat(shifts, counts)
        # They are nearly in order, and so sorted at once.
        order = np.argsort(times, kind="stable")
        same = np.diff(times[order]) == 0
        if (same & (numbers[order[1:]] < numbers[order[:-1]])).any():
            order = np.lexsort((numbers, times))
        return cls(Pieces(sources[order], starts[order], lengths[order]))

    def chunks(self, spools: Sequence[PacketSpool]) -> Iterator[Bytes]:
        """The bytes of the packets, so many packets at a time."""
        used = [spool for spool in spools if spool.runs]
        mappings = [mmap.mmap(spool.packets.fileno(), 0, access=mmap.ACCESS_READ) for spool in used]
        given = iter(mappings)
        files = [np.frombuffer(next(given) if spool.runs else b"", np.uint8) for spool in spools]
        for first in range(0, len(self.pieces.starts), _CHUNK):
            rows = slice(first, first + _CHUNK)
            sources, starts, lengths = self.pieces.sources[rows], self.pieces.starts[rows], self.pieces.lengths[rows]
            # A window around the chunk keeps offsets small; with little disorder it is little larger than the chunk.
            windows = []
            for number, file in enumerate(files):
                own = sources == number
                low, high = (int(starts[own].min()), int((starts + lengths)[own].max())) if own.any() else (0, 0)
                windows.append(file[low:high])
                starts = np.where(own, starts - low, starts)
            yield Pieces(sources, starts, lengths).gather(windows)
            for mapping in mappings:
                mapping.madvise(mmap.MADV_DONTNEED)  # resident pages count as this process's memory
