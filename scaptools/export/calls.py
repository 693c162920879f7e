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
from scaptools.fields.evt.groups import type_groups
from scaptools.fields.evt.results import result_params
from scaptools.fields.paramtext import ParamPrinter, Weave
from scaptools.fields.paramtext.arguments import Brackets, argument_pieces
from scaptools.fields.paramtext.style import DEFAULT_STYLE
from scaptools.fields.statecontext import StateContext

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.fields.paramtext.context import TextColumn
    from scaptools.fields.paramtext.values import ParamText
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
    order = calls[np.argsort(_thread_codes(tids[calls]), kind="stable")]
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


def _thread_codes(tids: Ints) -> NDArray[np.integer]:
    """A number for each thread; of 16 bits where there are few, which sort in a tenth of the time."""
    import pyarrow as pa

    codes = np.asarray(pa.array(tids).dictionary_encode().indices)
    return codes.astype(np.uint16) if int(codes.max(initial=0)) < 1 << 16 else codes


@dataclass(frozen=True, slots=True)
class CallTexts:
    """For each of some events its parameters, ``name=value, name=value``, and its result; binary without nulls."""

    arguments: pa.Array
    results: pa.Array


def call_texts(
    batch: EventBatch, rows: NDArray[np.intp], needed: Ints, told: Callable[[int], NDArray[np.bool_] | None]
) -> CallTexts:
    """The texts of those events at places that are needed.

    ``told`` says of which enter events of a type, by place, parameters are left out because the exit has them too;
    None means of none.
    """
    printer = ParamPrinter(batch, DEFAULT_STYLE, StateContext())
    arguments, results, brackets = Weave(len(rows)), Weave(len(rows)), Brackets()
    for group in type_groups(batch, rows[needed], lambda event: bool(event.params)):
        event, places = group.event, needed[group.places]
        table = group.table
        declared = DEFAULT_STYLE.params_of(event)
        stored = min(int(table.counts.max(initial=0)), len(declared))
        result = result_params(DEFAULT_STYLE.dialect_of(event))[event.id]
        texts: dict[int, ParamText] = {}
        for chosen, shown in _variants(event, stored, places, told):
            pieces: list[Piece] = []
            indices = [index for index in shown if index != result]
            for index in indices:
                text = texts.get(index) or texts.setdefault(index, printer.text(table, index))
                end = b", " if index != indices[-1] else b""
                pieces += argument_pieces(declared[index].name.encode(), *_taken(text, chosen), end, brackets)
            if pieces:
                arguments.add(places if chosen is None else places[chosen], pieces)
        if result is not None and result < stored:
            results.add(places, [printer.text(table, result).plain])
    return CallTexts(arguments.text(), results.text())


def _variants(
    event: EventType, stored: int, places: Ints, told: Callable[[int], NDArray[np.bool_] | None]
) -> list[tuple[Ints | None, list[int]]]:
    """Which parameters are shown of which events, None standing for all; by their order among ``places``."""
    names, every = _told_names()[event.id], list(range(stored))
    less = told(event.id) if names else None
    if less is None:
        return [(None, every)]
    less = less[places]
    rest = [index for index, param in enumerate(DEFAULT_STYLE.params_of(event)[:stored]) if param.name not in names]
    if less.all():
        return [(None, rest)]
    return [(np.flatnonzero(~less), every), (np.flatnonzero(less), rest)]


def _taken(text: ParamText, chosen: Ints | None) -> tuple[TextColumn, TextColumn | None]:
    if chosen is None:
        return text.plain, text.resolved
    return text.plain.take(chosen), None if text.resolved is None else text.resolved.take(chosen)


@cache
def _told_names() -> list[frozenset[str]]:
    """For each event type the names of its parameters that its exit has too; empty for all but enters."""
    events = event_table().events
    names = [frozenset(param.name for param in DEFAULT_STYLE.params_of(event)) for event in events]
    is_enter = _is_call() & (np.arange(len(events)) % 2 == 0)
    return [names[at] & names[at + 1] if is_enter[at] else frozenset() for at in range(len(events))]


def may_be_told(types: NDArray[np.uint16]) -> bool:
    """Whether one of some event types is an enter whose exit may tell the same."""
    return any(_told_names()[type_] for type_ in np.unique(types).tolist())


def exits_tell(batch: EventBatch, enter_type: int) -> bool:
    """Whether the exits of a call store all parameters here that its enter has too, some of them."""
    names = _told_names()[enter_type]
    if not names or enter_type + 1 not in batch.types_present():
        return False
    exit_ = event_table().events[enter_type + 1]
    stored = int(batch.parameters(exit_.id).counts.max(initial=0))
    return names <= {param.name for param in DEFAULT_STYLE.params_of(exit_)[:stored]}
