from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scap_formats.bodies import build_block, parse_block
from scap_formats.section import LENGTH_UNKNOWN, MAGIC, MIN_SIZE, find_byte_order, section_version

if TYPE_CHECKING:
    from scap_formats.codec import ByteOrder

HEADER = bytes.fromhex("0a0d0d0a 1c000000 4d3c2b1a 0100 0200 ffffffffffffffff 1c000000")


def test_a_header_needs_no_values() -> None:
    assert build_block(0x0A0D0D0A, {}) == HEADER
    assert len(HEADER) == MIN_SIZE
    body = parse_block(HEADER).body
    assert (body.magic, body.major, body.minor, body.section_length) == (MAGIC, 1, 2, LENGTH_UNKNOWN)
    assert (body.options, body.rest) == ([], b"")


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_the_magic_tells_the_byte_order(byteorder: ByteOrder) -> None:
    assert find_byte_order(build_block(0x0A0D0D0A, {}, byteorder)) == byteorder


@pytest.mark.parametrize("data", [b"", HEADER[:11], b"\x1f\x8b" + bytes(30), HEADER[:8] + bytes(20)])
def test_other_bytes_start_no_section(data: bytes) -> None:
    assert find_byte_order(data) is None


def test_options() -> None:
    options = [{"code": 4, "value": b"scaptools"}, {"code": 0, "value": b""}]
    block = build_block(0x0A0D0D0A, {"options": options})
    assert block[24:44].hex() == "04000900" + b"scaptools".hex() + "00000000000000"
    body = parse_block(block).body
    assert [(option.code, option.value) for option in body.options] == [(4, b"scaptools"), (0, b"")]


def test_options_of_a_real_header(captures: Any, read_capture: Any) -> None:
    data = read_capture(captures / "curl_google_comments.scap")
    body = parse_block(data[: int.from_bytes(data[4:8], "little")]).body
    assert len(data[8 : int.from_bytes(data[4:8], "little") - 4]) == 104
    assert [option.code for option in body.options][-1] == 0
    assert {option.code for option in body.options} >= {4}


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_the_beginning_is_read_without_a_schema(byteorder: ByteOrder) -> None:
    block = build_block(0x0A0D0D0A, {"major": 1, "minor": 7}, byteorder)
    assert len(block) >= MIN_SIZE
    body = parse_block(block, byteorder).body
    assert section_version(block, byteorder) == (body.magic, body.major, body.minor) == (MAGIC, 1, 7)
