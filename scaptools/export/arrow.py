"""Captures as Arrow tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scap_formats.types import ParamType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import BoundField


def select_table(matches: Iterable[tuple[EventBatch, NDArray[np.intp]]], fields: Sequence[BoundField]) -> pa.Table:
    """One row per matching event, one column per field; missing values are nulls, text that is no UTF-8 is escaped."""
    import pyarrow as pa

    chunks: list[list[pa.Array]] = [[] for _ in fields]
    for batch, rows in matches:
        for place, field in enumerate(fields):
            chunks[place].append(_typed(field.column(batch, rows).to_arrow(), field))
    arrays = [
        pa.chunked_array(pieces) if pieces else pa.chunked_array([], arrow_type(field))
        for pieces, field in zip(chunks, fields, strict=True)
    ]
    return pa.table(dict(zip((field.name for field in fields), arrays, strict=True)))


def arrow_type(field: BoundField) -> pa.DataType:
    """The Arrow type of a field's column."""
    import pyarrow as pa

    if field.type is ParamType.BYTEBUF:
        inner = pa.binary()
    elif field.type is ParamType.BOOL:
        inner = pa.bool_()
    elif field.type is ParamType.ABSTIME:
        inner = pa.timestamp("ns", "UTC")
    elif field.type is ParamType.DOUBLE:
        inner = pa.float64()
    elif field.type.size is None or field.type in {ParamType.IPV4ADDR, ParamType.IPV6ADDR}:
        inner = pa.string()
    else:
        inner = pa.int64() if field.type.signed else pa.uint64()
    return pa.list_(inner) if field.is_list else inner


def _typed(array: pa.Array, field: BoundField) -> pa.Array:
    import pyarrow as pa

    wanted = arrow_type(field)
    text = pa.types.is_string(wanted) and (pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type))
    if not text:
        return array.cast(wanted)
    try:
        return array.cast(wanted)
    except pa.ArrowInvalid:
        values = [None if value is None else value.decode("utf-8", "backslashreplace") for value in array.to_pylist()]
        return pa.array(values, wanted)
