from __future__ import annotations

import pytest
from construct import Bytes, Default, Rebuild, Struct, Switch, len_, this
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.codec import FormatsError, build, integers, parse
from scap_formats.elements import Alignment, EntryList, LengthBytes, OptionList, PaddedBytes, Rest, UnknownKind
from scap_formats.record import Absent, Record

LITTLE, BIG = integers("little"), integers("big")
FIELDS = (
    "a" / LITTLE.u8,
    "raw" / Bytes(3),
    "b" / LITTLE.i32,
    "c" / BIG.u16,
    "size" / Rebuild(LITTLE.u8, len_(this.text)),
    "text" / Bytes(this.size),
    "kind" / Default(LITTLE.u8, 1),
    "choice" / Switch(this.kind, {1: LITTLE.u16, 2: BIG.u32}, default=Bytes(1)),
    "end" / LITTLE.f64,
)


@st.composite
def values(draw: st.DrawFn) -> dict[str, object]:
    kind = draw(st.integers(0, 3))
    choice = {1: st.integers(0, 2**16 - 1), 2: st.integers(0, 2**32 - 1)}.get(kind, st.binary(min_size=1, max_size=1))
    return {
        "a": draw(st.integers(0, 255)),
        "raw": draw(st.binary(min_size=3, max_size=3)),
        "b": draw(st.integers(-(2**31), 2**31 - 1)),
        "c": draw(st.integers(0, 2**16 - 1)),
        "text": draw(st.binary(max_size=20)),
        "kind": kind,
        "choice": draw(choice),
        "end": draw(st.floats(allow_nan=False)),
    }


@given(values())
def test_a_record_is_a_struct(value: dict[str, object]) -> None:
    """The fast way and Construct's own give the same bytes and the same values."""
    data = build(Record(*FIELDS), value)
    assert data == build(Struct(*FIELDS), value)
    assert parse(Record(*FIELDS), data) == parse(Struct(*FIELDS), data)


@given(values(), st.data())
def test_both_ways_refuse_cut_bytes(value: dict[str, object], data: st.DataObject) -> None:
    whole = build(Record(*FIELDS), value)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for schema in (Record(*FIELDS), Struct(*FIELDS)):
        with pytest.raises(FormatsError):
            parse(schema, cut)


def test_unnamed_records_are_merged() -> None:
    schema = Record(
        "kind" / LITTLE.u8, Switch(this.kind, {1: Record("x" / LITTLE.u16)}, default=Record("y" / LITTLE.u8))
    )
    assert parse(schema, b"\1\2\0") == {"kind": 1, "x": 2}
    assert parse(schema, b"\0\2") == {"kind": 0, "y": 2}
    assert build(schema, {"kind": 1, "x": 2}) == b"\1\2\0"


def test_absent_fields_read_as_their_default_and_write_nothing() -> None:
    schema = Record("x" / Absent(-1), "a" / LITTLE.u8, "y" / Absent(b""))
    assert list(parse(schema, b"\5").items()) == [("x", -1), ("a", 5), ("y", b"")]
    assert build(schema, {"x": 7, "a": 5, "y": b"abc"}) == b"\5"


def test_defaults_and_derived_values() -> None:
    schema = Record("n" / Rebuild(LITTLE.u8, lambda context: len(context.items_)), "v" / Default(LITTLE.u8, 9))
    assert build(schema, {"items_": [1, 2, 3], "n": 200}) == b"\3\x09"
    with pytest.raises(FormatsError, match=r"^n: cannot be derived"):
        build(schema, {})


def test_raw_bytes_have_a_size() -> None:
    with pytest.raises(FormatsError, match=r"^raw: 4 bytes expected, 3 given"):
        build(Record("raw" / Bytes(4)), {"raw": b"abc"})
    with pytest.raises(FormatsError, match=r"^raw: bytes expected, str given"):
        build(Record("raw" / Bytes(4)), {"raw": "abcd"})


@pytest.mark.parametrize(
    ("data", "padding", "rest"),
    [
        (b"\1\0\0\0", None, b""),
        (b"\1\0\0\7", b"\0\0\7", b""),
        (b"\1\0", b"\0", b""),
        (b"\1", b"", b""),
        (b"\1\0\0\0junk", None, b"junk"),
    ],
)
def test_alignment(data: bytes, padding: bytes | None, rest: bytes) -> None:
    schema = Record("a" / LITTLE.u8, "padding" / Alignment(), "rest" / Rest())
    assert parse(schema, data) == {"a": 1, "padding": padding, "rest": rest}
    assert build(schema, {"a": 1, "padding": padding, "rest": rest}) == data


def test_padded_bytes_keep_what_follows_a_nul() -> None:
    schema = Record("name" / PaddedBytes(8))
    assert parse(schema, b"host\0\0\0\0") == {"name": b"host"}
    assert parse(schema, b"host\0old") == {"name": b"host\0old"}
    assert build(schema, {"name": b"host"}) == b"host\0\0\0\0"
    with pytest.raises(FormatsError, match="9 bytes are more than 8"):
        build(schema, {"name": b"123456789"})
    with pytest.raises(FormatsError, match="8 bytes expected, 3 left"):
        parse(schema, b"abc")


@pytest.mark.parametrize(("own", "length"), [(True, 6), (False, 2)])
def test_entry_length_counts_itself_or_not(own: bool, length: int) -> None:
    schema = Record(
        "entries" / EntryList(Record("x" / LITTLE.u16), length=LITTLE.u32, counts_itself=own), "rest" / Rest()
    )
    data = length.to_bytes(4, "little") + b"\7\0"
    assert parse(schema, data + b"pad") == {"entries": [{"x": 7}], "rest": b"pad"}
    assert build(schema, {"entries": [{"x": 7}]}) == data


def test_entry_shorter_than_its_own_length() -> None:
    schema = EntryList(Record("x" / LITTLE.u16), length=LITTLE.u32, counts_itself=True)
    with pytest.raises(FormatsError, match="an entry of -1 bytes"):
        parse(schema, b"\3\0\0\0\0\0")


@pytest.mark.parametrize(
    ("data", "codes", "rest"),
    [
        (b"", [], b""),
        (b"\1\0\2\0ab\0\0\0\0\0\0", [1, 0], b""),
        (b"\1\0\2\0ab\0\0", [1], b""),
        (b"\1\0\2\0ab", [1], b""),
        (b"\1\0\x09\0ab", [], b"\1\0\x09\0ab"),
        (b"\0\0\0\0more", [0], b"more"),
        (b"\1\0", [], b"\1\0"),
    ],
)
def test_option_list_stops_where_nothing_fits(data: bytes, codes: list[int], rest: bytes) -> None:
    entry = Record("code" / LITTLE.u16, "value" / LengthBytes(LITTLE.u16), "padding" / Alignment())
    schema = Record("options" / OptionList(entry), "rest" / Rest())
    value = parse(schema, data)
    assert ([option.code for option in value.options], value.rest) == (codes, rest)
    assert build(schema, value) == data


def test_unknown_kind_can_be_neither_read_nor_written() -> None:
    schema = Record("kind" / LITTLE.u8, Switch(this.kind, {}, default=UnknownKind("colour")))
    with pytest.raises(FormatsError, match="unknown colour"):
        parse(schema, b"\1")
    with pytest.raises(FormatsError, match="unknown colour"):
        build(schema, {"kind": 1})
