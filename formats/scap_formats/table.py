"""The event table, the system-call table and the plugin registry, read from this package's JSON on first use.

Event ids index `EventTable.events`; even ids are enter events, odd ones exit events. The tables are immutable and
shared. `generate` rebuilds the JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pkgutil import get_data
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scap_formats.types import (
    ConversionAction,
    Direction,
    EventCategory,
    EventClass,
    EventFlag,
    ParamType,
    PrintFormat,
    SourceKind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_ACTIONS = {
    "pass": ConversionAction.PASS,
    "store": ConversionAction.STORE,
    "store+pass": ConversionAction.STORE_PASS,
    "add": ConversionAction.ADD,
    "change": ConversionAction.CHANGE,
}
_INDEXED_SOURCES = {
    ("old", ""): SourceKind.OLD,
    ("enter", "default"): SourceKind.ENTER_OR_DEFAULT,
    ("enter", "empty"): SourceKind.ENTER_OR_EMPTY,
}
_WORD_SOURCES = {
    "default": SourceKind.DEFAULT,
    "empty": SourceKind.EMPTY,
    "container_json?empty": SourceKind.CONTAINER_JSON,
}


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of an event type.

    ``flags_table`` and ``dynamic_table`` are keys of the tables of `EventTable`; ``dirfd_param`` is the index of the
    parameter holding the directory a relative path starts from; ``name_0_29_3`` is set where sysdig 0.29.3 has
    another name.
    """

    name: str
    type: ParamType
    format: PrintFormat
    flags_table: str | None = None
    dynamic_table: str | None = None
    dirfd_param: int | None = None
    name_0_29_3: str | None = None


@dataclass(frozen=True, slots=True)
class ParamSource:
    """Where a parameter of a converted event comes from; ``index`` is -1 for kinds that have none."""

    kind: SourceKind
    index: int = -1


@dataclass(frozen=True, slots=True)
class Conversion:
    """How an event with a given number of parameters becomes one of the newest schema.

    ``params`` are appended (`ConversionAction.ADD`) or replace all (`ConversionAction.CHANGE`, whose new type is
    ``to``).
    """

    action: ConversionAction
    to: int | None = None
    params: tuple[ParamSource, ...] = ()


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the event table.

    ``length_width`` is the width in bytes of an entry of the parameter-length array. ``history`` holds (label, number
    of parameters) from the first appearance on, labels being months before libs 0.7.0 and release numbers after.
    ``conversions`` is keyed by the number of parameters found in the file. ``old_name`` and ``old_params`` are what
    sysdig 0.29.3 knows, None where it does not know the type.
    """

    id: int
    enum: str
    name: str
    direction: Direction
    category: EventCategory
    event_class: EventClass
    flags: EventFlag
    length_width: int
    params: tuple[Param, ...]
    since: str
    history: tuple[tuple[str, int], ...]
    conversions: Mapping[int, Conversion]
    old_name: str | None
    old_params: tuple[Param, ...] | None

    @property
    def nparams(self) -> int:
        """The newest number of parameters."""
        return len(self.params)

    def find_param(self, name: str) -> int | None:
        """The index of a parameter by its newest or its 0.29.3 name, None where there is none."""
        for index, param in enumerate(self.params):
            if name in {param.name, param.name_0_29_3}:
                return index
        return None


@dataclass(frozen=True, slots=True)
class DynamicChoice:
    """What the value of a dynamic parameter is; its place in the table is the index stored before the value."""

    type: ParamType
    format: PrintFormat


@dataclass(frozen=True, slots=True)
class EventTable:
    """Every event type and the tables their parameters refer to.

    ``flags_tables`` entries are (value, name) in the order printing needs. ``old_event_max`` is the number of types
    sysdig 0.29.3 knows.
    """

    events: tuple[EventType, ...]
    flags_tables: Mapping[str, tuple[tuple[int, str], ...]]
    dynamic_tables: Mapping[str, tuple[DynamicChoice, ...]]
    old_event_max: int
    libs_commit: str
    driver_schema: str
    _names: Mapping[str, tuple[EventType, ...]]

    @property
    def EVENT_MAX(self) -> int:  # noqa: N802 - upstream's constant
        """The first id that is no event type."""
        return len(self.events)

    @property
    def names(self) -> Mapping[str, tuple[EventType, ...]]:
        """Event types by name, each tuple by ascending id."""
        return self._names

    def by_name(self, name: str) -> tuple[EventType, ...]:
        """The event types of a name by ascending id, none where nothing has it."""
        return self._names.get(name, ())


@dataclass(frozen=True, slots=True)
class Syscall:
    """One PPM_SC code.

    ``name`` is empty for a reserved code. ``events`` are the event ids a capture may use for it, ``native`` is its
    x86_64 number where it has one. ``old_name`` is the name in sysdig 0.29.3, None where that does not know the code.
    """

    code: int
    name: str
    native: int | None
    events: tuple[int, ...]
    old_name: str | None


@dataclass(frozen=True, slots=True)
class SyscallTable:
    """PPM_SC codes; ``syscalls`` is indexed by code."""

    syscalls: tuple[Syscall, ...]
    old_max: int
    _codes: Mapping[str, int]
    _natives: Mapping[int, int]

    def name(self, code: int) -> str | None:
        """The name of a code, None for a code nobody has given a name."""
        return (self.syscalls[code].name or None) if 0 <= code < len(self.syscalls) else None

    def find_code(self, name: str) -> int | None:
        """The code of a system call's name."""
        return self._codes.get(name)

    def find_native(self, number: int) -> int | None:
        """The code of an x86_64 system-call number."""
        return self._natives.get(number)


