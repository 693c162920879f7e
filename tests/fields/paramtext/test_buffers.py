"""Buffers in every mode: what sysdig prints, and whole columns against one value at a time."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.types import ParamType
from scaptools.fields.paramtext import BufferMode, TextStyle, buffer_text
from scaptools.fields.paramtext.printable import until_nul, with_dots, without_unprintable
from tests.fields.paramtext_values import texts

_HTTP = b"hello\r\n\r\nworld\n\tx\x01y\xff\n"
_BUFFERS = st.lists(st.none() | st.binary(max_size=200), max_size=20)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", b""),
        (b"\0", b"."),
        (b"a\0b", b"a.b"),
        (b"\xc3\xa9\x7f~ ", b"...~ "),
        (_HTTP, b"hello....world..x.y.."),
        (b"x" * 80, b"x" * 80),
        (b"x" * 81, b"x" * 77 + b"..."),
        (b"x" * 77 + b"abcd", b"x" * 77 + b"..."),
        (b"\0" * 81, b"." * 80),
    ],
)
def test_dots(value: bytes, text: bytes) -> None:
    assert texts(ParamType.BYTEBUF, [value]) == [(text, b"")]


def test_dots_without_a_limit() -> None:
    value = bytes(range(256))
    (text, _), *_ = texts(ParamType.BYTEBUF, [value], style=TextStyle(limit=None))
    assert text == b"." * 32 + bytes(range(32, 127)) + b"." * 129


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", b""),
        (_HTTP, b"\nhello\n\nworld\nxy\n"),
        (b"\n\nab", b"\n\nab"),
        (b"\r", b"\n\n"),
        (b"a\r\r\nb", b"\na\n\nb"),
        (b"\r\na", b"\n\na"),
        (b"\x01\na", b"\n\na"),
        (b"ab\0cd\0", b"\nabcd"),
    ],
)
def test_readable_text(value: bytes, text: bytes) -> None:
    assert texts(ParamType.BYTEBUF, [value], style=TextStyle(buffers=BufferMode.ASCII)) == [(text, b"")]


def test_base64() -> None:
    style = TextStyle(buffers=BufferMode.BASE64)
    assert texts(ParamType.BYTEBUF, [b"\n\nab", b"abc", b""], style=style) == [
        (b"CgphYg==", b""),
        (b"YWJj", b""),
        (b"", b""),
    ]


def test_hex_dumps() -> None:
    value = b"z" * 16 + b"\x0d\x0a\x61"
    plain = b"\n\t0x0000: 7a7a 7a7a 7a7a 7a7a 7a7a 7a7a 7a7a 7a7a\n\t0x0010: 0d0a 61\n"
    assert texts(ParamType.BYTEBUF, [value], style=TextStyle(buffers=BufferMode.HEX)) == [(plain, b"")]
    both = TextStyle(buffers=BufferMode.HEX_ASCII)
    assert texts(ParamType.BYTEBUF, [value, b"", b"ab"], style=both) == [
        (
            b"\n\t0x0000: 7a7a 7a7a 7a7a 7a7a 7a7a 7a7a 7a7a 7a7a  zzzzzzzzzzzzzzzz"
            b"\n\t0x0010: 0d0a 61" + b" " * 32 + b"..a\n",
            b"",
        ),
        (b"", b""),
        (b"\n\t0x0000: 6162" + b" " * 37 + b"ab\n", b""),
    ]


def test_an_absent_buffer_has_no_text() -> None:
    assert texts(ParamType.BYTEBUF, [None, b"", b"a"]) == [(None, b""), (b"", b""), (b"a", b"")]


def _dots(value: bytes, limit: int | None) -> bytes:
    text = bytes(byte if 0x20 <= byte < 0x7F else 0x2E for byte in value)
    return text if limit is None or len(text) <= limit else text[: limit - 3] + b"..."


@given(_BUFFERS, st.sampled_from([None, 3, 80, 199]))
def test_dots_of_columns(values: list[bytes | None], limit: int | None) -> None:
    expected = [None if value is None else _dots(value, limit) for value in values]
    style = TextStyle(limit=limit)
    for type_ in (pa.binary(), pa.large_binary()):
        assert buffer_text(pa.array(values, type_), style).to_arrow().to_pylist() == expected
    longer = pa.array([b"in front", *values, b"behind"], pa.binary())
    assert buffer_text(longer[1:-1], style).to_arrow().to_pylist() == expected


@given(_BUFFERS, st.sampled_from(list(BufferMode)))
def test_every_mode_renders_each_value_by_itself(values: list[bytes | None], mode: BufferMode) -> None:
    style = TextStyle(buffers=mode)
    together = buffer_text(pa.array(values, pa.binary()), style).to_arrow().to_pylist()
    alone = [buffer_text(pa.array([value], pa.binary()), style).to_arrow()[0].as_py() for value in values]
    assert together == alone


@given(_BUFFERS)
def test_printable_columns(values: list[bytes | None]) -> None:
    array = pa.array(values, pa.binary())
    dots = [None if value is None else _dots(value, None) for value in values]
    printable = [None if value is None else bytes(b for b in value if 0x20 <= b < 0x7F) for value in values]
    ended = [None if value is None else value.partition(b"\0")[0] for value in values]
    assert with_dots(array).to_pylist() == dots
    assert without_unprintable(array).to_pylist() == printable
    assert until_nul(array).to_pylist() == ended
    assert until_nul(array[1:]).to_pylist() == ended[1:]


def test_bytes_beyond_one_piece_of_work() -> None:
    value = b"a\0" * 100_000
    assert with_dots(pa.array([value, b"\n"])).to_pylist() == [b"a." * 100_000, b"."]


def test_nulls_that_hold_bytes_hold_no_text() -> None:
    offsets = pa.py_buffer(b"".join(number.to_bytes(4, "little") for number in (0, 2, 5, 7)))
    bitmap = pa.array([True, False, True]).buffers()[1]
    array = pa.Array.from_buffers(pa.binary(), 3, [bitmap, offsets, pa.py_buffer(b"a\0xyz\0b")])
    assert with_dots(array).to_pylist() == [b"a.", None, b".b"]
    assert until_nul(array).to_pylist() == [b"a", None, b""]
