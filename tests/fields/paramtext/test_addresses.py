"""Socket addresses as text, as sysdig prints them."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scap_formats.types import ParamType
from scaptools.fields.paramtext import CURRENT
from tests.fields.paramtext_values import texts

_MAPPED = bytes(10) + b"\xff\xff\x7f\0\0\x01"
_LOOPBACK = IPv6Address("::1").packed


def port(number: int) -> bytes:
    return struct.pack("<H", number)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", b"NULL"),
        (b"\x01/run/x\0", b"/run/x"),
        (b"\x01/a\x01b\xff\0", b"/ab"),
        (b"\x01no nul", b"no nul"),
        (b"\x01", b""),
        (b"\x02\x7f\0\0\x01" + port(80), b"127.0.0.1:80"),
        (b"\x0a" + bytes(range(16)) + port(443), b"1:203:405:607:809:a0b:c0d:e0f:443"),
        (b"\x0a" + _MAPPED + port(443), b"::ffff:127.0.0.1:443"),
        (b"\x0a" + bytes(16) + port(0), b":::0"),
        (b"\x10", b"family 16"),
        (b"\x00", b"family 0"),
        (b"\x02\x7f", b"INVALID IPv4"),
        (b"\x0a\x01\x02", b"INVALID IPv6"),
    ],
)
def test_addresses(raw: bytes, text: bytes) -> None:
    assert texts(ParamType.SOCKADDR, [raw]) == [(text, b"")]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", b"NULL"),
        (b"\x01" + struct.pack("<QQ", 0, 0xFFFF88003C420800) + b"/run/x\0", b"0->ffff88003c420800 /run/x"),
        (b"\x01" + bytes(16) + b"\0", b"0->0 "),
        (b"\x01" + struct.pack("<QQ", 1, 2) + b"/a\x01b\xff\0", b"1->2 /ab"),
        (b"\x02\x7f\0\0\x01" + port(80) + b"\x01\x02\x03\x04" + port(65535), b"127.0.0.1:80->1.2.3.4:65535"),
        (
            b"\x0a" + bytes(range(16)) + port(443) + _LOOPBACK + port(5),
            b"1:203:405:607:809:a0b:c0d:e0f:443->::1:5",
        ),
        (b"\x0a" + _MAPPED + port(1) + _MAPPED + port(2), b"127.0.0.1:1->127.0.0.1:2"),
        (b"\x0a" + _MAPPED + port(1) + bytes(16) + port(2), b"127.0.0.1:1->0.0.0.0:2"),
        (b"\x0a" + _MAPPED + port(1) + _LOOPBACK + port(2), b"::ffff:127.0.0.1:1->::1:2"),
        (b"\x10abc", b"family 16"),
        (b"\x02\x7f", b"INVALID IPv4"),
        (b"\x0a\x01", b"INVALID IPv6"),
        (b"\x01short", b"INVALID UNIX SOCKET"),
    ],
)
def test_tuples(raw: bytes, text: bytes) -> None:
    assert texts(ParamType.SOCKTUPLE, [raw]) == [(text, b"")]


def test_todays_libraries_print_paths_as_they_are_and_miss_otherwise() -> None:
    assert texts(ParamType.SOCKADDR, [b"\x01/a\x01\0", b""], dialect=CURRENT) == [(b"/a\x01", b""), (b"<NA>", b"")]
    assert texts(ParamType.SOCKTUPLE, [b""], dialect=CURRENT) == [(b"NULL", b"")]


def test_byte_order_of_ports_and_pointers() -> None:
    v4 = b"\x02\x7f\0\0\x01\0\x50"
    unix = b"\x01" + struct.pack(">QQ", 1, 2) + b"/x\0"
    assert texts(ParamType.SOCKADDR, [v4], byteorder="big") == [(b"127.0.0.1:80", b"")]
    assert texts(ParamType.SOCKTUPLE, [unix], byteorder="big") == [(b"1->2 /x", b"")]


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16), st.integers(0, 65535))
def test_ip_addresses_are_written_as_the_standard_library_does(v4: bytes, v6: bytes, number: int) -> None:
    assert texts(ParamType.IPV4ADDR, [v4]) == [(str(IPv4Address(v4)).encode(), b"")]
    ((text, _),) = texts(ParamType.SOCKADDR, [b"\x0a" + v6 + port(number)])
    address, _, printed = text.rpartition(b":")
    assert (IPv6Address(address.decode()), int(printed)) == (IPv6Address(v6), number)
    assert texts(ParamType.IPADDR, [v6, v4, b"xyz"])[1:] == [(str(IPv4Address(v4)).encode(), b""), (b"INVALID IP", b"")]


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_any_bytes_have_a_text(raws: list[bytes]) -> None:
    for type_ in (ParamType.SOCKADDR, ParamType.SOCKTUPLE):
        together = texts(type_, [*raws])
        assert together == [texts(type_, [raw])[0] for raw in raws]
        assert all(text is not None for text, _ in together)
