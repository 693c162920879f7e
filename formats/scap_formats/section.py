"""Section header: magic, version, length of the section, and pcapng options.

The magic tells the byte order of everything up to the next section header. The same block starts a pcapng file.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import NamedTuple

from scap_formats.blocks import HEAD_SIZE, BlockType, options
from scap_formats.codec import ORDER_MARKS, Buffer, ByteOrder, Schema, integers

MAGIC = 0x1A2B3C4D
#: Bytes of a section header block without options.
MIN_SIZE = 28
#: The only major version; minor 2 is what writers have used since 2018-08.
MAJOR_VERSION = 1
MINOR_VERSION = 2
#: Section length that says nothing, as every writer stores it.
LENGTH_UNKNOWN = 2**64 - 1

OPTION_END = 0
OPTION_COMMENT = 1
OPTION_APPLICATION = 4


def find_byte_order(block: Buffer) -> ByteOrder | None:
    """Tell the byte order of a section from its first 12 bytes, None where they start no section."""
    orders: tuple[ByteOrder, ...] = ("little", "big")
    for order in orders:
        start = BlockType.SHB.to_bytes(4, order), MAGIC.to_bytes(4, order)
        if (block[:4], block[8:12]) == start:
            return order
    return None


class Version(NamedTuple):
    """The beginning of a section header, which says whether the rest can be understood."""

    magic: int
    major: int
    minor: int


def section_version(block: Buffer, byteorder: ByteOrder) -> Version:
    """What a section header block of at least `MIN_SIZE` bytes begins with."""
    return Version(*struct.unpack_from(f"{ORDER_MARKS[byteorder]}LHH", block, HEAD_SIZE))


@cache
def section_header(byteorder: ByteOrder) -> Schema:
    """Body of a section header: ``magic``, ``major``, ``minor``, ``section_length``, ``options``, ``rest``."""
    from construct import Default

    from scap_formats.elements import Rest
    from scap_formats.record import Record

    number = integers(byteorder)
    return Record(
        "magic" / Default(number.u32, MAGIC),
        "major" / Default(number.u16, MAJOR_VERSION),
        "minor" / Default(number.u16, MINOR_VERSION),
        "section_length" / Default(number.u64, LENGTH_UNKNOWN),
        "options" / options(byteorder),
        "rest" / Rest(),
    )
