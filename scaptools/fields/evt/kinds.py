"""Kinds: what sort of event it is - its type, direction and category, and what its type does.

Most of this is known from the type's number alone, so columns are coded by it and a filter decides once per type.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table, syscall_table
from scap_formats.types import Direction, EventCategory, EventClass, EventFlag, ParamType, PrintFormat
from scaptools.columns import ALL_ROWS, Coded, Deferred, Numbers, Texts
from scaptools.errors import FormatError
from scaptools.fields.evt.groups import TypeGroup, row_count, type_groups
from scaptools.fields.model import Cost, Field, FieldArgument
from scaptools.fields.paramtext.names import syscall_names
from scaptools.fields.paramtext.style import CLASSIC, Dialect, TextStyle

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows

#: Enter and exit of a system call without an event type of its own; it is named by the code in its first parameter.
GENERIC_TYPES = frozenset({0, 1})
#: When the first event types appeared.
_FIRST_DRIVERS = "2014-01"
#: Events of plugins and tools, named by their second parameter.
ASYNC_TYPES = frozenset(event.id for event in event_table().by_name("asyncevent"))
_ASYNC_NAME = 1
_CODE, _NATIVE_CODE = 0, 1


# Names --------------------------------------------------------------------------------------------------------------


@cache
def _names(dialect: Dialect) -> Texts:
    """Names of all event types by number, then of all system calls by code."""
    events, style = event_table().events, TextStyle(dialect)
    names = [style.name_of(event).encode() for event in events]
    return Texts.of([*names, *syscall_names(classic=dialect.old_view)])


@cache
def _native_codes() -> NDArray[np.int64]:
    """The code of every native system-call number."""
    natives = {call.native: call.code for call in syscall_table().syscalls if call.native is not None}
    codes = np.zeros(max(natives) + 1, np.int64)
    codes[list(natives)] = list(natives.values())
    return codes


def syscall_codes(group: TypeGroup, dialect: Dialect) -> NDArray[np.int64]:
    """The system call of generic events, -1 where it is not stored or nobody knows it."""
    codes = _known_codes(group.table.column(_CODE).numbers())
    if dialect.old_view or group.table.stored <= _NATIVE_CODE:
        return codes
    # A driver that has no code for a system call stores its native number.
    natives, known = group.table.column(_NATIVE_CODE).numbers(), _native_codes()
    unnamed = (codes == 0) & natives.validity() & (natives.values < len(known))
    codes[unnamed] = known[natives.values[unnamed]]
    return codes


def _known_codes(numbers: Numbers) -> NDArray[np.int64]:
    """The numbers of system calls, -1 for what is none."""
    codes = numbers.values.astype(np.int64)
    codes[codes >= len(syscall_table().syscalls)] = -1
    if numbers.valid is not None:
        codes[~numbers.valid] = -1
    return codes


@cache
def _coarse_codes() -> NDArray[np.int16]:
    """The code of each event type by number, -1 where it takes a look at the event."""
    codes = np.arange(len(event_table().events), dtype=np.int16)
    codes[list(GENERIC_TYPES)] = -1
    return codes


@cache
def _may_be_generic(dialect: Dialect) -> NDArray[np.bool_]:
    """Of all names, whether a generic event can go by it: not where the first drivers had an event type for it."""
    may = np.zeros(len(_names(dialect)), bool)
    first_syscall = len(event_table().events)
    for call in syscall_table().syscalls:
        if first_syscall + call.code < len(may):
            firsts = {event_table().events[number].since for number in call.events if number not in GENERIC_TYPES}
            may[first_syscall + call.code] = _FIRST_DRIVERS not in firsts
    return may


def _types(dialect: Dialect, batch: EventBatch, rows: Rows, _argument: Any) -> Coded:
    types = batch.header("type", rows)
    coarse: NDArray[Any] = _coarse_codes().take(types, mode="clip")
    values = _names(dialect)
    if any((types == event_type).any() for event_type in ASYNC_TYPES):
        coarse, values = _with_async_names(batch, rows, coarse.astype(np.int32), values)
    finish = partial(_with_system_calls, dialect, batch, rows, coarse)
    late = np.zeros(len(values), bool)
    late[: len(_names(dialect))] = _may_be_generic(dialect)
    return Deferred(coarse, values, late=late, finish=finish)


def _with_async_names(batch: EventBatch, rows: Rows, codes: NDArray[Any], values: Texts) -> tuple[NDArray[Any], Texts]:
    """Codes and values that also have the names async events go by."""
    from scaptools.fields.paramtext.printable import until_nul

    for group in type_groups(batch, rows, lambda event: event.id in ASYNC_TYPES):
        names = until_nul(group.table.column(_ASYNC_NAME).strings().array).dictionary_encode()
        codes[group.places] = np.asarray(names.indices.fill_null(-1 - len(values))) + len(values)
        values = Texts.of([*values.array.to_pylist(), *names.dictionary.to_pylist()])
    return codes, values


def _with_system_calls(dialect: Dialect, batch: EventBatch, rows: Rows, coarse: NDArray[Any]) -> NDArray[np.int32]:
    """The codes of all events, those of generic ones by the system call they stand for."""
    first_syscall = len(event_table().events)
    codes = coarse.astype(np.int32)
    places = np.flatnonzero(batch.header("type", rows) <= max(GENERIC_TYPES))
    index = places if isinstance(rows, slice) and rows == ALL_ROWS else np.arange(len(batch))[rows][places]
    # Enter and exit store the system call alike, so they are one group here.
    if dialect.old_view:
        calls = _known_codes(batch.leading_numbers(index, 0))
    else:
        calls = syscall_codes(TypeGroup(event_table().events[0], batch, (index, places)), dialect)
    codes[places] = np.where(calls < 0, -1, calls + first_syscall)
    return codes


def _system_calls(dialect: Dialect, batch: EventBatch, rows: Rows, argument: Any) -> Coded:
    names = _types(dialect, batch, rows, argument)
    calls = _per_type(partial(_is_system_call, dialect))[batch.header("type", rows)]
    return Coded(np.where(calls, names.codes, -1), names.values)


def _is_system_call(dialect: Dialect, event: EventType) -> bool:
    if dialect.old_view and event.old_params is not None:
        internal = event.category in {EventCategory.INTERNAL, EventCategory.SCHEDULER}
        return not internal and not event.flags & EventFlag.SKIPPARSERESET
    return event.event_class is EventClass.SYSCALL


# By type ------------------------------------------------------------------------------------------------------------


def _per_type(of: Callable[[EventType], Any]) -> NDArray[Any]:
    return np.array([of(event) for event in event_table().events])


def _by_type(values: Callable[[], Numbers | Texts], batch: EventBatch, rows: Rows, _argument: Any) -> Coded:
    return Coded(batch.header("type", rows).astype(np.int16), values())


def _truth(of: Callable[[EventType], bool]) -> Callable[[], Numbers]:
    return cache(lambda: Numbers(_per_type(of).astype(np.uint32)))


def _ones(of: Callable[[EventType], bool]) -> Callable[[], Numbers]:
    """1 for some types, no value for others."""

    @cache
    def values() -> Numbers:
        valid = _per_type(of).astype(bool)
        return Numbers(np.ones(len(valid), np.uint32), valid)

    return values


def _words(of: Callable[[EventType], bytes | None]) -> Callable[[], Texts]:
    return cache(lambda: Texts.of(of(event) for event in event_table().events))


def _does(flags: EventFlag) -> Callable[[EventType], bool]:
    return lambda event: bool(event.flags & flags)


def _io_direction(event: EventType) -> bytes | None:
    if event.flags & EventFlag.WRITES_TO_FD:
        return b"write"
    return b"read" if event.flags & EventFlag.READS_FROM_FD else None


def is_metaevent(event: EventType) -> bool:
    """Whether events of a type tell about the capture or the machine rather than about something that happened."""
    return event.event_class is EventClass.METAEVENT


def _is_procinfo(event: EventType) -> bool:
    return event.name == "procinfo"


def _constant(batch: EventBatch, rows: Rows, _argument: Any) -> Coded:
    return Coded(np.zeros(row_count(batch, rows), np.int8), Numbers(np.ones(1, np.uint32)))


# evt.type.is --------------------------------------------------------------------------------------------------------


def parse_type(text: str) -> frozenset[int]:
    """The numbers of the types an ``evt.type.is`` argument stands for. Raises FormatError.

    A name is that of the first type called so and of its exit, a number is that type alone.
    """
    if text.isascii() and text.isdecimal():
        return frozenset({int(text)})
    known = event_table().by_name(text)
    if not known:
        raise FormatError(f"there is no event type {text}")
    return frozenset({known[0].id, known[0].id + 1})


def _is_type(batch: EventBatch, rows: Rows, wanted: frozenset[int]) -> Coded:
    values = _per_type(lambda event: event.id in wanted).astype(np.uint32)
    return Coded(batch.header("type", rows).astype(np.int16), Numbers(values))


# Asynchronous events ------------------------------------------------------------------------------------------------


def _async_types(dialect: Dialect, batch: EventBatch, rows: Rows, argument: Any) -> Coded:
    names = _types(dialect, batch, rows, argument)
    meta = _per_type(is_metaevent)[batch.header("type", rows)]
    return Coded(np.where(meta, names.codes, -1), names.values)


def kind_fields(dialect: Dialect = CLASSIC) -> tuple[Field, ...]:
    """The fields of this module in the names of a dialect."""
    text, truth, count = ParamType.CHARBUF, ParamType.BOOL, ParamType.UINT32
    decimal = PrintFormat.DEC
    return (
        Field(
            "evt.type",
            text,
            "Name of the event: for a system call the name of the call.",
            partial(_types, dialect),
        ),
        Field(
            "syscall.type",
            text,
            "Name of the system call, where the event is one.",
            partial(_system_calls, dialect),
        ),
        Field(
            "evt.type.is",
            count,
            "1 for events of the given type, enter and exit alike, 0 for others.",
            _is_type,
            argument=FieldArgument(parse_type, required=True, form=".NAME", suffix=True),
        ),
        Field(
            "evt.dir",
            text,
            "Direction: > for enter events, < for exit events.",
            partial(_by_type, _words(lambda event: event.direction.symbol.encode())),
            PrintFormat.DIR,
            flags=frozenset({"DEPRECATED"}),
        ),
        *(
            Field(name, truth, description, partial(_by_type, _truth(_does(flags))))
            for name, flags, description in (
                (
                    "evt.is_io",
                    EventFlag.READS_FROM_FD | EventFlag.WRITES_TO_FD,
                    "Whether events of this type read or write through a descriptor.",
                ),
                ("evt.is_io_read", EventFlag.READS_FROM_FD, "Whether events of this type read through a descriptor."),
                ("evt.is_io_write", EventFlag.WRITES_TO_FD, "Whether events of this type write through a descriptor."),
                ("evt.is_wait", EventFlag.WAITS, "Whether events of this type make the thread wait."),
            )
        ),
        Field(
            "evt.io_dir",
            text,
            "read or write for events that go through a descriptor.",
            partial(_by_type, _words(_io_direction)),
        ),
        Field("evt.count", count, "Always 1, for counting.", _constant, decimal),
        Field(
            "evt.count.exit",
            count,
            "1 for exit events, for counting.",
            partial(_by_type, _ones(lambda event: event.direction is Direction.EXIT)),
            decimal,
        ),
        Field(
            "evt.count.threadinfo",
            count,
            "1 for events that tell about a thread that was there before, for counting.",
            partial(_by_type, _ones(_is_procinfo) if dialect.failed_always else _truth(_is_procinfo)),
            decimal,
            flags=frozenset({"TABLE_ONLY"}),
        ),
        Field(
            "evt.is_async",
            truth,
            "Whether the event tells about the capture or the machine rather than about something that happened.",
            partial(_by_type, _truth(is_metaevent)),
        ),
        Field(
            "evt.asynctype",
            text,
            "Name of an event that tells about the capture or the machine.",
            partial(_async_types, dialect),
            cost=Cost.PARAMETERS,
        ),
    )
