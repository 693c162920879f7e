from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.bodies import build_block, parse_block
from scap_formats.codec import ByteOrder, FormatsError
from scap_formats.descriptors import DescriptorType

PORTS = st.integers(0, 2**16 - 1)
U64 = st.integers(0, 2**64 - 1)
NAMES = st.binary(max_size=12)


def connected(size: int) -> dict[str, st.SearchStrategy[Any]]:
    ip = st.binary(min_size=size, max_size=size)
    return {"sip": ip, "dip": ip, "sport": PORTS, "dport": PORTS, "l4proto": st.integers(0, 5)}


def listening(size: int) -> dict[str, st.SearchStrategy[Any]]:
    return {"ip": st.binary(min_size=size, max_size=size), "port": PORTS, "l4proto": st.integers(0, 5)}


PAYLOADS: dict[int, dict[str, st.SearchStrategy[Any]]] = {
    0: {},
    3: connected(4),
    4: connected(16),
    5: listening(4),
    6: listening(16),
    8: {"source": U64, "destination": U64, "name": NAMES},
    16: {"open_flags": st.integers(0, 2**32 - 1), "name": NAMES, "dev": st.none()},
    **{type_: {"name": NAMES} for type_ in (1, 2, 7, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21)},
}


@st.composite
def descriptors(draw: st.DrawFn) -> dict[str, Any]:
    type_ = draw(st.sampled_from(sorted(PAYLOADS)))
    head = {"fd": draw(st.integers(-(2**63), 2**63 - 1)), "ino": draw(U64), "type": type_}
    return {**head, **draw(st.fixed_dictionaries(PAYLOADS[type_]))}


def test_every_type_is_covered() -> None:
    assert set(PAYLOADS) == set(DescriptorType)


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("block_type", [0x203, 0x218, 0x8001ABCD])
@given(tid=U64, entries=st.lists(descriptors(), max_size=4))
def test_every_version(byteorder: ByteOrder, block_type: int, tid: int, entries: list[dict[str, Any]]) -> None:
    block = build_block(block_type, {"tid": tid, "entries": entries}, byteorder)
    body = parse_block(block, byteorder).body
    assert body.tid == tid
    assert body.entries == [{**entry, "extra": b""} for entry in entries]
    assert build_block(block_type, body, byteorder) == block


def test_layout_of_an_ipv4_socket() -> None:
    entry = {
        "fd": 4,
        "ino": 77,
        "type": 3,
        "sip": bytes([10, 0, 0, 1]),
        "dip": bytes([10, 0, 0, 2]),
        "sport": 40000,
        "dport": 443,
        "l4proto": 2,
    }
    payload = struct.pack("<qQB", 4, 77, 3) + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + struct.pack("<HHB", 40000, 443, 2)
    block = build_block(0x218, {"tid": 9, "entries": [entry]})
    assert block[8:-4] == struct.pack("<QI", 9, 4 + len(payload)) + payload + bytes(2)
    assert bytes([10, 0, 0, 1, 10, 0, 0, 2]) in build_block(0x218, {"tid": 9, "entries": [entry]}, "big")


def test_a_thread_without_descriptors() -> None:
    block = build_block(0x218, {"tid": 9, "entries": []})
    assert len(block) == 20
    assert parse_block(block).body.entries == []


def test_device_only_where_four_bytes_are_left() -> None:
    file = {"fd": 3, "ino": 1, "type": 16, "open_flags": 1, "name": b"/etc/hosts"}
    for dev in (None, 64769):
        value = parse_block(build_block(0x218, {"tid": 1, "entries": [{**file, "dev": dev}]})).body.entries[0]
        assert (value.name, value.dev, value.extra) == (b"/etc/hosts", dev, b"")
    value = parse_block(build_block(0x218, {"tid": 1, "entries": [{**file, "extra": b"abc"}]})).body.entries[0]
    assert (value.dev, value.extra) == (None, b"abc")
    v1 = parse_block(build_block(0x203, {"tid": 1, "entries": [{**file, "dev": 64769}]})).body.entries[0]
    assert v1.dev is None


def test_unknown_types_are_kept_in_version_2_and_refused_in_version_1() -> None:
    entries = [{"fd": 3, "ino": 1, "type": 99, "extra": b"payload"}, {"fd": 4, "ino": 2, "type": 7, "name": b"pipe"}]
    value = parse_block(build_block(0x218, {"tid": 1, "entries": entries})).body
    assert (value.entries[0].extra, value.entries[1].name) == (b"payload", b"pipe")
    block = build_block(0x203, struct.pack("<QqQB", 1, 3, 1, 99) + bytes(7))
    with pytest.raises(FormatsError, match=r"entries\[0\]: unknown fd type"):
        parse_block(block)


def test_devices_of_real_captures(captures: Any, read_capture: Any, walk: Any) -> None:
    stored = set()
    for _offset, block in walk(read_capture(captures / "sample.scap")):
        if block[:4] == b"\x18\2\0\0":
            stored |= {entry.dev is not None for entry in parse_block(block).body.entries if entry.type == 16}
    assert stored == {True}
