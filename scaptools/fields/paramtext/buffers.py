"""Buffers: bytes as dots, readable text, base64 or a hex dump.

Dots are made for whole columns at once; the other modes are for reading by people and render each distinct buffer once.
"""

from __future__ import annotations

import base64
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from scaptools.capture.parameters import gather_binary
from scaptools.columns import Coded, Texts
from scaptools.fields.paramtext.arrays import binary_of, packed, validity_of
from scaptools.fields.paramtext.printable import dotted
from scaptools.fields.paramtext.style import BufferMode
from scaptools.fields.paramtext.values import ParamText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.fields.paramtext.style import TextStyle
    from scaptools.fields.paramtext.values import ParamValues

_ELLIPSIS = b"..."
_ROW_BYTES = 16
#: Width of a full row's digits with the blanks in front of them, in a dump that has characters behind.
_DIGITS_WIDTH = 42
_LINE_END = re.compile(rb"\r\n?|\A\n")
_UNREADABLE = re.compile(rb"[^\n\x20-\x7e]+")
_DOTS = bytes(byte if 0x20 <= byte < 0x7F else ord(".") for byte in range(256))


def buffer(values: ParamValues) -> ParamText:
    """BYTEBUF: the bytes in the style's mode."""
    column, style = values.column, values.style
    if style.buffers is not BufferMode.DOTS or style.limit is None:
        return ParamText(buffer_text(column.bytes().array, style))
    # No more is read than will be shown, and what tells whether there is more.
    shown = np.minimum(column.lengths, style.limit + 1)
    return ParamText(buffer_text(gather_binary(column.data, column.starts, shown, column.lengths > 0), style))


def buffer_text(array: pa.Array, style: TextStyle) -> TextColumn:
    """Binary values of shape ``(n,)`` as text in the mode of a style, nulls as nulls."""
    if style.buffers is BufferMode.DOTS:
        return Texts(_dots(array, style.limit))
    return rendered_once(array, _RENDERERS[style.buffers])


def rendered_once(array: pa.Array, render: Callable[[bytes], bytes | None]) -> Coded:
    """Binary values of shape ``(n,)`` as text, each distinct one rendered once, nulls as missing."""
    encoded = array.dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1))
    return Coded(codes, Texts.of(render(value) for value in encoded.dictionary.to_pylist()))


def _dots(array: pa.Array, limit: int | None) -> pa.Array:
    bounds, content = packed(array)
    lengths = np.diff(bounds)
    if limit is None or not len(lengths) or int(lengths.max()) <= limit:
        return binary_of(bounds, dotted(content), validity_of(array))
    long = lengths > limit
    # Long values lose their end and get an ellipsis in place of their last characters.
    kept = np.minimum(lengths, limit)
    keep = np.arange(len(content)) < np.repeat(bounds[:-1] + kept, lengths)
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)))
    content = dotted(content[keep])
    ellipsis = np.frombuffer(_ELLIPSIS, np.uint8)
    places = bounds[1:][long, None] + np.arange(-len(ellipsis), 0)
    content[places] = ellipsis
    return binary_of(bounds, content, validity_of(array))


def ascii_text(value: bytes) -> bytes:
    """A newline, then the printable bytes and line ends; a carriage return is a line end of its own."""
    return b"\n" + readable(value) if value else b""


def readable(value: bytes) -> bytes:
    """The printable bytes and line ends of a buffer, without a line end at the very beginning."""
    ends = _LINE_END.sub(lambda match: b"\n" if match[0].startswith(b"\r") else b"", value)
    return _UNREADABLE.sub(b"", ends)


def base64_text(value: bytes) -> bytes:
    """Base64 with padding, on one line."""
    return base64.b64encode(value)


def hex_dump(value: bytes) -> bytes:
    """Rows of 16 bytes, offset in front, every row on a line of its own."""
    return _dump(value, characters=False)


def hex_ascii_dump(value: bytes) -> bytes:
    """The same as `hex_dump` with the characters behind the digits."""
    return _dump(value, characters=True)


def _dump(value: bytes, *, characters: bool) -> bytes:
    if not value:
        return b""
    lines = []
    for offset in range(0, len(value), _ROW_BYTES):
        row = value[offset : offset + _ROW_BYTES]
        pairs = "".join(f" {row[at : at + 2].hex()}" for at in range(0, len(row), 2)).encode()
        if characters:
            # An odd byte at the end counts as a whole pair when the row is filled up.
            pairs = pairs.ljust(_DIGITS_WIDTH - 2 * (len(row) % 2)) + row.translate(_DOTS)
        lines.append(b"\n\t0x%04x:" % offset + pairs)
    return b"".join(lines) + b"\n"


_RENDERERS: Mapping[BufferMode, Callable[[bytes], bytes]] = MappingProxyType(
    {
        BufferMode.ASCII: ascii_text,
        BufferMode.BASE64: base64_text,
        BufferMode.HEX: hex_dump,
        BufferMode.HEX_ASCII: hex_ascii_dump,
    }
)
