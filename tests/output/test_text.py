from __future__ import annotations

import ipaddress
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.types import FIXED_SIZES, ParamType, PrintFormat
from scaptools.columns import Coded, Column, Lists, Numbers, Texts
from scaptools.fields.paramtext.style import BufferMode, TextStyle
from scaptools.output.text import ADDRESS_TYPES, INTEGER_TYPES, fitted, joined_lists, render

MakeColumn = Callable[..., Column]


def integer_text(type_: ParamType, format_: PrintFormat, value: int) -> bytes:
    """What C prints for one integer."""
    if format_ in {PrintFormat.HEX, PrintFormat.OCT}:
        unsigned = value % 2 ** max(32, 8 * FIXED_SIZES[type_])
        return b"%X" % unsigned if format_ is PrintFormat.HEX else b"%o" % unsigned
    return b"%09d" % value if format_ is PrintFormat.PADDED_DEC else b"%d" % value


@st.composite
def integer_columns(draw: st.DrawFn) -> tuple[ParamType, PrintFormat, list[int | None]]:
    type_ = draw(st.sampled_from(sorted(INTEGER_TYPES)))
    bits = 8 * FIXED_SIZES[type_]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if type_.signed else (0, 2**bits - 1)
    value = st.integers(low, high) | st.integers(0, min(high, 20))
    values = draw(st.lists(st.none() | value, max_size=30))
    return type_, draw(st.sampled_from(PrintFormat)), values


@given(column=integer_columns(), form=st.sampled_from(["plain", "coded"]))
def test_integers(make_column: MakeColumn, column: tuple[Any, ...], form: str) -> None:
    type_, format_, values = column
    text = render(make_column(type_, values, form), type_, format_).to_arrow()
    assert text.to_pylist() == [None if v is None else integer_text(type_, format_, v) for v in values]


@pytest.mark.parametrize(
    ("type_", "format_", "value", "expected"),
    [
        (ParamType.INT16, PrintFormat.HEX, -1, b"FFFFFFFF"),
        (ParamType.INT64, PrintFormat.HEX, -1, b"FFFFFFFFFFFFFFFF"),
        (ParamType.INT32, PrintFormat.HEX, 0x55C4, b"55C4"),
        (ParamType.UINT32, PrintFormat.OCT, 0o644, b"644"),
        (ParamType.RELTIME, PrintFormat.PADDED_DEC, 42, b"000000042"),
        (ParamType.RELTIME, PrintFormat.PADDED_DEC, 12345678901, b"12345678901"),
        (ParamType.PORT, PrintFormat.NA, 443, b"443"),
        (ParamType.UINT64, PrintFormat.ID, 2**64 - 1, b"18446744073709551615"),
        (ParamType.BOOL, PrintFormat.NA, 1, b"true"),
        (ParamType.BOOL, PrintFormat.NA, 0, b"false"),
        (ParamType.DOUBLE, PrintFormat.NA, 12.34, b"12.3"),
        (ParamType.CHARBUF, PrintFormat.NA, b"a\0b", b"a"),
        (ParamType.FSPATH, PrintFormat.NA, b"", b""),
        (ParamType.BYTEBUF, PrintFormat.NA, b"\x7fELF\n", b".ELF."),
        (ParamType.IPADDR, PrintFormat.NA, bytes([10, 0, 0, 1]), b"10.0.0.1"),
        (ParamType.IPV6ADDR, PrintFormat.NA, bytes(15) + b"\1", b"::1"),
        (ParamType.IPNET, PrintFormat.NA, bytes(8), None),
        (ParamType.SOCKADDR, PrintFormat.NA, b"\1/dev/log\0", None),
    ],
)
def test_golden(make_column: MakeColumn, type_: ParamType, format_: PrintFormat, value: Any, expected: bytes) -> None:
    assert render(make_column(type_, [value]), type_, format_).to_arrow().to_pylist() == [expected]


TENTHS = st.integers(-(10**6), 10**6).map(lambda n: n / 20)


@given(st.lists(st.none() | st.floats() | TENTHS, max_size=20))
def test_doubles_are_rounded_as_by_c(make_column: MakeColumn, values: list[float | None]) -> None:
    text = render(make_column(ParamType.DOUBLE, values), ParamType.DOUBLE, PrintFormat.NA).to_arrow()
    assert text.to_pylist() == [None if value is None else b"%.1f" % value for value in values]


