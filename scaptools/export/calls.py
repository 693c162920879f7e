"""Calls for display: each exit event joined to the enter event of its thread, and their parameters as one text.

Sorting the events of a batch by thread puts an exit right behind its enter. Enter events that are still open at the end
of a batch wait for the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import EventClass
from scaptools.columns import Texts
from scaptools.fields.evt.groups import type_groups
from scaptools.fields.evt.results import result_params
from scaptools.fields.paramtext import ParamPrinter, Weave
from scaptools.fields.paramtext.arguments import Brackets, argument_pieces
from scaptools.fields.paramtext.style import DEFAULT_STYLE
from scaptools.fields.statecontext import StateContext

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.fields.paramtext.weave import Piece

    Ints = NDArray[np.int64]

#: No enter event.
NONE = -1


@cache
def _is_call() -> NDArray[np.bool_]:
    """Which event types are the enter or the exit of a system call."""
    return np.array([event.event_class is EventClass.SYSCALL for event in event_table().events])


@dataclass(frozen=True, slots=True)
class CallPairs:
    """The events of a batch as calls; all arrays are places among the rows that were given.

    ``shown`` are those that stand for a call or for themselves, ascending; ``enters`` holds for each of them the enter
    event it belongs to, or `NONE`. ``unfinished`` tells which are enters nothing followed. ``waiting`` are the enters
    that may still be followed, one of a thread; ``firsts`` the first event of each thread that is part of a call.
    """

    shown: Ints
    enters: Ints
    unfinished: NDArray[np.bool_]
    waiting: Ints
    firsts: Ints

    def restricted(self, chosen: NDArray[np.bool_], also: list[int]) -> CallPairs:
        """Only calls of which an event is chosen, by place, and some more places that are shown anyway."""
        if chosen.all():
            return self
        keep = chosen.copy()
        keep[also] = True
        keep = keep[self.shown] | ((self.enters >= 0) & chosen[self.enters])
        return replace(self, shown=self.shown[keep], enters=self.enters[keep], unfinished=self.unfinished[keep])

    def needed(self, count: int) -> Ints:
        """The places of all events whose text is needed, ascending."""
        mask = np.zeros(count, bool)
        mask[self.shown] = mask[self.enters[self.enters >= 0]] = mask[self.waiting] = True
        return np.flatnonzero(mask)


def pair_calls(types: NDArray[np.uint16], tids: Ints) -> CallPairs:
    """Join the exits among some events in order to their enters."""
    calls = np.flatnonzero(_is_call()[types])
    order = calls[np.argsort(tids[calls], kind="stable")]
    by_thread, kinds = tids[order], types[order].astype(np.int64)
    is_exit = (kinds & 1).astype(bool)
    same = np.concatenate((np.zeros(min(1, len(order)), bool), by_thread[1:] == by_thread[:-1]))
    follows = same & is_exit
    follows[1:] &= ~is_exit[:-1] & (kinds[:-1] + 1 == kinds[1:])
    at = np.flatnonzero(follows)
    enters = np.full(len(types), NONE)
    enters[order[at]] = order[at - 1]
    last = np.concatenate((~same[1:], np.ones(min(1, len(order)), bool)))
    open_enters = ~is_exit
    open_enters[at - 1] = False
    hidden = np.zeros(len(types), bool)
    hidden[order[at - 1]] = True
    waiting = order[open_enters & last]
    hidden[waiting] = True
    unfinished = np.zeros(len(types), bool)
    unfinished[order[open_enters]] = True
    shown = np.flatnonzero(~hidden)
    return CallPairs(shown, enters[shown], unfinished[shown], waiting, order[~same])


@dataclass(frozen=True, slots=True)
class CallTexts:
    """For each of some events its parameters, ``name=value, name=value``, and its result; binary without nulls."""

    arguments: pa.Array
    results: pa.Array


def call_texts(batch: EventBatch, rows: NDArray[np.intp], needed: Ints) -> CallTexts:
    """The texts of those events at places that are needed, in which an enter leaves out what its exit has too."""
    printer = ParamPrinter(batch, DEFAULT_STYLE, StateContext())
    arguments, results, brackets = Weave(len(rows)), Weave(len(rows)), Brackets()
    for group in type_groups(batch, rows[needed], lambda event: bool(event.params)):
        event, table, places = group.event, group.table, needed[group.places]
        declared = DEFAULT_STYLE.params_of(event)
        stored = min(int(table.counts.max(initial=0)), len(declared))
        result = result_params(DEFAULT_STYLE.dialect_of(event))[event.id]
        repeated = _told_by_exit(batch, event)
        shown = [index for index in range(stored) if index != result and declared[index].name not in repeated]
        pieces: list[Piece] = []
        for index in shown:
            text = printer.text(table, index)
            end = b", " if index != shown[-1] else b""
            pieces += argument_pieces(declared[index].name.encode(), text.plain, text.resolved, end, brackets)
        if pieces:
            arguments.add(places, pieces)
        if result is not None and result < stored:
            results.add(places, [printer.text(table, result).plain])
    return CallTexts(arguments.text(), results.text())


def _told_by_exit(batch: EventBatch, event: EventType) -> frozenset[str]:
    """The names of an enter event's parameters that exit events have too, as far as they store them here."""
    exit_type = event.id + 1
    if event.id & 1 or exit_type not in batch.types_present():
        return frozenset()
    stored = int(batch.parameters(exit_type).counts.max(initial=0))
    return frozenset(param.name for param in DEFAULT_STYLE.params_of(event_table().events[exit_type])[:stored])


def joined_arguments(before: Texts, after: Texts) -> list[Texts]:
    """Both texts with a comma between them where both say something."""
    import pyarrow as pa
    import pyarrow.compute as pc

    both = pc.and_(pc.greater(pc.binary_length(before.array), 0), pc.greater(pc.binary_length(after.array), 0))
    return [before, Texts(pc.if_else(both, pa.scalar(b", "), pa.scalar(b""))), after]
