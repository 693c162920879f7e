"""Records: the parameters of a few events as Python values, for the passes that go event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

#: Bytes of the widest number a parameter holds; damaged ones may have more.
WIDEST = 8

#: The parameters of one event: None for one the event does not have, empty for one without a value.
Record: TypeAlias = tuple[bytes | None, ...]


def records(batch: EventBatch, event_type: int, rows: NDArray[np.intp]) -> list[Record]:
    """The parameters of the given rows, all of one type and ascending; one record per row."""
    table = batch.parameters(event_type, rows)
    count = table.stored
    if not count:
        return [()] * len(rows)
    data = batch.data.data
    columns = []
    for index in range(count):
        column = table.column(index)
        columns.append(
            [
                bytes(data[start : start + length]) if present else None
                for start, length, present in zip(
                    column.starts.tolist(), column.lengths.tolist(), column.present.tolist(), strict=True
                )
            ]
        )
    return list(zip(*columns, strict=True))


def param(record: Record, index: int) -> bytes | None:
    """Parameter ``index``, None where the event has none or it is empty."""
    return (record[index] or None) if index < len(record) else None


def text(record: Record, index: int) -> bytes:
    """A string up to its first NUL, empty where there is none."""
    value = record[index] if index < len(record) else None
    return value.partition(b"\0")[0] if value else b""


def items(record: Record, index: int) -> bytes:
    """A list as `ended_items` gives it."""
    return ended_items((record[index] or b"") if index < len(record) else b"")


def ended_items(value: bytes) -> bytes:
    """A NUL-separated list with a NUL behind every item, so that no item and one empty item differ."""
    return value if not value or value.endswith(b"\0") else value + b"\0"


def leading_items(value: bytes) -> bytes:
    """A NUL-separated list without the empty items at its end."""
    return ended_items(value.rstrip(b"\0"))
