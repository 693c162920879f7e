"""Parameter columns: where the parameters of all events of one type lie, and their values as columns.

An event stores the lengths of its parameters, then their bytes. For the events of one type both become columns: a
length and a start per parameter, extended one parameter at a time and only as far as somebody asks. Old blocks do not
store how many parameters there are; the number is found from the lengths, which have to fill the event exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import TRAILER_SIZE
from scap_formats.dtypes import event_block_dtype
from scap_formats.header import NOTIFICATION_EXCESS, NOTIFICATION_TYPES
from scap_formats.types import ParamType
from scaptools.capture.overlap import native, overlapping
from scaptools.columns import Mask, Numbers, Texts

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.scan import ByteOrder, Bytes, Offsets


@dataclass(frozen=True, slots=True)
class ParameterColumn:
    """One parameter of ``n`` events: its bytes are ``data[starts[i]:starts[i] + lengths[i]]``.

    ``present`` is False where the event does not have the parameter at all (an older writer); a parameter of length 0
    is there, but has no value.
    """

    data: Bytes
    starts: Offsets
    lengths: Offsets
    present: Mask
    type: ParamType
    byteorder: ByteOrder = "little"

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def common_length(self) -> int | None:
        """The length of all values, where that is known without looking at each."""
        return int(self.lengths[0]) if len(self.lengths) and self.lengths.strides == (0,) else None

    def take(self, rows: NDArray[np.intp] | slice) -> ParameterColumn:
        """The same parameter of some of the events."""
        return ParameterColumn(
            self.data, self.starts[rows], self.lengths[rows], self.present[rows], self.type, self.byteorder
        )

    def numbers(self) -> Numbers:
        """Values of a fixed-size type in the type's own width; missing where absent or of another size."""
        dtype = number_dtype(self.type, self.byteorder)
        return self.numbers_as(dtype)

    def numbers_as(self, dtype: np.dtype[Any]) -> Numbers:
        """Values read as ``dtype`` from the start of the parameter, missing where it is of another size."""
        view = overlapping(self.data, dtype)
        if self.common_length == dtype.itemsize:
            return Numbers(native(view[self.starts]))
        valid = self.lengths == dtype.itemsize
        if valid.all():
            return Numbers(native(view[self.starts]))
        values = view[np.where(valid, self.starts, 0)] if len(view) else np.zeros(len(self), dtype)
        return Numbers(native(values), valid)

    def bytes(self) -> Texts:
        """The raw bytes, missing where the parameter is absent or empty."""
        return Texts(gather_binary(self.data, self.starts, self.lengths, self.lengths > 0))

    def strings(self) -> Texts:
        """Bytes up to the terminating NUL, missing where the parameter is absent or empty."""
        lengths = self.lengths.copy()
        has_bytes = np.flatnonzero(lengths)
        ends = self.starts[has_bytes] + lengths[has_bytes] - 1
        lengths[has_bytes] -= self.data[ends] == 0
        return Texts(gather_binary(self.data, self.starts, lengths, self.lengths > 0))


