"""The one-line text of an event, shown as ``evt.plugininfo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from scaptools.plugins.cloudtrail import rules
from scaptools.plugins.jsontext.texts import truths

if TYPE_CHECKING:
    from scaptools.plugins.cloudtrail.records import Records

#: Members a line needs, in the order they are looked for, and what is said where one is no string.
_NEEDED: Final = (
    ("eventSource", b"<invalid JSON: event did not contain a source>"),
    ("awsRegion", b"<invalid JSON: event did not contain an awsRegion>"),
    ("eventName", b"<invalid JSON: event did not contain an eventName>"),
)
_UNREADABLE: Final = b"<invalid JSON>"


def summaries(records: Records) -> pa.Array:
    """Region, user, service, event name and `rules.info` of every record, none of them missing."""
    line = records.join(
        records.text("awsRegion"),
        _user(records),
        b" ",
        rules.short_source(records).to_arrow(),
        b" ",
        records.text("eventName"),
        b" ",
        rules.info(records),
    )
    for path, complaint in reversed(_NEEDED):
        line = pc.if_else(pc.is_null(records.string(path)), records.constant(complaint), line)
    return pc.if_else(truths(records.parsed()), line, records.constant(_UNREADABLE))


def _user(records: Records) -> pa.Array:
    """The user's name behind a blank, or a filler that has none in front of it."""
    name, kind = records.once(rules.user), records.string(rules.IDENTITY_TYPE)
    known = pc.is_in(kind, value_set=pa.array(list(rules.USER_OF_TYPE), records.type))
    filler = pc.if_else(known, records.constant(b"<NA>"), records.constant(b"<unknown user type>"))
    filler = pc.if_else(pc.is_null(kind), records.constant(b""), filler)
    shown = pc.if_else(pc.equal(pc.binary_length(name), rules.ZERO), records.constant(b""), records.join(b" ", name))
    return pc.if_else(pc.is_null(name), filler, shown)
