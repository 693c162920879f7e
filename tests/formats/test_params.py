from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.blocks import BLOCKS, BlockKind
from scap_formats.bodies import parse_block
from scap_formats.codec import ByteOrder, FormatsError
from scap_formats.params import NULL_STRINGS, decode_param, encode_param
from scap_formats.table import event_table
from scap_formats.types import ParamType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = ParamType
DYNAMIC = event_table().dynamic_tables
IP4, IP6 = bytes([127, 0, 0, 1]), bytes(range(16))


@pytest.mark.parametrize(
    ("type_", "little", "value"),
    [
        (T.INT8, "ff", -1),
        (T.UINT8, "ff", 255),
        (T.SYSCALLID, "0301", 259),
        (T.PORT, "5000", 80),
        (T.UID, "ffffffff", 2**32 - 1),
        (T.MODE, "a4010000", 0o644),
        (T.FD, "9cffffffffffffff", -100),
        (T.ERRNO, "feffffffffffffff", -2),
        (T.PID32, "ffffffff", -1),
        (T.RELTIME, "ffffffffffffffff", 2**64 - 1),
        (T.ABSTIME, "0000a0d885573416", 1600000000000000000),
        (T.BOOL, "01000000", 1),
        (T.DOUBLE, "000000000000f83f", 1.5),
        (T.SIGSET, "05000080", (1, 3, 32)),
        (T.SIGSET, "00000000", ()),
    ],
)
def test_numbers(type_: ParamType, little: str, value: Any) -> None:
    data = bytes.fromhex(little)
    assert decode_param(type_, data) == value
    assert encode_param(type_, value) == data
    assert decode_param(type_, data[::-1], "big") == value
    assert encode_param(type_, value, "big") == data[::-1]


@pytest.mark.parametrize(
    ("type_", "data", "value"),
    [
        (T.CHARBUF, b"ls\0", b"ls"),
        (T.FSPATH, b"/etc\0", b"/etc"),
        (T.FSRELPATH, b"\0", b""),
        (T.BYTEBUF, b"a\0b\0", b"a\0b\0"),
        (T.NONE, b"x", b"x"),
        (T.IPV4ADDR, IP4, IP4),
        (T.IPV6ADDR, IP6, IP6),
        (T.CHARBUFARRAY, b"a\0\0bc\0", [b"a", b"", b"bc"]),
        (T.CHARBUF_PAIR_ARRAY, b"12345678", b"12345678"),
        (T.SOCKADDR, b"\2" + IP4 + b"\x50\0", {"family": 2, "ip": IP4, "port": 80}),
        (T.SOCKADDR, b"\x0a" + IP6 + b"\x50\0", {"family": 10, "ip": IP6, "port": 80}),
        (T.SOCKADDR, b"\1/run/x\0", {"family": 1, "path": b"/run/x"}),
        (T.SOCKADDR, b"\x10abc", {"family": 16, "data": b"abc"}),
        (
            T.SOCKTUPLE,
            b"\2" + IP4 + b"\x50\0" + IP4 + b"\xbb\1",
            {"family": 2, "sip": IP4, "sport": 80, "dip": IP4, "dport": 443},
        ),
        (
            T.SOCKTUPLE,
            b"\x0a" + IP6 + b"\x50\0" + IP6 + b"\xbb\1",
            {"family": 10, "sip": IP6, "sport": 80, "dip": IP6, "dport": 443},
        ),
        (
            T.SOCKTUPLE,
            b"\1" + bytes([1] + [0] * 7 + [2] + [0] * 7) + b"/run/x\0",
            {"family": 1, "source": 1, "destination": 2, "path": b"/run/x"},
        ),
        (T.FDLIST, b"\0\0", []),
        (T.FDLIST, b"\1\0" + b"\7" + bytes(7) + b"\1\0", [{"fd": 7, "flags": 1}]),
    ],
)
def test_other_values(type_: ParamType, data: bytes, value: Any) -> None:
    assert decode_param(type_, data) == value
    assert encode_param(type_, value) == data


def test_ports_are_swapped_and_addresses_are_not() -> None:
    assert encode_param(T.SOCKADDR, {"family": 2, "ip": IP4, "port": 80}, "big") == b"\2" + IP4 + b"\0\x50"


