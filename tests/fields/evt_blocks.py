"""Captures made of events written by hand, for the tests of event fields and of parameter text."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scap_formats.blocks import BlockType
from scap_formats.table import event_table
from scaptools.capture.reader import CaptureReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaptools.capture.batch import EventBatch

#: A time in the afternoon of 13 September 2020, UTC.
START = 1_600_000_000_123_456_789
_EV_HEADER = "<HQqIHI"
_ORDERS = {"little": "<", "big": ">"}


@dataclass(frozen=True)
class Ev:
    """One event: its type and the bytes of its parameters."""

    type: int
    params: Sequence[bytes] = ()
    ts: int = START
    tid: int = -1
    cpu: int = 0


def _block(type_: int, body: bytes, order: str) -> bytes:
    padding = -len(body) % 4
    total = 12 + len(body) + padding
    size = struct.pack(f"{order}I", total)
    return struct.pack(f"{order}I", type_) + size + body + bytes(padding) + size


def machine_block(hostname: bytes) -> bytes:
    """A machine block of a host with one CPU."""
    return _block(BlockType.MI, struct.pack("<IQQ128s4Q", 1, 2**30, 2**15, hostname, 0, 0, 0, 0), "<")


def capture_bytes(events: Iterable[Ev], *, byteorder: str = "little", metadata: bytes = b"") -> bytes:
    """A capture with nothing but the metadata given."""
    order = _ORDERS[byteorder]
    blocks = [_block(BlockType.SHB, struct.pack(f"{order}IHHQ", 0x1A2B3C4D, 1, 2, 2**64 - 1), order)]
    blocks.append(metadata)
    for event in events:
        width = event_table().events[event.type].length_width
        lengths = struct.pack(f"{order}{len(event.params)}{'H' if width == 2 else 'I'}", *map(len, event.params))
        size = 26 + len(lengths) + sum(map(len, event.params))
        header = struct.pack(
            f"{order}{_EV_HEADER[1:]}", event.cpu, event.ts, event.tid, size, event.type, len(event.params)
        )
        kind = BlockType.EV_V2 if width == 2 else BlockType.EV_V2_LARGE
        blocks.append(_block(kind, header + lengths + b"".join(event.params), order))
    return b"".join(blocks)


def batch_of(events: Iterable[Ev], *, byteorder: str = "little", metadata: bytes = b"") -> EventBatch:
    """The events as one batch."""
    reader = CaptureReader(io.BytesIO(capture_bytes(events, byteorder=byteorder, metadata=metadata)))
    (batch,) = reader.batches()
    return batch
