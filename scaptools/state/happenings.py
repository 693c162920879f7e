"""Happenings: which events of a batch matter for the lives of threads, found by array operations."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from scap_formats.table import event_table
from scaptools.state.lifecycle import Happening, lifecycle_types
from scaptools.state.lifetypes import PROCEXITS, enter_reading_types, touching_exempt
from scaptools.state.pairing import NONE, OpenEnters, Pairing, distinct, pairing_types
from scaptools.state.records import Record, records
from scaptools.state.timeline import BEFORE

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

    Ints: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]


@cache
def _type_mask(types: frozenset[int]) -> Mask:
    mask = np.zeros(len(event_table().events), bool)
    mask[list(types)] = True
    return mask


@cache
def _awaited_enters() -> Mask:
    """Enter types whose exits read them."""
    return _type_mask(frozenset(event_type - 1 for event_type in enter_reading_types()))


def awaited_enters() -> Mask:
    """Which event types are enters a later batch may ask for, by type id."""
    return _awaited_enters()


class ThreadSet:
    """A set of thread ids that answers for many at once."""

    def __init__(self, tids: Collection[int]) -> None:
        members = np.fromiter(tids, np.int64, len(tids))
        self._high = int(members.max(initial=0))
        self._small = self._high < 1 << 22 and int(members.min(initial=0)) >= -1
        if self._small:
            self._table = np.zeros(self._high + 3, bool)  # one place for -1 in front, one for all others behind
            self._table[members + 1] = True
        else:
            self._members = np.sort(members)

    def mask(self, tids: Ints) -> Mask:
        """Which of the ids are in the set, shape ``(n,)``."""
        if not self._small:
            return np.isin(tids, self._members)
        if len(tids) and (tids.min() < -1 or tids.max() > self._high):
            tids = np.where((tids < -1) | (tids > self._high), self._high + 1, tids)
        return self._table[tids + 1]


def first_touches(batch: EventBatch, alive: ThreadSet) -> Ints:
    """The rows that can meet an unknown thread.

    Of each thread that is not alive when the batch starts or that ends in it: the first event that makes it known,
    and the first such event after each of its ends.
    """
    tids = batch.header("tid")
    types = batch.header("type")
    ends = np.sort(np.concatenate([batch.rows_of_type(event_type) for event_type in PROCEXITS]))
    wanted = ~alive.mask(tids)
    if len(ends):
        wanted |= ThreadSet(distinct(tids[ends]).tolist()).mask(tids)
    rows: Ints = np.flatnonzero(wanted)
    rows = rows[~_type_mask(touching_exempt())[types[rows]]]
    if not len(rows):
        return rows
    order = np.lexsort((rows, tids[rows]))
    rows = rows[order]
    known, ended = tids[rows], np.isin(types[rows], PROCEXITS)
    first = np.ones(len(rows), bool)
    first[1:] = (known[1:] != known[:-1]) | ended[:-1]
    return np.asarray(np.sort(rows[first]))


def subjects(batch: EventBatch, carried: OpenEnters) -> Ints:
    """The rows of all events, of those threads where some enter event may matter; for `Pairing`."""
    wanted = [
        batch.header("tid", batch.rows_of_type(event_type + step))
        for event_type in enter_reading_types()
        for step in (-1, 0)
    ]
    threads = distinct(np.concatenate([*wanted, carried.tids]).astype(np.int64))
    if not len(threads):
        return np.empty(0, np.int64)
    mask = ThreadSet(threads.tolist()).mask(batch.header("tid"))
    rows: Ints = np.flatnonzero(mask)
    return np.asarray(rows[pairing_types()[batch.header("type", rows)]])


def find_happenings(batch: EventBatch, alive: Collection[int], pairing: Pairing) -> list[Happening]:
    """The events `Lifecycle` has to see, in capture order."""
    found: list[Happening] = []
    present = set(batch.types_present())
    for event_type in sorted(present & lifecycle_types()):
        rows = batch.rows_of_type(event_type)
        enters: list[Record | None] = [None] * len(rows)
        since = [NONE] * len(rows)
        if event_type in enter_reading_types():
            enters, since = enter_records(pairing, event_type, rows)
        found.extend(
            map(
                Happening,
                rows.tolist(),
                [event_type] * len(rows),
                batch.header("tid", rows).tolist(),
                batch.header("ts", rows).tolist(),
                records(batch, event_type, rows),
                enters,
                since,
            )
        )
    touches = first_touches(batch, ThreadSet(alive))
    types = batch.header("type", touches)
    touches = touches[~_type_mask(lifecycle_types())[types]]
    types = batch.header("type", touches)
    found.extend(
        Happening(row, event_type, tid, 0, (), None, BEFORE)
        for row, event_type, tid in zip(
            touches.tolist(), types.tolist(), batch.header("tid", touches).tolist(), strict=True
        )
    )
    found.sort(key=_row)
    return found


def _row(happening: Happening) -> int:
    return happening.row


def enter_records(pairing: Pairing, exit_type: int, rows: Ints) -> tuple[list[Record | None], list[int]]:
    """The parameters and the positions of the enter events of exit events, None where one has none to be used."""
    places = pairing.places(rows)
    refs = pairing.enters[places]
    usable = pairing.intact[places] & (places >= 0)
    found: list[Record | None] = [None] * len(rows)
    for batch, among, source in (
        (pairing.batch, np.flatnonzero(usable & (refs >= 0)), refs),
        (pairing.carried.batch, np.flatnonzero(usable & (refs < NONE)), -2 - refs),
    ):
        if batch is None or not len(among):
            continue
        paired = among[batch.header("type", source[among]) == exit_type - 1]
        at = paired[np.argsort(source[paired], kind="stable")]
        for index, record in zip(at.tolist(), records(batch, exit_type - 1, source[at]), strict=True):
            found[index] = record
    return found, np.maximum(2 * refs, BEFORE).tolist()
