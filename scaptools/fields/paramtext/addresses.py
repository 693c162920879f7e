"""Addresses: what sockets are bound or connected to."""

from __future__ import annotations

import struct
from functools import partial
from ipaddress import IPv4Address
from socket import AF_INET6, inet_ntop
from types import MappingProxyType
from typing import TYPE_CHECKING

from scaptools.fields.paramtext.buffers import rendered_once
from scaptools.fields.paramtext.values import ParamText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scaptools.fields.paramtext.values import ParamValues

    #: From the bytes behind the family to text.
    Render = Callable[[bytes, bool], bytes]

#: Address families, by the numbers stored in captures.
UNIX, INET, INET6 = 1, 2, 10
_V4_MAPPED = bytes(10) + b"\xff\xff"
_PATH_ONLY = bytes(byte for byte in range(256) if not 0x20 <= byte < 0x7F)


def socket_address(values: ParamValues) -> ParamText:
    """SOCKADDR: one end."""
    return _by_family(values, _ADDRESSES)


def socket_tuple(values: ParamValues) -> ParamText:
    """SOCKTUPLE: both ends of a connection."""
    return _by_family(values, _TUPLES)


def ip_address(values: ParamValues) -> ParamText:
    """IPV4ADDR, IPV6ADDR, IPADDR: an address without a port."""
    return ParamText(rendered_once(values.column.bytes().array, address_text))


def _by_family(values: ParamValues, renderers: Mapping[int, Render]) -> ParamText:
    render = partial(_family_text, renderers, values.dialect.printable_paths, values.column.byteorder == "big")
    return ParamText(rendered_once(values.column.bytes().array, render))


def address_text(address: bytes) -> bytes:
    """4 or 16 raw bytes of an IP address as text, ``INVALID ...`` for any other number of them."""
    if len(address) == 4:
        return str(IPv4Address(address)).encode()
    return _v6_text(address) if len(address) == 16 else b"INVALID IP"


def _family_text(renderers: Mapping[int, Render], printable: bool, swapped: bool, value: bytes) -> bytes:
    family = value[0]
    render = renderers.get(family)
    if render is None:
        return b"family %d" % family
    return render(value[1:], swapped).translate(None, _PATH_ONLY if printable and family == UNIX else b"")


def _port(raw: bytes, swapped: bool) -> int:
    return int.from_bytes(raw, "big" if swapped else "little")


def _path(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _unix_address(raw: bytes, _swapped: bool) -> bytes:
    return _path(raw)


def _v4(raw: bytes, swapped: bool) -> bytes:
    return b"%b:%d" % (str(IPv4Address(raw[:4])).encode(), _port(raw[4:6], swapped))


def _v4_address(raw: bytes, swapped: bool) -> bytes:
    return _v4(raw, swapped) if len(raw) == 6 else b"INVALID IPv4"


def _v6_text(address: bytes) -> bytes:
    return inet_ntop(AF_INET6, address).encode()


def _v6(raw: bytes, swapped: bool) -> bytes:
    return b"%b:%d" % (_v6_text(raw[:16]), _port(raw[16:18], swapped))


def _v6_address(raw: bytes, swapped: bool) -> bytes:
    return _v6(raw, swapped) if len(raw) == 18 else b"INVALID IPv6"


def _unix_tuple(raw: bytes, swapped: bool) -> bytes:
    if len(raw) < 16:
        return b"INVALID UNIX SOCKET"
    source, destination = struct.unpack_from(">QQ" if swapped else "<QQ", raw)
    return b"%x->%x %b" % (source, destination, _path(raw[16:]))


def _v4_tuple(raw: bytes, swapped: bool) -> bytes:
    return b"->".join((_v4(raw, swapped), _v4(raw[6:], swapped))) if len(raw) == 12 else b"INVALID IPv4"


def _v6_tuple(raw: bytes, swapped: bool) -> bytes:
    if len(raw) != 36:
        return b"INVALID IPv6"
    ends = raw[:18], raw[18:]
    if all(_is_v4(end[:16]) for end in ends):
        return b"->".join(_v4(end[12:], swapped) for end in ends)
    return b"->".join(_v6(end, swapped) for end in ends)


def _is_v4(address: bytes) -> bool:
    """Whether an IPv6 address is an IPv4 one in disguise; no address at all counts as one."""
    return address.startswith(_V4_MAPPED) or not any(address)


_ADDRESSES: Mapping[int, Render] = MappingProxyType({UNIX: _unix_address, INET: _v4_address, INET6: _v6_address})
_TUPLES: Mapping[int, Render] = MappingProxyType({UNIX: _unix_tuple, INET: _v4_tuple, INET6: _v6_tuple})
