"""Recording: events of source plugins into a capture.

Sources run each in a thread of its own and hand over batches through bounded queues, so that a slow one delays nobody
and a busy one starves nobody. What a source gave before it failed is written before its error is raised.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from scaptools.plugins.blocks import EventBlocks
from scaptools.plugins.contract import TIMESTAMP_UNSET, EventColumns, ScapEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scaptools.capture.writer import Piece
    from scaptools.plugins.contract import EventStream, SourcePlugin, StreamBatch

#: Batches a source may be ahead of the writer.
_QUEUE_BATCHES = 4
#: Seconds between looks at the clock while no source has anything.
_POLL_SECONDS = 0.05
#: Seconds in which plugins that follow sources say what they still have to, once those have ended.
_FOLLOWING_SECONDS = 0.5
#: Seconds after which what was written is handed to the system even if it is little.
_FLUSH_SECONDS = 1.0


class Target(Protocol):
    """What a recording is written to: a `CaptureWriter`, or something that stands for several."""

    def section_header(self) -> None:
        """Start a section."""

    def write(self, pieces: Iterable[Piece]) -> None:
        """Write whole blocks."""

    def flush(self) -> None:
        """Have everything so far where others see it."""


@dataclass(slots=True)
class Recording:
    """What was recorded so far: events in all and per plugin name, payload bytes, and why it ended."""

    events: int = 0
    payload_bytes: int = 0
    by_plugin: dict[str, int] = field(default_factory=dict)
    progress: dict[str, tuple[float, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A batch as blocks, kept together with what it was made from, in case only a part of it is wanted."""

    plugin_id: int
    batch: StreamBatch | EventBlocks
    blocks: Piece
    payload_bytes: int

    @property
    def events(self) -> int:
        """How many events are in it."""
        return len(self.batch)

    def first(self, count: int) -> _Encoded:
        """The same without what follows the first ``count`` events."""
        batch = self.batch
        first = batch.first(count) if isinstance(batch, ScapEvents | EventBlocks) else batch[:count]
        return _encoded(first, self.plugin_id)


def _encoded(batch: StreamBatch | EventBlocks, plugin_id: int) -> _Encoded:
    if not len(batch):
        return _Encoded(plugin_id, batch, b"", 0)
    if isinstance(batch, EventBlocks):
        return _Encoded(plugin_id, batch, batch.data, batch.payload_bytes)
    import numpy as np

    from scaptools.capture.encode import encode_plugin_columns, encode_plugin_events, encode_scap_events

    if isinstance(batch, ScapEvents):
        return _Encoded(plugin_id, batch, encode_scap_events(batch.data, batch.lengths), len(batch.data))
    if isinstance(batch, EventColumns):
        blocks = encode_plugin_columns(plugin_id, batch.data, batch.lengths, batch.timestamps)
        return _Encoded(plugin_id, batch, blocks, len(batch.data))
    now = time.time_ns()
    times = [now if event.timestamp_ns == TIMESTAMP_UNSET else event.timestamp_ns for event in batch]
    payloads = [event.payload for event in batch]
    pieces = encode_plugin_events(plugin_id, payloads, np.array(times, np.uint64))
    return _Encoded(plugin_id, batch, b"".join(pieces), sum(map(len, payloads)))


@dataclass(slots=True)
class _Running:
    """One source under way: its stream, its thread, and the batches it has ready."""

    plugin: SourcePlugin
    stream: EventStream
    ready: queue.Queue[_Encoded | BaseException | None]
    stop: threading.Event
    thread: threading.Thread | None = None

    def run(self) -> None:
        """Hand over the stream's batches, then its end: None, or the error it failed with."""
        ending: BaseException | None = None
        try:
            for batch in self.stream.recorded():
                if not self._put(_encoded(batch, self.plugin.info.id)):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again by the recorder
            ending = error
        self._put(ending)

    def _put(self, item: _Encoded | BaseException | None) -> bool:
        while not self.stop.is_set():
            try:
                self.ready.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False