class ParameterTable:
    """The parameters of events of one type.

    ``rows`` are the events' rows in their batch; all columns have that length. ``counts`` is the number of parameters
    each event stores, 0 for an event whose header contradicts its block (see ``malformed``); ``ends`` is where in
    ``data`` each event ends.
    """

    def __init__(
        self,
        data: Bytes,
        *,
        rows: NDArray[np.intp],
        declaration: EventType,
        header_offsets: Offsets,
        block_ends: Offsets,
        event_lengths: NDArray[np.uint32],
        counted: Mask | bool,
        counts: NDArray[np.uint32] | None,
        byteorder: ByteOrder,
    ) -> None:
        self.data = data
        self.rows = rows
        self.declaration = declaration
        self.byteorder = byteorder
        self._width = declaration.length_width
        self._lens_view = overlapping(data, length_dtype(self._width, byteorder))
        v1 = event_block_dtype(has_nparams=False, has_flags=False, byteorder=byteorder)
        v2 = event_block_dtype(has_nparams=True, has_flags=False, byteorder=byteorder)
        sizes = v2.itemsize, v1.itemsize
        self._lens_at = header_offsets + (
            sizes[not counted] if isinstance(counted, bool) else np.where(counted, *sizes)
        )
        self.ends = header_offsets + v1.fields["ts"][1] + event_lengths  # type: ignore[index]
        self._limits = block_ends - TRAILER_SIZE
        self.counts = np.zeros(len(rows), np.int64) if counts is None else counts.astype(np.int64)
        if counted is not True:
            self._find_counts(np.flatnonzero(np.broadcast_to(~np.asarray(counted), len(rows))))
        room = self._lens_at + self._width * self.counts
        self.malformed: Mask = (self.ends > self._limits) | (room > self.ends) | (self.counts < 0)
        if self.malformed.any():
            self.counts[self.malformed] = 0
        self._starts: list[Offsets] = []
        self._lengths: list[Offsets] = []
        self._presents: list[Mask] = []

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def stored(self) -> int:
        """How many parameters of the declaration at least one event has."""
        return min(int(self.counts.max(initial=0)), len(self.declaration.params))

    def column(self, index: int) -> ParameterColumn:
        """Parameter ``index`` of every event."""
        if not self._starts:
            self._fill_alike()
        while len(self._starts) <= index:
            self._extend()
        return ParameterColumn(
            self.data,
            self._starts[index],
            self._lengths[index],
            self._presents[index],
            self.declaration.params[index].type,
            self.byteorder,
        )

    def _fill_alike(self) -> None:
        """Place all parameters at once where every event has as many and none reaches beyond its event."""
        if not len(self.rows) or self.stored == 0 or int(self.counts.min()) != int(self.counts.max()):
            return
        at_once = np.dtype((length_dtype(self._width, self.byteorder), (self.stored,)))
        stored = overlapping(self.data, at_once)[self._lens_at]
        first = self._lens_at + self._width * int(self.counts[0])
        if (stored == stored[0]).all():
            # One length for all takes no memory: an array that stays at its first element.
            widths = stored[0].astype(np.int64)
            starts = [first + before for before in (np.cumsum(widths) - widths).tolist()]
            lengths = [np.broadcast_to(width, len(self.rows)) for width in widths]
            ends = starts[-1] + widths[-1]
        else:
            each = np.ascontiguousarray(stored.T).astype(np.int64)
            bounds = np.cumsum(each, axis=0)
            bounds += first
            starts, lengths, ends = list(bounds - each), list(each), bounds[-1]
        if (ends > self.ends).any():
            return
        self._starts, self._lengths = starts, lengths
        self._presents = [np.broadcast_to(np.True_, len(self.rows))] * self.stored

    def _extend(self) -> None:
        index = len(self._starts)
        start = self._starts[-1] + self._lengths[-1] if index else self._lens_at + self._width * self.counts
        present = self.counts > index
        lengths = np.zeros(len(self.rows), np.int64)
        if present.all():
            lengths[:] = self._lens_view[self._lens_at + self._width * index]
        elif present.any():
            lengths[present] = self._lens_view[self._lens_at[present] + self._width * index]
        outside = start + lengths > self.ends
        if outside.any():
            self.malformed |= outside & present
            present = present & ~outside
            lengths[outside] = 0
        self._starts.append(start)
        self._lengths.append(lengths)
        self._presents.append(present)

    def _find_counts(self, rows: NDArray[np.intp]) -> None:
        """Find the counts of events that do not store them, -1 where no count fits."""
        self.counts[rows] = 0
        excess = NOTIFICATION_EXCESS if self.declaration.id in NOTIFICATION_TYPES else 0
        sound = (self.ends[rows] <= self._limits[rows] + excess) & (self.ends[rows] >= self._lens_at[rows])
        rows = rows[sound]
        if excess:
            self.counts[rows] = self._count_overlong(rows)
        else:
            self.counts[rows] = self._count_by_lengths(rows, self.ends[rows])

    def _count_by_lengths(self, rows: NDArray[np.intp], ends: Offsets) -> NDArray[np.int64]:
        """The only number of lengths that fill each event exactly, -1 where there is none."""
        counts = np.full(len(rows), -1, np.int64)
        position = self._lens_at[rows].copy()
        filled = position.copy()
        open_rows = np.arange(len(rows))
        for count in range(int((ends - position).max(initial=0)) // self._width + 1):
            done = filled[open_rows] == ends[open_rows]
            counts[open_rows[done]] = count
            open_rows = open_rows[
                (filled[open_rows] < ends[open_rows]) & (position[open_rows] + self._width <= ends[open_rows])
            ]
            if not len(open_rows):
                break
            filled[open_rows] += self._width + self._lens_view[position[open_rows]].astype(np.int64)
            position[open_rows] += self._width
        return counts

    def _count_overlong(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        ends = self.ends[rows]
        corrected = self._count_by_lengths(rows, ends - NOTIFICATION_EXCESS)
        as_stored = np.where(ends <= self._limits[rows], self._count_by_lengths(rows, ends), -1)
        # Lengths may fit both ways: then the event with as many parameters as the table says is meant.
        right = (as_stored == self.declaration.nparams) | (corrected < 0)
        self.ends[rows] = np.where(right, ends, ends - NOTIFICATION_EXCESS)
        return np.where(right, as_stored, corrected)


def number_dtype(type_: ParamType, byteorder: ByteOrder) -> np.dtype[Any]:
    """The numpy dtype of a fixed-size parameter type; addresses are raw bytes."""
    if type_ in {ParamType.IPV4ADDR, ParamType.IPV6ADDR} or type_.size is None:
        return np.dtype(f"V{type_.size or 0}")
    kind = "f" if type_ is ParamType.DOUBLE else "i" if type_.signed else "u"
    return np.dtype(f"{'<' if byteorder == 'little' else '>'}{kind}{type_.size}")


def length_dtype(width: int, byteorder: ByteOrder) -> np.dtype[Any]:
    """The type of a parameter length that takes so many bytes."""
    return np.dtype(f"{'<' if byteorder == 'little' else '>'}u{width}")


# An Arrow binary_view entry: the length, then either up to 12 bytes of text or a prefix, a buffer number and an offset.
_VIEW_BYTES = 16
_INLINE_BYTES = 12
_VIEW_LIMIT = 2**31 - 1


def gather_binary(data: Bytes, starts: Offsets, lengths: Offsets, valid: Mask) -> pa.Array:
    """An Arrow ``binary`` array of ``n`` stretches of ``data``, null where not ``valid``.

    The stretches are described in place first, so that copying them into one buffer is a single Arrow cast.
    """
    import pyarrow as pa

    count = len(starts)
    all_valid = bool(valid.all())
    if len(data) > _VIEW_LIMIT or len(data) < _VIEW_BYTES:
        values = [
            data[start : start + length].tobytes() if there else None
            for start, length, there in zip(starts.tolist(), lengths.tolist(), valid.tolist(), strict=True)
        ]
        return pa.array(values, pa.large_binary() if len(data) > _VIEW_LIMIT else pa.binary())
    views = binary_views(data, starts, lengths if all_valid else np.where(valid, lengths, 0))
    bitmap = None if all_valid else pa.array(valid).buffers()[1]
    array = pa.Array.from_buffers(
        pa.binary_view(),
        count,
        [bitmap, pa.py_buffer(views), pa.py_buffer(data)],
        null_count=0 if all_valid else -1,
    )
    return array.cast(pa.binary())


def binary_views(data: Bytes, starts: Offsets, lengths: Offsets, *, buffer_number: int = 0) -> NDArray[np.uint32]:
    """Arrow ``binary_view`` entries, shape ``(n, 4)``, for ``n`` stretches of ``data``, which is that buffer's number.

    ``data`` must be shorter than 2 GiB.
    """
    if len(data) < _VIEW_BYTES:
        data = np.concatenate((data, np.zeros(_VIEW_BYTES, np.uint8)))
    # The last bytes of the window have no 12 bytes after them to read at once; they are read from a padded copy.
    tail_start = len(data) - _VIEW_BYTES
    views = np.zeros((len(starts), 4), np.uint32)
    views[:, 0] = lengths
    inline = lengths <= _INLINE_BYTES
    in_tail = starts >= tail_start
    words = overlapping(data, np.dtype(("<u4", (3,))))
    views[:, 1:] = words[np.where(in_tail, 0, starts)]
    if in_tail.any():
        tail = np.concatenate((data[tail_start:], np.zeros(_VIEW_BYTES, np.uint8)))
        at = np.flatnonzero(in_tail)
        tail_words = overlapping(tail, np.dtype(("<u4", (3,))))
        views[at, 1:] = tail_words[np.minimum(starts[at] - tail_start, _VIEW_BYTES)]
    views[:, 1:] &= _INLINE_MASKS[np.where(inline, lengths, 4)]
    outside = np.flatnonzero(~inline)
    views[outside, 2] = buffer_number
    views[outside, 3] = starts[outside]
    return views


def _inline_masks() -> NDArray[np.uint32]:
    """For each length up to 12 the three words that keep that many bytes."""
    masks = np.zeros((_INLINE_BYTES + 1, _INLINE_BYTES), np.uint8)
    for length in range(_INLINE_BYTES + 1):
        masks[length, :length] = 255
    return masks.view("<u4")


_INLINE_MASKS = _inline_masks()