@pytest.mark.parametrize("value", [0.05, 0.15, 0.25, 0.35, 0.45, 2.5, -0.04, -0.0, 1e300, math.inf, -math.inf])
def test_doubles_at_and_near_ties(make_column: MakeColumn, value: float) -> None:
    text = render(make_column(ParamType.DOUBLE, [value]), ParamType.DOUBLE, PrintFormat.NA).to_arrow()
    assert text.to_pylist() == [b"%.1f" % value]


@given(st.lists(st.none() | st.integers(0, 5), max_size=30), st.sampled_from(["plain", "coded"]))
def test_truth_values(make_column: MakeColumn, values: list[int | None], form: str) -> None:
    text = render(make_column(ParamType.BOOL, values, form), ParamType.BOOL, PrintFormat.NA).to_arrow()
    assert text.to_pylist() == [None if v is None else b"true" if v else b"false" for v in values]


@given(st.lists(st.none() | st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), max_size=20))
def test_addresses(make_column: MakeColumn, values: list[bytes | None]) -> None:
    # Addresses that stand for IPv4 ones are written by C with dots.
    values = [None if v is not None and v.startswith(bytes(10)) else v for v in values]
    for type_ in ADDRESS_TYPES:
        text = render(make_column(type_, values), type_, PrintFormat.NA).to_arrow()
        assert text.to_pylist() == [None if v is None else str(ipaddress.ip_address(v)).encode() for v in values]


@given(st.lists(st.none() | st.binary(max_size=9), max_size=20), st.sampled_from(["plain", "coded"]))
def test_strings_end_at_nul(make_column: MakeColumn, values: list[bytes | None], form: str) -> None:
    text = render(make_column(ParamType.CHARBUF, values, form), ParamType.CHARBUF, PrintFormat.NA).to_arrow()
    assert text.to_pylist() == [None if value is None else value.partition(b"\0")[0] for value in values]


def test_buffers_follow_the_style(make_column: MakeColumn) -> None:
    column = make_column(ParamType.BYTEBUF, [b"x" * 81, b"\0a", None])
    dots = render(column, ParamType.BYTEBUF, PrintFormat.NA).to_arrow().to_pylist()
    assert dots == [b"x" * 77 + b"...", b".a", None]
    base64 = render(column, ParamType.BYTEBUF, PrintFormat.NA, TextStyle(buffers=BufferMode.BASE64))
    assert base64.to_arrow().to_pylist()[1:] == [b"AGE=", None]


@given(st.lists(st.none() | st.lists(st.none() | st.integers(-9, 9), max_size=4), max_size=10))
def test_lists(make_column: MakeColumn, values: list[list[int | None] | None]) -> None:
    text = render(make_column(ParamType.INT64, values, "lists"), ParamType.INT64, PrintFormat.DEC).to_arrow()
    texts = [
        None if row is None else b"(" + b",".join(b"<NA>" if e is None else b"%d" % e for e in row) + b")"
        for row in values
    ]
    assert text.to_pylist() == texts


def test_lists_of_part_of_a_column() -> None:
    column = Lists(np.array([0, 2, 3]), Texts.of([b"a", b"b", b"c", b"never"])).take(slice(1, 2))
    assert render(column, ParamType.CHARBUF, PrintFormat.NA).to_arrow().to_pylist() == [b"(c)"]
    assert joined_lists(column, column.values.to_arrow(), b"[", b"|", b"]").to_pylist() == [b"[c]"]


def test_coded_column_with_more_values_than_rows(make_column: MakeColumn) -> None:
    column = Coded(np.array([5, -1]), Numbers(np.arange(10)))
    assert render(column, ParamType.INT64, PrintFormat.DEC).to_arrow().to_pylist() == [b"5", None]


def test_numbers_in_big_endian(make_column: MakeColumn) -> None:
    column = Numbers(np.frombuffer(struct.pack(">3i", -1, 2, 300_000), ">i4"))
    texts = {PrintFormat.DEC: [b"-1", b"2", b"300000"], PrintFormat.HEX: [b"FFFFFFFF", b"2", b"493E0"]}
    for format_, expected in texts.items():
        assert render(column, ParamType.INT32, format_).to_arrow().to_pylist() == expected


@given(
    st.lists(st.none() | st.binary(max_size=12), max_size=20), st.integers(1, 15), st.sampled_from(["plain", "coded"])
)
def test_fitted(make_column: MakeColumn, values: list[bytes | None], width: int, form: str) -> None:
    text = fitted(make_column(ParamType.CHARBUF, values, form), width).to_arrow()  # type: ignore[arg-type]
    assert text.to_pylist() == [(b"<NA>" if value is None else value)[:width].ljust(width) for value in values]
