"""Text columns cut out of a buffer.

Values stay bytes. A column is an Arrow array of type `text_type`, a missing value is a null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scaptools.columns import Coded, Lists, Numbers, Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from scaptools.columns import Column, Mask


#: Buffers from this size on give ``large_binary`` columns; well below 2 GiB, so that joined columns fit as well.
_LARGE: Final = 1 << 29


def text_type(buffer: pa.Buffer) -> pa.DataType:
    """The type of columns cut out of a buffer: ``binary``, or ``large_binary`` where that might not do."""
    return pa.large_binary() if buffer.size >= _LARGE else pa.binary()


def slices(buffer: pa.Buffer, start: NDArray[np.int64], end: NDArray[np.int64], present: Mask) -> pa.Array:
    """The bytes ``start[i]`` to ``end[i]`` of the buffer, null where not ``present``.

    The slices of the present rows must be in ascending order and not overlap.
    """
    kind = text_type(buffer)
    rows = np.flatnonzero(present)
    # Slices and what lies between them, in turn, are an array over the buffer as it is; taking every other value of
    # it is the only copy made.
    edges = np.zeros(2 * len(rows) + 1, np.int64 if pa.types.is_large_binary(kind) else np.int32)
    edges[0:-1:2] = start[rows]
    edges[1::2] = end[rows]
    edges[-1] = edges[-2] if len(rows) else 0
    turns = pa.Array.from_buffers(kind, 2 * len(rows), [None, pa.py_buffer(edges), buffer])
    if len(rows) == len(present):
        return turns.take(row_numbers(np.arange(0, 2 * len(rows), 2)))
    picks = np.zeros(len(present), np.int64)
    picks[rows] = np.arange(0, 2 * len(rows), 2)
    return turns.take(row_numbers(picks, present))


def replaced(array: pa.Array, rows: NDArray[np.intp], values: Sequence[bytes | None]) -> pa.Array:
    """The array with other values in some rows; ``rows`` is in ascending order."""
    if not len(rows):
        return array
    mask = np.zeros(len(array), bool)
    mask[rows] = True
    return pc.replace_with_mask(array, truths(mask), pa.array(values, array.type))


def cut_at_nul(array: pa.Array) -> pa.Array:
    """Every value up to its first NUL byte."""
    edges, values = edges_of(array)
    nuls = np.flatnonzero(values[int(edges[0]) : int(edges[-1])] == 0) + edges[0] if len(array) else edges[:0]
    if not len(nuls):
        return array
    rows = np.unique(np.searchsorted(edges, nuls, "right") - 1)
    cut = [value if value is None else value[: value.find(b"\0")] for value in array.take(rows).to_pylist()]
    return replaced(array, rows, cut)


def column_of(found: Column | pa.Array) -> Column:
    """What an extraction rule found as a column, texts up to their first NUL byte as the C interface passes them."""
    match found:
        case Numbers() as numbers:
            return numbers
        case Coded(codes, values):
            return Coded(codes, _cut(values))
        case Lists(offsets, values, valid):
            return Lists(offsets, _cut(values), valid)
        case array:
            return Texts(cut_at_nul(array))


def _cut(values: Numbers | Texts) -> Numbers | Texts:
    return Texts(cut_at_nul(values.array)) if isinstance(values, Texts) else values


def edges_of(array: pa.Array) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Where the values of a ``binary`` or ``large_binary`` array begin and end, shape ``(n + 1,)``, and the bytes."""
    _, offsets, values = array.buffers()
    wide = pa.types.is_large_binary(array.type)
    if offsets is None or not offsets.size:
        edges: NDArray[Any] = np.zeros(len(array) + 1, np.int64)
    else:
        edges = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    return edges, np.frombuffer(values if values is not None else b"", np.uint8)


def map_distinct(array: pa.Array, function: Callable[[bytes], bytes | None]) -> Coded:
    """The column of ``function``'s results, called once for each distinct value; missing stays missing."""
    encoded = array.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    values = [function(value) for value in encoded.dictionary.to_pylist()]
    return Coded(codes, Texts(pa.array(values, array.type)))


# Wrapping buffers costs a few microseconds; ``pa.array`` looks for pandas at every call where it is not installed.


def truths(mask: Mask) -> pa.Array:
    """A numpy mask as an Arrow array."""
    bits = np.packbits(mask, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, pa.py_buffer(bits)])


def row_numbers(rows: NDArray[np.int64], present: Mask | None = None) -> pa.Array:
    """Numpy row numbers as an Arrow array, null where not ``present``."""
    bits = None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(rows), [bits, pa.py_buffer(np.ascontiguousarray(rows, np.int64))])
