"""A slot: memory two processes share, through which one hands events to the other.

Events are in a slot as payloads with columns of lengths and times, or as blocks. The writer counts an event only after
it is completely there, so what is counted can be read whatever becomes of the writer. A slot is written, read, and
only then written again.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scaptools.plugins.blocks import EventBlocks
from scaptools.plugins.shared.memory import memory_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

#: Most events a slot holds.
CAPACITY: Final = 1 << 16
#: Bytes of events after which a slot counts as full; one event may be larger. More would not stay in a cache.
FULL_BYTES: Final = 1 << 20
_PAGE: Final = 4096
_COLUMNS: Final = _PAGE
#: Where events begin.
DATA: Final = _COLUMNS + 12 * CAPACITY
#: What is counted, in this order: events, their bytes, and for blocks the bytes of the payloads.
_EVENTS, _USED, _PAYLOAD, _COUNTS = range(4)


@dataclass(frozen=True, slots=True)
class SlotContent:
    """``n`` events taken out of a slot: joined bytes, lengths (uint32) and times (uint64 ns)."""

    data: bytes
    lengths: NDArray[np.uint32]
    timestamps: NDArray[np.uint64]

    @staticmethod
    def joined(parts: Sequence[SlotContent]) -> SlotContent:
        """The events of several slots below each other."""
        import numpy as np

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
            os.ftruncate(self.file, DATA + FULL_BYTES)
        self.map = mmap.mmap(self.file, DATA + FULL_BYTES)
        self.counts = memoryview(self.map)[: 8 * _COUNTS].cast("Q")

    @property
    def events(self) -> int:
        """How many events are in it."""
        return self.counts[_EVENTS]

    @property
    def full(self) -> bool:
        """Whether it should be handed over before more is put in."""
        return self.events >= CAPACITY or self.counts[_USED] >= FULL_BYTES

    @property
    def room(self) -> int:
        """Bytes of events there is memory for."""
        return len(self.map) - DATA

    def clear(self) -> None:
        """Forget the events."""
        for number in range(_COUNTS):
            self.counts[number] = 0

    def enlarge(self, size: int) -> None:
        """Have memory for so many bytes of events."""
        if os.fstat(self.file).st_size < DATA + size:
            os.ftruncate(self.file, DATA + size)
        # Whoever looks at the old map keeps it.
        self.map = mmap.mmap(self.file, DATA + size)
        self.counts = memoryview(self.map)[: 8 * _COUNTS].cast("Q")

    def _columns(self) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
        import numpy as np

        timestamps = np.frombuffer(self.map, np.uint64, CAPACITY, _COLUMNS)
        return timestamps, np.frombuffer(self.map, np.uint32, CAPACITY, _COLUMNS + 8 * CAPACITY)

    def append(self, addresses: NDArray[np.uint64], sizes: NDArray[np.uint32], timestamps: NDArray[np.uint64]) -> int:
        """Copy payloads in, as many as there is room for; the number of events taken, at least one if there were any.

        Raises UnreadableError where an address cannot be read.
        """
        import numpy as np

        from scaptools.plugins.shared.gather import write_pieces

        events, used = self.events, self.counts[_USED]
        count, room = len(sizes), CAPACITY - events
        if count > room or int(np.add.reduce(sizes, dtype=np.uint64)) > FULL_BYTES - used:
            fits = int(np.searchsorted(np.cumsum(sizes, dtype=np.uint64), max(FULL_BYTES - used, 0), "right"))
            count = min(room, max(fits, 0 if events else 1))
            addresses, sizes, timestamps = addresses[:count], sizes[:count], timestamps[:count]
        if not count:
            return 0
        all_timestamps, all_lengths = self._columns()
        all_timestamps[events : events + count] = timestamps
        all_lengths[events : events + count] = sizes
        used += write_pieces(self.file, DATA + used, addresses, sizes)
        self.counts[_USED] = used
        self.counts[_EVENTS] = events + count
        return count

    def take(self) -> SlotContent:
        """A copy of the payloads in it."""
        import numpy as np

        events, used = self.events, self.counts[_USED]
        timestamps, lengths = self._columns()
        timestamps, lengths = timestamps[:events].copy(), lengths[:events].copy()
        data = os.pread(self.file, min(used, int(lengths.sum(dtype=np.uint64))), DATA)
        return SlotContent(data, lengths, timestamps)

    def blocks(self, lease: object = None) -> EventBlocks:
        """The blocks in it, not copied."""
        used = self.counts[_USED]
        if used > self.room:
            self.enlarge(used)
        return EventBlocks(memoryview(self.map)[DATA : DATA + used], self.events, self.counts[_PAYLOAD], lease)

    def close(self) -> None:
        """Give the memory back once nobody looks at it any more."""
        os.close(self.file)


@dataclass(slots=True)
class _Lease:
    """What keeps a slot from being filled again."""

    number: int
    free: deque[int]

    def __del__(self) -> None:
        self.free.append(self.number)


class SlotSet:
    """The slots of a stream, and which of them are ``free`` to be filled."""

    def __init__(self, count: int) -> None:
        self.slots = [EventSlot() for _ in range(count)]
        self.free = deque(range(count))

    def take(self, number: int) -> SlotContent:
        """A copy of the payloads in a slot, which is free then."""
        content = self.slots[number].take()
        self.free.append(number)
        return content

    def lend(self, number: int) -> EventBlocks:
        """The blocks in a slot, which is free once they are not needed any more."""
        if self.free:
            return self.slots[number].blocks(_Lease(number, self.free))
        # Whoever takes more than there are slots gets a copy, so that there always is one to fill.
        blocks = self.slots[number].blocks()
        self.free.append(number)
        return EventBlocks(memoryview(bytes(blocks.data)), blocks.events, blocks.payload_bytes)

    def close(self) -> None:
        """Give the memory back once nobody looks at it any more."""
        for slot in self.slots:
            slot.close()
