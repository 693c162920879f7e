"""Fields of plugins that read complete events, of any type and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaptools.columns import ALL_ROWS, scatter
from scaptools.plugins.whole import event_sources, whole_events

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Column, Rows
    from scaptools.plugins.contract import ExtractorPlugin, PluginField
    from scaptools.plugins.host import PluginHost
    from scaptools.plugins.whole import Sources, WholeChoice


@dataclass(frozen=True, slots=True)
class WholeExtraction:
    """How one declared field of one extractor of complete events becomes a column of a batch."""

    host: PluginHost
    plugin: ExtractorPlugin
    declaration: PluginField
    choice: WholeChoice

    def __call__(self, batch: EventBatch, rows: Rows, argument: str | None) -> Column:
        """The values of the given rows."""
        everything = isinstance(rows, slice) and rows == ALL_ROWS
        wanted = np.arange(len(batch))[rows]
        hits = np.flatnonzero(self._taken(batch)[wanted])
        column = self._column(batch, wanted[hits], argument, keep=everything)
        return scatter(column, hits, len(wanted))

    def _taken(self, batch: EventBatch) -> NDArray[np.bool_]:
        taken: NDArray[np.bool_] = batch.memo(
            ("taken events", self.plugin.info.name), lambda: self.choice.taken(batch, sources_of(batch, self.host))
        )
        return taken

    def _column(self, batch: EventBatch, rows: NDArray[np.intp], argument: str | None, *, keep: bool) -> Column:
        def prepare() -> object:
            return self.plugin.prepare_events(whole_events(batch, rows, sources_of(batch, self.host)))

        prepared = batch.memo(("prepared events", self.plugin.info.name), prepare) if keep else prepare()
        return self.plugin.extract(prepared, self.declaration.name, argument)


def sources_of(batch: EventBatch, host: PluginHost) -> Sources:
    """The event sources of a batch by the plugins of a host, found once."""
    sources: Sources = batch.memo("sources of events", lambda: event_sources(batch, host.source_name))
    return sources
