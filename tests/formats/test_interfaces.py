from __future__ import annotations

import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.bodies import build_block, parse_block
from scap_formats.codec import ByteOrder, FormatsError
from scap_formats.interfaces import KINDS, real_size

if TYPE_CHECKING:
    from pathlib import Path

ETH0 = {
    "kind": 1,
    "address": bytes([10, 0, 0, 1]),
    "netmask": bytes([255, 255, 255, 0]),
    "broadcast": bytes([10, 0, 0, 255]),
    "linkspeed": 1000,
    "name": b"eth0",
}


@st.composite
def interfaces(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    size, has_speed = KINDS[kind]
    address = st.binary(min_size=size, max_size=size)
    return {
        "kind": kind,
        "address": draw(address),
        "netmask": draw(address),
        "broadcast": draw(address),
        "linkspeed": draw(st.integers(0, 2**64 - 1)) if has_speed else None,
        "name": draw(st.binary(max_size=8)),
    }


LISTS = st.lists(interfaces(), min_size=1, max_size=4)


def full(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "name_length": len(entry["name"]), "extra": b""}


def broken(entries: list[dict[str, Any]], byteorder: ByteOrder = "little") -> tuple[bytes, int]:
    """A list whose total lacks 4 bytes an interface at both ends, and what the total should be."""
    block = build_block(0x219, {"entries": entries}, byteorder)
    declared = (len(block) - 4 * len(entries)).to_bytes(4, byteorder)
    return block[:4] + declared + block[8:-4] + declared, len(block)


def test_lengths_of_version_2_do_not_count_themselves() -> None:
    block = build_block(0x219, {"entries": [ETH0]})
    assert struct.unpack_from("<IHH", block, 8) == (28, 1, 4)
    assert len(block) == 12 + 4 + 28


@pytest.mark.parametrize(("kind", "size"), [(1, 24), (2, 60), (3, 16), (4, 52)])
def test_sizes_before_the_name(kind: int, size: int) -> None:
    width = KINDS[kind][0]
    entry = {"kind": kind, **dict.fromkeys(("address", "netmask", "broadcast"), bytes(width)), "name": b"lo"}
    assert parse_block(build_block(0x205, {"entries": [entry]})).body.entries[0].name == b"lo"
    assert len(build_block(0x205, {"entries": [entry]})) == 12 + size + 2 + -(size + 2) % 4


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("block_type", [0x205, 0x219, 0x8011ABCD])
@given(entries=LISTS)
def test_every_version(byteorder: ByteOrder, block_type: int, entries: list[dict[str, Any]]) -> None:
    block = build_block(block_type, {"entries": entries}, byteorder)
    body = parse_block(block, byteorder).body
    assert body.entries == [full(entry) for entry in entries]
    assert build_block(block_type, body, byteorder) == block


def test_addresses_are_never_swapped() -> None:
    assert bytes([10, 0, 0, 1]) in build_block(0x205, {"entries": [ETH0]}, "big")


def test_kinds_without_link_speed_gain_one_when_rewritten() -> None:
    entry = {**ETH0, "kind": 3}
    value = parse_block(build_block(0x219, {"entries": [entry]})).body.entries[0]
    assert (value.kind, value.linkspeed, value.name, value.extra) == (3, 1000, b"eth0", b"")


def test_bytes_after_the_name_are_kept() -> None:
    value = parse_block(build_block(0x219, {"entries": [{**ETH0, "extra": b"new"}]})).body.entries[0]
    assert (value.name, value.extra) == (b"eth0", b"new")


@pytest.mark.parametrize("block_type", [0x205, 0x219])
def test_unknown_kind(block_type: int) -> None:
    block = bytearray(build_block(block_type, {"entries": [ETH0]}))
    block[12 if block_type == 0x219 else 8] = 9
    with pytest.raises(FormatsError, match=r"entries\[0\]: unknown interface kind"):
        parse_block(block)


@pytest.mark.parametrize("byteorder", ["little", "big"])
@given(entries=LISTS, after=st.sampled_from([b"", b"\x20\x02\0\0\x0c\0\0\0\x0c\0\0\0", b"\xff" * 40]))
def test_real_size_of_a_broken_list(byteorder: ByteOrder, entries: list[dict[str, Any]], after: bytes) -> None:
    block, size = broken(entries, byteorder)
    assert real_size(block + after, byteorder) == size


@given(entries=LISTS)
def test_a_sound_list_has_no_other_size(entries: list[dict[str, Any]]) -> None:
    assert real_size(build_block(0x219, {"entries": entries}) + bytes(12)) is None


@given(data=st.binary(max_size=80))
def test_any_bytes_have_a_size_or_none(data: bytes) -> None:
    size = real_size(b"\x19\2\0\0" + data)
    assert size is None or 12 <= size <= len(data) + 4


def test_a_broken_list_that_is_cut() -> None:
    block, _size = broken([ETH0, ETH0])
    assert [real_size(block[:end]) for end in range(len(block))] == [None] * len(block)


@pytest.mark.interop
def test_a_list_that_sysdig_rewrites(captures: Path, tmp_path: Path, walk: Any) -> None:
    if (sysdig := shutil.which("sysdig")) is None:
        pytest.skip("sysdig is not installed")
    target = tmp_path / "rewritten.scap"
    subprocess.run(
        [sysdig, "-r", str(captures / "curl_google.scap"), "-w", str(target)],
        check=True, stdout=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    data = target.read_bytes()
    start = next(offset for offset, block in walk(data) if block[:4] == b"\x19\2\0\0")
    size = real_size(data[start : start + 4096])
    assert (int.from_bytes(data[start + 4 : start + 8], "little"), size) == (256, 276)
    assert size is not None
    block = size.to_bytes(4, "little").join((data[start : start + 4], data[start + 8 : start + size - 4], b""))
    names = [entry.name for entry in parse_block(block).body.entries]
    assert names == [b"lo", b"eth0", b"lo", b"eth0", b"eth0"]
    assert data[start + size : start + size + 4] == b"\x20\2\0\0"
