"""Type sets: the kinds of descriptors a process has open, over time.

Sets change rarely and are few; each table's changes are gone through once, counting types.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scaptools.state.timeline import ABSENT, BEFORE, Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]


class TypeSets:
    """The sets of descriptor types of tables.

    ``writes`` are the tables' changes as columns table, fd, position, type (`ABSENT` for a close), ordered by
    position; ``births`` are rows of table, origin and position.
    """

    def __init__(self, writes: Ints, births: Ints) -> None:
        self.sets: list[tuple[int, ...]] = []
        self._numbers: dict[tuple[int, ...], int] = {}
        open_types: dict[int, dict[int, int]] = {}
        counts: dict[int, Counter[int]] = {}
        found: list[tuple[int, int, int]] = []
        events: list[tuple[int, int, Sequence[int]]] = [
            *((position, 0, (table, origin)) for table, origin, position in births.tolist()),
            *((position, 1, (table, fd, type_)) for table, fd, position, type_ in writes.T.tolist()),
        ]
        events.sort(key=_order)
        for position, kind, change in events:
            table = change[0]
            types = open_types.setdefault(table, {})
            counted = counts.setdefault(table, Counter())
            if kind == 0:
                types.update(open_types.get(change[1], {}))
                counted.update(types.values())
            else:
                _, fd, type_ = change
                before = types.pop(fd, ABSENT)
                if before != ABSENT:
                    counted[before] -= 1
                if type_ != ABSENT:
                    types[fd] = type_
                    counted[type_] += 1
            found.append((table, position, self._number(counted)))
        columns = np.array(found, np.int64).reshape(-1, 3).T
        self._timeline = Timeline(*columns)

    def _number(self, counted: Counter[int]) -> int:
        present = tuple(type_ for type_, count in counted.items() if count > 0)
        if present not in self._numbers:
            self._numbers[present] = len(self.sets)
            self.sets.append(present)
        return self._numbers[present]

    def lists(self, tables: Ints, positions: Ints) -> tuple[Ints, Ints]:
        """The types of tables at positions: offsets of shape ``(n + 1,)``, and types."""
        numbers = self._timeline.find(tables, np.maximum(positions, BEFORE))
        sizes = np.array([len(each) for each in self.sets] + [0], np.int64)
        flat = np.array([type_ for each in self.sets for type_ in each], np.int64)
        starts = np.concatenate(([0], np.cumsum(sizes)))
        lengths = sizes[numbers]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        elements = np.repeat(starts[numbers] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return offsets, flat[elements]


def _order(event: tuple[int, int, Sequence[int]]) -> tuple[int, int]:
    return event[:2]
