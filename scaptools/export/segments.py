"""Segments: the bytes of IP packets that never were, as the system calls of their sockets tell them.

Lengths in headers are those of the data that was sent; a packet holds what of it was captured.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from scap_formats.codec import build
from scap_formats.pcapng import sll2_header

#: Data bytes of one packet: an IP packet has at most 65535.
MAX_DATA = 60000
TCP, UDP = 6, 17
#: TCP flags.
FIN, SYN, PSH, ACK = 1, 2, 8, 16
#: Packet types of a cooked header.
INCOMING, OUTGOING = 0, 4
_ETHERTYPES = {4: 0x0800, 16: 0x86DD}
_TTL = 64
_WINDOW = 65535
_DONT_FRAGMENT = 0x4000

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_TCP = struct.Struct("!HHIIBBHHH")
_UDP = struct.Struct("!HHHH")
_COOKED = {
    (size, kind): build(sll2_header(), {"protocol": ethertype, "packet_type": kind})
    for size, ethertype in _ETHERTYPES.items()
    for kind in (INCOMING, OUTGOING)
}


class Endpoint(NamedTuple):
    """An address in network order and a port."""

    address: bytes
    port: int


def tcp_packet(
    source: Endpoint, target: Endpoint, kind: int, flags: int, numbers: tuple[int, int], data: bytes, length: int
) -> bytes:
    """A cooked packet of TCP of ``length`` bytes, of which ``data`` was captured.

    ``numbers`` are the sequence and the acknowledgement number.
    """
    sequence, acknowledged = (number & 0xFFFFFFFF for number in numbers)
    offset = _TCP.size // 4 << 4
    header = _TCP.pack(source.port, target.port, sequence, acknowledged, offset, flags, _WINDOW, 0, 0)
    if len(data) == length:
        checksum = _checksum(_pseudo(source, target, TCP, _TCP.size + length) + header + data)
        header = header[:16] + checksum.to_bytes(2, "big") + header[18:]
    return _ip(source, target, kind, TCP, _TCP.size + length) + header + data


def udp_packet(source: Endpoint, target: Endpoint, kind: int, data: bytes, length: int) -> bytes:
    """A cooked packet of UDP; without all of its data it has no checksum."""
    size = _UDP.size + length
    header = _UDP.pack(source.port, target.port, size, 0)
    if len(data) == length:
        checksum = _checksum(_pseudo(source, target, UDP, size) + header + data) or 0xFFFF
        header = header[:6] + checksum.to_bytes(2, "big")
    return _ip(source, target, kind, UDP, size) + header + data


def _ip(source: Endpoint, target: Endpoint, kind: int, protocol: int, size: int) -> bytes:
    cooked = _COOKED[len(source.address), kind]
    if len(source.address) == 16:
        return cooked + _IPV6.pack(6 << 28, size, protocol, _TTL, source.address, target.address)
    total = _IPV4.size + size
    fields = (0x45, 0, total, 0, _DONT_FRAGMENT, _TTL, protocol)
    checksum = _checksum(_IPV4.pack(*fields, 0, source.address, target.address))
    return cooked + _IPV4.pack(*fields, checksum, source.address, target.address)


def _pseudo(source: Endpoint, target: Endpoint, protocol: int, size: int) -> bytes:
    if len(source.address) == 16:
        return source.address + target.address + struct.pack("!IxxxB", size, protocol)
    return source.address + target.address + struct.pack("!xBH", protocol, size)


def _checksum(data: bytes) -> int:
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    # The sum of 16-bit words with their carries is the number modulo 65535.
    total = int.from_bytes(data, "big") % 0xFFFF
    if not total and any(data):
        total = 0xFFFF
    return total ^ 0xFFFF
