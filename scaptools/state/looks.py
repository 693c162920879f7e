"""Looks: the thread and the descriptor of single events of batches with state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scap_formats.descriptors import DescriptorType
from scaptools.state.attached import state_of
from scaptools.state.descriptors import Descriptor
from scaptools.state.timeline import ABSENT
from scaptools.state.views import fd_view, thread_view

if TYPE_CHECKING:
    from scaptools.capture.batch import EventBatch
    from scaptools.state.views import FdView, ThreadView


def event_thread(batch: EventBatch, row: int) -> ThreadView | None:
    """The thread of an event, None where it is not known."""
    state, rows = state_of(batch), np.array([row])
    (version,) = state.threads(rows).tolist()
    if version == ABSENT:
        return None
    (main,) = state.mains(rows).tolist()
    return thread_view(state.versions[version], None if main == ABSENT else state.versions[main])


def event_fd(batch: EventBatch, row: int) -> FdView | None:
    """The descriptor of an event, None where it has none or that is not known.

    Raises LookupError where the batch's state was tracked without descriptors.
    """
    descriptors, rows = state_of(batch).descriptors, np.array([row])
    found = descriptors.of_events(rows)
    (applies,), (fd,), (value,) = found.applies.tolist(), found.fds.tolist(), found.values.tolist()
    if not applies or value == ABSENT:
        return None
    descriptor = descriptors.descriptor(value)
    if descriptor is None:
        kind = DescriptorType(int(descriptors.types[value]))
        descriptor = Descriptor(kind, descriptors.names[value].as_py() or b"")
    return fd_view(fd, descriptor)
