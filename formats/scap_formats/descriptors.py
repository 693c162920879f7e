"""FD lists, versions 1 and 2: the open descriptors of one thread. In version 2 an entry's length counts itself.

Addresses are raw network bytes in every byte order, ports are numbers of the file's byte order.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

from construct import Bytes, Container, Default, Switch, this

from scap_formats.codec import integers
from scap_formats.elements import Alignment, EntryList, LengthBytes, Rest, UnknownKind, remaining
from scap_formats.record import Absent, Record

if TYPE_CHECKING:
    from scap_formats.codec import ByteOrder, Schema


class DescriptorType(IntEnum):
    """What a descriptor refers to."""

    UNKNOWN = 0
    FILE = 1
    DIRECTORY = 2
    IPV4_SOCKET = 3
    IPV6_SOCKET = 4
    IPV4_SERVER_SOCKET = 5
    IPV6_SERVER_SOCKET = 6
    FIFO = 7
    UNIX_SOCKET = 8
    EVENTFD = 9
    UNSUPPORTED = 10
    SIGNALFD = 11
    EVENTPOLL = 12
    INOTIFY = 13
    TIMERFD = 14
    NETLINK = 15
    FILE_V2 = 16
    BPF = 17
    USERFAULTFD = 18
    IO_URING = 19
    MEMFD = 20
    PIDFD = 21


class L4Protocol(IntEnum):
    """Transport of a socket."""

    UNKNOWN = 0
    NOT_APPLICABLE = 1
    TCP = 2
    UDP = 3
    ICMP = 4
    RAW = 5


#: Highest type sysdig 0.29.3 reads.
OLD_TYPE_MAX = DescriptorType.FILE_V2
#: Types with a payload of their own; every other known type but `DescriptorType.UNKNOWN` has just a name.
_SPECIAL = frozenset(
    {
        DescriptorType.UNKNOWN,
        DescriptorType.IPV4_SOCKET,
        DescriptorType.IPV6_SOCKET,
        DescriptorType.IPV4_SERVER_SOCKET,
        DescriptorType.IPV6_SERVER_SOCKET,
        DescriptorType.UNIX_SOCKET,
        DescriptorType.FILE_V2,
    }
)
_DEV_SIZE = 4


def _has_dev(context: Container) -> bool:
    """Whether a file's device number is stored: writers left it out for years."""
    if context._building:  # noqa: SLF001 - Construct's way to tell
        return context.get("dev") is not None
    return remaining(context._io) >= _DEV_SIZE  # noqa: SLF001


@cache
def _payloads(byteorder: ByteOrder, version: int) -> dict[int, Schema]:
    number = integers(byteorder)
    text = LengthBytes(number.u16)

    def connected(size: int) -> Schema:
        ends = "sip" / Bytes(size), "dip" / Bytes(size)
        return Record(*ends, "sport" / number.u16, "dport" / number.u16, "l4proto" / number.u8)

    def listening(size: int) -> Schema:
        return Record("ip" / Bytes(size), "port" / number.u16, "l4proto" / number.u8)

    dev = Switch(_has_dev, {True: Default(number.u32, 0)}, default=Absent(None)) if version > 1 else Absent(None)
    return {
        **{type_: Record("name" / text) for type_ in DescriptorType if type_ not in _SPECIAL},
        DescriptorType.UNKNOWN: Record(),
        DescriptorType.IPV4_SOCKET: connected(4),
        DescriptorType.IPV6_SOCKET: connected(16),
        DescriptorType.IPV4_SERVER_SOCKET: listening(4),
        DescriptorType.IPV6_SERVER_SOCKET: listening(16),
        DescriptorType.UNIX_SOCKET: Record("source" / number.u64, "destination" / number.u64, "name" / text),
        DescriptorType.FILE_V2: Record("open_flags" / number.u32, "name" / text, "dev" / dev),
    }


@cache
def descriptor_list(byteorder: ByteOrder, version: int) -> Schema:
    """Body of an fd list: ``tid``, ``entries``, ``padding``, ``rest``.

    An entry has ``fd``, ``ino``, ``type`` and what that type stores: ``sip dip sport dport l4proto``, ``ip port
    l4proto``, ``source destination name`` (unix), ``open_flags name dev`` (``dev`` None where it is not stored) or
    ``name``. ``extra`` holds bytes beyond that, the whole payload for unknown types; those cannot be read in version
    1, whose entries have no length.
    """
    number = integers(byteorder)
    unknown = Record() if version > 1 else UnknownKind("fd type")
    entry = Record(
        "fd" / number.i64,
        "ino" / number.u64,
        "type" / number.u8,
        Switch(this.type, _payloads(byteorder, version), default=unknown),
        "extra" / (Rest() if version > 1 else Absent(b"")),
    )
    length = number.u32 if version > 1 else None
    return Record(
        "tid" / number.u64,
        "entries" / EntryList(entry, length=length, counts_itself=True),
        "padding" / Alignment(),
        "rest" / Rest(),
    )