@dataclass(frozen=True, slots=True)
class RegisteredPlugin:
    """A plugin id somebody has registered."""

    id: int
    name: str
    source: str


def _load(name: str) -> Any:
    # importlib.resources does the same, but importing it takes longer than reading the table.
    return json.loads(get_data(__package__, name) or b"")


@cache
def _param(
    name: str,
    type_: str,
    fmt: str,
    *,
    flags: str | None,
    dyn: str | None,
    dirfd: int | None,
    old_name: str | None,
) -> Param:
    return Param(name, ParamType[type_], PrintFormat[fmt], flags, dyn, dirfd, old_name)


@cache
def _source(text: str) -> ParamSource:
    if text in _WORD_SOURCES:
        return ParamSource(_WORD_SOURCES[text])
    origin, _, rest = text.partition(":")
    index, _, fallback = rest.partition("?")
    return ParamSource(_INDEXED_SOURCES[origin, fallback], int(index))


def _conversion(entry: dict[str, Any]) -> Conversion:
    return Conversion(_ACTIONS[entry["action"]], entry.get("to"), tuple(map(_source, entry.get("params", ()))))


def _old_params(params: tuple[Param, ...], older: dict[str, Any]) -> tuple[Param, ...]:
    changed = list(params[: older.get("nparams", len(params))])
    for index, entry in older.get("params", {}).items():
        param = changed[int(index)]
        changed[int(index)] = replace(
            param,
            name=entry.get("name", param.name),
            type=ParamType[entry["type"]] if "type" in entry else param.type,
            format=PrintFormat[entry["fmt"]] if "fmt" in entry else param.format,
        )
    return tuple(changed)


_NO_CONVERSIONS: Mapping[int, Conversion] = MappingProxyType({})


def _event(entry: dict[str, Any], flags: dict[str, EventFlag]) -> EventType:
    older = entry.get("v0_29_3", {})
    renamed = older.get("params", {}) if older else {}
    params = tuple(
        _param(
            param["name"],
            param["type"],
            param["fmt"],
            flags=param.get("flags"),
            dyn=param.get("dyn"),
            dirfd=param.get("dirfd_param"),
            old_name=renamed[str(index)].get("name") if renamed and str(index) in renamed else None,
        )
        for index, param in enumerate(entry.get("params", ()))
    )
    flag_names = "|".join(entry.get("flags", ()))
    if flag_names not in flags:
        flags[flag_names] = EventFlag(sum(EventFlag[name] for name in entry.get("flags", ())))
    convert = entry.get("convert")
    known_before = older is not False
    return EventType(
        id=entry["id"],
        enum=entry["enum"],
        name=entry["name"],
        direction=Direction(entry["id"] % 2),
        category=EventCategory[entry["category"]],
        event_class=EventClass[entry.get("class", "NONE")],
        flags=flags[flag_names],
        length_width=4 if "LARGE_PAYLOAD" in flag_names else 2,
        params=params,
        since=entry["since"],
        history=tuple((label, count) for label, count in entry.get("history", ((entry["since"], len(params)),))),
        conversions=MappingProxyType({int(count): _conversion(rule) for count, rule in convert.items()})
        if convert
        else _NO_CONVERSIONS,
        old_name=older.get("name", entry["name"]) if known_before else None,
        old_params=(_old_params(params, older) if older else params) if known_before else None,
    )


@cache
def event_table() -> EventTable:
    """The event table; read once, then shared."""
    table = _load("event_table.json")
    flags: dict[str, EventFlag] = {}
    events = tuple(_event(entry, flags) for entry in table["events"])
    names: dict[str, list[EventType]] = {}
    for event in events:
        names.setdefault(event.name, []).append(event)
    return EventTable(
        events=events,
        flags_tables=MappingProxyType(
            {name: tuple((value, text) for value, text in entries) for name, entries in table["flags_tables"].items()}
        ),
        dynamic_tables=MappingProxyType(
            {
                name: tuple(DynamicChoice(ParamType[type_], PrintFormat[fmt]) for type_, fmt in entries)
                for name, entries in table["dynamic_tables"].items()
            }
        ),
        old_event_max=table["about"]["v0_29_3_event_max"],
        libs_commit=table["about"]["libs_commit"],
        driver_schema=table["about"]["driver_schema"],
        _names=MappingProxyType({name: tuple(found) for name, found in names.items()}),
    )


@cache
def syscall_table() -> SyscallTable:
    """The system-call table; read once, then shared."""
    table = _load("syscall_table.json")
    syscalls = tuple(
        Syscall(
            code=entry["code"],
            name=entry.get("name", ""),
            native=entry.get("x86_64"),
            events=tuple(entry.get("events", ())),
            old_name=None if entry.get("v0_29_3") is False else entry.get("v0_29_3_name", entry.get("name")),
        )
        for entry in table["syscalls"]
    )
    return SyscallTable(
        syscalls=syscalls,
        old_max=table["about"]["v0_29_3_max"],
        _codes=MappingProxyType({call.name: call.code for call in syscalls if call.name}),
        _natives=MappingProxyType({call.native: call.code for call in syscalls if call.native is not None}),
    )


@cache
def plugin_registry() -> Mapping[int, RegisteredPlugin]:
    """Registered plugins that have an id, by id; id 999 is everybody's for tests."""
    return MappingProxyType(
        {
            entry["id"]: RegisteredPlugin(entry["id"], entry["name"], entry["source"])
            for entry in _load("plugin_registry.json")["plugins"]
        }
    )
