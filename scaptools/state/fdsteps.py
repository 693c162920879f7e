"""Steps: everything that happens to descriptor tables in a batch, found by array operations.

Plain opens and closes become steps of a few numbers each; only what changes a table in a way of its own becomes an
event with parameters (`TableEvent`).
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import EventFlag
from scaptools.state.descriptors import Endpoints, parse_tuple
from scaptools.state.fdtimeline import pair_keys
from scaptools.state.fdtypes import CLOSE, FCNTL, PAIR_EXITS, copying_fcntls, enter_fd_types, exit_fd_indices
from scaptools.state.records import records
from scaptools.state.tables import TABLE_EVENTS, TRANSFERS, Step, TableEvent
from scaptools.state.timeline import ABSENT, BEFORE

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from scap_formats.codec import ByteOrder
    from scaptools.state.calls import Calls
    from scaptools.state.lifecycle import Lifecycle
    from scaptools.state.opens import Opens

    Ints: TypeAlias = NDArray[np.int64]


class StepCollector:
    """Collects the steps of a batch; ``tables_of`` gives the tables of rows, `ABSENT` for none."""

    def __init__(self, lifecycle: Lifecycle, calls: Calls, opens: Opens, tables_of: Callable[[Ints], Ints]) -> None:
        self.batch = calls.batch
        self.calls = calls
        self.opens = opens
        self._lifecycle = lifecycle
        self._tables_of = tables_of

    def collect(self) -> tuple[list[TableEvent], Ints, Ints]:
        """The table events, the steps as columns (see `_steps`), and the closes as rows of position, table and fd."""
        steps: list[Ints] = [_lifecycle_steps(self._lifecycle)]
        opens = self.opens
        adds = np.flatnonzero(opens.adds)
        steps.append(_steps(2 * opens.rows[adds], Step.OPEN, self._tables_of(opens.rows[adds]), opens.fds[adds], adds))
        closing, closes = self._closes()
        steps.append(closing)
        numbers = np.arange(len(closes))
        steps.append(_steps(closes[:, 0], Step.CLOSE, closes[:, 1], closes[:, 2], numbers))
        events = self._events()
        numbers = np.arange(len(events))
        rows, tables, fds = (np.array([event[place] for event in events], np.int64) for place in (0, 2, 3))
        steps.append(_steps(2 * rows, Step.EVENT, tables, fds, numbers))
        rows, keyed_tables, keyed_fds = self._first_uses()
        steps.append(_steps(2 * rows, Step.USE, keyed_tables, keyed_fds, np.zeros(len(rows), np.int64)))
        merged = np.concatenate(steps, axis=1)
        merged = merged[:, (merged[2] != ABSENT)]
        order = np.lexsort((merged[1], merged[0]))
        return events, merged[:, order], closes

    def _closes(self) -> tuple[Ints, Ints]:
        """Steps that mark a descriptor as being closed, where another thread may open it meanwhile; and the closes."""
        rows = self.batch.rows_of_type(CLOSE)
        result = self.calls.numbers(CLOSE, 0, None)
        fds = self.calls.numbers(CLOSE, 1, 0, latest=True)
        done = np.flatnonzero((result.values >= 0) & result.validity() & fds.validity())
        rows, numbers = rows[done], fds.values[done]
        tables = self._tables_of(rows)
        closes = np.stack((2 * rows + 1, tables, numbers), axis=1)
        refs = self.calls.enters[rows]
        opened = np.sort(self.opens.rows[self.opens.adds])
        others = np.sort(np.concatenate([self.batch.rows_of_type(each) for each in sorted(TABLE_EVENTS)]))
        since = np.maximum(refs, 0)
        contested = np.zeros(len(rows), bool)
        for adds in (opened, others):
            contested |= np.searchsorted(adds, since) != np.searchsorted(adds, rows)
        contested &= self.calls.paired[rows]
        at = np.flatnonzero(contested)
        begun = np.where(refs[at] >= 0, 2 * refs[at], BEFORE)
        return _steps(begun, Step.CLOSING, tables[at], numbers[at], at), closes

    def _events(self) -> list[TableEvent]:
        found: list[TableEvent] = []
        for event_type in sorted(TABLE_EVENTS & set(self.batch.types_present())):
            rows = self.batch.rows_of_type(event_type)
            fds = self._arguments(event_type)
            chosen = self._of_interest(event_type, rows)
            rows, fds = rows[chosen], fds[chosen]
            enters = self.calls.enter_records(event_type, chosen) if event_type % 2 else [None] * len(rows)
            taken = records(self.batch, event_type, rows)
            tables = self._tables_of(rows)
            found.extend(
                map(TableEvent, rows.tolist(), [event_type] * len(rows), tables.tolist(), fds.tolist(), taken, enters)
            )
        return found

    def _arguments(self, event_type: int) -> Ints:
        """The descriptor every event of a type is about, `ABSENT` where it does not say."""
        if event_type % 2 == 0:
            numbers = self.calls.numbers(event_type, 0, None)
        elif event_type - 1 in enter_fd_types() or event_type in exit_fd_indices():
            numbers = self.calls.numbers(event_type, exit_fd_indices().get(event_type), 0, latest=True)
        else:
            return np.full(len(self.batch.rows_of_type(event_type)), ABSENT)
        return np.where(numbers.validity(), numbers.values, ABSENT)

    def _of_interest(self, event_type: int, rows: Ints) -> Ints:
        """The events of a type that may change a table."""
        if event_type == FCNTL:
            return np.flatnonzero(copying_fcntls(self.calls))
        if event_type in TRANSFERS:
            return np.flatnonzero(np.isin(rows, self._telling_transfers))
        return np.arange(len(rows))

    @cached_property
    def _telling_transfers(self) -> Ints:
        """The rows of transfers that tell another end than the event before on the same descriptor, ascending."""
        import pyarrow as pa
        import pyarrow.compute as pc

        present = [each for each in TRANSFERS if len(self.batch.rows_of_type(each))]
        if not present:
            return np.empty(0, np.int64)
        told = pa.concat_arrays(
            [
                self.calls.strings(each, TRANSFERS[each].exit_index, TRANSFERS[each].enter_index, raw=True)
                for each in present
            ]
        )
        rows = np.concatenate([self.batch.rows_of_type(each) for each in present])
        fds = np.concatenate([self._arguments(each) for each in present])
        chosen = np.flatnonzero(pc.is_valid(told).to_numpy(zero_copy_only=False))
        encoded = told.take(pa.array(chosen)).dictionary_encode()
        codes = _without_direction(encoded, self.batch.byteorder)
        fresh = self._fresh(2 * rows[chosen], pair_keys(self._tables_of(rows[chosen]), fds[chosen]), codes)
        return np.sort(rows[chosen[fresh]])

    def _fresh(self, positions: Ints, keys: Ints, codes: Ints, more_breaks: Ints | None = None) -> Ints:
        """The events whose code is not that of the event before on the same descriptor; codes are not negative."""
        breaks = self._breaks if more_breaks is None else np.concatenate((self._breaks, more_breaks), axis=1)
        codes = np.concatenate((codes, np.full(breaks.shape[1], ABSENT)))
        positions, keys = np.concatenate((positions, breaks[0])), np.concatenate((keys, breaks[1]))
        order = np.lexsort((positions, keys))
        keys, codes = keys[order], codes[order]
        repeated = np.zeros(len(order), bool)
        repeated[1:] = (keys[1:] == keys[:-1]) & (codes[1:] == codes[:-1])
        return np.asarray(order[~repeated & (codes != ABSENT)])

    def _first_uses(self) -> tuple[Ints, Ints, Ints]:
        """The events that read or write a descriptor as the first since it may have changed: rows, tables and fds."""
        found = [np.empty((2, 0), np.int64)]
        for event_type in _moving_exits():
            rows = self.batch.rows_of_type(event_type)
            if len(rows):
                result, fds = self.calls.numbers(event_type, 0, None), self._arguments(event_type)
                used = result.validity() & (result.values >= 0) & (fds >= 0)
                found.append(np.stack((rows[used], fds[used])))
        rows, fds = np.concatenate(found, axis=1)
        tables = self._tables_of(rows)
        turns = np.flatnonzero(np.isin(rows, self._telling_transfers))  # they may turn it into a socket
        breaks = _broken(rows[turns], tables[turns], fds[turns])
        breaks[0] += 1
        first = self._fresh(2 * rows, pair_keys(tables, fds), np.zeros(len(rows), np.int64), breaks)
        return rows[first], tables[first], fds[first]

    @cached_property
    def _breaks(self) -> Ints:
        """Positions and keys at which a descriptor may become another one; shape ``(2, n)``."""
        parts = [
            _broken(
                self.opens.rows[self.opens.adds],
                self._tables_of(self.opens.rows[self.opens.adds]),
                self.opens.fds[self.opens.adds],
            )
        ]
        for event_type in sorted({CLOSE, *TABLE_EVENTS} - set(TRANSFERS)):
            rows = self.batch.rows_of_type(event_type)
            if len(rows):
                tables = self._tables_of(rows)
                fields = (1, 2) if event_type in PAIR_EXITS else (0,)
                numbers = [
                    self._arguments(event_type),
                    *(self.calls.numbers(event_type, at, None).values for at in fields),
                ]
                parts.extend(_broken(rows, tables, fds) for fds in numbers)
        return np.concatenate(parts, axis=1)


@cache
def _moving_exits() -> tuple[int, ...]:
    """Exit types that read from or write to a descriptor."""
    moves = EventFlag.READS_FROM_FD | EventFlag.WRITES_TO_FD
    return tuple(event.id for event in event_table().events if event.id % 2 and event.flags & moves)


def _without_direction(encoded: pa.DictionaryArray, byteorder: ByteOrder) -> Ints:
    """A code for each tuple, the same for its mirror image."""
    codes: dict[Endpoints, int] = {}
    distinct = []
    for number, value in enumerate(encoded.dictionary.to_pylist()):
        ends = parse_tuple(value, byteorder)
        if ends is None:
            distinct.append(number)
        else:
            distinct.append(codes.setdefault(ends, codes.get(ends.swapped(), number)))
    return np.asarray(np.array(distinct, np.int64)[encoded.indices.to_numpy()])


def _steps(positions: Ints, step: Step, tables: Ints, fds: Ints, extra: Ints) -> Ints:
    """Steps as columns, shape ``(5, n)``."""
    return np.stack((positions, np.full(len(positions), int(step)), tables, fds, extra)).astype(np.int64)


def _lifecycle_steps(lifecycle: Lifecycle) -> Ints:
    births = np.array(lifecycle.births, np.int64).reshape(-1, 3).T
    deaths = np.array(lifecycle.deaths, np.int64).reshape(-1, 2).T
    nothing = np.zeros(deaths.shape[1], np.int64)
    copies = _steps(births[2], Step.COPY, births[0], np.zeros(births.shape[1], np.int64), births[1])
    executed = np.array(lifecycle.executed, np.int64).reshape(-1, 2).T
    nothing_either = np.zeros(executed.shape[1], np.int64)
    runs = _steps(executed[1], Step.EXECUTE, executed[0], nothing_either, nothing_either)
    return np.concatenate((copies, _steps(deaths[1], Step.FORGET, deaths[0], nothing, nothing), runs), axis=1)


def _broken(rows: Ints, tables: Ints, fds: Ints) -> Ints:
    return np.stack((2 * rows, pair_keys(tables, fds)))
