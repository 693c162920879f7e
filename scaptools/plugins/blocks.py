"""Events of a source as blocks of a capture already, so that recording them is only writing."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH: Final = struct.Struct("<4xI")
_PAYLOAD_SIZE: Final = struct.Struct("<40xI")


@dataclass(frozen=True, slots=True)
class EventBlocks:
    """Plugin events of one plugin as blocks on end, with how many there are and the bytes of their payloads.

    ``data`` is good for as long as this object, or one made from it, is there: ``lease`` keeps the memory it lies in
    from being used again.
    """

    data: memoryview
    events: int
    payload_bytes: int
    lease: Any = None

    def __len__(self) -> int:
        return self.events

    @staticmethod
    def joined(parts: Sequence[EventBlocks]) -> EventBlocks:
        """A copy of the events of several, below each other."""
        data = memoryview(b"".join(part.data for part in parts))
        return EventBlocks(data, sum(map(len, parts)), sum(part.payload_bytes for part in parts))

    def first(self, count: int) -> EventBlocks:
        """The same without what follows the first ``count`` events."""
        if count >= self.events:
            return self
        end = payload_bytes = 0
        for _ in range(count):
            payload_bytes += _PAYLOAD_SIZE.unpack_from(self.data, end)[0]
            end += _LENGTH.unpack_from(self.data, end)[0]
        return EventBlocks(self.data[:end], count, payload_bytes, self.lease)
