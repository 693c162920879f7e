"""The replay plugin: the plugin events of a capture, as a source that stands in for the one they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scap_formats.blocks import BLOCKS
from scap_formats.dtypes import event_block_dtype
from scaptools.capture.encode import PLUGIN_EVENT
from scaptools.capture.parameters import gather_binary
from scaptools.capture.reader import open_reader
from scaptools.columns import concatenated
from scaptools.errors import CaptureError, InputError, PluginError
from scaptools.plugins.contract import EventColumns, EventStream, PluginInfo, ScapEvents, SourcePlugin, StreamBatch
from scaptools.plugins.events import plugin_events
from scaptools.plugins.jsontext.texts import edges_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.reader import CaptureReader


_COUNTED = [kind for kind, layout in BLOCKS.items() if layout.has_nparams]
_FLAGGED = [kind for kind, layout in BLOCKS.items() if layout.has_flags]
_FLAGS_BYTES = 4


class ReplayPlugin(SourcePlugin):
    """Plugin events of the capture named by the open parameters, whosever they are, with their ids and times."""

    info: ClassVar[PluginInfo] = PluginInfo(
        name="replay", version="0.1.0", description="Gives the plugin events of a capture once more"
    )

    def open(self, params: str) -> ReplayStream:
        """Open a capture. Raises PluginError."""
        return ReplayStream(params, plugin=self.info.name, plugin_id=self.info.id)


def replay_of(info: PluginInfo) -> type[ReplayPlugin]:
    """A class of plugins that pass for another one: its name, id and source, and only its events."""
    return type(ReplayPlugin.__name__, (ReplayPlugin,), {"__doc__": ReplayPlugin.__doc__, "info": info})


class ReplayStream(EventStream):
    """The plugin events of a capture, of one plugin id or, with 0, of all."""

    def __init__(self, path: str, *, plugin: str, plugin_id: int = 0) -> None:
        self._plugin = plugin
        self._id = plugin_id
        try:
            self._capture: CaptureReader = open_reader(path)
        except (CaptureError, InputError) as error:
            raise PluginError(f"open failed: {error}", plugin=plugin) from error

    def __iter__(self) -> Iterator[StreamBatch]:
        """One batch for each of the capture's. Raises PluginError for what is damaged, after what is not."""
        try:
            for batch in self._capture.batches():
                yield self._events(batch)
        except CaptureError as error:
            raise PluginError(f"reading events failed: {error}", plugin=self._plugin) from error
        for damage in self._capture.damage_errors():
            raise PluginError(f"reading events failed: {damage}", plugin=self._plugin)

    def _events(self, batch: EventBatch) -> StreamBatch:
        events = plugin_events(batch)
        if self._id:
            rows = events.rows[events.ids == self._id]
            data = events.payloads(batch, rows).data
            edges, _ = edges_of(data)
            return EventColumns(bytes(concatenated(data)), np.diff(edges).astype(np.uint32), batch.header("ts", rows))
        # Blocks that hold plugin events have the number of parameters, so the event can be taken as it is.
        header = event_block_dtype(has_nparams=True, has_flags=False, byteorder=batch.byteorder)
        start: int = header.fields["ts"][1]  # type: ignore[index]
        rows = batch.rows_of_type(PLUGIN_EVENT)
        rows = rows[np.isin(batch.block_types[rows], _COUNTED)]
        starts = batch.offsets[rows] + start + _FLAGS_BYTES * np.isin(batch.block_types[rows], _FLAGGED)
        lengths = batch.header("length", rows).astype(np.int64)
        data = gather_binary(batch.data, starts, lengths, np.ones(len(rows), bool))
        return ScapEvents(bytes(concatenated(data)), lengths.astype(np.uint32))

    def close(self) -> None:
        """Close the capture."""
        self._capture.close()
