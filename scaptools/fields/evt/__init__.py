"""The evt.* fields, and those declared with them: what an event says by itself.

`evt_fields` makes them in a style and with a context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaptools.fields.evt import counting, elapsed, header, infrastructure, machine, times
from scaptools.fields.evt.arguments import argument_fields
from scaptools.fields.evt.categories import category_fields
from scaptools.fields.evt.context import EventContext
from scaptools.fields.evt.descriptors import descriptor_fields
from scaptools.fields.evt.kinds import kind_fields
from scaptools.fields.evt.opens import open_fields
from scaptools.fields.evt.outputtime import output_time
from scaptools.fields.evt.results import result_fields
from scaptools.fields.paramtext.context import STATELESS
from scaptools.fields.paramtext.style import DEFAULT_STYLE

if TYPE_CHECKING:
    from scaptools.fields.model import Field
    from scaptools.fields.paramtext import TextStyle

__all__ = ["EventContext", "evt_fields"]


def evt_fields(style: TextStyle = DEFAULT_STYLE, context: EventContext | None = None) -> tuple[Field, ...]:
    """The fields in a style.

    Without a context, descriptors, threads, users and relative paths stay unresolved, and fields that depend on the
    kind of a descriptor are left out.
    """
    dialect = style.dialect
    return (
        *header.FIELDS,
        *times.FIELDS,
        *elapsed.FIELDS,
        *counting.FIELDS,
        output_time(style.times),
        *kind_fields(dialect),
        *category_fields(dialect, context),
        *argument_fields(style, STATELESS if context is None else context),
        *result_fields(dialect),
        *(() if context is None else descriptor_fields(dialect, context)),
        *open_fields(dialect),
        *machine.FIELDS,
        *infrastructure.FIELDS,
    )
