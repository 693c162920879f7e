"""Tables: one per event source, with a column for every field that is wanted of it.

A table has one row per shown event of its source. Its columns are fields, named as they are written, and these
compounds:

========================  =============================================================  ==========================
column                    type                                                           what it is
========================  =============================================================  ==========================
``evt.flags``             ``list<string>``                                               names of the call's flags
``fd.connection``         ``struct<client_ip, client_port, server_ip, server_port>``     ends of the event's socket
``evt.payload``           ``binary``                                                     what a plugin event carries
========================  =============================================================  ==========================

Types are those of `scaptools.export.arrow`. Without a choice of fields the table ``syscall`` has `SYSCALL_COLUMNS`, any
other one `EVENT_COLUMNS` and every field of the plugin that reads the source, or the payload where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scap_formats.types import ParamType
from scaptools.columns import Texts
from scaptools.errors import ScapError
from scaptools.export.arrow import ChosenRows, arrow_type, field_array
from scaptools.fields.model import BoundField, Field
from scaptools.fields.plugin import SYSCALL_SOURCE
from scaptools.plugins.events import plugin_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column
    from scaptools.fields.catalog import Catalog

    Rows = NDArray[np.intp]

#: Columns of every table.
EVENT_COLUMNS = ("evt.num", "evt.time", "evt.source", "evt.pluginname", "evt.plugininfo")
#: Columns of system-call events.
SYSCALL_COLUMNS = (
    *("evt.num", "evt.time", "evt.cpu", "evt.type", "evt.dir", "evt.category", "evt.rawres", "evt.res", "evt.latency"),
    *("evt.args", "evt.flags", "evt.buffer", "thread.tid", "proc.pid", "proc.ppid", "proc.name", "proc.pname"),
    *("proc.exepath", "proc.cmdline", "user.uid", "user.name", "container.id", "container.name"),
    *("container.image.repository", "fd.num", "fd.type", "fd.name", "fd.l4proto", "fd.connection"),
)


class TableColumn(Protocol):
    """A column of a table."""

    @property
    def name(self) -> str:
        """What the column is called."""

    @property
    def fields(self) -> Sequence[BoundField]:
        """The fields that are read."""

    @property
    def type(self) -> pa.DataType:
        """The Arrow type."""

    def array(self, chosen: ChosenRows) -> pa.Array:
        """The values of the given events."""


@dataclass(frozen=True)
class FieldColumn:
    """A column that is a field."""

    field: BoundField

    @property
    def name(self) -> str:
        """The field as it is written."""
        return self.field.name

    @property
    def fields(self) -> Sequence[BoundField]:
        """The field itself."""
        return (self.field,)

    @cached_property
    def type(self) -> pa.DataType:
        """The Arrow type of the field."""
        return arrow_type(self.field)

    def array(self, chosen: ChosenRows) -> pa.Array:
        """The field of the given events."""
        return field_array(self.field, chosen)


@dataclass(frozen=True)
class StructColumn:
    """A column of structures whose members are fields; null where all of them are."""

    name: str
    members: tuple[tuple[str, BoundField], ...]

    @property
    def fields(self) -> Sequence[BoundField]:
        """The fields of the members."""
        return [field for _, field in self.members]

    @cached_property
    def type(self) -> pa.DataType:
        """A struct of the fields' types."""
        import pyarrow as pa

        return pa.struct([(name, arrow_type(field, plain=True)) for name, field in self.members])

    def array(self, chosen: ChosenRows) -> pa.Array:
        """The members of the given events side by side."""
        import pyarrow as pa

        parts = [field_array(field, chosen, plain=True) for _, field in self.members]
        missing = np.logical_and.reduce([np.asarray(part.is_null()) for part in parts])
        return pa.StructArray.from_arrays(parts, fields=list(self.type), mask=pa.array(missing))


@dataclass(frozen=True)
class NamesColumn:
    """A column of the names in a field that joins them with ``|``; null where the field is."""

    name: str
    field: BoundField

    @property
    def fields(self) -> Sequence[BoundField]:
        """The field that is taken apart."""
        return (self.field,)

    @cached_property
    def type(self) -> pa.DataType:
        """A list of text."""
        import pyarrow as pa

        return pa.list_(pa.string())

    def array(self, chosen: ChosenRows) -> pa.Array:
        """The names in the field of the given events."""
        import pyarrow as pa
        import pyarrow.compute as pc

        coded = field_array(self.field, chosen, plain=True).dictionary_encode()
        if not len(coded.dictionary):
            return pa.nulls(len(chosen.rows), self.type)
        return pc.split_pattern(coded.dictionary, "|").take(coded.indices)


