"""Kinds of events, as an index tells them apart: types, and system calls that have no type of their own.

Of each kind one event is kept. What is said of an event by its kind alone, its name above all, can be asked of that
one in place of all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table
from scaptools.capture.batch import EventBatch
from scaptools.capture.scan import scan_blocks
from scaptools.capture.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scaptools.capture.scan import ByteOrder, Bytes

#: What is stored of a kind: its event type, and whether its events go by names of their own.
KIND = np.dtype([("type", "<u2"), ("vague", "?")])

_GENERIC = frozenset(event.id for event in event_table().by_name("syscall"))
_VAGUE = frozenset(event.id for event in event_table().by_name("asyncevent"))
_CODE_BITS = 32
_ABSENT = (1 << _CODE_BITS) - 1


class Kinds:
    """The kinds met so far, numbered from 0 in the order they come."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._samples: list[bytes] = []

    def of(self, batch: EventBatch) -> list[int]:
        """The numbers of the kinds in a batch."""
        return [
            number
            for event_type in batch.types_present()
            for number in (self._calls(batch, event_type) if event_type in _GENERIC else self._whole(batch, event_type))
        ]

    def _whole(self, batch: EventBatch, event_type: int) -> Iterator[int]:
        if (event_type, 0) not in self._numbers:
            self._add((event_type, 0), batch, int(batch.rows_of_type(event_type)[0]))
        yield self._numbers[event_type, 0]

    def _calls(self, batch: EventBatch, event_type: int) -> Iterator[int]:
        """The system calls of generic events: by their codes, both old and native."""
        table = batch.parameters(event_type)
        codes = np.zeros(len(table), np.uint64)
        for index in range(2):
            numbers = table.column(index).numbers()
            values = np.where(numbers.validity(), numbers.values, _ABSENT).astype(np.uint64)
            codes = (codes << np.uint64(_CODE_BITS)) | values
        for code, place in zip(*(found.tolist() for found in np.unique(codes, return_index=True)), strict=True):
            if (event_type, code) not in self._numbers:
                self._add((event_type, code), batch, int(table.rows[place]))
            yield self._numbers[event_type, code]

    def _add(self, key: tuple[int, int], batch: EventBatch, row: int) -> None:
        self._numbers[key] = len(self._samples)
        self._samples.append(batch.raw_blocks(np.array([row])))

    def table(self) -> NDArray[Any]:
        """The kinds as records of `KIND`."""
        return np.array([(event_type, event_type in _VAGUE) for event_type, _ in self._numbers], KIND)

    def samples(self) -> Bytes:
        """The blocks of one event of each kind."""
        return np.frombuffer(b"".join(self._samples), np.uint8)


def sample_batch(samples: Bytes, byteorder: ByteOrder) -> EventBatch:
    """Samples as a batch, row by row the kinds."""
    scan = scan_blocks(samples, byteorder=byteorder, final=True)
    return EventBatch(
        Section.unheaded(byteorder),
        samples,
        scan.offsets,
        scan.lengths,
        scan.types,
        base=0,
        first_number=1,
        byteorder=byteorder,
    )
