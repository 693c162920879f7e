"""Descriptor state of a batch: which descriptor each event is about, and what that is at the time.

What happens to the tables is collected (`fdsteps`), gone through once (`tables`), and written down as one timeline
(`fdtimeline`); everything else are lookups in that.
"""

from __future__ import annotations

import weakref
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from scap_formats.descriptors import DescriptorType
from scap_formats.table import event_table
from scaptools.state.descriptors import Descriptor
from scaptools.state.fdsteps import StepCollector
from scaptools.state.fdtimeline import DescriptorTimeline, pair_keys
from scaptools.state.fdtypes import GETSOCKOPT, new_fd_types, old_fd_types
from scaptools.state.opens import AT_FDCWD, Opens, PendingPath, replaced, settle_paths, unresolved
from scaptools.state.remembered import RememberedDescriptors
from scaptools.state.tables import TablePass
from scaptools.state.timeline import ABSENT, BEFORE, Timeline, as_int64
from scaptools.state.typesets import TypeSets

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.columns import Rows
    from scaptools.state.batchstate import BatchState
    from scaptools.state.calls import Calls
    from scaptools.state.lifecycle import Lifecycle
    from scaptools.state.tables import Tables

    Ints: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]

_SOCKETPAIR = 43


class EventDescriptors(NamedTuple):
    """The descriptors of some events; all arrays have shape ``(n,)``.

    ``applies`` tells which events are about a descriptor at all, ``fds`` its number or -1, ``values`` what it refers
    to: an index into the names, types, ... of `BatchDescriptors`, or `ABSENT`.
    """

    applies: Mask
    fds: Ints
    values: Ints


