"""Plugin events of a batch: which rows they are, whose they are, and their payloads as a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaptools.capture.encode import PLUGIN_EVENT
from scaptools.plugins.window import WindowPayloads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.plugins.contract import Payloads

_ID_PARAMETER = 0
_DATA_PARAMETER = 1


@dataclass(frozen=True, slots=True)
class PluginEvents:
    """The plugin events of a batch: their rows, ascending, and plugin ids, both of shape ``(n,)``.

    They are kept with the batch and so do not refer to it: what refers to itself is freed late.
    """

    rows: NDArray[np.intp]
    ids: NDArray[np.uint32]

    def payloads(self, batch: EventBatch, rows: NDArray[np.intp]) -> Payloads:
        """The payloads of some of the rows, empty where an event has none."""
        column, ids = batch.parameters(PLUGIN_EVENT).column(_DATA_PARAMETER), self.ids
        if len(rows) < len(self.rows):
            at = np.searchsorted(self.rows, rows)
            column, ids = column.take(at), ids[at]
        times, numbers = batch.header("ts", rows), batch.numbers(rows)
        return WindowPayloads(column.data, column.starts, column.lengths, times, numbers, ids)

    @property
    def plugin_ids(self) -> tuple[int, ...]:
        """The ids there are."""
        if not len(self.ids):
            return ()
        # Nearly always they are all the same, which is told sooner than which there are.
        first = int(self.ids[0])
        return (first,) if (self.ids == first).all() else tuple(np.unique(self.ids).tolist())


def plugin_events(batch: EventBatch) -> PluginEvents:
    """The plugin events of a batch, found once."""
    events: PluginEvents = batch.memo("plugin events", lambda: _find(batch))
    return events


def _find(batch: EventBatch) -> PluginEvents:
    rows = batch.rows_of_type(PLUGIN_EVENT)
    if not len(rows):
        return PluginEvents(rows, np.zeros(0, np.uint32))
    ids = batch.parameters(PLUGIN_EVENT).column(_ID_PARAMETER).numbers()
    present = ids.validity()
    return PluginEvents(rows, np.where(present, ids.values, 0).astype(np.uint32))
