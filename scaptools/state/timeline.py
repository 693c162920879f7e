"""Timelines: values by key over time, asked for all at once.

A timeline is a table of writes (key, position, value). The value of a key at a position is that of its last write at
or before it. Positions are those of a batch: row ``r`` acts at ``2 * r``, what it causes for the events after it at
``2 * r + 1``, and what was before the batch is at ``BEFORE``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Ints: TypeAlias = NDArray[np.int64]

#: The position of what a batch starts with.
BEFORE = -1
#: What `Timeline.find` answers where a key has no write, and what a write of nothing stores.
ABSENT = -1
#: Keys up to here get a lookup table instead of a search.
_TABLE_LIMIT = 1 << 22


def as_int64(values: list[int]) -> Ints:
    """Numbers of 64 bits, those above the signed range wrapped into it."""
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array([value & _UNSIGNED for value in values], np.uint64).astype(np.int64)


_UNSIGNED = (1 << 64) - 1


class KeyCodes:
    """Dense codes for int64 keys: their rank among the distinct ones."""

    def __init__(self, keys: Ints) -> None:
        self.keys = np.unique(keys)
        small = len(self.keys) > 0 and self.keys[0] >= 0 and self.keys[-1] < _TABLE_LIMIT
        self._table: NDArray[np.int32] | None = None
        if small:
            self._table = np.full(int(self.keys[-1]) + 2, ABSENT, np.int32)
            self._table[self.keys] = np.arange(len(self.keys), dtype=np.int32)

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: Ints) -> NDArray[Any]:
        """The code of each key, `ABSENT` for one that has none."""
        if self._table is not None:
            last = len(self._table) - 1  # holds ABSENT, for everything outside
            return self._table[np.where((keys >= 0) & (keys < last), keys, last)]
        if not len(self.keys):
            return np.full(len(keys), ABSENT, np.int32)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, ABSENT)


class Timeline:
    """The writes of one attribute; later writes at the same position win. All arrays have shape ``(n,)``."""

    def __init__(self, keys: ArrayLike, positions: ArrayLike, values: ArrayLike) -> None:
        keys = np.asarray(keys, np.int64)
        positions = np.asarray(positions, np.int64)
        self._codes = KeyCodes(keys)
        self._span = int(positions.max(initial=0)) - BEFORE + 1
        places = self._codes.find(keys).astype(np.int64) * self._span + (positions - BEFORE)
        order = np.argsort(places, kind="stable")
        self._places = places[order]
        self.values: Ints = np.asarray(values, np.int64)[order]
        # Most keys have the one value they started with: no search for those.
        first = np.searchsorted(self._places, np.arange(len(self._codes) + 1) * self._span)
        single = np.diff(first) == 1
        if len(single):
            starts = self._places[first[:-1]] == np.arange(len(single)) * self._span
            single &= starts
        self._single = np.where(single, self.values[np.minimum(first[:-1], max(len(self.values) - 1, 0))], ABSENT - 1)

    def __len__(self) -> int:
        return len(self.values)

    def find(self, keys: Ints, positions: Ints) -> Ints:
        """The value of each key at its position, `ABSENT` where it has none; shapes ``(m,)``."""
        if not len(self.values):
            return np.full(len(keys), ABSENT, np.int64)
        codes = self._codes.find(keys)
        found: Ints = np.where(codes >= 0, self._single[codes], ABSENT)
        searched = np.flatnonzero(found == ABSENT - 1)
        if len(searched):
            found[searched] = self.values_at(self._search(codes[searched], positions[searched]))
        return found

    def find_writes(self, keys: Ints, positions: Ints) -> Ints:
        """The index into ``values`` of the write each key shows at its position, `ABSENT` where there is none."""
        if not len(self.values):
            return np.full(len(keys), ABSENT, np.int64)
        codes = self._codes.find(keys)
        return np.where(codes >= 0, self._search(codes, positions), ABSENT)

    def values_at(self, writes: Ints) -> Ints:
        """The values of writes, `ABSENT` for `ABSENT`."""
        return np.where(writes >= 0, self.values[writes], ABSENT) if len(self.values) else writes

    def _search(self, codes: NDArray[Any], positions: Ints) -> Ints:
        starts = codes.astype(np.int64) * self._span
        asked = starts + np.minimum(positions - BEFORE, self._span - 1)
        at = np.searchsorted(self._places, asked, side="right") - 1
        return np.where((at >= 0) & (self._places[at] >= starts), at, ABSENT)
