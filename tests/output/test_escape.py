from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaptools.columns import Coded, Texts
from scaptools.output.escape import JSON_LEGIBLE, JSON_REPLACING, TAB_SEPARATED, TERMINAL

#: Bytes that are often special, so that several occur in one value.
VALUES = (
    st.none()
    | st.binary(max_size=8)
    | st.text(alphabet='ab"\\\n\t\r\x00\x1f\x7fé€\U0001f600', max_size=8).map(str.encode)
)


@pytest.mark.parametrize(("escaping", "errors"), [(JSON_REPLACING, "replace"), (JSON_LEGIBLE, "backslashreplace")])
@given(values=st.lists(VALUES, max_size=12))
def test_json_strings(escaping: object, errors: str, values: list[bytes | None]) -> None:
    escaped = (JSON_REPLACING if escaping is JSON_REPLACING else JSON_LEGIBLE).array(pa.array(values, pa.binary()))
    for value, text in zip(values, escaped.to_pylist(), strict=True):
        if value is None:
            assert text is None
        else:
            assert json.loads(b'"%b"' % text) == value.decode("utf-8", errors)


@given(st.lists(VALUES, max_size=12))
def test_tab_separated_values_can_be_read_back(values: list[bytes | None]) -> None:
    escaped = TAB_SEPARATED.array(pa.array(values, pa.binary())).to_pylist()
    for value, text in zip(values, escaped, strict=True):
        if value is None:
            assert text is None
            continue
        assert not set(text) & set(b"\t\n\r")
        unescaped = text.replace(rb"\\", b"\0\0").replace(rb"\t", b"\t").replace(rb"\n", b"\n").replace(rb"\r", b"\r")
        if b"\0" not in value:
            assert unescaped.replace(b"\0\0", b"\\") == value


@given(st.lists(VALUES, max_size=12))
def test_terminals_are_sent_text_only(values: list[bytes | None]) -> None:
    for value, text in zip(values, TERMINAL.array(pa.array(values, pa.binary())).to_pylist(), strict=True):
        assert (text is None) == (value is None)
        assert text is None or not [c for c in text.decode() if ord(c) < 32 or ord(c) == 127]


def test_terminal_notation() -> None:
    values = [b"\x1b[2J\x00", b"a\\b\xff", b"\xc3\xa9\t", b"plain"]
    assert TERMINAL.array(pa.array(values, pa.binary())).to_pylist() == [
        rb"\x1b[2J\x00",
        rb"a\\b\xff",
        b"\xc3\xa9" + rb"\t",
        b"plain",
    ]


def test_nothing_to_do_returns_the_same_array() -> None:
    array = pa.array([b"abc", "é".encode(), None], pa.binary())
    assert JSON_LEGIBLE.array(array) is array


def test_slices_and_coded_columns() -> None:
    array = pa.array([b'"', b"a", b'b"', None, b'"'], pa.binary())[1:4]
    assert JSON_LEGIBLE.array(array).to_pylist() == [b"a", rb"b\"", None]
    column = Coded(np.array([1, -1, 0, 0]), Texts.of([b'"', b"x"]))
    assert JSON_LEGIBLE.apply(column).to_arrow().to_pylist() == [b"x", None, rb"\"", rb"\""]


def test_few_rows_among_many() -> None:
    values: list[bytes | None] = [b"clean"] * 1000
    values[7], values[990], values[500] = b'"\n"', b"\\", None
    escaped = JSON_LEGIBLE.array(pa.array(values, pa.binary())).to_pylist()
    assert escaped[7] == rb"\"\n\""
    assert escaped[990] == rb"\\"
    assert escaped[500] is None
    assert escaped.count(b"clean") == 997


def test_replacements_across_blocks_of_bytes() -> None:
    values = [b'a"' * 40_000, b"", b"\n" * 70_000, None, b"clean"]
    escaped = JSON_LEGIBLE.array(pa.array(values, pa.binary())).to_pylist()
    assert escaped == [rb"a\"" * 40_000, b"", rb"\n" * 70_000, None, b"clean"]
