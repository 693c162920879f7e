"""Descriptors: what a file descriptor refers to, and how that is named."""

from __future__ import annotations

import socket
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from scap_formats.descriptors import DescriptorType, L4Protocol

if TYPE_CHECKING:
    from typing import Literal

    from scap_formats.codec import ByteOrder

#: Letter and name by type; `TYPE_TEXTS` has every type there is.
TYPE_TEXTS: dict[int, tuple[str, str]] = {
    DescriptorType.UNKNOWN: ("o", "<NA>"),
    DescriptorType.FILE: ("f", "file"),
    DescriptorType.DIRECTORY: ("d", "directory"),
    DescriptorType.IPV4_SOCKET: ("4", "ipv4"),
    DescriptorType.IPV6_SOCKET: ("6", "ipv6"),
    DescriptorType.IPV4_SERVER_SOCKET: ("4", "ipv4"),
    DescriptorType.IPV6_SERVER_SOCKET: ("6", "ipv6"),
    DescriptorType.FIFO: ("p", "pipe"),
    DescriptorType.UNIX_SOCKET: ("u", "unix"),
    DescriptorType.EVENTFD: ("e", "event"),
    DescriptorType.UNSUPPORTED: ("X", "<NA>"),
    DescriptorType.SIGNALFD: ("s", "signalfd"),
    DescriptorType.EVENTPOLL: ("l", "eventpoll"),
    DescriptorType.INOTIFY: ("i", "inotify"),
    DescriptorType.TIMERFD: ("t", "timerfd"),
    DescriptorType.NETLINK: ("n", "netlink"),
    DescriptorType.FILE_V2: ("f", "file"),
    DescriptorType.BPF: ("b", "bpf"),
    DescriptorType.USERFAULTFD: ("u", "userfaultfd"),
    DescriptorType.IO_URING: ("r", "io_uring"),
    DescriptorType.MEMFD: ("m", "memfd"),
    DescriptorType.PIDFD: ("P", "pidfd"),
}
L4_NAMES: dict[int, str] = {
    L4Protocol.TCP: "tcp",
    L4Protocol.UDP: "udp",
    L4Protocol.ICMP: "icmp",
    L4Protocol.RAW: "raw",
}
CONNECTIONS = (DescriptorType.IPV4_SOCKET, DescriptorType.IPV6_SOCKET)
SERVERS = (DescriptorType.IPV4_SERVER_SOCKET, DescriptorType.IPV6_SERVER_SOCKET)
_IP_TYPES = frozenset({*CONNECTIONS, *SERVERS})
#: Socket families as events number them.
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
_MAPPED = b"\0" * 10 + b"\xff\xff"
_ZERO6 = b"\0" * 16


class Role(IntEnum):
    """Which end of a connection a descriptor is."""

    NONE = 0
    CLIENT = 1
    SERVER = 2


class Endpoints(NamedTuple):
    """Both ends of a socket: ``s`` is where it comes from, ``d`` where it goes to. Addresses are raw network bytes.

    Of a unix socket they are the kernel's addresses of both ends, as 8 bytes, and ``path`` is its name.
    """

    family: int = 0
    sip: bytes = b""
    sport: int = 0
    dip: bytes = b""
    dport: int = 0
    path: bytes = b""

    def swapped(self) -> Endpoints:
        """The same seen from the other end."""
        return self._replace(sip=self.dip, sport=self.dport, dip=self.sip, dport=self.sport)

    def as_ipv4(self) -> Endpoints:
        """As IPv4 where both ends are mapped IPv4 addresses or all zero, else unchanged."""
        if self.family == INET6 and _is_mapped(self.sip) and _is_mapped(self.dip):
            return self._replace(family=INET, sip=self.sip[12:], dip=self.dip[12:])
        return self


def _is_mapped(address: bytes) -> bool:
    return address.startswith(_MAPPED) or address == _ZERO6


