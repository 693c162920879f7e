"""Arrays: Arrow binary arrays taken apart into bounds and bytes, and put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.columns import Texts

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.columns import Mask

#: The largest offset an Arrow ``binary`` array can hold.
OFFSET_LIMIT = 2**31 - 1


def extents(array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Start and length of every value, shape ``(n,)`` each, and the bytes they lie in; the length of a null is 0."""
    import pyarrow as pa

    width = np.int64 if array.type == pa.large_binary() else np.int32
    _, offsets, content = array.buffers()
    if offsets is None or not len(array):
        empty = np.zeros(len(array), np.int64)
        return empty, empty, np.zeros(0, np.uint8)
    bounds = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    lengths = np.diff(bounds)
    if array.null_count:
        lengths[~Texts(array).validity()] = 0
    return bounds[:-1], lengths, np.zeros(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)


def packed(array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The ``n + 1`` bounds of the values and their bytes one after the other, nothing between or around them."""
    import pyarrow as pa

    starts, lengths, content = extents(array)
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    if len(starts) and not np.array_equal(starts - starts[0], bounds[:-1]):
        starts, _, content = extents(array.take(pa.array(np.arange(len(array)))))
    first = int(starts[0]) if len(starts) else 0
    return bounds, content[first : first + int(bounds[-1])]


def binary_of(bounds: NDArray[np.int64], content: NDArray[np.uint8], valid: Mask | None = None) -> pa.Array:
    """An array of the values ``content[bounds[i]:bounds[i + 1]]``, null where not ``valid``; None means all are."""
    import pyarrow as pa

    large = int(bounds[-1]) > OFFSET_LIMIT
    type_ = pa.large_binary() if large else pa.binary()
    bitmap = None if valid is None or valid.all() else pa.array(valid).buffers()[1]
    offsets = pa.py_buffer(np.ascontiguousarray(bounds, np.int64 if large else np.int32))
    buffers = [bitmap, offsets, pa.py_buffer(np.ascontiguousarray(content))]
    return pa.Array.from_buffers(type_, len(bounds) - 1, buffers, null_count=0 if bitmap is None else -1)


def validity_of(array: pa.Array) -> Mask | None:
    """True where there is a value, None where there is one everywhere."""
    return Texts(array).validity() if array.null_count else None


def constant(text: bytes, like: pa.Array) -> pa.Scalar:
    """One value of an array's type; made by way of an array, which takes Arrow a twentieth of the time."""
    import pyarrow as pa

    return pa.array([text], like.type)[0]


def enclosed(before: bytes, array: pa.Array, after: bytes) -> pa.Array:
    """Every value with ``before`` in front and ``after`` behind; nulls stay."""
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(constant(before, array), array, constant(after, array), constant(b"", array))


def some_text(array: pa.Array) -> Mask:
    """True where there is a value that is not empty, shape ``(n,)``."""
    return np.asarray(extents(array)[1] > 0)
