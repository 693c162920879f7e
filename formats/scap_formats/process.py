"""Process lists, versions 1 to 9; entries are threads.

Versions are data: a field is stored from its version on and reads as its default before. Version 9 entries have a
length and end in a tail that grew with libs releases; which fields a tail has follows from its size alone.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from construct import Container, Default, Switch

from scap_formats.codec import integers
from scap_formats.elements import Alignment, EntryList, LengthBytes, Rest, UnknownKind, remaining
from scap_formats.record import Absent, Record

if TYPE_CHECKING:
    from scap_formats.codec import ByteOrder, Schema

NEWEST_VERSION = 9
#: First version whose entries have a length, which counts itself.
LENGTH_SINCE = 9
#: Longest tail, with which libs write since 0.19.
NEWEST_TAIL = 76
#: Longest tail sysdig 0.29.3 reads rightly.
OLD_TAIL = 5


class ProcessField(NamedTuple):
    """One field: its name, its width (an attribute of `codec.Integers`, or ``text``), since when, and its default."""

    name: str
    width: str
    since: int
    default: int | bytes


PROCESS_FIELDS = (
    ProcessField("tid", "u64", 1, 0),
    ProcessField("pid", "u64", 1, 0),
    ProcessField("ptid", "u64", 1, 0),
    ProcessField("sid", "i64", 6, -1),
    ProcessField("vpgid", "i64", 8, -1),
    ProcessField("comm", "text", 1, b""),
    ProcessField("exe", "text", 1, b""),
    ProcessField("exepath", "text", 7, b""),
    ProcessField("args", "text", 1, b""),
    ProcessField("cwd", "text", 1, b""),
    ProcessField("fdlimit", "u64", 1, 0),
    ProcessField("flags", "u32", 1, 0),
    ProcessField("uid", "u32", 1, 0),
    ProcessField("gid", "u32", 1, 0),
    ProcessField("vmsize_kb", "u32", 2, 0),
    ProcessField("vmrss_kb", "u32", 2, 0),
    ProcessField("vmswap_kb", "u32", 2, 0),
    ProcessField("pfmajor", "u64", 2, 0),
    ProcessField("pfminor", "u64", 2, 0),
    ProcessField("env", "text", 3, b""),
    ProcessField("vtid", "i64", 4, -1),
    ProcessField("vpid", "i64", 4, -1),
    ProcessField("cgroups", "text", 4, b""),
    ProcessField("root", "text", 5, b""),
)


class TailField(NamedTuple):
    """One field of a tail: its name, its width (an attribute of `codec.Integers`), and its default."""

    name: str
    width: str
    default: int

    @property
    def size(self) -> int:
        """Bytes of the field."""
        return int(self.width[1:]) // 8


_IDENTITY = (
    TailField("loginuid", "u32", 0xFFFFFFFF),
    TailField("exe_writable", "u8", 0),
    TailField("cap_inheritable", "u64", 0),
    TailField("cap_permitted", "u64", 0),
    TailField("cap_effective", "u64", 0),
)
_NAMESPACE = (
    TailField("pidns_init_start_ts", "u64", 0),
    TailField("tty", "u32", 0),
)
_EXECUTABLE = (
    TailField("exe_upper_layer", "u8", 0),
    TailField("exe_ino", "u64", 0),
    TailField("exe_ino_ctime", "u64", 0),
    TailField("exe_ino_mtime", "u64", 0),
    TailField("exe_from_memfd", "u8", 0),
    TailField("exe_lower_layer", "u8", 0),
    TailField("pgid", "i64", -1),
)
#: Fields of tails of at most `EARLY_TAIL_MAX` bytes, and of longer ones: two were inserted in front at libs 0.10.
EARLY_TAIL = _IDENTITY
LATE_TAIL = _NAMESPACE + _IDENTITY + _EXECUTABLE
EARLY_TAIL_MAX = 29
#: Tail sizes writers have produced, with the release that did so first.
TAIL_SIZES = {
    0: "2018-08",
    4: "2018-09",
    5: "2021",
    29: "0.7.0",
    66: "0.10.0",
    67: "0.12.0",
    68: "0.18.0",
    76: "0.19.0",
}
#: Every field an entry has after parsing, with its default.
PROCESS_DEFAULTS = {
    **{field.name: field.default for field in PROCESS_FIELDS},
    **{field.name: field.default for field in LATE_TAIL},
}


def tail_fields(size: int) -> tuple[TailField, ...]:
    """List the fields of a tail of ``size`` bytes; what they leave over is nothing any release is known to write."""
    fields, taken = [], 0
    for field in EARLY_TAIL if size <= EARLY_TAIL_MAX else LATE_TAIL:
        taken += field.size
        if taken > size:
            break
        fields.append(field)
    return tuple(fields)


@cache
def _tail(byteorder: ByteOrder, size: int) -> Schema:
    number = integers(byteorder)
    stored = tail_fields(size)
    absent = (field for field in LATE_TAIL if field not in stored)
    return Record(
        "tail_size" / Absent(size),
        *(field.name / Default(getattr(number, field.width), field.default) for field in stored),
        *(field.name / Absent(field.default) for field in absent),
    )


def _tail_size(context: Container) -> int:
    """The size of the tail that is read or written next."""
    if context._building:  # noqa: SLF001 - Construct's way to tell
        size = context.get("tail_size")
        return NEWEST_TAIL if size is None else size
    return min(remaining(context._io), NEWEST_TAIL)  # noqa: SLF001


@cache
def process_entry(byteorder: ByteOrder, version: int) -> Schema:
    """One entry without its length; see `process_list`."""
    number = integers(byteorder)
    widths = {"text": LengthBytes(number.u16)}
    fields = [
        field.name / Default(widths.get(field.width) or getattr(number, field.width), field.default)
        if field.since <= version
        else field.name / Absent(field.default)
        for field in PROCESS_FIELDS
    ]
    if version < LENGTH_SINCE:
        return Record(*fields, _tail(byteorder, 0), "extra" / Absent(b""))
    tails = {size: _tail(byteorder, size) for size in range(NEWEST_TAIL + 1)}
    return Record(*fields, Switch(_tail_size, tails, default=UnknownKind("tail size")), "extra" / Rest())


@cache
def process_list(byteorder: ByteOrder, version: int) -> Schema:
    """Body of a process list: ``entries``, ``padding``, ``rest``.

    An entry has every field of `PROCESS_DEFAULTS`, with the default where the version or tail does not store it,
    ``tail_size`` (bytes after ``root``, at most `NEWEST_TAIL`; when building, which tail to write, the newest where
    it is missing) and ``extra`` bytes the tail's fields leave over. ``args``, ``env`` and ``cgroups`` are
    NUL-separated.
    """
    entry = process_entry(byteorder, version)
    length = integers(byteorder).u32 if version >= LENGTH_SINCE else None
    return Record(
        "entries" / EntryList(entry, length=length, counts_itself=True), "padding" / Alignment(), "rest" / Rest()
    )