@dataclass(slots=True)
class _Bounds:
    """When a recording is over although its sources are not."""

    limit: int | None
    duration_s: float | None
    stop: threading.Event
    started: float = field(default_factory=time.monotonic)

    def reached(self, recording: Recording) -> bool:
        """Whether one of the bounds is reached."""
        if self.stop.is_set() or (self.limit is not None and recording.events >= self.limit):
            return True
        return self.duration_s is not None and time.monotonic() - self.started >= self.duration_s

    def within(self, batch: _Encoded, recording: Recording) -> _Encoded:
        """As much of a batch as there is still room for."""
        if self.limit is None or batch.events <= self.limit - recording.events:
            return batch
        return batch.first(self.limit - recording.events)


def record(
    sources: Sequence[tuple[SourcePlugin, str]],
    writer: Target,
    *,
    limit: int | None = None,
    duration_s: float | None = None,
    observe: Callable[[Recording], None] | None = None,
    interrupted: threading.Event | None = None,
) -> Recording:
    """Open the sources with their open parameters and write their events until all have ended.

    ``limit`` ends the recording after so many events, ``duration_s`` after so many seconds, ``interrupted`` once it is
    set; ``observe`` is called after every batch. Raises the PluginError of a source that fails, after writing what
    came before it and what the others still have to say.
    """
    recording = Recording()
    stop = interrupted or threading.Event()
    running: list[_Running] = []
    leading = [plugin for plugin, _ in sources if not plugin.follows]
    try:
        for plugin, params in sources:
            if plugin.follows:
                plugin.follow(leading)
            running.append(_Running(plugin, plugin.open(params), queue.Queue(_QUEUE_BATCHES), stop))
        writer.section_header()
        for source in running:
            preface = source.stream.preface()
            if len(preface):
                _write(source, _encoded(preface, source.plugin.info.id), writer, recording)
        _start(running)
        _pump(running, writer, recording, _Bounds(limit, duration_s, stop), observe)
        writer.flush()
    finally:
        stop.set()
        for source in running:
            if source.thread is not None:
                source.thread.join(timeout=1)
            source.stream.close()
    return recording


def _start(running: Sequence[_Running]) -> None:
    for source in running:
        source.thread = threading.Thread(target=source.run, name=f"scap-{source.plugin.info.name}", daemon=True)
        source.thread.start()


def _pump(
    running: list[_Running],
    writer: Target,
    recording: Recording,
    bounds: _Bounds,
    observe: Callable[[Recording], None] | None,
) -> None:
    active = list(running)
    leading = [source for source in running if not source.plugin.follows] or running
    failure: BaseException | None = None
    written = led = time.monotonic()
    while active and not bounds.reached(recording):
        if any(source in active for source in leading):
            led = time.monotonic()
        elif time.monotonic() - led > _FOLLOWING_SECONDS:
            break
        idle = True
        for source in list(active):
            try:
                # With one source there is nobody else to serve, so it may be waited for.
                item = source.ready.get(timeout=_POLL_SECONDS) if len(active) == 1 else source.ready.get_nowait()
            except queue.Empty:
                continue
            idle = False
            if item is None or isinstance(item, BaseException):
                active.remove(source)
                failure = failure or item
                continue
            _write(source, bounds.within(item, recording), writer, recording)
            if observe is not None:
                observe(recording)
        if time.monotonic() - written > _FLUSH_SECONDS:
            writer.flush()
            written = time.monotonic()
        if idle and len(active) > 1:
            time.sleep(_POLL_SECONDS / 10)
    if failure is not None:
        raise failure


def _write(source: _Running, batch: _Encoded, writer: Target, recording: Recording) -> None:
    name = source.plugin.info.name
    # The plugin may have come further while it had nothing to give.
    progress = source.stream.progress()
    if progress is not None:
        recording.progress[name] = progress
    if not batch.events:
        return
    writer.write([batch.blocks])
    recording.events += batch.events
    recording.payload_bytes += batch.payload_bytes
    recording.by_plugin[name] = recording.by_plugin.get(name, 0) + batch.events
