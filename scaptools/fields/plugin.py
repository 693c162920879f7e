"""Fields of plugins: every extractor's fields as ordinary ones, and what an event says about its plugin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scap_formats.types import ParamType, PrintFormat
from scaptools.columns import ALL_ROWS, Coded, Column, Rows, Texts, coded_texts, concat, scatter
from scaptools.errors import FormatError
from scaptools.fields.model import Cost, Field, FieldArgument, Presearch
from scaptools.fields.payloads import PREPARED, SMALL_SHARE, SelectedPayloads, payloads_holding, selected_payloads
from scaptools.plugins.contract import ArgumentRule, ExtractorPlugin, PluginField
from scaptools.plugins.events import PluginEvents, plugin_events
from scaptools.plugins.whole import event_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.fields.model import Extract
    from scaptools.plugins.host import PluginHost

SYSCALL_SOURCE = "syscall"


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
        if self._prepared_key not in batch.cache and len(hits) * SMALL_SHARE <= len(readable):
            selected = selected_payloads(batch, wanted[hits], readable)
            column = self._of(selected, argument).take(np.searchsorted(selected.rows, wanted[hits]))
        else:
            column = self._all(batch, events, readable, argument).take(at[hits])
        return scatter(column, hits, len(wanted))

    @property
    def _prepared_key(self) -> tuple[str, str]:
        return (PREPARED, self.plugin.info.name)

    def _readable(self, batch: EventBatch, events: PluginEvents) -> NDArray[np.intp]:
        def find() -> NDArray[np.intp]:
            known = events.plugin_ids
            ids = [number for number in known if self.host.reads(self.plugin, number)]
            return events.rows if len(ids) == len(known) else events.rows[np.isin(events.ids, ids)]

        rows: NDArray[np.intp] = batch.memo(("readable payloads", self.plugin.info.name), find)
        return rows

    def _of(self, selected: SelectedPayloads, argument: str | None) -> Column:
        name = self.plugin.info.name
        if name not in selected.prepared:
            selected.prepared[name] = self.plugin.prepare(selected.payloads)
        return self.plugin.extract(selected.prepared[name], self.declaration.name, argument)

    def _all(self, batch: EventBatch, events: PluginEvents, readable: NDArray[np.intp], argument: str | None) -> Column:
        def extract() -> Column:
            prepared = batch.memo(self._prepared_key, lambda: self.plugin.prepare(events.payloads(batch, readable)))
            return self.plugin.extract(prepared, self.declaration.name, argument)

        # Whoever filters by a field often prints it as well.
        column: Column = batch.memo(("plugin column", self.plugin.info.name, self.declaration.name, argument), extract)
        return column


def extractor_fields(host: PluginHost) -> Iterator[Field]:
    """The fields of every extractor of a host, in the order of the plugins."""
    for plugin in host.extractors():
        for declaration in plugin.fields:
            yield Field(
                declaration.name,
                declaration.type,
                declaration.description,
                _extraction(host, plugin, declaration),
                format=PrintFormat.DEC if declaration.type is not ParamType.CHARBUF else PrintFormat.NA,
                argument=_argument(declaration),
                is_list=declaration.is_list,
                flags=frozenset(declaration.properties),
                cost=Cost.PAYLOADS,
                source=plugin.info.name,
                presearch=None if declaration.marks is None else Presearch(payloads_holding, declaration.marks),
            )


def _extraction(host: PluginHost, plugin: ExtractorPlugin, declaration: PluginField) -> Extract:
    """How a declared field becomes a column, which depends on what its plugin reads and keeps."""
    extraction: Extract = _Extraction(host, plugin, declaration)
    if plugin.whole_events is not None:
        from scaptools.fields.whole import WholeExtraction

        extraction = WholeExtraction(host, plugin, declaration, plugin.whole_events)
    if getattr(plugin, "keeps_state", False):
        from scaptools.fields.inorder import KeptExtraction

        extraction = KeptExtraction(plugin, declaration, extraction)
    return extraction


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

    def source(batch: EventBatch, rows: Rows, _argument: None) -> Coded:
        # Asked only where there is something to ask about: a capture of system calls needs no plugins.
        found = event_sources(batch, lambda number: hosted().source_name(number))
        return coded_texts(found.codes[rows], [name.encode() for name in found.names])

    def plugin_name(batch: EventBatch, rows: Rows, _argument: None) -> Coded:
        events = plugin_events(batch)
        ids, which = np.unique(events.ids, return_inverse=True)
        names = [hosted().plugin_name(number) for number in ids.tolist()]
        codes = np.full(len(batch), -1, np.int32)
        known = np.array([name is not None for name in names], bool)
        codes[events.rows] = np.where(known[which], which, -1) if len(which) else which
        return coded_texts(codes[rows], [(name or "").encode() for name in names] or [b""])

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
