"""Replay: the events of captures once more, in order of time, flat out or at a pace.

Several captures are merged on the way, through a pipe: what is replayed is one capture, whatever it came from.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from scaptools.api import Capture
from scaptools.capture.merge import merge_captures
from scaptools.capture.reader import open_reader
from scaptools.capture.writer import CaptureWriter
from scaptools.errors import ScapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from scaptools.capture.batch import EventBatch
    from scaptools.capture.source import Opened
    from scaptools.errors import CaptureError
    from scaptools.fields.catalog import Catalog
    from scaptools.fields.needs import FieldInUse
    from scaptools.filter import CompiledFilter
    from scaptools.filter.ast import Expression

_NS = 1_000_000_000
#: Events due within so many seconds are handed out together.
_TICK_SECONDS = 0.02


@dataclass(slots=True)
class Pace:
    """When events are due: so many times as fast as they were, from the first one on.

    Events whose time steps back are due with the latest before them. ``clock`` gives seconds, ``sleep`` waits for some.
    """

    speed: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _started: float | None = None
    _first: int = 0
    _latest: int = 0

    def groups(self, times: NDArray[np.uint64]) -> Iterator[slice]:
        """Slices of events that are due, waiting before each; ``times`` are ns since the epoch, shape ``(n,)``."""
        if not len(times):
            return
        keys = np.maximum(np.maximum.accumulate(times), np.uint64(self._latest))
        self._latest = int(keys[-1])
        if self._started is None:
            self._started, self._first = self.clock(), int(keys[0])
        due = (keys - np.uint64(self._first)).astype(np.float64) / _NS / self.speed
        at = 0
        while at < len(due):
            wait = float(due[at]) - (self.clock() - self._started)
            if wait > 0:
                self.sleep(wait)
            horizon = max(self.clock() - self._started, float(due[at])) + _TICK_SECONDS / 2
            end = max(int(np.searchsorted(due, horizon, "right")), at + 1)
            yield slice(at, end)
            at = end


class Replay:
    """Captures as one stream of events; ``damage`` grows while it runs."""

    def __init__(self, captures: Sequence[Opened], *, catalog: Catalog | None = None, pace: Pace | None = None) -> None:
        self._captures = captures
        self._catalog = catalog
        self._pace = pace
        self.damage: list[CaptureError] = []

    def batches(
        self,
        where: str | Expression | CompiledFilter | None = None,
        *,
        fields: Sequence[FieldInUse] | None = None,
        internal: bool = True,
    ) -> Iterator[tuple[EventBatch, NDArray[np.intp]]]:
        """Batches with their matching rows, ascending, when they are due.

        ``fields`` are those that will be asked of the batches, None for any. Raises FilterError, CaptureError and
        InputError.
        """
        with self._stream() as stream, Capture(stream, catalog=self._catalog) as capture:
            try:
                for batch, rows in capture.matches(where, fields=fields, internal=internal):
                    if self._pace is None:
                        yield batch, rows
                        continue
                    for due in self._pace.groups(batch.header("ts", rows)):
                        yield batch, rows[due]
            finally:
                self.damage += capture.reader.damage_errors()

    def stream(self) -> Iterator[EventBatch]:
        """All events in batches, when they are due, for whoever keeps state of their own along them.

        Raises CaptureError and InputError.
        """
        with self._stream() as stream, open_reader(stream) as reader:
            try:
                for batch in reader.batches():
                    yield from [batch] if self._pace is None else self._parts(batch, self._pace)
            finally:
                self.damage += reader.damage_errors()

    @staticmethod
    def _parts(batch: EventBatch, pace: Pace) -> Iterator[EventBatch]:
        """The batch in parts that are due."""
        for due in pace.groups(batch.header("ts")):
            part = np.zeros(len(batch), bool)
            part[due] = True
            restricted = batch.restricted(part)
            restricted.first_number = batch.first_number + due.start
            yield restricted

    @contextmanager
    def _stream(self) -> Iterator[Opened]:
        """The only capture, or all of them merged."""
        if len(self._captures) == 1:
            yield self._captures[0]
            return
        end, start = os.pipe()
        merging = _Merging(self._captures, os.fdopen(start, "wb"))
        thread = threading.Thread(target=merging.run, name="scap-merge", daemon=True)
        thread.start()
        try:
            with os.fdopen(end, "rb") as merged:
                try:
                    yield merged
                except ScapError as error:
                    # A merge that failed at once leaves an empty stream, which is not what is wrong.
                    merged.close()
                    thread.join()
                    raise (merging.failure or error) from None
        finally:
            thread.join()
        self.damage += merging.damage
        if merging.failure is not None:
            raise merging.failure


class _Merging:
    """The merge that feeds a replay, in a thread of its own."""

    def __init__(self, captures: Sequence[Opened], target: BinaryIO) -> None:
        self._captures = captures
        self._target = target
        self.damage: list[CaptureError] = []
        self.failure: ScapError | None = None

    def run(self) -> None:
        """Merge until all is written or nobody reads any more."""
        with suppress(BrokenPipeError), self._target:
            try:
                with ExitStack() as opened:
                    readers = [opened.enter_context(open_reader(capture)) for capture in self._captures]
                    writer = CaptureWriter(self._target)
                    merge_captures(readers, writer)
                    writer.close()
                    self.damage = [error for reader in readers for error in reader.damage_errors()]
            except ScapError as error:
                self.failure = error
