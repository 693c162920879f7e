"""Machine info: what the capturing host was. The body has exactly 180 bytes."""

from __future__ import annotations

from functools import cache

from construct import Default

from scap_formats.codec import ByteOrder, Schema, integers
from scap_formats.elements import PaddedBytes
from scap_formats.record import Record

BODY_SIZE = 180
HOSTNAME_SIZE = 128
#: ``num_cpus`` of a file that was rewritten from a section without machine info.
CPUS_UNKNOWN = 0xFFFFFFFF


@cache
def machine_info(byteorder: ByteOrder) -> Schema:
    """Body of machine info; ``hostname`` comes without the NULs at its end, ``boot_ts_epoch`` in ns.

    ``max_pid`` and ``boot_ts_epoch`` are 0 where the writer did not know them.
    """
    number = integers(byteorder)
    return Record(
        "num_cpus" / number.u32,
        "memory_bytes" / number.u64,
        "max_pid" / Default(number.u64, 0),
        "hostname" / PaddedBytes(HOSTNAME_SIZE),
        "boot_ts_epoch" / Default(number.u64, 0),
        "flags" / Default(number.u64, 0),
        "reserved3" / Default(number.u64, 0),
        "reserved4" / Default(number.u64, 0),
    )
