"""Fields of plugins: every extractor's fields as ordinary ones, and what an event says about its plugin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import ALL_ROWS, Coded, Column, Rows, Texts, coded_texts, concat, scatter
from scaptools.errors import FormatError
from scaptools.fields.model import Cost, Field, FieldArgument
from scaptools.plugins.contract import ArgumentRule, ExtractorPlugin, PluginField
from scaptools.plugins.events import PluginEvents, plugin_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.plugins.host import PluginHost

SYSCALL_SOURCE = "syscall"
#: A selection of at most this share of the payloads is extracted by itself, a larger one from all of them.
_SMALL_SHARE = 4


@dataclass(frozen=True, slots=True)
class _Extraction:
    """How one declared field of one extractor becomes a column of a batch."""

    host: PluginHost
    plugin: ExtractorPlugin
    declaration: PluginField

    def __call__(self, batch: EventBatch, rows: Rows, argument: str | None) -> Column:
        events = plugin_events(batch)
        readable = self._readable(batch, events)
        if isinstance(rows, slice) and rows == ALL_ROWS:
            column = self._all(batch, events, readable, argument)
            return scatter(column, readable, len(batch))
        wanted = np.arange(len(batch))[rows]
        at = np.searchsorted(readable, wanted)
        hits = np.flatnonzero(readable[np.minimum(at, len(readable) - 1)] == wanted) if len(readable) else at[:0]
        if self._prepared_key not in batch.cache and len(hits) * _SMALL_SHARE <= len(readable):
            prepared = self.plugin.prepare(events.payloads(batch, wanted[hits]))
            column = self.plugin.extract(prepared, self.declaration.name, argument)
        else:
            column = self._all(batch, events, readable, argument).take(at[hits])
        return scatter(column, hits, len(wanted))

    @property
    def _prepared_key(self) -> tuple[str, str]:
        return ("prepared payloads", self.plugin.info.name)

    def _readable(self, batch: EventBatch, events: PluginEvents) -> NDArray[np.intp]:
        def find() -> NDArray[np.intp]:
            ids = [number for number in np.unique(events.ids).tolist() if self.host.reads(self.plugin, number)]
            return events.rows[np.isin(events.ids, ids)]

        rows: NDArray[np.intp] = batch.memo(("readable payloads", self.plugin.info.name), find)
        return rows

    def _all(self, batch: EventBatch, events: PluginEvents, readable: NDArray[np.intp], argument: str | None) -> Column:
        prepared = batch.memo(self._prepared_key, lambda: self.plugin.prepare(events.payloads(batch, readable)))
        return self.plugin.extract(prepared, self.declaration.name, argument)


def extractor_fields(host: PluginHost) -> Iterator[Field]:
    """The fields of every extractor of a host, in the order of the plugins."""
    for plugin in host.extractors():
        for declaration in plugin.fields:
            yield Field(
                declaration.name,
                declaration.type,
                declaration.description,
                _Extraction(host, plugin, declaration),
                format=PrintFormat.DEC if declaration.type is not ParamType.CHARBUF else PrintFormat.NA,
                argument=_argument(declaration),
                is_list=declaration.is_list,
                flags=frozenset(declaration.properties),
                cost=Cost.PAYLOADS,
                source=plugin.info.name,
            )


def _argument(declaration: PluginField) -> FieldArgument | None:
    rule = declaration.argument
    if rule is ArgumentRule.NONE:
        return None
    if not rule.is_index:
        return FieldArgument(str, required=rule.required, form="[KEY]")

    def parse(text: str) -> str:
        if not (text.isascii() and text.isdigit()):
            raise FormatError(f"the argument of {declaration.name} must be a number, not {text!r}")
        return text

    return FieldArgument(parse, required=rule.required, form="[INDEX]")


def event_plugin_fields(hosted: Callable[[], PluginHost]) -> Iterator[Field]:
    """The ``evt.*`` fields that say where an event comes from; ``hosted`` gives the host when it is needed."""

    def per_plugin(batch: EventBatch, rows: Rows, text: Any, elsewhere: bytes | None) -> Coded:
        events = plugin_events(batch)
        ids, which = np.unique(events.ids, return_inverse=True)
        values = [text(number) for number in ids.tolist()]
        codes = np.full(len(batch), -1 if elsewhere is None else len(values), np.int32)
        known = np.array([value is not None for value in values], bool)
        codes[events.rows] = np.where(known[which], which, -1) if len(which) else which
        return coded_texts(codes[rows], [*(value or b"" for value in values), elsewhere or b""])

    def source(batch: EventBatch, rows: Rows, _argument: None) -> Coded:
        return per_plugin(batch, rows, lambda number: hosted().source_name(number).encode(), SYSCALL_SOURCE.encode())

    def plugin_name(batch: EventBatch, rows: Rows, _argument: None) -> Coded:
        def name(number: int) -> bytes | None:
            known = hosted().plugin_name(number)
            return None if known is None else known.encode()

        return per_plugin(batch, rows, name, None)

    def plugin_info(batch: EventBatch, rows: Rows, _argument: None) -> Column:
        events = plugin_events(batch)
        wanted = np.arange(len(batch))[rows]
        hits = np.flatnonzero(np.isin(wanted, events.rows))
        ids = events.ids[np.searchsorted(events.rows, wanted[hits])]
        texts: list[Column] = []
        places = [hits[:0]]
        for number in np.unique(ids).tolist():
            plugin = hosted().source(number)
            if plugin is not None:
                places.append(hits[ids == number])
                texts.append(plugin.event_texts(events.payloads(batch, wanted[places[-1]])))
        return scatter(concat(texts or [Texts.of([])]), np.concatenate(places), len(wanted))

    text = ParamType.CHARBUF
    yield Field("evt.source", text, "Name of the event source: syscall, or that of the event's plugin.", source)
    yield Field("evt.pluginname", text, "Name of the plugin the event comes from, where it is loaded.", plugin_name)
    yield Field(
        "evt.plugininfo",
        text,
        "Line in which the event's plugin describes the event to people.",
        plugin_info,
        cost=Cost.PAYLOADS,
    )
