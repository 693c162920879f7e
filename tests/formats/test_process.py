from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scap_formats.blocks import BLOCKS, BlockKind
from scap_formats.bodies import body_schema, build_block, parse_block
from scap_formats.codec import ByteOrder, FormatsError, build, parse
from scap_formats.process import (
    LATE_TAIL,
    NEWEST_TAIL,
    PROCESS_DEFAULTS,
    PROCESS_FIELDS,
    TAIL_SIZES,
    process_entry,
    tail_fields,
)

RANGES = {
    "u8": st.integers(0, 2**8 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "i64": st.integers(-(2**63), 2**63 - 1),
    "text": st.binary(max_size=12),
}
IDS = {layout.version: id_ for id_, layout in BLOCKS.items() if layout.kind is BlockKind.PROCESSES and id_ < 0x1000}
ENTRY = {"tid": 1, "pid": 2, "ptid": 3, "comm": b"sh", "exe": b"/bin/sh"}


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    fields = (*PROCESS_FIELDS, *LATE_TAIL)
    entry: dict[str, Any] = {field.name: draw(RANGES[field.width]) for field in fields}
    entry["tail_size"] = draw(st.sampled_from(sorted(TAIL_SIZES)))
    return entry


def expected(entry: dict[str, Any], version: int) -> dict[str, Any]:
    """What is left of an entry once a version has stored it."""
    kept = {field.name for field in PROCESS_FIELDS if field.since <= version}
    tail = entry["tail_size"] if version == 9 else 0
    kept |= {field.name for field in tail_fields(tail)}
    return {
        **{name: entry[name] if name in kept else default for name, default in PROCESS_DEFAULTS.items()},
        "tail_size": tail,
        "extra": b"",
    }


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("version", range(1, 10))
@settings(max_examples=30)
@given(threads=st.lists(entries(), max_size=3))
def test_every_version(byteorder: ByteOrder, version: int, threads: list[dict[str, Any]]) -> None:
    block = build_block(IDS[version], {"entries": threads}, byteorder)
    body = parse_block(block, byteorder).body
    assert body.entries == [expected(entry, version) for entry in threads]
    assert (body.padding, body.rest, len(block) % 4) == (None, b"", 0)
    assert build_block(IDS[version], body, byteorder) == block


def test_wire_order_of_version_9() -> None:
    entry = parse(
        process_entry("little", 9),
        struct.pack("<5Q", 1, 2, 3, 4, 5)
        + b"".join(
            struct.pack("<H", len(text)) + text for text in (b"sh", b"/bin/sh", b"/bin/dash", b"-c\0x\0", b"/tmp")
        )
        + struct.pack("<QIII", 1024, 7, 1000, 1001)
        + struct.pack("<3I2Q", 10, 11, 12, 13, 14)
        + b"\4\0A=1\0"
        + struct.pack("<2q", 21, 22)
        + b"\4\0c=/\0"
        + b"\1\0/",
    )
    assert list(entry.values())[:24] == [
        1, 2, 3, 4, 5, b"sh", b"/bin/sh", b"/bin/dash", b"-c\0x\0", b"/tmp", 1024, 7, 1000, 1001,
        10, 11, 12, 13, 14, b"A=1\0", 21, 22, b"c=/\0", b"/",
    ]  # fmt: skip
    assert (entry.tail_size, entry.loginuid, entry.pgid) == (0, 0xFFFFFFFF, -1)


def test_tails_that_writers_have_produced_are_used_up() -> None:
    assert set(TAIL_SIZES) == {0, 4, 5, 29, 66, 67, 68, 76}
    for size in TAIL_SIZES:
        assert sum(field.size for field in tail_fields(size)) == size
    assert max(TAIL_SIZES) == NEWEST_TAIL


@pytest.mark.parametrize(
    ("tail", "fields"),
    [
        (struct.pack("<I", 777), {"loginuid": 777}),
        (struct.pack("<IB", 777, 1), {"loginuid": 777, "exe_writable": 1}),
        (struct.pack("<IB3Q", 777, 1, 2, 3, 4), {"loginuid": 777, "cap_effective": 4}),
        (
            struct.pack("<QIIB3QB3Q", 5, 34816, 777, 1, 2, 3, 4, 1, 10, 11, 12),
            {"pidns_init_start_ts": 5, "tty": 34816, "loginuid": 777, "exe_ino_mtime": 12, "pgid": -1},
        ),
        (
            struct.pack("<QIIB3QB3QBBq", 5, 34816, 777, 1, 2, 3, 4, 1, 10, 11, 12, 1, 1, 99),
            {"loginuid": 777, "exe_from_memfd": 1, "exe_lower_layer": 1, "pgid": 99},
        ),
    ],
)
def test_fields_of_tails(tail: bytes, fields: dict[str, int]) -> None:
    schema = process_entry("little", 9)
    entry = parse(schema, build(schema, {**ENTRY, "tail_size": 0}) + tail)
    assert entry.tail_size == len(tail)
    assert {name: entry[name] for name in fields} == fields
    assert entry.extra == b""


@pytest.mark.parametrize(
    ("size", "known"),
    [(1, 0), (3, 0), (6, 5), (12, 5), (13, 13), (28, 21), (30, 25), (65, 58), (70, 68), (77, 76), (200, 76)],
)
def test_bytes_beyond_known_fields_are_kept(size: int, known: int) -> None:
    schema = process_entry("little", 9)
    data = build(schema, {**ENTRY, "tail_size": 0}) + bytes(range(size))
    entry = parse(schema, data)
    assert (entry.tail_size, entry.extra) == (min(size, NEWEST_TAIL), bytes(range(known, size)))


@given(size=st.integers(0, 100))
def test_any_tail_is_written_as_it_was_read(size: int) -> None:
    schema = body_schema(0x215, "little")
    head = build(process_entry("little", 9), {**ENTRY, "tail_size": 0})
    entry = (4 + len(head) + size).to_bytes(4, "little") + head + bytes(range(size))
    data = entry + bytes(-len(entry) % 4)
    assert build(schema, parse(schema, data)) == data


def test_the_newest_tail_is_written_unless_another_is_asked_for() -> None:
    schema = process_entry("little", 9)
    assert len(build(schema, ENTRY)) - len(build(schema, {**ENTRY, "tail_size": 0})) == NEWEST_TAIL
    assert parse(schema, build(schema, {**ENTRY, "tail_size": 5, "loginuid": 7})).loginuid == 7
    with pytest.raises(FormatsError, match="unknown tail size"):
        build(schema, {**ENTRY, "tail_size": 77})


def test_missing_fields_are_written_as_their_defaults() -> None:
    value = parse_block(build_block(0x215, {"entries": [ENTRY]})).body.entries[0]
    assert value == {**PROCESS_DEFAULTS, **ENTRY, "tail_size": NEWEST_TAIL, "extra": b""}


def test_an_entry_shorter_than_its_fields() -> None:
    entry = build(process_entry("little", 9), ENTRY)[:50]
    body = (4 + len(entry)).to_bytes(4, "little") + entry
    with pytest.raises(FormatsError) as caught:
        parse_block(build_block(0x215, body + bytes(-len(body) % 4)), offset=100)
    assert caught.value.field is not None
    assert caught.value.field.startswith("entries[0].")
    assert caught.value.offset == 100 + 8 + 54


def test_empty_list() -> None:
    block = build_block(0x215, {"entries": []})
    assert len(block) == 12
    assert parse_block(block).body.entries == []


@pytest.mark.parametrize(("name", "tail"), [("sample.scap", 66), ("write_tmp_test.scap", 4), ("empty_v2.scap", 4)])
def test_tails_of_real_captures(name: str, tail: int, captures: Any, read_capture: Any, walk: Any) -> None:
    lists = [block for _offset, block in walk(read_capture(captures / name)) if block[:2] == b"\x15\2"]
    assert [{entry.tail_size for entry in parse_block(block).body.entries} for block in lists] == [{tail}]