class BatchDescriptors:
    """The descriptors of a batch; made by going through its table events once.

    A value is an index into what the array properties hold: first the descriptors of ``tables``, then the opens of
    the batch.
    """

    def __init__(self, state: BatchState, lifecycle: Lifecycle, calls: Calls, tables: Tables) -> None:
        self._state: BatchState = weakref.proxy(state)  # which holds this
        self._lifecycle = lifecycle
        self.calls = calls
        self.batch = state.batch
        self.network = tables.network
        self._births = np.array(lifecycle.births, np.int64).reshape(-1, 3)
        self._start = _flattened(tables)
        self.opens = opens = Opens(calls)
        events, steps, closes = StepCollector(lifecycle, calls, self.opens, self.tables_of).collect()
        table_pass = TablePass(tables, self.batch.byteorder, lambda number: int(opens.flags[number]))
        table_pass.run(zip(*(column.tolist() for column in steps), strict=True), events)
        self._pass = table_pass
        self._descriptors = tables.descriptors.copy()
        self._count = len(self._descriptors)
        self.remembered = RememberedDescriptors(calls, self.opens, np.array(table_pass.refused, np.int64))
        if table_pass.kept:
            closes = np.delete(closes, table_pass.kept, axis=0)
        self._build_timeline(closes)

    def tables_of(self, rows: Ints) -> Ints:
        """The table each event's thread uses, `ABSENT` for none."""
        threads = self._state.threads(rows)
        if not len(self._state.versions):
            return threads
        return np.where(threads != ABSENT, self._state.numbers(_table)[threads], ABSENT)

    # The timeline -------------------------------------------------------------------------------------------------

    def _build_timeline(self, closes: Ints) -> None:
        opens, start = self.opens, self._start
        added = np.flatnonzero(opens.adds)
        written = np.array(self._pass.writes, np.int64).reshape(-1, 5).T
        add_tables = self.tables_of(opens.rows[added])
        parts = (
            (start[0], start[1], np.full(start.shape[1], BEFORE), start[2], start[2]),
            (add_tables, opens.fds[added], 2 * opens.rows[added], -2 - added, np.full(len(added), ABSENT)),
            (closes[:, 1], closes[:, 2], closes[:, 0], *np.full((2, len(closes)), ABSENT)),
            written,
        )
        tables, fds, positions, values, before = (np.concatenate(column) for column in zip(*parts, strict=True))
        known = tables != ABSENT
        keys = pair_keys(tables, fds)[known]
        self.write_positions = positions[known]
        values, before = values[known], before[known]
        self._before = self._indices(before)
        self._written = np.stack((tables[known], fds[known]))
        self._timeline = DescriptorTimeline(keys, self.write_positions, self._indices(values), self._births)

    def _indices(self, values: Ints) -> Ints:
        """Values of tables as indices into the properties of all descriptors."""
        return np.where(values < ABSENT, self._count - 2 - values, values)

    def find(self, tables: Ints, fds: Ints, positions: Ints) -> tuple[Ints, Ints]:
        """The write each (table, fd) shows at its position, and its value; `ABSENT` for none."""
        return self._timeline.find(tables, fds, positions)

    @cached_property
    def _by_row(self) -> EventDescriptors:
        batch, calls = self.batch, self.calls
        types = batch.header("type")
        applies = old_fd_types()[types]
        newer = np.flatnonzero(new_fd_types()[types] & ~applies)
        applies[newer] = (types[newer] >= event_table().old_event_max) | (
            self.remembered.setters[0][newer] & (types[newer] % 2 == 1) & ~calls.paired[newer]
        )
        fds = np.full(len(batch), ABSENT)
        fds[calls.pairing.order] = self.remembered.sorted_fds
        threads = self._state.threads(slice(None))
        applies &= threads != ABSENT
        values = np.full(len(batch), ABSENT)
        writes = np.full(len(batch), ABSENT)
        rows = np.flatnonzero(applies & (fds >= 0))
        writes[rows], values[rows] = self.find(self.tables_of(rows), fds[rows], 2 * rows)
        self._refine(values, writes, applies)
        self._writes_by_row = writes
        return EventDescriptors(applies, fds, values)

    def _refine(self, values: Ints, writes: Ints, applies: Mask) -> None:
        """The events whose descriptor is not the one their thread remembers: pairs, and failed relative opens."""
        rows = self.batch.rows_of_type(_SOCKETPAIR)
        result, first = (self.calls.numbers(_SOCKETPAIR, index, None) for index in (0, 1))
        made = np.flatnonzero((result.values >= 0) & first.validity() & applies[rows])
        at = rows[made]
        writes[at], values[at] = self.find(self.tables_of(at), first.values[made], 2 * at)
        self._refine_options(values, writes, applies)
        failed = np.flatnonzero((self.opens.fds < 0) & applies[self.opens.rows])
        relative = failed[self.opens.directories[failed] >= 0]
        if len(relative):
            names = self.opens.names
            told = (names[int(k)].as_py() for k in relative)
            at = relative[np.array([name is not None and not name.startswith(b"/") for name in told], bool)]
            rows = self.opens.rows[at]
            shown, found = self.find(self.tables_of(rows), self.opens.directories[at], 2 * rows)
            known = found != ABSENT
            writes[rows[known]], values[rows[known]] = shown[known], found[known]

    def _refine_options(self, values: Ints, writes: Ints, applies: Mask) -> None:
        """Events that ask for a socket's options look at the table of the process, even if their thread has its own."""
        told = self.calls.numbers(GETSOCKOPT, 1, None)
        rows = self.batch.rows_of_type(GETSOCKOPT)
        asked = np.flatnonzero(told.validity() & applies[rows])
        at = rows[asked]
        mains = self._state.mains(at)
        tables = np.where(mains != ABSENT, self._state.numbers(_table)[mains], ABSENT) if len(at) else mains
        shown, found = self.find(tables, told.values[asked], 2 * at)
        known = found != ABSENT
        writes[at[known]], values[at[known]] = shown[known], found[known]

    @property
    def writes(self) -> Ints:
        """Everything written into tables: columns table, fd, position, value; shape ``(4, w)``."""
        return np.stack((*self._written, self.write_positions, self._timeline.values))

    @property
    def copies(self) -> Ints:
        """Tables that began as copies: rows of table, origin, position; shape ``(c, 3)``."""
        return self._births

    def of_events(self, rows: Rows) -> EventDescriptors:
        """The descriptors of events."""
        applies, fds, values = self._by_row
        return EventDescriptors(applies[rows], fds[rows], values[rows])

    def sets_fd(self, rows: Rows) -> Mask:
        """Whether each event sets which descriptor its thread used last."""
        return np.asarray(self.remembered.setters[0][rows])

    def changed_names(self, rows: Rows) -> Mask:
        """Whether each event changed the name of its descriptor."""
        values = self._by_row.values[rows]
        index = self._state.index(rows)
        writes = self._writes_by_row[rows]
        own = (writes != ABSENT) & (values != ABSENT)
        own[own] = self.write_positions[writes[own]] == 2 * index[own]
        changed = np.zeros(len(values), bool)
        at = np.flatnonzero(own)
        if len(at):
            before = self._before[writes[at]]
            pairs, inverse = np.unique(np.stack((before, values[at])), axis=1, return_inverse=True)
            names = self.names
            differ = [
                (names[old].as_py() if old != ABSENT else b"") != names[new].as_py() for old, new in pairs.T.tolist()
            ]
            changed[at] = np.array(differ, bool)[inverse.ravel()]
        return changed

    def connected(self, rows: Rows) -> Mask:
        """Whether the socket of each event is connected."""
        values = self._by_row.values[rows]
        made = np.array([each.connected for each in self._descriptors] + [False] * len(self.opens), bool)
        return np.asarray((values != ABSENT) & made[values]) if len(made) else np.zeros(len(values), bool)

    def _types_of(self, values: Ints) -> Ints:
        return np.where(values != ABSENT, self.types[values], ABSENT) if len(self.types) else values

    # What descriptors are -----------------------------------------------------------------------------------------

    @cached_property
    def types(self) -> Ints:
        """The type of every descriptor, a `DescriptorType`; shape ``(d,)``."""
        made = np.array([each.type for each in self._descriptors], np.int64)
        opened = np.where(self.opens.is_directory, DescriptorType.DIRECTORY, DescriptorType.FILE)
        return np.concatenate((made, opened))

    def numbers(self, attribute: str) -> Ints:
        """``flags``, ``dev`` or ``ino`` of every descriptor."""
        made = as_int64([getattr(each, attribute) for each in self._descriptors])
        opened = {"flags": self.opens.flags, "dev": self.opens.devs, "ino": self.opens.inos}[attribute]
        return np.concatenate((made, opened))

    def descriptor(self, value: int) -> Descriptor | None:
        """A descriptor that is more than an open file; None for one that is not."""
        return self._descriptors[value] if value < self._count else None

    def type_of(self, rows: Rows, fd: int) -> Ints:
        """The type of one fd of each event's process, `ABSENT` where it is not open."""
        index = self._state.index(rows)
        return self._types_of(self.find(self.tables_of(index), np.full(len(index), fd), 2 * index)[1])

    @cached_property
    def type_sets(self) -> TypeSets:
        """The kinds of descriptors tables have open."""
        types = self._types_of(self._timeline.values)
        order = np.argsort(self.write_positions, kind="stable")
        columns = np.stack((*self._written, self.write_positions, types))
        return TypeSets(columns[:, order], self._births)

    @property
    def descriptors(self) -> list[Descriptor]:
        """The descriptors that are more than open files, by value."""
        return self._descriptors

    @cached_property
    def raw_names(self) -> pa.Array:
        """The name of every descriptor as the call gave it."""
        import pyarrow as pa

        made = pa.array([each.raw for each in self._descriptors], pa.binary())
        return pa.concat_arrays([made, self.opens.names])

    @cached_property
    def names(self) -> pa.Array:
        """The name of every descriptor."""
        import pyarrow as pa

        made = pa.array([each.name for each in self._descriptors], pa.binary())
        return pa.concat_arrays([made, self.open_names])

    @cached_property
    def open_names(self) -> pa.Array:
        """The full path of every open, failed ones included."""
        opens, state = self.opens, self._state
        at = unresolved(opens.names)
        rows = opens.rows[at]
        positions = 2 * rows
        mains = state.mains(rows)
        directories = opens.directories[at]
        _, values = self.find(self.tables_of(rows), directories, positions - 1)  # before the open itself
        given = opens.names.take(_index(at)).to_pylist()
        pending = [
            PendingPath(
                position,
                int(index),
                name or b"",
                state.versions[main].cwd if main != ABSENT else b"",
                None if directory == AT_FDCWD else value,
            )
            for position, index, name, main, directory, value in zip(
                positions.tolist(), at, given, mains.tolist(), directories.tolist(), values.tolist(), strict=True
            )
        ]
        nodes = self._lifecycle.nodes
        done = settle_paths(pending, nodes, self._node_values(), self._name_of)
        return replaced(opens.names, at, [done[int(index)] for index in at])

    def settle_nodes(self) -> bool:
        """Work out every path threads wait for; whether there was any."""
        nodes = self._lifecycle.nodes
        if any(node.value is None for node in nodes):
            self.open_names  # noqa: B018 - settles the nodes on its way
        return bool(nodes)

    def _node_values(self) -> list[int]:
        asked = np.array([node.descriptor or (ABSENT, ABSENT, BEFORE) for node in self._lifecycle.nodes], np.int64)
        tables, fds, positions = asked.reshape(-1, 3).T
        return self.find(tables, fds, positions)[1].tolist()  # type: ignore[no-any-return]

    def _name_of(self, value: int, done: dict[int, bytes]) -> bytes | None:
        if value == ABSENT:
            return None
        if value < self._count:
            return self._descriptors[value].name
        number = value - self._count
        return done[number] if number in done else self.opens.names[number].as_py()

    # How many are open --------------------------------------------------------------------------------------------

    @cached_property
    def _sizes(self) -> Timeline:
        tables, counts = np.unique(self._start[0], return_counts=True)
        changes = np.array(self._pass.sizes, np.int64).reshape(-1, 3).T
        return Timeline(
            np.concatenate((tables, changes[0])),
            np.concatenate((np.full(len(tables), BEFORE), changes[1])),
            np.concatenate((counts, changes[2])),
        )

    def open_counts(self, tables: Ints, positions: Ints) -> Ints:
        """How many descriptors tables have at positions."""
        return np.maximum(self._sizes.find(tables, positions), 0)

    # Going on -----------------------------------------------------------------------------------------------------

    def keep(self, tables: Tables) -> None:
        """Make the tables ready for the next batch: with the descriptors still in use, and nothing else."""
        table_column, fds, values = _flattened(tables)
        used, codes = np.unique(values, return_inverse=True)
        opened = np.flatnonzero(used < ABSENT)
        numbers = -2 - used[opened]
        types = self.types[self._count + numbers].tolist()
        details = (self.opens.flags, self.opens.devs, self.opens.inos)
        kept = {
            int(index): Descriptor(type_, name or b"", flags=flags, dev=dev, ino=ino, raw=raw or b"")
            for index, type_, name, raw, flags, dev, ino in zip(
                opened,
                types,
                self.open_names.take(_index(numbers)).to_pylist(),
                self.opens.names.take(_index(numbers)).to_pylist(),
                *(column[numbers].tolist() for column in details),
                strict=True,
            )
        }
        tables.descriptors = [
            kept[index] if index in kept else tables.descriptors[value] for index, value in enumerate(used.tolist())
        ]
        bounds = np.flatnonzero(np.diff(table_column, prepend=ABSENT, append=ABSENT))
        numbers_of = codes.ravel().tolist()
        fd_list = fds.tolist()
        filled = {
            int(table_column[first]): dict(zip(fd_list[first:last], numbers_of[first:last], strict=True))
            for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        }
        tables.tables = filled


def _index(at: Ints) -> pa.Array:
    import pyarrow as pa

    return pa.array(at, pa.int64())


def _flattened(tables: Tables) -> Ints:
    """The tables as columns table, fd, value; shape ``(3, n)``, table by table."""
    entries = tables.tables.items()
    owners = np.repeat(
        np.fromiter(tables.tables, np.int64, len(entries)),
        np.fromiter((len(table) for _, table in entries), np.int64, len(entries)),
    )
    fds = np.array([fd for _, table in entries for fd in table], np.int64)
    values = np.array([value for _, table in entries for value in table.values()], np.int64)
    return np.stack((owners, fds, values))


_table = attrgetter("table")