def _payloads(batch: EventBatch, rows: Any, _argument: None) -> Column:
    """The payloads of those events that are of plugins."""
    import pyarrow as pa

    events, wanted = plugin_events(batch), np.arange(len(batch))[rows]
    found = np.isin(wanted, events.rows)
    at = np.cumsum(found) - 1
    payloads = events.payloads(batch, wanted[found]).data
    return Texts(payloads.take(pa.array(at, mask=None if found.all() else ~found)))


_PAYLOAD = Field("evt.payload", ParamType.BYTEBUF, "What a plugin event carries.", _payloads)


def _connection(catalog: Catalog) -> TableColumn:
    members = {
        "client_ip": "fd.cip",
        "client_port": "fd.cport",
        "server_ip": "fd.sip",
        "server_port": "fd.sport",
    }
    bound = tuple((member, catalog.parse(name)) for member, name in members.items())
    return StructColumn("fd.connection", bound)


#: Columns that are no fields.
_COMPOUNDS: dict[str, Callable[[Catalog], TableColumn]] = {
    "evt.flags": lambda catalog: NamesColumn("evt.flags", catalog.parse("evt.arg.flags")),
    "fd.connection": _connection,
    _PAYLOAD.name: lambda _: FieldColumn(BoundField(_PAYLOAD.name, _PAYLOAD, None, _PAYLOAD.type, _PAYLOAD.format)),
}


def table_columns(catalog: Catalog, names: Iterable[str]) -> list[TableColumn]:
    """Columns by name: fields and the compounds of this module. Raises UnknownFieldError and FormatError."""
    return [
        _COMPOUNDS[name](catalog) if name in _COMPOUNDS else FieldColumn(catalog.parse(name))
        for name in dict.fromkeys(names)
    ]


def is_column(catalog: Catalog, name: str) -> bool:
    """Whether a table may have a column of this name."""
    try:
        table_columns(catalog, [name])
    except ScapError:
        return False
    return True


def default_columns(catalog: Catalog, source: str) -> list[TableColumn]:
    """The columns of a source's table where nobody chose any."""
    if source == SYSCALL_SOURCE:
        return table_columns(catalog, SYSCALL_COLUMNS)
    own = [
        declared.name
        for plugin in catalog.plugins.extractors()
        if source in (plugin.extract_sources or (plugin.info.source,))
        for declared in plugin.fields
        if not declared.argument.required
    ]
    return table_columns(catalog, [*EVENT_COLUMNS, *(own or ["evt.payload"])])


def schema_of(columns: Sequence[TableColumn]) -> pa.Schema:
    """The schema of a table."""
    import pyarrow as pa

    return pa.schema([(column.name, column.type) for column in columns])


def record_batch(columns: Sequence[TableColumn], batch: EventBatch, rows: Rows) -> pa.RecordBatch:
    """The given events as rows of a table."""
    import pyarrow as pa

    chosen = ChosenRows(batch, rows)
    return pa.record_batch([column.array(chosen) for column in columns], schema=schema_of(columns))


def rows_by_source(catalog: Catalog, batch: EventBatch, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """The rows of each event source among the given ones, sources with none left out."""
    events = plugin_events(batch)
    if not len(events.rows):
        yield SYSCALL_SOURCE, rows
        return
    ids = np.full(len(batch), -1, np.int64)
    ids[events.rows] = events.ids
    ids = ids[rows]
    for number in np.unique(ids).tolist():
        name = SYSCALL_SOURCE if number < 0 else catalog.plugins.source_name(number)
        yield name, rows[ids == number]


@dataclass(frozen=True)
class TableChoice:
    """Which tables are wanted: ``fields`` by name, None for each source's own; ``source``, None for every one."""

    catalog: Catalog
    fields: Sequence[str] | None = None
    source: str | None = None

    @cached_property
    def chosen(self) -> list[TableColumn] | None:
        """The columns, None where they depend on the source."""
        return None if self.fields is None else table_columns(self.catalog, self.fields)

    def columns(self, source: str) -> list[TableColumn]:
        """The columns of a source's table."""
        return default_columns(self.catalog, source) if self.chosen is None else self.chosen

    @cached_property
    def needed(self) -> list[BoundField]:
        """The fields that may be read."""
        chosen = self.chosen if self.chosen is not None else self.columns(self.source or SYSCALL_SOURCE)
        return [field for column in chosen for field in column.fields]

    def split(self, batch: EventBatch, rows: Rows) -> Iterator[tuple[str, Rows]]:
        """The rows of each wanted source; where fields were chosen but no source, all rows as one, named ``events``."""
        if self.fields is not None and self.source is None:
            yield "events", rows
            return
        for name, of_source in rows_by_source(self.catalog, batch, rows):
            if self.source in {None, name}:
                yield name, of_source
