"""The pcapng blocks and packet headers of the export for Wireshark.

Blocks have the byte order of their section; Upper PDU tags and cooked headers are big-endian always. Timestamps are
64-bit numbers stored as two words, the high one first; interfaces say they are in ns.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

from construct import Bytes, Container, Default, Rebuild, this

from scap_formats.blocks import HEAD_SIZE, build_frame, head_fields, options, padded, parse_frame
from scap_formats.codec import FormatsError, build, integers, parse
from scap_formats.elements import Alignment, Rest
from scap_formats.record import Record
from scap_formats.section import section_header

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scap_formats.codec import Buffer, ByteOrder, Schema, Value

#: What the section header's minor version is in a pcapng file.
MINOR_VERSION = 0
#: Largest packet Wireshark reads.
MAX_PACKET = 262144
#: ``if_tsresol`` for ns.
NANOSECONDS = 9


class PcapngBlock(IntEnum):
    """Block ids of pcapng."""

    SHB = 0x0A0D0D0A
    IDB = 1
    NRB = 4
    ISB = 5
    EPB = 6
    #: Process information as Darwin writes it.
    PROCESS = 0x80000001


class LinkType(IntEnum):
    """What the packets of an interface are."""

    UPPER_PDU = 252
    SLL2 = 276


class SectionOption(IntEnum):
    """Options of a section header."""

    END = 0
    COMMENT = 1
    HARDWARE = 2
    OS = 3
    APPLICATION = 4


class InterfaceOption(IntEnum):
    """Options of an interface description."""

    END = 0
    COMMENT = 1
    NAME = 2
    DESCRIPTION = 3
    TSRESOL = 9
    FILTER = 11
    OS = 12


class PacketOption(IntEnum):
    """Options of an enhanced packet."""

    END = 0
    COMMENT = 1
    FLAGS = 2
    PACKET_ID = 5
    QUEUE = 6
    PROCESS_THREAD = 8
    PROCESS_INDEX = 0x8001
    EFFECTIVE_PROCESS_INDEX = 0x8003


class StatisticsOption(IntEnum):
    """Options of interface statistics."""

    END = 0
    START = 2
    END_TIME = 3
    RECEIVED = 4
    DROPPED = 5
    ACCEPTED = 6


class ProcessOption(IntEnum):
    """Options of process information."""

    END = 0
    NAME = 2


class NameRecord(IntEnum):
    """Records of a name resolution block."""

    END = 0
    IPV4 = 1
    IPV6 = 2


class UpperPduTag(IntEnum):
    """Tags before an Upper PDU payload."""

    END = 0
    DISSECTOR = 12
    IPV4_SOURCE = 20
    IPV4_DESTINATION = 21
    IPV6_SOURCE = 22
    IPV6_DESTINATION = 23
    ORIGINAL_FRAME = 30
    PROTOCOL = 33
    INFO = 36


def packet_fields(byteorder: ByteOrder) -> tuple[Schema, ...]:
    """Declare the fixed-size fields of an enhanced packet's body."""
    number = integers(byteorder)
    return (
        "interface" / number.u32,
        "ts_high" / number.u32,
        "ts_low" / number.u32,
        "captured_length" / Rebuild(number.u32, lambda context: len(context.data)),
        "original_length" / Default(number.u32, lambda context: len(context.data)),
    )


@cache
def packet_prefix(byteorder: ByteOrder) -> Schema:
    """Declare the fixed-size start of an enhanced packet's block, to derive a dtype from."""
    return Record(*head_fields(byteorder), *packet_fields(byteorder))


@cache
def _pcapng_schemas(byteorder: ByteOrder) -> dict[int, Schema]:
    number = integers(byteorder)
    end = "options" / options(byteorder), "rest" / Rest()
    return {
        PcapngBlock.SHB: section_header(byteorder),
        PcapngBlock.IDB: Record(
            "linktype" / number.u16,
            "reserved" / Default(number.u16, 0),
            "snaplen" / Default(number.u32, MAX_PACKET),
            *end,
        ),
        PcapngBlock.NRB: Record("records" / options(byteorder), *end),
        PcapngBlock.ISB: Record("interface" / number.u32, "ts_high" / number.u32, "ts_low" / number.u32, *end),
        PcapngBlock.EPB: Record(
            *packet_fields(byteorder), "data" / Bytes(this.captured_length), "padding" / Alignment(), *end
        ),
        PcapngBlock.PROCESS: Record("pid" / number.u32, *end),
    }


def parse_pcapng_block(block: Buffer, byteorder: ByteOrder = "little", *, offset: int = 0) -> Value:
    """Parse one whole pcapng block into a container of ``block_type``, ``block_length``, ``body`` and ``trailer``.

    The body of an unknown block is bytes. Raises FormatsError.
    """
    frame = parse_frame(block, byteorder, offset=offset)
    schema = _pcapng_schemas(byteorder).get(frame.block_type)
    body = frame.body
    if schema is not None:
        body = parse(schema, body, offset=offset + HEAD_SIZE, complete=True)
    return Container(block_type=frame.block_type, block_length=len(block), body=body, trailer=frame.trailer)


def build_pcapng_block(block_type: int, body: Value, byteorder: ByteOrder = "little") -> bytes:
    """Build one whole pcapng block of a known type.

    Besides ``options`` (see `option`) a body takes: SHB what `section.section_header` says; IDB ``linktype
    [snaplen]``; NRB ``records`` (see `name_record`); ISB ``interface ts_high ts_low``; EPB ``interface ts_high ts_low
    data [original_length]``; PROCESS ``pid``. Raises FormatsError.
    """
    schema = _pcapng_schemas(byteorder).get(block_type)
    if schema is None:
        raise FormatsError(f"block id {block_type:#x} has no pcapng layout")
    return build_frame(block_type, build(schema, body), byteorder)


def split_timestamp(ts: int) -> tuple[int, int]:
    """Split a timestamp into ``ts_high`` and ``ts_low``."""
    return ts >> 32, ts & 0xFFFFFFFF


def option(code: int, value: bytes = b"") -> Value:
    """Make one option or name record; a list of options ends with ``option(0)``."""
    return Container(code=code, value=value, padding=None)


def name_record(address: bytes, names: Iterable[bytes]) -> Value:
    """Make the record that gives a raw IPv4 or IPv6 address its names; the last one wins in Wireshark."""
    kind = {4: NameRecord.IPV4, 16: NameRecord.IPV6}.get(len(address))
    if kind is None:
        raise FormatsError(f"an address of {len(address)} bytes")
    return option(kind, address + b"".join(name + b"\0" for name in names))


@cache
def upper_pdu() -> Schema:
    """Declare the data of an Upper PDU packet: ``tags`` (see `tag`), ended by ``tag(0)``, and ``payload``."""
    return Record("tags" / options("big"), "payload" / Rest())


def tag(code: int, value: bytes = b"") -> Value:
    """Make one tag; as in Wireshark's own files the stored length includes the padding."""
    return option(code, value.ljust(padded(len(value)), b"\0"))


@cache
def sll2_header() -> Schema:
    """Declare the header of a cooked packet (`LinkType.SLL2`), 20 bytes."""
    number = integers("big")
    return Record(
        "protocol" / number.u16,
        "reserved" / Default(number.u16, 0),
        "interface_index" / Default(number.u32, 0),
        "hardware_type" / Default(number.u16, 65534),
        "packet_type" / number.u8,
        "address_length" / Default(number.u8, 0),
        "address" / Default(Bytes(8), bytes(8)),
    )
