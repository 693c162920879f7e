"""Event sources: which there are, which fields each has, and which events of a batch are whose.

System calls are one source, every source plugin's events another. A rule sees the events of its own source only, and
may use the fields that exist for them: all of them for system calls, else the general ``evt.*`` ones and those of
extractors that read the source.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table
from scap_formats.types import ParamType
from scaptools.columns import Column, Rows, coded_texts
from scaptools.errors import ScapError, UnknownFieldError
from scaptools.fields.model import BoundField, Field
from scaptools.fields.registry import FieldRegistry
from scaptools.filter.parse import parse_field
from scaptools.plugins.contract import SourcePlugin
from scaptools.plugins.events import plugin_events
from scaptools.rules.definitions import SYSCALL_SOURCE
from scaptools.rules.transformed import transformed_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.catalog import Catalog
    from scaptools.plugins.host import PluginHost

#: Fields every source has.
_GENERAL = re.compile(
    r"evt\.(?:num|time|datetime|rawtime|reltime|pluginname|plugininfo|source|is_async|asynctype|hostname)(?:\..*)?"
)
#: Fields today's rules should not use any more.
_DEPRECATED = re.compile(r"evt\.dir|evt\.latency(?:\..*)?|evt\.wait_latency")
_ASYNC_NAME = "asyncevent"


def is_deprecated(name: str) -> bool:
    """Whether a field is one rules should not use any more."""
    return _DEPRECATED.fullmatch(name) is not None


class SourceFields:
    """The fields of one event source, for conditions and outputs."""

    def __init__(self, catalog: Catalog, source: str, static: FieldRegistry) -> None:
        self._catalog = catalog
        self._source = source
        self._static = static

    def resolve(self, name: str, argument: str | None = None) -> BoundField:
        """Bind a field to its argument. Raises UnknownFieldError, and FormatError where the argument does not fit."""
        if name in self._static:
            return self._static.resolve(name, argument)
        bound = self._catalog.resolve(name, argument)
        if not self._has(bound.field):
            raise UnknownFieldError(bound.name)
        return bound

    def match(self, text: str, position: int) -> tuple[Any, int] | None:
        """The longest field or transformed field at a place of a text, and where it ends; None where there is none."""
        transformed = transformed_at(text, position, self)
        if transformed is not None:
            return transformed
        found = self._static.match(text, position) or self._catalog.match(text, position)
        return (
            None if found is None or not (found[0].name.startswith("static.") or self._has(found[0].field)) else found
        )

    def known_value(self, handle: Any, text: str) -> str | None:
        """What is wrong with comparing a field with a constant, None where nothing is."""
        return self._catalog.known_value(handle, text)

    def is_field(self, text: str) -> bool:
        """Whether a text is a field, with its argument."""
        try:
            field = parse_field(text)
            self.resolve(field.name, field.argument)
        except ScapError:
            return False
        return True

    def suggested(self) -> Iterator[str]:
        """Fields proposed for outputs: the static ones, and those whose plugin asks for it."""
        yield from sorted(field.name for field in self._static)
        for field in self._catalog.registry:
            if "addOutput" in field.flags and self._has(field) and not (field.argument and field.argument.required):
                yield field.name

    def _has(self, field: Field) -> bool:
        if self._source == SYSCALL_SOURCE or _GENERAL.fullmatch(field.name):
            return True
        host = self._catalog.plugins
        return any(
            extractor.info.name == field.source
            and (
                self._source in (*extractor.extract_sources, extractor.info.source)
                or not (extractor.extract_sources or extractor.info.source)
            )
            for extractor in host.extractors()
        )


class EventSources:
    """The event sources of a catalog's plugins, and that of system calls."""

    def __init__(self, catalog: Catalog, static_fields: Mapping[str, str] | None = None) -> None:
        self.catalog = catalog
        self._static = FieldRegistry(_static_fields(static_fields or {}))
        self._fields: dict[str, SourceFields] = {}

    @property
    def host(self) -> PluginHost:
        """The plugins in use."""
        return self.catalog.plugins

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All sources: system calls first, then those of plugins in their order."""
        plugins = (plugin.info.source for plugin in self.host.plugins if isinstance(plugin, SourcePlugin))
        return tuple(dict.fromkeys((SYSCALL_SOURCE, *(name for name in plugins if name))))

    def __contains__(self, name: object) -> bool:
        return name == SYSCALL_SOURCE or name in self.names

    def fields(self, source: str) -> SourceFields:
        """The fields of a source."""
        if source not in self._fields:
            self._fields[source] = SourceFields(self.catalog, source, self._static)
        return self._fields[source]

    def rows(self, batch: EventBatch) -> dict[str, Rows]:
        """The rows of each source that a batch has events of, ascending."""
        found: dict[str, Rows] = batch.memo("event sources", lambda: self._rows(batch))
        return found

    def _rows(self, batch: EventBatch) -> dict[str, Rows]:
        sources: dict[str, list[NDArray[np.intp]]] = {}
        taken = 0
        for rows, ids in _plugin_rows(batch):
            for number in np.unique(ids[ids != 0]).tolist():
                own = rows[ids == number]
                taken += len(own)
                sources.setdefault(self.host.source_name(number), []).append(own)
        if not taken:
            return {SYSCALL_SOURCE: slice(None)} if len(batch) else {}
        if len(sources) == 1 and taken == len(batch):
            return {next(iter(sources)): slice(None)}
        result: dict[str, Rows] = {name: np.sort(np.concatenate(parts)) for name, parts in sources.items()}
        rest = np.ones(len(batch), bool)
        for own_rows in result.values():
            rest[own_rows] = False
        if rest.any():
            result[SYSCALL_SOURCE] = np.flatnonzero(rest)
        return result


def _plugin_rows(batch: EventBatch) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint32]]]:
    """Rows and plugin ids of plugin events, then of events plugins put between those of others."""
    events = plugin_events(batch)
    if len(events.rows):
        yield events.rows, events.ids
    for event in event_table().by_name(_ASYNC_NAME):
        rows = batch.rows_of_type(event.id)
        if len(rows):
            ids = batch.parameters(event.id).column(0).numbers()
            yield rows, np.where(ids.validity(), ids.values, 0).astype(np.uint32)


def _static_fields(values: Mapping[str, str]) -> Iterable[Field]:
    for name, value in values.items():
        yield Field(f"static.{name}", ParamType.CHARBUF, "A value from the configuration.", _Constant(value.encode()))


class _Constant:
    """The same text for every event."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def __call__(self, batch: EventBatch, rows: Rows, _argument: Any) -> Column:
        count = len(range(*rows.indices(len(batch)))) if isinstance(rows, slice) else len(rows)
        return coded_texts(np.zeros(count, np.int8), [self._value])
