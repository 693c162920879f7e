"""Stored headers: what the headers of a chunk's events say, as columns small enough to keep beside a capture.

Each column is numbers of the least width that holds them, counted from the smallest one, and compressed. Times are
kept as steps from one event to the next, threads by their place among those of the chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard

from scaptools.capture.batch import EventBatch
from scaptools.columns import ALL_ROWS, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from scaptools.capture.scan import ByteOrder, Bytes
    from scaptools.capture.section import Section

#: What is stored of every event: where it is, and the fields of its header.
COLUMNS = ("block_length", "block_type", "type", "tid", "ts", "cpu")
#: Per column: its place and size in the sidecar, the bytes of a number, the smallest one, and the first one of steps.
STORED = np.dtype([("place", "<u8"), ("size", "<u4"), ("width", "u1"), ("least", "<i8"), ("first", "<u8")])

_STEPS = frozenset({"ts"})
_DTYPES = {"ts": np.uint64, "type": np.uint16, "block_type": np.uint32, "cpu": np.uint16}
_LEVEL = 1
_WIDTHS = (0, 1, 2, 4, 8)


def store_column(name: str, values: NDArray[Any], write: Callable[[bytes], int]) -> tuple[int, int, int, int, int]:
    """A row of `STORED` for the values of a column; ``write`` keeps bytes and tells their place."""
    first = 0
    if name in _STEPS:
        first = int(values[0])
        values = np.diff(values, prepend=values[:1]).view(np.int64)
    values = values.astype(np.int64, copy=False)
    least = int(values.min())
    # As uint64 the distance of two numbers never overflows.
    above = values.view(np.uint64) - np.uint64(least % 2**64)
    most = int(above.max())
    width = next(width for width in _WIDTHS if most < 1 << 8 * width)
    if not width:
        return 0, 0, 0, least, first
    # The bytes of one significance lie together, where they are alike.
    planes = above.astype(f"<u{width}").view(np.uint8).reshape(-1, width).T
    data = zstandard.compress(planes.tobytes(), _LEVEL)
    return write(data), len(data), width, least, first


def stored_column(name: str, stored: Any, count: int, blob: Callable[[int, int], memoryview]) -> NDArray[Any]:
    """The ``count`` values of a column. Raises ValueError and zstandard.ZstdError where the bytes are not as stored."""
    width, least = int(stored["width"]), int(stored["least"])
    if width:
        data = zstandard.decompress(blob(int(stored["place"]), int(stored["size"])), max_output_size=width * count)
        planes = np.frombuffer(data, np.uint8).reshape(width, count)
        above = np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(-1)
        values = (above.astype(np.uint64) + np.uint64(least % 2**64)).view(np.int64)
    else:
        values = np.broadcast_to(np.int64(least), count)
    if name in _STEPS:
        values = np.cumsum(values).view(np.uint64) + stored["first"]
    return values.astype(_DTYPES.get(name, np.int64), copy=False)


class StoredBatch(EventBatch):
    """A batch whose headers are at hand; its bytes are fetched when something asks for them.

    ``columns`` are a way to each column by its name; ``load`` gives the bytes the offsets count in.
    """

    def __init__(
        self,
        section: Section,
        columns: Mapping[str, Callable[[], NDArray[Any]]],
        load: Callable[[], Bytes],
        *,
        base: int,
        first_number: int,
        byteorder: ByteOrder,
    ) -> None:
        lengths = columns["block_length"]()
        super().__init__(
            section,
            np.empty(0, np.uint8),
            np.cumsum(lengths) - lengths,
            lengths,
            columns["block_type"](),
            base=base,
            first_number=first_number,
            byteorder=byteorder,
        )
        self._stored = columns
        self._load: Callable[[], Bytes] | None = load

    def fetch(self) -> None:
        """Have the bytes at hand."""
        if self._load is not None:
            self._bytes, self._load = self._load(), None

    @property
    def data(self) -> Bytes:
        """The window the events are in."""
        self.fetch()
        return self._bytes

    @data.setter
    def data(self, data: Bytes) -> None:
        self._bytes = data

    def header(self, name: str, rows: Rows = ALL_ROWS) -> NDArray[Any]:
        """See `EventBatch.header`."""
        if name not in self._columns and name in self._stored:
            self._columns[name] = self._stored[name]()
        return super().header(name, rows)
