"""The descriptor timeline: what (table, fd) refers to at a position, tables that began as copies included.

A table that began as a copy holds what its origin held at the time of copying: what the timeline does not know about a
table born in the batch is asked of its origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scaptools.state.timeline import ABSENT, Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]

_FD_BITS = 32


def pair_keys(tables: Ints, fds: Ints) -> Ints:
    """One key for a table and an fd; fds that cannot be any share the key of -1."""
    low = np.where((fds >= 0) & (fds < 1 << (_FD_BITS - 1)), fds, (1 << _FD_BITS) - 1)
    return (tables << _FD_BITS) | low


class DescriptorTimeline:
    """Values of (table, fd) over a batch, copies of tables included.

    ``values`` are those of the writes, in the order in which they were given. ``births`` has a row of table, origin
    and position for every copy.
    """

    def __init__(self, keys: Ints, positions: Ints, values: Ints, births: Ints) -> None:
        self._timeline = Timeline(keys, positions, np.arange(len(keys)))
        self.values = values
        order = np.argsort(births[:, 0], kind="stable")
        self._tables, self._parents, self._born = births[order].T

    def find(self, tables: Ints, fds: Ints, positions: Ints) -> tuple[Ints, Ints]:
        """The write each (table, fd) shows at its position, `ABSENT` for none, and the value; shapes ``(m,)``."""
        found = np.full(len(tables), ABSENT)
        left = np.flatnonzero(tables != ABSENT)
        tables, fds, positions = tables[left], fds[left], positions[left]
        while len(left):
            hits = self._timeline.find(pair_keys(tables, fds), positions)
            found[left] = hits
            copied, parents, born = self._origins(tables)
            on = np.flatnonzero((hits == ABSENT) & copied)
            left, tables, fds = left[on], parents[on], fds[on]
            positions = np.minimum(positions[on], born[on])
        return found, np.where(found >= 0, self.values[found], ABSENT) if len(self.values) else found

    def _origins(self, tables: Ints) -> tuple[Mask, Ints, Ints]:
        """Which tables are copies made in this batch, of what, and when."""
        if not len(self._tables):
            return np.zeros(len(tables), bool), tables, tables
        at = np.minimum(np.searchsorted(self._tables, tables), len(self._tables) - 1)
        return self._tables[at] == tables, self._parents[at], self._born[at]
