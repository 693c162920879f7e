"""Names of the event table's numbers: parameter types, print formats, flags, categories, directions.

Member names are upstream's without their prefix (``PT_FSPATH`` is ``ParamType.FSPATH``); values are those on
disk.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ParamType(IntEnum):
    """How the bytes of a parameter are read (``PT_*``)."""

    NONE = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    CHARBUF = 9
    BYTEBUF = 10
    ERRNO = 11
    SOCKADDR = 12
    SOCKTUPLE = 13
    FD = 14
    PID = 15
    FDLIST = 16
    FSPATH = 17
    SYSCALLID = 18
    SIGTYPE = 19
    RELTIME = 20
    ABSTIME = 21
    PORT = 22
    L4PROTO = 23
    SOCKFAMILY = 24
    BOOL = 25
    IPV4ADDR = 26
    DYN = 27
    FLAGS8 = 28
    FLAGS16 = 29
    FLAGS32 = 30
    UID = 31
    GID = 32
    DOUBLE = 33
    SIGSET = 34
    CHARBUFARRAY = 35
    CHARBUF_PAIR_ARRAY = 36
    IPV4NET = 37
    IPV6ADDR = 38
    IPV6NET = 39
    IPADDR = 40
    IPNET = 41
    MODE = 42
    FSRELPATH = 43
    ENUMFLAGS8 = 44
    ENUMFLAGS16 = 45
    ENUMFLAGS32 = 46
    FD32 = 47
    PID32 = 48

    @property
    def size(self) -> int | None:
        """Bytes of a value that is present, None where the length varies."""
        return FIXED_SIZES.get(self)

    @property
    def signed(self) -> bool:
        """Whether the value is a signed integer."""
        return self in SIGNED_TYPES


FIXED_SIZES: Mapping[ParamType, int] = MappingProxyType(
    {
        type_: size
        for size, types in {
            1: "INT8 UINT8 SIGTYPE FLAGS8 ENUMFLAGS8 L4PROTO SOCKFAMILY",
            2: "INT16 UINT16 PORT FLAGS16 ENUMFLAGS16 SYSCALLID",
            4: "INT32 UINT32 FLAGS32 ENUMFLAGS32 MODE UID GID FD32 PID32 BOOL SIGSET IPV4ADDR",
            8: "INT64 UINT64 ERRNO FD PID RELTIME ABSTIME DOUBLE",
            16: "IPV6ADDR",
        }.items()
        for type_ in map(ParamType.__getitem__, types.split())
    }
)
SIGNED_TYPES = frozenset(
    {
        ParamType.INT8,
        ParamType.INT16,
        ParamType.INT32,
        ParamType.INT64,
        ParamType.ERRNO,
        ParamType.FD,
        ParamType.PID,
        ParamType.FD32,
        ParamType.PID32,
    }
)
#: Types that hold one NUL-terminated string.
STRING_TYPES = frozenset({ParamType.CHARBUF, ParamType.FSPATH, ParamType.FSRELPATH})
#: Types whose number stands for a set of names that may be combined.
FLAG_TYPES = frozenset({ParamType.FLAGS8, ParamType.FLAGS16, ParamType.FLAGS32})
#: Types whose number stands for exactly one name.
ENUM_TYPES = frozenset({ParamType.ENUMFLAGS8, ParamType.ENUMFLAGS16, ParamType.ENUMFLAGS32})


class PrintFormat(IntEnum):
    """How a number is printed (``PF_*``)."""

    NA = 0
    DEC = 1
    HEX = 2
    PADDED_DEC = 3
    ID = 4
    DIR = 5
    OCT = 6


class EventFlag(IntFlag):
    """What an event type does (``EF_*``)."""

    CREATES_FD = 1
    DESTROYS_FD = 2
    USES_FD = 4
    READS_FROM_FD = 8
    WRITES_TO_FD = 16
    MODIFIES_STATE = 32
    UNUSED = 64
    WAITS = 128
    SKIPPARSERESET = 256
    OLD_VERSION = 512
    LARGE_PAYLOAD = 2048
    CONVERTER_MANAGED = 4096


class EventCategory(IntEnum):
    """What an event is about: the low part of the category word (``EC_*``)."""

    UNKNOWN = 0
    OTHER = 1
    FILE = 2
    NET = 3
    IPC = 4
    MEMORY = 5
    PROCESS = 6
    SLEEP = 7
    SYSTEM = 8
    SIGNAL = 9
    USER = 10
    TIME = 11
    PROCESSING = 12
    IO_READ = 32
    IO_WRITE = 33
    IO_OTHER = 34
    WAIT = 64
    SCHEDULER = 128
    INTERNAL = 256


class EventClass(IntEnum):
    """Where an event comes from: the high part of the category word (``EC_*``); ``NONE`` for unused types."""

    NONE = 0
    SYSCALL = 512
    TRACEPOINT = 1024
    PLUGIN = 2048
    METAEVENT = 4096
    ITER = 8192


class Direction(IntEnum):
    """Enter events have even type numbers, exit events odd ones."""

    ENTER = 0
    EXIT = 1

    @property
    def symbol(self) -> str:
        """``>`` or ``<``, as it is printed."""
        return "><"[self]


class ConversionAction(IntEnum):
    """What a reader does with an event of an older schema."""

    #: Deliver it as it is.
    PASS = 0
    #: Keep it for its exit event and do not deliver it.
    STORE = 1
    #: Keep it for its exit event and deliver it.
    STORE_PASS = 2
    #: Append parameters.
    ADD = 3
    #: Give it another type and all parameters anew.
    CHANGE = 4


class SourceKind(IntEnum):
    """Where a converted event's parameter comes from."""

    #: Parameter ``index`` of the event itself.
    OLD = 0
    #: Parameter ``index`` of the stored enter event; the default value of its type where none is stored.
    ENTER_OR_DEFAULT = 1
    #: Parameter ``index`` of the stored enter event; empty where none is stored.
    ENTER_OR_EMPTY = 2
    #: The default value of the new parameter's type.
    DEFAULT = 3
    #: No value.
    EMPTY = 4
    #: Container JSON made of the four parameters of the event itself; empty where that fails.
    CONTAINER_JSON = 5
