"""Thrift's compact protocol, as far as the footer of a Parquet file needs it: structures as trees, and back to bytes.

A structure is a dictionary from field numbers to pairs of a type and a value; a list is a pair of its elements' type
and their values. Numbers are integers, texts and binaries bytes, a double its eight bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeAlias

from scaptools.errors import ExportError

Struct: TypeAlias = "dict[int, tuple[int, Any]]"


class Kind(IntEnum):
    """Types of fields and of the elements of lists."""

    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    STRUCT = 12


_NUMBERS = frozenset({Kind.I16, Kind.I32, Kind.I64})
_TRUTHS = frozenset({Kind.TRUE, Kind.FALSE})
_LISTS = frozenset({Kind.LIST, Kind.SET})
_LONG = 15


def parse_struct(data: bytes) -> Struct:
    """The structure some bytes start with. Raises ExportError for bytes that are none."""
    try:
        return _Parser(data).struct()
    except IndexError as error:
        raise ExportError("a structure that is cut off") from error


class _Parser:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Struct:
        found: Struct = {}
        number = 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            found[number] = kind, kind == Kind.TRUE if kind in _TRUTHS else self._value(kind)
        return found

    def _value(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return self._zigzag()
        if kind == Kind.BINARY:
            return self._bytes(self._varint())
        if kind == Kind.STRUCT:
            return self.struct()
        if kind in _LISTS:
            head = self._byte()
            count, inner = head >> 4, head & 15
            count = self._varint() if count == _LONG else count
            return inner, [self._value(inner) for _ in range(count)]
        if kind == Kind.DOUBLE:
            return self._bytes(8)
        if kind == Kind.BYTE or kind in _TRUTHS:
            return self._byte()
        raise ExportError(f"a structure with a field of type {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def build_struct(struct: Struct) -> bytes:
    """The bytes of a structure."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


def _put_struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for number, (kind, value) in sorted(struct.items()):
        if 0 < number - before <= _LONG:
            out.append((number - before) << 4 | kind)
        else:
            out.append(kind)
            _put_zigzag(out, number)
        before = number
        if kind not in _TRUTHS:
            _put_value(out, kind, value)
    out.append(0)


def _put_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _NUMBERS:
        _put_zigzag(out, value)
    elif kind == Kind.BINARY:
        _put_varint(out, len(value))
        out += value
    elif kind == Kind.STRUCT:
        _put_struct(out, value)
    elif kind in _LISTS:
        inner, values = value
        if len(values) < _LONG:
            out.append(len(values) << 4 | inner)
        else:
            out.append(_LONG << 4 | inner)
            _put_varint(out, len(values))
        for element in values:
            _put_value(out, inner, element)
    elif kind == Kind.DOUBLE:
        out += value
    else:
        out.append(value)


def _put_varint(out: bytearray, value: int) -> None:
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _put_zigzag(out: bytearray, value: int) -> None:
    _put_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)
