"""Interface lists, versions 1 and 2.

Addresses are raw network bytes in every byte order. In version 2 an entry's length does not count itself.
"""

from __future__ import annotations

import struct
from functools import cache, partial
from typing import TYPE_CHECKING

from construct import Bytes, Container, Default, Rebuild, Switch, this

from scap_formats.blocks import HEAD_SIZE, TRAILER_SIZE, padded
from scap_formats.codec import ORDER_MARKS, integers
from scap_formats.elements import Alignment, EntryList, Rest, UnknownKind, remaining
from scap_formats.record import Absent, Record

if TYPE_CHECKING:
    from scap_formats.codec import Buffer, ByteOrder, Schema

#: Kind to (bytes of an address, whether a link speed follows the addresses).
KINDS = {1: (4, True), 2: (16, True), 3: (4, False), 4: (16, False)}
_ADDRESSES = ("address", "netmask", "broadcast")
_SPEED_SIZE = 8
_LENGTH_SIZE = 4


def _has_speed(version: int, context: Container) -> bool:
    """Whether a link speed is stored: the kind says so, but lists rewritten as version 2 gain one in any kind."""
    if KINDS.get(context.kind, (0, True))[1]:
        return True
    if context._building:  # noqa: SLF001 - Construct's way to tell
        return context.get("linkspeed") is not None
    return version > 1 and remaining(context._io) >= context.name_length + _SPEED_SIZE  # noqa: SLF001


@cache
def interface_list(byteorder: ByteOrder, version: int) -> Schema:
    """Body of an interface list: ``entries``, ``padding``, ``rest``.

    An entry has ``kind``, ``name_length``, ``address``, ``netmask``, ``broadcast``, ``linkspeed`` (None where it is
    not stored), ``name``, and ``extra`` bytes.
    """
    number = integers(byteorder)
    addresses = {kind: Record(*(name / Bytes(size) for name in _ADDRESSES)) for kind, (size, _speed) in KINDS.items()}
    entry = Record(
        "kind" / number.u16,
        "name_length" / Rebuild(number.u16, lambda context: len(context.name)),
        Switch(this.kind, addresses, default=UnknownKind("interface kind")),
        "linkspeed" / Switch(partial(_has_speed, version), {True: Default(number.u64, 0)}, default=Absent(None)),
        "name" / Bytes(this.name_length),
        "extra" / (Rest() if version > 1 else Absent(b"")),
    )
    length = number.u32 if version > 1 else None
    return Record("entries" / EntryList(entry, length=length), "padding" / Alignment(), "rest" / Rest())


def _least_size(kind: int) -> int:
    """Length of a version 2 entry of a kind with an empty name."""
    address_size, has_speed = KINDS[kind]
    kind_and_name_length = 4
    return kind_and_name_length + len(_ADDRESSES) * address_size + (_SPEED_SIZE if has_speed else 0)


def real_size(block: Buffer, byteorder: ByteOrder = "little") -> int | None:
    """Find the real size of a version 2 block whose stored total is too small.

    ``block`` starts at the block's type and reaches beyond its stored end. Some writers forget 4 bytes per interface
    in the total, at both ends of the block, but write everything. Returns what the total should be, or None where
    the bytes do not bear that out.
    """
    mark = ORDER_MARKS[byteorder]
    if len(block) < HEAD_SIZE + TRAILER_SIZE:
        return None
    (declared,) = struct.unpack_from(f"{mark}I", block, 4)
    head = struct.Struct(f"{mark}IHH")
    position, count = HEAD_SIZE, 0
    while position + head.size <= len(block):
        size, kind, name_length = head.unpack_from(block, position)
        if kind not in KINDS or size < _least_size(kind) + name_length:
            break
        position += _LENGTH_SIZE + size
        count += 1
        end = HEAD_SIZE + padded(position - HEAD_SIZE)
        total = end + TRAILER_SIZE
        # what is missing must fit, or padding followed by the trailer is taken for one more entry
        if total == declared + _LENGTH_SIZE * count and total <= len(block):
            return total if struct.unpack_from(f"{mark}I", block, end) == (declared,) else None
    return None
