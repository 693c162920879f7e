"""Counters: page faults and memory of threads over time, as events report them.

Every switch event reports the page faults of the thread that leaves the processor and the memory of its process; the
calls that change memory report it for their thread.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scaptools.columns import Numbers
from scaptools.state.timeline import ABSENT, BEFORE, Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.state.batchstate import BatchState
    from scaptools.state.lifecycle import CountersWrite
    from scaptools.state.thread import Counters

    Ints: TypeAlias = NDArray[np.int64]

_SWITCH = 152
#: Calls whose exits report memory, in their parameters 1 to 3.
_MEMORY_EXITS = (159, 161, 163, 165)
_FAULTS = ("pfmajor", "pfminor")
_MEMORY = ("vmsize", "vmrss", "vmswap")


@dataclass(slots=True)
class _Writes:
    """Writes of some counters: entries, positions, and values of shape ``(n, k)``."""

    width: int
    entries: list[Ints] = field(default_factory=list)
    positions: list[Ints] = field(default_factory=list)
    values: list[NDArray[np.uint64]] = field(default_factory=list)

    def add(self, entries: Ints, positions: Ints, values: NDArray[np.uint64], valid: NDArray[np.bool_]) -> None:
        self.entries.append(entries[valid])
        self.positions.append(positions[valid])
        self.values.append(values[valid])


class CounterTimeline:
    """Some counters of entries over time."""

    def __init__(self, writes: _Writes) -> None:
        self.values = np.concatenate([*writes.values, np.zeros((1, writes.width), np.uint64)])  # the last is for none
        entries = np.concatenate([*writes.entries, np.empty(0, np.int64)])
        self._timeline = Timeline(entries, np.concatenate([*writes.positions, entries[:0]]), np.arange(len(entries)))

    def find(self, entries: Ints, positions: Ints) -> NDArray[np.uint64]:
        """The counters of entries at positions, shape ``(m, k)``, zeros where nothing is known."""
        found: NDArray[np.uint64] = self.values[self._timeline.find(entries, positions)]
        return found


@dataclass(slots=True)
class KeptCounters:
    """The counters of every thread alive, for the next batch; ``faults`` is ``(n, 2)``, ``memory`` ``(n, 3)``."""

    entries: Ints
    faults: NDArray[np.uint64]
    memory: NDArray[np.uint64]

    @staticmethod
    def of(counters: dict[int, Counters]) -> KeptCounters:
        """From the counters by entry that a section lists."""
        values = np.array(list(counters.values()), np.uint64).reshape(-1, len(_FAULTS) + len(_MEMORY))
        return KeptCounters(np.fromiter(counters, np.int64, len(counters)), values[:, :2], values[:, 2:])


class BatchCounters:
    """The counters seen by the events of a batch."""

    def __init__(self, state: BatchState, kept: KeptCounters, written: list[CountersWrite]) -> None:
        self._state: BatchState = weakref.proxy(state)  # which holds this
        faults, memory = _Writes(len(_FAULTS)), _Writes(len(_MEMORY))
        before = np.full(len(kept.entries), BEFORE)
        everywhere = np.ones(len(kept.entries), bool)
        faults.add(kept.entries, before, kept.faults, everywhere)
        memory.add(kept.entries, before, kept.memory, everywhere)
        if written:
            entries, positions = (np.array([write[place] for write in written], np.int64) for place in range(2))
            values = np.array([write.counters for write in written], np.uint64)
            everywhere = np.ones(len(written), bool)
            faults.add(entries, positions, values[:, :2], everywhere)
            memory.add(entries, positions, values[:, 2:], everywhere)
        batch = state.batch
        switches = batch.rows_of_type(_SWITCH)
        if len(switches):
            values, valid = _columns(batch, _SWITCH, 1, 5)
            threads = state.threads(switches)
            mains = state.mains_of(threads, 2 * switches)
            faults.add(state.entries(threads), 2 * switches, values[:, :2], valid & (threads != ABSENT))
            memory.add(state.entries(mains), 2 * switches, values[:, 2:], valid & (mains != ABSENT))
        for event_type in _MEMORY_EXITS:
            rows = batch.rows_of_type(event_type)
            if len(rows):
                values, valid = _columns(batch, event_type, 1, 3)
                threads = state.threads(rows)
                memory.add(state.entries(threads), 2 * rows, values, valid & (threads != ABSENT))
        self._faults = CounterTimeline(faults)
        self._memory = CounterTimeline(memory)

    def column(self, rows: Rows, name: str) -> Numbers:
        """One counter of each event's thread."""
        state = self._state
        threads = state.threads(rows)
        names = _FAULTS if name in _FAULTS else _MEMORY
        timeline = self._faults if name in _FAULTS else self._memory
        values = timeline.find(state.entries(threads), 2 * state.index(rows))[:, names.index(name)]
        return Numbers(values, threads != ABSENT)

    def keep(self, entries: Ints) -> KeptCounters:
        """The counters of the given entries at the end of the batch."""
        end = np.full(len(entries), 2 * len(self._state.batch))
        return KeptCounters(entries, self._faults.find(entries, end), self._memory.find(entries, end))


def _columns(
    batch: EventBatch, event_type: int, first: int, count: int
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Adjacent numeric parameters of all events of a type, shape ``(n, count)``, and which events have them all."""
    table = batch.parameters(event_type)
    values = np.zeros((len(table), count), np.uint64)
    valid = np.full(len(table), table.stored >= first + count)
    for place in range(min(count, max(table.stored - first, 0))):
        numbers = table.column(first + place).numbers()
        values[:, place] = numbers.values
        if numbers.valid is not None:
            valid &= numbers.valid
    return values, valid
