"""Snapshots: everything known at one event, as that event itself sees it.

A process is still there at the event that ends it, and a descriptor at the one that closes it; both are gone one event
later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaptools.state.needs import FDS
from scaptools.state.paths import known
from scaptools.state.resumption import engines_from
from scaptools.state.timeline import ABSENT
from scaptools.state.views import fd_view, text, thread_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader
    from scaptools.state.accounts import Account, Key
    from scaptools.state.containers import Container
    from scaptools.state.descriptors import Descriptor
    from scaptools.state.engine import StateEngine
    from scaptools.state.thread import Thread
    from scaptools.state.views import FdView, ThreadView


@dataclass(frozen=True, slots=True)
class AccountView:
    """A user, or a group, which has just a name."""

    name: str
    home: str = ""
    shell: str = ""


class Snapshot:
    """The state at event ``number``, which happened at ``timestamp_ns``."""

    def __init__(
        self,
        number: int,
        timestamp_ns: int,
        *,
        threads: Mapping[int, Thread],
        tables: Mapping[int, Mapping[int, Descriptor]],
        users: Mapping[Key, Account],
        groups: Mapping[Key, Account],
        containers: Mapping[bytes, Container],
    ) -> None:
        self.number = number
        self.timestamp_ns = timestamp_ns
        self._threads = threads
        self._tables = tables
        self._users, self._groups = users, groups
        self._containers = containers

    @property
    def threads(self) -> dict[int, ThreadView]:
        """Every thread by its id."""
        return {tid: thread_view(thread, self._threads.get(thread.pid)) for tid, thread in self._threads.items()}

    @property
    def processes(self) -> dict[int, ThreadView]:
        """Every process by its id, as its main thread."""
        return {tid: thread for tid, thread in self.threads.items() if thread.is_main}

    def fds(self, tid: int) -> dict[int, FdView]:
        """What a thread has open, by descriptor number. Raises KeyError for a thread that is not there."""
        table = self._tables.get(self._threads[tid].table, {})
        return {fd: fd_view(fd, table[fd]) for fd in sorted(table)}

    @property
    def users(self) -> dict[int, AccountView]:
        """The host's users by id."""
        return _of_host(self._users)

    @property
    def groups(self) -> dict[int, AccountView]:
        """The host's groups by id."""
        return _of_host(self._groups)

    @property
    def containers(self) -> dict[str, Container]:
        """What is known about containers, by id."""
        return {text(identity): container for identity, container in self._containers.items()}


def _of_host(accounts: Mapping[Key, Account]) -> dict[int, AccountView]:
    return {number: AccountView(*map(text, account)) for (where, number), account in accounts.items() if not where}


def state_at(reader: CaptureReader, number: int) -> Snapshot:
    """The state at the event of a number, from the nearest state an index keeps, else from the first event on.

    Raises IndexError where the capture has no such event.
    """
    for engine, batch in engines_from(reader, {FDS}, number):
        row = number - batch.first_number
        if 0 <= row < len(batch):
            return snapshot(engine, batch, row)
        engine.advance(batch)
    raise IndexError(f"{reader.name} has no event {number}")


def snapshot(engine: StateEngine, batch: EventBatch, row: int) -> Snapshot:
    """The state at a row of the next batch of an engine that tracks descriptors; the engine then stands behind it."""
    rows = np.arange(len(batch))
    if row:
        engine.advance(earlier := batch.restricted(rows < row))
        del earlier
    event = batch.restricted(rows == row)
    event.first_number = batch.first_number + row
    before = engine.carried()
    tids, entries = list(before.population.threads), _entries(before.tables.tables, before.tables.descriptors)
    state = engine.advance(event)
    after = engine.carried()
    tids = list(dict.fromkeys([*tids, *after.population.threads]))
    found = state.find(np.array(tids, np.int64), np.zeros(len(tids), np.int64)).tolist()
    threads = {tid: state.versions[version] for tid, version in zip(tids, found, strict=True) if version != ABSENT}
    for owner, table in _entries(after.tables.tables, after.tables.descriptors).items():
        entries[owner] = entries.get(owner, {}) | table
    return Snapshot(
        event.first_number,
        int(event.header("ts")[0]),
        threads={
            tid: thread._replace(cwd=known(thread.cwd), exepath=known(thread.exepath))
            for tid, thread in threads.items()
        },
        tables=entries,
        users=dict(after.population.accounts.users),
        groups=dict(after.population.accounts.groups),
        containers=dict(after.population.containers),
    )


def _entries(
    tables: Mapping[int, Mapping[int, int]], descriptors: list[Descriptor]
) -> dict[int, dict[int, Descriptor]]:
    """What every table has open."""
    return {owner: {fd: descriptors[value] for fd, value in table.items()} for owner, table in tables.items()}
