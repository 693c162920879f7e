"""Kinship: which threads the fields of others depend on.

Threads of one process stand and fall together; a process depends on the one it came from, whose descriptors, working
directory and environment it inherited. Thread ids are taken as they are over the whole capture, whatever was reused,
so that rather too many are kept.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.blocks import BlockKind
from scaptools.errors import CorruptedError
from scaptools.fields.evt.groups import type_groups
from scaptools.subset.eventtypes import is_cloning, shows_kin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.capture.parameters import ParameterTable
    from scaptools.capture.section import Section

    Ints = NDArray[np.int64]

#: The new thread shares its process.
_THREAD = 0x2000
_SIGN = 1 << 63


class Kinship:
    """What threads depend on, gathered from process lists and events."""

    def __init__(self) -> None:
        self._needs: defaultdict[int, set[int]] = defaultdict(set)

    def add_section(self, section: Section) -> None:
        """Take in the processes a section lists; a damaged list says nothing."""
        for block in section.of_kind(BlockKind.PROCESSES):
            try:
                entries = block.parse().entries
            except CorruptedError:
                continue
            for entry in entries:
                tid = signed(entry.tid)
                self._together(tid, signed(entry.pid))
                for other in (entry.ptid, entry.sid, entry.vpgid):
                    self._needs[tid].add(signed(other))

    def add_batch(self, batch: EventBatch) -> None:
        """Take in the threads that are made, and the programs that are started, in a batch."""
        rows = np.flatnonzero(shows_kin(batch))
        for group in type_groups(batch, rows):
            tids = batch.header("tid", group.rows).tolist()
            params = _Numbers(group.event, group.table)
            for tid, pid, ptid in zip(tids, params.column("pid"), params.column("ptid"), strict=True):
                self._together(tid, pid)
                self._needs[tid].add(ptid)
            if is_cloning(group.event):
                made = zip(tids, params.column("res"), params.column("flags"), strict=True)
                for tid, child, flags in made:
                    if child > 0:
                        self._needs[child].add(tid)
                        if flags & _THREAD:
                            self._needs[tid].add(child)

    def _together(self, tid: int, pid: int) -> None:
        if tid != pid:
            self._needs[tid].add(pid)
            self._needs[pid].add(tid)

    def processes(self, tids: Iterable[int]) -> Ints:
        """The threads that share a process with some, those included; ascending."""
        found: set[int] = set()
        for tid in tids:
            found.add(tid)
            found.update(other for other in self._needs.get(tid, ()) if tid in self._needs.get(other, ()))
        return np.array(sorted(found), np.int64)

    def closure(self, tids: Iterable[int]) -> Ints:
        """The threads that some depend on, those included; ascending."""
        found: set[int] = set()
        waiting = list(tids)
        while waiting:
            tid = waiting.pop()
            if tid not in found:
                found.add(tid)
                waiting.extend(self._needs.get(tid, ()))
        return np.array(sorted(found), np.int64)


class _Numbers:
    """Number parameters of events of one type by name, 0 where there is none."""

    def __init__(self, event: EventType, table: ParameterTable) -> None:
        self._event = event
        self._table = table

    def column(self, name: str) -> list[Any]:
        index = self._event.find_param(name)
        if index is None or index >= self._table.stored:
            return [0] * len(self._table.rows)
        numbers = self._table.column(index).numbers()
        return np.where(numbers.validity(), numbers.values, 0).tolist()  # type: ignore[no-any-return]


def signed(value: int) -> int:
    """A number stored in 64 bits without its sign, with it."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value & _SIGN else value
