"""State tables (API 3.x): those the host keeps, those plugins bring along, and how plugins get at either.

A plugin holds tables, fields and entries by pointers that mean something only to whoever gave them out; ours are
numbers of a register. Host tables are kept for plugins to share and to extend: ``threads`` holds what is known at the
event plugins look at, and what they put there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from scap_formats.plugin_abi import STATE_MEMBERS, StateType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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

    def __init__(self, name: str, key_type: StateType, fields: dict[str, TableField]) -> None:
        self.name = name
        self.key_type = key_type
        #: By name; tables of one kind share them, so that what is found in one is good for all.
        self.fields = fields
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


def _fields(rows: str) -> dict[str, TableField]:
    """Fields from lines of a type and names; a trailing ``!`` marks what cannot be written."""
    found = []
    for row in rows.strip().splitlines():
        type_, *names = row.split()
        found += [TableField(name.rstrip("!"), StateType[type_], name.endswith("!")) for name in names]
    return {declared.name: declared for declared in found}


_THREAD_FIELDS: Final = """
    INT64 tid ptid pid reaper_tid sid fd_limit vtid vpid vpgid pgid
    STRING comm exe exe_path root cwd!
    BOOL exe_writable exe_upper_layer exe_lower_layer exe_from_memfd
    UINT32 flags uid gid loginuid tty
    UINT64 exe_ino exe_ino_ctime exe_ino_mtime pidns_init_start_ts
    """
_DESCRIPTOR_FIELDS: Final = """
    UINT8 type socket_ipv4_l4_proto socket_ipv6_l4_proto socket_ipv4_server_l4_proto socket_ipv6_server_l4_proto
    UINT32 open_flags flags dev mount_id socket_ipv4_src_ip socket_ipv4_dest_dip socket_ipv4_server_ip
    STRING name name_raw old_name
    UINT64 ino socket_ipv6_src_ip_low socket_ipv6_src_ip_high socket_ipv6_dest_ip_low socket_ipv6_dest_ip_high
    UINT64 socket_ipv6_server_ip_low socket_ipv6_server_ip_high socket_unix_src socket_unix_dest
    INT64 pid fd
    UINT16 socket_ipv4_src_port socket_ipv4_dst_port socket_ipv6_src_port socket_ipv6_dst_port
    UINT16 socket_ipv4_server_port socket_ipv6_server_port
    """
#: Lists of a thread, and the fields of their entries, whose keys count from 0.
_THREAD_LISTS: Final = {"args": "STRING value", "env": "STRING value", "cgroups": "STRING first second"}
_DESCRIPTORS: Final = "file_descriptors"


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to the host's own tables at a position; ``what`` says how the rest is to be read.

    - reset: everything is gone;
    - thread: thread ``key`` has ``values``, and the descriptors of table ``table``;
    - gone: thread ``key`` is not there any more;
    - open: descriptor ``key`` of table ``table`` has ``values``;
    - closed: it is closed;
    - copy: table ``table`` begins as a copy of table ``key``.
    """

    position: int
    what: str
    key: int = 0
    table: int = 0
    values: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> list[Any]:
        """The change as JSON values."""
        return [self.position, self.what, self.key, self.table, _spelled(self.values)]

    @staticmethod
    def from_json(value: list[Any]) -> Change:
        """The change from `to_json`'s values."""
        position, what, key, table, values = value
        return Change(position, what, key, table, _read(values))


def _spelled(value: Any) -> Any:
    """A value with texts for bytes, one character each."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {name: _spelled(each) for name, each in value.items()}
    return [_spelled(each) for each in value] if isinstance(value, list | tuple) else value


def _read(value: Any) -> Any:
    """What `_spelled` was given."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, dict):
        return {name: _read(each) for name, each in value.items()}
    return [_read(each) for each in value] if isinstance(value, list) else value


class SystemTables:
    """The tables the host offers: ``threads``, with the descriptors, arguments, environment and cgroups of each."""

    def __init__(self) -> None:
        self._kinds = {
            name: _fields(rows) for name, rows in {**_THREAD_LISTS, _DESCRIPTORS: _DESCRIPTOR_FIELDS}.items()
        }
        parts = [TableField(name, StateType.TABLE, read_only=True, factory=self._part(name)) for name in self._kinds]
        fields = _fields(_THREAD_FIELDS) | {part.name: part for part in parts}
        self.threads = HostTable("threads", StateType.INT64, fields)
        self._descriptors: dict[int, HostTable] = {}

    def _part(self, name: str) -> Callable[[], HostTable]:
        """What makes the table of a part of a thread."""
        key_type = StateType.INT64 if name == _DESCRIPTORS else StateType.UINT64
        return lambda: HostTable(name, key_type, self._kinds[name])

    def apply(self, change: Change) -> None:
        """Bring the tables up to a change."""
        _CHANGES[change.what](self, change)

    def clear(self) -> None:
        """Forget every thread, but not the fields plugins added."""
        self.threads.entries.clear()
        self._descriptors.clear()

    def _thread(self, change: Change) -> None:
        threads = self.threads
        entry = threads.entries.setdefault(change.key, TableEntry())
        for name, value in change.values.items():
            entry.values[threads.fields[name]] = self._filled(name, value) if name in _THREAD_LISTS else value
        entry.values[threads.fields[_DESCRIPTORS]] = self._table(change.table)

    def _filled(self, name: str, rows: list[list[bytes]]) -> HostTable:
        """A list of a thread as a table: its rows by their places, each with a value for every field."""
        table = self._part(name)()
        for place, row in enumerate(rows):
            table.entries[place] = TableEntry(dict(zip(table.fields.values(), row, strict=False)))
        return table

    def _table(self, number: int) -> HostTable:
        if number not in self._descriptors:
            self._descriptors[number] = self._part(_DESCRIPTORS)()
        return self._descriptors[number]

    def _open(self, change: Change) -> None:
        entry = self._table(change.table).entries.setdefault(change.key, TableEntry())
        entry.values.update(_by_field(self._kinds[_DESCRIPTORS], change.values))

    def _copy(self, change: Change) -> None:
        origin = self._table(change.key)
        self._table(change.table).entries = {fd: TableEntry(dict(entry.values)) for fd, entry in origin.entries.items()}

    def _closed(self, change: Change) -> None:
        self._table(change.table).entries.pop(change.key, None)

    def _gone(self, change: Change) -> None:
        self.threads.entries.pop(change.key, None)


_CHANGES: Final[dict[str, Callable[[SystemTables, Change], None]]] = {
    "reset": lambda tables, _change: tables.clear(),
    "thread": SystemTables._thread,  # noqa: SLF001 - the class's own
    "gone": SystemTables._gone,  # noqa: SLF001
    "open": SystemTables._open,  # noqa: SLF001
    "closed": SystemTables._closed,  # noqa: SLF001
    "copy": SystemTables._copy,  # noqa: SLF001
}


def _by_field(fields: Mapping[str, TableField], values: Mapping[str, Any]) -> dict[TableField, Any]:
    return {fields[name]: value for name, value in values.items()}
