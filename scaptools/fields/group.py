"""The group.* fields: the group a thread runs as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scap_formats.types import ParamType
from scaptools.fields.model import Cost, Field
from scaptools.fields.thread import number_field
from scaptools.state.engine import state_of

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.state.thread import Thread


def gid(thread: Thread) -> int:
    """The group a thread runs as."""
    return thread.gid


def _name(batch: EventBatch, rows: Rows, argument: None) -> Column:  # noqa: ARG001
    return state_of(batch).groups(rows, gid)


GROUP_FIELDS = (
    number_field("group.gid", "The group id of the thread.", gid, type_=ParamType.UINT32),
    Field("group.name", ParamType.CHARBUF, "The name of the thread's group.", _name, cost=Cost.STATE),
)
