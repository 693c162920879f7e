"""The one door to Construct: byte orders, and parsing and building with a single exception type.

Schemas are functions of the byte order and cached, so that one declaration serves both. Raw network addresses
are declared as bytes and never swapped. Construct is imported with the first schema: to read events takes none.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from construct import ConstructError

ByteOrder: TypeAlias = Literal["little", "big"]
#: A Construct declaration.
Schema: TypeAlias = Any
#: What a record parses to: a dict whose keys are attributes as well.
Value: TypeAlias = Any
Buffer: TypeAlias = "bytes | bytearray | memoryview"

#: Byte orders as `struct` marks them.
ORDER_MARKS: dict[ByteOrder, str] = {"little": "<", "big": ">"}


class FormatsError(ValueError):
    """Bytes that do not fit their layout, or a value that its layout cannot hold.

    ``offset`` is where in the data that was handed over reading or writing stopped, plus the caller's base;
    ``field`` is the path of the field where it is known, such as ``entries[3].comm``.
    """

    def __init__(self, message: str, *, offset: int | None = None, field: str | None = None) -> None:
        where = "" if field is None else f"{field}: "
        super().__init__(f"{where}{message}")
        self.message = message
        self.offset = offset
        self.field = field


@dataclass(frozen=True, slots=True)
class Integers:
    """The fixed-size numbers of one byte order, as Construct declarations."""

    u8: Schema
    u16: Schema
    u32: Schema
    u64: Schema
    i8: Schema
    i16: Schema
    i32: Schema
    i64: Schema
    f64: Schema


@cache
def integers(byteorder: ByteOrder) -> Integers:
    """Return the numbers of a byte order."""
    from construct import FormatField

    codes = {
        "u8": "B",
        "u16": "H",
        "u32": "L",
        "u64": "Q",
        "i8": "b",
        "i16": "h",
        "i32": "l",
        "i64": "q",
        "f64": "d",
    }
    mark = ORDER_MARKS[byteorder]
    return Integers(**{name: FormatField(mark, code) for name, code in codes.items()})


def parse(schema: Schema, data: Buffer, *, offset: int = 0, complete: bool = False) -> Value:
    """Parse ``data`` according to ``schema``.

    ``offset`` is added to the offset an error carries; with ``complete`` bytes left over are an error. Raises
    FormatsError.
    """
    from construct import ConstructError

    stream = io.BytesIO(data)
    try:
        value = schema.parse_stream(stream)
    except ConstructError as error:
        raise _translated(error, offset + stream.tell()) from error
    if complete and stream.tell() != len(data):
        raise FormatsError(f"{len(data) - stream.tell()} bytes left over", offset=offset + stream.tell())
    return value


def build(schema: Schema, value: Mapping[str, Any] | Sequence[Any] | Value) -> bytes:
    """Build the bytes of ``value`` according to ``schema``. Raises FormatsError."""
    from construct import ConstructError

    stream = io.BytesIO()
    try:
        schema.build_stream(value, stream)
    except ConstructError as error:
        raise _translated(error, stream.tell()) from error
    return stream.getvalue()


def _translated(error: ConstructError, offset: int) -> FormatsError:
    _whole, *parts = (error.path or "").split(" -> ")
    message = str(error).rpartition("\n")[2]
    return FormatsError(message, offset=offset, field=".".join(parts).replace(".[", "[") or None)
