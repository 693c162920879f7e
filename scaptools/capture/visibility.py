"""Visibility: which events are shown to people, and which only keep the state up to date.

The rules are sysdig's: internal events are numbered but not printed, nor are events a writer marked as state only, nor
the container events in front of all others, which it uses up while it opens a file.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.header import DumpFlag
from scap_formats.table import event_table
from scap_formats.types import EventCategory
from scaptools.columns import ALL_ROWS, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

_CONTAINER_NAME = "container"


@cache
def _types() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    events = event_table().events
    internal = np.array([event.category is EventCategory.INTERNAL for event in events])
    container = np.array([event.name == _CONTAINER_NAME for event in events])
    return internal, container


def leading_containers(batch: EventBatch) -> int:
    """How many container events stand in front of the first other event of a batch."""
    _, container = _types()
    others = np.flatnonzero(~container.take(batch.header("type"), mode="clip"))
    return int(others[0]) if len(others) else len(batch)


def shown_rows(batch: EventBatch, rows: Rows = ALL_ROWS) -> NDArray[np.intp]:
    """Those of the given rows whose events are to be shown, ascending."""
    internal, _ = _types()
    types = batch.header("type", rows)
    hidden = internal.take(types, mode="clip")
    flags = batch.dump_flags(rows)
    if flags is not None:
        hidden |= (flags & DumpFlag.STATE_ONLY) != 0
    wanted = np.arange(len(batch))[rows]
    if batch.first_number == 1:
        hidden |= wanted < leading_containers(batch)
    return wanted[~hidden] if hidden.any() else wanted
