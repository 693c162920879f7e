"""State tables (API 3.x): those the host keeps, those plugins bring along, and how plugins get at either.

A plugin holds tables, fields and entries by pointers that mean something only to whoever gave them out; ours are
numbers of a register. Host tables are kept for plugins to share and to extend; without a system being traced the
``threads`` table holds what plugins put there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from scap_formats.plugin_abi import STATE_MEMBERS, StateType

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS: Final = count(1)
#: Distance between the pointers we give out, none of which points anywhere.
_STRIDE: Final = 16


class TableError(Exception):
    """What a plugin is told through the owner's last error."""


@dataclass(slots=True, eq=False)
class TableField:
    """A field of a host table."""

    name: str
    type: StateType
    read_only: bool = False
    #: What makes the sub-table of an entry, for fields of type TABLE.
    factory: Callable[[], HostTable] | None = None


@dataclass(slots=True, eq=False)
class TableEntry:
    """An entry of a host table: its values by field."""

    values: dict[TableField, Any] = field(default_factory=dict)


class HostTable:
    """A table of ours. Raises TableError for what no plugin may do."""

    def __init__(self, name: str, key_type: StateType, fields: list[TableField]) -> None:
        self.name = name
        self.key_type = key_type
        self.fields = {declared.name: declared for declared in fields}
        self.entries: dict[Any, TableEntry] = {}

    def find_field(self, name: str, type_: int) -> TableField | None:
        """A field by name and type, None where there is none of that name."""
        found = self.fields.get(name)
        if found is not None and found.type != type_:
            raise TableError(f"field {name} of table {self.name} is of type {found.type.name}")
        return found

    def add_field(self, name: str, type_: int) -> TableField:
        """A field of that name and type, a new one where there is none."""
        found = self.find_field(name, type_)
        if found is None:
            if type_ == StateType.TABLE or type_ not in STATE_MEMBERS:
                raise TableError(f"a field of type {type_} cannot be added to table {self.name}")
            found = self.fields[name] = TableField(name, StateType(type_))
        return found

    def read(self, entry: TableEntry, declared: TableField) -> Any:
        """An entry's value: a number, bytes, or a table."""
        if declared not in entry.values and declared.type is StateType.TABLE and declared.factory is not None:
            entry.values[declared] = declared.factory()
        return entry.values.get(declared, b"" if declared.type is StateType.STRING else 0)

    def write(self, entry: TableEntry, declared: TableField, value: Any) -> None:
        """Set an entry's value."""
        if declared.read_only or declared.type is StateType.TABLE:
            raise TableError(f"field {declared.name} of table {self.name} cannot be written")
        entry.values[declared] = value


class Register:
    """Objects by the pointers given out for them."""

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}

    def number(self, thing: Any) -> int:
        """The pointer of an object, the same every time."""
        known = self._numbers.get(id(thing))
        if known is None:
            known = self._numbers[id(thing)] = next(_NUMBERS) * _STRIDE
            self._objects[known] = thing
        return known

    def thing(self, number: int) -> Any:
        """The object of a pointer, None where it is not one of ours."""
        return self._objects.get(number)

    def forget(self, number: int) -> None:
        """Let go of an object."""
        thing = self._objects.pop(number, None)
        self._numbers.pop(id(thing), None)


def _fields(rows: str) -> list[TableField]:
    """Fields from lines of a type and names; a trailing ``!`` marks what cannot be written."""
    found = []
    for row in rows.strip().splitlines():
        type_, *names = row.split()
        found += [TableField(name.rstrip("!"), StateType[type_], name.endswith("!")) for name in names]
    return found


def threads_table() -> HostTable:
    """The table of threads, with the fields every host offers."""
    fields = _fields(
        """
        INT64 tid ptid pid reaper_tid sid fd_limit vtid vpid vpgid pgid
        STRING comm exe exe_path root cwd!
        BOOL exe_writable exe_upper_layer exe_lower_layer exe_from_memfd
        UINT32 flags uid gid loginuid tty
        UINT64 exe_ino exe_ino_ctime exe_ino_mtime pidns_init_start_ts
        """
    )
    fields += [
        TableField("file_descriptors", StateType.TABLE, read_only=True, factory=_descriptors_table),
        *(
            TableField(name, StateType.TABLE, read_only=True, factory=_texts_table(name))
            for name in ("args", "env", "cgroups")
        ),
    ]
    return HostTable("threads", StateType.INT64, fields)


def _descriptors_table() -> HostTable:
    fields = _fields(
        """
        UINT32 open_flags flags dev mount_id
        STRING name name_raw old_name
        UINT64 ino
        INT64 pid fd
        """
    )
    return HostTable("file_descriptors", StateType.INT64, fields)


def _texts_table(name: str) -> Callable[[], HostTable]:
    return lambda: HostTable(name, StateType.UINT64, [TableField("value", StateType.STRING)])
