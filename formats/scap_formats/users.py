"""User lists, versions 1 and 2: users and groups. In version 2 an entry's length counts itself."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from construct import Switch, this

from scap_formats.codec import integers
from scap_formats.elements import Alignment, EntryList, LengthBytes, Rest
from scap_formats.record import Absent, Record

if TYPE_CHECKING:
    from scap_formats.codec import ByteOrder, Schema

KIND_USER = 0
#: What writers store for a group; any kind but `KIND_USER` is one.
KIND_GROUP = 1
#: Longest string libscap reads.
MAX_STRING = 255


@cache
def user_list(byteorder: ByteOrder, version: int) -> Schema:
    """Body of a user list: ``entries``, ``padding``, ``rest``.

    A user has ``kind``, ``uid``, ``gid``, ``name``, ``home``, ``shell``, a group ``kind``, ``gid``, ``name``; both
    have ``extra`` bytes.
    """
    number = integers(byteorder)
    text = LengthBytes(number.u16)
    user = Record("uid" / number.u32, "gid" / number.u32, "name" / text, "home" / text, "shell" / text)
    group = Record("gid" / number.u32, "name" / text)
    entry = Record(
        "kind" / number.u8,
        Switch(this.kind, {KIND_USER: user}, default=group),
        "extra" / (Rest() if version > 1 else Absent(b"")),
    )
    length = number.u32 if version > 1 else None
    return Record(
        "entries" / EntryList(entry, length=length, counts_itself=True), "padding" / Alignment(), "rest" / Rest()
    )
