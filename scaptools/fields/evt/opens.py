"""Opens: what files were opened for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import ParamType
from scaptools.columns import Numbers
from scaptools.fields.evt.groups import row_count, type_groups
from scaptools.fields.model import Cost, Field

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.fields.evt.groups import TypeGroup
    from scaptools.fields.paramtext import Dialect

_OPEN_EXITS = ("open", "openat", "openat2", "open_by_handle_at")
_EXECUTABLE_BITS = 0o111


@cache
def _bits(*names: str) -> int:
    """Flags of files as captures store them, which are not the kernel's."""
    table = {name: bits for bits, name in event_table().flags_tables["file_flags"]}
    return sum(table[name] for name in names)


@cache
def _open_types(dialect: Dialect) -> frozenset[int]:
    """Event types that say which file is opened and what for."""
    table = event_table()
    found = {
        event.id
        for name in _OPEN_EXITS
        for event in table.by_name(name)
        if event.id % 2 and event.find_param("flags") is not None
    }
    if dialect.old_view:
        # The first exit of openat says nothing but the result, so its enter event counts.
        first = next(event for event in table.by_name("openat") if not event.id % 2)
        found.add(first.id)
    return frozenset(found)


@cache
def _creat_types() -> frozenset[int]:
    return frozenset(event.id for event in event_table().by_name("creat") if event.id % 2)


def _param(group: TypeGroup, name: str) -> NDArray[np.int64]:
    """A numeric parameter by name, 0 where it is missing."""
    index = group.event.find_param(name)
    if index is None:
        return np.zeros(len(group), np.int64)
    numbers = group.table.column(index).numbers()
    return np.where(numbers.validity(), numbers.values, 0).astype(np.int64)


def _reads(group: TypeGroup) -> Any:
    return _param(group, "flags") & _bits("O_RDONLY") != 0


def _writes(group: TypeGroup) -> Any:
    return _param(group, "flags") & _bits("O_WRONLY") != 0


def _makes_executable(group: TypeGroup) -> Any:
    creates = group.event.id in _creat_types() or _param(group, "flags") & _bits("O_CREAT", "O_TMPFILE") != 0
    return creates & (_param(group, "mode") & _EXECUTABLE_BITS != 0)


def _creates(group: TypeGroup) -> Any:
    flags = _param(group, "flags")
    return (flags & _bits("O_F_CREATED") != 0) | ((flags & _bits("O_TMPFILE") != 0) & (_param(group, "fd") >= 0))


@dataclass(frozen=True)
class _Opened:
    """Whether an event opens a file in a certain way."""

    how: Callable[[TypeGroup], Any]
    types: frozenset[int]

    def __call__(self, batch: EventBatch, rows: Rows, _argument: Any) -> Numbers:
        opened = np.zeros(row_count(batch, rows), np.uint32)
        for group in type_groups(batch, rows, lambda event: event.id in self.types):
            opened[group.places] = self.how(group)
        return Numbers(opened)


def open_fields(dialect: Dialect) -> tuple[Field, ...]:
    """The fields of this module, for the event types a dialect looks at."""
    types = _open_types(dialect)
    return tuple(
        Field(name, ParamType.BOOL, f"Whether a file is opened {what}.", _Opened(how, of), cost=Cost.PARAMETERS)
        for name, what, how, of in (
            ("evt.is_open_read", "for reading", _reads, types),
            ("evt.is_open_write", "for writing", _writes, types),
            ("evt.is_open_exec", "so that an executable one comes to be", _makes_executable, types | _creat_types()),
            ("evt.is_open_create", "that did not exist before", _creates, types),
        )
    )
