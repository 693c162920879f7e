"""Lines by source: system-call events and plugin events of one capture, each printed by a template of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scaptools.columns import concatenated
from scaptools.plugins.events import plugin_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.output.renderer import ColumnRenderer, Gathered

#: Events of mixed batches printed at a time.
_PORTION_ROWS = 1 << 17


@dataclass(frozen=True, slots=True)
class MixedEvents:
    """Events gathered for each of two templates, and where each line of both together comes in the output."""

    others: Gathered
    plugins: Gathered
    order: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SourceLines:
    """Prints plugin events by one template, all others by another; both have to keep lines with missing values."""

    others: ColumnRenderer
    plugins: ColumnRenderer

    def gather(self, batch: EventBatch, rows: Rows) -> list[MixedEvents]:
        """The columns of the given events in portions, of one kind of event only where there is no other."""
        from_plugins = plugin_events(batch).rows
        nothing = np.array([], np.intp)
        if len(from_plugins) in {0, len(batch)}:
            chosen = (nothing, rows) if len(from_plugins) else (rows, nothing)
            return [MixedEvents(self.others.gather(batch, chosen[0]), self.plugins.gather(batch, chosen[1]), nothing)]
        wanted = np.arange(len(batch))[rows]
        starts = range(0, len(wanted), _PORTION_ROWS)
        return [self._mixed(batch, wanted[start : start + _PORTION_ROWS], from_plugins) for start in starts]

    def _mixed(self, batch: EventBatch, rows: NDArray[np.intp], from_plugins: NDArray[np.intp]) -> MixedEvents:
        is_plugin = np.isin(rows, from_plugins)
        others, plugins = rows[~is_plugin], rows[is_plugin]
        order = np.argsort(np.concatenate([others, plugins]), kind="stable")
        return MixedEvents(self.others.gather(batch, others), self.plugins.gather(batch, plugins), order)

    def print(self, gathered: list[MixedEvents]) -> Iterator[memoryview]:
        """The lines of gathered events, newlines included, in portions of whole lines; possibly none."""
        for events in gathered:
            if not events.others.count or not events.plugins.count:
                yield from self.others.print(events.others)
                yield from self.plugins.print(events.plugins)
                continue
            lines = [*self.others.lines(events.others), *self.plugins.lines(events.plugins)]
            yield concatenated(pa.concat_arrays(lines).take(pa.array(events.order)))
