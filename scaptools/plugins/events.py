"""Plugin events of a batch: which rows they are, whose they are, and their payloads as a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scaptools.capture.encode import PLUGIN_EVENT
from scaptools.plugins.contract import Payloads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch

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
        import pyarrow as pa

        column = batch.parameters(PLUGIN_EVENT).column(_DATA_PARAMETER)
        data = column.take(np.searchsorted(self.rows, rows)).bytes().array
        if data.null_count:
            data = data.fill_null(pa.scalar(b"", data.type))
        ids = self.ids[np.searchsorted(self.rows, rows)]
        return Payloads(data, batch.header("ts", rows), batch.numbers(rows), ids)


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
