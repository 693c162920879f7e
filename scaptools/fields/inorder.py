"""Plugins that keep state, along a capture: they see every event once, in order, and answer while they see it.

What such a plugin says about an event depends on what it saw before, so its fields cannot be asked for later: those in
use are extracted while the plugins go through a batch, and kept with it as columns.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaptools.columns import ALL_ROWS, scatter
from scaptools.errors import PluginError
from scaptools.state.needs import FDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.fields.model import Extract
    from scaptools.plugins.contract import ExtractorPlugin, Plugin, PluginField
    from scaptools.plugins.host import PluginHost
    from scaptools.plugins.shared.extraction import FieldRequest
    from scaptools.plugins.shared.plugin import LibraryPlugin


@dataclass(frozen=True, slots=True)
class KeptExtraction:
    """A field of a plugin that keeps state: what was extracted as the plugin went by, else what it says now."""

    plugin: ExtractorPlugin
    declaration: PluginField
    now: Extract

    def __call__(self, batch: EventBatch, rows: Rows, argument: str | None) -> Column:
        """The values of the given rows."""
        kept: Column | None = batch.cache.get(_key(self.plugin, self.declaration.name, argument))
        if kept is None:
            return self.now(batch, rows, argument)
        if isinstance(rows, slice) and rows == ALL_ROWS:
            return kept
        return kept.take(np.arange(len(batch))[rows])


def _key(plugin: Plugin, field: str, argument: str | None) -> tuple[str, str, str, str | None]:
    return ("kept values", plugin.info.name, field, argument)


def state_keepers(host: PluginHost | None) -> list[LibraryPlugin]:
    """The plugins of a host that keep state, in the order in which they were loaded."""
    return [] if host is None else [plugin for plugin in host.plugins if getattr(plugin, "keeps_state", False)]  # type: ignore[misc]


def needs_with_plugins(host: PluginHost | None, needs: frozenset[str] | None) -> frozenset[str] | None:
    """What of the state must be kept for the plugins of a host besides what is needed anyway.

    Where a plugin keeps state that is something: it has to see every event, as whoever keeps state does.
    """
    keepers = state_keepers(host)
    if not keepers:
        return needs
    tables = frozenset({FDS}) if any(plugin.initialised.uses_tables for plugin in keepers) else frozenset()
    return (needs or frozenset()) | tables


def with_plugins(
    batches: Iterable[EventBatch], host: PluginHost | None, fields: Sequence[Any] | None
) -> Iterator[EventBatch]:
    """The batches of a capture, after the plugins that keep state have gone through each.

    ``fields`` are those that will be asked for, None for any. Raises PluginError.
    """
    keepers = state_keepers(host)
    if host is None or not keepers:
        return iter(batches)
    return _Passage(host, keepers, fields).through(batches)


class _Passage:
    def __init__(self, host: PluginHost, keepers: Sequence[LibraryPlugin], fields: Sequence[Any] | None) -> None:
        from scaptools.fields.threadtable import ThreadChanges

        self._host = host
        self._keepers = keepers
        self._requests = [_requests(plugin, fields) for plugin in keepers]
        uses_tables = any(plugin.initialised.uses_tables for plugin in keepers)
        self._threads = ThreadChanges() if uses_tables else None
        #: Which keepers are in one process; tables are shared in a process only.
        self._groups: dict[Any, list[int]] = {}
        for number, plugin in enumerate(keepers):
            self._groups.setdefault(plugin.session.home, []).append(number)

    def through(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        """The batches, each after the plugins went through it; the plugins know nothing of captures before."""
        for plugin in reversed(self._keepers):
            plugin.release()
        for plugin in self._keepers:
            plugin.renew()
        for plugin in self._keepers:
            plugin.session.listen(begin=True)
        try:
            for batch in batches:
                self._pass(batch)
                yield batch
        finally:
            for plugin in self._keepers:
                # By then a plugin has said what it had to say; and what failed before is what is to be told.
                with suppress(PluginError):
                    plugin.session.listen(begin=False)

    def _pass(self, batch: EventBatch) -> None:
        from dataclasses import replace

        from scaptools.fields.whole import sources_of
        from scaptools.plugins.shared.inorder import Turn
        from scaptools.plugins.shared.values import column_of
        from scaptools.plugins.whole import whole_events

        sources = sources_of(batch, self._host)
        taken = [self._taken(plugin, batch) for plugin in self._keepers]
        seen = np.zeros(len(batch), bool)
        for parses, extracts in taken:
            seen |= parses | extracts
        rows = np.flatnonzero(seen)
        events = whole_events(batch, rows, sources)
        changes = [] if self._threads is None else self._threads.along(batch)
        at = np.searchsorted(2 * rows, [change.position for change in changes])
        changes = [replace(change, position=2 * place) for change, place in zip(changes, at.tolist(), strict=True)]
        for numbers in self._groups.values():
            turns = [
                Turn(
                    taken[number][0][rows],
                    taken[number][1][rows],
                    tuple(request for request, _ in self._requests[number]),
                )
                for number in numbers
            ]
            first, *others = (self._keepers[number].session for number in numbers)
            answers = first.run_in_order(others, turns, events, changes)
            for number, some in zip(numbers, answers, strict=True):
                for (request, argument), extracted in zip(self._requests[number], some, strict=True):
                    column = scatter(column_of(request, extracted), rows, len(batch))
                    batch.cache[_key(self._keepers[number], request.name, argument)] = column

    def _taken(self, plugin: LibraryPlugin, batch: EventBatch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which events of a batch a plugin parses, and which it extracts from."""
        from scaptools.fields.whole import sources_of

        sources, none = sources_of(batch, self._host), np.zeros(len(batch), bool)
        extracts = plugin.extracts
        return (
            none if plugin.parses is None else plugin.parses.taken(batch, sources),
            none if extracts is None else extracts.taken(batch, sources),
        )


def _requests(plugin: LibraryPlugin, fields: Sequence[Any] | None) -> list[tuple[FieldRequest, str | None]]:
    """What a plugin is asked for at every event, with the arguments as they are written."""
    from scaptools.plugins.shared.extraction import FieldRequest

    declared = getattr(plugin, "fields", ())
    asked: dict[tuple[str, str | None], None] = {}
    if fields is None:
        asked = {(field.name, None): None for field in declared if not field.argument.required}
    for used in fields or ():
        extract = getattr(getattr(used, "field", None), "extract", None)
        if isinstance(extract, KeptExtraction) and extract.plugin.info == plugin.info:
            asked[extract.declaration.name, used.argument] = None
    return [(FieldRequest.of(declared, name, argument, plugin=plugin.info.name), argument) for name, argument in asked]
