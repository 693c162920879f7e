"""What a host of API 3.x does for its plugins: errors, log lines, state tables, routines, asynchronous events.

All of it is called by the plugin, from any thread; nothing here may raise, so that every function answers with what
the interface has for failure and leaves the reason to the owner's last error.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scap_formats.plugin import ASYNC_EVENT
from scap_formats.plugin_abi import STATE_MEMBERS, LogSeverity, ReturnCode, StateType
from scaptools.plugins.shared.tables import HostTable, Register, SystemTables, TableEntry, TableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.plugins.shared.declaration import Declaration
    from scaptools.plugins.shared.library import Library

_ERROR_BYTES: Final = 1024
_ASYNC_PARAMETERS: Final = 3
#: Where the plugin id and the name of an asynchronous event lie.
_ASYNC_ID: Final = 38
_ASYNC_NAME: Final = 42
_EXT_SINCE: Final = 1
_ALL_ONES: Final = 2**64 - 1


@dataclass(slots=True, eq=False)
class PluginTable:
    """A table a plugin brought along: its own functions, and copies of what describes it."""

    name: str
    key_type: int
    given: Any
    reader: Any
    writer: Any
    fields: Any


#: The host's own tables in this process.
SYSTEM: Final = SystemTables()
#: Tables of this process by name; plugins loaded into it find each other's here.
_TABLES: Final[dict[str, HostTable | PluginTable]] = {SYSTEM.threads.name: SYSTEM.threads}


def _host_table(table: Any) -> HostTable:
    if not isinstance(table, HostTable):
        raise TableError("no such table")
    return table


class HostServices:
    """The functions one plugin calls, and what it said through them."""

    def __init__(self, library: Library, declaration: Declaration) -> None:
        self.library = library
        self.ffi = library.ffi
        self.declaration = declaration
        self.owner = self.ffi.new_handle(self)
        #: The plugin id asynchronous events are given.
        self.source_id = 0
        self.uses_tables = False
        self.latest_ns = 0
        self._events: list[bytes] = []
        self._arrival = threading.Condition()
        self._things = Register()
        self._error = self.ffi.new("char[]", b"")
        self._kept: list[Any] = []
        self._own_tables: list[str] = []
        self._texts: dict[tuple[int, int], Any] = {}
        self._routines: dict[int, tuple[threading.Event, threading.Thread]] = {}
        self.get_last_error = self._callback("const char *(void *)", lambda _owner: self._error)
        self.log = self._callback("void (void *, const char *, const char *, int)", self._log)
        self.handler = self._callback(
            "ss_plugin_rc (void *, const ss_plugin_event *, char *)", self._take_event, ReturnCode.FAILURE
        )
        self.dump_handler = self._callback(
            "ss_plugin_rc (void *, const ss_plugin_event *, char *)", self._take_dumped, ReturnCode.FAILURE
        )
        self.reader, self.reader_ext = self._vtables("reader")
        self.writer, self.writer_ext = self._vtables("writer")
        self.fields, self.fields_ext = self._vtables("fields")
        self.tables = self._tables_input()
        self.routines = self.ffi.new("ss_plugin_routine_vtable *")
        self.routines.subscribe = self._callback(
            "void *(void *, ss_plugin_routine_fn_t, void *)", self._subscribe, self.ffi.NULL
        )
        self.routines.unsubscribe = self._callback(
            "ss_plugin_rc (void *, void *)", self._unsubscribe, ReturnCode.FAILURE
        )

    def end(self) -> None:
        """Stop the routines and take back the plugin's tables."""
        self.stop_routines()
        for name in self._own_tables:
            _TABLES.pop(name, None)
        self._own_tables.clear()

    def stop_routines(self) -> None:
        """Stop the routines, and wait for those that are under way."""
        routines, self._routines = self._routines, {}
        for stop, _ in routines.values():
            stop.set()
        for _, thread in routines.values():
            if thread is not threading.current_thread():
                thread.join(_ROUTINE_END_SECONDS)

    def listen_input(self) -> Any:
        """What ``capture_open`` and ``capture_close`` are given."""
        given = self.ffi.new("ss_plugin_capture_listen_input *")
        given.owner = self.owner
        given.get_owner_last_error = self.get_last_error
        given.routine = self.routines
        given.table_reader_ext = self.reader_ext
        given.table_writer_ext = self.writer_ext
        return given

    def _callback(self, signature: str, function: Callable[..., Any], failure: Any = None) -> Any:
        """A C function over a Python one that answers ``failure`` where that one fails."""

        def guarded(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except TableError as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 - nothing may be raised into the plugin
                self._fail(f"{type(error).__name__}: {error}")
            return failure

        options = {} if failure is None else {"error": failure}
        made = self.ffi.callback(signature, guarded, **options)
        self._kept.append(made)
        return made

    def _fail(self, reason: str) -> None:
        self._error = self.ffi.new("char[]", reason.encode())

    def _log(self, _owner: Any, component: Any, message: Any, severity: int) -> None:
        name = self.library.text(component) or self.declaration.info.name
        if severity <= LogSeverity.WARNING:
            sys.stderr.write(f"{name}: {self.library.text(message)}\n")
            sys.stderr.flush()

    # Tables

    def _tables_input(self) -> Any:
        given = self.ffi.new("ss_plugin_init_tables_input *")
        given.list_tables = self._callback(
            "ss_plugin_table_info *(void *, uint32_t *)", self._list_tables, self.ffi.NULL
        )
        given.get_table = self._callback(
            "void *(void *, const char *, ss_plugin_state_type)", self._get_table, self.ffi.NULL
        )
        given.add_table = self._callback(
            "ss_plugin_rc (void *, const ss_plugin_table_input *)", self._add_table, ReturnCode.FAILURE
        )
        given.fields = self.fields[0]
        given.fields_ext = self.fields_ext
        given.reader_ext = self.reader_ext
        given.writer_ext = self.writer_ext
        return given

    def _vtables(self, kind: str) -> tuple[Any, Any]:
        """The old and the newer table of functions of a kind, with the same functions in the slots both have."""
        old, newer = (self.ffi.new(f"ss_plugin_table_{kind}_vtable{flavour} *") for flavour in ("", "_ext"))
        known = {name for name, _ in self.ffi.typeof(f"ss_plugin_table_{kind}_vtable").fields}
        for name, member in self.ffi.typeof(f"ss_plugin_table_{kind}_vtable_ext").fields:
            result = member.type.result
            failure: Any = None
            if result.kind == "pointer":
                failure = self.ffi.NULL
            elif name == "get_table_size":
                failure = _ALL_ONES
            elif result.kind != "void":
                failure = 0 if name == "iterate_entries" else ReturnCode.FAILURE
            options = {} if result.kind == "void" else {"error": failure}
            function = self.ffi.callback(member.type, self._on_table(kind, name, failure), **options)
            self._kept.append(function)
            setattr(newer, name, function)
            if name in known:
                setattr(old, name, function)
        return old, newer

    def _on_table(self, kind: str, name: str, failure: Any) -> Callable[..., Any]:
        """A slot: a plugin's table answers for itself, ours through the method of the slot's name."""
        own = getattr(self, f"_{name}")

        def answer(number: Any, *arguments: Any) -> Any:
            try:
                table = self._things.thing(int(self.ffi.cast("uintptr_t", number)))
                if isinstance(table, PluginTable):
                    return getattr(getattr(table, kind), name)(table.given.table, *arguments)
                return own(_host_table(table), *arguments)
            except TableError as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 - nothing may be raised into the plugin
                self._fail(f"{type(error).__name__}: {error}")
            return failure

        return answer

    def _pointer(self, thing: Any) -> Any:
        return self.ffi.cast("void *", self._things.number(thing))

    def _thing(self, pointer: Any, kind: type) -> Any:
        thing = self._things.thing(int(self.ffi.cast("uintptr_t", pointer)))
        if not isinstance(thing, kind):
            raise TableError(f"no such {kind.__name__.removeprefix('Table').lower()}")
        return thing

    def _string(self, text: str | bytes) -> Any:
        made = self.ffi.new("char[]", text.encode() if isinstance(text, str) else text)
        self._kept.append(made)
        return made

    def _list_tables(self, _owner: Any, number: Any) -> Any:
        tables = _TABLES
        listed = self.ffi.new("ss_plugin_table_info[]", max(len(tables), 1))
        for info, table in zip(listed, tables.values(), strict=False):
            info.name = self._string(table.name)
            info.key_type = int(table.key_type)
        self._kept.append(listed)
        number[0] = len(tables)
        return listed

    def _get_table(self, _owner: Any, name: Any, key_type: int) -> Any:
        text = self.library.text(name) or ""
        table = _TABLES.get(text)
        if table is None:
            return self.ffi.NULL
        if table.key_type != key_type:
            raise TableError(f"table {text} has keys of type {StateType(table.key_type).name}")
        self.uses_tables |= text not in self._own_tables
        return self._pointer(table)

    def _add_table(self, _owner: Any, given: Any) -> int:
        name = self.library.text(given.name) or ""
        if not name or name in _TABLES:
            raise TableError(f"a table called {name} is there already")
        ffi = self.ffi
        kept = ffi.new("ss_plugin_table_input *")
        ffi.memmove(kept, given, ffi.offsetof("ss_plugin_table_input", "reader_ext"))
        parts = {kind: getattr(kept, kind) for kind in ("reader", "writer", "fields")}
        if self.library.api[1] >= _EXT_SINCE:
            for kind, old in parts.items():
                newer = getattr(given, f"{kind}_ext")
                if newer == ffi.NULL:
                    raise TableError(f"table {name} lacks {kind}_ext")
                for slot, _ in ffi.typeof(f"ss_plugin_table_{kind}_vtable").fields:
                    if getattr(old, slot) != getattr(newer, slot) or getattr(old, slot) == ffi.NULL:
                        raise TableError(f"table {name} has two kinds of {slot}, or none")
                parts[kind] = newer
        self._kept.append(kept)
        table = PluginTable(name, int(given.key_type), kept, **parts)
        _TABLES[name] = table
        self._own_tables.append(name)
        return ReturnCode.SUCCESS

    def _list_table_fields(self, table: HostTable, number: Any) -> Any:
        listed = self.ffi.new("ss_plugin_table_fieldinfo[]", max(len(table.fields), 1))
        for info, declared in zip(listed, table.fields.values(), strict=False):
            info.name = self._string(declared.name)
            info.field_type = int(declared.type)
            info.read_only = declared.read_only
        self._kept.append(listed)
        number[0] = len(table.fields)
        return listed

    def _get_table_field(self, table: HostTable, name: Any, type_: int) -> Any:
        text = self.library.text(name) or ""
        found = table.find_field(text, type_)
        if found is None:
            raise TableError(f"table {table.name} has no field {text}")
        return self._pointer(found)

    def _add_table_field(self, table: HostTable, name: Any, type_: int) -> Any:
        return self._pointer(table.add_field(self.library.text(name) or "", type_))

    def _get_table_name(self, table: HostTable) -> Any:
        return self._string(table.name)

    def _get_table_size(self, table: HostTable) -> int:
        return len(table.entries)

    def _key(self, table: HostTable, key: Any) -> Any:
        return self._value(table.key_type, key)

    def _value(self, type_: StateType, data: Any) -> Any:
        value = getattr(data, STATE_MEMBERS[type_])
        if type_ is StateType.STRING:
            return b"" if value == self.ffi.NULL else bytes(self.ffi.string(value))
        return bool(value) if type_ is StateType.BOOL else value

    def _get_table_entry(self, table: HostTable, key: Any) -> Any:
        entry = table.entries.get(self._key(table, key))
        return self.ffi.NULL if entry is None else self._pointer(entry)

    def _read_entry_field(self, table: HostTable, entry: Any, declared: Any, out: Any) -> int:
        found, wanted = self._thing(entry, TableEntry), self._declared(table, declared)
        value = table.read(found, wanted)
        if wanted.type is StateType.STRING:
            # Valid until the same value is read again.
            place = (id(found), id(wanted))
            self._texts[place] = value = self.ffi.new("char[]", value)
        elif wanted.type is StateType.TABLE:
            value = self._pointer(value)
        setattr(out, STATE_MEMBERS[wanted.type], value)
        return ReturnCode.SUCCESS

    def _declared(self, table: HostTable, pointer: Any) -> Any:
        thing = self._things.thing(int(self.ffi.cast("uintptr_t", pointer)))
        if thing not in table.fields.values():
            raise TableError(f"table {table.name} has no such field")
        return thing

    def _release_table_entry(self, _table: HostTable, _entry: Any) -> None:
        """Nothing is counted: an entry is there as long as its table has it."""

    def _iterate_entries(self, table: HostTable, function: Any, state: Any) -> int:
        return int(all(function(state, self._pointer(entry)) for entry in list(table.entries.values())))

    def _clear_table(self, table: HostTable) -> int:
        for entry in table.entries.values():
            self._forget(entry)
        table.entries.clear()
        return ReturnCode.SUCCESS

    def _forget(self, entry: TableEntry) -> None:
        self._things.forget(self._things.number(entry))
        for place in [place for place in self._texts if place[0] == id(entry)]:
            del self._texts[place]

    def _erase_table_entry(self, table: HostTable, key: Any) -> int:
        entry = table.entries.pop(self._key(table, key), None)
        if entry is None:
            raise TableError(f"table {table.name} has no such entry")
        self._forget(entry)
        return ReturnCode.SUCCESS

    def _create_table_entry(self, _table: HostTable) -> Any:
        return self._pointer(TableEntry())

    def _destroy_table_entry(self, _table: HostTable, entry: Any) -> None:
        self._forget(self._thing(entry, TableEntry))

    def _add_table_entry(self, table: HostTable, key: Any, entry: Any) -> Any:
        table.entries[self._key(table, key)] = self._thing(entry, TableEntry)
        return entry

    def _write_entry_field(self, table: HostTable, entry: Any, declared: Any, given: Any) -> int:
        wanted = self._declared(table, declared)
        table.write(self._thing(entry, TableEntry), wanted, self._value(wanted.type, given))
        return ReturnCode.SUCCESS

    # Asynchronous events

    def _take_event(self, _owner: Any, event: Any, error: Any) -> int:
        if event.tid != _ALL_ONES and self.source_id:
            return self._refused("asynchronous events of a plugin's source have no thread", error)
        data = self._checked(event, error)
        if data is None:
            return ReturnCode.FAILURE
        data[_ASYNC_ID : _ASYNC_ID + 4] = self.source_id.to_bytes(4, "little")
        self._arrived(data)
        return ReturnCode.SUCCESS

    def _arrived(self, data: bytearray) -> None:
        if int.from_bytes(data[:8], "little") == _ALL_ONES:
            data[:8] = (self.latest_ns or time.time_ns() // 1000 * 1000).to_bytes(8, "little")
        with self._arrival:
            self._events.append(bytes(data))
            self._arrival.notify()

    def _take_dumped(self, _owner: Any, event: Any, error: Any) -> int:
        """An event that tells the plugin's state goes to the capture with the id the plugin gave it."""
        data = self._checked(event, error)
        if data is None:
            return ReturnCode.FAILURE
        self._arrived(data)
        return ReturnCode.SUCCESS

    def _checked(self, event: Any, error: Any) -> bytearray | None:
        """A copy of an event that can be an asynchronous one, None after saying why it cannot."""
        reason = self._wrong(event)
        if reason is not None:
            self._refused(reason, error)
            return None
        return bytearray(self.ffi.buffer(self.ffi.cast("char *", event), event.len))

    def _refused(self, reason: str, error: Any) -> int:
        if error != self.ffi.NULL:
            text = reason.encode()[: _ERROR_BYTES - 1] + b"\0"
            self.ffi.memmove(error, text, len(text))
        return ReturnCode.FAILURE

    def _wrong(self, event: Any) -> str | None:
        if event.type != ASYNC_EVENT or event.nparams != _ASYNC_PARAMETERS or event.len <= _ASYNC_NAME:
            return f"an event of type {event.type} with {event.nparams} parameters is no asynchronous event"
        if event.len > LARGEST_ASYNC:
            return f"an asynchronous event of {event.len} bytes, at most {LARGEST_ASYNC} are taken"
        name = bytes(self.ffi.buffer(self.ffi.cast("char *", event) + _ASYNC_NAME, event.len - _ASYNC_NAME))
        text = name.partition(b"\0")[0].decode("utf-8", "replace")
        if text not in self.declaration.async_events:
            return f"{text} is not among the declared asynchronous events"
        return None

    def take_events(self, wait_s: float = 0.0) -> tuple[bytes, ...]:
        """The asynchronous events so far, once; waits some time for the first."""
        with self._arrival:
            if wait_s and not self._events:
                self._arrival.wait(wait_s)
            taken, self._events = self._events, []
        return tuple(taken)

    # Routines

    def _subscribe(self, _owner: Any, function: Any, state: Any) -> Any:
        stop = threading.Event()
        number = self._things.number(stop)
        plugin = self.state()

        def run() -> None:
            while not stop.is_set() and function(plugin, state):
                stop.wait(_ROUTINE_PAUSE)

        thread = threading.Thread(target=run, name="scap-routine", daemon=True)
        self._routines[number] = stop, thread
        thread.start()
        return self.ffi.cast("void *", number)

    def _unsubscribe(self, _owner: Any, routine: Any) -> int:
        found = self._routines.pop(int(self.ffi.cast("uintptr_t", routine)), None)
        if found is None:
            raise TableError("no such routine")
        found[0].set()
        return ReturnCode.SUCCESS

    state: Callable[[], Any]


#: Seconds between two runs of a routine, so that an idle one does not keep a processor.
_ROUTINE_PAUSE: Final = 0.001
#: Seconds a routine has to come back in when it is stopped.
_ROUTINE_END_SECONDS: Final = 2.0
#: Largest asynchronous event.
LARGEST_ASYNC: Final = 1 << 26
