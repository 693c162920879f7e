"""Joining: which enter event belongs to which exit event of the same thread.

A thread has one enter event waiting at a time. A later one takes its place; an exit of the matching type uses it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch


@dataclass(frozen=True, slots=True)
class EnterMatches:
    """Enter events are numbered: those carried over first, then the rows of the batch.

    ``enters`` has for every row of the batch the number of the enter event it uses, -1 where it uses none;
    ``waiting`` are the numbers of the enter events nobody has used or replaced.
    """

    enters: NDArray[np.int64]
    waiting: NDArray[np.int64]


def match_enters(
    pending: EventBatch, batch: EventBatch, stores: NDArray[np.intp], wanted: NDArray[np.int64]
) -> EnterMatches:
    """Match the enter events in ``pending`` and in rows ``stores`` of ``batch`` with its exit events.

    ``wanted`` has for every row of ``batch`` the type of the enter event it needs, -1 for none.
    """
    carried = len(pending)
    takers = np.flatnonzero(wanted >= 0)
    enters = np.full(len(batch), -1, np.int64)
    numbers = np.concatenate((np.arange(carried), stores + carried, takers + carried))
    if not len(numbers):
        return EnterMatches(enters, numbers)
    known_types = np.concatenate((pending.header("type"), batch.header("type", stores))).astype(np.int64)
    tids = np.concatenate((pending.header("tid"), batch.header("tid", stores), batch.header("tid", takers)))
    is_store = np.arange(len(numbers)) < len(known_types)
    order = np.lexsort((numbers, tids))
    sorted_tids, sorted_store = tids[order], is_store[order]
    # The latest enter event up to each place of the sorted sequence, if it is of the same thread.
    latest = np.maximum.accumulate(np.where(sorted_store, np.arange(len(order)), -1))
    own = (latest >= 0) & (sorted_tids[latest] == sorted_tids)
    used = np.zeros(len(order), bool)
    seekers = np.flatnonzero(~sorted_store & own)
    enter_places = order[latest[seekers]]
    fits = known_types[enter_places] == wanted[numbers[order[seekers]] - carried]
    seekers = seekers[fits]
    first = np.ones(len(seekers), bool)
    first[1:] = latest[seekers[1:]] != latest[seekers[:-1]]
    seekers = seekers[first]
    used[latest[seekers]] = True
    enters[numbers[order[seekers]] - carried] = numbers[order[latest[seekers]]]
    thread_ends = np.flatnonzero(np.append(sorted_tids[1:] != sorted_tids[:-1], True))
    last_stores = latest[thread_ends][own[thread_ends]]
    waiting = numbers[order[last_stores[~used[last_stores]]]]
    return EnterMatches(enters, np.sort(waiting))