@pytest.mark.parametrize(
    ("table", "data", "value"),
    [
        ("sockopt_dynamic_param", b"\0raw", {"index": 0, "value": b"raw"}),
        ("sockopt_dynamic_param", b"\2\7\0\0\0", {"index": 2, "value": 7}),
        ("sockopt_dynamic_param", b"\x09??", {"index": 9, "value": b"??"}),
        ("ptrace_dynamic_param", b"\1\x09", {"index": 1, "value": 9}),
        ("bpf_dynamic_param", b"\0" + b"\xff" * 8, {"index": 0, "value": -1}),
        ("keyctl_dynamic_param", b"\1key\0", {"index": 1, "value": b"key"}),
        ("keyctl_dynamic_param", b"\1", {"index": 1, "value": None}),
    ],
)
def test_dynamic_values(table: str, data: bytes, value: Any) -> None:
    assert decode_param(T.DYN, data, choices=DYNAMIC[table]) == value
    assert encode_param(T.DYN, value, choices=DYNAMIC[table]) == data


@pytest.mark.parametrize("type_", list(ParamType))
def test_no_bytes_are_no_value(type_: ParamType) -> None:
    assert decode_param(type_, b"") is None
    assert encode_param(type_, None) == b""


@pytest.mark.parametrize("text", sorted(NULL_STRINGS))
def test_how_older_drivers_said_null(text: bytes) -> None:
    assert decode_param(T.CHARBUF, text + b"\0") is None


def test_a_string_may_lack_its_nul() -> None:
    assert decode_param(T.CHARBUF, b"ls") == b"ls"
    assert decode_param(T.CHARBUFARRAY, b"a\0b") == [b"a", b"b"]


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (T.FD, b"\1\0\0\0"),
        (T.FD, bytes(9)),
        (T.UINT8, b"\1\2"),
        (T.IPV4ADDR, bytes(5)),
        (T.SOCKADDR, b"\2\0"),
        (T.SOCKADDR, b"\2" + bytes(7)),
        (T.SOCKTUPLE, b"\1" + bytes(10)),
        (T.FDLIST, b"\2\0" + bytes(10)),
        (T.FDLIST, b"\1"),
    ],
)
def test_wrong_sizes(type_: ParamType, data: bytes) -> None:
    with pytest.raises(FormatsError):
        decode_param(type_, data)


@pytest.mark.parametrize(("type_", "value"), [(T.UINT8, 256), (T.SIGSET, (0,)), (T.SIGSET, (33,)), (T.FD, "three")])
def test_values_that_do_not_fit(type_: ParamType, value: Any) -> None:
    with pytest.raises(FormatsError):
        encode_param(type_, value)


@given(type_=st.sampled_from(ParamType), data=st.binary(max_size=40), byteorder=st.sampled_from(["little", "big"]))
def test_any_bytes_are_a_value_or_an_error(type_: ParamType, data: bytes, byteorder: ByteOrder) -> None:
    try:
        value = decode_param(type_, data, byteorder, DYNAMIC["keyctl_dynamic_param"])
    except FormatsError:
        return
    again = encode_param(type_, value, byteorder, DYNAMIC["keyctl_dynamic_param"])
    # strings may lack their NUL or say NULL, and NaN is not equal to itself; written once, the bytes stay
    second = decode_param(type_, again, byteorder, DYNAMIC["keyctl_dynamic_param"])
    assert encode_param(type_, second, byteorder, DYNAMIC["keyctl_dynamic_param"]) == again


def test_parameters_of_real_events(
    capture_path: Path,
    read_capture: Callable[[Path], bytes],
    walk: Callable[[bytes], Iterator[tuple[int, bytes]]],
) -> None:
    """Every parameter decodes by its type, and encodes to the same bytes unless it is an old way to say NULL."""
    table = event_table()
    checked = 0
    for _offset, block in walk(read_capture(capture_path)):
        if BLOCKS[int.from_bytes(block[:4], "little")].kind is not BlockKind.EVENT:
            continue
        body = parse_block(block).body
        for param, data in zip(table.events[body.type].params, body.params, strict=False):
            choices = table.dynamic_tables.get(param.dynamic_table or "", ())
            value = decode_param(param.type, data, choices=choices)
            assert encode_param(param.type, value, choices=choices) == data or data.removesuffix(b"\0") in NULL_STRINGS
            checked += 1
    assert checked > 0
