"""Remembered descriptors: which fd each thread used last, the one an event's descriptor fields are about.

Enter events set it to their descriptor or to none, exit events where they make a descriptor or, in captures without
enter events, where they say so themselves. It lasts until the thread's next event.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scap_formats.table import event_table
from scaptools.state.fdtypes import (
    COPY_EXITS,
    COPY_FILE_RANGE,
    FCNTL,
    GETSOCKOPT,
    MAKING_EXITS,
    PAIR_EXITS,
    SOCKET,
    copying_fcntls,
    enter_fd_types,
    exit_fd_indices,
)
from scaptools.state.opens import OPEN_EXITS
from scaptools.state.pairing import NONE
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.state.calls import Calls
    from scaptools.state.opens import Opens

    Ints: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]

#: Enter types that writers of captures without enter events still store.
_STILL_STORED = frozenset({2, 58, 306, 326})


class RememberedDescriptors:
    """The remembered fds of a batch; ``refused`` are the rows of copies of descriptors nobody knows."""

    def __init__(self, calls: Calls, opens: Opens, refused: Ints) -> None:
        self.batch = calls.batch
        self.calls = calls
        self.opens = opens
        self._refused = refused

    @cached_property
    def setters(self) -> tuple[Mask, Ints]:
        """Which events set their thread's remembered fd, and to what; by row."""
        batch, calls = self.batch, self.calls
        sets = np.zeros(len(batch), bool)
        fds = np.full(len(batch), ABSENT)
        sets[calls.pairing.order] = ~calls.pairing.is_exit
        for event_type in sorted(set(batch.types_present())):
            rows = batch.rows_of_type(event_type)
            if event_type % 2 == 0:
                if event_type in enter_fd_types():
                    numbers = calls.numbers(event_type, 0, None)
                    fds[rows] = np.where(numbers.validity(), numbers.values, ABSENT)
                continue
            rule = self._exit_rule(event_type, rows)
            if rule is not None:
                sets[rows], fds[rows] = rule
        return sets, fds

    def _exit_rule(self, event_type: int, rows: Ints) -> tuple[Mask, Ints] | None:
        """Which exits of a type set the remembered fd, and to what; None where none does."""
        calls = self.calls
        sets, fds = np.zeros(len(rows), bool), np.full(len(rows), ABSENT)
        unpaired = ~calls.paired[rows]
        index = exit_fd_indices().get(event_type)
        if index is not None:
            told = calls.numbers(event_type, index, None)
            always = event_type in {GETSOCKOPT, COPY_FILE_RANGE}
            sets = told.validity() & (unpaired | always)
            fds = np.where(sets, told.values, fds)
        made = self._made_fds(event_type)
        if made is None:
            return (sets, fds) if index is not None else None
        sets |= made >= 0
        fds = np.where(made >= 0, made, fds)
        if event_type - 1 not in _STILL_STORED:
            # Without enter events nothing else tells that a failed call is about no descriptor.
            sets |= unpaired & (made < 0) & self._is_exit_only(event_type)
        return sets, fds

    def _is_exit_only(self, event_type: int) -> bool:
        """Whether exits of a type come from a writer that stores no enter events for it."""
        event = event_table().events[event_type]
        before = event.old_params
        return before is None or self.batch.parameters(event_type).stored > len(before)

    def _made_fds(self, event_type: int) -> Ints | None:
        """The descriptor every exit of a type made, `ABSENT` where it made none; None for types that make none."""
        calls = self.calls
        rows = self.batch.rows_of_type(event_type)
        if event_type in OPEN_EXITS:
            at = np.flatnonzero(np.isin(self.opens.rows, rows))
            return np.where(self.opens.adds[at], self.opens.fds[at], ABSENT)
        if event_type in PAIR_EXITS:
            result, second = calls.numbers(event_type, 0, None), calls.numbers(event_type, 2, None)
            return np.where((result.values >= 0) & second.validity(), second.values, ABSENT)
        if event_type not in MAKING_EXITS:
            return None
        result = calls.numbers(event_type, 0, None)
        made = np.where(result.validity() & (result.values >= 0), result.values, ABSENT)
        if event_type == SOCKET:
            described = calls.numbers(event_type, 1, 0).validity()
            made = np.where(described, made, ABSENT)
        if event_type == FCNTL:
            made = np.where(copying_fcntls(calls), made, ABSENT)
        if event_type in COPY_EXITS:
            made = np.where(np.isin(rows, self._refused), ABSENT, made)
        return made

    @cached_property
    def sorted_fds(self) -> Ints:
        """The remembered fd behind every event of ``calls.pairing.order``."""
        sets, fds = self.setters
        pairing, entries = self.calls.pairing, self.calls.entries
        order = pairing.order
        index = np.arange(len(order))
        latest = np.maximum.accumulate(np.where(sets[order], index, NONE))
        own = (latest >= 0) & (entries[latest] == entries)
        found = np.where(own, fds[order[latest]], 0)
        carried_at, carried = pairing.carried_at, pairing.carried
        if len(carried):
            kept = ~own & (carried_at >= 0) & (carried.entries[carried_at] == entries)
            found = np.where(kept, carried.descriptors[carried_at], found)
        return found
