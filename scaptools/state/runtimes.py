"""Run times: how long threads ran between switches, and the processor shares events report.

Both are differences to an earlier event of the same processor or thread, so a little is carried between batches.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scaptools.columns import Numbers
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.columns import Rows
    from scaptools.state.batchstate import BatchState

    Ints: TypeAlias = NDArray[np.int64]

#: Switch events, old and new.
SWITCHES = (146, 152)
_PROCINFO = 234
_MAX_SHARE = 100.0


@dataclass(slots=True)
class KeptRunTimes:
    """The latest switch per processor; run time so far and the latest processor shares (user, system) per entry."""

    switches: dict[int, int] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)
    shares: dict[int, tuple[int, int]] = field(default_factory=dict)


class RunTimes:
    """The run times of a batch's events."""

    def __init__(self, state: BatchState, kept: KeptRunTimes) -> None:
        self._state: BatchState = weakref.proxy(state)  # which holds this
        self._kept = kept

    @cached_property
    def _switches(self) -> Ints:
        batch = self._state.batch
        return np.sort(np.concatenate([batch.rows_of_type(event_type) for event_type in SWITCHES]))

    @cached_property
    def executed(self) -> NDArray[np.uint64]:
        """For every event, if it is a switch, the time since the latest one on the same processor, else 0."""
        batch, rows = self._state.batch, self._switches
        times = np.zeros(len(batch), np.uint64)
        if len(rows):
            cpus, ts = batch.header("cpu", rows), batch.header("ts", rows).astype(np.int64)
            order = np.argsort(cpus, kind="stable")
            first = np.flatnonzero(np.diff(cpus[order].astype(np.int64), prepend=-1))
            gaps = np.diff(ts[order], prepend=0)
            starts = [self._kept.switches.get(cpu, start) for cpu, start in _pairs(cpus, ts, order[first])]
            gaps[first] = ts[order[first]] - np.array(starts, np.int64)
            times[rows[order]] = np.maximum(gaps, 0).astype(np.uint64)
        return times

    @cached_property
    def totals(self) -> NDArray[np.uint64]:
        """For every event the time its thread has run so far."""
        state = self._state
        entries = state.entries(state.threads(slice(None)))
        order = np.argsort(entries, kind="stable")
        first = np.flatnonzero(np.diff(entries[order], prepend=ABSENT - 1))
        running = np.cumsum(self.executed[order])
        lengths = np.diff(np.append(first, len(order)))
        before = running[first] - self.executed[order][first]
        carried = np.array([self._kept.totals.get(entry, 0) for entry in entries[order[first]].tolist()], np.uint64)
        found = np.empty(len(order), np.uint64)
        found[order] = running - np.repeat(before, lengths) + np.repeat(carried, lengths)
        return found

    @cached_property
    def _shares(self) -> tuple[Ints, NDArray[np.float64]]:
        """The rows that report processor shares, and what each adds to the one before: user, system, both."""
        state = self._state
        rows = state.batch.rows_of_type(_PROCINFO)
        entries = state.entries(state.threads(rows)).tolist()
        table = state.batch.parameters(_PROCINFO)
        told = [table.column(place).numbers().values.tolist() for place in range(min(table.stored, 2))]
        added = np.zeros((len(rows), 3))
        latest = dict(self._kept.shares)
        for at, (entry, *now) in enumerate(zip(entries, *told, strict=True)):
            before = latest.get(entry)
            if before is not None and len(now) == len(before):
                gains = [current - earlier for current, earlier in zip(now, before, strict=True)]
                added[at] = (*gains, sum(gains))
            if entry != ABSENT and len(now) == len(_SHARES) - 1:
                latest[entry] = (now[0], now[1])
        self._latest_shares = latest
        return rows, np.minimum(added, _MAX_SHARE)

    def shares(self, rows: Rows, name: str) -> Numbers:
        """What a procinfo event adds to a processor share: ``user``, ``system`` or ``both``; missing for others."""
        reporting, added = self._shares
        index = self._state.index(rows)
        if not len(reporting):
            return Numbers(np.zeros(len(index)), np.zeros(len(index), bool))
        at = np.minimum(np.searchsorted(reporting, index), len(reporting) - 1)
        valid = (reporting[at] == index) & (self._state.threads(rows) != ABSENT)
        return Numbers(np.where(valid, added[at, _SHARES.index(name)], 0.0), valid)

    def keep(self, alive: set[int]) -> KeptRunTimes:
        """What the next batch needs, for the entries still alive."""
        state, rows = self._state, self._switches
        cpus, ts = state.batch.header("cpu", rows), state.batch.header("ts", rows).astype(np.int64)
        switches = self._kept.switches | dict(zip(cpus.tolist(), ts.tolist(), strict=True))
        entries = state.entries(state.threads(slice(None)))
        latest = dict(zip(entries[rows].tolist(), self.totals[rows].tolist(), strict=True))
        totals = {entry: total for entry, total in (self._kept.totals | latest).items() if entry in alive}
        self._shares  # noqa: B018 - works out the latest shares
        shares = {entry: share for entry, share in self._latest_shares.items() if entry in alive}
        return KeptRunTimes(switches, totals, shares)


_SHARES = ("user", "system", "both")


def _pairs(cpus: NDArray[np.uint16], ts: Ints, at: Ints) -> list[tuple[int, int]]:
    return list(zip(cpus[at].tolist(), ts[at].tolist(), strict=True))
