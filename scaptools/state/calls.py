"""Calls: the enter and exit events of a system call as one.

Older captures split a call's parameters over two events, newer ones store all of them in the exit event. Everything
that reads a parameter of a call does so here, and need not know which kind of capture it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scaptools.columns import Numbers
from scaptools.state.pairing import NONE, Pairing, keep_enters
from scaptools.state.records import Record, records
from scaptools.state.timeline import ABSENT

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.state.pairing import OpenEnters

    Ints: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]


class Calls:
    """The calls of a batch; ``entries`` are the incarnations of the events in ``pairing.order``.

    ``enters`` are references (see `Pairing`) to the latest enter event of the same incarnation before each event,
    itself included; ``paired`` tells which exits have their own enter event there, and ``usable`` which of those
    enter events still hold parameters for it. All by row of the batch.
    """

    def __init__(self, pairing: Pairing, entries: Ints) -> None:
        self.batch = pairing.batch
        self.pairing = pairing
        self.entries = entries
        self._carried = pairing.carried
        refs = pairing.enters_within(entries)
        self._sorted_enters = refs
        types = self.batch.header("type")
        size = len(self.batch)
        self.enters: Ints = np.full(size, NONE)
        self.enters[pairing.order] = refs
        sorted_types = types[pairing.order]
        enter_types = np.zeros(len(refs), np.int64)
        local, older = np.flatnonzero(refs >= 0), np.flatnonzero(refs < NONE)
        enter_types[local] = types[refs[local]]
        if self._carried.batch is not None:
            enter_types[older] = self._carried.batch.header("type", -2 - refs[older])
        matched = (refs != NONE) & (enter_types + 1 == sorted_types) & pairing.is_exit
        self.paired: Mask = np.zeros(size, bool)
        self.paired[pairing.order] = matched
        self.usable: Mask = np.zeros(size, bool)
        self.usable[pairing.order] = matched & pairing.intact
        self._shared: dict[Any, Any] = {}

    # Latency ------------------------------------------------------------------------------------------------------

    def _sorted_latencies(self) -> Ints:
        refs, order = self._sorted_enters, self.pairing.order
        ts = self.batch.header("ts").astype(np.int64)
        started = ts[order].copy()
        local, older = np.flatnonzero(refs >= 0), np.flatnonzero(refs < NONE)
        started[local] = ts[refs[local]]
        if self._carried.batch is not None:
            started[older] = self._carried.batch.header("ts", -2 - refs[older]).astype(np.int64)
        return np.where(self.pairing.is_exit, np.maximum(ts[order] - started, 0), 0)

    def latencies(self, switches: Ints, entries: Ints) -> Ints:
        """For every event the time since its enter event; for ``switches``, that of the thread's latest event.

        ``entries`` are the incarnations of the threads of the switches.
        """
        by_event = self._sorted_latencies()
        found = np.zeros(len(self.batch), np.int64)
        found[self.pairing.order] = by_event
        if len(switches) and len(by_event):
            places = self.pairing.latest(switches)
            own = (places >= 0) & (self.entries[places] == entries) & (entries != ABSENT)
            found[switches] = np.where(own, by_event[places], 0)
        if len(switches) and len(self._carried):
            at = self._carried.find(self.batch.header("tid", switches))
            places = self.pairing.latest(switches)
            waiting = (places < 0) & (at >= 0) & (self._carried.entries[at] == entries)
            found[switches] = np.where(waiting, self._carried.latencies[at], found[switches])
        return found

    def keep(self, descriptors: Ints | None) -> OpenEnters:
        """What the next batch needs of these calls; ``descriptors`` is the remembered fd of each event in order."""
        return keep_enters(
            self.pairing, entries=self.entries, latencies=self._sorted_latencies(), descriptors=descriptors
        )

    # Parameters ---------------------------------------------------------------------------------------------------

    def _enter_sources(self, exit_type: int, wanted: Mask) -> tuple[Ints, Ints, Ints, Ints]:
        """Where the enter events of all exits of a type are.

        The exits among ``batch.rows_of_type(exit_type)`` whose enter is in this batch, its index among the rows of
        the enter type; the exits whose enter was carried, and its index in the carried batch.
        """
        refs = self.enters[self.batch.rows_of_type(exit_type)]
        local = np.flatnonzero(wanted & (refs >= 0))
        older = np.flatnonzero(wanted & (refs < NONE))
        at = np.searchsorted(self.batch.rows_of_type(exit_type - 1), refs[local])
        return local, at, older, -2 - refs[older]

    def numbers(
        self, exit_type: int, exit_index: int | None, enter_index: int | None, *, latest: bool = False
    ) -> Numbers:
        """A number for every exit event of a type, from the exit event where it has it, else from the enter event.

        With ``latest`` an enter event counts even where another exit event followed it. Values are int64.
        """
        key = ("numbers", exit_type, exit_index, enter_index, latest)
        if key not in self._shared:
            self._shared[key] = self._numbers(exit_type, exit_index, enter_index, latest=latest)
        return self._shared[key]  # type: ignore[no-any-return]

    def asked_numbers(self, exit_type: int, exit_index: int | None, enter_index: int | None) -> Numbers:
        """A number for every exit event of a type as the call was given it: the enter event counts first."""
        asked = self.numbers(exit_type, None, enter_index)
        told = self.numbers(exit_type, exit_index, None)
        return Numbers(np.where(asked.validity(), asked.values, told.values), asked.validity() | told.validity())

    def _numbers(self, exit_type: int, exit_index: int | None, enter_index: int | None, *, latest: bool) -> Numbers:
        rows = self.batch.rows_of_type(exit_type)
        values, valid = np.zeros(len(rows), np.int64), np.zeros(len(rows), bool)
        if exit_index is not None:
            stored = _integers(self.batch, exit_type, exit_index)
            values, valid = stored.values.copy(), stored.validity().copy()
        if enter_index is None or valid.all():
            return Numbers(values, valid)
        matched = (self.paired if latest else self.usable)[rows] & ~valid
        local, at, older, carried_at = self._enter_sources(exit_type, matched)
        if len(local):
            stored = _integers(self.batch, exit_type - 1, enter_index).take(at)
            values[local], valid[local] = stored.values, stored.validity()
        if len(older) and self._carried.batch is not None:
            order = np.argsort(carried_at, kind="stable")
            stored = _integers(self._carried.batch, exit_type - 1, enter_index, carried_at[order])
            values[older[order]], valid[older[order]] = stored.values, stored.validity()
        return Numbers(values, valid)

    def strings(
        self, exit_type: int, exit_index: int | None, enter_index: int | None, *, raw: bool = False
    ) -> pa.Array:
        """A string for every exit event of a type, from the enter event where it has one, else from the exit event.

        An enter event whose string is empty or stands for NULL does not count. Strings end at their NUL, but with
        ``raw`` they are all bytes of the parameter.
        """
        import pyarrow as pa

        rows = self.batch.rows_of_type(exit_type)
        parts = [_strings(self.batch, exit_type, exit_index, raw=raw)]
        index = np.arange(len(rows))
        if enter_index is not None:
            local, at, older, carried_at = self._enter_sources(exit_type, self.usable[rows])
            offset = len(rows)
            for chosen, strings in (
                (local, self._local_strings(exit_type - 1, enter_index, at, raw=raw)),
                (older, self._carried_strings(exit_type - 1, enter_index, carried_at, raw=raw)),
            ):
                if strings is None or not len(chosen):
                    continue
                given = np.asarray(_is_given(strings))
                index[chosen[given]] = offset + np.flatnonzero(given)
                parts.append(strings)
                offset += len(strings)
        return pa.concat_arrays(parts).take(pa.array(index))

    def _local_strings(self, enter_type: int, index: int, at: Ints, *, raw: bool) -> pa.Array | None:
        import pyarrow as pa

        return _strings(self.batch, enter_type, index, raw=raw).take(pa.array(at)) if len(at) else None

    def _carried_strings(self, enter_type: int, index: int, at: Ints, *, raw: bool) -> pa.Array | None:
        import pyarrow as pa

        if self._carried.batch is None or not len(at):
            return None
        order = np.argsort(at, kind="stable")
        strings = _strings(self._carried.batch, enter_type, index, at[order], raw=raw)
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return strings.take(pa.array(back))

    def enter_records(self, exit_type: int, chosen: Ints) -> list[Record | None]:
        """The usable enter event's parameters of some exits, given as indices among all rows of their type."""
        wanted = np.zeros(len(self.batch.rows_of_type(exit_type)), bool)
        wanted[chosen] = True
        wanted &= self.usable[self.batch.rows_of_type(exit_type)]
        local, at, older, carried_at = self._enter_sources(exit_type, wanted)
        found: dict[int, Record] = {}
        order = np.argsort(at, kind="stable")
        rows = self.batch.rows_of_type(exit_type - 1)[at[order]]
        found.update(zip(local[order].tolist(), records(self.batch, exit_type - 1, rows), strict=True))
        if self._carried.batch is not None and len(older):
            order = np.argsort(carried_at, kind="stable")
            taken = records(self._carried.batch, exit_type - 1, carried_at[order])
            found.update(zip(older[order].tolist(), taken, strict=True))
        return [found.get(index) for index in chosen.tolist()]


def _integers(batch: EventBatch, event_type: int, index: int, rows: Ints | None = None) -> Numbers:
    """A numeric parameter as int64, missing where events do not have it."""
    table = batch.parameters(event_type, rows)
    if index >= table.stored:
        return Numbers(np.zeros(len(table), np.int64), np.zeros(len(table), bool))
    numbers = table.column(index).numbers()
    return Numbers(numbers.values.astype(np.int64), numbers.validity())


def _strings(
    batch: EventBatch, event_type: int, index: int | None, rows: Ints | None = None, *, raw: bool = False
) -> pa.Array:
    import pyarrow as pa

    table = batch.parameters(event_type, rows)
    if index is None or index >= table.stored:
        return pa.nulls(len(table), pa.binary())
    column = table.column(index)
    return (column.bytes() if raw else column.strings()).array


def _is_given(strings: pa.Array) -> pa.Array:
    """Which strings are neither missing nor empty nor stand for NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nothing = pa.array([b"", b"(NULL)"], pa.binary())
    given = pc.and_(pc.is_valid(strings), pc.invert(pc.is_in(strings, value_set=nothing)))
    return given.to_numpy(zero_copy_only=False)
