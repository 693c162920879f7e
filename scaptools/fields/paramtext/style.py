"""Styles: the choices that decide how a parameter looks as text.

A `Dialect` holds what differs between the two generations of upstream's printing code. Event types only the newer one
knows are always printed by its rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from scap_formats.types import ParamType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scap_formats.table import EventType, Param


class BufferMode(Enum):
    """How byte buffers are shown; the values are sysdig's options."""

    #: Unprintable bytes as dots, cut after `TextStyle.limit` characters.
    DOTS = ""
    #: Printable bytes and line ends only.
    ASCII = "-A"
    BASE64 = "-b"
    HEX = "-x"
    HEX_ASCII = "-X"


class TimeStyle(Enum):
    """How lines show the time of an event; the values are sysdig's letters."""

    #: The local time of day.
    HUMAN = "h"
    #: Since the epoch.
    ABSOLUTE = "a"
    #: Since the first event.
    RELATIVE = "r"
    #: Since the enter event of the call.
    LATENCY = "d"
    #: Since the line before.
    DELTA = "D"


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What differs between sysdig 0.29.3 and today's libraries; each dialect equals only itself.

    ``old_view`` prints the parameters 0.29.3 knows by the names and formats it has for them; ``appends_newer`` behind
    them those that newer writers store besides. ``trailing_blank`` ends
    every parameter with a blank instead of separating them by one. ``first_alias`` prints one name for a value that
    has several. ``printable_paths`` drops bytes outside printable ASCII from paths. ``empty_is_base`` resolves an
    empty path to the directory it would start from. ``failed_always`` answers whether an event failed also where it
    has no result, and counts nothing instead of 0 where it did not. ``missing`` is the text of a parameter without
    value, by type; other types have ``missing_other``.
    """

    name: str
    old_view: bool
    appends_newer: bool
    trailing_blank: bool
    first_alias: bool
    printable_paths: bool
    empty_is_base: bool
    failed_always: bool
    missing: Mapping[ParamType, bytes]
    missing_other: bytes = b"<NA>"


def _types(names: str, text: bytes) -> dict[ParamType, bytes]:
    return dict.fromkeys(map(ParamType.__getitem__, names.split()), text)


#: sysdig 0.29.3.
CLASSIC = Dialect(
    name="sysdig 0.29",
    old_view=True,
    appends_newer=True,
    trailing_blank=True,
    first_alias=True,
    printable_paths=True,
    empty_is_base=True,
    failed_always=True,
    missing=_types("BYTEBUF CHARBUF FSPATH FSRELPATH", b"")
    | _types("SOCKADDR SOCKTUPLE FDLIST CHARBUFARRAY CHARBUF_PAIR_ARRAY DYN", b"NULL"),
)
#: sysdig 0.29.3 with those of its faults that follow a rule (`scaptools.fields.faults`): for comparing cell by cell.
FAITHFUL = replace(CLASSIC, name="sysdig 0.29 with its faults", appends_newer=False)
#: The libraries in use since Falco 0.44.
CURRENT = Dialect(
    name="current",
    old_view=False,
    appends_newer=False,
    trailing_blank=False,
    first_alias=False,
    printable_paths=False,
    empty_is_base=False,
    failed_always=False,
    missing=_types("BYTEBUF SOCKTUPLE FDLIST CHARBUFARRAY CHARBUF_PAIR_ARRAY DYN", b"NULL"),
)


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How parameters and the time of events are printed.

    ``limit`` is the length from which a buffer in `BufferMode.DOTS` is cut, None for never.
    """

    dialect: Dialect = field(default=CLASSIC)
    buffers: BufferMode = BufferMode.DOTS
    limit: int | None = 80
    times: TimeStyle = TimeStyle.HUMAN

    def dialect_of(self, event: EventType) -> Dialect:
        """The rules an event type's values are printed by."""
        return CURRENT if event.old_params is None else self.dialect

    def params_of(self, event: EventType) -> tuple[Param, ...]:
        """The parameters of an event type that are printed where they are stored, in order."""
        old = event.old_params if self.dialect.old_view else None
        if old is None:
            return event.params
        return (*old, *event.params[len(old) :]) if self.dialect.appends_newer else old

    def name_of(self, event: EventType) -> str:
        """The name of an event type."""
        old = event.old_name if self.dialect.old_view else None
        return event.name if old is None else old


DEFAULT_STYLE = TextStyle()
