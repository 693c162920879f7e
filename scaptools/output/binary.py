"""What Arrow ``binary`` and ``large_binary`` arrays have in common: sizes, types, and joining them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from scaptools.columns import concatenated
from scaptools.fields.paramtext.arrays import OFFSET_LIMIT


def size(array: pa.Array) -> int:
    """The number of bytes of all values together."""
    return len(concatenated(array))


def roomy(array: pa.Array, total: int) -> pa.Array:
    """The same values, in an array of a type that can hold ``total`` bytes."""
    if total <= OFFSET_LIMIT or array.type == pa.large_binary():
        return array
    return array.cast(pa.large_binary())


def as_text(array: pa.Array) -> pa.Array:
    """The same bytes labelled as text, unchecked: for kernels that exist for text only."""
    return array.view(pa.large_string() if array.type == pa.large_binary() else pa.string())


def as_binary(array: pa.Array) -> pa.Array:
    """The inverse of `as_text`."""
    return array.view(pa.large_binary() if array.type == pa.large_string() else pa.binary())


def joined(*parts: pa.Array | bytes, separator: bytes = b"", missing: bytes | None = None) -> pa.Array:
    """Arrays and literals joined row by row; at least one has to be an array.

    A null in any of them makes the row null, or stands for ``missing`` where that is given.
    """
    large = any(not isinstance(part, bytes) and part.type == pa.large_binary() for part in parts)
    type_ = pa.large_binary() if large else pa.binary()
    # Scalars are always made with their type: finding it out takes Arrow longer than joining a short column.
    typed = [pa.scalar(part, type_) if isinstance(part, bytes) else part.cast(type_) for part in parts]
    if len(typed) == 1 and (missing is None or not typed[0].null_count):
        return typed[0]
    nulls = {"null_handling": "emit_null"}
    if missing is not None:
        nulls = {"null_handling": "replace", "null_replacement": missing.decode()}
    return pc.binary_join_element_wise(*typed, pa.scalar(separator, type_), **nulls)
