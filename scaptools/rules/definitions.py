"""Definitions: lists, macros, rules and requirements as rules files state them, before anything is resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.rules.issues import Context
    from scaptools.rules.priority import Priority

SYSCALL_SOURCE = "syscall"


@dataclass(slots=True)
class Named:
    """What lists, macros and rules share.

    ``index`` is the running number of the first definition, ``visibility`` that of the latest change.
    """

    name: str
    context: Context
    index: int = field(default=0, kw_only=True)
    visibility: int = field(default=0, kw_only=True)


@dataclass(slots=True)
class ListDefinition(Named):
    """A list of texts."""

    items: list[str]


@dataclass(slots=True)
class MacroDefinition(Named):
    """A condition with a name; ``condition_context`` is the place of its text."""

    condition: str
    condition_context: Context


#: A value of an exception: a text, or several.
ExceptionValue = str | list["ExceptionValue"]


@dataclass(slots=True)
class ExceptionDefinition:
    """A way out of a rule.

    ``fields`` is a list of fields, or one field; ``comparisons`` has the same shape, None where it is not stated.
    """

    name: str
    context: Context
    fields: list[str] | str | None = None
    comparisons: list[str] | str | None = None
    values: list[ExceptionValue] = field(default_factory=list)


@dataclass(slots=True)
class RuleDefinition(Named):
    """A rule; ``unknown_source`` marks one nobody can evaluate here."""

    condition: str
    condition_context: Context
    output: str
    output_context: Context
    description: str
    priority: Priority
    source: str = SYSCALL_SOURCE
    enabled: bool = True
    tags: set[str] = field(default_factory=set)
    exceptions: list[ExceptionDefinition] = field(default_factory=list)
    warns_of_event_types: bool = True
    skips_unknown: bool = False
    capture: bool = False
    capture_duration_ms: int = 0
    unknown_source: bool = False


@dataclass(slots=True)
class RuleUpdate:
    """What an append, override or switch item changes in a rule; ``changes`` are values by attribute name."""

    name: str
    context: Context
    source: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PluginRequirement:
    """A plugin in some version, or one of its alternatives, in the order of preference."""

    context: Context
    alternatives: tuple[tuple[str, str], ...]


N = TypeVar("N", bound=Named)


class Table(Generic[N]):
    """Definitions by name, in the order of their first definition."""

    def __init__(self) -> None:
        self._entries: dict[str, N] = {}

    def __iter__(self) -> Iterator[N]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: str) -> N | None:
        """The definition of a name, None where there is none."""
        return self._entries.get(name)

    def define(self, entry: N, number: int) -> None:
        """Add a definition, or replace the one of the same name at its place."""
        known = self._entries.get(entry.name)
        entry.index = number if known is None else known.index
        entry.visibility = number
        self._entries[entry.name] = entry


@dataclass(slots=True)
class Definitions:
    """Everything rules files have defined so far."""

    lists: Table[ListDefinition] = field(default_factory=Table)
    macros: Table[MacroDefinition] = field(default_factory=Table)
    rules: Table[RuleDefinition] = field(default_factory=Table)
    plugins: list[PluginRequirement] = field(default_factory=list)
    engine_version: str | None = None
    _numbers: int = 0

    def next_number(self) -> int:
        """The next running number."""
        self._numbers += 1
        return self._numbers - 1
