"""A slot: memory two processes share, through which one hands events to the other.

The writer counts an event only after it is completely there, so what is counted can be read whatever becomes of the
writer. A slot is written, read, and only then written again.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from scaptools.plugins.shared.gather import memory_file, write_pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Most events a slot holds.
CAPACITY: Final = 1 << 16
#: Bytes of payload after which a slot counts as full; one event may be larger.
FULL_BYTES: Final = 1 << 22
_PAGE: Final = 4096
_COLUMNS: Final = _PAGE
_DATA: Final = _COLUMNS + 12 * CAPACITY


@dataclass(frozen=True, slots=True)
class SlotContent:
    """``n`` events taken out of a slot: joined bytes, lengths (uint32) and times (uint64 ns)."""

    data: bytes
    lengths: NDArray[np.uint32]
    timestamps: NDArray[np.uint64]

    @staticmethod
    def joined(parts: Sequence[SlotContent]) -> SlotContent:
        """The events of several slots below each other."""
        return SlotContent(
            b"".join(part.data for part in parts),
            np.concatenate([np.zeros(0, np.uint32), *(part.lengths for part in parts)]),
            np.concatenate([np.zeros(0, np.uint64), *(part.timestamps for part in parts)]),
        )


class EventSlot:
    """One slot, made by one process and opened by descriptor in the other."""

    def __init__(self, file: int | None = None) -> None:
        self.file = memory_file("scap-events") if file is None else file
        if file is None:
            os.ftruncate(self.file, _DATA)
        self._map = mmap.mmap(self.file, _DATA)
        self._counts = np.frombuffer(self._map, np.uint64, 2)
        self._timestamps = np.frombuffer(self._map, np.uint64, CAPACITY, _COLUMNS)
        self._lengths = np.frombuffer(self._map, np.uint32, CAPACITY, _COLUMNS + 8 * CAPACITY)

    @property
    def events(self) -> int:
        """How many events are in it."""
        return int(self._counts[0])

    @property
    def full(self) -> bool:
        """Whether it should be handed over before more is put in."""
        return self.events >= CAPACITY or int(self._counts[1]) >= FULL_BYTES

    def clear(self) -> None:
        """Forget the events."""
        self._counts[:] = 0

    def append(self, addresses: NDArray[np.uint64], sizes: NDArray[np.uint32], timestamps: NDArray[np.uint64]) -> int:
        """Copy events in, as many as there is room for; the number of events taken, at least one if there were any.

        Raises UnreadableError where an address cannot be read.
        """
        events, used = int(self._counts[0]), int(self._counts[1])
        count, room = len(sizes), CAPACITY - events
        if count > room or int(np.add.reduce(sizes, dtype=np.uint64)) > FULL_BYTES - used:
            fits = int(np.searchsorted(np.cumsum(sizes, dtype=np.uint64), max(FULL_BYTES - used, 0), "right"))
            count = min(room, max(fits, 0 if events else 1))
            addresses, sizes, timestamps = addresses[:count], sizes[:count], timestamps[:count]
        if not count:
            return 0
        self._timestamps[events : events + count] = timestamps
        self._lengths[events : events + count] = sizes
        used += write_pieces(self.file, _DATA + used, addresses, sizes)
        self._counts[1] = used
        self._counts[0] = events + count
        return count

    def take(self) -> SlotContent:
        """A copy of what is in it."""
        events, used = self.events, int(self._counts[1])
        lengths = self._lengths[:events].copy()
        data = os.pread(self.file, min(used, int(lengths.sum(dtype=np.uint64))), _DATA)
        return SlotContent(data, lengths, self._timestamps[:events].copy())

    def close(self) -> None:
        """Give the memory back once nobody looks at it any more."""
        os.close(self.file)
