"""Numbers in parameters: the descriptors and the users events mention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scap_formats.types import ParamType
from scaptools.fields.evt.groups import type_groups

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

    Ints = NDArray[np.int64]

DESCRIPTORS = frozenset({ParamType.FD})
USERS = frozenset({ParamType.UID})
GROUPS = frozenset({ParamType.GID})
_LIST_HEAD = 2
_LISTED = np.dtype([("fd", "i8"), ("events", "i2")])


def numbers_in(batch: EventBatch, rows: Ints, types: Collection[ParamType]) -> tuple[Ints, Ints]:
    """The numbers in parameters of some types of the events at ``rows``: rows and numbers, both of shape ``(m,)``."""
    found_rows, found = [rows[:0]], [np.zeros(0, np.int64)]
    for group in type_groups(batch, rows, lambda event: any(param.type in types for param in event.params)):
        for index, param in enumerate(group.event.params[: group.table.stored]):
            if param.type in types:
                numbers = group.table.column(index).numbers()
                valid = numbers.validity()
                found_rows.append(group.rows[valid])
                found.append(numbers.values[valid].astype(np.int64))
    return np.concatenate(found_rows), np.concatenate(found)


def listed_descriptors(batch: EventBatch, rows: Ints) -> set[int]:
    """The descriptors in lists such as those of poll, of the events at ``rows``."""
    found: set[int] = set()
    fd_list = ParamType.FDLIST
    for group in type_groups(batch, rows, lambda event: any(param.type is fd_list for param in event.params)):
        for index, param in enumerate(group.event.params[: group.table.stored]):
            if param.type is fd_list:
                # The same lists are polled again and again.
                for text in set(group.table.column(index).bytes().to_pylist()):
                    body = (text or b"")[_LIST_HEAD:]
                    whole = len(body) - len(body) % _LISTED.itemsize
                    listed = _LISTED.newbyteorder("<" if batch.byteorder == "little" else ">")
                    found.update(np.frombuffer(body[:whole], listed)["fd"].tolist())
    return found
