from __future__ import annotations

import pytest

from scap_formats.codec import ByteOrder, FormatsError, build, integers, parse
from scap_formats.elements import EntryList, LengthBytes
from scap_formats.record import Record

LITTLE = integers("little")
ENTRIES = Record(
    "count" / LITTLE.u16,
    "entries" / EntryList(Record("a" / LITTLE.u32, "b" / LengthBytes(LITTLE.u16)), length=LITTLE.u32),
)


@pytest.mark.parametrize(("byteorder", "data"), [("little", b"\x01\x00\xfe\xff"), ("big", b"\x00\x01\xff\xfe")])
def test_one_declaration_serves_both_byte_orders(byteorder: ByteOrder, data: bytes) -> None:
    schema = Record("a" / integers(byteorder).u16, "b" / integers(byteorder).i16)
    assert parse(schema, data) == {"a": 1, "b": -2}
    assert build(schema, {"a": 1, "b": -2}) == data


def test_integers_are_shared() -> None:
    assert integers("big") is integers("big")


def test_error_says_where_and_which_field() -> None:
    data = b"\2\0" + b"\x08\0\0\0" + b"\1\0\0\0" + b"\2\0ab" + b"\x08\0\0\0" + b"\1\0\0\0" + b"\x09\0ab"
    with pytest.raises(FormatsError) as caught:
        parse(ENTRIES, data, offset=1000)
    assert caught.value.field == "entries[1].b"
    assert caught.value.offset == 1000 + len(data)
    assert str(caught.value) == "entries[1].b: 9 bytes expected, 2 left"


def test_error_offset_is_inside_the_entry() -> None:
    data = b"\1\0" + b"\x06\0\0\0" + b"\1\0\0\0" + b"\2\0" + b"after the entry"
    with pytest.raises(FormatsError) as caught:
        parse(ENTRIES, data)
    assert caught.value.offset == 12


def test_entry_length_beyond_the_data() -> None:
    with pytest.raises(FormatsError, match=r"entries\[0\]: an entry of 99 bytes, 4 left") as caught:
        parse(ENTRIES, b"\1\0" + b"\x63\0\0\0" + b"abcd")
    assert caught.value.offset == 2


def test_bytes_left_over() -> None:
    schema = Record("a" / LITTLE.u16)
    assert parse(schema, b"\1\0\2") == {"a": 1}
    with pytest.raises(FormatsError, match="1 bytes left over") as caught:
        parse(schema, b"\1\0\2", offset=10, complete=True)
    assert caught.value.offset == 12


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "a: no value given"),
        ({"a": -1, "b": b""}, "a: "),
        ({"a": "one", "b": b""}, "a: "),
        ({"a": 1}, "b: no value given"),
        ({"a": 1, "b": "text"}, "b: bytes expected, str given"),
        ({"a": 1, "b": bytes(65536)}, "b: 65536 bytes are too long"),
    ],
)
def test_building_what_does_not_fit(value: dict[str, object], message: str) -> None:
    schema = Record("a" / LITTLE.u16, "b" / LengthBytes(LITTLE.u16))
    with pytest.raises(FormatsError, match=f"^{message}"):
        build(schema, value)


def test_the_cause_is_kept() -> None:
    with pytest.raises(FormatsError) as caught:
        parse(Record("a" / LITTLE.u16), b"")
    assert type(caught.value.__cause__).__name__ == "StreamError"
