from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.bodies import build_block, parse_block
from scap_formats.codec import ByteOrder, FormatsError

MACHINE = {"num_cpus": 4, "memory_bytes": 2**33, "max_pid": 99, "hostname": b"host", "boot_ts_epoch": 5, "flags": 6}


@pytest.mark.parametrize(("byteorder", "mark"), [("little", "<"), ("big", ">")])
def test_layout(byteorder: ByteOrder, mark: str) -> None:
    body = struct.pack(f"{mark}IQQ128s4Q", 4, 2**33, 99, b"host", 5, 6, 0, 0)
    block = build_block(0x201, MACHINE, byteorder)
    assert block[8:-4] == body
    assert len(body) == 180
    assert parse_block(block, byteorder).body == {**MACHINE, "reserved3": 0, "reserved4": 0}


@pytest.mark.parametrize("size", [0, 176, 179, 181, 184])
def test_any_other_size_is_an_error(size: int) -> None:
    with pytest.raises(FormatsError):
        parse_block(build_block(0x201, bytes(size)))


@pytest.mark.parametrize("block_type", [0x201, 0x8002ABCD])
@given(body=st.binary(min_size=180, max_size=180))
def test_any_180_bytes_are_a_machine(block_type: int, body: bytes) -> None:
    block = build_block(block_type, body)
    assert build_block(block_type, parse_block(block).body) == block


def test_hostname_may_be_full() -> None:
    value: dict[str, Any] = {**MACHINE, "hostname": b"x" * 128}
    assert parse_block(build_block(0x201, value)).body.hostname == b"x" * 128
    with pytest.raises(FormatsError, match="hostname: 129 bytes are more than 128"):
        build_block(0x201, {**MACHINE, "hostname": b"x" * 129})
