"""The fixed-size start of event blocks as tables, which schemas and dtypes are made of, and the facts about it.

Field types are named as `codec.Integers` names them.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TypeAlias

#: Names and types in wire order.
Fields: TypeAlias = tuple[tuple[str, str], ...]

#: In front of every block's body.
HEAD_FIELDS: Fields = (("block_type", "u32"), ("block_length", "u32"))
_CPU: Fields = (("cpu", "u16"),)
#: EVF blocks only.
_FLAGS: Fields = (("dump_flags", "u32"),)
_EVENT: Fields = (("ts", "u64"), ("tid", "i64"), ("length", "u32"), ("type", "u16"))
#: v2 blocks only.
_COUNT: Fields = (("nparams", "u32"),)

#: Bytes of the event header without and with the number of parameters.
HEADER_SIZE_V1 = 22
HEADER_SIZE_V2 = 26
#: Event types whose v1 writers stored a length 3 too large.
NOTIFICATION_TYPES = frozenset({280, 286})
NOTIFICATION_EXCESS = 3


class DumpFlag(IntFlag):
    """Flags of EVF blocks."""

    #: Feed the state, do not show.
    STATE_ONLY = 1
    #: Obsolete.
    TRACER = 2
    #: Removed by the writer before storing.
    LARGE = 4


def fields_before_event(*, has_flags: bool) -> Fields:
    """The fields between a block's head and its event."""
    return _CPU + _FLAGS if has_flags else _CPU


def fields_of_event(*, has_nparams: bool) -> Fields:
    """The event header."""
    return _EVENT + _COUNT if has_nparams else _EVENT
