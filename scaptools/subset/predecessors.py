"""Predecessors: the event each event's thread had before it, along a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaptools.subset.eventtypes import stands_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

    Ints = NDArray[np.int64]


class Predecessors:
    """The latest event of every thread seen so far; events that stand apart from enter and exit do not count."""

    def __init__(self) -> None:
        self._latest: dict[int, int] = {}

    def of(self, batch: EventBatch, tids: Ints | None = None) -> Ints:
        """The number of the event before each event of the next batch, 0 for none; shape ``(n,)``.

        Only the threads ``tids`` are looked at, where they are given.
        """
        taking_part = ~stands_apart(batch)
        threads = batch.header("tid")
        if tids is not None:
            taking_part &= np.isin(threads, tids)
        rows = np.flatnonzero(taking_part)
        rows = rows[np.argsort(threads[rows], kind="stable")]
        ordered = threads[rows]
        found = np.zeros(len(batch), np.int64)
        found[rows[1:]] = rows[:-1] + batch.first_number
        firsts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
        for first, tid in zip(firsts.tolist(), ordered[firsts].tolist(), strict=True):
            found[rows[first]] = self._latest.get(tid, 0)
        lasts = np.append(firsts[1:], len(rows))[: len(firsts)] - 1
        self._latest.update(zip(ordered[lasts].tolist(), (rows[lasts] + batch.first_number).tolist(), strict=True))
        return found
