"""Packed numpy dtypes derived from the declarations of fixed-size records."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.codec import ORDER_MARKS, FormatsError
from scap_formats.header import HEAD_FIELDS, fields_before_event, fields_of_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scap_formats.codec import ByteOrder, Schema

#: numpy kind of a `struct` code; widths are the declaration's, not the platform's.
_KINDS = {**dict.fromkeys("BHILQ", "u"), **dict.fromkeys("bhilq", "i"), **dict.fromkeys("fd", "f")}


def dtype_of(schema: Schema) -> np.dtype[Any]:
    """The packed structured dtype of a Record of fixed-size fields.

    Integers keep their byte order, raw bytes become arrays of uint8; the fields of unnamed records are merged, named
    ones nest. Raises FormatsError where a field has no fixed size.
    """
    return np.dtype(list(_fields(schema)))


def _fields(schema: Schema) -> Iterator[tuple[str, Any]]:
    from construct import Bytes, FormatField

    from scap_formats.record import Record, unwrapped

    for subcon in schema.subcons:
        inner = unwrapped(subcon)
        if isinstance(inner, FormatField):
            order, code = inner.fmtstr
            yield subcon.name, np.dtype(f"{order}{_KINDS[code]}{inner.length}")
        elif isinstance(inner, Bytes) and isinstance(inner.length, int):
            yield subcon.name, np.dtype((np.uint8, (inner.length,)))
        elif isinstance(inner, Record):
            if subcon.name:
                yield subcon.name, dtype_of(inner)
            else:
                yield from _fields(inner)
        else:
            raise FormatsError("no fixed size", field=subcon.name)


@cache
def event_block_dtype(has_nparams: bool, has_flags: bool, byteorder: ByteOrder = "little") -> np.dtype[Any]:
    """The fixed-size start of an event block; ``itemsize`` is where the length array begins.

    Fields: ``block_type``, ``block_length``, ``cpu``, ``dump_flags`` where there are flags, ``ts``, ``tid``,
    ``length``, ``type``, and ``nparams`` where the header stores it.
    """
    fields = HEAD_FIELDS + fields_before_event(has_flags=has_flags) + fields_of_event(has_nparams=has_nparams)
    mark = ORDER_MARKS[byteorder]
    return np.dtype([(name, f"{mark}{type_[0]}{int(type_[1:]) // 8}") for name, type_ in fields])