class Descriptor(NamedTuple):
    """What a descriptor refers to, from one change to the next.

    ``ends`` of a server socket has only its ``d``. ``raw`` is the name as the call gave it.
    """

    type: int
    name: bytes = b""
    ends: Endpoints = Endpoints()
    l4: int = L4Protocol.UNKNOWN
    role: int = Role.NONE
    connected: bool = False
    flags: int = 0
    dev: int = 0
    ino: int = 0
    raw: bytes = b""


def transport(descriptor: Descriptor) -> str | None:
    """The transport of an IP socket: known once its role is, and always of a raw socket."""
    if descriptor.type not in _IP_TYPES or (descriptor.role == Role.NONE and descriptor.l4 != L4Protocol.RAW):
        return None
    return L4_NAMES.get(descriptor.l4)


@lru_cache(1 << 12)
def address_text(address: bytes) -> str:
    """An address as it is printed; IPv6 without brackets."""
    if len(address) == 4:
        return socket.inet_ntop(socket.AF_INET, address)
    return socket.inet_ntop(socket.AF_INET6, address) if len(address) == 16 else ""


def endpoint_name(ends: Endpoints, l4: int) -> bytes:
    """The name of a connection."""
    if l4 in {L4Protocol.TCP, L4Protocol.UDP}:
        return tuple_name(ends)
    if l4 in {L4Protocol.ICMP, L4Protocol.RAW}:
        return f"{address_text(ends.sip)}->{address_text(ends.dip)}".encode()
    return b"<unknown>"


def tuple_name(ends: Endpoints) -> bytes:
    """Both ends with their ports; of a unix socket its kernel addresses and path."""
    if ends.family == UNIX:
        source, target = (int.from_bytes(end, "little") for end in (ends.sip, ends.dip))
        return b"%x->%x %s" % (source, target, ends.path)
    return f"{address_text(ends.sip)}:{ends.sport}->{address_text(ends.dip)}:{ends.dport}".encode()


def server_name(address: bytes, port: int) -> bytes:
    """An address and a port, the name of a server socket."""
    return f"{address_text(address)}:{port}".encode()


#: Bytes of an address by family.
_ADDRESS_SIZES = {INET: 4, INET6: 16}


@lru_cache(1 << 12)
def parse_tuple(value: bytes, byteorder: ByteOrder) -> Endpoints | None:
    """The endpoints of a socket tuple parameter, None where it is empty or of another family."""
    family = value[0] if value else 0
    size = _ADDRESS_SIZES.get(family)
    if size is not None and len(value) >= 1 + 2 * (size + 2):
        first, second = value[1 : size + 3], value[size + 3 : 2 * size + 5]
        ports = (int.from_bytes(end[size:], byteorder) for end in (first, second))
        sport, dport = ports
        return Endpoints(family, first[:size], sport, second[:size], dport)
    if family == UNIX and len(value) >= 17:
        ends = (value[1:9], value[9:17]) if byteorder == "little" else (value[8:0:-1], value[16:8:-1])
        return Endpoints(UNIX, ends[0], 0, ends[1], 0, value[17:].partition(b"\0")[0])
    return None


@lru_cache(1 << 12)
def parse_address(value: bytes, byteorder: ByteOrder) -> Endpoints | None:
    """The endpoints of a socket address parameter, its address being the destination; None where it is empty."""
    family = value[0] if value else 0
    size = _ADDRESS_SIZES.get(family)
    if size is not None and len(value) >= 1 + size + 2:
        return Endpoints(
            family, b"\0" * size, 0, value[1 : size + 1], int.from_bytes(value[size + 1 : size + 3], byteorder)
        )
    if family == UNIX:
        return Endpoints(UNIX, path=value[1:].partition(b"\0")[0])
    return None


def connection_type(family: int) -> Literal[3, 4, 8, 0]:
    """The descriptor type of a connection of a family."""
    types: dict[int, Literal[3, 4, 8]] = {INET: 3, INET6: 4, UNIX: 8}
    return types.get(family, 0)
